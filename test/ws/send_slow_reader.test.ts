import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { turn } from '../support/server.js';
import { BINARY, buildFrame, CONTINUE, frameSize, PING, parseFrame, TEXT } from '../support/ws_frames.js';
import { errorOf, pattern, startWs, until } from './ws_server.js';

const KB64 = Buffer.alloc(64 * 1024, 0x61);
/** More than the kernel holds for a reader that does not read. */
const MANY = 400;

/** A WebSocket whose client does not read, and what the server's sends to it come to. */
async function openSlow(config: Partial<HttpdConfig> = {}) {
  const closed: number[] = [];
  const ws = await startWs({}, { closeFn: (_server, fd) => closed.push(fd), ...config });
  const client = await ws.open();
  client.raw.pause();
  const [fd = -1] = ws.server.getClientList();
  return { ...ws, client, fd, closed };
}

describe('a reader that does not read', () => {
  test('makes awaited sends wait, until it reads again', async () => {
    const { server, client, fd } = await openSlow();
    let sent = 0;
    const all = (async () => {
      for (let i = 0; i < MANY; i++) {
        await server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload: KB64 }));
        sent += 1;
      }
    })();
    // the kernel takes some megabytes; then the sender stands still
    let before = -1;
    await until(() => {
      const still = sent === before && sent > 0;
      before = sent;
      expect(still).toBe(true);
    });
    expect(sent).toBeLessThan(MANY);
    client.raw.resume();
    for (let i = 0; i < MANY; i++) expect((await client.readFrame()).payload).toHaveLength(KB64.length);
    await all;
    expect(sent).toBe(MANY);
  });

  test('does not hold up other sessions', async () => {
    const { server, fd, open } = await openSlow();
    for (let i = 0; i < 100; i++) void server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload: KB64 }));
    const other = await open();
    other.send({ opcode: TEXT, payload: 'x' });
    expect((await other.readFrame()).text).toBe('x');
  });

  test('gets every frame whole and in order, whatever was not awaited', async () => {
    const { server, client, fd } = await openSlow({ maxTxPending: 64 * 1024 * 1024 });
    const sizes = Array.from({ length: 300 }, (_, i) => [1, 70_000, 125, 300_000, 0, 65_536, 126][i % 7] as number);
    for (const [i, size] of sizes.entries()) {
      void server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload: Buffer.alloc(size, i) }));
      if (i % 50 === 0) await turn();
    }
    client.raw.resume();
    for (const [i, size] of sizes.entries()) {
      const { payload } = parseFrame(await client.raw.readUntil(frameSize));
      expect(Buffer.compare(payload, Buffer.alloc(size, i))).toBe(0);
    }
  });

  test('is cut off after sendWaitTimeout without progress; closeFn is called once', async () => {
    const { server, client, fd, clock, closed } = await openSlow({ sendWaitTimeout: 7 });
    const outcomes: Promise<string>[] = [];
    for (let i = 0; i < 200; i++) {
      outcomes.push(errorOf(() => server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload: KB64 }))));
    }
    await turn();
    await until(() => expect(clock.running).toBeGreaterThan(0));
    clock.advance(6_000);
    expect(closed).toEqual([]);
    // as long as the kernel takes some, that is progress
    await until(() => {
      clock.advance(3_000);
      expect(closed).toEqual([fd]);
    });
    const names = new Set(await Promise.all(outcomes));
    expect(names.has('ESP_ERR_HTTPD_RESP_SEND')).toBe(true);
    client.raw.resume();
    await client.closed();
    expect(client.raw.received.length).toBeLessThan(200 * KB64.length);
    expect(closed).toEqual([fd]);
  });
});

