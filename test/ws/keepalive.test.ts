import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { ManualClock } from '../support/clock.js';
import { connectTo, startTestServer } from '../support/server.js';
import { BINARY, buildFrame, CLOSE, closeBody, hex, PING, PONG, TEXT, type WsRawClient } from '../support/ws_frames.js';
import { collector, deferred, echo, expectClosed, onFrame, pattern, recvAll, startWs } from './ws_server.js';
import { endLog, expectSilence, lastFd, pass, turns } from './ws_watch.js';

const PING_FRAME = '8900';
const EMPTY_PONG = { opcode: PONG } as const;

/** A WebSocket that is pinged after 30 seconds, and has 10 to answer. */
async function openPinged(uri: Partial<HttpdUri> = {}, config: Partial<HttpdConfig> = {}) {
  const { ended, wsCloseCb } = endLog();
  const ws = await startWs({ wsPingInterval: 30, wsPongTimeout: 10, wsCloseCb, ...uri }, config);
  return { ...ws, ended, client: await ws.open() };
}

/** Must have been sent a Ping, and nothing else. */
async function expectPinged(client: WsRawClient): Promise<void> {
  await turns();
  expect(client.raw.received.toString('hex')).toBe(PING_FRAME);
  await client.readFrame();
}

async function expectNotPinged(client: WsRawClient): Promise<void> {
  await turns();
  expect(client.raw.received.toString('hex')).toBe('');
}

describe('wsPingInterval', () => {
  test('a quiet peer is sent an empty Ping, again and again as long as it answers', async () => {
    const { client, clock, ended } = await openPinged();
    for (let i = 0; i < 5; i++) {
      await pass(clock, 28);
      await expectNotPinged(client);
      await pass(clock, 3);
      await expectPinged(client);
      client.send(EMPTY_PONG);
      await turns();
    }
    expect(ended).toEqual([]);
  });

  test('is 30 seconds by default, and wsPongTimeout 20: proxies that cut what is quiet for 60 see a Ping', async () => {
    const { client, clock, ended } = await openPinged({ wsPingInterval: undefined, wsPongTimeout: undefined });
    await pass(clock, 28);
    await expectNotPinged(client);
    await pass(clock, 4);
    await expectPinged(client);
    await pass(clock, 17);
    expect(ended).toEqual([]);
    await pass(clock, 5);
    expect(ended).toHaveLength(1);
  });

  test('of 0 pings nobody, ever', async () => {
    const { client, clock, ended } = await openPinged({ wsPingInterval: 0 });
    await pass(clock, 10);
    expect(clock.running).toBe(0);
    clock.advance(86_400_000);
    await expectSilence(client);
    expect(ended).toEqual([]);
  });

  const HALF = buildFrame({ opcode: TEXT, payload: 'half a frame' }).subarray(0, 9);
  const LIFE: readonly (readonly [name: string, bytes: Buffer, answer: number])[] = [
    ['a data frame', buildFrame({ opcode: TEXT, payload: 'hi' }), TEXT],
    ['a Ping', buildFrame({ opcode: PING }), PONG],
    ['a Pong', buildFrame({ opcode: PONG, payload: 'unasked' }), PONG],
    ['half a frame', HALF, 0],
    ['one byte', HALF.subarray(0, 1), 0],
  ];

  test.each(LIFE)('%s counts as life: no Ping for another wsPingInterval', async (_name, bytes, answer) => {
    const { client, clock } = await openPinged({}, { recvWaitTimeout: 300 });
    await pass(clock, 25);
    client.send(bytes);
    await turns();
    if (answer !== 0) expect((await client.readFrame()).opcode).toBe(answer);
    await pass(clock, 28);
    await expectNotPinged(client);
    await pass(clock, 3);
    await expectPinged(client);
  });

  test.each(LIFE)('%s counts as an answer to a Ping', async (_name, bytes, answer) => {
    const { client, clock, ended } = await openPinged({}, { recvWaitTimeout: 300 });
    await pass(clock, 31);
    await expectPinged(client);
    await pass(clock, 8);
    client.send(bytes);
    await turns();
    if (answer !== 0) expect((await client.readFrame()).opcode).toBe(answer);
    await pass(clock, 20);
    expect(ended).toEqual([]);
    await expectNotPinged(client);
  });

  test('the Pong that answers is not for the handler; further ones are', async () => {
    const { client, clock } = await openPinged();
    await pass(clock, 31);
    await expectPinged(client);
    client.send({ opcode: PONG, payload: 'another' }, EMPTY_PONG, EMPTY_PONG, { opcode: TEXT, payload: 'hi' });
    const frames = [await client.readFrame(), await client.readFrame(), await client.readFrame()];
    expect(frames.map(({ opcode, text }) => [opcode, text])).toEqual([
      [PONG, 'another'],
      [PONG, ''],
      [TEXT, 'hi'],
    ]);
  });

  test('each Ping may have its Pong', async () => {
    const { client, clock } = await openPinged();
    for (let i = 0; i < 2; i++) {
      await pass(clock, 31);
      await expectPinged(client);
      // a sign of life, and no Pong
      client.send({ opcode: TEXT, payload: 'hi' });
      expect((await client.readFrame()).text).toBe('hi');
    }
    client.send(EMPTY_PONG, EMPTY_PONG, { opcode: TEXT, payload: 'last' });
    expect((await client.readFrame()).text).toBe('last');
  });

  test('what the server sends is no sign of life', async () => {
    const { client, clock, ended, server } = await openPinged();
    let frames = 0;
    await pass(clock, 45, async () => {
      frames += server.wsBroadcast(wsFrame({ type: BINARY, payload: 'x' }));
      await turns(2);
    });
    expect(ended).toHaveLength(1);
    const sent = (await client.raw.readUntil(3 * 38)).toString('hex');
    expect(frames).toBeLessThan(44);
    expect(sent).toContain(PING_FRAME);
  });
});

