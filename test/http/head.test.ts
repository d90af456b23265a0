import { describe, expect, test } from 'vitest';
import { connectTo } from '../support/server.js';
import { exchange, isOpen, ok, request, serve } from './support.js';

describe('HEAD', () => {
  test('the GET handler serves it: the same headers, no body', async () => {
    const server = await serve({
      'GET /': req => {
        req.respSetStatus('203 Mine');
        req.respSetType('text/plain');
        req.respSetHdr('X-Mine', 'yes');
        req.respSetHdr('Date', 'Sun, 06 Nov 1994 08:49:37 GMT');
        void req.respSend('twelve bytes');
      },
    });
    const client = await connectTo(server);
    const get = await client.send(request('GET /')).readResponse();
    const head = await client.send(request('HEAD /')).readResponse({ toHead: true });
    expect(get.headers['content-length']).toBe('12');
    expect([head.statusLine, ...head.headerLines]).toEqual([get.statusLine, ...get.headerLines]);
    expect(await isOpen(client, '/').catch(() => false)).toBe(false);
    expect(client.received).toHaveLength(0);
  });

  test('a chunked response to it has no chunk', async () => {
    const server = await serve({
      'GET /': async req => {
        await req.respSendChunk('some');
        await req.respSendChunk('thing');
        await req.respSendChunk();
      },
    });
    const client = await connectTo(server);
    client.send(request('HEAD /').repeat(2) + request('GET /'));
    for (let i = 0; i < 2; i++) {
      const head = await client.readResponse({ toHead: true });
      expect([head.status, head.headers['transfer-encoding']]).toEqual([200, 'chunked']);
    }
    expect((await client.readResponse()).text).toBe('something');
  });

  test('HTTP/1.0: the head, then the end', async () => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    const head = await client.send(request('HEAD / HTTP/1.0')).readResponse({ toHead: true });
    expect([head.status, head.headers['content-length']]).toEqual([200, '2']);
    expect((await client.readAll()).toString()).toBe('');
  });

  test('a handler of its own is preferred, and req.method tells it', async () => {
    const methods: number[] = [];
    const server = await serve({
      'GET /': req => {
        methods.push(req.method);
        void req.respSend('ok');
      },
      'HEAD /own': req => {
        methods.push(req.method * 10);
        void req.respSend('ok');
      },
      'GET /own': ok,
    });
    const client = await connectTo(server);
    await client.send(request('HEAD /')).readResponse({ toHead: true });
    await client.send(request('HEAD /own')).readResponse({ toHead: true });
    expect(methods).toEqual([2, 20]);
  });

  test.each([
    ['404', '/nowhere', 404],
    ['405', '/post', 405],
    ['500', '/throws', 500],
  ])('a %s for it has no body', async (_name, path, status) => {
    const server = await serve({
      'POST /post': ok,
      'GET /throws': () => Promise.reject(new Error('on purpose')),
    });
    const client = await connectTo(server);
    const head = await client.send(request(`HEAD ${path}`, 'Connection: close')).readResponse({ toHead: true });
    expect(head.status).toBe(status);
    expect(Number(head.headers['content-length'])).toBeGreaterThan(20);
    expect((await client.readAll()).toString()).toBe('');
  });
});

describe.each(['204 No Content', '304 Not Modified'])('%s', status => {
  test.each([
    ['respSend without a body', undefined],
    ['respSend with a body', 'must not be seen'],
  ])('%s: no body, no Content-Length, no Transfer-Encoding, and the connection goes on', async (_name, body) => {
    const server = await serve({
      'GET /': ok,
      'GET /empty': req => {
        req.respSetStatus(status);
        void req.respSend(body);
      },
    });
    const client = await connectTo(server);
    const response = await client.send(request('GET /empty')).readResponse();
    expect(response.statusLine).toBe(`HTTP/1.1 ${status}`);
    expect(Object.keys(response.headers)).not.toContain('content-length');
    expect(Object.keys(response.headers)).not.toContain('transfer-encoding');
    expect(await isOpen(client, '/')).toBe(true);
    expect(client.received).toHaveLength(0);
  });

  test('respSendChunk: no chunk either', async () => {
    const server = await serve({
      'GET /': ok,
      'GET /empty': async req => {
        req.respSetStatus(status);
        await req.respSendChunk('must not be seen');
        await req.respSendChunk();
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /empty') + request('GET /'));
    const response = await client.readResponse();
    expect(Object.keys(response.headers)).not.toContain('transfer-encoding');
    expect((await client.readResponse()).text).toBe('ok');
  });

  test('HTTP/1.0 with keep-alive goes on behind it', async () => {
    const server = await serve({
      'GET /': req => {
        req.respSetStatus(status);
        void req.respSend();
      },
    });
    const client = await connectTo(server);
    for (let i = 0; i < 2; i++) {
      const response = await client.send(request('GET / HTTP/1.0', 'Connection: keep-alive')).readResponse();
      expect([response.statusLine, response.headers.connection]).toEqual([`HTTP/1.1 ${status}`, 'keep-alive']);
    }
  });
});

test('a body after HEAD for a GET handler that reads it is read all the same', async () => {
  const server = await serve({ 'GET /': async req => req.respSend(await req.text()) });
  const response = exchange(server, `${request('GET /', 'Content-Length: 3')}abc`);
  expect((await response).text).toBe('abc');
});
