/** Floods: of fragments, and of pings. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { HttpdUri } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { turn } from '../support/server.js';
import { BINARY, buildFrame, CONTINUE, PING, type WsRawClient } from '../support/ws_frames.js';
import { collector, expectClosed, onFrame, startWs, until } from './ws_server.js';
import { COMPRESSED, compress, lastFd, OFFER } from './ws_watch.js';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Fragments of one message. */
const FRAGMENTS_MAX = 131_072;

/** `n` times the same frame. */
function many(n: number, payload: string | Buffer, opcode = CONTINUE): Buffer {
  const frame = buildFrame({ opcode, payload, fin: opcode >= 8 });
  return Buffer.alloc(n * frame.length, frame);
}

/** How many bytes are allocated by themselves, outside of Node's pool, from now on: blocks of queues are. */
function allocations(): { sum: number } {
  const count = { sum: 0 };
  const { allocUnsafeSlow } = Buffer;
  vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation(size => {
    count.sum += size;
    return allocUnsafeSlow(size);
  });
  return count;
}

/** Counts calls and bytes, at little cost. */
function counter() {
  const got = { calls: 0, bytes: 0, finals: 0 };
  const handler = onFrame(req => {
    const frame = { final: false, fragmented: false, type: 0, payload: undefined, len: 0, leftLen: 0 };
    void req.wsRecvFrame(frame, 0);
    got.calls += 1;
    got.bytes += frame.len;
    if (frame.final) got.finals += 1;
  });
  return { handler, got };
}

describe('a fragment flood', () => {
  test.each<[string, string, Partial<HttpdUri>]>([
    ['one byte each', 'x', {}],
    ['two bytes each', 'xy', {}],
    ['no bytes', '', {}],
    ['one byte each, handed over in packets', 'x', { wsMaxPacketLen: 50_000 }],
  ])('of %s costs no more than twice its payload, until it is one too many: 1008', async (_size, payload, uri) => {
    const { handler, got } = counter();
    const { open } = await startWs({ handler, wsMessageMode: true, ...uri });
    const ws = await open();
    const first = buildFrame({ opcode: BINARY, payload, fin: false });
    const rest = many(FRAGMENTS_MAX - 1, payload);
    const allocated = allocations();
    // all that there may be, and the answer to a ping behind them
    ws.send(first, rest, { opcode: PING, payload: 'there' });
    expect((await ws.readFrame()).text).toBe('there');
    expect(allocated.sum).toBeLessThanOrEqual(2 * payload.length * FRAGMENTS_MAX + 64 * 1024);
    ws.send(many(1, payload));
    await expectClosed(ws, 1008);
    expect(got.finals).toBe(0);
    expect(got.bytes).toBe(uri.wsMaxPacketLen === undefined ? 0 : 100_000);
  });

  test('of as many fragments as there may be is a message', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode: true });
    const ws = await open();
    ws.send(
      buildFrame({ opcode: BINARY, payload: 'a', fin: false }),
      many(FRAGMENTS_MAX - 2, 'x'),
      { opcode: CONTINUE, payload: 'z' },
      buildFrame({ opcode: BINARY, payload: 'next' }),
    );
    await until(() => expect(seen).toHaveLength(2));
    expect(seen[0]?.payload.equals(Buffer.from(`a${'x'.repeat(FRAGMENTS_MAX - 2)}z`))).toBe(true);
    expect(seen[1]?.payload.toString()).toBe('next');
  });

  test('to a handler of frames ends at the same number', async () => {
    const { handler, got } = counter();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send(buildFrame({ opcode: BINARY, payload: 'x', fin: false }), many(FRAGMENTS_MAX, 'x'));
    await expectClosed(ws, 1008);
    expect(got).toEqual({ calls: FRAGMENTS_MAX, bytes: FRAGMENTS_MAX, finals: 0 });
  });

  test.each<[string, Buffer, Buffer]>([
    ['no bytes', Buffer.alloc(0), Buffer.alloc(0)],
    // empty stored blocks, which inflate to nothing
    ['blocks of nothing', compress(''), Buffer.from([0, 0, 0xff, 0xff, 0])],
  ])('of compressed fragments of %s inflates to nothing, and ends at the same number', async (_what, first, rest) => {
    const { handler, got } = counter();
    const { open } = await startWs({ handler, wsPerMessageDeflate: true });
    const ws = await open(OFFER);
    ws.send({ opcode: BINARY, ...COMPRESSED, payload: first, fin: false });
    const allocated = allocations();
    ws.send(many(FRAGMENTS_MAX - 1, rest), { opcode: PING, payload: 'there' });
    expect((await ws.readFrame()).text).toBe('there');
    expect(allocated.sum).toBeLessThan(256 * 1024);
    ws.send(many(1, rest));
    await expectClosed(ws, 1008);
    expect(got.calls).toBe(0);
  });

  test('of pings between fragments does not count', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode: true });
    const ws = await open();
    ws.send({ opcode: BINARY, payload: 'a', fin: false }, many(20_000, '', PING), { opcode: CONTINUE, payload: 'b' });
    await until(() => expect(seen.map(({ payload }) => payload.toString())).toEqual(['ab']));
    const pongs = await ws.raw.readUntil(20_000 * 2);
    expect(pongs.equals(Buffer.alloc(40_000, Buffer.from('8a00', 'hex')))).toBe(true);
  });
});

