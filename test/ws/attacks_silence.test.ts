/** Half of something, then silence; and honest clients that must not be taken for silent ones. */
import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_TEXT, wsFrame } from '../../src/httpd_ws/frame_type.js';
import type { Clock } from '../../src/sess/deadlines.js';
import { startTestServer } from '../support/server.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  type FrameSpec,
  PING,
  PONG,
  TEXT,
  type WsRawClient,
} from '../support/ws_frames.js';
import { collector, deferred, echo, expectClosed, onFrame, openWs, recvAll, startWs, until } from './ws_server.js';
import { COMPRESSED, compress, expectSilence, OFFER, pass, turns } from './ws_watch.js';

const SECOND = 1000;

/** Frames of which only the first bytes are sent: for every number of them, or for those that are given. */
const FRAMES: [name: string, frame: FrameSpec, cuts?: number[]][] = [
  ['of 5 bytes', { opcode: TEXT, payload: 'hello' }],
  ['without payload', { opcode: BINARY }],
  ['that begins a message', { opcode: TEXT, payload: 'hello', fin: false }],
  ['that is a Ping', { opcode: PING, payload: 'hello' }],
  ['that is a Close', { opcode: CLOSE, payload: closeBody(1000) }],
  ['of 130 bytes', { opcode: TEXT, payload: 'x'.repeat(130) }],
  [
    'of 17,000 bytes',
    { opcode: BINARY, payload: Buffer.alloc(17_000) },
    [1, 2, 3, 4, 7, 8, 9, 100, 8_000, 17_000, 17_007],
  ],
  [
    'of 70,000 bytes',
    { opcode: BINARY, payload: Buffer.alloc(70_000) },
    [1, 2, 3, 5, 9, 10, 13, 14, 15, 1_000, 65_000, 70_013],
  ],
  ['that is compressed', { opcode: TEXT, payload: compress('hello'), ...COMPRESSED }],
  ['that begins a compressed message', { opcode: TEXT, payload: compress('hello'), ...COMPRESSED, fin: false }],
];

/** A handler that receives nothing: of a long frame it is told before that is there. */
const deaf: HttpdUri['handler'] = async req => {
  if (req.method !== HTTP_GET) await undefined;
};

describe.each<[string, Partial<HttpdUri>]>([
  ['a handler of frames', {}],
  ['a handler of messages', { wsMessageMode: true }],
  ['a handler of packets', { wsMessageMode: true, wsMaxPacketLen: 50 }],
])('half a frame, then silence, to %s:', (_way, uri) => {
  test.each(FRAMES.map(([name, ...rest]) => [name, rest] as const))(
    'a frame %s, cut anywhere, ends with 1008 after recvWaitTimeout',
    async (_name, [frame, cuts]) => {
      const { open, clock } = await startWs(
        { handler: deaf, wsPerMessageDeflate: true, ...uri },
        { recvWaitTimeout: 4 },
      );
      const bytes = buildFrame(frame);
      const all = cuts ?? Array.from({ length: bytes.length - 1 }, (_, i) => i + 1);
      const cut = await Promise.all(
        all.map(async n => {
          const ws = await open(OFFER);
          // the Pong tells that the rest has come, too
          ws.send({ opcode: PING, payload: 'there?' }, bytes.subarray(0, n));
          expect((await ws.readFrame()).opcode).toBe(PONG);
          return ws;
        }),
      );
      await turns();
      clock.advance(3_900);
      await turns();
      expect(cut.map(ws => ws.raw.received.length)).toEqual(all.map(() => 0));
      clock.advance(600);
      await Promise.all(cut.map(ws => expectClosed(ws, 1008)));
    },
  );
});

