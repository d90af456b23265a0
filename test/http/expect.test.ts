import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { connectTo } from '../support/server.js';
import { deferred, exchange, isOpen, ok, request, serve, turns } from './support.js';

const EXPECT = 'Expect: 100-continue';

describe('Expect: 100-continue with an upgrade', () => {
  const upgrade = (...headers: string[]) =>
    request(
      'GET /ws',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version: 13',
      ...headers,
    );

  test('gets its 100, and then the 101 (RFC 9110 section 7.8)', async () => {
    const server = await serve({});
    server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => undefined });
    const client = await connectTo(server);
    client.send(upgrade(EXPECT));
    expect(await client.readUntil('HTTP/1.1 100 Continue\r\n\r\n')).toHaveLength(25);
    expect((await client.readUntil('\r\n\r\n')).toString()).toMatch(/^HTTP\/1\.1 101 /);
  });

  test.each([
    ['which is refused', [EXPECT], () => -1, /^HTTP\/1\.1 403 /],
    ['none is asked for', [], () => 0, /^HTTP\/1\.1 101 /],
  ])('gets none: %s', async (_name, headers, wsPreHandshakeCb, answer) => {
    const server = await serve({});
    server.registerUriHandler({
      uri: '/ws',
      method: HTTP_GET,
      isWebsocket: true,
      handler: () => undefined,
      wsPreHandshakeCb,
    });
    const client = await connectTo(server);
    client.send(upgrade(...headers));
    expect((await client.readUntil('\r\n\r\n')).toString()).toMatch(answer);
  });
});

describe('Expect: 100-continue', () => {
  test.each([
    ['Content-Length', ['Content-Length: 10'], '0123456789'],
    ['chunks', ['Transfer-Encoding: chunked'], '5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n'],
  ])('with %s: one 100, sent when the handler first asks for the body', async (_name, headers, body) => {
    const started = deferred();
    const gate = deferred();
    const server = await serve({
      'POST /': async req => {
        started.resolve();
        await gate.promise;
        const buf = Buffer.alloc(3);
        let all = '';
        for (let n = await req.recv(buf); n > 0; n = await req.recv(buf)) all += buf.toString('latin1', 0, n);
        await req.respSend(all);
      },
      'GET /': ok,
    });
    const client = await connectTo(server);
    client.send(request('POST /', EXPECT, ...headers));
    await started.promise;
    await turns(10);
    expect(client.received).toHaveLength(0);
    gate.resolve();
    const interim = await client.readResponse();
    expect([interim.statusLine, interim.headerLines]).toEqual(['HTTP/1.1 100 Continue', []]);
    client.send(body);
    expect((await client.readResponse()).text).toBe('0123456789');
    expect(await isOpen(client, '/')).toBe(true);
    expect(client.received).toHaveLength(0);
  });

  test('capitals do not matter', async () => {
    const server = await serve({ 'POST /': async req => req.respSend(await req.text()) });
    const client = await connectTo(server);
    client.send(request('POST /', 'EXPECT: 100-Continue', 'Content-Length: 2'));
    expect((await client.readResponse()).status).toBe(100);
    expect((await client.send('ab').readResponse()).text).toBe('ab');
  });

  test('an early answer is sent alone, and the connection ends, as nobody knows what comes next', async () => {
    const server = await serve({
      'POST /': req => req.respSendErr(5, 'not you'),
    });
    const client = await connectTo(server);
    client.send(request('POST /', EXPECT, 'Content-Length: 10'));
    const response = await client.readResponse();
    expect([response.status, response.text]).toEqual([403, 'not you']);
    expect(response.headers.connection).toBe('close');
    expect(await client.closed()).toBe('fin');
    expect(client.received).toHaveLength(0);
  });

  test('no 100 comes behind the answer of a handler that reads later', async () => {
    const read = deferred<string>();
    const server = await serve({
      'POST /': async req => {
        await req.respSend('early');
        read.resolve(await req.text());
      },
    });
    const client = await connectTo(server);
    client.send(request('POST /', EXPECT, 'Content-Length: 4'));
    expect((await client.readResponse()).text).toBe('early');
    client.send('late');
    expect(await read.promise).toBe('late');
    expect((await client.readAll()).toString()).toBe('');
  });

  test.each([
    ['404', '/nowhere', 'Content-Length: 10', 404],
    ['405', '/get', 'Content-Length: 10', 405],
    ['413', '/', 'Content-Length: 99999', 413],
  ])('a %s comes without a 100', async (_name, path, header, status) => {
    const server = await serve({ 'POST /': ok, 'GET /get': ok }, { maxReqBodyLen: 100 });
    const client = await connectTo(server);
    client.send(request(`POST ${path}`, EXPECT, header));
    const response = await client.readResponse();
    expect([response.status, response.headers.connection]).toEqual([status, 'close']);
    expect((await client.readAll()).toString()).toBe('');
  });

  test('HTTP/1.0 knows no 100', async () => {
    const server = await serve({ 'POST /': async req => req.respSend(await req.text()) });
    const { status, text } = await exchange(server, `${request('POST / HTTP/1.0', EXPECT, 'Content-Length: 4')}body`);
    expect([status, text]).toEqual([200, 'body']);
  });

  test('a request without a body gets no 100', async () => {
    const server = await serve({ 'GET /': async req => req.respSend(`${await req.recv(Buffer.alloc(1))}`) });
    expect((await exchange(server, request('GET /', EXPECT))).text).toBe('0');
    expect((await exchange(server, request('GET /', EXPECT, 'Content-Length: 0'))).text).toBe('0');
  });

  test('a client that does not wait for it is served all the same', async () => {
    const server = await serve({ 'POST /': async req => req.respSend(await req.text()), 'GET /': ok });
    const client = await connectTo(server);
    client.send(`${request('POST /', EXPECT, 'Content-Length: 4')}body${request('GET /')}`);
    const first = await client.readResponse();
    const response = first.status === 100 ? await client.readResponse() : first;
    expect(response.text).toBe('body');
    expect((await client.readResponse()).text).toBe('ok');
  });
});
