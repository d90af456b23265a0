/** Faults of the original that concern HTTP, by the names that they have there: none of them is ours. */
import { createSocket } from 'node:dgram';
import { describe, expect, test } from 'vitest';
import { httpdEsp32Config } from '../../src/config.js';
import { ManualClock } from '../support/clock.js';
import { OVER_TLS, type RawClient } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import {
  chunked,
  deferred,
  exchange,
  isOpen,
  ok,
  pattern,
  post,
  request,
  serve,
  stillServes,
  turns,
  until,
} from './support.js';

test('fault 1 (lost wake-up): pipelined GETs in one segment, which fit in 128 bytes, are all answered', async () => {
  const server = await serve({ 'GET /': ok });
  const client = await connectTo(server);
  const short = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  expect(short.length * 4).toBeLessThan(128);
  for (const n of [2, 3, 4, 16]) {
    client.send(short.repeat(n));
    for (let i = 0; i < n; i++) expect((await client.readResponse()).text).toBe('ok');
  }
});

test('fault 2 (partial sends): a slow reader of 16 MiB gets every byte, and the next response behind them', async () => {
  const body = pattern(16 * 1024 * 1024);
  const server = await serve({ 'GET /large': req => req.respSend(body), 'GET /': ok });
  const client = await connectTo(server);
  client.pause().send(request('GET /large') + request('GET /'));
  await stillServes(server, '/');
  await turns(20);
  client.resume();
  expect((await client.readResponse()).body.equals(body)).toBe(true);
  expect((await client.readResponse()).text).toBe('ok');
});

describe('fault 3 (head-of-line)', () => {
  test.each([
    ['half a method', 'GE'],
    ['half a head', 'GET / HTTP/1.1\r\nHost: a\r\nX-Long'],
    ['a body that does not come', request('POST /', 'Content-Length: 100')],
    ['half a body in chunks', `${request('POST /', 'Transfer-Encoding: chunked')}5\r\nab`],
  ])('%s stalls nobody else', async (_name, bytes) => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok, 'POST /': async req => req.respSend(await req.text()) }, {}, { clock });
    const slow = await Promise.all(Array.from({ length: 5 }, () => connectTo(server)));
    for (const client of slow) client.send(bytes);
    // the clock stands still: nothing here can have waited for a timeout
    for (let i = 0; i < 5; i++) await stillServes(server, '/');
    for (const client of slow) expect(client.received).toHaveLength(0);
  });

  test('a drip does not extend the time that a head may take', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok }, { recvWaitTimeout: 5 }, { clock });
    const client = await connectTo(server);
    const drip = 'GET / HTTP/1.1\r\nHost: a\r\n';
    let sent = 0;
    for (; sent < drip.length && client.received.length === 0; sent++) {
      client.send(drip.charAt(sent));
      await stillServes(server, '/');
      clock.advance(1_000);
    }
    expect(sent).toBeLessThanOrEqual(7);
    expect((await client.readResponse()).status).toBe(408);
  });
});