describe('half a message, then silence:', () => {
  const HALVES: [string, Partial<HttpdUri>, FrameSpec[]][] = [
    ['a fragment', {}, [{ opcode: TEXT, payload: 'half', fin: false }]],
    ['a fragment', { wsMessageMode: true }, [{ opcode: TEXT, payload: 'half', fin: false }]],
    ['an empty fragment', { wsMessageMode: true }, [{ opcode: TEXT, fin: false }]],
    [
      'two fragments',
      { wsMessageMode: true },
      [
        { opcode: TEXT, payload: 'a', fin: false },
        { opcode: CONTINUE, payload: 'b', fin: false },
      ],
    ],
    [
      'half of it in packets',
      { wsMessageMode: true, wsMaxPacketLen: 2 },
      [{ opcode: BINARY, payload: '12345', fin: false }],
    ],
    ['a compressed fragment', {}, [{ opcode: TEXT, payload: compress('half'), ...COMPRESSED, fin: false }]],
    ['an empty compressed fragment', {}, [{ opcode: TEXT, ...COMPRESSED, fin: false }]],
    [
      'half of a compressed one in packets',
      { wsMessageMode: true, wsMaxPacketLen: 2 },
      [{ opcode: TEXT, payload: compress('12345'), ...COMPRESSED, fin: false }],
    ],
  ];

  test.each(HALVES)('%s (%j) ends with 1008, though its sender answers pings', async (_what, uri, frames) => {
    const { open, clock, server } = await startWs({ handler: deaf, wsPerMessageDeflate: true, ...uri });
    const ws = await open(OFFER);
    ws.send(...frames);
    await expectSilence(ws);
    for (let i = 0; i < 5; i++) {
      clock.advance(11 * SECOND);
      // what the server sends is no continuation, either
      server.wsBroadcast(wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: 'news' }));
      expect((await ws.readFrame()).text).toBe('news');
      await expectSilence(ws);
    }
    clock.advance(7 * SECOND);
    expect((await ws.readFrame()).code).toBe(1008);
    ws.send({ opcode: CLOSE, payload: closeBody(1008) });
    expect(await ws.closed()).toBe('fin');
  });

  test('its memory is there for others behind it', async () => {
    const { handler, seen } = collector();
    const { open, clock } = await startWs({ handler, wsMessageMode: true }, { maxWsPending: 2000 });
    const half = Array.from({ length: 2 }, () => ({ opcode: TEXT, payload: 'x'.repeat(1000), fin: false }));
    const silent = await Promise.all(half.map(frame => open().then(ws => ws.send(frame))));
    await Promise.all(silent.map(expectSilence));
    const late = await open();
    late.send({ opcode: TEXT, payload: 'y', fin: false });
    await expectClosed(late, 1013);
    clock.advance(61 * SECOND);
    for (const ws of silent) expect((await ws.readFrame()).code).toBe(1008);
    // nobody answers
    clock.advance(6 * SECOND);
    await Promise.all(silent.map(ws => ws.closed()));
    const next = await open();
    next.send({ opcode: TEXT, payload: 'z'.repeat(2000), fin: false }, { opcode: CONTINUE });
    await until(() => expect(seen.map(({ payload }) => payload.length)).toEqual([2000]));
  });
});

/** A clock that is a ms later each time that it is looked at, as a real one is when there is much to do. */
class BusyClock implements Clock {
  private time = 1_000;
  private timers: (() => void)[] = [];

  now(): number {
    this.time += 1;
    return this.time;
  }

  every(_ms: number, fn: () => void): () => void {
    this.timers.push(fn);
    return () => {
      this.timers = this.timers.filter(timer => timer !== fn);
    };
  }

  after(): () => void {
    return () => {};
  }

  /** Time passes, and the timer runs each second. */
  advance(ms: number): void {
    for (let left = ms; left > 0; left -= SECOND) {
      this.time += Math.min(left, SECOND);
      for (const timer of this.timers) timer();
    }
  }
}

