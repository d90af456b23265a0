import { describe, expect, test } from 'vitest';
import { ESP_ERR_TIMEOUT, ESP_FAIL, type EspError } from '../../src/err.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { ManualClock } from '../support/clock.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { exchange, ok, request, serve, stillServes } from './support.js';

/** Sends `text` byte by byte, `ms` apart on the server's clock, until the server answers. Returns how many were sent. */
async function drip(
  clock: ManualClock,
  client: Awaited<ReturnType<typeof connectTo>>,
  text: string,
  ms: number,
  seen: () => number,
) {
  let sent = 0;
  for (const byte of text) {
    if (client.received.length > 0 || client.over) break;
    const before = seen();
    client.send(byte);
    sent += 1;
    // the byte has arrived before the time goes on
    await expect.poll(() => seen() > before || client.received.length > 0).toBe(true);
    clock.advance(ms);
    await new Promise(setImmediate);
  }
  return sent;
}

describe('minBodyRate', () => {
  const start = async (minBodyRate: number, handler?: (req: HttpdReq) => Promise<void>) => {
    const clock = new ManualClock();
    let bytes = 0;
    const server = await serve(
      {
        'GET /': ok,
        'POST /':
          handler ??
          (async req => {
            await req.text();
            await req.respSend('done');
          }),
      },
      { minBodyRate, recvWaitTimeout: 5 },
      { clock },
    );
    server.on('data', ({ dataLen }) => {
      bytes += dataLen;
    });
    const client = await connectTo(server);
    client.send(request('POST /', 'Content-Length: 1000'));
    return { clock, server, client, seen: () => bytes };
  };

  test('a byte every 4 seconds is in time for recvWaitTimeout, and yet gets 408', async () => {
    const { clock, server, client, seen } = await start(240);
    const sent = await drip(clock, client, 'x'.repeat(100), 4_000, seen);
    expect(sent).toBeLessThan(6);
    expect((await client.readResponse()).status).toBe(408);
    await stillServes(server, '/');
  });

  test('0 sets no limit', async () => {
    const { clock, client, seen } = await start(0);
    expect(await drip(clock, client, 'x'.repeat(30), 4_000, seen)).toBe(30);
  });

  test('a body that is faster may stall now and then', async () => {
    const { clock, client, seen } = await start(10);
    for (let i = 0; i < 10; i++) {
      const before = seen();
      client.send('x'.repeat(100));
      await expect.poll(() => seen() - before).toBe(100);
      clock.advance(4_500);
      await new Promise(setImmediate);
    }
    expect((await client.readResponse()).body.toString()).toBe('done');
  });

  test('what came fast in the beginning buys no time without end', async () => {
    const { clock, client, seen } = await start(10);
    client.send('x'.repeat(900));
    await expect.poll(seen).toBe(900);
    const sent = await drip(clock, client, 'x'.repeat(50), 4_000, () => seen());
    expect(sent).toBeLessThan(8);
    expect((await client.readResponse()).status).toBe(408);
  });

  test('a handler that tries again after a timeout may do so once, and is told why not again', async () => {
    const errors: string[] = [];
    const { clock, client, server } = await start(240, async req => {
      for (let i = 0; i < 4; i++) {
        try {
          await req.recv(Buffer.alloc(10));
        } catch (error) {
          const { code, message } = error as EspError;
          expect(code).toBe(i < 2 ? ESP_ERR_TIMEOUT : ESP_FAIL);
          errors.push(message);
        }
      }
      await req.respSend('gave up');
    });
    await expect.poll(() => server.getStats().sessions.now.handling).toBe(1);
    for (let i = 0; i < 4; i++) {
      await new Promise(setImmediate);
      clock.advance(6_000);
    }
    expect((await client.readResponse()).body.toString()).toBe('gave up');
    expect(errors.map(text => /minBodyRate/.test(text))).toEqual([false, true, true, true]);
  });

  test('a body whose time is up to the millisecond is not waited for without end', async () => {
    const { clock, client, seen, server } = await start(240, async req => {
      const buf = Buffer.alloc(100);
      for (let n = 0; n < 1000; n += await req.recv(buf));
    });
    await expect.poll(() => server.getStats().sessions.now.handling).toBe(1);
    // 10 s to begin with, and 25 ms for each six bytes
    for (const ms of [4_900, 4_900, 275]) {
      await new Promise(setImmediate);
      clock.advance(ms);
      const before = seen();
      client.send('sixsix');
      await expect.poll(() => seen() - before).toBe(6);
    }
    await new Promise(setImmediate);
    clock.advance(3_000);
    expect((await client.readResponse()).status).toBe(408);
  });

  test('the time that a handler takes itself does not count', async () => {
    const { clock, client } = await start(240, async req => {
      for (let i = 0; i < 5; i++) {
        await req.recv(Buffer.alloc(1));
        clock.advance(20_000);
      }
      await req.respSend('done');
    });
    client.send('xxxxx');
    expect((await client.readResponse()).body.toString()).toBe('done');
  });
});

describe('maxSessPerIp', () => {
  // over TLS it ends before its handshake
  test.skipIf(OVER_TLS)(
    'a connection beyond gets 503, one of another address and one after an end do not',
    async () => {
      const server = await serve({ 'GET /': ok }, { maxSessPerIp: 2, host: undefined });
      const first = await connectTo(server);
      const second = await connectTo(server);
      for (const client of [first, second])
        expect((await client.send(request('GET /')).readResponse()).status).toBe(200);
      const { status, headers } = await exchange(server, request('GET /'));
      expect([status, headers.connection]).toEqual([503, 'close']);
      expect(headers.date).toMatch(/ GMT$/);
      first.destroy();
      await expect.poll(() => server.getClientList().length).toBe(1);
      expect((await exchange(server, request('GET /'))).status).toBe(200);
    },
  );

  test('0 sets no limit', async () => {
    const server = await serve({ 'GET /': ok }, { maxSessPerIp: 0 });
    const clients = await Promise.all(Array.from({ length: 50 }, () => connectTo(server)));
    for (const client of clients) expect((await client.send(request('GET /')).readResponse()).status).toBe(200);
  });
});
