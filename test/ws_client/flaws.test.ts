/** What other clients had wrong in 2026, each by its name. */
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { FRAGMENTS_MAX } from '../../src/httpd_ws/recv.js';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import { TX_HIGH_WATER } from '../../src/ws_client/sender.js';
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
} from '../support/ws_frames.js';
import { type MemorySocket, memoryClient } from './memory_socket.js';
import { field, makeClient, rawServer, switching, turns, until } from './support.js';

const RSV1 = 4;

/** Of a server, so without a mask. */
const bytesOf = (...frames: readonly FrameSpec[]) =>
  Buffer.concat(frames.map(frame => buildFrame({ ...frame, mask: false })));

/** A compressed message, as RFC 7692 section 7.2.1 makes it, with the block that it ends in. */
function deflated(payload: Uint8Array): Buffer {
  const bytes = deflateRawSync(payload, { finishFlush: 2 });
  return bytes.subarray(0, bytes.length - 4);
}

const compressing = (config: EspWebsocketClientConfig = {}) =>
  memoryClient({ perMessageDeflate: true, ...config }, ['Sec-WebSocket-Extensions: permessage-deflate']);

/** The code of the one Close frame that the client has sent, and nothing behind it. */
async function closedWith(socket: MemorySocket): Promise<number | undefined> {
  await turns(2);
  const frames = socket.frames();
  expect(frames.filter(({ opcode }) => opcode === CLOSE)).toHaveLength(1);
  expect(frames.at(-1)?.opcode).toBe(CLOSE);
  return frames.at(-1)?.code;
}

describe('a flood of Pings', () => {
  const payload = Buffer.alloc(125, 'p');
  const PINGS = 20_000;
  const flood = bytesOf(...Array<FrameSpec>(1_000).fill({ opcode: PING, payload }));

  test('to a server that takes no answers leaves 64 KiB of them, and the last one', async () => {
    const { client, socket } = await memoryClient();
    socket.takes = false;
    for (let i = 0; i < PINGS; i += 1_000) {
      socket.deliver(flood);
      await turns(1);
    }
    expect(client.getTxPending()).toBeLessThanOrEqual(TX_HIGH_WATER + 131);
    expect(client.getTxPending()).toBeGreaterThan(TX_HIGH_WATER / 2);
    socket.deliver(bytesOf({ opcode: PING, payload: 'the last one' }));
    socket.takes = true;
    socket.handler.onTaken();
    await turns(2);
    const answers = socket.frames();
    expect(answers.every(({ opcode }) => opcode === PONG)).toBe(true);
    expect(answers.at(-1)?.text).toBe('the last one');
    expect([client.getTxPending(), client.isConnected()]).toEqual([0, true]);
  });

  test('within one turn of the loop does too, and messages between them are told of', async () => {
    const { client, socket, data } = await memoryClient();
    for (let i = 0; i < PINGS; i += 1_000) socket.deliver(flood);
    socket.deliver(bytesOf({ opcode: TEXT, payload: 'still here' }));
    expect(client.getTxPending()).toBeLessThanOrEqual(TX_HIGH_WATER + 131);
    expect(data[0]?.data.toString()).toBe('still here');
  });

  test('of which an application hears with controlFrameEvents is no more of one', async () => {
    const { client, socket, data } = await memoryClient({ controlFrameEvents: true });
    socket.takes = false;
    socket.deliver(flood);
    expect(data).toHaveLength(1_000);
    expect(client.getTxPending()).toBeLessThanOrEqual(TX_HIGH_WATER + 131);
  });
});

describe('a subprotocol that was not asked for', () => {
  test.each<[string | undefined, string]>([
    [undefined, 'chat'],
    ['chat', 'mqtt'],
    ['chat', 'Chat'],
    ['chat, echo', 'chat, echo'],
    ['chat, echo', 'chat\r\nSec-WebSocket-Protocol: echo'],
    ['chat', 'chat;v=1'],
  ])('asked for %j, got %j: no connection', async (subprotocol, chosen) => {
    const server = await rawServer();
    const { client, errors, data } = makeClient({
      uri: server.uri,
      disableAutoReconnect: true,
      ...(subprotocol !== undefined && { subprotocol }),
    });
    void client.start();
    const peer = await server.next();
    const request = await peer.request();
    expect(field(request, 'Sec-WebSocket-Protocol')).toBe(subprotocol);
    peer.send(switching(request, [`Sec-WebSocket-Protocol: ${chosen}`]), { opcode: TEXT, payload: 'x' });
    await until(() => expect(errors[0]?.message).toContain('it chose a subprotocol that was not offered'));
    await peer.gone();
    expect(data).toEqual([]);
  });
});