describe('an honest client is not cut off:', () => {
  const fragment = (ws: WsRawClient, payload: string, spec: Partial<FrameSpec> = {}) =>
    ws.send({ opcode: TEXT, payload, fin: false, ...spec });

  test('its Pong counts, though it comes before the next look at the clock', async () => {
    const clock = new BusyClock();
    const server = await startTestServer({}, { clock });
    server.registerUriHandler({
      uri: '/ws',
      method: HTTP_GET,
      isWebsocket: true,
      handler: echo,
      wsPingInterval: 10,
      wsPongTimeout: 5,
    });
    const all = await Promise.all(Array.from({ length: 20 }, () => openWs(server)));
    for (let round = 0; round < 3; round++) {
      clock.advance(10 * SECOND + 100);
      for (const ws of all) {
        expect((await ws.readFrame()).opcode).toBe(PING);
        ws.send({ opcode: PONG });
      }
      await turns(10);
      clock.advance(5 * SECOND + 100);
      await turns();
      expect(all.map(ws => ws.raw.over)).toEqual(all.map(() => false));
    }
  });

  test('all of wsInactivityTimeout runs from its last data, not from the look at the clock before', async () => {
    const { open, clock } = await startWs({ wsInactivityTimeout: 2 });
    const ws = await open();
    for (let i = 0; i < 5; i++) {
      clock.advance(1_990);
      ws.send({ opcode: TEXT, payload: 'x' });
      expect((await ws.readFrame()).text).toBe('x');
    }
  });

  test('all of the time for a message runs from its last fragment, whatever came before', async () => {
    const { handler, seen } = collector();
    const { open, clock } = await startWs({ handler, wsMessageMode: true });
    const ws = await open();
    for (let i = 1; i <= 3; i++) {
      fragment(ws, 'a');
      await expectSilence(ws);
      clock.advance(59 * SECOND);
      await expectSilence(ws);
      // with as many fragments as the message before, and with more
      if (i === 3) {
        fragment(ws, 'b', { opcode: CONTINUE });
        await expectSilence(ws);
        clock.advance(59 * SECOND);
      }
      fragment(ws, 'c', { opcode: CONTINUE, fin: true });
      await until(() => expect(seen).toHaveLength(i));
      clock.advance(59 * SECOND);
    }
  });

  test('also on a server whose clock stood still for an hour', async () => {
    const { handler, seen } = collector();
    const { open, clock } = await startWs({ handler });
    const ws = await open();
    await expectSilence(ws);
    clock.advance(3600 * SECOND);
    expect(clock.running).toBe(0);
    fragment(ws, 'a');
    await until(() => expect(seen).toHaveLength(1));
    // a part of the next header
    ws.send(buildFrame({ opcode: CONTINUE, payload: 'b' }).subarray(0, 1));
    await turns();
    clock.advance(3 * SECOND);
    await turns();
    expect(ws.raw.received).toHaveLength(0);
    ws.send(buildFrame({ opcode: CONTINUE, payload: 'b' }).subarray(1));
    await until(() => expect(seen).toHaveLength(2));
  });

  test('what its handler sends counts as data, also when that is called for a Ping', async () => {
    const { open, clock } = await startWs({
      wsInactivityTimeout: 8,
      handleWsControlFrames: true,
      handler: onFrame(async req => {
        await recvAll(req);
        await req.wsSendFrame(wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: 'data' }));
      }),
    });
    const ws = await open();
    for (let i = 0; i < 4; i++) {
      clock.advance(5 * SECOND);
      ws.send({ opcode: PING });
      expect((await ws.readFrame()).text).toBe('data');
      await turns();
    }
  });

  test('what wsPostHandshakeCb sends counts as data', async () => {
    const gate = deferred();
    const { open, clock } = await startWs({
      wsInactivityTimeout: 8,
      wsPostHandshakeCb: async req => {
        await gate.promise;
        await req.wsSendFrame(wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: 'data' }));
      },
    });
    const ws = await open();
    clock.advance(7 * SECOND);
    gate.resolve();
    expect((await ws.readFrame()).text).toBe('data');
    await turns();
    clock.advance(6 * SECOND);
    await expectSilence(ws);
  });

  test('nor does its message wait for more bytes when all of it is there', async () => {
    const sizes: number[] = [];
    const { open } = await startWs({
      handler: onFrame(async req => {
        sizes.push((await recvAll(req)).payload.length);
      }),
      wsMessageMode: true,
      wsMaxPacketLen: 1000,
      wsPerMessageDeflate: true,
    });
    const ws = await open(OFFER);
    ws.send({ opcode: BINARY, payload: compress(Buffer.alloc(5500)), ...COMPRESSED });
    await until(() => expect(sizes).toEqual([1000, 1000, 1000, 1000, 1000, 500]));
    // nor when its sender has ended behind it
    ws.send({ opcode: BINARY, payload: compress(Buffer.alloc(2500)), ...COMPRESSED });
    ws.raw.end();
    await until(() => expect(sizes.slice(6)).toEqual([1000, 1000, 500]));
  });
});

test('no Ping leaves behind our Close, though its handler is still at work', async () => {
  const gate = deferred();
  const { open, clock } = await startWs({
    wsPingInterval: 3,
    handleWsControlFrames: true,
    handler: onFrame(async req => {
      const { payload } = await recvAll(req);
      await req.wsSendFrame(wsFrame({ type: HTTPD_WS_TYPE_CLOSE, payload }));
      await gate.promise;
    }),
  });
  const ws = await open();
  ws.send({ opcode: CLOSE, payload: closeBody(1000) });
  expect((await ws.readFrame()).opcode).toBe(CLOSE);
  await pass(clock, 10);
  expect(ws.raw.received.toString('hex')).toBe('');
  gate.resolve();
  await ws.closed();
});
