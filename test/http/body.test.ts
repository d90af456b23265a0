import { describe, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import { connectTo } from '../support/server.js';
import { chunked, deferred, errorOf, exchange, isOpen, ok, pattern, post, request, serve } from './support.js';

/** Ways to send a body. */
const FRAMINGS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  'Content-Length': body => Buffer.concat([Buffer.from(request('POST /', `Content-Length: ${body.length}`)), body]),
  'one chunk': body => framed(body, body.length),
  'chunks of 1 byte': body => framed(body, 1),
  'chunks of 1000 bytes': body => framed(body, 1000),
};

function framed(body: Buffer, size: number): Buffer {
  return Buffer.concat([Buffer.from(request('POST /', 'Transfer-Encoding: chunked')), chunked(body, size)]);
}

async function recvAll(req: HttpdReq, size: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const buf = Buffer.alloc(size);
  for (let n = await req.recv(buf); n > 0; n = await req.recv(buf)) pieces.push(Buffer.from(buf.subarray(0, n)));
  return Buffer.concat(pieces);
}

describe.each(Object.entries(FRAMINGS))('a body with %s', (name, frame) => {
  test.each([
    [1, 300],
    [7, 5_000],
    [1_000, 5_000],
    [65_536, 200_000],
    [1_000_000, 200_000],
  ])('recv with a buffer of %i bytes gets all of %i bytes', async (size, length) => {
    const server = await serve({ 'POST /': async req => req.respSend(await recvAll(req, size)) });
    const body = pattern(name.includes('of 1 byte') ? Math.min(length, 20_000) : length);
    const client = await connectTo(server);
    const response = await client.send(frame(body)).readResponse();
    expect(response.body.equals(body)).toBe(true);
    expect((await client.send(frame(body)).readResponse()).body.equals(body)).toBe(true);
  });

  test('for await gives pieces of its own', async () => {
    const server = await serve({
      'POST /': async req => {
        const pieces: Buffer[] = [];
        for await (const piece of req) pieces.push(piece);
        await req.respSend(Buffer.concat(pieces));
      },
    });
    const body = pattern(name.includes('of 1 byte') ? 5_000 : 100_000);
    expect((await exchange(server, frame(body))).body.equals(body)).toBe(true);
  });

  test('text() joins characters that were cut', async () => {
    const server = await serve({ 'POST /': async req => req.respSend(await req.text()) });
    const text = 'Grüße, 世界 🌍 '.repeat(500);
    expect((await exchange(server, frame(Buffer.from(text)))).text).toBe(text);
  });

  test('json() parses it', async () => {
    const server = await serve({ 'POST /': async req => req.respSend(JSON.stringify(await req.json())) });
    const value = { list: [1, 'zwei', null, { three: 3 }], big: 'x'.repeat(3_000) };
    const { text } = await exchange(server, frame(Buffer.from(JSON.stringify(value))));
    expect(JSON.parse(text)).toEqual(value);
  });

  test('a handler that reads on after the end gets 0 again and again', async () => {
    const results: number[] = [];
    const server = await serve({
      'POST /': async req => {
        const buf = Buffer.alloc(16);
        while (results.length < 2 || results.at(-2) !== 0) results.push(await req.recv(buf));
        await req.respSend('ok');
      },
    });
    await exchange(server, frame(Buffer.from('abc')));
    expect(results.reduce((sum, n) => sum + n)).toBe(3);
    expect(results.slice(-2)).toEqual([0, 0]);
  });

  test('a handler may read it after it has answered', async () => {
    const read = deferred<string>();
    const server = await serve({
      'POST /': async req => {
        await req.respSend('early');
        read.resolve(await req.text());
      },
    });
    const client = await connectTo(server);
    expect((await client.send(frame(Buffer.from('late'))).readResponse()).text).toBe('early');
    expect(await read.promise).toBe('late');
  });

  test('a copy made by asyncHandlerBegin reads it', async () => {
    const server = await serve({
      'POST /': req => {
        const copy = req.asyncHandlerBegin();
        void copy.text().then(async text => {
          await copy.respSend(text);
          copy.asyncHandlerComplete();
        });
      },
    });
    expect((await exchange(server, frame(Buffer.from('for the copy')))).text).toBe('for the copy');
  });
});

test('contentLen tells the length of a body, 0 without one, undefined in chunks', async () => {
  const lengths: (number | undefined)[] = [];
  const server = await serve({
    'ANY /': req => {
      lengths.push(req.contentLen);
      void req.respSend();
    },
  });
  await exchange(server, post('/', '12345'));
  await exchange(server, request('GET /'));
  await exchange(server, request('POST /', 'Transfer-Encoding: chunked') + chunked(Buffer.from('x'), 1).toString());
  expect(lengths).toEqual([5, 0, undefined]);
});