describe('fault 4 (smuggling)', () => {
  const smuggled = 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n';

  test.each([
    ['read', async (): Promise<boolean> => true],
    ['unread', async (): Promise<boolean> => false],
  ])('a chunked body, %s by the handler, is not parsed as the next request', async (_name, reads) => {
    const paths: string[] = [];
    const server = await serve({
      'POST /': async req => {
        paths.push(req.uri);
        if (await reads()) await req.text();
        await req.respSend('ok');
      },
      'GET /evil': req => {
        paths.push(req.uri);
        void req.respSend('evil');
      },
      'GET /': ok,
    });
    const client = await connectTo(server);
    client.send(request('POST /', 'Transfer-Encoding: chunked') + chunked(Buffer.from(smuggled), 10).toString());
    client.send(request('GET /'));
    expect((await client.readResponse()).text).toBe('ok');
    expect((await client.readResponse()).text).toBe('ok');
    expect(paths).toEqual(['/']);
  });

  const cl = (value: string | number) => `Content-Length: ${value}`;
  const te = (value: string) => `Transfer-Encoding: ${value}`;
  test.each([
    ['Content-Length and chunked', [cl(smuggled.length), te('chunked')]],
    ['chunked and Content-Length', [te('chunked'), cl(smuggled.length)]],
    ['two Content-Lengths that differ', [cl(0), cl(smuggled.length)]],
    ['a Content-Length list', [cl(`0, ${smuggled.length}`)]],
    ['an unknown coding', [te('gzip')]],
    ['chunked twice', [te('chunked, chunked')]],
    ['chunked not last', [te('chunked, identity')]],
    ['chunked with a tab before the colon', ['Transfer-Encoding\t: chunked']],
    ['xchunked', [te('xchunked')]],
    ['chunked over two lines', ['Transfer-Encoding:\r\n chunked']],
    ['a Content-Length with a plus', [cl('+30')]],
    ['a Content-Length in hex', [cl('0x1e')]],
    ['a Content-Length of 2^64 and more', [cl('18446744073709551646')]],
  ])('%s: refused or read as one request, never a second', async (_name, headers) => {
    const paths: string[] = [];
    const server = await serve({
      'POST /': async req => {
        await req.text();
        await req.respSend('ok');
      },
      'GET /evil': req => {
        paths.push(req.uri);
        void req.respSend('evil');
      },
      'GET /': ok,
    });
    const client = await connectTo(server);
    client.send(`${request('POST /', ...headers)}0\r\n\r\n${smuggled}`).end();
    const all = (await client.readAll()).toString();
    expect(all).toMatch(/^HTTP\/1\.1 (400|501) /);
    expect(all.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(paths).toEqual([]);
    await stillServes(server, '/');
  });

  test('chunked in an HTTP/1.0 request: the connection ends behind it (RFC 9112 section 6.1)', async () => {
    const server = await serve({ 'POST /': async req => req.respSend(await req.text()), 'GET /evil': ok });
    const client = await connectTo(server);
    client.send(
      `${request('POST / HTTP/1.0', 'Connection: keep-alive', te('chunked'))}3\r\nabc\r\n0\r\n\r\n${smuggled}`,
    );
    const all = (await client.readAll()).toString();
    expect(all.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  test.each([
    ['HTTP/1.0', 'GET / HTTP/1.0', []],
    ['Connection: close', 'GET / HTTP/1.1', ['Connection: close']],
  ])('%s is heeded: the connection ends behind the response', async (_name, line, headers) => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    expect((await client.send(request(line, ...headers)).readResponse()).headers.connection).toBe('close');
    expect(await client.closed()).toBe('fin');
  });

  test('HEAD gets no body', async () => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    client.send(request('HEAD /', 'Connection: close'));
    expect((await client.readAll()).toString()).toMatch(/Content-Length: 2\r\n[\s\S]*\r\n\r\n$/);
  });
});

describe('fault 5 (stale closes)', () => {
  test('closes queued for sessions that have ended kill no new connection', async () => {
    const server = await serve({ 'GET /': ok });
    for (let round = 0; round < (OVER_TLS ? 2 : 10); round++) {
      const old = await Promise.all(Array.from({ length: 20 }, () => connectTo(server)));
      for (const client of old) expect(await isOpen(client, '/')).toBe(true);
      const fds = server.getClientList();
      for (const fd of fds) server.queueWork(() => server.sessTriggerClose(fd));
      for (const client of old) client.reset();
      const fresh = await Promise.all(Array.from({ length: 20 }, () => connectTo(server)));
      for (const fd of fds) server.queueWork(() => server.sessTriggerClose(fd));
      for (const client of fresh) expect(await isOpen(client, '/')).toBe(true);
      for (const client of fresh) client.reset();
      await until(() => expect(server.getClientList()).toEqual([]));
    }
  });

  test("with a device's limits: seven closes at the same time all happen, and nothing deadlocks", async () => {
    const closed: number[] = [];
    const server = await serve(
      { 'GET /': ok },
      { ...httpdEsp32Config(), serverPort: 0, host: '127.0.0.1', closeFn: (_hd, fd) => closed.push(fd) },
    );
    const clients: RawClient[] = [];
    // one after the other: of seven at once a backlog of 5 drops some, and TCP tries again a second later
    for (let i = 0; i < 7; i++) clients.push(await connectTo(server));
    for (const client of clients) expect(await isOpen(client, '/')).toBe(true);
    const fds = server.getClientList();
    expect(fds).toHaveLength(7);
    for (const fd of fds) server.sessTriggerClose(fd);
    for (const client of clients) {
      expect(await client.closed()).toBe('fin');
      client.end();
    }
    await until(() => expect([...closed].sort((a, b) => a - b)).toEqual(fds));
    await stillServes(server, '/');
  });
});

test('fault 6 (control port): there is no UDP socket, and datagrams stop nothing', async () => {
  const before = process.getActiveResourcesInfo().filter(name => name.startsWith('UDP')).length;
  const server = await serve({ 'GET /': ok });
  expect(process.getActiveResourcesInfo().filter(name => name.startsWith('UDP')).length).toBe(before);
  const udp = createSocket('udp4');
  for (const port of [server.port, 32_768]) {
    for (let type = 0; type < 3; type++) {
      const message = Buffer.alloc(24);
      message[0] = type;
      await new Promise(resolve => udp.send(message, port, '127.0.0.1', resolve));
    }
  }
  await new Promise<void>(resolve => udp.close(() => resolve()));
  await stillServes(server, '/');
});

describe('fault 9 (limits count what their names say)', () => {
  test.each(['GET', 'POST', 'OPTIONS', 'SUBSCRIBE'])('maxUriLen is the URI alone, with %s', async method => {
    const server = await serve({ [`${method} /${'u'.repeat(511)}`]: ok, 'GET /': ok }, { maxUriLen: 512 });
    const at = (n: number) => exchange(server, request(`${method} /${'u'.repeat(n - 1)}`));
    expect((await at(512)).status).toBe(200);
    expect((await at(513)).status).toBe(414);
    expect((await exchange(server, request(`GET /?${'q'.repeat(510)}`))).status).toBe(200);
    expect((await exchange(server, request(`GET /?${'q'.repeat(511)}`))).status).toBe(414);
  });

  test.each(['/', `/?${'q'.repeat(400)}`])('maxReqHdrLen is the header section alone, whatever the URI', async uri => {
    const server = await serve({ 'GET /': ok }, { maxReqHdrLen: 1_024 });
    // each line counts with its line ending, the empty line does not
    const host = 'Host: localhost\r\n'.length;
    const filler = (n: number) => `X: ${'x'.repeat(n - host - 5)}`;
    expect((await exchange(server, request(`GET ${uri}`, filler(1_024)))).status).toBe(200);
    expect((await exchange(server, request(`GET ${uri}`, filler(1_025)))).status).toBe(431);
  });

  test('both are found out before the whole of it has come', async () => {
    const server = await serve({ 'GET /': ok }, { maxUriLen: 512, maxReqHdrLen: 1_024 });
    expect((await exchange(server, `GET /${'u'.repeat(600)}`)).status).toBe(414);
    expect((await exchange(server, `GET / HTTP/1.1\r\nX: ${'x'.repeat(1_200)}`)).status).toBe(431);
    expect((await exchange(server, `GET / HTTP/1.1\r\n${'X: y\r\n'.repeat(300)}`)).status).toBe(431);
  });
});

describe('fault 10 (501, 411, 100-continue, LRU)', () => {
  test('a method that nobody knows gets 501', async () => {
    const server = await serve({ 'GET /': ok });
    expect((await exchange(server, request('BREW /'))).status).toBe(501);
  });

  test('a body of unknown length gets 411', async () => {
    const server = await serve({ 'POST /': ok });
    expect((await exchange(server, request('POST / HTTP/1.0'))).status).toBe(411);
  });

  test('100-continue is sent', async () => {
    const server = await serve({ 'POST /': async req => req.respSend(await req.text()) });
    const client = await connectTo(server);
    client.send(request('POST /', 'Expect: 100-continue', 'Content-Length: 4'));
    expect((await client.readResponse()).status).toBe(100);
    expect((await client.send('body').readResponse()).text).toBe('body');
  });

  test('LRU purges no session that waits for a response', async () => {
    const gate = deferred();
    const server = await serve(
      {
        'GET /wait': async req => {
          await gate.promise;
          await req.respSend('waited');
        },
        'POST /': async req => req.respSend(await req.text()),
        'GET /': ok,
      },
      { maxOpenSockets: 2, lruPurgeEnable: true },
    );
    const waiting = await connectTo(server);
    waiting.send(request('GET /wait'));
    for (let i = 0; i < 5; i++) {
      const client = await connectTo(server);
      expect((await client.send(post('/', 'x')).readResponse()).text).toBe('x');
    }
    gate.resolve();
    expect((await waiting.readResponse()).text).toBe('waited');
  });
});
