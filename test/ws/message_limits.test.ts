import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { BINARY, buildFrame, CONTINUE, type FrameSpec, PING, TEXT } from '../support/ws_frames.js';
import { collector, expectClosed, pattern, startWs } from './ws_server.js';
import { COMPRESSED, compress, endLog, expectSilence, OFFER } from './ws_watch.js';

const MIB_16 = 16 * 1024 * 1024;
const MODES = [
  ['frame mode', false],
  ['message mode', true],
] as const;

const first = (payload: Uint8Array): FrameSpec => ({ opcode: BINARY, payload, fin: false });
const more = (payload: Uint8Array): FrameSpec => ({ opcode: CONTINUE, payload, fin: false });
const last = (payload: Uint8Array): FrameSpec => ({ opcode: CONTINUE, payload });
/** The header of a frame that would have so many bytes. */
const headerOf = (spec: FrameSpec, claimedLen: number): Buffer => buildFrame({ ...spec, claimedLen });

/** A connection whose handler keeps what it receives. */
async function openWith(uri: Partial<HttpdUri>) {
  const { handler, seen } = collector();
  const { open } = await startWs({ handler, ...uri });
  return { ws: await open(OFFER), seen, bytes: () => Buffer.concat(seen.map(({ payload }) => payload)) };
}

describe.each(MODES)('%s: wsMaxFrameLen', (_mode, wsMessageMode) => {
  test('may be met by each frame of a message that is longer', async () => {
    const { ws, bytes } = await openWith({ wsMessageMode, wsMaxFrameLen: 100 });
    const all = pattern(300);
    ws.send(first(all.subarray(0, 100)), more(all.subarray(100, 200)), last(all.subarray(200)));
    ws.send({ opcode: BINARY, payload: all.subarray(0, 100) });
    await expectSilence(ws);
    expect(Buffer.compare(bytes(), Buffer.concat([all, all.subarray(0, 100)]))).toBe(0);
  });

  test.each<[name: string, frames: FrameSpec[], spec: FrameSpec]>([
    ['a whole message', [], { opcode: BINARY }],
    ['a first fragment', [], { opcode: TEXT, fin: false }],
    ['a later fragment', [first(pattern(10))], { opcode: CONTINUE }],
  ])('of %s: one byte more ends with 1009, at the header', async (_name, frames, spec) => {
    const { ws } = await openWith({ wsMessageMode, wsMaxFrameLen: 100 });
    // not one byte of the payload has come
    ws.send(...frames, headerOf(spec, 101));
    await expectClosed(ws, 1009);
  });

  test('does not count control frames', async () => {
    const { ws } = await openWith({ wsMessageMode, wsMaxFrameLen: 1, wsMaxMessageLen: 1 });
    ws.send({ opcode: PING, payload: pattern(125) });
    expect((await ws.readFrame()).payload).toHaveLength(125);
  });

  test('counts a compressed frame as it comes', async () => {
    const random = compress(pattern(4_000).map((byte, i) => byte ^ (i * i)));
    const uri = { wsMessageMode, wsPerMessageDeflate: true };
    const taken = await openWith({ ...uri, wsMaxFrameLen: random.length });
    taken.ws.send({ opcode: BINARY, payload: random, ...COMPRESSED });
    await expectSilence(taken.ws);
    expect(taken.seen).toHaveLength(1);
    const refused = await openWith({ ...uri, wsMaxFrameLen: random.length - 1 });
    refused.ws.send({ opcode: BINARY, payload: random, ...COMPRESSED });
    await expectClosed(refused.ws, 1009);
  });
});

