import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { HTTPD_WS_CLIENT_WEBSOCKET, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { pieces } from '../support/feed.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  PING,
  PONG,
  TEXT,
  type WsRawClient,
} from '../support/ws_frames.js';
import { deferred, onFrame, pattern, recvAll, startWs, until } from './ws_server.js';
import { type EndLog, endLog, expectSilence, lastFd, pass, turns } from './ws_watch.js';

async function openTimed(uri: Partial<HttpdUri>, config: Partial<HttpdConfig> = {}) {
  const { ended, wsCloseCb } = endLog();
  const ws = await startWs({ wsCloseCb, ...uri }, config);
  return { ...ws, ended, client: await ws.open() };
}

/** The server must say 1008, take the answer, and end the TCP connection in an orderly way. */
async function expectPolicyClose(client: WsRawClient, ended: EndLog['ended']): Promise<void> {
  expect((await client.readFrame()).code).toBe(1008);
  expect(ended).toEqual([]);
  client.send({ opcode: CLOSE, payload: closeBody(1008, 'ok') });
  expect(await client.closed()).toBe('fin');
  client.raw.end();
  await until(() => expect(ended).toMatchObject([{ code: 1008, reason: 'ok', wasClean: true }]));
}

describe('wsInactivityTimeout', () => {
  test('ends a connection without data: 1008, with a closing handshake', async () => {
    const { client, clock, ended } = await openTimed({ wsInactivityTimeout: 30 });
    await pass(clock, 28);
    await expectSilence(client);
    await pass(clock, 3);
    await expectPolicyClose(client, ended);
  });

  test('ends one whose peer does not answer the Close, by recvWaitTimeout', async () => {
    const { client, clock, ended } = await openTimed({ wsInactivityTimeout: 30 }, { recvWaitTimeout: 4 });
    await pass(clock, 31);
    expect((await client.readFrame()).code).toBe(1008);
    await pass(clock, 2);
    expect(client.raw.over).toBe(false);
    await pass(clock, 4);
    expect(await client.closed()).toBe('fin');
    client.raw.end();
    await until(() => expect(ended).toMatchObject([{ code: 1006, wasClean: false }]));
  });

  test.each<[name: string, act: (rig: Awaited<ReturnType<typeof openTimed>>) => unknown]>([
    ['a frame of the peer', ({ client }) => client.send({ opcode: BINARY, payload: 'x' })],
    ['a fragment', ({ client }) => client.send({ opcode: BINARY, payload: 'x', fin: false })],
    ['a frame of the server', ({ server }) => server.wsSendFrameAsync(lastFd(server), wsFrame({ type: TEXT }))],
    [
      'a fragment of the server',
      ({ server }) => server.wsSendFrameAsync(lastFd(server), wsFrame({ type: TEXT, fragmented: true })),
    ],
    ['a broadcast', ({ server }) => server.wsBroadcast(wsFrame({ type: TEXT, payload: 'x' }))],
  ])('%s is activity', async (_name, act) => {
    const rig = await openTimed({ wsInactivityTimeout: 30, handler: () => undefined });
    const { client, clock } = rig;
    await pass(clock, 20);
    await act(rig);
    await turns();
    client.raw.socket.resume();
    await pass(clock, 28);
    await client.raw.readUntil(bytes => bytes.length);
    await expectSilence(client);
    await pass(clock, 4);
    expect((await client.readFrame()).code).toBe(1008);
  });

  test.each<[name: string, uri: Partial<HttpdUri>]>([
    ['that the library answers', {}],
    ['that the library answers, in message mode', { wsMessageMode: true }],
    ['that the handler gets', { handleWsControlFrames: true, handler: onFrame(recvAllQuietly) }],
    ['that a handler gets which is not async', { handleWsControlFrames: true, handler: () => undefined }],
  ])('Pings and Pongs of the peer are none: those %s', async (_name, uri) => {
    const { client, clock, ended } = await openTimed({ wsInactivityTimeout: 30, ...uri });
    // data, then Pings, so that all that data leaves behind is there
    client.send({ opcode: TEXT, payload: 'data', fin: false }, { opcode: CONTINUE });
    await turns();
    const chatter = () => client.send({ opcode: PING, payload: 'p' }, { opcode: PONG });
    await pass(clock, 28, chatter);
    expect(client.raw.received.includes('880203f0', 0, 'hex')).toBe(false);
    await pass(clock, 6, chatter);
    await client.raw.readUntil(bytes => {
      const at = bytes.indexOf('880203f0', 'hex');
      return at < 0 ? -1 : at + 4;
    });
    client.send({ opcode: CLOSE, payload: closeBody(1008) });
    client.raw.end();
    await until(() => expect(ended).toMatchObject([{ code: 1008, wasClean: true }]));
  });

  test('Pings and Pongs of the server are none', async () => {
    const { client, clock, server } = await openTimed({ wsInactivityTimeout: 30, wsPingInterval: 7 });
    const fd = lastFd(server);
    const got: number[] = [];
    await pass(clock, 34, async () => {
      if (server.wsGetFdInfo(fd) === HTTPD_WS_CLIENT_WEBSOCKET)
        void server.wsSendFrameAsync(fd, wsFrame({ type: PONG }));
      await turns(2);
      while (client.raw.received.length > 0) {
        const { opcode } = await client.readFrame();
        got.push(opcode);
        if (opcode === PING) client.send({ opcode: PONG });
      }
    });
    expect(got.filter(opcode => opcode === PING).length).toBeGreaterThan(2);
    expect(got.at(-1)).toBe(CLOSE);
  });

  test.each([
    ['frame', {}],
    ['joined message', { wsMessageMode: true }],
  ])('a handler that is busy with a %s is activity, until it ends', async (_name, uri) => {
    const gate = deferred();
    const entered = deferred();
    const { client, clock, ended } = await openTimed({
      wsInactivityTimeout: 30,
      ...uri,
      handler: onFrame(async req => {
        await recvAll(req);
        entered.resolve();
        await gate.promise;
      }),
    });
    client.send({ opcode: TEXT, payload: 'a', fin: false }, { opcode: CONTINUE, payload: 'b' });
    await entered.promise;
    await pass(clock, 100);
    await turns();
    expect(client.raw.received).toHaveLength(0);
    gate.resolve();
    await turns();
    await pass(clock, 28);
    await expectSilence(client);
    await pass(clock, 3);
    await expectPolicyClose(client, ended);
  });

  test('a frame that arrives slowly is activity, as long as recvWaitTimeout is content', async () => {
    const { client, clock } = await openTimed({ wsInactivityTimeout: 10, wsMessageMode: true });
    const payload = pattern(100_000);
    for (const piece of pieces(buildFrame({ opcode: BINARY, payload }), [10_000])) {
      client.send(piece);
      await turns();
      await pass(clock, 2);
    }
    expect(Buffer.compare((await client.readFrame()).payload, payload)).toBe(0);
    await expectSilence(client);
  });

  test('a frame that is read slowly is activity, as long as sendWaitTimeout is content', async () => {
    const { client, clock, server } = await openTimed({ wsInactivityTimeout: 10 }, { maxTxPending: 64 << 20 });
    client.raw.pause();
    void server.wsSendFrameAsync(lastFd(server), wsFrame({ type: BINARY, payload: Buffer.alloc(20_000_000) }));
    await turns();
    await pass(clock, 30);
    client.raw.resume();
    expect((await client.readFrame()).payload).toHaveLength(20_000_000);
    await expectSilence(client);
    await pass(clock, 12);
    expect((await client.readFrame()).code).toBe(1008);
  });

  test('of 0 is never', async () => {
    const { client, clock } = await openTimed({ wsInactivityTimeout: 0 });
    await pass(clock, 5);
    clock.advance(1e9);
    await expectSilence(client);
  });
});

