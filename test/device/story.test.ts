import { describe, expect, test } from 'vitest';
import { preciseClock } from '../../src/device/precise_clock.js';
import { randomFrom, seedOf } from '../../src/device/random.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { HTTPD_WS_TYPE_TEXT, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { MemDevice, plainProfile, request } from './support.js';

/** What clients of a device see, ms by ms, when they do what is written here. */
async function story(seed: number): Promise<string[]> {
  const rig = await MemDevice.start({
    seed,
    profile: plainProfile({ link: { jitterMs: 30, stallChance: 0.1, stallMs: 250, latencyMs: 5 } }),
    scenario: [
      { at: 0.3, wifiDown: 0.2 },
      { at: 0.8, stall: 0.1 },
      { at: 1.2, reboot: { bootSeconds: 0.2 } },
    ],
    onBoot(server) {
      const page = 'x'.repeat(9_000);
      server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend(page) });
    },
  });
  const lines: string[] = [];
  let conns = [rig.connect(), rig.connect()];
  const seen = new Map(conns.map(conn => [conn, 0]));
  for (let ms = 0; ms < 2_000; ms++) {
    if (ms % 100 === 0) for (const conn of conns) conn.deliver(request());
    if (ms === 1_600) {
      conns = [rig.connect(), rig.connect()];
      for (const conn of conns) seen.set(conn, 0);
    }
    await rig.run(1);
    for (const [i, conn] of [...seen.keys()].entries()) {
      const { length } = conn.sent;
      if (length !== seen.get(conn)) lines.push(`${ms} ms: client ${i} has ${length} bytes`);
      seen.set(conn, length);
      if (conn.ended !== undefined && !lines.some(line => line.endsWith(`client ${i} ends`))) {
        lines.push(`${ms} ms: client ${i} ends`);
      }
    }
  }
  return lines;
}

describe('everything random comes from the seed', () => {
  test('the same seed and the same clients give the same story', async () => {
    const first = await story(7);
    expect(first.length).toBeGreaterThan(50);
    expect(await story(7)).toEqual(first);
  });

  test('another seed gives another one', async () => {
    expect(await story(8)).not.toEqual(await story(7));
  });

  test('what one connection draws does not depend on what others do', async () => {
    const times = async (others: number): Promise<number[]> => {
      const link = { stallChance: 0.5, stallMs: 50, bandwidthUp: 1e12, bandwidthDown: 1e12 };
      const rig = await MemDevice.start({ seed: 3, profile: plainProfile({ link }) });
      const conn = rig.connect();
      const all = Array.from({ length: others }, () => rig.connect());
      const result: number[] = [];
      for (let i = 0; i < 5; i++) {
        for (const other of all) other.deliver(request());
        result.push(await rig.get(conn));
      }
      return result;
    };
    expect(await times(3)).toEqual(await times(0));
  });
});

describe('random numbers', () => {
  test('lie from 0 up to 1, evenly', () => {
    const random = randomFrom(1);
    const tenths = new Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) {
      const place = Math.floor(random() * 10);
      tenths[place] = (tenths[place] as number) + 1;
    }
    for (const n of tenths) expect(Math.abs(n - 10_000)).toBeLessThan(500);
  });

  test('of near seeds have nothing in common', () => {
    const firsts = Array.from({ length: 1_000 }, (_, i) => randomFrom(i)());
    expect(new Set(firsts).size).toBe(1_000);
    const mean = firsts.reduce((sum, x) => sum + x, 0) / 1_000;
    expect(mean).toBeGreaterThan(0.45);
    expect(mean).toBeLessThan(0.55);
    expect(new Set(Array.from({ length: 1_000 }, (_, i) => seedOf(5, i))).size).toBe(1_000);
  });

  test('come from 32 bits of the seed', () => {
    const firsts = Array.from({ length: 32 }, (_, bit) => randomFrom(2 ** bit)());
    expect(new Set([...firsts, randomFrom(0)(), randomFrom(2 ** 32 - 1)()]).size).toBe(34);
    expect(randomFrom(2 ** 32 + 7)()).toBe(randomFrom(7)());
  });

  test('are at least 0 and below 1', () => {
    const random = randomFrom(1);
    const drawn = Array.from({ length: 100_000 }, random);
    expect(drawn.every(x => x >= 0 && x < 1)).toBe(true);
  });
});

describe('the clock of a device', () => {
  test.each([0, 0.3, 1, 5])('never calls within the call, nor before %d ms have passed', async ms => {
    const from = performance.now();
    let called = false;
    await new Promise<void>(resolve => {
      preciseClock.after(ms, () => {
        called = true;
        resolve();
      });
      expect(called).toBe(false);
    });
    expect(performance.now() - from).toBeGreaterThanOrEqual(ms);
  });

  test.each([0, 1, 5])('forgets what is cancelled in %d ms', async ms => {
    let called = false;
    const cancel = preciseClock.after(ms, () => {
      called = true;
    });
    cancel();
    await new Promise<void>(resolve => preciseClock.after(ms + 1, resolve));
    expect(called).toBe(false);
  });
});

test('a WebSocket keeps its messages whole and in order over a bad link', async () => {
  const rig = await MemDevice.start({
    seed: 11,
    profile: plainProfile({ link: { jitterMs: 80, stallChance: 0.2 } }),
    onBoot: server =>
      server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => undefined }),
  });
  const conn = rig.connect();
  conn.deliver(
    'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' +
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  );
  await rig.until(() => conn.sent.includes('\r\n\r\n'));
  const from = conn.sent.length;
  let expected = Buffer.alloc(0);
  for (let i = 0; i < 40; i++) {
    const text = `message ${i} `.repeat(i);
    void rig.server.wsSendFrameAsync(4, wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: text }));
    const len = Buffer.byteLength(text);
    const head = len < 126 ? [0x81, len] : [0x81, 126, len >> 8, len & 0xff];
    expected = Buffer.concat([expected, Buffer.from(head), Buffer.from(text)]);
    await rig.run(20);
  }
  await rig.until(() => conn.sent.length - from === expected.length);
  expect(conn.sent.subarray(from).equals(expected)).toBe(true);
});

test('the radio keeps the order, whatever the jitter: of requests on two connections the first comes first', async () => {
  const seen: string[] = [];
  const rig = await MemDevice.start({
    profile: plainProfile({ link: { jitterMs: 100 } }),
    onBoot: server =>
      server.registerUriHandler({
        uri: '/*',
        method: HTTP_GET,
        handler: req => {
          seen.push(req.uri);
          return req.respSend('ok');
        },
      }),
    config: { uriMatchFn: uriMatchWildcard },
  });
  const expected: string[] = [];
  const [a, b] = [rig.connect(), rig.connect()];
  for (let i = 0; i < 50; i++) {
    a.deliver(request(`/a${i}`));
    b.deliver(request(`/b${i}`));
    expected.push(`/a${i}`, `/b${i}`);
    await rig.run(3);
  }
  await rig.until(() => seen.length === 100);
  expect(seen).toEqual(expected);
});
