/**
 * What the conformance tests share: the cases of the Autobahn test suite as rows of tables, and what runs a row.
 *
 * A row says which frames the client sends, which frames must come back, byte for byte, and how the connection ends.
 */
import { describe, expect, test } from 'vitest';
import type { HttpdUri } from '../../../src/httpd/route.js';
import type { WsCloseInfo } from '../../../src/httpd_ws/options.js';
import { pieces } from '../../support/feed.js';
import { turn } from '../../support/server.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  type FrameSpec,
  PING,
  PONG,
  parseFrames,
  type ServerFrame,
  TEXT,
  type WsRawClient,
} from '../../support/ws_frames.js';
import { deferred, startWs } from '../ws_server.js';

/** What the handler sees: frames as they came, or whole messages. It echoes either. */
export type Mode = 'frame' | 'message';

/** What must come back; one list if it is the same in both modes. */
export type Back = readonly FrameSpec[] | Readonly<Record<Mode, readonly FrameSpec[]>>;

/** In which pieces the client sends: all at once, each frame by itself, or so many bytes at a time. */
export type Chop = 'together' | 'frames' | number;

export interface Part {
  /** Frames, or bytes that need not be whole ones. */
  readonly send: readonly (FrameSpec | Uint8Array)[];
  readonly chop?: Chop;
  readonly back: Back;
}

export interface Row {
  /** Its number in the Autobahn test suite; a row of ours has a letter behind the number of a related one. */
  readonly id: string;
  readonly title: string;
  /** The next part is sent when what the one before asks for has come back, and nothing else. */
  readonly parts: readonly Part[];
  /** How the server closes, by itself or as its answer; if undefined the client closes with 1000 at the end. */
  readonly close?: Ending;
}

export interface Ending {
  /** Undefined for a Close frame without a code. */
  readonly code: number | undefined;
  /** Has the client sent a Close frame that is right? */
  readonly wasClean: boolean;
}

type Payload = Uint8Array | string;

export const text = (payload: Payload = ''): FrameSpec => ({ opcode: TEXT, payload });
export const textMore = (payload: Payload = ''): FrameSpec => ({ opcode: TEXT, payload, fin: false });
export const binary = (payload: Payload = ''): FrameSpec => ({ opcode: BINARY, payload });
export const cont = (payload: Payload = ''): FrameSpec => ({ opcode: CONTINUE, payload });
export const contMore = (payload: Payload = ''): FrameSpec => ({ opcode: CONTINUE, payload, fin: false });
export const ping = (payload: Payload = ''): FrameSpec => ({ opcode: PING, payload });
export const pong = (payload: Payload = ''): FrameSpec => ({ opcode: PONG, payload });
export const close = (code?: number, reason = ''): FrameSpec => ({
  opcode: CLOSE,
  payload: code === undefined ? '' : closeBody(code, reason),
});

/** Back in frame mode, then back in message mode. */
export const either = (frame: readonly FrameSpec[], message: readonly FrameSpec[]): Back => ({ frame, message });

/** The client breaks a rule. */
export const failed = (code: number): Ending => ({ code, wasClean: false });
/** The client has sent a Close frame. */
export const answered = (code: number | undefined): Ending => ({ code, wasClean: true });

/** A row that is sent without a stop. */
export function row(
  id: string,
  title: string,
  send: readonly (FrameSpec | Uint8Array)[],
  back: Back,
  more: { chop?: Chop; close?: Ending } = {},
): Row {
  const { chop = 'together', close } = more;
  return { id, title, parts: [{ send, chop, back }], ...(close && { close }) };
}

/** A message of the given type in fragments of `size` bytes; the whole message if they fit in one. */
export function fragments(opcode: number, payload: Buffer, size: number): FrameSpec[] {
  const parts = payload.length === 0 ? [payload] : pieces(payload, [size]);
  return parts.map((part, i) => ({
    opcode: i === 0 ? opcode : CONTINUE,
    payload: part,
    fin: i === parts.length - 1,
  }));
}