describe('wsRequestTimeout', () => {
  test('ends a connection of that age, however lively: 1008, with a closing handshake', async () => {
    const { client, clock, ended } = await openTimed({ wsRequestTimeout: 60 });
    await pass(clock, 58, async () => {
      client.send({ opcode: TEXT, payload: 'x' });
      expect((await client.readFrame()).text).toBe('x');
    });
    await pass(clock, 3);
    await expectPolicyClose(client, ended);
  });

  test('ends one whose handler is busy: it is told, and what it sends is refused', async () => {
    const gate = deferred();
    const entered = deferred();
    let outcome = '';
    const { client, clock, ended } = await openTimed({
      wsRequestTimeout: 60,
      handler: onFrame(async req => {
        entered.resolve();
        await gate.promise;
        try {
          await req.wsSendFrame(wsFrame({ type: TEXT, payload: 'late' }));
        } catch (error) {
          outcome = (error as Error).name;
        }
      }),
    });
    client.send({ opcode: TEXT });
    await entered.promise;
    await pass(clock, 61);
    expect((await client.readFrame()).code).toBe(1008);
    gate.resolve();
    await until(() => expect(outcome).toBe('ESP_ERR_INVALID_STATE'));
    client.send({ opcode: CLOSE, payload: closeBody(1008) });
    expect(await client.closed()).toBe('fin');
    client.raw.end();
    await until(() => expect(ended).toHaveLength(1));
  });

  test('ends one whose handler never ends, in the time that stop or recvWaitTimeout give', async () => {
    const gate = deferred();
    const entered = deferred();
    const { client, clock, ended } = await openTimed({
      wsRequestTimeout: 60,
      handler: onFrame(() => {
        entered.resolve();
        return gate.promise;
      }),
    });
    client.send({ opcode: TEXT });
    await entered.promise;
    await pass(clock, 61);
    expect((await client.readFrame()).code).toBe(1008);
    await pass(clock, 10);
    expect(await client.closed()).toBe('fin');
    client.raw.end();
    await until(() => expect(ended).toMatchObject([{ code: 1006 }]));
  });

  test('ends one whose peer has closed and whose handler never answers', async () => {
    const { client, clock, ended } = await openTimed({
      wsRequestTimeout: 60,
      handleWsControlFrames: true,
      handler: onFrame(() => deferred().promise),
    });
    client.send({ opcode: CLOSE, payload: closeBody(4000) });
    await turns();
    await pass(clock, 80);
    expect(ended).toMatchObject([{ code: 4000 }]);
  });

  test('is counted from the handshake, for each connection by itself', async () => {
    const { client, clock, open } = await openTimed({ wsRequestTimeout: 60 });
    await pass(clock, 30);
    const later = await open();
    await pass(clock, 31);
    expect((await client.readFrame()).code).toBe(1008);
    await expectSilence(later);
    await pass(clock, 26);
    await expectSilence(later);
    await pass(clock, 4);
    expect((await later.readFrame()).code).toBe(1008);
  });

  test('of 0 is never', async () => {
    const { client, clock } = await openTimed({ wsRequestTimeout: 0 });
    await pass(clock, 5);
    clock.advance(1e9);
    await expectSilence(client);
  });
});

async function recvAllQuietly(req: Parameters<typeof recvAll>[0]): Promise<void> {
  await recvAll(req);
}
