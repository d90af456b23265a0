import { describe, expect, test, vi } from 'vitest';
import type { UriHandler } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { HTTPD_SOCK_ERR_FAIL, HTTPD_SOCK_ERR_TIMEOUT } from '../../src/sess/overrides.js';
import { ManualClock } from '../support/clock.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { deferred, exchange, isOpen, ok, pattern, post, request, serve, stillServes, turns, until } from './support.js';

const KEY = 0x5a;

/** A cipher that is its own inverse. */
function xor(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.map(byte => byte ^ KEY));
}

/** Puts the cipher between a session's socket and its protocol. `take`: the most that one call sends. */
function cipher(server: HttpdServer, fd: number, take = Number.POSITIVE_INFINITY): void {
  server.sessSetRecvOverride(fd, (hd, id, buf) => {
    const n = hd.socketRecv(id, buf);
    for (let i = 0; i < n; i++) buf[i] = (buf[i] ?? 0) ^ KEY;
    return n;
  });
  server.sessSetSendOverride(fd, (hd, id, buf) => hd.socketSend(id, xor(buf.subarray(0, take))));
}

/** A server whose every session is enciphered from its start. */
function ciphered(routes: Record<string, UriHandler>, take?: number): Promise<HttpdServer> {
  return serve(routes, { openFn: (hd, fd) => cipher(hd, fd, take) });
}