const PING_LEN = 125;

/** Pings with numbers from `from` to `to`. */
function pings(from: number, to: number): Buffer {
  const size = 6 + PING_LEN;
  const bytes = Buffer.alloc((to - from) * size);
  for (let i = from; i < to; i++) {
    const at = (i - from) * size;
    // the masking key is zero
    bytes.writeUInt16BE(0x8980 | PING_LEN, at);
    bytes.writeUInt32BE(i, at + 6);
  }
  return bytes;
}

async function expectPongs(ws: WsRawClient, from: number, to: number): Promise<void> {
  const size = 2 + PING_LEN;
  const pongs = await ws.raw.readUntil((to - from) * size);
  const wrong: number[] = [];
  for (let i = from; i < to; i++) {
    const at = (i - from) * size;
    if (pongs.readUInt16BE(at) !== (0x8a00 | PING_LEN) || pongs.readUInt32BE(at + 2) !== i) wrong.push(i);
  }
  expect(wrong.slice(0, 10)).toEqual([]);
}

/** Sends pings and reads nothing, until neither side can go on: what the system holds is filled, too. */
async function floodUntilStuck(ws: WsRawClient, server: HttpdServer, fd: number) {
  const { socket } = ws.raw.pause();
  const now = () => [server.sessGetTxPending(fd), socket.writableLength, sent].join();
  let sent = 0;
  let most = 0;
  for (let still = 0; still < 20; ) {
    if (socket.writableLength < 1024 * 1024) {
      ws.send(pings(sent, sent + 8_000));
      sent += 8_000;
    }
    const before = now();
    await turn();
    most = Math.max(most, server.sessGetTxPending(fd));
    still = now() === before ? still + 1 : 0;
  }
  expect(socket.writableLength).toBeGreaterThan(0);
  return { sent, most };
}

describe('a ping flood', () => {
  test('is answered in its order, as long as its sender reads', async () => {
    const { open } = await startWs();
    const ws = await open();
    ws.send(pings(0, 30_000));
    await expectPongs(ws, 0, 30_000);
    expect(ws.raw.received).toHaveLength(0);
  });

  test('of a sender that does not read fills a bounded queue; then reading stops, and no Pong is lost', async () => {
    const { server, open } = await startWs();
    const ws = await open();
    const fd = lastFd(server);
    const other = await open();
    const { sent, most } = await floodUntilStuck(ws, server, fd);
    // 64 KiB, and the answers to what was read at once
    expect(most).toBeGreaterThan(64 * 1024);
    expect(most).toBeLessThan(64 * 1024 + 1024);
    // nobody else is harmed
    other.send({ opcode: PING, payload: 'there' });
    expect((await other.readFrame()).text).toBe('there');
    ws.raw.resume();
    await expectPongs(ws, 0, sent);
    expect(server.sessGetTxPending(fd)).toBe(0);
  });

  test('of a sender that does not read ends after sendWaitTimeout', async () => {
    const { server, open, clock } = await startWs({}, { sendWaitTimeout: 10 });
    const ws = await open();
    await floodUntilStuck(ws, server, lastFd(server));
    clock.advance(9_000);
    expect(server.getClientList()).toHaveLength(1);
    clock.advance(2_000);
    expect(server.getClientList()).toEqual([]);
  });
});
