/** `for await (const message of client)`. */
import { describe, expect, test } from 'vitest';
import type { EspWebsocketClient } from '../../src/ws_client/client.js';
import { BINARY, buildFrame, CLOSE, CONTINUE, closeBody, type FrameSpec, PING, TEXT } from '../support/ws_frames.js';
import { memoryClient } from './memory_socket.js';
import { connectedPair, makeClient, turns, until } from './support.js';

/** Takes `n` messages and leaves. */
async function take(client: EspWebsocketClient, n: number): Promise<string[]> {
  const texts: string[] = [];
  for await (const { text } of client) {
    texts.push(text);
    if (texts.length === n) break;
  }
  return texts;
}

describe.each([false, true])('messages (messageMode %s)', messageMode => {
  test('are whole, whatever their frames and pieces', async () => {
    const { client, peer } = await connectedPair({ messageMode, bufferSize: 3 });
    const taken = take(client, 4);
    peer.send({ opcode: TEXT, payload: 'one' }, { opcode: TEXT, payload: 'two', fin: false }, { opcode: PING });
    peer.send({ opcode: CONTINUE, payload: '', fin: false }, { opcode: CONTINUE, payload: 'three' });
    peer.send({ opcode: BINARY }, { opcode: BINARY, payload: 'x'.repeat(30_000) });
    expect(await taken).toEqual(['one', 'twothree', '', 'x'.repeat(30_000)]);
  });

  test('of a connection that ends are not continued on the next', async () => {
    const { client, peer, server, clock, events } = await connectedPair({ messageMode });
    const taken = take(client, 1);
    peer.send({ opcode: TEXT, payload: 'half', fin: false });
    await turns(10);
    peer.socket.destroy();
    await until(() => expect(events).toContain('disconnected'));
    clock.advance(10_000);
    await (await server.next()).accept([], [{ opcode: TEXT, payload: 'whole' }]);
    expect(await taken).toEqual(['whole']);
  });
});

test.each<readonly [string, readonly (FrameSpec | Buffer)[]]>([
  ['a fragment', [{ opcode: CONTINUE, payload: 'late', fin: false }, { opcode: CONTINUE }]],
  ['a piece of a long frame', [Buffer.alloc(30_000, 'x')]],
])('a loop that begins within a message leaves that out (%s)', async (name, rest) => {
  const { client, socket, data } = await memoryClient({ bufferSize: 10_000 });
  const begin = { opcode: TEXT, payload: 'x'.repeat(20_000), fin: name !== 'a fragment', mask: false } as const;
  socket.deliver(buildFrame(name === 'a fragment' ? begin : { ...begin, claimedLen: 50_000 }));
  expect(data.length).toBeGreaterThan(0);
  const taken = take(client, 1);
  for (const part of rest) socket.deliver(Buffer.isBuffer(part) ? part : buildFrame({ mask: false, ...part }));
  socket.deliver(buildFrame({ opcode: BINARY, payload: 'next', mask: false }));
  expect(await taken).toEqual(['next']);
});

test.each([
  ['a Close', { opcode: CLOSE, payload: closeBody(1000) }, 1000],
  ['a frame that is wrong', { opcode: 3 }, 1002],
])('messages in front of %s are answered before it, with bytes behind it or without', async (_name, last, code) => {
  for (const behind of [[], [{ opcode: PING }, { opcode: TEXT, payload: 'late' }]]) {
    const { client, socket } = await memoryClient();
    const echo = (async () => {
      for await (const { opCode, data } of client) await client.sendWithOpcode(opCode, data);
    })().catch(() => {});
    const frames = [{ opcode: TEXT, payload: 'one' }, { opcode: BINARY, payload: 'two' }, last, ...behind];
    socket.deliver(Buffer.concat(frames.map(frame => buildFrame({ ...frame, mask: false }))));
    socket.deliver(buildFrame({ opcode: TEXT, payload: 'late', mask: false }));
    await turns(3);
    expect(socket.frames().map(frame => frame.code ?? frame.text)).toEqual(['one', 'two', code]);
    await client.stop();
    await echo;
  }
});

test('a frame that is wrong, and the end of the connection in the same turn', async () => {
  const { client, socket, errors } = await memoryClient();
  const taken = take(client, 9);
  socket.deliver(buildFrame({ opcode: 3, mask: false }));
  socket.handler.onEnd();
  await expect(taken).rejects.toThrow('reserved opcode');
  expect(errors).toHaveLength(1);
  expect(socket.frames().map(({ code }) => code)).toEqual([1002]);
});