describe('a cipher both ways', () => {
  const routes: Record<string, UriHandler> = {
    'GET /': ok,
    'POST /': async req => req.respSend(await req.text()),
  };

  test('requests and responses pass through it, keep-alive and pipelined', async () => {
    const server = await ciphered(routes);
    const client = await connectTo(server);
    client.send(xor(Buffer.from(request('GET /') + post('/', 'body') + request('GET /', 'Connection: close'))));
    const text = xor(await client.readAll()).toString();
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(3);
    expect(text).toMatch(/ok[\s\S]*body[\s\S]*ok$/);
  });

  test('byte by byte', async () => {
    const server = await ciphered(routes);
    const client = await connectTo(server);
    const bytes = xor(Buffer.from(post('/', 'piece', 'Connection: close')));
    await client.sendPieces([...bytes].map(byte => Buffer.from([byte])));
    expect(xor(await client.readAll()).toString()).toMatch(/piece$/);
  });

  test('a large body both ways', async () => {
    const body = pattern(1_000_000);
    const server = await ciphered({
      'POST /': async req => {
        const pieces: Buffer[] = [];
        for await (const piece of req) pieces.push(piece);
        await req.respSend(Buffer.concat(pieces));
      },
    });
    const client = await connectTo(server);
    const head = Buffer.from(request('POST /', 'Connection: close', `Content-Length: ${body.length}`));
    client.send(xor(Buffer.concat([head, body])));
    const all = xor(await client.readAll());
    expect(all.subarray(all.indexOf('\r\n\r\n') + 4).equals(body)).toBe(true);
  });

  test('a send override that takes a few bytes per call is called until all are sent', async () => {
    const server = await ciphered(routes, 7);
    const client = await connectTo(server);
    client.send(xor(Buffer.from(post('/', 'x'.repeat(500), 'Connection: close'))));
    expect(xor(await client.readAll()).toString()).toMatch(/x{500}$/);
  });

  // its cipher begins anew with all that is left, and node:tls takes 64 KiB a turn
  test.skipIf(OVER_TLS)('a large response to a slow reader through it arrives whole', async () => {
    const body = pattern(8 * 1024 * 1024);
    const server = await ciphered({ 'GET /': req => req.respSend(body) });
    const client = await connectTo(server);
    client.pause().send(xor(Buffer.from(request('GET /', 'Connection: close'))));
    await vi.waitFor(() => expect(server.getClientList()).toHaveLength(1));
    await turns(20);
    client.resume();
    const all = xor(await client.readAll());
    expect(all.subarray(all.indexOf('\r\n\r\n') + 4).equals(body)).toBe(true);
  });

  test('only the sessions that have it are enciphered', async () => {
    let first = true;
    const server = await serve(routes, {
      openFn: (hd, fd) => {
        if (first) cipher(hd, fd);
        first = false;
      },
    });
    const secret = await connectTo(server);
    secret.send(xor(Buffer.from(request('GET /', 'Connection: close'))));
    expect(xor(await secret.readAll()).toString()).toMatch(/ok$/);
    expect((await exchange(server, request('GET /'))).text).toBe('ok');
  });

  test('set in a handler, they hold from the next request on; undefined takes them away', async () => {
    const server = await serve({
      'GET /on': async req => {
        await req.respSend('on');
        await turns(2);
        cipher(req.handle, req.toSockfd());
      },
      'GET /off': async req => {
        await req.respSend('off');
        await turns(2);
        req.handle.sessSetRecvOverride(req.toSockfd(), undefined);
        req.handle.sessSetSendOverride(req.toSockfd(), undefined);
      },
      'GET /': ok,
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /on')).readResponse()).text).toBe('on');
    await turns(5);
    client.send(xor(Buffer.from(request('GET /'))));
    expect(
      xor(await client.readUntil(bytes => (xor(bytes).toString().endsWith('ok') ? bytes.length : -1))).toString(),
    ).toContain('HTTP/1.1 200 OK');
    client.send(xor(Buffer.from(request('GET /off'))));
    await client.readUntil(bytes => (xor(bytes).toString().endsWith('off') ? bytes.length : -1));
    await turns(5);
    expect(await isOpen(client, '/')).toBe(true);
  });
});

describe('a pending override', () => {
  test('what the receive override holds back is asked for while pending says so', async () => {
    const buffered = new Map<number, Buffer>();
    let calls = 0;
    const server = await serve(
      { 'POST /': async req => req.respSend(await req.text()) },
      {
        openFn: (hd, fd) => {
          buffered.set(fd, Buffer.alloc(0));
          // takes all from the socket, as a TLS library does, and gives three bytes at a time
          hd.sessSetRecvOverride(fd, (_hd, id, buf) => {
            calls += 1;
            const chunk = Buffer.alloc(4_096);
            const n = hd.socketRecv(id, chunk);
            const all = Buffer.concat([buffered.get(id) as Buffer, chunk.subarray(0, Math.max(0, n))]);
            const given = all.copy(buf, 0, 0, 3);
            buffered.set(id, all.subarray(given));
            return given > 0 ? given : HTTPD_SOCK_ERR_TIMEOUT;
          });
          hd.sessSetPendingOverride(fd, (_hd, id) => buffered.get(id)?.length ?? 0);
        },
      },
    );
    expect((await exchange(server, post('/', 'held back'))).text).toBe('held back');
    expect(calls).toBeGreaterThan(20);
  });
});

describe('overrides that fail', () => {
  const bad: Record<string, () => number> = {
    'returns HTTPD_SOCK_ERR_FAIL': () => HTTPD_SOCK_ERR_FAIL,
    throws: () => {
      throw new Error('on purpose');
    },
    'returns a text': () => 'many' as unknown as number,
    'returns NaN': () => Number.NaN,
    'returns more than there is room for': () => 1e9,
  };

  test.each(Object.entries(bad))('a receive override that %s ends its session, and no other', async (_name, fn) => {
    let first = true;
    const closed: number[] = [];
    const server = await serve(
      { 'GET /': ok },
      {
        openFn: (hd, fd) => {
          if (first) hd.sessSetRecvOverride(fd, fn);
          first = false;
        },
        closeFn: (_hd, fd) => closed.push(fd),
      },
    );
    const client = await connectTo(server);
    client.send(request('GET /'));
    await client.closed();
    await vi.waitFor(() => expect(closed).toHaveLength(1));
    await stillServes(server, '/');
  });

  test.each(Object.entries(bad).slice(0, 4))(
    'a send override that %s ends its session, and no other',
    async (_name, fn) => {
      let first = true;
      const closed: number[] = [];
      const server = await serve(
        { 'GET /': ok },
        {
          openFn: (hd, fd) => {
            if (first) hd.sessSetSendOverride(fd, fn);
            first = false;
          },
          closeFn: (_hd, fd) => closed.push(fd),
        },
      );
      const client = await connectTo(server);
      client.send(request('GET /'));
      await client.closed();
      expect(client.received).toHaveLength(0);
      await vi.waitFor(() => expect(closed).toHaveLength(1));
      await stillServes(server, '/');
    },
  );

  test('a send override that cannot send now is called again until it can', async () => {
    let refusals = 3;
    const server = await serve(
      { 'GET /': ok },
      {
        openFn: (hd, fd) =>
          hd.sessSetSendOverride(fd, (_hd, id, buf) => {
            refusals -= 1;
            return refusals >= 0 ? HTTPD_SOCK_ERR_TIMEOUT : hd.socketSend(id, buf);
          }),
      },
    );
    expect((await exchange(server, request('GET /'))).text).toBe('ok');
  });

  test('a send override that never can ends its session by sendWaitTimeout, and is not asked again', async () => {
    const clock = new ManualClock();
    const closed: number[] = [];
    let calls = 0;
    const server = await serve(
      { 'GET /': ok },
      {
        sendWaitTimeout: 3,
        idleTimeout: 0,
        openFn: (hd, fd) =>
          hd.sessSetSendOverride(fd, () => {
            calls += 1;
            return HTTPD_SOCK_ERR_TIMEOUT;
          }),
        closeFn: (_hd, fd) => closed.push(fd),
      },
      { clock },
    );
    const client = await connectTo(server);
    client.send(request('GET /'));
    await until(() => expect(calls).toBeGreaterThan(0));
    clock.advance(2_900);
    expect([closed, client.over]).toEqual([[], false]);
    expect(calls).toBeGreaterThan(100);
    clock.advance(1_000);
    expect(closed).toHaveLength(1);
    expect(await client.closed()).toBe('reset');
    const before = calls;
    clock.advance(1_000);
    expect([calls, clock.running]).toEqual([before, 0]);
  });

  test('the timer that asks a send override again ends with its session', async () => {
    const clock = new ManualClock();
    let calls = 0;
    const server = await serve(
      { 'GET /': ok },
      {
        idleTimeout: 0,
        openFn: (hd, fd) =>
          hd.sessSetSendOverride(fd, () => {
            calls += 1;
            return HTTPD_SOCK_ERR_TIMEOUT;
          }),
      },
      { clock },
    );
    const client = await connectTo(server);
    client.send(request('GET /'));
    await until(() => expect(calls).toBeGreaterThan(0));
    const running = clock.running;
    client.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    expect(clock.running).toBe(running - 1);
  });

  test('a receive override that has nothing yet is called when more comes', async () => {
    const server = await serve(
      { 'GET /': ok },
      {
        openFn: (hd, fd) => {
          // waits for whole requests, as a protocol with records does
          const raw: number[] = [];
          hd.sessSetRecvOverride(fd, (_hd, id, buf) => {
            const byte = Buffer.alloc(1);
            while (hd.socketRecv(id, byte) > 0) raw.push(byte[0] as number);
            const text = Buffer.from(raw).toString('latin1');
            if (!text.endsWith('\r\n\r\n')) return HTTPD_SOCK_ERR_TIMEOUT;
            raw.length = 0;
            return buf.length >= text.length ? Buffer.from(text, 'latin1').copy(buf) : HTTPD_SOCK_ERR_FAIL;
          });
        },
      },
    );
    const client = await connectTo(server);
    await client.sendPieces([...request('GET /')]);
    expect((await client.readResponse()).text).toBe('ok');
    expect(await isOpen(client, '/')).toBe(true);
  });
});

describe('socketSend and socketRecv', () => {
  test('socketSend from anywhere sends bytes in their order behind what is queued', async () => {
    const server = await serve({
      'GET /': async req => {
        await req.send('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n12');
        expect(req.handle.socketSend(req.toSockfd(), Buffer.from('34'))).toBe(2);
        await req.send('56');
      },
    });
    expect((await exchange(server, request('GET /'))).text).toBe('123456');
  });

  test('socketRecv in a handler takes what lies behind its request', async () => {
    const outcome = deferred<unknown[]>();
    const server = await serve({
      'GET /': req => {
        const buf = Buffer.alloc(5);
        const first = req.handle.socketRecv(req.toSockfd(), buf);
        const text = buf.toString('latin1', 0, first);
        const second = req.handle.socketRecv(req.toSockfd(), buf);
        outcome.resolve([text, buf.toString('latin1', 0, second), req.handle.socketRecv(req.toSockfd(), buf)]);
        void req.respSend('ok');
      },
    });
    const client = await connectTo(server);
    client.send(`${request('GET /')}raw-bytes`);
    expect(await outcome.promise).toEqual(['raw-b', 'ytes', HTTPD_SOCK_ERR_TIMEOUT]);
    expect((await client.readResponse()).text).toBe('ok');
    // where the next request would begin is not known any more
    await client.closed();
  });

  test('socketRecv gives 0 when the peer has ended', async () => {
    const outcome = deferred<number>();
    const server = await serve({
      'GET /': async req => {
        let n: number = HTTPD_SOCK_ERR_TIMEOUT;
        await vi.waitFor(() => {
          n = req.handle.socketRecv(req.toSockfd(), Buffer.alloc(4));
          expect(n).not.toBe(HTTPD_SOCK_ERR_TIMEOUT);
        });
        outcome.resolve(n);
        await req.respSend('ok');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /')).end();
    expect(await outcome.promise).toBe(0);
    const response = await client.readResponse();
    expect([response.text, response.headers.connection]).toEqual(['ok', 'close']);
  });
});

test('a send override that sends to another session gets its own bytes, and the other client only its own', async () => {
  const server = await serve({ 'GET /': req => req.respSend('0123456789'.repeat(1_000)), 'GET /ok': ok });
  const other = await connectTo(server);
  expect(await isOpen(other, '/ok')).toBe(true);
  const [otherFd = 0] = server.getClientList();
  const client = await connectTo(server);
  expect(await isOpen(client, '/ok')).toBe(true);
  const fd = server.getClientList().find(id => id !== otherFd) as number;
  let calls = 0;
  server.sessSetSendOverride(fd, (hd, id, buf) => {
    calls += 1;
    // more than fits where the bytes of all sessions wait
    for (let i = 0; i < 6 && calls === 1; i++) hd.socketSend(otherFd, Buffer.alloc(200_000, 'Z'));
    return hd.socketSend(id, buf);
  });
  const { body } = await client.send(request('GET /')).readResponse();
  expect(body.equals(Buffer.from('0123456789'.repeat(1_000)))).toBe(true);
  expect((await other.readUntil(1_200_000)).equals(Buffer.alloc(1_200_000, 'Z'))).toBe(true);
  expect(calls).toBeGreaterThan(0);
});