describe('maxTxPending', () => {
  const MAX = 1024 * 1024;
  const frame = () => wsFrame({ type: BINARY, payload: KB64 });

  test("with txOverflow 'close' ends the session with a reset", async () => {
    const { server, client, fd, closed } = await openSlow({ maxTxPending: MAX, txOverflow: 'close' });
    const outcomes: string[] = [];
    for (let i = 0; i < MANY; i++) outcomes.push(await now(() => server.wsSendFrameAsync(fd, frame())));
    expect(closed).toEqual([fd]);
    const first = outcomes.findIndex(name => name !== 'none');
    expect(first).toBeGreaterThanOrEqual(MAX / KB64.length);
    expect(outcomes[first]).toBe('ESP_ERR_HTTPD_RESP_SEND');
    expect(new Set(outcomes.slice(first + 1))).toEqual(new Set(['ESP_ERR_NOT_FOUND']));
    client.raw.resume();
    await client.closed();
    expect(client.raw.received.length).toBeLessThan(first * KB64.length);
  });

  test("with txOverflow 'error' rejects the send, and the session goes on", async () => {
    const { server, client, fd, closed } = await openSlow({ maxTxPending: MAX, txOverflow: 'error' });
    const outcomes: string[] = [];
    for (let i = 0; i < MANY; i++) outcomes.push(await now(() => server.wsSendFrameAsync(fd, frame())));
    expect(closed).toEqual([]);
    const taken = outcomes.filter(name => name === 'none').length;
    expect(outcomes.slice(taken)).toEqual(Array(MANY - taken).fill('ESP_ERR_HTTPD_RESP_SEND'));
    expect(taken).toBeLessThan(MANY);
    client.raw.resume();
    for (let i = 0; i < taken; i++) expect((await client.readFrame()).payload).toHaveLength(KB64.length);
    client.send({ opcode: TEXT, payload: 'go on' });
    expect((await client.readFrame()).text).toBe('go on');
  });

  test("with txOverflow 'drop' drops whole messages, and the session goes on", async () => {
    const { server, client, fd, closed } = await openSlow({ maxTxPending: MAX, txOverflow: 'drop' });
    for (let i = 0; i < MANY; i++) {
      const payload = Buffer.alloc(64 * 1024, i & 0xff);
      payload.writeUInt16BE(i, 0);
      expect(await now(() => server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload })))).toBe('none');
    }
    expect(closed).toEqual([]);
    client.raw.resume();
    client.send({ opcode: TEXT, payload: 'end' });
    const got: number[] = [];
    for (;;) {
      const { opcode, payload, text } = await client.readFrame();
      if (opcode === TEXT) {
        expect(text).toBe('end');
        break;
      }
      const i = payload.readUInt16BE(0);
      expect(Buffer.compare(payload.subarray(2), Buffer.alloc(64 * 1024 - 2, i & 0xff))).toBe(0);
      got.push(i);
    }
    // those that came first are there, later ones are missing
    expect(got).toEqual(Array.from(got, (_, i) => i));
    expect(got.length).toBeLessThan(MANY);
    expect(got.length).toBeGreaterThanOrEqual(MAX / KB64.length);
  });

  test("with txOverflow 'drop' never drops a part of a message: the session ends instead", async () => {
    const { server, fd, closed } = await openSlow({ maxTxPending: MAX, txOverflow: 'drop' });
    const outcomes: string[] = [];
    for (let i = 0; i < MANY && closed.length === 0; i++) {
      const type = i === 0 ? BINARY : CONTINUE;
      const fragment = wsFrame({ type, payload: KB64, fragmented: true, final: false });
      outcomes.push(await now(() => server.wsSendFrameAsync(fd, fragment)));
    }
    expect(closed).toEqual([fd]);
    expect(outcomes.at(-1)).toBe('ESP_ERR_HTTPD_RESP_SEND');
  });
});

test('pings while the reader is slow do not pile up answers, and each is answered when it catches up', async () => {
  const { open, server } = await startWs({
    // not async: pings follow in the same chunk
    handler: req => {
      if (req.method === HTTP_GET) return;
      for (let i = 0; i < 200; i++) void req.wsSendFrame(wsFrame({ type: BINARY, payload: KB64 }));
    },
  });
  let looked = 0;
  server.on('data', () => {
    looked += 1;
  });
  const client = await open();
  client.raw.pause();
  const ping = buildFrame({ opcode: PING, payload: pattern(125) });
  client.send({ opcode: TEXT, payload: 'go' }, ...Array<Buffer>(20_000).fill(ping));
  await until(() => expect(looked).toBeGreaterThan(0));
  for (let i = 0; i < 100; i++) await turn();
  // not one ping has been looked at: what was sent before has not been read
  expect(looked).toBe(1);
  client.raw.resume();
  for (let i = 0; i < 200; i++) expect((await client.readFrame()).opcode).toBe(BINARY);
  const pong = Buffer.concat([Buffer.of(0x8a, 125), pattern(125)]);
  const pongs = await client.raw.readUntil(20_000 * pong.length);
  expect(Buffer.compare(pongs, Buffer.concat(Array<Buffer>(20_000).fill(pong)))).toBe(0);
  expect(looked).toBe(20_001);
});

/** What a send fails with at once; `'none'` if it does not, be it that it waits. */
async function now(send: () => Promise<void>): Promise<string> {
  try {
    void send().catch(() => {});
    return 'none';
  } catch (error) {
    return errorOf(() => Promise.reject(error));
  }
}
