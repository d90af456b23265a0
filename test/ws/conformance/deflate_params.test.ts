/** Group 13: what can be agreed on about permessage-deflate (RFC 7692 section 7.1). */
import { constants, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { WsDeflateOptions } from '../../../src/httpd_ws/options.js';
import { type Agreed, DeflatePeer, parseAnswer } from './deflate_client.js';
import { DATA, type Data } from './deflate_data.js';
import { DEFLATE, FORGETS, OFFER, sizes } from './deflate_exchange.js';
import type { Mode } from './support.js';

/** A server that keeps its context, and lets the client keep its, unless one of them is asked not to. */
const KEEPING: WsDeflateOptions = { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false };
const KEEPS: Agreed = { ...FORGETS, serverNoContextTakeover: false, clientNoContextTakeover: false };
const S_KEEPS: Agreed = { ...FORGETS, serverNoContextTakeover: false };

interface Negotiation {
  readonly group: string;
  readonly title: string;
  readonly offer: string;
  readonly agreed: Agreed;
  readonly options?: WsDeflateOptions;
}

const NEGOTIATIONS: readonly Negotiation[] = [
  { group: '13.1', title: 'the client may be told', offer: OFFER, agreed: S_KEEPS },
  { group: '13.1a', title: 'nothing is said', offer: DEFLATE, agreed: KEEPS },
  {
    group: '13.2',
    title: 'the server forgets',
    offer: `${OFFER}; server_no_context_takeover`,
    agreed: FORGETS,
  },
  {
    group: '13.2a',
    title: 'the server forgets, the client does not',
    offer: `${DEFLATE}; server_no_context_takeover`,
    agreed: { ...KEEPS, serverNoContextTakeover: true },
  },
  {
    group: '13.3',
    title: 'the server has 9 bits',
    offer: `${OFFER}; server_max_window_bits=9`,
    agreed: { ...S_KEEPS, serverMaxWindowBits: 9 },
  },
  {
    group: '13.3a',
    title: 'the server has 8 bits',
    offer: `${OFFER}; server_max_window_bits=8`,
    agreed: { ...S_KEEPS, serverMaxWindowBits: 8 },
  },
  {
    group: '13.3b',
    title: 'the client has 9 bits',
    offer: `${DEFLATE}; client_max_window_bits=9`,
    agreed: { ...KEEPS, clientMaxWindowBits: 9 },
  },
  { group: '13.4', title: 'the server has 15 bits', offer: `${OFFER}; server_max_window_bits=15`, agreed: S_KEEPS },
  {
    group: '13.5',
    title: 'the server forgets and has 9 bits',
    offer: `${OFFER}; server_no_context_takeover; server_max_window_bits=9`,
    agreed: { ...FORGETS, serverMaxWindowBits: 9 },
  },
  {
    group: '13.5a',
    title: 'the server wants 9 and 10 bits',
    offer: `${DEFLATE}; client_max_window_bits`,
    agreed: { ...FORGETS, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
    options: { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 10 },
  },
  {
    group: '13.6',
    title: 'the server forgets and has 15 bits',
    offer: `${OFFER}; server_no_context_takeover; server_max_window_bits=15`,
    agreed: FORGETS,
  },
  {
    group: '13.7',
    title: 'the first of three offers',
    offer: [
      `${OFFER}; server_no_context_takeover; server_max_window_bits=9`,
      `${OFFER}; server_no_context_takeover`,
      OFFER,
    ].join(', '),
    agreed: { ...FORGETS, serverMaxWindowBits: 9 },
  },
  {
    group: '13.7a',
    title: 'the first of four offers that can be taken',
    offer: [
      `${OFFER}; server_max_window_bits=7`,
      `${OFFER}; unknown`,
      `${DEFLATE}; server_no_context_takeover`,
      OFFER,
    ].join(', '),
    agreed: { ...KEEPS, serverNoContextTakeover: true },
  },
];

const JSON_DATA = DATA[3] as Data;

for (const { group, title, offer, agreed, options = KEEPING } of NEGOTIATIONS) {
  // a compressed message takes the same way in both modes: one is enough for those that the suite does not have
  const modes: Mode[] | undefined = /[a-z]$/.test(group) ? ['message'] : undefined;
  sizes(group, title, { offer, options, agreed, data: JSON_DATA }, modes);
}

/** What a server sends that compresses with the largest window. */
function sent(payload: Buffer): Buffer {
  return deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
}

test.each([true, false])(
  'the client of these tests notices a window that is too large (forgets: %s)',
  async forgets => {
    const peer = new DeflatePeer({ ...FORGETS, serverNoContextTakeover: forgets, serverMaxWindowBits: 9 });
    await expect(peer.inflate(sent(JSON_DATA.bytes.subarray(0, 8_192)))).rejects.toThrow('too far back');
    peer.close();
  },
);

test('the client of these tests notices a context that was not agreed on', async () => {
  const peer = new DeflatePeer(FORGETS);
  expect((await peer.inflate(Buffer.from('f248cdc9c90700', 'hex'))).toString()).toBe('Hello');
  await expect(peer.inflate(Buffer.from('f200110000', 'hex'))).rejects.toThrow('too far back');
});

test.each([
  undefined,
  'permessage-deflate; server_no_context_takeover=1',
  'permessage-deflate; server_max_window_bits',
  'permessage-deflate; server_max_window_bits=16',
  'permessage-deflate; client_max_window_bits=09',
  'permessage-deflate; client_max_window_bits=9; client_max_window_bits=9',
  'permessage-deflate; mux',
  'x-webkit-deflate-frame',
])('the client of these tests refuses the answer %j', header => {
  expect(() => parseAnswer(header)).toThrow();
});
