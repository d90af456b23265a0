/** What other servers, and the runtime, had wrong in 2026, each by its name. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, test } from 'vitest';
import { HTTP_ANY, HTTP_GET } from '../../src/httpd/methods.js';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { basicAuth } from '../../src/web/basic_auth.js';
import { staticUriHandler } from '../../src/web/static_files.js';
import { pieces } from '../support/feed.js';
import { SCHEME } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { handshakeRequest } from '../support/ws_frames.js';
import { makeTree } from './static_support.js';
import { deferred, exchange, isOpen, ok, post, request, serve, stillServes, turns, until } from './support.js';

describe('surplus headers', () => {
  test('none is dropped without a word: the last of 5,000 is read as the first is', async () => {
    const server = await serve(
      { 'GET /': req => req.respSend(`${req.getHdrValueStr('x-first')} ${req.getHdrValueStr('x-last')}`) },
      { maxReqHdrLen: 65_536 },
    );
    const fields = Array.from({ length: 5_000 }, (_, i) => `a${i % 100}: ${i}`);
    const response = await exchange(server, request('GET /', 'X-First: 1', ...fields, 'X-Last: 2'));
    expect([response.status, response.text]).toEqual([200, '1 2']);
  });

  test('a guard sees what comes behind them', async () => {
    const server = await serve({ 'GET /': ok }, { maxReqHdrLen: 65_536 });
    server.before('/', basicAuth({ realm: 'a', users: { a: 'b' } }));
    const fields = Array.from({ length: 3_000 }, () => 'a: b');
    const auth = `Authorization: Basic ${Buffer.from('a:b').toString('base64')}`;
    expect((await exchange(server, request('GET /', ...fields))).status).toBe(401);
    expect((await exchange(server, request('GET /', ...fields, auth))).status).toBe(200);
    // one more of them is one too many, however far apart they are
    expect((await exchange(server, request('GET /', auth, ...fields, auth))).status).toBe(401);
  });
});

describe('keys that look like integers', () => {
  // the hash of such a key is its value in runtimes that are not up to date: with these all have the same
  const keys = Array.from({ length: 4_000 }, (_, i) => String(i * 2 ** 16));

  test('in JSON keep their values, and the server goes on', async () => {
    const server = await serve({
      'POST /': async req => {
        const body = (await req.json()) as Record<string, number>;
        await req.respSend(`${Object.keys(body).length} ${body['0']} ${body['65536']} ${body[keys.at(-1) as string]}`);
      },
      'GET /': ok,
    });
    const json = JSON.stringify(Object.fromEntries(keys.map((key, i) => [key, i])));
    expect((await exchange(server, post('/', json))).text).toBe('4000 0 1 3999');
    const sparse = '{"4294967294":1,"4294967295":2,"-1":3,"00":4,"1e3":5}';
    expect((await exchange(server, post('/', sparse))).text).toBe('5 undefined undefined undefined');
    await stillServes(server, '/');
  });

  test('in queries and header names are text: nothing is keyed by them', async () => {
    const server = await serve(
      { 'GET /': req => req.respSend(`${req.getHdrValueStr('65536')} ${req.getHdrValueStr('__proto__')}`) },
      { maxReqHdrLen: 65_536 },
    );
    const fields = keys.map(key => `${key}: v`);
    expect((await exchange(server, request('GET /', ...fields))).text).toBe('v undefined');
  });
});

test('a stack overflow in a handler is a 500, also under AsyncLocalStorage, and the process lives', async () => {
  const storage = new AsyncLocalStorage<object>();
  const deep = (n: number): number => deep(n + 1) + 1;
  const server = await serve({
    'GET /sync': () => storage.run({}, () => void deep(0)),
    'GET /async': async () => {
      storage.enterWith({});
      await Promise.resolve();
      deep(0);
    },
    'POST /json': async req => {
      const nested = await storage.run({}, () => req.json());
      await req.respSend(Array.isArray(nested) ? 'nested' : 'none');
    },
    'GET /': ok,
  });
  expect((await exchange(server, request('GET /sync'))).status).toBe(500);
  expect((await exchange(server, request('GET /async'))).status).toBe(500);
  expect((await exchange(server, post('/json', '['.repeat(50_000) + ']'.repeat(50_000)))).text).toBe('nested');
  await stillServes(server, '/');
});

describe('a head that ends in CR LF CR and another byte', () => {
  test.each(['X', 'G', '\r', '\0', ' '])(
    'is none: %j behind it, 400, and nothing behind that is a request',
    async byte => {
      const seen: string[] = [];
      const server = await serve({
        'GET /a': req => {
          seen.push(req.uri);
          return req.respSend('a');
        },
      });
      const bytes = Buffer.from(`GET /a HTTP/1.1\r\nHost: a\r\n\r${byte}GET /a HTTP/1.1\r\nHost: a\r\n\r\n`, 'latin1');
      for (const chunks of [[bytes], ...[25, 26, 27, 28, 29].map(at => [bytes.subarray(0, at), bytes.subarray(at)])]) {
        const client = await connectTo(server);
        await client.sendPieces(chunks);
        const text = (await client.readAll()).toString();
        expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
      }
      expect(seen).toEqual([]);
    },
  );
});

describe('a reset during an upgrade that takes its time', () => {
  test.each(['wsPreHandshakeCb', 'the handler'] as const)('of %s: one end, no 101, no frame', async place => {
    const entered = deferred();
    const gate = deferred();
    const ends: string[] = [];
    const server = await serve({ 'GET /': ok }, { closeFn: () => ends.push('closed') });
    const waiting = async () => {
      entered.resolve();
      await gate.promise;
      return undefined;
    };
    server.registerUriHandler({
      uri: '/ws',
      method: HTTP_GET,
      isWebsocket: true,
      handler: place === 'the handler' ? waiting : () => undefined,
      ...(place === 'wsPreHandshakeCb' && { wsPreHandshakeCb: waiting }),
      wsPostHandshakeCb: () => {
        ends.push('shaken');
        return undefined;
      },
    });
    const client = await connectTo(server);
    client.send(handshakeRequest());
    await entered.promise;
    client.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    gate.resolve();
    await turns(5);
    expect(ends).toEqual(['closed']);
    await stillServes(server, '/');
  });
});

test.each(['//admin', '///admin/x', '/%2fadmin', '/.//admin', '//admin//', `${SCHEME}://localhost//admin`])(
  'more slashes than there should be get past no guard: %s',
  async path => {
    const server = await serve({ 'GET /*': ok }, { uriMatchFn: uriMatchWildcard });
    server.before('/admin', basicAuth({ realm: 'a', users: { a: 'b' } }));
    expect((await exchange(server, request(`GET ${path}`))).status).toBe(401);
  },
);

test('a bare CR in the data of an event begins a line of the data, not a field', async () => {
  const server = await serve({
    'GET /': async req => {
      const stream = await req.respStartEvents({ keepAlive: 0 });
      await stream.send({ data: 'a\rid: 7\revent: evil\r\rdata: b\n\rc' });
      await stream.comment('x\revent: evil');
      stream.end();
    },
  });
  const { text } = await exchange(server, request('GET /'));
  // where a client of the standard sees fields
  const fields = text.split(/\r\n|\r|\n/).filter(line => line !== '' && !line.startsWith(':'));
  expect(fields.every(line => line.startsWith('data: ') || line === 'data:')).toBe(true);
  expect(fields.map(line => line.slice('data: '.length))).toEqual([
    'a',
    'id: 7',
    'event: evil',
    '',
    'data: b',
    '',
    'c',
  ]);
  expect(text).not.toContain('\r');
});

describe('chunk extensions that end where another parser goes on', () => {
  const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';
  test.each([
    ['a LF', `1;a\nXX\r\n0\r\n\r\n${SMUGGLED}`],
    ['a LF in a quoted string', `1;a="\n"\r\nx\r\n0\r\n\r\n${SMUGGLED}`],
    ['CR LF in a quoted string', `1;a="\r\nx\r\n0\r\n\r\n${SMUGGLED}"\r\nx\r\n0\r\n\r\n`],
    ['an escaped CR LF in a quoted string', `1;a="\\\r\nx\r\n0\r\n\r\n${SMUGGLED}"\r\nx\r\n0\r\n\r\n`],
    ['a quote that is never closed', `1;a="\r\nx\r\n0\r\n\r\n${SMUGGLED}`],
    ['a bare CR', `1;a\rXX\r\n0\r\n\r\n${SMUGGLED}`],
  ])('%s: 400, and no request comes of it', async (_what, body) => {
    const seen: string[] = [];
    const server = await serve(
      {
        'POST /*': async req => {
          seen.push(await req.text());
          await req.respSend('ok');
        },
        'GET /*': req => {
          seen.push(req.uri);
          return req.respSend('ok');
        },
      },
      { uriMatchFn: uriMatchWildcard },
    );
    const bytes = Buffer.from(`${request('POST /', 'Transfer-Encoding: chunked')}${body}`, 'latin1');
    for (const chunks of [[bytes], pieces(bytes, [1]), pieces(bytes, [7])]) {
      const client = await connectTo(server);
      await client.sendPieces(chunks);
      expect((await client.readAll()).toString().match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    }
    expect(seen).toEqual([]);
  });
});

describe('a body on the GET of a file', () => {
  const INNER = 'GET /files/secret HTTP/1.1\r\nHost: a\r\n\r\n';
  test.each([
    ['with Content-Length', [`Content-Length: ${INNER.length}`], INNER],
    ['in chunks', ['Transfer-Encoding: chunked'], `${INNER.length.toString(16)}\r\n${INNER}\r\n0\r\n\r\n`],
  ])('%s is no request: one answer, then the next', async (_how, headers, body) => {
    const server = await serve({ 'GET /': ok }, { uriMatchFn: uriMatchWildcard });
    const root = makeTree({ 'a.txt': 'file', secret: 'secret' });
    server.registerUriHandler({ uri: '/files/*', method: HTTP_ANY, handler: staticUriHandler({ root }) });
    for (const path of ['/files/a.txt', '/files/none', '/files/']) {
      const client = await connectTo(server);
      client.send(request(`GET ${path}`, ...headers) + body);
      const first = await client.readResponse();
      expect([first.status, first.text.includes('secret')]).toEqual([path === '/files/a.txt' ? 200 : 404, false]);
      expect(await isOpen(client, '/')).toBe(true);
      client.destroy();
    }
  });
});
