/** What the tests of options, ends and time share: time that passes, ends that are told, silence. */
import { deflateRawSync, constants as zlib } from 'node:zlib';
import { expect } from 'vitest';
import type { HttpdServer } from '../../src/httpd/server.js';
import type { WsCloseInfo } from '../../src/httpd_ws/options.js';
import type { ManualClock } from '../support/clock.js';
import { turn } from '../support/server.js';
import { type HandshakeSpec, PING, PONG, type WsRawClient } from '../support/ws_frames.js';

/** Lets the loop turn, so that what either side has sent arrives. */
export async function turns(n = 5): Promise<void> {
  for (let i = 0; i < n; i++) await turn();
}

/** Time passes, second by second, and the loop turns in between. */
export async function pass(clock: ManualClock, seconds: number, eachSecond: () => unknown = () => {}): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    clock.advance(1_000);
    await eachSecond();
    await turns(2);
  }
}

/** The server must have sent nothing that has not been read: its next frame is the answer to this Ping. */
export async function expectSilence(ws: WsRawClient): Promise<void> {
  expect(ws.raw.received.toString('hex')).toBe('');
  ws.send({ opcode: PING, payload: 'silence?' });
  const { opcode, text } = await ws.readFrame();
  expect([opcode, text]).toEqual([PONG, 'silence?']);
}

export interface EndLog {
  readonly ended: WsCloseInfo[];
  readonly wsCloseCb: (info: WsCloseInfo) => void;
}

/** A `wsCloseCb` that keeps what it is told. */
export function endLog(): EndLog {
  const ended: WsCloseInfo[] = [];
  return { ended, wsCloseCb: info => ended.push(info) };
}

/** The fd of the session that was opened last. */
export function lastFd(server: HttpdServer): number {
  return server.getClientList().at(-1) ?? -1;
}

/** A handshake that offers permessage-deflate (RFC 7692). */
export const OFFER: HandshakeSpec = { headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } };

/** The payload of a compressed message (RFC 7692 section 7.2.1). */
export function compress(payload: Uint8Array | string): Buffer {
  return deflateRawSync(payload, { finishFlush: zlib.Z_SYNC_FLUSH }).subarray(0, -4);
}

/** RSV1: the message is compressed. */
export const COMPRESSED = { rsv: 4 } as const;