/** The bytes of a client's frame; as `buildFrame` does it, but fast enough for megabytes. */
export function clientBytes(frame: FrameSpec | Uint8Array): Buffer[] {
  if (frame instanceof Uint8Array) return [Buffer.from(frame)];
  const { payload } = frame;
  if (typeof payload === 'string' || payload === undefined || payload.length < 64) return [buildFrame(frame)];
  const head = buildFrame({ ...frame, payload: '', claimedLen: payload.length });
  const masked = new Uint8Array(Math.ceil(payload.length / 4) * 4);
  masked.set(payload);
  const words = new Int32Array(masked.buffer);
  // the key is in the order of the bytes, as the words are
  const key = new Int32Array(new Uint8Array(head.subarray(-4)).buffer)[0] as number;
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ key;
  return [head, Buffer.from(masked.buffer, 0, payload.length)];
}

/** Writes what a part sends, in its pieces. */
async function sendPart(ws: WsRawClient, { send, chop = 'together' }: Part): Promise<void> {
  const frames = send.map(frame => Buffer.concat(clientBytes(frame)));
  if (chop === 'frames') return ws.raw.sendPieces(frames);
  const bytes = Buffer.concat(frames);
  if (chop === 'together') {
    ws.raw.send(bytes);
    return;
  }
  let n = 0;
  for (const piece of pieces(bytes, [chop])) {
    ws.raw.send(piece);
    n += 1;
    // each piece is a segment; now and then the server has its turn, at first behind each
    if (n < 200 || n % 32 === 0) await new Promise(resolve => setImmediate(resolve));
  }
}

/** A frame in few words, for a message. */
function shown({ fin, rsv, opcode, masked, payload }: ServerFrame): object {
  return { fin, rsv, opcode, masked, len: payload.length, payload: payload.toString('latin1', 0, 60) };
}

/** Exactly these frames must come next. */
export async function expectFrames(ws: WsRawClient, frames: readonly FrameSpec[]): Promise<void> {
  const want = Buffer.concat(frames.map(frame => buildFrame({ ...frame, mask: false })));
  const got = await ws.raw.readUntil(want.length);
  if (got.equals(want)) return;
  expect(parseFrames(got).frames.map(shown)).toEqual(parseFrames(want).frames.map(shown));
  throw new Error('the frames differ in bytes that are not shown');
}

/** A Close frame must come, without anything behind it, and then the server's FIN, while ours has not been sent. */
export async function expectEnd(ws: WsRawClient, code: number | undefined): Promise<void> {
  const { fin, rsv, opcode, masked, payload, code: got } = await ws.readFrame();
  expect({ fin, rsv, opcode, masked, code: got }).toEqual({ fin: true, rsv: 0, opcode: CLOSE, masked: false, code });
  expect(() => new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(2))).not.toThrow();
  expect(payload.length).toBeLessThanOrEqual(125);
  expect(await ws.closed()).toBe('fin');
  expect(ws.raw.received).toHaveLength(0);
}

export function backOf(back: Back, mode: Mode): readonly FrameSpec[] {
  return 'frame' in back ? back[mode] : back;
}

/** What a row runs with. */
export interface Setting {
  readonly uri?: Partial<HttpdUri>;
  /** Headers of the handshake. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Runs a row against a server of its own. */
export async function run({ parts, close: ending }: Row, mode: Mode, { uri, headers }: Setting = {}): Promise<void> {
  const ended = deferred<WsCloseInfo>();
  const { open } = await startWs({ wsMessageMode: mode === 'message', wsCloseCb: ended.resolve, ...uri });
  const ws = await open({ ...(headers && { headers }) });
  for (const [i, part] of parts.entries()) {
    await sendPart(ws, part);
    await expectFrames(ws, backOf(part.back, mode));
    if (i === parts.length - 1) break;
    for (let n = 0; n < 10; n++) await turn();
    expect({ over: ws.raw.over, unread: ws.raw.received.length }).toEqual({ over: false, unread: 0 });
  }
  const { code, wasClean } = ending ?? answered(1000);
  if (ending === undefined) ws.send(close(1000));
  await expectEnd(ws, code);
  ws.raw.end();
  expect(await ended.promise).toMatchObject({ code: wasClean ? (code ?? 1005) : 1006, wasClean });
}

/** Tests of all rows in both modes. */
export function conformance(group: string, rows: readonly Row[], setting?: Setting): void {
  describe.each<Mode>(['frame', 'message'])(`${group}, %s mode:`, mode => {
    test.each(rows.map(each => [each.id, each.title, each] as const))('%s %s', (_id, _title, each) =>
      run(each, mode, setting),
    );
  });
}
