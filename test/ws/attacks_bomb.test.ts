/** Deflate bombs: a small message that inflates to a large one, and floods of what can't be inflated. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { Inflater } from '../../src/httpd_ws/deflate.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { BINARY, CONTINUE, type FrameSpec, TEXT } from '../support/ws_frames.js';
import { collector, deferred, expectClosed, onFrame, recvAll, startWs, until } from './ws_server.js';
import { COMPRESSED, compress, OFFER } from './ws_watch.js';

const MIB = 1024 * 1024;
/** What an inflater may count for in `maxWsPending`. */
const INFLATER = 64 * 1024;

/** Compressed zeros: 1 MiB in some 1 KiB. */
const ONE_MIB = Buffer.concat([compress(Buffer.alloc(MIB)), Buffer.from([0, 0, 0xff, 0xff])]);

/** A message that inflates to so many MiB. */
function bomb(mib: number): Buffer {
  return Buffer.alloc(mib * ONE_MIB.length, ONE_MIB).subarray(0, -4);
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** Bytes that are inflated from now on. */
function inflated(): { sum: number } {
  const count = { sum: 0 };
  const { next } = Inflater.prototype;
  vi.spyOn(Inflater.prototype, 'next').mockImplementation(function (this: Inflater, max) {
    const bytes = next.call(this, max);
    count.sum += bytes.length;
    return bytes;
  });
  return count;
}

/** Frames of a compressed message, `size` bytes each. */
function frames(message: Buffer, size: number): FrameSpec[] {
  const specs: FrameSpec[] = [];
  for (let at = 0; at < message.length; at += size) {
    const head = at === 0 ? { opcode: BINARY, ...COMPRESSED } : { opcode: CONTINUE };
    specs.push({ ...head, payload: message.subarray(at, at + size), fin: at + size >= message.length });
  }
  return specs;
}

/** How a bomb of 1 GiB arrives. */
const SIZES: [string, number][] = [
  ['in one frame', Number.POSITIVE_INFINITY],
  ['in frames of 10,000 bytes', 10_000],
  ['in frames of 100 bytes', 100],
];

describe('a deflate bomb of 1 GiB', () => {
  test.each(SIZES)('%s ends at wsMaxMessageLen with 1009, and no more than that is ever held', async (_how, size) => {
    const { handler, seen } = collector();
    const { open } = await startWs(
      { handler, wsPerMessageDeflate: true, wsMaxMessageLen: 3 * MIB },
      // were there more, it would end with 1013
      { maxWsPending: 3 * MIB + INFLATER },
    );
    const ws = await open(OFFER);
    const count = inflated();
    ws.send(...frames(bomb(1024), size));
    await expectClosed(ws, 1009);
    expect(count.sum).toBe(3 * MIB + 1);
    expect(seen).toEqual([]);
  });

  test.each([
    ['an asynchronous handler', true],
    ['a synchronous handler', false],
  ])('in packets to %s ends at wsMaxMessageLen, and a packet at a time is held', async (_kind, wait) => {
    const sizes: number[] = [];
    let finals = 0;
    const take = (req: HttpdReq) => {
      const frame = wsFrame();
      void req.wsRecvFrame(frame, 0);
      void req.wsRecvFrame(frame, MIB);
      sizes.push(frame.len);
      if (frame.final) finals += 1;
    };
    const { open } = await startWs(
      {
        handler: wait ? onFrame(take) : req => (req.method === HTTP_GET ? undefined : take(req)),
        wsMessageMode: true,
        wsMaxPacketLen: 100_000,
        wsPerMessageDeflate: true,
        wsMaxMessageLen: 3 * MIB,
      },
      { maxWsPending: 100_001 + INFLATER },
    );
    const ws = await open(OFFER);
    const count = inflated();
    ws.send(...frames(bomb(1024), Number.POSITIVE_INFINITY));
    await expectClosed(ws, 1009);
    expect(count.sum).toBe(3 * MIB + 1);
    expect(new Set(sizes)).toEqual(new Set([100_000]));
    expect([sizes.length, finals]).toEqual([Math.floor((3 * MIB) / 100_000), 0]);
  });

  test('that wsMaxMessageLen allows streams through a packet', async () => {
    let sum = 0;
    let finals = 0;
    const buffer = new Uint8Array(64 * 1024);
    const { open } = await startWs(
      {
        handler: onFrame(async req => {
          const frame = wsFrame({ payload: buffer });
          await req.wsRecvFrame(frame, buffer.length);
          sum += frame.len;
          if (frame.final) finals += 1;
        }),
        wsMessageMode: true,
        wsMaxPacketLen: buffer.length,
        wsPerMessageDeflate: true,
        wsMaxMessageLen: 128 * MIB,
      },
      { maxWsPending: buffer.length + 1 + INFLATER },
    );
    const ws = await open(OFFER);
    ws.send(...frames(bomb(128), 20_000));
    await until(() => expect([sum, finals]).toEqual([128 * MIB, 1]));
  });

  test.each(SIZES)('%s is not inflated any more when the connection has ended', async (_how, size) => {
    const gate = deferred();
    let calls = 0;
    const { open, server } = await startWs({
      handler: onFrame(async () => {
        calls += 1;
        await gate.promise;
      }),
      wsMessageMode: true,
      wsMaxPacketLen: 1000,
      wsPerMessageDeflate: true,
      wsMaxMessageLen: 1024 * MIB,
    });
    const ws = await open(OFFER);
    const count = inflated();
    ws.send(...frames(bomb(20), size));
    await until(() => expect(calls).toBe(1));
    ws.raw.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    gate.resolve();
    await gate.promise;
    expect(calls).toBe(1);
    expect(count.sum).toBeLessThanOrEqual(1001);
  });

  test('of 30 connections at a time harms nobody: an honest one has its room behind them', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs(
      { handler, wsPerMessageDeflate: true, wsMaxMessageLen: MIB },
      { maxWsPending: MIB + INFLATER },
    );
    const attackers = await Promise.all(Array.from({ length: 30 }, () => open(OFFER)));
    const honest = await open(OFFER);
    const message = frames(bomb(2), Number.POSITIVE_INFINITY);
    for (const ws of attackers) ws.send(...message);
    await Promise.all(attackers.map(ws => expectClosed(ws, 1009)));
    honest.send({ opcode: BINARY, payload: compress(Buffer.alloc(MIB)), ...COMPRESSED });
    await until(() => expect(seen).toHaveLength(1));
    expect(seen[0]?.payload.length).toBe(MIB);
  });
});