test('a loop that waits for a start ends when the client is destroyed', async () => {
  const { client } = makeClient({ uri: 'ws://127.0.0.1:1' });
  const taken = take(client, 1);
  await client.destroy();
  expect(await taken).toEqual([]);
});

test('the loop ends when the client stops, or the server closes', async () => {
  const one = await connectedPair();
  const two = await connectedPair();
  const taken = Promise.all([take(one.client, 9), take(two.client, 9)]);
  await one.client.stop();
  two.peer.send({ opcode: TEXT, payload: 'last' }, { opcode: CLOSE });
  await two.peer.frame();
  two.peer.socket.end();
  expect(await taken).toEqual([[], ['last']]);
});

test('the loop throws why there will be no more', async () => {
  const { client, peer } = await connectedPair({ disableAutoReconnect: true });
  const taken = take(client, 9);
  peer.socket.destroy();
  await expect(taken).rejects.toThrow('without a Close frame');
});

test('reading stops while maxRxPending bytes wait, and goes on when they are taken', async () => {
  const { client, peer, clock } = await connectedPair({
    maxRxPending: 100_000,
    pingIntervalSec: 1,
    pingpongTimeoutSec: 3,
  });
  const messages = client[Symbol.asyncIterator]();
  const payload = Buffer.alloc(10_000, 'x');
  const count = 1_500;
  for (let i = 0; i < count; i++) peer.send({ opcode: BINARY, payload });
  await turns(50);
  // the system's buffers are full
  expect(peer.socket.writableLength).toBeGreaterThan(1_000_000);
  // a silence of our own making is not the server's
  clock.advance(20_000);
  expect(client.isConnected()).toBe(true);
  for (let i = 0; i < count; i++) expect((await messages.next()).value?.data).toHaveLength(10_000);
  await until(() => expect(peer.socket.writableLength).toBe(0));
});

test('messages without a byte count too', async () => {
  const { client, peer } = await connectedPair({ maxRxPending: 256 * 10 });
  const messages = client[Symbol.asyncIterator]();
  peer.send(...Array.from({ length: 1_000 }, () => ({ opcode: TEXT })));
  await turns(20);
  let seen = 0;
  client.on('data', () => {
    seen += 1;
  });
  for (let i = 0; i < 1_000; i++) expect((await messages.next()).value?.text).toBe('');
  // those beyond the first ten have come since
  expect(seen).toBe(990);
});

test('who leaves the loop lets reading go on', async () => {
  const { client, peer, data } = await connectedPair({ maxRxPending: 300 });
  const messages = client[Symbol.asyncIterator]();
  peer.send({ opcode: TEXT, payload: 'x'.repeat(300) }, { opcode: TEXT, payload: 'y' });
  await turns(20);
  expect(data).toHaveLength(1);
  await messages.return?.();
  await until(() => expect(data).toHaveLength(2));
  expect(await messages.next()).toEqual({ done: true, value: undefined });
});

test('close() reads on, to the Close of the server', async () => {
  const { client, peer, events } = await connectedPair({ maxRxPending: 300 });
  const messages = client[Symbol.asyncIterator]();
  for (let i = 0; i < 100; i++) peer.send({ opcode: TEXT, payload: 'x'.repeat(1_000) });
  await turns(20);
  const closed = client.close();
  await peer.frame();
  peer.send({ opcode: CLOSE });
  peer.socket.end();
  await closed;
  expect(events).toContain('closed');
  // what was there before is still given
  expect((await messages.next()).value?.data).toHaveLength(1_000);
  expect((await messages.next()).done).toBe(true);
});

test('next() may be awaited when the server has left already', async () => {
  const { client, socket } = await memoryClient();
  const messages = client[Symbol.asyncIterator]();
  const next = messages.next();
  socket.handler.onClosed(undefined);
  // a rejection that nobody handles would fail this test
  await turns();
  await expect(next).rejects.toThrow('the connection was lost');
  expect((await messages.next()).done).toBe(true);
});

test('a loop that begins behind the end ends too', async () => {
  const { client, peer, events } = await connectedPair({ disableAutoReconnect: true });
  peer.socket.destroy();
  await until(() => expect(events.at(-1)).toBe('finish'));
  await expect(take(client, 1)).rejects.toThrow('without a Close frame');
});
