import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { turn } from '../support/server.js';
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
import { deferred, expectClosed, onFrame, recvAll, startWs, until } from './ws_server.js';
import { endLog, expectSilence, lastFd, pass, turns } from './ws_watch.js';

/** As much as a packet has room for. */
const PACKET = 'a'.repeat(1_000);

const first = (payload = PACKET): FrameSpec => ({ opcode: TEXT, payload, fin: false });
const more = (payload = 'b'): FrameSpec => ({ opcode: CONTINUE, payload, fin: false });
const last = (payload = 'c'): FrameSpec => ({ opcode: CONTINUE, payload });

/** Receives, and sends nothing. */
const AT_ONCE = onFrame(async req => {
  await recvAll(req);
});

/** Waits before that. */
const LATE = onFrame(async req => {
  await turn();
  await recvAll(req);
});

/** In which the beginning of a message is kept. */
const WAYS: readonly (readonly [name: string, uri: Partial<HttpdUri>])[] = [
  ['message mode', { wsMessageMode: true, handler: AT_ONCE }],
  ['packets', { wsMessageMode: true, wsMaxPacketLen: PACKET.length, handler: LATE }],
  ['frame mode', { handler: AT_ONCE }],
  ['frame mode, a handler that takes its time', { handler: LATE }],
  ['frame mode, a handler that is not async', { handler: () => undefined }],
];

describe.each(WAYS)('a message that is begun and not continued (%s)', (_name, uri) => {
  test('ends its connection after 60 seconds, with 1008', async () => {
    const { ended, wsCloseCb } = endLog();
    const { open, clock } = await startWs({ ...uri, wsCloseCb });
    const ws = await open();
    ws.send(first());
    await turns();
    await pass(clock, 58);
    await expectSilence(ws);
    await pass(clock, 4);
    await turns();
    expect((await ws.readFrame()).code).toBe(1008);
    ws.send({ opcode: CLOSE, payload: closeBody(1008) });
    expect(await ws.closed()).toBe('fin');
    ws.raw.end();
    await until(() => expect(ended).toMatchObject([{ code: 1008, wasClean: true }]));
  });

  test('ends it after wsInactivityTimeout, if there is one', async () => {
    const { open, clock } = await startWs({ ...uri, wsInactivityTimeout: 10 });
    const ws = await open();
    await pass(clock, 8);
    ws.send(first());
    await turns();
    await pass(clock, 8);
    await expectSilence(ws);
    await pass(clock, 4);
    expect((await ws.readFrame()).code).toBe(1008);
  });

  test('is given that time anew by each fragment', async () => {
    const { open, clock } = await startWs(uri);
    const ws = await open();
    ws.send(first());
    for (let i = 0; i < 4; i++) {
      await turns();
      await pass(clock, 50);
      ws.send(more());
    }
    await expectSilence(ws);
    await pass(clock, 62);
    expect((await ws.readFrame()).code).toBe(1008);
  });

  test('is not kept alive by Pings that the library answers', async () => {
    const { open, clock } = await startWs(uri);
    const ws = await open();
    ws.send(first());
    let pongs = 0;
    await pass(clock, 62, () => {
      pongs += 1;
      ws.send({ opcode: PING, payload: 'p' });
    });
    // 'p' in each Pong, and no Close in between
    await ws.raw.readUntil('\x8a\x01p'.repeat(58));
    const { received } = ws.raw;
    expect(received.subarray(received.length - 4).toString('hex')).toBe('880203f0');
    expect(pongs).toBe(62);
  });

  test('is not kept alive by Pings that the handler gets', async () => {
    const { open, clock } = await startWs({ ...uri, handleWsControlFrames: true });
    const ws = await open();
    ws.send(first());
    await pass(clock, 70, () => ws.send({ opcode: PING, payload: 'p' }));
    expect((await ws.readFrame()).code).toBe(1008);
  });

  test('is not kept alive by what the server sends', async () => {
    const { open, clock, server } = await startWs(uri);
    const ws = await open();
    const fd = lastFd(server);
    ws.send(first());
    let second = 0;
    await pass(clock, 70, () => {
      second += 1;
      if (second > 55) return;
      if (second % 2 === 0) server.wsBroadcast(wsFrame({ type: TEXT, payload: 'news' }));
      else void server.wsSendFrameAsync(fd, wsFrame({ type: TEXT, payload: 'news' }));
    });
    for (let i = 0; i < 55; i++) expect((await ws.readFrame()).text).toBe('news');
    expect((await ws.readFrame()).code).toBe(1008);
  });

  test('has all its time, also if another one was not long ago, or long ago', async () => {
    const { open, clock } = await startWs(uri);
    const ws = await open();
    for (const pause of [1, 70, 1_000, 30]) {
      ws.send(first());
      await turns();
      await pass(clock, 40);
      ws.send(last());
      await expectSilence(ws);
      await pass(clock, pause);
      ws.send({ opcode: BINARY, payload: 'whole' });
      await expectSilence(ws);
    }
  });

  test('is no concern of the next connection', async () => {
    const { open, clock } = await startWs(uri);
    for (let i = 0; i < 3; i++) {
      const ws = await open();
      ws.send(first());
      await turns();
      await pass(clock, 55);
      ws.send(last(), { opcode: CLOSE, payload: closeBody(1000) });
      await expectClosed(ws, 1000);
      ws.raw.end();
      await pass(clock, 65);
    }
  });
});

