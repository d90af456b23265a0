/** The end of a connection, and of a client; and the next connection. */
import { getEventListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { ClientCore } from '../../src/ws_client/client_core.js';
import { EspWebsocketError } from '../../src/ws_client/errors.js';
import * as api from '../../src/ws_client/index.js';
import type { SocketHandler } from '../../src/ws_client/socket.js';
import { BINARY, buildFrame, CLOSE, CONTINUE, closeBody, TEXT } from '../support/ws_frames.js';
import { MemorySocket, memoryClient } from './memory_socket.js';
import {
  afterwards,
  allEvents,
  connectedPair,
  errorOf,
  field,
  makeClient,
  rawServer,
  turns,
  until,
} from './support.js';

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

  test('a signal of many clients stops them all, and says why', async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): unknown => warnings.push(warning.message);
    process.on('warning', onWarning);
    afterwards(() => process.off('warning', onWarning));
    const controller = new AbortController();
    const { signal } = controller;
    const parts = { dial: (_target: unknown, handler: SocketHandler) => new MemorySocket(handler) };
    const starts = Array.from({ length: 20 }, () =>
      makeClient({ uri: 'ws://127.0.0.1', signal }, parts).client.start(),
    );
    await turns();
    controller.abort(new Error('enough'));
    for (const start of starts) await expect(start).rejects.toMatchObject({ cause: { message: 'enough' } });
    await turns();
    expect(warnings).toEqual([]);
  });

  test('a signal keeps nothing of clients that have stopped, however they did, and however often', async () => {
    const { signal } = new AbortController();
    const listeners = () => getEventListeners(signal, 'abort').length;
    const { client, peer, server, events } = await connectedPair({ signal, disableAutoReconnect: true });
    expect(listeners()).toBe(1);
    await client.stop();
    await peer.gone();
    expect(listeners()).toBe(0);
    // the server leaves
    const started = client.start();
    const second = await server.next();
    await second.accept();
    await started;
    expect(listeners()).toBe(1);
    second.socket.destroy();
    await until(() => expect(events.filter(name => name === 'finish')).toHaveLength(2));
    expect(listeners()).toBe(0);
    // nobody is there
    server.server.close();
    await client.start().catch(() => {});
    expect(listeners()).toBe(0);
    await client.destroy();
    expect(listeners()).toBe(0);
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

  test('and waits longer each time, if the server closes at once', async () => {
    const config = { enableCloseReconnect: true, reconnectTimeoutMs: 1_000 };
    const { server, peer, clock, events, ends } = await connectedPair(config);
    let current = peer;
    for (const wait of [1_000, 2_000, 4_000]) {
      const { length } = ends;
      current.send({ opcode: CLOSE, payload: closeBody(1013) });
      await current.frame();
      current.socket.end();
      await until(() => expect(ends).toHaveLength(length + 1));
      clock.advance(wait - 1);
      expect(events.at(-1)).toBe('closed');
      clock.advance(1);
      current = await server.next();
      await current.accept();
    }
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

  test('a client that is destroyed has no listeners any more', async () => {
    const { client } = await connectedPair();
    const heard: string[] = [];
    client.on('finish', () => heard.push('finish'));
    client.destroyOnExit();
    await client.stop();
    expect(heard).toEqual(['finish']);
    const { core } = client as unknown as { core: ClientCore };
    expect((['begin', 'data', 'finish'] as const).some(name => core.events.has(name))).toBe(false);
  });

  test('behind stop in a listener there are no more headers', async () => {
    const server = await rawServer();
    const { client } = makeClient({ uri: server.uri });
    const ids = allEvents(client);
    client.on('headerReceived', () => void client.stop());
    void client.start();
    await (await server.next()).accept();
    await until(() => expect(ids).toContain(api.WEBSOCKET_EVENT_FINISH));
    expect(ids).toEqual([7, 6, 1, 8]);
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

  test('to another uri keeps the credentials of the configuration', async () => {
    const { client, server } = await connectedPair({ username: 'me', password: 'secret' });
    await client.stop();
    client.setUri(`${server.uri}/other`);
    void client.start();
    const request = await (await server.next()).accept();
    expect(request.split('\r\n')[0]).toBe('GET /ws/other HTTP/1.1');
    expect(field(request, 'Authorization')).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`);
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
