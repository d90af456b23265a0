import { describe, expect, test } from 'vitest';
import { queryKeyValue } from '../../src/httpd/headers.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { SCHEME } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { exchange, ok, request, serve } from './support.js';

/** What `look` sees in a request. */
async function seen(look: (req: HttpdReq) => unknown, line: string, ...headers: string[]): Promise<unknown> {
  const server = await serve({
    'GET /': req => req.respSend(JSON.stringify({ value: look(req) })),
  });
  const { text } = await exchange(server, request(line, ...headers));
  return (JSON.parse(text) as { value?: unknown }).value;
}

describe('headers', () => {
  const headers = ['X-One: first', 'x-one: second', 'X-Blank:', 'X-Tabs: \t spaced \t ', 'X-One-More: other', 'X:y'];

  test.each([
    ['X-One', 'first'],
    ['x-one', 'first'],
    ['X-ONE', 'first'],
    ['x-blank', ''],
    ['X-Tabs', 'spaced'],
    ['x-one-more', 'other'],
    ['x', 'y'],
    ['host', 'localhost'],
    ['x-on', undefined],
    ['x-one-', undefined],
    ['', undefined],
    ['X-One: first\r\nx-one', undefined],
    ['__proto__', undefined],
    ['constructor', undefined],
  ])('getHdrValueStr(%j) is %j', async (name, value) => {
    expect(await seen(req => req.getHdrValueStr(name), 'GET /', ...headers)).toBe(value);
    expect(await seen(req => req.getHdrValueLen(name), 'GET /', ...headers)).toBe(value?.length ?? 0);
  });

  test('a client may send __proto__ as a header, and finds no object by it', async () => {
    expect(await seen(req => req.getHdrValueStr('__proto__'), 'GET /', '__proto__: x')).toBe('x');
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  test('bytes above 127 come as Latin-1', async () => {
    expect(await seen(req => req.getHdrValueStr('x'), 'GET /', 'X: caf\xe9')).toBe('café');
  });

  test('they can be read after the answer, and in an async handler while other requests are served', async () => {
    const values: (string | undefined)[] = [];
    const server = await serve({
      'GET /': async req => {
        await req.respSend('ok');
        await exchange(server, request('GET /other', 'X: other'));
        values.push(req.getHdrValueStr('x'), req.getUrlQueryStr(), req.uri);
      },
      'GET /other': ok,
    });
    const client = await connectTo(server);
    client.send(request('GET /?q', 'X: mine') + request('GET /other'));
    await client.readResponse();
    await client.readResponse();
    expect(values).toEqual(['mine', 'q', '/?q']);
  });
});

describe('query', () => {
  test.each([
    ['/', undefined],
    ['/?', undefined],
    ['/?a=1&b=2', 'a=1&b=2'],
    ['/?a=%20+?x', 'a=%20+?x'],
    [`${SCHEME}://host.example/?a=1`, 'a=1'],
  ])('getUrlQueryStr of %s is %j', async (uri, query) => {
    expect(await seen(req => req.getUrlQueryStr(), `GET ${uri}`)).toBe(query);
    expect(await seen(req => req.getUrlQueryLen(), `GET ${uri}`)).toBe(query?.length ?? 0);
    expect(await seen(req => req.uri, `GET ${uri}`)).toBe(uri);
  });

  test.each([
    ['a=1&b=2', 'b', '2'],
    ['A=1', 'a', '1'],
    ['a=1', 'A', '1'],
    ['a=1&a=2', 'a', '1'],
    ['a=', 'a', ''],
    ['a=b=c', 'a', 'b=c'],
    ['a=%41+x', 'a', '%41+x'],
    ['ab=1', 'a', undefined],
    ['a', 'a', undefined],
    ['a&b=2', 'b', '2'],
    ['', 'a', undefined],
    ['=1', '', '1'],
    ['__proto__=1', '__proto__', '1'],
    ['a=1', 'constructor', undefined],
  ])('queryKeyValue(%j, %j) is %j', (query, key, value) => {
    expect(queryKeyValue(query, key)).toBe(value);
  });
});

describe('cookies', () => {
  test.each([
    ['a', '1'],
    ['b', 'two words'],
    ['quoted', 'q'],
    ['empty', ''],
    ['c', '3=3'],
    ['again', 'first'],
    ['A', undefined],
    ['missing', undefined],
    ['second', 'line'],
    ['constructor', undefined],
  ])('getCookieVal(%j) is %j', async (name, value) => {
    const cookie = 'Cookie: a=1; b=two words;quoted="q"; empty=; c=3=3; again=first; again=second';
    expect(await seen(req => req.getCookieVal(name), 'GET /', cookie, 'cookie: second=line')).toBe(value);
  });

  test('without a Cookie header there is none', async () => {
    expect(await seen(req => req.getCookieVal('a'), 'GET /')).toBeUndefined();
  });

  test('a value with a comma and a space is given as it came', async () => {
    expect(await seen(req => req.getCookieVal('a'), 'GET /', 'Cookie: a=1, 2; b=3')).toBe('1, 2');
  });
});

test('handle, method, uri, userCtx and toSockfd', async () => {
  const userCtx = { mine: true };
  const found: unknown[] = [];
  const server = await serve({});
  server.registerUriHandler({
    uri: '/x',
    method: 1,
    userCtx,
    handler: req => {
      found.push(req.handle === server, req.method, req.uri, req.userCtx === userCtx, req.toSockfd());
      void req.respSend();
    },
  });
  const client = await connectTo(server);
  await client.send(request('GET /x?y')).readResponse();
  expect(found).toEqual([true, 1, '/x?y', true, server.getClientList()[0]]);
});

test('toSockfd differs from session to session and stays within one', async () => {
  const server = await serve({ 'GET /': req => req.respSend(`${req.toSockfd()}`) });
  const [a, b] = [await connectTo(server), await connectTo(server)];
  const fds = [];
  for (const client of [a, b, a, b]) fds.push((await client.send(request('GET /')).readResponse()).text);
  expect(fds[0]).toBe(fds[2]);
  expect(fds[1]).toBe(fds[3]);
  expect(fds[0]).not.toBe(fds[1]);
});