describe('wsPongTimeout', () => {
  test('a peer that does not answer is cut off with a reset: 1006', async () => {
    const { client, clock, ended, server } = await openPinged();
    const fd = lastFd(server);
    await pass(clock, 31);
    await expectPinged(client);
    await pass(clock, 8);
    expect(ended).toEqual([]);
    await pass(clock, 3);
    expect(ended).toEqual([{ fd, code: 1006, reason: expect.stringContaining('wsPongTimeout'), wasClean: false }]);
    expect(await client.closed()).toBe('reset');
    expect(server.getClientList()).toEqual([]);
  });

  test('finds a dead peer though the server sends each second, just before it looks', async () => {
    const { clock, ended, server } = await openPinged();
    for (let i = 0; i < 60; i++) {
      server.wsBroadcast(wsFrame({ type: TEXT, payload: 'tick' }));
      clock.advance(1_000);
      await turns(2);
    }
    expect(ended).toMatchObject([{ code: 1006, reason: expect.stringContaining('wsPongTimeout') }]);
  });

  test('does not run while the Ping can not leave: a slow reader has sendWaitTimeout', async () => {
    const { client, clock, ended, server } = await openPinged({}, { maxTxPending: 64 << 20, sendWaitTimeout: 100 });
    const fd = lastFd(server);
    client.raw.pause();
    for (let i = 0; i < 200; i++)
      void server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload: pattern(100_000) }));
    await turns();
    expect(server.sessGetTxPending(fd)).toBeGreaterThan(1_000_000);
    await pass(clock, 90);
    expect(ended).toEqual([]);
    await pass(clock, 20);
    expect(ended).toMatchObject([{ code: 1006, reason: expect.stringContaining('did not read') }]);
  });

  test('a reader that was slow and reads again has all of wsPongTimeout for its answer', async () => {
    const { client, clock, ended, server } = await openPinged({}, { maxTxPending: 64 << 20, sendWaitTimeout: 300 });
    const fd = lastFd(server);
    client.raw.pause();
    for (let i = 0; i < 200; i++)
      void server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload: pattern(100_000) }));
    await turns();
    await pass(clock, 60);
    client.raw.resume();
    for (let i = 0; i < 200; i++) expect((await client.readFrame()).opcode).toBe(BINARY);
    expect((await client.readFrame()).opcode).toBe(PING);
    client.send(EMPTY_PONG);
    await turns();
    await pass(clock, 25);
    expect(ended).toEqual([]);
    await expectNotPinged(client);
  });
});

