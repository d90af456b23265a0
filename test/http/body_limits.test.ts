import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { ESP_FAIL } from '../../src/err.js';
import { HTTPD_404_NOT_FOUND } from '../../src/httpd/http_err.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { ManualClock } from '../support/clock.js';
import { MemPort } from '../support/mem_port.js';
import { connectTo } from '../support/server.js';
import {
  chunked,
  deferred,
  errorOf,
  exchange,
  isOpen,
  ok,
  post,
  request,
  serve,
  stillServes,
  turns,
} from './support.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const CHUNKED = 'Transfer-Encoding: chunked';

describe('recvWaitTimeout', () => {
  test('recv rejects with ESP_ERR_TIMEOUT and can be called again', async () => {
    const clock = new ManualClock();
    const waiting = deferred();
    const timedOut = deferred<string>();
    const server = await serve(
      {
        'POST /': async req => {
          const buf = Buffer.alloc(100);
          let n = await req.recv(buf);
          waiting.resolve();
          timedOut.resolve(await errorOf(() => req.recv(buf.subarray(n))));
          n += await req.recv(buf.subarray(n));
          await req.respSend(buf.subarray(0, n));
        },
        'GET /': ok,
      },
      { recvWaitTimeout: 3 },
      { clock },
    );
    const client = await connectTo(server);
    client.send(`${request('POST /', 'Content-Length: 10')}01234`);
    await waiting.promise;
    clock.advance(4_000);
    expect(await timedOut.promise).toBe('ESP_ERR_TIMEOUT');
    expect((await client.send('56789').readResponse()).text).toBe('0123456789');
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('it counts from the last byte: a body that drips is read to its end', async () => {
    const clock = new ManualClock();
    let got = deferred();
    const server = await serve(
      {
        'POST /': async req => {
          const buf = Buffer.alloc(1);
          for (let n = await req.recv(buf); n > 0; n = await req.recv(buf)) got.resolve();
          await req.respSend('all');
        },
      },
      { recvWaitTimeout: 3, minBodyRate: 0 },
      { clock },
    );
    const client = await connectTo(server);
    client.send(request('POST /', 'Content-Length: 5'));
    for (const byte of '12345') {
      client.send(byte);
      await got.promise;
      got = deferred();
      clock.advance(2_000);
    }
    expect((await client.readResponse()).text).toBe('all');
  });

  test.each([
    ['Content-Length', 'Content-Length: 10'],
    ['chunks', CHUNKED],
  ])('unhandled, with %s: the client gets a 408 and the connection ends', async (_name, header) => {
    const clock = new ManualClock();
    const waiting = deferred();
    const server = await serve(
      {
        'POST /': async req => {
          const text = req.text();
          waiting.resolve();
          await req.respSend(await text);
        },
        'GET /': ok,
      },
      {},
      { clock },
    );
    const client = await connectTo(server);
    client.send(request('POST /', header));
    await waiting.promise;
    clock.advance(7_000);
    const response = await client.readResponse();
    expect(response.statusLine).toBe('HTTP/1.1 408 Request Timeout');
    expect(response.headers.connection).toBe('close');
    expect(await client.closed()).toBe('fin');
    await stillServes(server, '/');
  });

  test('an unread body that does not come ends the connection behind the answer', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'POST /': ok }, {}, { clock });
    const client = await connectTo(server);
    client.send(request('POST /', 'Content-Length: 10'));
    expect((await client.readResponse()).text).toBe('ok');
    clock.advance(7_000);
    expect(await client.closed()).toBe('fin');
  });
});

