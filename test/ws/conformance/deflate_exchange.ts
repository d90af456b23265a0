/** Messages that go both ways compressed: what the tests of groups 12 and 13 share. */
import { describe, expect, test } from 'vitest';
import type { WsDeflateOptions } from '../../../src/httpd_ws/options.js';
import { BINARY, type FrameSpec, TEXT } from '../../support/ws_frames.js';
import { startWs } from '../ws_server.js';
import { type Agreed, DeflatePeer, parseAnswer } from './deflate_client.js';
import { type Data, piecesOf } from './deflate_data.js';
import { clientBytes, close, expectEnd, fragments, type Mode } from './support.js';

const KIB = 1024;
/** Length of the messages, and of the fragments that their compressed payload is cut into; 0 for none. */
const SIZES: readonly (readonly [len: number, fragment: number])[] = [
  ...[16, 64, 256, KIB, 4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB].map(len => [len, 0] as const),
  ...[8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB].map(len => [len, 256] as const),
  ...[KIB, 4 * KIB, 32 * KIB].map(fragment => [128 * KIB, fragment] as const),
];
/** In place of a thousand. */
const COUNT_MAX = 20;
/** Of long messages as many as fit in here. */
const BYTES_MAX = 128 * KIB;

export interface Case {
  /** Sec-WebSocket-Extensions of the client. */
  readonly offer: string;
  readonly options: true | WsDeflateOptions;
  readonly agreed: Agreed;
  readonly data: Data;
}

/** Sends compressed messages in a row and reads their echoes. */
async function exchange(mode: Mode, given: Case, len: number, fragment: number): Promise<void> {
  const { offer, options, data } = given;
  const threshold = options === true ? KIB : (options.threshold ?? KIB);
  const { open } = await startWs({ wsMessageMode: mode === 'message', wsPerMessageDeflate: options });
  const ws = await open({ headers: { 'Sec-WebSocket-Extensions': offer } });
  const agreed = parseAnswer(ws.response.headers['sec-websocket-extensions']);
  expect(agreed).toEqual(given.agreed);
  const peer = new DeflatePeer(agreed);
  try {
    const opcode = data.isText ? TEXT : BINARY;
    const messages = piecesOf(data, len, Math.max(2, Math.min(COUNT_MAX, Math.floor(BYTES_MAX / len))));
    for (const message of messages) {
      const compressed = await peer.compress(message);
      const frames: FrameSpec[] = fragments(opcode, compressed, fragment || compressed.length);
      ws.send(...[{ ...(frames[0] as FrameSpec), rsv: 4 }, ...frames.slice(1)].flatMap(clientBytes));
    }
    for (const message of messages) {
      const { fin, rsv, opcode: type, masked, payload } = await ws.readFrame();
      expect({ fin, type, masked, rsv: rsv & 3 }).toEqual({ fin: true, type: opcode, masked: false, rsv: 0 });
      if (len < threshold) expect(rsv).toBe(0);
      else if (data.shrinks && len >= 256) expect(rsv).toBe(4);
      const got = rsv === 0 ? payload : await peer.inflate(payload);
      expect({ len: got.length, same: got.equals(message) }).toEqual({ len, same: true });
    }
  } finally {
    peer.close();
  }
  ws.send(close(1000));
  await expectEnd(ws, 1000);
}

/** A test for each size and fragmentation. */
export function sizes(group: string, title: string, given: Case, modes: Mode[] = ['frame', 'message']): void {
  describe.each(modes)(`${group} ${title}, %s mode:`, mode => {
    const cases = SIZES.map(([len, fragment], i) => {
      const title = `${len} bytes in ${fragment === 0 ? 'one frame' : `fragments of ${fragment}`}`;
      return [`${group}.${i + 1}`, title, len, fragment] as const;
    });
    test.each(cases)('%s %s', (_id, _title, len, fragment) => exchange(mode, given, len, fragment));
  });
}

export const DEFLATE = 'permessage-deflate';
/** What the client of the suite always says: that the server may ask for these. */
export const OFFER = `${DEFLATE}; client_no_context_takeover; client_max_window_bits`;
export const FORGETS: Agreed = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