describe('a busy handler', () => {
  async function openBusy() {
    const gate = deferred();
    const entered = deferred();
    const rig = await openPinged({
      handler: onFrame(async req => {
        const frame = await recvAll(req);
        if (frame.type === BINARY) {
          entered.resolve();
          await gate.promise;
        }
        await req.wsSendFrame(frame);
      }),
    });
    rig.client.send({ opcode: BINARY, payload: 'work' });
    await entered.promise;
    return { ...rig, gate };
  }

  test('does not keep its peer from being pinged and from answering', async () => {
    const { client, clock, ended, gate } = await openBusy();
    for (let i = 0; i < 4; i++) {
      await pass(clock, 31);
      await expectPinged(client);
      client.send(EMPTY_PONG);
      await turns();
    }
    expect(ended).toEqual([]);
    gate.resolve();
    expect((await client.readFrame()).text).toBe('work');
  });

  test('does not hide a dead peer', async () => {
    const { client, clock, ended } = await openBusy();
    await pass(clock, 45);
    expect(ended).toMatchObject([{ code: 1006 }]);
    expect(await client.closed()).toBe('reset');
  });

  test('that lets so much wait that reading stops: nobody is taken for dead who can not be heard', async () => {
    const { client, clock, ended, gate } = await openBusy();
    const texts = Array.from({ length: 40 }, () => ({ opcode: TEXT, payload: 'x'.repeat(10_000) }));
    client.send(...texts);
    await turns(20);
    await pass(clock, 200);
    expect(ended).toEqual([]);
    gate.resolve();
    expect((await client.readFrame()).text).toBe('work');
    for (const { payload } of texts) expect((await client.readFrame()).text).toBe(payload);
    // from here on it is heard again
    await pass(clock, 45);
    expect(ended).toMatchObject([{ code: 1006 }]);
  });
});

describe('the closing handshake', () => {
  test('of the server pings no more, and ends by recvWaitTimeout', async () => {
    const { client, clock, ended, server } = await openPinged({}, { recvWaitTimeout: 100 });
    server.wsClose(lastFd(server));
    expect((await client.readFrame()).opcode).toBe(CLOSE);
    await pass(clock, 90);
    await expectNotPinged(client);
    expect(ended).toEqual([]);
    await pass(clock, 15);
    expect(ended).toHaveLength(1);
  });

  test('of the client is answered, though it has been pinged and did not answer', async () => {
    const { client, clock } = await openPinged();
    await pass(clock, 31);
    await expectPinged(client);
    client.send({ opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(client, 1000);
  });
});

describe('one clock', () => {
  test('serves all connections, and stops when the last one is gone', async () => {
    const { open, clock, client } = await openPinged();
    const clients = [client];
    for (let i = 0; i < 50; i++) clients.push(await open());
    await turns();
    expect(clock.running).toBe(1);
    await pass(clock, 31);
    for (const each of clients) {
      await expectPinged(each);
      each.send(EMPTY_PONG);
    }
    await turns();
    for (const each of clients.slice(1)) each.raw.reset();
    await pass(clock, 5);
    expect(clock.running).toBe(1);
    client.send({ opcode: CLOSE });
    await client.closed();
    client.raw.end();
    await turns();
    await pass(clock, 3);
    expect(clock.running).toBe(0);
  });

  test('does not run on a server that nobody is connected to, whatever its options are', async () => {
    const clock = new ManualClock();
    const server = await startTestServer({}, { clock });
    for (const uri of ['/a', '/b']) {
      server.registerUriHandler({
        uri,
        method: HTTP_GET,
        isWebsocket: true,
        handler: echo,
        wsPingInterval: 1,
        wsInactivityTimeout: 1,
        wsRequestTimeout: 1,
      });
    }
    expect(clock.running).toBe(0);
    const plain = await connectTo(server);
    plain.send('GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await plain.readResponse();
    plain.end();
    await plain.closed();
    await turns();
    await pass(clock, 5);
    expect(clock.running).toBe(0);
  });

  test('serves handlers with times of their own, short ones too', async () => {
    const { open, clock, server } = await openPinged({ wsPingInterval: 3600 });
    const { handler } = collector();
    server.registerUriHandler({
      uri: '/quick',
      method: HTTP_GET,
      isWebsocket: true,
      handler,
      wsPingInterval: 0.2,
      wsPongTimeout: 0.1,
    });
    const quick = await open({ path: '/quick' });
    expect(clock.running).toBe(1);
    clock.advance(260);
    await turns();
    expect(quick.raw.received).toEqual(hex(PING_FRAME));
    clock.advance(160);
    expect(await quick.closed()).toBe('reset');
  });
});