describe.each(MODES)('%s: wsMaxMessageLen', (_mode, wsMessageMode) => {
  test('may be met exactly, by one message after the other', async () => {
    const { ws, bytes } = await openWith({ wsMessageMode, wsMaxMessageLen: 100 });
    const all = pattern(100);
    for (let i = 0; i < 3; i++) {
      ws.send(first(all.subarray(0, 30)), { opcode: PING }, more(all.subarray(30, 99)), last(all.subarray(99)));
      await ws.readFrame();
      ws.send({ opcode: BINARY, payload: all });
      await expectSilence(ws);
    }
    expect(Buffer.compare(bytes(), Buffer.concat(Array<Buffer>(6).fill(all)))).toBe(0);
  });

  test.each<[name: string, frames: FrameSpec[], spec: FrameSpec, len: number]>([
    ['in one frame', [], { opcode: BINARY }, 101],
    ['in the second', [first(pattern(100))], { opcode: CONTINUE }, 1],
    ['in a third that is not the last', [first(pattern(50)), more(pattern(50))], { opcode: CONTINUE, fin: false }, 1],
    ['in a frame that would be huge', [first(pattern(1))], { opcode: CONTINUE }, 2 ** 31],
  ])('one byte more ends with 1009, at the header that shows it: %s', async (_name, frames, spec, len) => {
    const { ws } = await openWith({ wsMessageMode, wsMaxMessageLen: 100, wsMaxFrameLen: Number.MAX_SAFE_INTEGER });
    ws.send(...frames, headerOf(spec, len));
    await expectClosed(ws, 1009);
  });

  test.each([
    ['at once', [10_000]],
    ['in fragments', [3, 4_000, 5_997]],
  ])('counts what a compressed message inflates to, %s', async (_name, lens) => {
    const all = Buffer.alloc(10_000, 'abcd');
    const bytes = compress(all);
    const cut = lens.length === 1 ? [] : [1, Math.floor(bytes.length / 2)];
    const starts = [0, ...cut];
    const frames = starts.map(
      (at, i): FrameSpec => ({
        opcode: i === 0 ? BINARY : CONTINUE,
        payload: bytes.subarray(at, starts[i + 1]),
        fin: i === starts.length - 1,
        ...(i === 0 && COMPRESSED),
      }),
    );
    const taken = await openWith({ wsMessageMode, wsPerMessageDeflate: true, wsMaxMessageLen: 10_000 });
    taken.ws.send(...frames);
    await expectSilence(taken.ws);
    expect(Buffer.compare(taken.bytes(), all)).toBe(0);
    const refused = await openWith({ wsMessageMode, wsPerMessageDeflate: true, wsMaxMessageLen: 9_999 });
    refused.ws.send(...frames);
    await expectClosed(refused.ws, 1009);
    expect(refused.seen).toEqual([]);
  });

  test('may be met exactly by what does not get shorter when it is compressed', async () => {
    const random = randomBytes(10_000);
    const bytes = compress(random);
    expect(bytes.length).toBeGreaterThan(random.length);
    const { ws, bytes: taken } = await openWith({ wsMessageMode, wsPerMessageDeflate: true, wsMaxMessageLen: 10_000 });
    ws.send({ opcode: BINARY, payload: bytes, ...COMPRESSED });
    await expectSilence(ws);
    expect(Buffer.compare(taken(), random)).toBe(0);
  });

  test('stops inflating there: a message that would inflate a thousandfold ends before it has come', async () => {
    const { ws } = await openWith({ wsMessageMode, wsPerMessageDeflate: true, wsMaxMessageLen: 1_000_000 });
    const bomb = compress(Buffer.alloc(20_000_000));
    ws.send(buildFrame({ opcode: BINARY, payload: bomb, ...COMPRESSED }).subarray(0, bomb.length / 10));
    await expectClosed(ws, 1009);
  });
});

describe.each(MODES)('%s: by default', (_mode, wsMessageMode) => {
  test.each([
    ['a frame', {}, MIB_16],
    ['a message', { wsMaxFrameLen: 2 * MIB_16 }, MIB_16],
  ])('%s may have 16 MiB, and not a byte more', async (_name, uri, len) => {
    const taken = await openWith({ wsMessageMode, ...uri });
    taken.ws.send(headerOf({ opcode: BINARY, mask: [0, 0, 0, 0] }, len));
    taken.ws.send(Buffer.alloc(len));
    await expectSilence(taken.ws);
    expect(taken.bytes()).toHaveLength(len);
    const refused = await openWith({ wsMessageMode, ...uri });
    refused.ws.send(headerOf({ opcode: BINARY }, len + 1));
    await expectClosed(refused.ws, 1009);
  });
});

describe('131,072 fragments', () => {
  const MANY = 131_072;
  const fragment = buildFrame({ opcode: CONTINUE, payload: 'x', fin: false });
  /** The first `n` fragments of a message. */
  const begin = (n: number) =>
    Buffer.concat([
      buildFrame({ opcode: TEXT, payload: 'x', fin: false }),
      Buffer.alloc((n - 1) * fragment.length, fragment),
    ]);

  test.each(MODES)('%s: may make up a message', async (_mode, wsMessageMode) => {
    let calls = 0;
    const { open } = await startWs({
      wsMessageMode,
      handler: req => {
        if (req.method !== HTTP_GET) calls += 1;
      },
    });
    const ws = await open();
    ws.send(begin(MANY - 1), { opcode: CONTINUE, payload: 'x' });
    await expectSilence(ws);
    expect(calls).toBe(wsMessageMode ? 1 : MANY);
  });

  test.each(MODES)('%s: one more ends with 1008', async (_mode, wsMessageMode) => {
    const { ended, wsCloseCb } = endLog();
    const { open } = await startWs({ wsMessageMode, wsCloseCb, handler: () => undefined });
    const ws = await open();
    ws.send(begin(MANY), headerOf({ opcode: CONTINUE }, 0));
    await expectClosed(ws, 1008);
    ws.raw.end();
    await expect.poll(() => ended).toMatchObject([{ code: 1006, reason: 'a message has too many fragments' }]);
  });
});
