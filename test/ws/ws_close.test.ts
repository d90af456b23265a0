import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { HTTPD_WS_CLIENT_WEBSOCKET, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { connectTo } from '../support/server.js';
import { BINARY, CLOSE, CONTINUE, closeBody, PING, TEXT } from '../support/ws_frames.js';
import { errorOf, onFrame, startWs, until } from './ws_server.js';
import { endLog, expectSilence, lastFd, pass, turns } from './ws_watch.js';

async function openOne() {
  const { ended, wsCloseCb } = endLog();
  const ws = await startWs({ wsCloseCb });
  const client = await ws.open();
  return { ...ws, ended, client, fd: lastFd(ws.server) };
}

describe('wsClose', () => {
  test('sends 1000 without a reason by default, and waits for the answer', async () => {
    const { server, fd, client, ended } = await openOne();
    server.wsClose(fd);
    expect((await client.readFrame()).bytes.toString('hex')).toBe('880203e8');
    client.send({ opcode: TEXT, payload: 'on its way' });
    await turns();
    expect(client.raw.over).toBe(false);
    client.send({ opcode: CLOSE, payload: closeBody(1000) });
    expect(await client.closed()).toBe('fin');
    expect(client.raw.received).toHaveLength(0);
    client.raw.end();
    await until(() => expect(ended).toEqual([{ fd, code: 1000, reason: '', wasClean: true }]));
  });

  test('to a peer that takes nothing: reset by recvWaitTimeout, however long sendWaitTimeout is', async () => {
    const { ended, wsCloseCb } = endLog();
    const { server, open, clock } = await startWs({ wsCloseCb }, { recvWaitTimeout: 4, sendWaitTimeout: 600 });
    const client = await open();
    client.raw.pause();
    const big = wsFrame({ type: BINARY, payload: Buffer.alloc(16 * 1024 * 1024) });
    void server.wsSendFrameAsync(lastFd(server), big);
    await turns();
    server.wsClose(lastFd(server));
    await pass(clock, 6);
    const reason = 'the peer did not take the Close frame';
    await until(() => expect(ended).toMatchObject([{ code: 1006, reason, wasClean: false }]));
    await client.raw.resume().closed();
  });

  test.each([1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999])(
    'takes code %i',
    async code => {
      const { server, fd, client } = await openOne();
      server.wsClose(fd, code, 'because');
      const { payload } = await client.readFrame();
      expect(payload).toEqual(closeBody(code, 'because'));
    },
  );

  test.each<unknown>([
    0,
    1,
    999,
    1004,
    1005,
    1006,
    1015,
    1016,
    2999,
    5000,
    65_536 + 1000,
    -1000,
    1000.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    '1000',
    1000n,
    true,
    {},
    [1000],
    Symbol('1000'),
  ])('refuses code %s with ESP_ERR_INVALID_ARG, and sends nothing', async code => {
    const { server, fd, client } = await openOne();
    expect(await errorOf(() => server.wsClose(fd, code as number))).toBe('ESP_ERR_INVALID_ARG');
    await expectSilence(client);
  });

  test.each([
    ['123 bytes', 'r'.repeat(123)],
    ['123 bytes in characters of three', '€'.repeat(41)],
    ['122 bytes in characters of two', 'ä'.repeat(61)],
    ['120 bytes in characters of four', '😀'.repeat(30)],
    ['none', ''],
    ['a NUL', 'a\0b'],
  ])('takes a reason of %s', async (_name, reason) => {
    const { server, fd, client } = await openOne();
    server.wsClose(fd, 4000, reason);
    expect((await client.readFrame()).payload.subarray(2).toString()).toBe(reason);
  });

  test.each<[name: string, reason: unknown]>([
    ['124 bytes', 'r'.repeat(124)],
    ['124 bytes in characters of four', '😀'.repeat(31)],
    ['62 characters of two bytes', 'ä'.repeat(62)],
    ['42 characters of three bytes', '€'.repeat(42)],
    ['121 bytes and a character of three', `${'r'.repeat(121)}€`],
    ['a number, which would be a length', 100],
    ['0', 0],
    ['null', null],
    ['a typed array', new Uint8Array(10)],
    ['a Buffer', Buffer.from('bye')],
    ['an ArrayBuffer', new ArrayBuffer(10)],
    ['an object with a length', { length: 5 }],
    ['a String object', Object('bye')],
    ['an array', ['bye']],
  ])('refuses a reason of %s with ESP_ERR_INVALID_ARG, and sends nothing', async (_name, reason) => {
    const { server, fd, client } = await openOne();
    expect(await errorOf(() => server.wsClose(fd, 1000, reason as string))).toBe('ESP_ERR_INVALID_ARG');
    await expectSilence(client);
    expect(server.wsGetFdInfo(fd)).toBe(HTTPD_WS_CLIENT_WEBSOCKET);
  });

  test('of a lone surrogate sends UTF-8 all the same', async () => {
    const { server, fd, client } = await openOne();
    server.wsClose(fd, 1000, 'a\ud800b');
    expect((await client.readFrame()).payload.subarray(2).toString()).toBe('a\ufffdb');
  });

  test('of what is no session throws ESP_ERR_NOT_FOUND, of an HTTP session ESP_ERR_INVALID_STATE', async () => {
    const { server, fd, client } = await openOne();
    const plain = await connectTo(server);
    plain.send('GET / HTTP/1.1\r\n');
    await until(() => expect(server.getClientList()).toHaveLength(2));
    expect(await errorOf(() => server.wsClose(lastFd(server)))).toBe('ESP_ERR_INVALID_STATE');
    client.raw.reset();
    await until(() => expect(server.getClientList()).toHaveLength(1));
    for (const none of [fd, -1, 0, 99, Number.NaN]) {
      expect(await errorOf(() => server.wsClose(none))).toBe('ESP_ERR_NOT_FOUND');
    }
  });

  test('of one that is closing leaves it as it is', async () => {
    const { server, fd, client } = await openOne();
    server.wsClose(fd, 4001, 'first');
    server.wsClose(fd, 4002, 'second');
    expect((await client.readFrame()).code).toBe(4001);
    // wrong arguments are wrong all the same
    expect(await errorOf(() => server.wsClose(fd, 5))).toBe('ESP_ERR_INVALID_ARG');
    client.send({ opcode: CLOSE, payload: closeBody(4001) });
    expect(await client.closed()).toBe('fin');
    expect(client.raw.received).toHaveLength(0);
  });

  test('comes behind what was sent before, and nothing comes behind it', async () => {
    const { server, fd, client } = await openOne();
    const send = (frame: Parameters<typeof wsFrame>[0]) => server.wsSendFrameAsync(fd, wsFrame(frame));
    void send({ type: BINARY, payload: Buffer.alloc(300_000) });
    void send({ type: TEXT, payload: 'begun', fragmented: true });
    server.wsBroadcast(wsFrame({ type: TEXT, payload: 'held back' }));
    server.wsClose(fd);
    for (const frame of [
      { type: TEXT },
      { type: CONTINUE, fragmented: true, final: true },
      { type: 9 },
      { type: CLOSE },
    ]) {
      expect(await errorOf(() => send(frame))).toBe('ESP_ERR_INVALID_STATE');
    }
    expect(server.wsBroadcast(wsFrame({ type: TEXT, payload: 'late' }))).toBe(0);
    const got = [await client.readFrame(), await client.readFrame(), await client.readFrame()];
    expect(got.map(({ opcode }) => opcode)).toEqual([BINARY, TEXT, CLOSE]);
    client.send({ opcode: PING, payload: 'p' }, { opcode: CLOSE, payload: closeBody(1000) });
    expect(await client.closed()).toBe('fin');
    expect(client.raw.received).toHaveLength(0);
  });

  test('in a handler lets that end; the next frames are not looked at', async () => {
    const texts: string[] = [];
    const { server, open } = await startWs({
      handler: onFrame(async req => {
        const pkt = wsFrame();
        await req.wsRecvFrame(pkt, 100);
        texts.push(Buffer.from(pkt.payload as Uint8Array).toString());
        server.wsClose(req.toSockfd(), 4000);
      }),
    });
    const client = await open();
    client.send({ opcode: TEXT, payload: 'one' }, { opcode: TEXT, payload: 'two' });
    expect((await client.readFrame()).code).toBe(4000);
    client.send({ opcode: TEXT, payload: 'three' }, { opcode: CLOSE, payload: closeBody(4000) });
    expect(await client.closed()).toBe('fin');
    expect(texts).toEqual(['one']);
  });

  test('gives up behind recvWaitTimeout, also while a handler runs that never ends', async () => {
    const { ended, wsCloseCb } = endLog();
    const { server, open, clock } = await startWs({ wsCloseCb, handler: onFrame(() => new Promise(() => {})) });
    const client = await open();
    client.send({ opcode: TEXT });
    await turns();
    server.wsClose(lastFd(server));
    expect((await client.readFrame()).opcode).toBe(CLOSE);
    await pass(clock, 4);
    expect(ended).toEqual([]);
    await pass(clock, 6);
    expect(ended).toMatchObject([{ code: 1006 }]);
    expect(await client.closed()).toBe('fin');
  });

  test('may close every WebSocket of a server in one turn', async () => {
    const { ended, wsCloseCb } = endLog();
    const { server, open } = await startWs({ wsCloseCb });
    server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('page') });
    const clients = [];
    for (let i = 0; i < 20; i++) clients.push(await open());
    for (const fd of server.getClientList()) server.wsClose(fd, 1012, 'restart');
    for (const client of clients) {
      expect((await client.readFrame()).code).toBe(1012);
      client.send({ opcode: CLOSE, payload: closeBody(1012) });
      await client.closed();
      client.raw.end();
    }
    await until(() => expect(ended).toHaveLength(20));
    expect(ended.every(({ wasClean }) => wasClean)).toBe(true);
  });
});