test('a bomb in a bomb: 1,000 empty messages and blocks of nothing inflate to nothing', async () => {
  const { handler, seen } = collector();
  const { open } = await startWs({ handler, wsPerMessageDeflate: true });
  const ws = await open(OFFER);
  const nothing = Buffer.alloc(50_000, Buffer.from([0, 0, 0, 0xff, 0xff]));
  ws.send(
    ...Array.from({ length: 1000 }, () => ({ opcode: TEXT, payload: compress(''), ...COMPRESSED })),
    { opcode: TEXT, payload: Buffer.concat([nothing, Buffer.from([0])]), ...COMPRESSED },
    // blocks that say of themselves that they are the last one
    { opcode: TEXT, payload: Buffer.alloc(10_000, Buffer.from([3, 0])), ...COMPRESSED },
    { opcode: TEXT, payload: compress('end'), ...COMPRESSED },
  );
  await until(() => expect(seen).toHaveLength(1003));
  expect(seen.map(({ payload }) => payload.toString()).join('')).toBe('end');
});

test('blocks of nothing without end are too long at some time, although they inflate to nothing: 1009', async () => {
  const { handler, seen } = collector();
  const { open } = await startWs({ handler, wsPerMessageDeflate: true, wsMaxMessageLen: 1000 });
  const ws = await open(OFFER);
  const nothing = Buffer.alloc(1000, Buffer.from([0, 0, 0, 0xff, 0xff]));
  ws.send({ opcode: TEXT, payload: nothing, ...COMPRESSED, fin: false });
  for (let i = 0; i < 10; i++) ws.send({ opcode: CONTINUE, payload: nothing, fin: false });
  await expectClosed(ws, 1009);
  expect(seen).toEqual([]);
});

describe('what can not be inflated', () => {
  test.each<[string, FrameSpec[]]>([
    ['noise', [{ opcode: BINARY, payload: Buffer.from([7, 7, 7, 7]) }]],
    ['the knowledge of another message', [{ opcode: TEXT, payload: Buffer.from('f200110000', 'hex') }]],
    ['a message that is cut off', [{ opcode: TEXT, payload: compress('hello, hello, hello').subarray(0, 9) }]],
    [
      'noise in a later frame',
      [
        { opcode: TEXT, payload: compress('hello'), fin: false },
        { opcode: CONTINUE, payload: Buffer.alloc(1000, 0xff) },
      ],
    ],
  ])('ends with 1007, and what it was given to is used by nobody else: %s', async (_what, broken) => {
    const { open } = await startWs({
      handler: onFrame(async req => req.wsSendFrame(await recvAll(req))),
      wsPerMessageDeflate: true,
    });
    const honest = await open(OFFER);
    for (let i = 0; i < 100; i++) {
      const ws = await open(OFFER);
      ws.send(...broken.map((frame, at) => (at === 0 ? { ...frame, ...COMPRESSED } : frame)));
      honest.send({ opcode: TEXT, payload: compress(`hello ${i}`), ...COMPRESSED });
      await expectClosed(ws, 1007);
      expect((await honest.readFrame()).text).toBe(`hello ${i}`);
      ws.raw.end();
    }
  });
});
