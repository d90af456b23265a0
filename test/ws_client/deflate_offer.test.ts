/** What the client offers of permessage-deflate, and which answers keep to it (RFC 7692 section 7.1). */
import { describe, expect, test } from 'vitest';
import type { WsDeflateSettings } from '../../src/httpd_ws/options.js';
import { deflateOffer, readAnswer } from '../../src/ws_client/deflate_offer.js';
import { BINARY, buildFrame, hex, TEXT } from '../support/ws_frames.js';
import { memoryClient } from './memory_socket.js';
import { turns } from './support.js';

const ALL: WsDeflateSettings = {
  threshold: 0,
  level: 6,
  memLevel: 8,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const AGREED = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const DEFLATE = 'permessage-deflate';

test.each<[Partial<WsDeflateSettings>, string]>([
  [{}, '; client_max_window_bits'],
  [{ serverNoContextTakeover: true }, '; server_no_context_takeover; client_max_window_bits'],
  [{ clientNoContextTakeover: true }, '; client_no_context_takeover; client_max_window_bits'],
  [{ serverMaxWindowBits: 9, clientMaxWindowBits: 10 }, '; server_max_window_bits=9; client_max_window_bits=10'],
])('the offer of %j', (options, offer) => {
  expect(deflateOffer({ ...ALL, ...options })).toBe(DEFLATE + offer);
});

describe('an answer is taken', () => {
  test.each<[string, Partial<WsDeflateSettings>, Partial<typeof AGREED>]>([
    ['', {}, {}],
    ['; server_no_context_takeover', {}, { serverNoContextTakeover: true }],
    ['; client_no_context_takeover', {}, { clientNoContextTakeover: true }],
    ['', { clientNoContextTakeover: true }, { clientNoContextTakeover: true }],
    ['; server_max_window_bits=10', {}, { serverMaxWindowBits: 10 }],
    ['; server_max_window_bits="9"', { serverMaxWindowBits: 10 }, { serverMaxWindowBits: 9 }],
    ['; client_max_window_bits=9', {}, { clientMaxWindowBits: 9 }],
    ['; client_max_window_bits=12', { clientMaxWindowBits: 10 }, { clientMaxWindowBits: 10 }],
    ['', { clientMaxWindowBits: 10 }, { clientMaxWindowBits: 10 }],
  ])('%j to %j', (answer, options, agreed) => {
    expect(readAnswer(DEFLATE + answer, { ...ALL, ...options })).toEqual({ ...AGREED, ...agreed });
  });

  test.each([undefined, '', ',', ' , '])('and %j is none', answer => {
    expect(readAnswer(answer, ALL)).toBe(undefined);
    expect(readAnswer(answer, undefined)).toBe(undefined);
  });
});

describe('an answer is refused', () => {
  test.each<[string, Partial<WsDeflateSettings>]>([
    [`${DEFLATE}; server_no_context_takeover=1`, {}],
    [`${DEFLATE}; server_max_window_bits`, {}],
    [`${DEFLATE}; server_max_window_bits=16`, {}],
    [`${DEFLATE}; server_max_window_bits=7`, {}],
    [`${DEFLATE}; server_max_window_bits=09`, {}],
    [`${DEFLATE}; client_max_window_bits`, {}],
    [`${DEFLATE}; mux`, {}],
    [`${DEFLATE}; client_no_context_takeover; client_no_context_takeover`, {}],
    [`${DEFLATE}, ${DEFLATE}`, {}],
    ['x-webkit-deflate-frame', {}],
    [`${DEFLATE};`, {}],
    // what was asked for is not kept to
    [DEFLATE, { serverNoContextTakeover: true }],
    [DEFLATE, { serverMaxWindowBits: 10 }],
    [`${DEFLATE}; server_max_window_bits=11`, { serverMaxWindowBits: 10 }],
  ])('%j to %j', (answer, options) => {
    expect(typeof readAnswer(answer, { ...ALL, ...options })).toBe('string');
  });

  test('if nothing was offered', () => {
    expect(typeof readAnswer(DEFLATE, undefined)).toBe('string');
  });
});

describe('a compressed message', () => {
  const fields = [`Sec-WebSocket-Extensions: ${DEFLATE}; server_max_window_bits=15`];
  const connect = (maxMessageLen?: number) =>
    memoryClient({ perMessageDeflate: { threshold: 0 }, ...(maxMessageLen && { maxMessageLen }) }, fields);

  // RFC 7692 section 7.2.3.1 to 7.2.3.2: the second one looks back into the first
  test('is inflated, also with the context of the one before', async () => {
    const { socket, data } = await connect();
    socket.deliver(buildFrame({ opcode: TEXT, rsv: 4, payload: hex('f248cdc9c90700'), mask: false }));
    socket.deliver(buildFrame({ opcode: TEXT, rsv: 4, payload: hex('f200110000'), mask: false }));
    socket.deliver(buildFrame({ opcode: TEXT, rsv: 4, fin: false, payload: hex('f200'), mask: false }));
    socket.deliver(buildFrame({ opcode: 0, payload: hex('110000'), mask: false }));
    expect(data.map(event => event.data.toString())).toEqual(['Hello', 'Hello', 'Hello']);
    expect(data[2]).toMatchObject({ opCode: TEXT, fin: true, payloadLen: 5 });
  });

  test.each([
    ['broken', hex('ffffff'), 1007],
    ['no text', Buffer.from([0x6a, 0x07, 0x00]), 1007],
    ['too long', hex('f248cdc9c90700'), 1009],
  ])('that is %s closes', async (_name, payload, code) => {
    const { socket } = await connect(code === 1009 ? 4 : undefined);
    socket.deliver(buildFrame({ opcode: TEXT, rsv: 4, payload, mask: false }));
    await turns(1);
    expect(socket.frames()[0]?.code).toBe(code);
  });

  test('goes out with RSV1 on its first frame only', async () => {
    const { client, socket } = await memoryClient({ perMessageDeflate: { threshold: 10 }, fragmentLen: 16 }, fields);
    await client.sendText('short');
    await client.sendBin(Buffer.from(Array.from({ length: 100 }, (_, i) => (i * 7) % 251)));
    await turns(1);
    const frames = socket.frames();
    expect(frames[0]).toMatchObject({ rsv: 0, text: 'short' });
    expect(frames.slice(1, 3).map(({ rsv, opcode, fin }) => [rsv, opcode, fin])).toEqual([
      [4, BINARY, false],
      [0, 0, false],
    ]);
    expect(frames.at(-1)?.fin).toBe(true);
  });
});
