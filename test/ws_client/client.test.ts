/** The client as applications use it, mostly with a server that the test plays. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import * as api from '../../src/ws_client/index.js';
import { BINARY, CLOSE, CONTINUE, closeBody, PING, PONG, TEXT } from '../support/ws_frames.js';
import { MemorySocket } from './memory_socket.js';
import { afterwards, allEvents, connectedPair, field, makeClient, rawServer, turns, until } from './support.js';

describe('a connection', () => {
  test('is asked for as RFC 6455 section 4.1 says', async () => {
    const { request, server } = await connectedPair({
      subprotocol: 'chat, echo',
      origin: 'http://example.com',
      userAgent: 'test/1',
      headers: { 'X-One': '1' },
      username: 'me',
      password: 'pass:word',
    });
    expect(request.split('\r\n')[0]).toBe('GET /ws HTTP/1.1');
    expect(field(request, 'Host')).toBe(`127.0.0.1:${server.port}`);
    expect(field(request, 'Upgrade')).toBe('websocket');
    expect(field(request, 'Connection')).toBe('Upgrade');
    expect(field(request, 'Sec-WebSocket-Version')).toBe('13');
    expect(Buffer.from(field(request, 'Sec-WebSocket-Key') ?? '', 'base64')).toHaveLength(16);
    expect(field(request, 'Sec-WebSocket-Protocol')).toBe('chat, echo');
    expect(field(request, 'Sec-WebSocket-Extensions')).toBe(undefined);
    expect(field(request, 'Origin')).toBe('http://example.com');
    expect(field(request, 'User-Agent')).toBe('test/1');
    expect(field(request, 'X-One')).toBe('1');
    expect(field(request, 'Authorization')).toBe(`Basic ${Buffer.from('me:pass:word').toString('base64')}`);
  });

  test('brings subprotocol and headers of the response', async () => {
    const server = await rawServer();
    const { client } = makeClient({ uri: server.uri, subprotocol: ['chat', 'echo'] });
    const connected = new Promise<api.WsConnectedEvent>(resolve => client.once('connected', resolve));
    const headers: (readonly [string, string])[] = [];
    client.on('headerReceived', header => headers.push(header));
    void client.start();
    await (await server.next()).accept(['Sec-WebSocket-Protocol: echo', 'X-A: 1', 'x-a: 2']);
    const { subprotocol, compressed, response } = await connected;
    expect([subprotocol, compressed, response.status]).toEqual(['echo', false, 101]);
    expect(response.headers.get('x-a')).toBe('1, 2');
    expect(response.rawHeaders.slice(-2)).toEqual([
      ['X-A', '1'],
      ['x-a', '2'],
    ]);
    expect(headers).toEqual(response.rawHeaders);
  });

  test('events come in the order of ESP-IDF', async () => {
    const { client, peer, events } = await connectedPair();
    peer.send({ opcode: TEXT, payload: 'one' });
    await until(() => expect(events).toEqual(['begin', 'beforeConnect', 'connected']));
    const closed = client.close();
    expect(client.isConnected()).toBe(false);
    const frame = await peer.frame();
    expect([frame.opcode, frame.code, frame.masked]).toEqual([CLOSE, 1000, true]);
    peer.send({ opcode: CLOSE, payload: closeBody(1000) });
    peer.socket.end();
    await closed;
    expect(events).toEqual(['begin', 'beforeConnect', 'connected', 'closed', 'finish']);
  });

  test('registerEvents gets all of them by their numbers', async () => {
    const server = await rawServer();
    const { client } = makeClient({ uri: server.uri, disableAutoReconnect: true });
    const ids = allEvents(client);
    void client.start();
    const peer = await server.next();
    await peer.accept([], [{ opcode: BINARY, payload: 'x' }]);
    await until(() => expect(ids).toContain(api.WEBSOCKET_EVENT_DATA));
    peer.socket.destroy();
    await until(() => expect(ids).toContain(api.WEBSOCKET_EVENT_FINISH));
    expect(ids).toEqual([7, 6, 1, 1, 1, 2, 4, 0, 3, 8]);
  });
});

describe('data', () => {
  test('is told of frame by frame', async () => {
    const { peer, data } = await connectedPair();
    peer.send({ opcode: TEXT, payload: 'a', fin: false }, { opcode: PING, payload: 'p' });
    peer.send({ opcode: CONTINUE, payload: 'bc' }, { opcode: BINARY });
    expect(await peer.frame()).toMatchObject({ opcode: PONG, text: 'p', masked: true });
    await until(() => expect(data).toHaveLength(3));
    const whole = { dataLen: 2, payloadLen: 2, payloadOffset: 0, fin: true };
    expect(data[0]).toEqual({ ...whole, opCode: TEXT, data: Buffer.from('a'), dataLen: 1, payloadLen: 1, fin: false });
    expect(data[1]).toEqual({ ...whole, opCode: CONTINUE, data: Buffer.from('bc') });
    expect(data[2]).toEqual({ ...whole, opCode: BINARY, data: Buffer.alloc(0), dataLen: 0, payloadLen: 0 });
  });

  test.each([
    [100, 30],
    [20_000, 16_384],
    [100_000, 30_000],
  ])('a frame of %i bytes comes in pieces of bufferSize %i', async (len, bufferSize) => {
    const { peer, data } = await connectedPair({ bufferSize });
    const payload = Buffer.alloc(len, 'abcdefg');
    peer.send({ opcode: TEXT, payload });
    const count = Math.ceil(len / bufferSize);
    await until(() => expect(data).toHaveLength(count));
    expect(data.map(({ payloadOffset }) => payloadOffset)).toEqual(
      Array.from({ length: count }, (_, i) => i * bufferSize),
    );
    expect(data.every(({ payloadLen, fin, opCode }) => payloadLen === len && fin && opCode === TEXT)).toBe(true);
    expect(Buffer.concat(data.map(event => event.data)).equals(payload)).toBe(true);
  });

  test('messageMode joins fragments', async () => {
    const { peer, data } = await connectedPair({ messageMode: true, bufferSize: 4 });
    peer.send({ opcode: TEXT, payload: 'abc', fin: false }, { opcode: PING }, { opcode: CONTINUE, payload: 'def' });
    await until(() => expect(data).toHaveLength(2));
    expect(data.map(event => [event.opCode, event.data.toString(), event.payloadOffset, event.payloadLen])).toEqual([
      [TEXT, 'abcd', 0, 6],
      [TEXT, 'ef', 4, 6],
    ]);
  });

  test('controlFrameEvents tells of Ping, Pong and Close', async () => {
    const { peer, data, client } = await connectedPair({ controlFrameEvents: true, disableAutoReconnect: true });
    const finish = new Promise<void>(resolve => client.once('finish', resolve));
    peer.send({ opcode: PING, payload: 'p' }, { opcode: PONG }, { opcode: CLOSE, payload: closeBody(1001, 'bye') });
    expect((await peer.frame()).opcode).toBe(PONG);
    expect((await peer.frame()).code).toBe(1001);
    peer.socket.end();
    await finish;
    expect(data.map(({ opCode, dataLen }) => [opCode, dataLen])).toEqual([
      [PING, 1],
      [PONG, 0],
      [CLOSE, 5],
    ]);
  });
});

test('nobody has to await what fails', async () => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): unknown => unhandled.push(reason);
  process.on('unhandledRejection', onUnhandled);
  afterwards(() => process.off('unhandledRejection', onUnhandled));
  const { client } = makeClient({ uri: 'ws://127.0.0.1:1', signal: AbortSignal.abort() });
  const failed = [
    client.start(),
    client.sendText('x'),
    client.sendText(Buffer.from([0xff])),
    client.sendBin(1 as never),
    client.sendFragments(['x']),
    client.sendWithOpcode(99),
    client.closeWithCode(1),
  ];
  await turns();
  expect(unhandled).toEqual([]);
  // and who does await them hears of it
  const names = (await Promise.allSettled(failed)).map(one => (one.status === 'rejected' ? one.reason.name : 'none'));
  expect(names).toEqual([
    'ESP_ERR_INVALID_STATE',
    'ESP_ERR_INVALID_STATE',
    'ESP_ERR_INVALID_STATE',
    'ESP_ERR_INVALID_ARG',
    'ESP_ERR_INVALID_STATE',
    'ESP_ERR_INVALID_ARG',
    'ESP_ERR_INVALID_ARG',
  ]);
});

test('of a host with several addresses the error is that of the first one', async () => {
  const refused = (address: string) =>
    Object.assign(new Error(`connect ECONNREFUSED ${address}`), { errno: -111, code: 'ECONNREFUSED' });
  const { client, errors } = makeClient(
    { uri: 'ws://127.0.0.1', disableAutoReconnect: true },
    {
      dial: (target, handler) => {
        expect(target.attemptMs).toBe(2_500);
        setImmediate(() => handler.onClosed(new AggregateError([refused('::1'), refused('127.0.0.1')])));
        return new MemorySocket(handler);
      },
    },
  );
  await client.start().catch(() => {});
  expect(errors[0]?.message).toBe('no connection: Error: connect ECONNREFUSED ::1');
  expect(errors[0]?.errorHandle).toMatchObject({ espTransportSockErrno: 111, espTlsStackErr: undefined });
});

describe('listeners', () => {
  test('run in the context in which the client was started', async () => {
    const storage = new AsyncLocalStorage<string>();
    const server = await rawServer();
    const { client } = makeClient({ uri: server.uri });
    const seen: (string | undefined)[] = [];
    for (const name of ['begin', 'connected', 'data', 'closed', 'finish'] as const) {
      client.on(name, () => {
        seen.push(storage.getStore());
        // stays in this event
        storage.enterWith('leaked');
      });
    }
    storage.run('started', () => void client.start());
    const peer = await server.next();
    await peer.accept();
    await until(() => expect(client.isConnected()).toBe(true));
    peer.send({ opcode: TEXT });
    await until(() => expect(seen).toHaveLength(3));
    const closed = storage.run('other', () => client.close());
    await peer.frame();
    peer.send({ opcode: CLOSE });
    await turns();
    peer.socket.end();
    await closed;
    expect(seen.slice(0, 4)).toEqual(['started', 'started', 'started', 'started']);
    expect(seen).toHaveLength(5);
  });

  test('that fail harm nobody', async () => {
    const { client, peer, data } = await connectedPair();
    client.on('data', () => {
      throw new Error('a listener');
    });
    client.on('data', async () => {
      throw new Error('another one');
    });
    peer.send({ opcode: TEXT }, { opcode: TEXT });
    await until(() => expect(data).toHaveLength(2));
    expect(client.isConnected()).toBe(true);
  });

  test('of once are called once, and off removes', async () => {
    const { client, peer, data } = await connectedPair();
    let [once, removed] = [0, 0];
    const listener = () => {
      removed += 1;
    };
    client.once('data', () => {
      once += 1;
    });
    client.on('data', listener).off('data', listener);
    peer.send({ opcode: TEXT }, { opcode: TEXT });
    await until(() => expect(data).toHaveLength(2));
    expect([once, removed]).toEqual([1, 0]);
  });
});
