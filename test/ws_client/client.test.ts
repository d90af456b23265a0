/** The client as applications use it, mostly with a server that the test plays. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { EspWebsocketError } from '../../src/ws_client/errors.js';
import * as api from '../../src/ws_client/index.js';
import { BINARY, buildFrame, CLOSE, CONTINUE, closeBody, PING, PONG, TEXT } from '../support/ws_frames.js';
import { MemorySocket, memoryClient } from './memory_socket.js';
import { allEvents, connectedPair, errorOf, field, makeClient, rawServer, turns, until } from './support.js';

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

describe('sending', () => {
  test('frames are masked, with keys that differ, and leave together', async () => {
    const { client, peer } = await connectedPair();
    let writes = 0;
    peer.socket.on('data', () => {
      writes += 1;
    });
    await Promise.all([
      client.sendText('héllo'),
      client.sendBin(new Uint8Array([1, 2])),
      client.sendWithOpcode(PING, 'x'),
    ]);
    const frames = [await peer.frame(), await peer.frame(), await peer.frame()];
    expect(frames.map(({ opcode, text, masked, fin }) => [opcode, text, masked, fin])).toEqual([
      [TEXT, 'héllo', true, true],
      [BINARY, '\u0001\u0002', true, true],
      [PING, 'x', true, true],
    ]);
    expect(new Set(frames.map(({ bytes }) => bytes.readUInt32BE(2))).size).toBe(3);
    expect(writes).toBe(1);
  });

  test('a message in fragments, behind which others wait', async () => {
    const { client, peer } = await connectedPair();
    expect(await errorOf(() => client.sendContMsg('x'))).toBe('ESP_ERR_INVALID_STATE');
    void client.sendTextPartial('a');
    const bytes = Buffer.from('later');
    void client.sendBin(bytes);
    bytes.fill(0);
    void client.sendContMsg('b');
    expect(await errorOf(() => client.sendTextPartial('x'))).toBe('ESP_ERR_INVALID_STATE');
    expect(client.getTxPending()).toBeGreaterThan(100);
    await client.sendFin();
    const got = [await peer.frame(), await peer.frame(), await peer.frame(), await peer.frame()];
    expect(got.map(({ opcode, text, fin }) => [opcode, text, fin])).toEqual([
      [TEXT, 'a', false],
      [CONTINUE, 'b', false],
      [CONTINUE, '', true],
      [BINARY, 'later', true],
    ]);
  });

  test('sendFragments makes one message of what is iterated over', async () => {
    const { client, peer } = await connectedPair();
    async function* parts() {
      yield 'a';
      await turns(1);
      yield Buffer.from('b');
    }
    await client.sendFragments(parts());
    await client.sendFragments([], api.WS_TRANSPORT_OPCODES_BINARY);
    const got = [await peer.frame(), await peer.frame(), await peer.frame(), await peer.frame()];
    expect(got.map(({ opcode, text, fin }) => [opcode, text, fin])).toEqual([
      [TEXT, 'a', false],
      [CONTINUE, 'b', false],
      [CONTINUE, '', true],
      [BINARY, '', true],
    ]);
  });

  test('sendFragments whose source fails closes with 1011: a message can not be taken back', async () => {
    const { client, peer } = await connectedPair();
    async function* parts() {
      yield 'a';
      throw new Error('no more');
    }
    await expect(client.sendFragments(parts())).rejects.toThrow('no more');
    expect((await peer.frame()).text).toBe('a');
    expect((await peer.frame()).code).toBe(1011);
  });

  test('fragmentLen cuts messages', async () => {
    const { client, peer } = await connectedPair({ fragmentLen: 16 });
    await client.sendText('x'.repeat(40));
    const got = [await peer.frame(), await peer.frame(), await peer.frame()];
    expect(got.map(({ opcode, fin, payload }) => [opcode, fin, payload.length])).toEqual([
      [TEXT, false, 16],
      [CONTINUE, false, 16],
      [CONTINUE, true, 8],
    ]);
  });

  test('a server that does not read holds back who awaits, up to maxTxPending', async () => {
    const { client, peer, clock, errors } = await connectedPair({
      maxTxPending: 1024 * 1024,
      disableAutoReconnect: true,
    });
    peer.socket.pause();
    const chunk = Buffer.alloc(256 * 1024);
    let refused = 'none';
    let last: Promise<void> = Promise.resolve();
    for (let i = 0; i < 200 && refused === 'none'; i++) {
      last = client.sendBin(chunk);
      refused = await errorOf(() => Promise.race([last, turns(3)]));
    }
    expect(refused).toBe('ESP_ERR_NO_MEM');
    expect(client.getTxPending()).toBeLessThan(2 * 1024 * 1024);
    const waiting = client.sendBin('').catch(error => error as Error);
    await turns();
    clock.advance(10_000);
    await until(() => expect(errors[0]?.message).toContain('nothing of what was sent has been taken within 10000 ms'));
    expect(await waiting).toBeInstanceOf(Error);
  });

  test('sending on does not make up for a server that takes nothing', async () => {
    const { client, socket, clock, errors } = await memoryClient();
    socket.takes = false;
    for (let second = 0; second < 10; second++) {
      expect(errors).toHaveLength(0);
      void client.sendText('x');
      await turns(1);
      clock.advance(1_000);
    }
    expect(errors[0]?.name).toBe('ESP_ERR_TIMEOUT');
  });

  test('a server that takes a little now and then is waited for', async () => {
    const { client, socket, clock, errors } = await memoryClient();
    socket.takes = false;
    void client.sendBin(Buffer.alloc(300_000));
    await turns(1);
    for (let i = 0; i < 4; i++) {
      clock.advance(9_999);
      socket.handler.onTaken();
    }
    expect([errors.length, socket.writes.length]).toEqual([0, 5]);
    clock.advance(10_000);
    expect(errors[0]?.name).toBe('ESP_ERR_TIMEOUT');
  });

  test('a server that reads again lets it go on', async () => {
    const { client, peer } = await connectedPair();
    peer.socket.pause();
    const chunk = Buffer.alloc(256 * 1024);
    let settled = true;
    let last: Promise<unknown> = Promise.resolve();
    for (let i = 0; i < 200 && settled; i++) {
      settled = false;
      last = client.sendBin(chunk).then(() => {
        settled = true;
      });
      await turns(3);
    }
    expect(settled).toBe(false);
    peer.socket.removeAllListeners('data').on('data', () => {});
    peer.socket.resume();
    await last;
    await until(() => expect(client.getTxPending()).toBe(0));
  });

  test.each<readonly [string, (client: api.EspWebsocketClient) => unknown, string]>([
    ['sendText', client => client.sendText(1 as never), 'ESP_ERR_INVALID_ARG'],
    ['sendText', client => client.sendText(Buffer.from([0xff])), 'ESP_ERR_INVALID_ARG'],
    ['sendWithOpcode', client => client.sendWithOpcode(3, ''), 'ESP_ERR_INVALID_ARG'],
    ['sendWithOpcode', client => client.sendWithOpcode(PING, 'x'.repeat(126)), 'ESP_ERR_INVALID_ARG'],
    ['sendWithOpcode', client => client.sendWithOpcode(CLOSE, 'x'), 'ESP_ERR_INVALID_ARG'],
    ['closeWithCode', client => client.closeWithCode(1005), 'ESP_ERR_INVALID_ARG'],
    ['closeWithCode', client => client.closeWithCode(1000, 'x'.repeat(124)), 'ESP_ERR_INVALID_ARG'],
    ['sendFragments', client => client.sendFragments('text' as never), 'ESP_ERR_INVALID_ARG'],
    ['sendFragments', client => client.sendFragments([1 as never]), 'ESP_ERR_INVALID_ARG'],
    ['start', client => client.start(), 'ESP_ERR_INVALID_STATE'],
    ['setUri', client => client.setUri('ws://x'), 'ESP_ERR_INVALID_STATE'],
    ['setHeaders', client => client.setHeaders({ Upgrade: 'x' }), 'ESP_ERR_INVALID_ARG'],
    ['on', client => client.on('open' as never, () => {}), 'ESP_ERR_INVALID_ARG'],
  ])('misuse of %s is refused (%#)', async (_name, fn, error) => {
    const { client, peer } = await connectedPair();
    expect(await errorOf(() => fn(client))).toBe(error);
    await client.sendText('still there');
    expect((await peer.frame()).text).toBe('still there');
  });
});

describe('the end', () => {
  test('stop ends at once, without a Close', async () => {
    const { client, peer, events, ends } = await connectedPair();
    await client.stop();
    expect(events.slice(-2)).toEqual(['disconnected', 'finish']);
    expect(ends[0]).toMatchObject({ code: 1006, byClient: true, willReconnect: false, wasConnected: true });
    await peer.gone();
    expect(peer.received).toHaveLength(0);
    expect(await errorOf(() => client.sendText('x'))).toBe('ESP_ERR_INVALID_STATE');
  });

  test('stop ends a wait for the next connection at once', async () => {
    const server = await rawServer();
    const { client, clock, events } = makeClient({ uri: server.uri });
    const started = client.start();
    (await server.next()).socket.destroy();
    await until(() => expect(events).toContain('disconnected'));
    expect(clock.running).toBe(1);
    await client.stop();
    expect(clock.running).toBe(0);
    expect(events.at(-1)).toBe('finish');
    await expect(started).rejects.toThrow('stopped before it was connected');
  });

  test('stop ends an attempt to connect', async () => {
    const server = await rawServer();
    const { client, clock, events } = makeClient({ uri: server.uri });
    const started = client.start();
    const peer = await server.next();
    await client.stop();
    await peer.gone();
    await expect(started).rejects.toThrow('stopped');
    expect([events, clock.running]).toEqual([['begin', 'beforeConnect', 'finish'], 0]);
  });

  test('a signal stops it', async () => {
    const controller = new AbortController();
    const { client, peer, events } = await connectedPair({ signal: controller.signal });
    controller.abort();
    await peer.gone();
    expect(events.at(-1)).toBe('finish');
    expect(await errorOf(() => client.start())).toBe('ESP_ERR_INVALID_STATE');
  });

  test("the server's Close is answered with its own code; then the client finishes", async () => {
    const { peer, events, ends } = await connectedPair();
    peer.send({ opcode: CLOSE, payload: closeBody(3999, 'ciao') }, { opcode: TEXT, payload: 'late' });
    expect((await peer.frame()).code).toBe(3999);
    peer.socket.end();
    await until(() => expect(events.at(-1)).toBe('finish'));
    expect(ends[0]).toMatchObject({ code: 3999, reason: 'ciao', byClient: false, willReconnect: false });
    expect(ends[0]?.errorHandle.errorType).toBe(api.WEBSOCKET_ERROR_TYPE_SERVER_CLOSE);
    expect(events).not.toContain('error');
  });

  test('enableCloseReconnect connects again behind that', async () => {
    const { server, peer, clock, ends } = await connectedPair({ enableCloseReconnect: true });
    peer.send({ opcode: CLOSE });
    expect(await peer.frame()).toMatchObject({ opcode: CLOSE, code: undefined });
    peer.socket.end();
    await until(() => expect(ends).toHaveLength(1));
    expect(ends[0]).toMatchObject({ code: 1005, willReconnect: true });
    clock.advance(10_000);
    await (await server.next()).accept();
  });

  test('a server that does not end the connection is left behind 2 seconds', async () => {
    const { peer, events, clock } = await connectedPair();
    peer.send({ opcode: CLOSE, payload: closeBody(1000) });
    await peer.frame();
    clock.advance(1_999);
    expect(events).not.toContain('closed');
    clock.advance(1);
    expect(events.slice(-2)).toEqual(['closed', 'finish']);
  });

  test('a Close that is not answered ends with its timeout', async () => {
    const { client, peer, events, ends, clock } = await connectedPair();
    const closed = client.closeWithCode(4000, 'why', 500);
    expect(await peer.frame()).toMatchObject({ code: 4000 });
    peer.send({ opcode: TEXT, payload: 'x' });
    clock.advance(500);
    await closed;
    expect(events.slice(-2)).toEqual(['disconnected', 'finish']);
    expect(ends[0]).toMatchObject({ code: 1006, byClient: true });
  });

  test('it can be started again, but not when it is destroyed', async () => {
    const { client, server, events } = await connectedPair();
    await client.stop();
    const again = client.start();
    await (await server.next()).accept();
    await again;
    client.destroyOnExit();
    await client.stop();
    expect(events.filter(name => name === 'finish')).toHaveLength(2);
    expect(await errorOf(() => client.start())).toBe('ESP_ERR_INVALID_STATE');
  });

  test.each([
    ['short frames', Array.from({ length: 5 }, () => ({ opcode: TEXT, payload: 'x' }))],
    ['pieces of a short frame', [{ opcode: BINARY, payload: 'x'.repeat(1_000) }]],
    ['pieces of a long frame', [{ opcode: BINARY, payload: 'x'.repeat(20_000) }]],
    [
      'pieces of a message',
      [
        { opcode: TEXT, fin: false },
        { opcode: CONTINUE, payload: 'x'.repeat(20_000) },
      ],
    ],
  ])('behind stop in a listener there is no more data: %s', async (name, frames) => {
    const { client, socket, data, events } = await memoryClient({
      bufferSize: 100,
      messageMode: name.endsWith('message'),
    });
    client.on('data', () => void client.stop());
    socket.deliver(Buffer.concat(frames.map(frame => buildFrame({ ...frame, mask: false }))));
    expect([data.length, events.at(-1), socket.destroyed]).toEqual([1, 'finish', true]);
  });

  test('stop in a listener keeps the order of events', async () => {
    const { client, peer, events } = await connectedPair();
    client.on('error', () => void client.stop());
    peer.socket.destroy();
    await until(() => expect(events.at(-1)).toBe('finish'));
    expect(events.slice(-3)).toEqual(['error', 'disconnected', 'finish']);
  });

  test('stop and close do nothing on a client that was not started', async () => {
    const { client, events } = makeClient({ uri: 'ws://127.0.0.1:1' });
    await client.stop();
    await client.close();
    expect(events).toEqual([]);
  });
});

describe('connecting again', () => {
  test('waits twice as long each time, and from the start behind a good connection', async () => {
    const { client, server, peer, clock, events, errors } = await connectedPair({
      reconnectTimeoutMs: 1_000,
      reconnectTimeoutMaxMs: 3_000,
    });
    expect(client.getReconnectTimeout()).toBe(1_000);
    let current = peer;
    for (const wait of [1_000, 2_000, 3_000, 3_000]) {
      const before = events.length;
      current.socket.destroy();
      await until(() => expect(events.slice(before)).toEqual(['error', 'disconnected']));
      const { length } = events;
      clock.advance(wait - 1);
      expect(events).toHaveLength(length);
      clock.advance(1);
      expect(events.slice(length)).toEqual(['beforeConnect']);
      current = await server.next();
    }
    await current.accept();
    await until(() => expect(client.isConnected()).toBe(true));
    clock.advance(1_000);
    current.socket.destroy();
    await until(() => expect(events.at(-1)).toBe('disconnected'));
    clock.advance(1_000);
    await (await server.next()).accept();
    expect(errors).toHaveLength(5);
  });

  test('brings new headers', async () => {
    const { client, server, peer, clock, events } = await connectedPair({ headers: 'Authorization: old\r\nX: y\r\n' });
    client.setHeaders([['Authorization', 'new']]);
    client.appendHeader('X-Other', 'z');
    peer.socket.destroy();
    await until(() => expect(events).toContain('disconnected'));
    clock.advance(10_000);
    const request = await (await server.next()).accept();
    expect([field(request, 'Authorization'), field(request, 'X'), field(request, 'X-Other')]).toEqual([
      'new',
      undefined,
      'z',
    ]);
  });

  test('disableAutoReconnect: the start fails with the reason', async () => {
    const server = await rawServer();
    const { client, events } = makeClient({ uri: server.uri, disableAutoReconnect: true });
    server.server.close();
    const error: unknown = await client.start().catch(thrown => thrown);
    expect(error).toBeInstanceOf(EspWebsocketError);
    const { errorHandle, cause, name } = error as EspWebsocketError;
    expect([name, errorHandle.errorType, errorHandle.espTransportSockErrno]).toEqual(['ESP_FAIL', 1, 111]);
    expect((cause as NodeJS.ErrnoException).code).toBe('ECONNREFUSED');
    expect(events).toEqual(['begin', 'beforeConnect', 'error', 'disconnected', 'finish']);
    expect(client.getReconnectTimeout()).toBe(-1);
  });
});

test('nobody has to await what fails', async () => {
  const { client } = makeClient({ uri: 'ws://127.0.0.1:1', signal: AbortSignal.abort() });
  void client.start();
  void client.sendText('x');
  void client.sendBin(1 as never);
  void client.sendFragments(['x']);
  void client.sendWithOpcode(99);
  void client.closeWithCode(1);
  // a rejection that nobody handles would fail this test
  await turns();
});

test('of a host with several addresses the error is that of the first one', async () => {
  const refused = (address: string) =>
    Object.assign(new Error(`connect ECONNREFUSED ${address}`), { errno: -111, code: 'ECONNREFUSED' });
  const { client, errors } = makeClient(
    { uri: 'ws://127.0.0.1', disableAutoReconnect: true },
    {
      dial: (_target, handler) => {
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