describe('maxReqBodyLen', () => {
  const limit = { maxReqBodyLen: 1_000 };

  test.each([
    ['Content-Length', post('/', 'x'.repeat(1_000))],
    ['chunks', request('POST /', CHUNKED) + chunked(Buffer.alloc(1_000, 'x'), 300).toString()],
  ])('%s: a body of exactly that size is accepted', async (_name, bytes) => {
    const server = await serve({ 'POST /': async req => req.respSend(`${(await req.text()).length}`) }, limit);
    expect((await exchange(server, bytes)).text).toBe('1000');
  });

  test('Content-Length: a byte more gets 413 before the handler is called', async () => {
    let called = false;
    const handler = () => {
      called = true;
    };
    const server = await serve({ 'POST /': handler }, limit);
    const client = await connectTo(server);
    const response = await client.send(post('/', 'x'.repeat(1_001))).readResponse();
    expect(response.statusLine).toBe('HTTP/1.1 413 Content Too Large');
    expect(response.headers.connection).toBe('close');
    expect(await client.closed()).toBe('fin');
    expect(called).toBe(false);
  });

  test.each([
    ['in one chunk', 1_001],
    ['in chunks of 300', 300],
  ])('chunks: a byte more, %s, is ESP_ERR_INVALID_SIZE; unhandled, the client gets 413', async (_name, size) => {
    let name = '';
    const server = await serve(
      {
        'POST /handled': async req => {
          name = await errorOf(() => req.text());
          await req.respSend('handled');
        },
        'POST /unhandled': async req => req.respSend(await req.text()),
        'GET /': ok,
      },
      limit,
    );
    const body = chunked(Buffer.alloc(1_001, 'x'), size).toString();
    const handled = await exchange(server, request('POST /handled', CHUNKED) + body);
    expect(handled.text).toBe('handled');
    expect(handled.headers.connection).toBe('close');
    expect(name).toBe('ESP_ERR_INVALID_SIZE');
    const client = await connectTo(server);
    client.send(request('POST /unhandled', CHUNKED) + body);
    expect((await client.readResponse()).statusLine).toBe('HTTP/1.1 413 Content Too Large');
    expect(await client.closed()).toBe('fin');
    await stillServes(server, '/');
  });

  test('Content-Length: hooks and error handlers get none of a body that is too long', async () => {
    const names: string[] = [];
    const tries = async (req: HttpdReq) => void names.push(await errorOf(() => req.text()));
    const server = await serve({ 'POST /': ok }, { maxReqBodyLen: 1000 });
    server.before('/hooked', tries);
    server.registerErrHandler(HTTPD_404_NOT_FOUND, async (req, code) => {
      await tries(req);
      return req.respSendErr(code).then(() => ESP_FAIL);
    });
    for (const path of ['/hooked', '/absent']) {
      const { status } = await exchange(server, post(path, 'x'.repeat(1001)));
      expect(status).toBe(404);
    }
    expect(names).toEqual(Array(3).fill('ESP_ERR_INVALID_SIZE'));
  });

  test('0 refuses every body and serves requests without one', async () => {
    const server = await serve({ 'POST /': ok, 'GET /': ok }, { maxReqBodyLen: 0 });
    expect((await exchange(server, post('/', 'x'))).status).toBe(413);
    expect((await exchange(server, post('/', ''))).status).toBe(200);
    expect((await exchange(server, request('GET /'))).status).toBe(200);
  });

  test('the response to a large upload that is refused arrives, though the client sends it all first', async () => {
    const server = await serve({ 'POST /': ok }, limit);
    const client = await connectTo(server);
    client.pause().send(post('/', 'x'.repeat(2 * 1024 * 1024)));
    client.resume();
    expect((await client.readResponse()).status).toBe(413);
    expect(await client.closed()).toBe('fin');
  });
});

