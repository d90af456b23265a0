import { describe, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { UriHandler } from '../../src/httpd/route.js';
import { everyWay } from '../support/feed.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { chunked, deferred, ok, pattern, post, request, serve, stillServes, turns } from './support.js';

/** The number in the query. */
function numberOf(req: HttpdReq): number {
  return Number(req.getUrlQueryStr());
}

/** Ways to answer request `i` of `n` with its number, the earlier the slower. */
const STYLES: Readonly<Record<string, (n: number) => UriHandler>> = {
  'sync handlers': () => req => {
    void req.respSend(`${numberOf(req)}`);
  },
  'async handlers, the earlier the slower': n => async req => {
    await turns(n - numberOf(req));
    await req.respSend(`${numberOf(req)}`);
  },
  'copies that answer later, the earlier the slower': n => req => {
    const copy = req.asyncHandlerBegin();
    void turns(n - numberOf(req)).then(async () => {
      await copy.respSend(`${numberOf(copy)}`);
      copy.asyncHandlerComplete();
    });
  },
  'sync and async handlers in turn': n => req => {
    if (numberOf(req) % 2 === 0) return void req.respSend(`${numberOf(req)}`);
    return turns(n).then(() => req.respSend(`${numberOf(req)}`));
  },
  'handlers that stream chunks': n => async req => {
    await req.respSendChunk(`${numberOf(req)}`);
    await turns(n - numberOf(req));
    await req.respSendChunk();
  },
};

describe.each(Object.keys(STYLES))('pipelining with %s', style => {
  test.each([2, 3, 4, 5, 8, 12, 16])('%i requests in one segment are answered in their order', async n => {
    const server = await serve({ 'GET /': STYLES[style]?.(n) ?? ok });
    const client = await connectTo(server);
    const numbers = Array.from({ length: n }, (_, i) => `${i}`);
    client.send(numbers.map(i => request(`GET /?${i}`)).join(''));
    const texts = [];
    for (const _ of numbers) texts.push((await client.readResponse()).text);
    expect(texts).toEqual(numbers);
    expect(client.received).toHaveLength(0);
  });
});

test('one handler of a session runs at a time, those of others meanwhile', async () => {
  let running = 0;
  let most = 0;
  const held = deferred();
  const server = await serve({
    'GET /': async req => {
      running += 1;
      most = Math.max(most, running);
      await turns(2);
      running -= 1;
      await req.respSend();
    },
    'GET /held': async req => {
      await held.promise;
      await req.respSend('held');
    },
  });
  const waiting = await connectTo(server);
  waiting.send(request('GET /held') + request('GET /held'));
  const client = await connectTo(server);
  client.send(request('GET /').repeat(8));
  for (let i = 0; i < 8; i++) expect((await client.readResponse()).status).toBe(200);
  expect(most).toBe(1);
  expect(waiting.received).toHaveLength(0);
  held.resolve();
  expect((await waiting.readResponse()).text).toBe('held');
  expect((await waiting.readResponse()).text).toBe('held');
});

test('bodies, HEAD and errors among pipelined requests keep their places', async () => {
  const server = await serve({
    'GET /': ok,
    'POST /echo': async req => req.respSend(await req.text()),
    'POST /unread': ok,
  });
  server.registerErrHandler(6, req => {
    void req.respSend('nothing here');
    return 0;
  });
  const client = await connectTo(server);
  const chunkedPost = (path: string, text: string) =>
    request(`POST ${path}`, 'Transfer-Encoding: chunked') + chunked(Buffer.from(text), 3).toString();
  client.send(
    request('GET /') +
      post('/echo', 'one') +
      request('HEAD /') +
      chunkedPost('/echo', 'two and more') +
      post('/unread', 'GET /evil HTTP/1.1\r\n\r\n') +
      request('GET /nowhere') +
      chunkedPost('/unread', 'GET /evil HTTP/1.1\r\n\r\n') +
      request('GET /'),
  );
  const texts = [];
  for (const method of 'GET POST HEAD POST POST GET POST GET'.split(' ')) {
    texts.push((await client.readResponse({ toHead: method === 'HEAD' })).text);
  }
  expect(texts).toEqual(['ok', 'one', '', 'two and more', 'ok', 'nothing here', 'ok', 'ok']);
  expect(client.received).toHaveLength(0);
});

test.skipIf(OVER_TLS)('pipelined requests give the same answers wherever they are cut', async () => {
  const server = await serve({
    'GET /a': req => req.respSend(`a ${req.getHdrValueStr('x-tag')}`),
    'POST /b': async req => req.respSend(`b ${await req.text()}`),
    'GET /c': ok,
  });
  const stream =
    request('GET /a?q=1', 'X-Tag: tagged') +
    post('/b', 'body') +
    request('POST /b', 'Transfer-Encoding: chunked') +
    chunked(Buffer.from('in chunks'), 4).toString() +
    request('GET /c');
  for (const { name, chunks } of everyWay(stream)) {
    const client = await connectTo(server);
    await client.sendPieces(chunks);
    const texts = [];
    for (let i = 0; i < 4; i++) texts.push((await client.readResponse()).text);
    expect(texts, name).toEqual(['a tagged', 'b body', 'b in chunks', 'ok']);
    client.destroy();
  }
});

test('sixteen large responses to a client that reads late come whole and in order', async () => {
  const large = pattern(300_000);
  const server = await serve({
    'GET /': req => {
      large[0] = numberOf(req);
      void req.respSend(large);
    },
  });
  const client = await connectTo(server);
  client.pause().send(Array.from({ length: 16 }, (_, i) => request(`GET /?${i}`)).join(''));
  await stillServes(server, '/?0');
  client.resume();
  for (let i = 0; i < 16; i++) {
    const { body } = await client.readResponse();
    expect(body[0]).toBe(i);
    expect(body.subarray(1).equals(large.subarray(1))).toBe(true);
  }
});

test('requests beyond what the session holds back wait in the kernel, and none is lost', async () => {
  const gate = deferred();
  let served = 0;
  const server = await serve({
    'GET /': async req => {
      await gate.promise;
      served += 1;
      await req.respSend();
    },
  });
  const client = await connectTo(server);
  const one = request('GET /', `X-Filler: ${'x'.repeat(8_000)}`);
  client.send(one.repeat(100));
  await turns(20);
  gate.resolve();
  for (let i = 0; i < 100; i++) expect((await client.readResponse()).status).toBe(200);
  expect(served).toBe(100);
});
