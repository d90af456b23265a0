import { describe, expect, test } from 'vitest';
import { ESP_OK } from '../../src/err.js';
import {
  HTTPD_404_NOT_FOUND,
  HTTPD_405_METHOD_NOT_ALLOWED,
  HTTPD_501_METHOD_NOT_IMPLEMENTED,
} from '../../src/httpd/http_err.js';
import { HTTP_OPTIONS } from '../../src/httpd/methods.js';
import { ManualClock } from '../support/clock.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { exchange, isOpen, ok, request, serve, stillServes } from './support.js';

describe('400: what the RFC does not allow', () => {
  test.each([
    ['no request at all', '{"json": true}\r\n\r\n'],
    ['a word that is no method', 'hello\r\n\r\n', 501],
    ['a lower-case method', 'get / HTTP/1.1\r\nHost: a\r\n\r\n', 501],
    ['bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['NUL in the URI', 'GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a control character in the URI', 'GET /a\x07b HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['NUL in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n'],
    ['a space before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n'],
    ['an empty header name', 'GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n'],
    ['a folded first header', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n'],
    ['a bare LF', 'GET / HTTP/1.1\nHost: a\n\n'],
    ['a bare CR in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n'],
    ['a request line without a version', 'GET /\r\nHost: a\r\n\r\n'],
    ['something behind the version', 'GET / HTTP/1.1 x\r\nHost: a\r\n\r\n'],
    ['a Content-Length that is no number', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n'],
    ['a negative Content-Length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n'],
    ['a Content-Length with a sign', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n'],
    ['a Content-Length beyond 64 bits', `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${'9'.repeat(30)}\r\n\r\n`],
    ['two Content-Lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
  ])('%s', async (_name, bytes, status = 400) => {
    const server = await serve({ 'ANY /': ok });
    const client = await connectTo(server);
    const response = await client.send(bytes + request('GET /')).readResponse();
    expect([response.status, response.headers.connection]).toEqual([status, 'close']);
    expect((await client.readAll()).toString()).toBe('');
    await stillServes(server, '/');
  });

  test.each([
    ['no Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
  ])('RFC 9112 section 3.2: HTTP/1.1 with %s', async (_name, bytes) => {
    const server = await serve({ 'GET /': ok });
    expect((await exchange(server, bytes)).status).toBe(400);
  });

  test('lenientLineEndings accepts a bare LF, as the original does', async () => {
    const server = await serve(
      { 'GET /': req => req.respSend(`${req.getHdrValueStr('x')}`) },
      { lenientLineEndings: true },
    );
    expect((await exchange(server, 'GET / HTTP/1.1\nHost: a\nX: y\n\n')).text).toBe('y');
  });
});

describe('405 and 404', () => {
  test('405 lists what is allowed, HEAD with GET', async () => {
    const server = await serve({ 'GET /': ok, 'PUT /': ok, 'POST /other': ok });
    const response = await exchange(server, request('DELETE /'));
    expect(response.status).toBe(405);
    expect(response.headers.allow?.split(', ').sort()).toEqual(['GET', 'HEAD', 'PUT']);
    expect((await exchange(server, request('GET /other'))).headers.allow).toBe('POST');
  });

  test('Allow stands in the answer of an error handler too', async () => {
    const server = await serve({ 'POST /': ok });
    server.registerErrHandler(HTTPD_405_METHOD_NOT_ALLOWED, req => req.respSend('mine'));
    const response = await exchange(server, request('GET /'));
    expect([response.text, response.headers.allow]).toEqual(['mine', 'POST']);
  });

  test('a handler for any method leaves no 405', async () => {
    const server = await serve({ 'ANY /': req => req.respSend(`${req.method}`) });
    for (const [line, number] of [
      ['DELETE /', 0],
      ['GET /', 1],
      ['OPTIONS /', 6],
      ['M-SEARCH /', 24],
      ['UNLINK /', 32],
    ]) {
      expect((await exchange(server, request(`${line}`))).text).toBe(`${number}`);
    }
  });

  test('a path is compared with its case, without its query, and not decoded', async () => {
    const server = await serve({ 'GET /Path': ok });
    expect((await exchange(server, request('GET /Path?x=1'))).status).toBe(200);
    expect((await exchange(server, request(`GET ${OVER_TLS ? 'https' : 'http'}://any.example/Path?x`))).status).toBe(
      200,
    );
    for (const path of ['/path', '/Path/', '/%50ath', '//Path', '/Path;x', '/']) {
      expect((await exchange(server, request(`GET ${path}`))).status, path).toBe(404);
    }
  });

  test('OPTIONS * is answered by the server, unless a handler serves it', async () => {
    const server = await serve({ 'GET /': ok });
    const { status, headers } = await exchange(server, request('OPTIONS * HTTP/1.1'));
    expect([status, headers.allow]).toEqual([204, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS']);
    server.registerUriHandler({ uri: '*', method: HTTP_OPTIONS, handler: ok });
    expect((await exchange(server, request('OPTIONS * HTTP/1.1'))).body.toString()).toBe('ok');
  });

  test('CONNECT gets 501 and the connection is closed: what comes behind it is not looked at', async () => {
    const server = await serve({ 'ANY /': ok });
    const client = await connectTo(server);
    client.send(`CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n${request('GET /')}`);
    const text = (await client.readAll()).toString();
    expect(text).toMatch(/^HTTP\/1\.1 501 /);
    expect(text.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    await stillServes(server, '/');
  });

  test('the same with an own 501 handler that keeps connections: what goes into the tunnel never runs as a request', async () => {
    let served = 0;
    const server = await serve({
      'ANY /': req => {
        served += 1;
        return req.respSend('ok');
      },
    });
    server.registerErrHandler(HTTPD_501_METHOD_NOT_IMPLEMENTED, async req => {
      await req.respSend('no tunnels');
      return ESP_OK;
    });
    const client = await connectTo(server);
    client.send(`CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n${request('GET /')}`);
    const response = await client.readResponse();
    expect([response.text, response.headers.connection]).toEqual(['no tunnels', 'close']);
    client.send(request('GET /'));
    expect((await client.readAll()).toString()).toBe('');
    expect(served).toBe(0);
  });

  describe.each([
    ['404', request('GET /nowhere')],
    ['404', request('DELETE /nowhere', 'Content-Length: 0')],
    ['405', request('DELETE /')],
  ])('behind the default page of a %s', (status, bytes) => {
    test('the connection stays open, and what waits behind it is answered', async () => {
      const server = await serve({ 'GET /': ok });
      const client = await connectTo(server);
      client.send(bytes + bytes + request('GET /'));
      for (let i = 0; i < 2; i++) {
        const { statusLine, headers } = await client.readResponse();
        expect([statusLine.split(' ')[1], headers.connection]).toEqual([status, undefined]);
      }
      expect((await client.readResponse()).text).toBe('ok');
      expect(await isOpen(client, '/')).toBe(true);
    });

    test('closeOnNotFound, which a device has, ends it', async () => {
      const server = await serve({ 'GET /': ok }, { closeOnNotFound: true });
      const client = await connectTo(server);
      client.send(bytes + request('GET /'));
      const { statusLine, headers } = await client.readResponse();
      expect([statusLine.split(' ')[1], headers.connection]).toEqual([status, 'close']);
      expect(await client.closed()).toBe('fin');
      expect(client.received).toHaveLength(0);
    });
  });

  test.each([
    ['GET /nowhere', 'Content-Length: 5', ''],
    ['GET /nowhere', 'Content-Length: 5', 'hel'],
    ['DELETE /', 'Transfer-Encoding: chunked', '5\r\nhel'],
    ['GET /nowhere', 'Connection: close', ''],
  ])(
    'the connection is closed where more of the request is to come, or it says so: %s, %s, %j',
    async (line, header, body) => {
      const server = await serve({ 'GET /': ok });
      const client = await connectTo(server);
      client.send(request(line, header) + body);
      expect((await client.readResponse()).headers.connection).toBe('close');
      expect(await client.closed()).toBe('fin');
    },
  );

  test('a 404 handler that keeps the connection: an unread body behind it is dropped', async () => {
    const server = await serve({ 'GET /': ok });
    server.registerErrHandler(HTTPD_404_NOT_FOUND, req => {
      void req.respSend('mine');
      return 0;
    });
    const client = await connectTo(server);
    client.send(`${request('POST /nowhere', 'Content-Length: 40')}${request('GET /').slice(0, 40).padEnd(40)}`);
    expect((await client.readResponse()).text).toBe('mine');
    expect(await isOpen(client, '/')).toBe(true);
  });
});

describe('505', () => {
  test.each(['GET / HTTP/2.0', 'GET / HTTP/0.9', 'GET / HTTP/3.0'])('%s', async line => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    expect((await client.send(request(line)).readResponse()).status).toBe(505);
    expect(await client.closed()).toBe('fin');
  });

  test("HTTP/2's preface", async () => {
    const server = await serve({ 'GET /': ok });
    expect((await exchange(server, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).status).toBe(505);
  });
});

describe('408 for a head that does not arrive', () => {
  test('it counts from the first byte: a head that drips is cut off', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok }, { recvWaitTimeout: 5 }, { clock });
    const client = await connectTo(server);
    for (let i = 0; i < 6 && client.received.length === 0; i++) {
      client.send('GET / '.charAt(i));
      await stillServes(server, '/');
      clock.advance(1_500);
    }
    expect((await client.readResponse()).status).toBe(408);
    expect(await client.closed()).toBe('fin');
  });

  test('it has a deadline of its own: a head in the first segment, or behind a request, ends though idleTimeout never does', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok }, { recvWaitTimeout: 5, idleTimeout: 0 }, { clock });
    const fresh = await connectTo(server);
    fresh.send('GET / HTTP/1.1\r\nHost: a');
    const used = await connectTo(server);
    expect((await used.send(`${request('GET /')}GET`).readResponse()).status).toBe(200);
    await stillServes(server, '/');
    clock.advance(4_000);
    await stillServes(server, '/');
    expect([fresh.received.length, used.received.length]).toEqual([0, 0]);
    // a sweep late at most
    clock.advance(2_500);
    for (const client of [fresh, used]) {
      expect((await client.readResponse()).status).toBe(408);
      expect(await client.closed()).toBe('fin');
    }
  });

  test('a connection without a byte is no late request: it ends after idleTimeout without an answer', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok }, { recvWaitTimeout: 5, idleTimeout: 30 }, { clock });
    const client = await connectTo(server);
    await stillServes(server, '/');
    clock.advance(20_000);
    expect(await isOpen(client, '/')).toBe(true);
    clock.advance(32_000);
    expect((await client.readAll()).toString()).toBe('');
  });
});