test('recv of a request without a body gives 0 at once', async () => {
  const server = await serve({
    'GET /': async req => req.respSend(`${await req.recv(Buffer.alloc(8))} ${JSON.stringify(await req.text())}`),
  });
  expect((await exchange(server, request('GET /'))).text).toBe('0 ""');
});

test('a GET may have a body too', async () => {
  const server = await serve({ 'GET /': async req => req.respSend(await req.text()) });
  const client = await connectTo(server);
  client.send(`${request('GET /', 'Content-Length: 5')}hello${request('GET /')}`);
  expect((await client.readResponse()).text).toBe('hello');
  expect((await client.readResponse()).text).toBe('');
});

test('chunk extensions and trailers are left out of the body', async () => {
  const server = await serve({ 'POST /': async req => req.respSend(await req.text()) });
  const client = await connectTo(server);
  client.send(
    `${request('POST /', 'Transfer-Encoding: chunked')}5;name=value\r\nhello\r\n006\r\n world\r\n0;last\r\nX-Sum: 1\r\n\r\n`,
  );
  expect((await client.readResponse()).text).toBe('hello world');
  expect((await client.send(post('/', 'next')).readResponse()).text).toBe('next');
});

test('two recv at a time: the second is refused, the first gets the bytes', async () => {
  const outcome = deferred<string>();
  const server = await serve({
    'POST /': async req => {
      const first = req.text();
      outcome.resolve(await errorOf(() => req.recv(Buffer.alloc(4))));
      await req.respSend(await first);
    },
  });
  const client = await connectTo(server);
  client.send(request('POST /', 'Content-Length: 4'));
  expect(await outcome.promise).toBe('ESP_ERR_INVALID_STATE');
  expect((await client.send('body').readResponse()).text).toBe('body');
});

test('json() ignores one byte order mark in front (RFC 8259 section 8.1), and text() keeps it', async () => {
  const server = await serve({
    'POST /json': async req => req.respSend(JSON.stringify(await req.json())),
    'POST /text': async req => req.respSend(await req.text()),
  });
  const send = (path: string, text: string) => exchange(server, Buffer.from(post(path, text)));
  expect((await send('/json', '\ufeff{"a":"\ufeffb"}')).text).toBe('{"a":"\ufeffb"}');
  expect((await send('/text', '\ufeffa')).body).toEqual(Buffer.from('\ufeffa'));
  for (const text of ['\ufeff', '\ufeff\ufeff1', ' \ufeff1']) {
    expect((await send('/json', text)).status, JSON.stringify(text)).toBe(400);
  }
});

test('json() of something else rejects with ESP_ERR_INVALID_ARG; unhandled, the client gets a 400', async () => {
  let name = '';
  const server = await serve({
    'POST /handled': async req => {
      name = await errorOf(() => req.json());
      await req.respSend('handled');
    },
    'POST /unhandled': async req => {
      await req.json();
    },
  });
  const client = await connectTo(server);
  expect((await client.send(post('/handled', '{"a":')).readResponse()).text).toBe('handled');
  expect(name).toBe('ESP_ERR_INVALID_ARG');
  expect((await exchange(server, post('/unhandled', 'not json'))).status).toBe(400);
});

describe('a body that the handler leaves unread', () => {
  test.each([
    ['Content-Length, 1 byte', 1, 0],
    ['Content-Length, 64 KiB', 65_536, 0],
    ['chunks, 60,000 bytes', 60_000, 1_000],
  ])('%s: is dropped, and the connection goes on', async (_name, length, chunk) => {
    const server = await serve({ 'POST /': ok, 'GET /': ok });
    const client = await connectTo(server);
    // what looks like requests in it must not be served
    const evil = Buffer.from(request('GET /evil').repeat(Math.ceil(length / 40))).subarray(0, length);
    client.send(chunk === 0 ? (FRAMINGS['Content-Length']?.(evil) ?? '') : framed(evil, chunk));
    const response = await client.readResponse();
    expect(response.text).toBe('ok');
    expect(response.headers.connection).toBeUndefined();
    expect(await isOpen(client, '/')).toBe(true);
    expect(client.received).toHaveLength(0);
  });

  test.each([
    ['Content-Length, a byte more than 64 KiB', 65_537, 0],
    ['Content-Length, 3 MiB', 3 * 1024 * 1024, 0],
    ['chunks, 3 MiB', 3 * 1024 * 1024, 10_000],
  ])('%s: the response arrives, then the connection closes without a reset', async (_name, length, chunk) => {
    const server = await serve({ 'POST /': ok });
    const client = await connectTo(server);
    const body = pattern(length);
    client.pause().send(chunk === 0 ? (FRAMINGS['Content-Length']?.(body) ?? '') : framed(body, chunk));
    client.resume();
    const response = await client.readResponse();
    expect(response.text).toBe('ok');
    if (chunk === 0) expect(response.headers.connection).toBe('close');
    expect(await client.closed()).toBe('fin');
    expect(client.received).toHaveLength(0);
  });

  test('the rest of one that was read in part is dropped', async () => {
    const server = await serve({
      'POST /': async req => {
        const buf = Buffer.alloc(10);
        await req.respSend(`${await req.recv(buf)}`);
      },
      'GET /': ok,
    });
    const client = await connectTo(server);
    client.send(post('/', 'x'.repeat(1_000)) + request('GET /'));
    expect((await client.readResponse()).text).toBe('10');
    expect((await client.readResponse()).text).toBe('ok');
  });

  test('one that comes after the answer is dropped too', async () => {
    const server = await serve({ 'POST /': ok, 'GET /': ok });
    const client = await connectTo(server);
    client.send(request('POST /', 'Content-Length: 10'));
    expect((await client.readResponse()).text).toBe('ok');
    client.send(`0123456789${request('GET /')}`);
    expect((await client.readResponse()).text).toBe('ok');
  });
});