test('while a handler is busy with what has come, nobody waits for the peer', async () => {
  const gate = deferred();
  const { ended, wsCloseCb } = endLog();
  const { open, clock } = await startWs({
    wsCloseCb,
    handler: onFrame(async req => {
      await recvAll(req);
      await gate.promise;
    }),
  });
  const ws = await open();
  ws.send(first());
  await turns();
  await pass(clock, 200);
  expect(ended).toEqual([]);
  gate.resolve();
  await expectSilence(ws);
  // now it is the peer's turn
  await pass(clock, 58);
  await expectSilence(ws);
  await pass(clock, 4);
  expect((await ws.readFrame()).code).toBe(1008);
});

test('a message that is complete while its handler runs has nothing to wait for', async () => {
  const { open, clock } = await startWs({ wsMessageMode: true, handler: LATE });
  const ws = await open();
  ws.send(first(), last());
  await turns();
  await pass(clock, 300);
  await expectSilence(ws);
});

describe('what has come and is not looked at, since its sender is slow to read, is not waited for', () => {
  const PATIENT = { maxTxPending: 64 << 20, sendWaitTimeout: 3_000 } as const;
  const MUCH = wsFrame({ type: BINARY, payload: Buffer.alloc(100_000) });

  /** A client that does not read, and more to send to it than the kernel takes. */
  async function openSlow(uri: Partial<HttpdUri>, begun: Uint8Array) {
    const rig = await startWs({ wsPingInterval: 5, wsPongTimeout: 600, ...uri }, PATIENT);
    const client = await rig.open();
    await pass(rig.clock, 3);
    client.raw.pause();
    client.send(begun);
    await turns();
    const fd = lastFd(rig.server);
    for (let i = 0; i < 200; i++) void rig.server.wsSendFrameAsync(fd, MUCH);
    await turns();
    expect(rig.server.sessGetTxPending(fd)).toBeGreaterThan(1_000_000);
    return { ...rig, client };
  }

  /** What the client gets beside MUCH and Pings must be these texts. */
  async function expectTexts(client: WsRawClient, texts: readonly string[]): Promise<void> {
    client.raw.resume();
    const got: string[] = [];
    while (got.length < texts.length) {
      const frame = await client.readFrame();
      if (frame.opcode === BINARY || frame.opcode === PING) continue;
      got.push(frame.opcode === CLOSE ? `Close ${frame.code}` : frame.text);
    }
    expect(got).toEqual(texts);
  }

  test.each([
    ['the rest of a message', true, ['ac']],
    ['a further fragment', false, ['c']],
  ])('%s', async (_name, wsMessageMode, texts) => {
    const answer = onFrame(async req => {
      const frame = await recvAll(req);
      if (frame.final) await req.wsSendFrame(wsFrame({ type: TEXT, payload: frame.payload }));
    });
    const { client, clock } = await openSlow({ wsMessageMode, handler: answer }, buildFrame(first('a')));
    client.send(last('c'));
    await turns();
    await pass(clock, 70);
    await expectTexts(client, texts);
  });

  test('the rest of a frame', async () => {
    const frame = buildFrame({ opcode: TEXT, payload: 'whole' });
    const { client, clock } = await openSlow({}, frame.subarray(0, 8));
    client.send(frame.subarray(8));
    await turns();
    await pass(clock, 10);
    await expectTexts(client, ['whole']);
  });

  test('a fragment behind one that was answered with much', async () => {
    const { open, clock } = await startWs(
      {
        wsPingInterval: 5,
        wsPongTimeout: 600,
        // not async: what it sends is not awaited
        handler: req => {
          if (req.method === HTTP_GET) return;
          const pkt = wsFrame();
          void req.wsRecvFrame(pkt, 10);
          if (pkt.final) void req.wsSendFrame(wsFrame({ type: TEXT, payload: 'end' }));
          else for (let i = 0; i < 200; i++) void req.wsSendFrame(MUCH);
        },
      },
      PATIENT,
    );
    const client = await open();
    await pass(clock, 3);
    client.raw.pause();
    client.send(first('a'), last('b'));
    await turns();
    await pass(clock, 100);
    await expectTexts(client, ['end']);
  });
});

