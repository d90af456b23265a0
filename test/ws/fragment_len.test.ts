import { inflateRawSync, constants as zlib } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { HttpdUri } from '../../src/httpd/route.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import type { WsDeflateOptions } from '../../src/httpd_ws/options.js';
import { BINARY, CLOSE, CONTINUE, PING, PONG, type ServerFrame, TEXT, type WsRawClient } from '../support/ws_frames.js';
import { pattern, startWs } from './ws_server.js';
import { expectSilence, lastFd, OFFER } from './ws_watch.js';

const LEN = 16;

async function openCut(uri: Partial<HttpdUri> = {}) {
  const ws = await startWs({ wsFragmentLen: LEN, ...uri });
  const client = await ws.open(OFFER);
  const fd = lastFd(ws.server);
  const send = (frame: Parameters<typeof wsFrame>[0]) => ws.server.wsSendFrameAsync(fd, wsFrame(frame));
  return { ...ws, client, fd, send };
}

/** The frames of the next message. */
async function readMessage(client: WsRawClient): Promise<ServerFrame[]> {
  const frames: ServerFrame[] = [];
  do frames.push(await client.readFrame());
  while (!frames.at(-1)?.fin);
  return frames;
}

/** They must be one message of this type in frames of these lengths. */
function expectFrames(frames: readonly ServerFrame[], type: number, lens: readonly number[], rsv = 0): Buffer {
  expect(frames.map(({ payload }) => payload.length)).toEqual(lens);
  expect(frames.map(({ opcode }) => opcode)).toEqual(lens.map((_, i) => (i === 0 ? type : CONTINUE)));
  expect(frames.map(({ fin }) => fin)).toEqual(lens.map((_, i) => i === lens.length - 1));
  // RFC 7692 section 6: RSV1 is the first frame's only
  expect(frames.map(frame => frame.rsv)).toEqual(lens.map((_, i) => (i === 0 ? rsv : 0)));
  return Buffer.concat(frames.map(({ payload }) => payload));
}

/** Full frames, and the rest. */
function cut(len: number, by = LEN): number[] {
  if (len === 0) return [0];
  const lens = Array<number>(Math.floor(len / by)).fill(by);
  return len % by === 0 ? lens : [...lens, len % by];
}

describe('wsFragmentLen', () => {
  test.each([0, 1, 15, 16, 17, 31, 32, 33, 160, 70_000])('cuts a message of %i bytes into full frames', async len => {
    const { client, send, server } = await openCut();
    const payload = pattern(len);
    await send({ type: BINARY, payload });
    expect(Buffer.compare(expectFrames(await readMessage(client), BINARY, cut(len)), payload)).toBe(0);
    server.wsBroadcast(wsFrame({ type: BINARY, payload }));
    expect(Buffer.compare(expectFrames(await readMessage(client), BINARY, cut(len)), payload)).toBe(0);
  });

  test.each([
    'x'.repeat(16),
    'x'.repeat(17),
    'ä'.repeat(8),
    'ä'.repeat(9),
    '€uro',
    '😀'.repeat(4),
    '😀'.repeat(5),
    '€'.repeat(16),
  ])('counts text in bytes: %j', async text => {
    const { client, send, server } = await openCut();
    const lens = cut(Buffer.byteLength(text));
    await send({ type: TEXT, payload: text });
    expect(expectFrames(await readMessage(client), TEXT, lens).toString()).toBe(text);
    server.wsBroadcast(wsFrame({ type: TEXT, payload: text }));
    expect(expectFrames(await readMessage(client), TEXT, lens).toString()).toBe(text);
  });

  test('cuts what a handler answers', async () => {
    const { client } = await openCut();
    client.send({ opcode: TEXT, payload: 'a'.repeat(40) });
    expectFrames(await readMessage(client), TEXT, [16, 16, 8]);
  });

  test('cuts into frames longer than what is sent at once too', async () => {
    const { client, send, server } = await openCut({ wsFragmentLen: 300_000 });
    const payload = pattern(1_000_000);
    await send({ type: BINARY, payload });
    const lens = [300_000, 300_000, 300_000, 100_000];
    expect(Buffer.compare(expectFrames(await readMessage(client), BINARY, lens), payload)).toBe(0);
    server.wsBroadcast(wsFrame({ type: BINARY, payload }));
    expect(Buffer.compare(expectFrames(await readMessage(client), BINARY, lens), payload)).toBe(0);
  });

  test.each<[name: string, options: WsDeflateOptions]>([
    ['shared by many', { threshold: 0 }],
    ['with a context of its own', { threshold: 0, serverNoContextTakeover: false }],
  ])('cuts a compressed message behind its compression, %s', async (_name, wsPerMessageDeflate) => {
    const { client, send, server } = await openCut({ wsPerMessageDeflate });
    // as many random bytes as make some frames when compressed
    const payload = Buffer.concat([pattern(100).map((byte, i) => byte ^ ((i * i * 7) & 0xff)), Buffer.alloc(1_000)]);
    for (const way of ['send', 'broadcast']) {
      if (way === 'send') await send({ type: BINARY, payload });
      else server.wsBroadcast(wsFrame({ type: BINARY, payload }));
      const frames = await readMessage(client);
      const len = frames.reduce((sum, frame) => sum + frame.payload.length, 0);
      const bytes = expectFrames(frames, BINARY, cut(len), 4);
      if (way === 'broadcast' && wsPerMessageDeflate.serverNoContextTakeover === false) continue;
      expect(frames.length).toBeGreaterThan(3);
      const inflated = inflateRawSync(Buffer.concat([bytes, Buffer.from('0000ffff', 'hex')]), {
        finishFlush: zlib.Z_SYNC_FLUSH,
      });
      expect(Buffer.compare(inflated, payload)).toBe(0);
    }
  });

  test('never cuts a control frame', async () => {
    const { client, send, server, fd } = await openCut();
    const payload = pattern(125);
    await send({ type: PING, payload });
    await send({ type: PONG, payload });
    server.wsBroadcast(wsFrame({ type: PING, payload }));
    for (const type of [PING, PONG, PING]) {
      const { opcode, fin, payload: got } = await client.readFrame();
      expect([opcode, fin, got.length]).toEqual([type, true, 125]);
    }
    client.send({ opcode: PING, payload });
    expect((await client.readFrame()).payload).toHaveLength(125);
    server.wsClose(fd, 1000, 'r'.repeat(123));
    const { opcode, payload: reason } = await client.readFrame();
    expect([opcode, reason.length]).toEqual([CLOSE, 125]);
  });

  test('cuts the fragments of an application, and only its last one is final', async () => {
    const { client, send } = await openCut();
    await send({ type: TEXT, payload: 'a'.repeat(20), fragmented: true });
    await send({ type: CONTINUE, payload: '', fragmented: true });
    await send({ type: CONTINUE, payload: 'b'.repeat(16), fragmented: true });
    await send({ type: CONTINUE, payload: 'c'.repeat(33), fragmented: true, final: true });
    const frames = await readMessage(client);
    expect(expectFrames(frames, TEXT, [16, 4, 0, 16, 16, 16, 1]).toString()).toBe(
      'a'.repeat(20) + 'b'.repeat(16) + 'c'.repeat(33),
    );
    await expectSilence(client);
  });

  test('of 0 cuts nothing', async () => {
    const { client, send } = await openCut({ wsFragmentLen: 0 });
    await send({ type: BINARY, payload: pattern(1_000_000) });
    expectFrames(await readMessage(client), BINARY, [1_000_000]);
  });
});