describe('an error of zlib that comes late', () => {
  /** A block of a type that there is not (RFC 1951 section 3.2.3). */
  const BROKEN = Buffer.from([0x06]);
  const half = deflated(Buffer.alloc(5_000, 'abcdefgh')).subarray(0, 20);

  test.each<[string, readonly FrameSpec[]]>([
    [
      'in the last fragment',
      [
        { opcode: TEXT, rsv: RSV1, fin: false, payload: deflated(Buffer.from('hello')) },
        { opcode: CONTINUE, payload: BROKEN },
      ],
    ],
    [
      'behind messages that were right',
      [
        { opcode: TEXT, rsv: RSV1, payload: deflated(Buffer.from('hello')) },
        { opcode: TEXT, rsv: RSV1, payload: BROKEN },
      ],
    ],
    ['at its end, which is missing', [{ opcode: TEXT, rsv: RSV1, payload: half }]],
    [
      'behind a block that says that it is the last one',
      [{ opcode: TEXT, rsv: RSV1, payload: Buffer.concat([deflateRawSync('hello'), BROKEN]) }],
    ],
  ])('%s ends with Close 1007, once', async (_name, frames) => {
    const { client, socket, errors, ends } = await compressing();
    socket.deliver(bytesOf(...frames, { opcode: TEXT, payload: 'never' }));
    expect(await closedWith(socket)).toBe(1007);
    expect(errors).toHaveLength(0);
    socket.handler.onEnd();
    expect([errors.length, ends.length, client.isConnected()]).toEqual([1, 1, false]);
  });

  test('does no harm behind the end: a listener stops at the message before it, or the server resets', async () => {
    const frames = bytesOf(
      { opcode: TEXT, rsv: RSV1, payload: deflated(Buffer.from('hello')) },
      { opcode: TEXT, rsv: RSV1, fin: false, payload: half },
      { opcode: CONTINUE, payload: BROKEN },
    );
    const stopped = await compressing();
    stopped.client.on('data', () => void stopped.client.stop());
    stopped.socket.deliver(frames);
    await turns(2);
    expect([stopped.data.length, stopped.errors, stopped.socket.destroyed]).toEqual([1, [], true]);
    const reset = await compressing();
    reset.socket.deliver(frames.subarray(0, frames.length - 1));
    reset.socket.handler.onClosed(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
    await turns(2);
    expect([reset.errors.length, reset.data.length, reset.ends.length]).toEqual([1, 1, 1]);
    expect(reset.errors[0]?.message).toContain('ECONNRESET');
  });
});

describe('fragments without end', () => {
  test.each([
    [false, false],
    [true, false],
    [true, true],
  ])('of no bytes end with Close 1008 (messageMode %s, compressed %s)', async (messageMode, compressed) => {
    const { socket, data, client } = compressed
      ? await compressing({ messageMode })
      : await memoryClient({ messageMode });
    const empty = bytesOf(...Array<FrameSpec>(1_024).fill({ opcode: CONTINUE, fin: false }));
    socket.deliver(bytesOf({ opcode: BINARY, fin: false, rsv: compressed ? RSV1 : 0 }));
    for (let i = 1; i < FRAGMENTS_MAX; i += 1_024) {
      socket.deliver(empty.subarray(0, Math.min(1_024, FRAGMENTS_MAX - i) * 2));
    }
    await turns(1);
    expect([client.isConnected(), socket.writes.length]).toEqual([true, 0]);
    // in frame mode each is told of; of a message that is joined nothing is, and none of them costs memory
    expect(data.length).toBe(messageMode ? 0 : FRAGMENTS_MAX);
    socket.deliver(bytesOf({ opcode: CONTINUE, fin: false }));
    expect(await closedWith(socket)).toBe(1008);
  });
});

describe('a compressed message', () => {
  const MIB = 1024 * 1024;

  test.each<[string, (bomb: Buffer) => readonly FrameSpec[]]>([
    ['in one frame', bomb => [{ opcode: BINARY, rsv: RSV1, payload: bomb }]],
    [
      'in fragments of a byte',
      bomb =>
        [...bomb].map((byte, i) => ({
          opcode: i === 0 ? BINARY : CONTINUE,
          rsv: i === 0 ? RSV1 : 0,
          fin: i + 1 === bomb.length,
          payload: Buffer.from([byte]),
        })),
    ],
  ])('that inflates to more than maxMessageLen ends with Close 1009 (%s)', async (_name, cut) => {
    const maxMessageLen = MIB / 4;
    for (const [len, code] of [
      [maxMessageLen, undefined],
      [maxMessageLen + 1, 1009],
      [16 * MIB, 1009],
    ] as const) {
      const bomb = deflated(Buffer.alloc(len));
      expect(bomb.length).toBeLessThan(len / 500);
      const { socket, data } = await compressing({ maxMessageLen, maxFrameLen: MIB });
      socket.deliver(bytesOf(...cut(bomb)));
      if (code !== undefined) expect(await closedWith(socket)).toBe(code);
      const told = data.reduce((sum, { dataLen }) => sum + dataLen, 0);
      expect(told).toBe(code === undefined ? len : 0);
    }
  });

  test('is limited as it comes, too: maxFrameLen, at its header', async () => {
    const { socket } = await compressing({ maxFrameLen: 1_000 });
    socket.deliver(bytesOf({ opcode: BINARY, rsv: RSV1, claimedLen: 1_001 }));
    expect(await closedWith(socket)).toBe(1009);
  });

  test('of bytes that inflate to nothing is limited by what comes, too', async () => {
    const { socket, data } = await compressing({ maxMessageLen: 1_000, maxFrameLen: 100_000 });
    // empty stored blocks: 5 bytes each, which are no byte of the message
    const nothing = Buffer.concat(Array<Buffer>(400).fill(Buffer.from([0, 0, 0, 0xff, 0xff])));
    const frames = Array.from({ length: 100 }, (_, i) => ({
      opcode: i === 0 ? BINARY : CONTINUE,
      rsv: i === 0 ? RSV1 : 0,
      fin: false,
      payload: nothing,
    }));
    socket.deliver(bytesOf(...frames));
    expect(await closedWith(socket)).toBe(1009);
    expect(data).toEqual([]);
  });
});

describe('a reset while the handshake is under way', () => {
  test.each<[string, (answer: string) => string]>([
    ['before the answer', () => ''],
    ['in the middle of its head', answer => answer.slice(0, 40)],
    ['behind it', answer => answer],
  ])('%s ends the attempt once', async (_name, part) => {
    const server = await rawServer();
    const { client, errors, ends, events, clock } = makeClient({ uri: server.uri, disableAutoReconnect: true });
    const started = client.start().then(
      () => 'open',
      () => 'failed',
    );
    // the application waits in the middle of it
    client.on('headerReceived', () => turns(3));
    const peer = await server.next();
    const answer = part(switching(await peer.request()));
    if (answer !== '') peer.send(answer);
    const whole = answer.endsWith('\r\n\r\n');
    // a reset takes back what has not been read
    await until(() => expect(client.isConnected()).toBe(whole));
    peer.socket.resetAndDestroy();
    await until(() => expect(events.at(-1)).toBe('finish'));
    expect(await started).toBe(whole ? 'open' : 'failed');
    expect([errors.length, ends.length, clock.running]).toEqual([1, 1, 0]);
  });
});

test('a Close behind a Close, and all that follows, is not looked at', async () => {
  const { socket, ends, errors } = await memoryClient();
  socket.deliver(
    bytesOf(
      { opcode: CLOSE, payload: closeBody(1000) },
      { opcode: CLOSE, payload: 'x' },
      { opcode: PING, payload: 'p' },
    ),
  );
  expect(await closedWith(socket)).toBe(1000);
  socket.handler.onEnd();
  expect([ends.length, errors.length]).toEqual([1, 0]);
});