describe('a recv that its handler has not awaited ends with the handler', () => {
  /** Serves `POST /a`, which leaves a recv behind; that promise, and the buffer it was given. */
  const leaving = () => {
    const stale = Buffer.alloc(64);
    const outcome = deferred<string>();
    const handler = async (req: HttpdReq) => {
      void errorOf(() => req.recv(stale)).then(outcome.resolve);
      await req.respSend('A');
    };
    return { stale, outcome: outcome.promise, handler };
  };

  test('it gets nothing of the next request, whose handler gets its whole body', async () => {
    const { stale, outcome, handler } = leaving();
    const server = await serve({ 'POST /a': handler, 'POST /b': async req => req.respSend(await req.text()) });
    const client = await connectTo(server);
    client.send(request('POST /a', 'Content-Length: 5'));
    expect((await client.readResponse()).text).toBe('A');
    client.send(`12345${post('/b', 'SECRET')}`);
    expect((await client.readResponse()).text).toBe('SECRET');
    expect(await outcome).toBe('ESP_ERR_INVALID_STATE');
    expect(stale.equals(Buffer.alloc(64))).toBe(true);
  });

  test('it takes no request that is behind the next one', async () => {
    const { stale, outcome, handler } = leaving();
    const gate = deferred();
    const entered = deferred();
    const server = await serve({
      'POST /a': handler,
      'GET /c': async req => {
        entered.resolve();
        await gate.promise;
        await req.respSend('C');
      },
      'GET /d': req => req.respSend('D'),
    });
    const client = await connectTo(server);
    client.send(request('POST /a', 'Content-Length: 5'));
    expect((await client.readResponse()).text).toBe('A');
    client.send(`12345${request('GET /c')}${request('GET /d')}`);
    await entered.promise;
    gate.resolve();
    expect((await client.readResponse()).text).toBe('C');
    expect((await client.readResponse()).text).toBe('D');
    expect(await outcome).toBe('ESP_ERR_INVALID_STATE');
    expect(stale.equals(Buffer.alloc(64))).toBe(true);
  });

  test('so it does when the handler fails', async () => {
    const outcome = deferred<string>();
    const server = await serve({
      'POST /': req => {
        void errorOf(() => req.recv(Buffer.alloc(8))).then(outcome.resolve);
        throw new Error('on purpose');
      },
    });
    const client = await connectTo(server);
    expect((await client.send(request('POST /', 'Content-Length: 5')).readResponse()).status).toBe(500);
    expect(await outcome.promise).toBe('ESP_ERR_INVALID_STATE');
  });

  test.each(['text', 'json'] as const)('%s() that is not awaited ends nothing but itself', async what => {
    const server = await serve({
      'POST /': req => {
        // an unhandled rejection would fail the run
        void req[what]();
        void req.respSend('ok');
      },
    });
    const client = await connectTo(server);
    expect((await client.send(request('POST /', 'Content-Length: 5')).readResponse()).text).toBe('ok');
    client.send('12345');
    expect((await client.send(request('POST /', 'Content-Length: 0')).readResponse()).text).toBe('ok');
  });
});

test('what was right of a chunked body comes before the error, however it was cut', async () => {
  for (const pieces of [['3\r\na=1\r\n4\r\n&b=2X'], ['3\r\na=1\r\n', '4\r\n&b=2X']]) {
    const seen: string[] = [];
    const server = await serve({
      'POST /': async req => {
        const buf = Buffer.alloc(100);
        for (;;) seen.push(buf.toString('latin1', 0, await req.recv(buf)));
      },
    });
    const client = await connectTo(server);
    client.send(request('POST /', 'Transfer-Encoding: chunked') + pieces[0]);
    if (pieces[1] !== undefined) {
      await expect.poll(() => seen.length).toBe(1);
      client.send(pieces[1]);
    }
    expect((await client.readResponse()).status).toBe(400);
    expect(seen.join('')).toMatch(/^a=1/);
  }
});