describe('half a frame, then silence', () => {
  const HALVES: readonly (readonly [name: string, bytes: Buffer])[] = [
    ['half a header', buildFrame({ opcode: BINARY, payload: Buffer.alloc(300) }).subarray(0, 3)],
    ['half a payload', buildFrame({ opcode: BINARY, payload: Buffer.alloc(300) }).subarray(0, 100)],
    ['the header of a long one', buildFrame({ opcode: BINARY, payload: Buffer.alloc(20_000) }).subarray(0, 8)],
    ['half a long one', buildFrame({ opcode: BINARY, payload: Buffer.alloc(20_000) }).subarray(0, 9_000)],
    ['half a continuation', Buffer.concat([buildFrame(first()), buildFrame(last('x'.repeat(300))).subarray(0, 99)])],
    ['half a Ping', buildFrame({ opcode: PING, payload: 'ping' }).subarray(0, 7)],
  ];

  describe.each([
    ...WAYS,
    ['frame mode, a handler that receives nothing', { handler: onFrame(() => turn()) }],
  ] as typeof WAYS)('%s:', (_name, uri) => {
    test.each(HALVES)('%s ends with 1008 after recvWaitTimeout', async (_half, bytes) => {
      const { open, clock } = await startWs(uri, { recvWaitTimeout: 3 });
      const ws = await open();
      ws.send(bytes);
      await turns();
      await pass(clock, 2);
      expect(ws.raw.received).toHaveLength(0);
      await pass(clock, 10);
      // a handler that waits for the rest is told so first, and what it makes of that is its own affair
      expect([1008, 1011]).toContain((await ws.readFrame()).code);
    });
  });
});

describe('a control frame whose end comes later is no message that stalls', () => {
  test.each<[what: string, before: readonly FrameSpec[]]>([
    ['as the first frame of all', []],
    ['long after the last message', [{ opcode: TEXT, payload: 'x' }]],
  ])('%s', async (_what, before) => {
    for (const uri of [{}, { wsMessageMode: true }, { handleWsControlFrames: true }, { wsInactivityTimeout: 300 }]) {
      const { open, clock } = await startWs({ handler: AT_ONCE, wsPingInterval: 0, ...uri });
      const ws = await open();
      ws.send(...before);
      await turns();
      await pass(clock, 90);
      for (const opcode of [PING, PONG]) {
        const frame = buildFrame({ opcode, payload: 'later' });
        ws.raw.send(frame.subarray(0, 7));
        await turns();
        await pass(clock, 3);
        ws.raw.send(frame.subarray(7));
      }
      if (!('handleWsControlFrames' in uri)) expect((await ws.readFrame()).text).toBe('later');
      ws.send({ opcode: CLOSE, payload: closeBody(1000) });
      expect((await ws.readFrame()).code).toBe(1000);
    }
  });

  test('but in the middle of one it gives that no more time', async () => {
    const { open, clock } = await startWs({ handler: AT_ONCE, wsPingInterval: 0 });
    const ws = await open();
    ws.send(first());
    await turns();
    await pass(clock, 58);
    ws.raw.send(buildFrame({ opcode: PONG, payload: 'later' }).subarray(0, 7));
    await turns();
    await pass(clock, 4);
    expect((await ws.readFrame()).code).toBe(1008);
  });
});