describe('a broken chunked body', () => {
  test.each([
    ['a size that is no number', 'zz\r\n'],
    ['a size without end', `${'1'.repeat(20)}\r\n`],
    ['no line ending behind the data', '3\r\nabcX'],
    ['a bare LF behind the size', '3\nabc\r\n'],
    ['a negative size', '-1\r\n'],
  ])('%s: recv rejects with ESP_ERR_HTTPD_INVALID_REQ; unhandled, the client gets 400', async (_name, bytes) => {
    let name = '';
    const server = await serve({
      'POST /handled': async req => {
        name = await errorOf(() => req.text());
        await req.respSend('handled');
      },
      'POST /unhandled': async req => req.respSend(await req.text()),
      'GET /': ok,
    });
    const handled = await exchange(server, request('POST /handled', CHUNKED) + bytes);
    expect(handled.text).toBe('handled');
    expect(handled.headers.connection).toBe('close');
    expect(name).toBe('ESP_ERR_HTTPD_INVALID_REQ');
    const client = await connectTo(server);
    client.send(request('POST /unhandled', CHUNKED) + bytes + request('GET /'));
    expect((await client.readResponse()).status).toBe(400);
    expect((await client.readAll()).toString()).toBe('');
    await stillServes(server, '/');
  });

  test('chunk extensions and trailers without end are cut off', async () => {
    const server = await serve({ 'POST /': async req => req.respSend(await req.text()) }, { maxReqHdrLen: 1_024 });
    const extension = await exchange(server, `${request('POST /', CHUNKED)}5;${'x'.repeat(2_000)}`);
    expect(extension.status).toBe(431);
    const trailer = await exchange(server, `${request('POST /', CHUNKED)}0\r\n${'X-Y: z\r\n'.repeat(400)}`);
    expect(trailer.status).toBe(431);
  });
});

describe('a client that leaves in the middle of the body', () => {
  test.each([
    ['FIN', 'Content-Length', 'Content-Length: 10'],
    ['FIN', 'chunks', CHUNKED],
    ['reset', 'Content-Length', 'Content-Length: 10'],
    ['reset', 'chunks', CHUNKED],
  ])(
    'with %s and %s: recv rejects with ESP_FAIL, again if asked again, and others are served',
    async (how, _n, header) => {
      const names = deferred<string[]>();
      const waiting = deferred();
      const server = await serve({
        'POST /': async req => {
          const text = req.text();
          waiting.resolve();
          names.resolve([await errorOf(() => text), await errorOf(() => req.recv(Buffer.alloc(4)))]);
        },
        'GET /': ok,
      });
      const client = await connectTo(server);
      client.send(`${request('POST /', header)}3\r\n`);
      await waiting.promise;
      if (how === 'FIN') client.end();
      else client.reset();
      expect(await names.promise).toEqual(['ESP_FAIL', 'ESP_FAIL']);
      await stillServes(server, '/');
    },
  );

  test('with FIN: the answer of a handler that goes on reaches it', async () => {
    const server = await serve({
      'POST /': async req => req.respSend(await errorOf(() => req.text())),
    });
    const client = await connectTo(server);
    client.send(`${request('POST /', 'Content-Length: 10')}abc`).end();
    expect((await client.readResponse()).text).toBe('ESP_FAIL');
    expect(await client.closed()).toBe('fin');
  });
});

/** How many bytes are in use by buffers. */
function arrayBuffers(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

describe('a body that comes byte by byte costs little more memory than its length', () => {
  test.each<[string, (req: HttpdReq) => Promise<number>]>([
    ['text()', async req => (await req.text()).length],
    ['json()', async req => ((await req.json()) as string).length + 2],
    [
      'for await, with all pieces kept',
      async req => {
        const pieces: Buffer[] = [];
        for await (const piece of req) pieces.push(piece);
        // the pieces are in use up to here
        return Buffer.concat(pieces).length;
      },
    ],
  ])('%s', async (_name, receive) => {
    const length = 3_000;
    const port = new MemPort();
    let received = 0;
    await serve(
      {
        'POST /': async req => {
          received = await receive(req);
          await req.respSend('ok');
        },
      },
      {},
      { port, clock: new ManualClock() },
    );
    const conn = port.connect().deliver(request('POST /', `Content-Length: ${length}`));
    const body = `"${'x'.repeat(length - 2)}"`;
    await turns(1);
    const before = arrayBuffers();
    for (const byte of body.slice(0, -1)) {
      conn.deliver(byte);
      await turns(1);
    }
    const growth = arrayBuffers() - before;
    conn.deliver('"');
    await turns(2);
    expect(received).toBe(length);
    expect(conn.sent.toString()).toMatch(/^HTTP\/1\.1 200 /);
    // 16 KiB for each byte would be 48 MB
    expect(growth).toBeLessThan(4 * 1024 * 1024);
  });
});
