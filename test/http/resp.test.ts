import { describe, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import { connectTo } from '../support/server.js';
import { deferred, errorOf, exchange, isOpen, ok, request, serve, stillServes } from './support.js';

describe('status, type and headers', () => {
  test('without any: 200 OK, text/html, Content-Length, Date', async () => {
    const server = await serve({ 'GET /': req => req.respSend('héllo') });
    const response = await exchange(server, request('GET /'));
    expect(response.statusLine).toBe('HTTP/1.1 200 OK');
    expect(response.headers).toEqual({
      'content-type': 'text/html',
      'content-length': '6',
      date: expect.stringMatching(/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/),
    });
    expect(Math.abs(Date.parse(response.headers.date ?? '') - Date.now())).toBeLessThan(10_000);
    expect(response.text).toBe('héllo');
  });

  test('respSetStatus, respSetType and respSetHdr; the same name twice gives two lines in their order', async () => {
    const server = await serve({
      'GET /': req => {
        req.respSetStatus('207 Multi-Status');
        req.respSetType('text/plain; charset=utf-8');
        req.respSetHdr('Set-Cookie', 'a=1');
        req.respSetHdr('set-cookie', 'b=2');
        req.respSetHdr('X-Empty', '');
        void req.respSend('ok');
      },
    });
    const response = await exchange(server, request('GET /'));
    expect(response.statusLine).toBe('HTTP/1.1 207 Multi-Status');
    expect(response.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(response.headerLines.filter(line => /^(set-cookie|x-empty)/i.test(line))).toEqual([
      'Set-Cookie: a=1',
      'set-cookie: b=2',
      'X-Empty: ',
    ]);
  });

  test('Content-Type by respSetHdr replaces the type, Date the Date', async () => {
    const server = await serve({
      'GET /': req => {
        req.respSetHdr('content-type', 'application/json');
        req.respSetHdr('DATE', 'Sun, 06 Nov 1994 08:49:37 GMT');
        void req.respSend('{}');
      },
    });
    const { headerLines } = await exchange(server, request('GET /'));
    expect(headerLines.filter(line => /^content-type/i.test(line))).toEqual(['Content-Type: application/json']);
    expect(headerLines.filter(line => /^date/i.test(line))).toEqual(['DATE: Sun, 06 Nov 1994 08:49:37 GMT']);
  });

  test('a status without a reason keeps the space that RFC 9112 section 4 asks for', async () => {
    const server = await serve({
      'GET /': req => {
        req.respSetStatus('299');
        void req.respSend('ok');
      },
    });
    expect((await exchange(server, request('GET /'))).statusLine).toBe('HTTP/1.1 299 ');
  });

  test('they do not reach the next response of the connection', async () => {
    let first = true;
    const server = await serve({
      'GET /': req => {
        if (first) {
          req.respSetStatus('299 First');
          req.respSetType('text/first');
          req.respSetHdr('X-First', 'yes');
          req.respSetHdr('Date', 'never');
        }
        first = false;
        void req.respSend('ok');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /').repeat(2));
    await client.readResponse();
    const { statusLine, headers } = await client.readResponse();
    expect([statusLine, headers['content-type'], headers['x-first']]).toEqual([
      'HTTP/1.1 200 OK',
      'text/html',
      undefined,
    ]);
    expect(headers.date).toMatch(/GMT$/);
  });

  const evil = ['a\r\nX-Evil: 1', 'a\rb', 'a\nb', 'a\0b', 'a\x7fb', 'a\u{100}b', '\r\n\r\n<script>'];
  const setters: [string, (req: HttpdReq, text: string) => void][] = [
    ['respSetStatus', (req, text) => req.respSetStatus(`200 ${text}`)],
    ['respSetType', (req, text) => req.respSetType(text)],
    ['respSetHdr, value', (req, text) => req.respSetHdr('X-Value', text)],
    ['respSetHdr, name', (req, text) => req.respSetHdr(text, 'value')],
    ['respSendCustomErr', (req, text) => void req.respSendCustomErr(`400 ${text}`, 'message')],
  ];
  test.each(setters)('injection through %s is refused and leaves the response as it was', async (name, set) => {
    const names: string[] = [];
    const server = await serve({
      'GET /': async req => {
        for (const text of evil) {
          names.push(
            await errorOf(() => (name === 'respSendCustomErr' ? req.respSendCustomErr(`400 ${text}`) : set(req, text))),
          );
        }
        await req.respSend('ok');
      },
    });
    const response = await exchange(server, request('GET /'));
    expect(names).toEqual(evil.map(() => 'ESP_ERR_INVALID_ARG'));
    expect([response.status, response.text]).toEqual([200, 'ok']);
    expect(Object.keys(response.headers).sort()).toEqual(['content-length', 'content-type', 'date']);
  });

  test.each([
    ['a status that is no number', (req: HttpdReq) => req.respSetStatus('OK')],
    ['an interim status', (req: HttpdReq) => req.respSetStatus('101 Switching Protocols')],
    ['a status of four digits', (req: HttpdReq) => req.respSetStatus('2000 OK')],
    ['an empty header name', (req: HttpdReq) => req.respSetHdr('', 'x')],
    ['a header name with a colon', (req: HttpdReq) => req.respSetHdr('X:', 'x')],
    ['a header name with a space', (req: HttpdReq) => req.respSetHdr('X Y', 'x')],
    ['Content-Length, which the library sets', (req: HttpdReq) => req.respSetHdr('content-length', '1')],
    ['Transfer-Encoding, which the library sets', (req: HttpdReq) => req.respSetHdr('Transfer-Encoding', 'chunked')],
  ])('%s is refused', async (_name, set) => {
    const server = await serve({ 'GET /': async req => req.respSend(await errorOf(() => set(req))) });
    const response = await exchange(server, request('GET /'));
    expect(response.text).toBe('ESP_ERR_INVALID_ARG');
  });

  test('maxRespHeaders: one more is ESP_ERR_HTTPD_RESP_HDR, and the others are sent', async () => {
    const names: string[] = [];
    const server = await serve(
      {
        'GET /': async req => {
          for (let i = 0; i < 4; i++) names.push(await errorOf(() => req.respSetHdr(`X-${i}`, 'v')));
          await req.respSend('ok');
        },
      },
      { maxRespHeaders: 3 },
    );
    const response = await exchange(server, request('GET /'));
    expect(names).toEqual(['none', 'none', 'none', 'ESP_ERR_HTTPD_RESP_HDR']);
    expect(Object.keys(response.headers).filter(name => name.startsWith('x-'))).toEqual(['x-0', 'x-1', 'x-2']);
  });
});

describe('respSend', () => {
  test.each([
    ['a string', 'grüße', 'grüße'],
    ['bytes', new Uint8Array([104, 105]), 'hi'],
    ['a Buffer', Buffer.from('hi'), 'hi'],
    ['nothing', undefined, ''],
    ['an empty string', '', ''],
    ['empty bytes', new Uint8Array(0), ''],
  ])('sends %s', async (_name, body, text) => {
    const server = await serve({ 'GET /': req => req.respSend(body), 'GET /str': req => req.respSendstr(body) });
    const response = await exchange(server, request('GET /'));
    expect([response.headers['content-length'], response.text]).toEqual([`${Buffer.byteLength(text)}`, text]);
    expect((await exchange(server, request('GET /str'))).text).toBe(text);
  });

  test('the bytes are copied: they may be changed at once', async () => {
    const server = await serve({
      'GET /': req => {
        const small = Buffer.from('before');
        void req.respSend(small);
        small.fill('x');
      },
      'GET /large': req => {
        const large = Buffer.alloc(3_000_000, 'b');
        void req.respSend(large);
        large.fill('x');
      },
    });
    expect((await exchange(server, request('GET /'))).text).toBe('before');
    const { body } = await exchange(server, request('GET /large'));
    expect([body.length, body.indexOf('x')]).toEqual([3_000_000, -1]);
  });

  test('a second answer is refused with ESP_ERR_INVALID_STATE, and the client gets one', async () => {
    const names = deferred<string[]>();
    const server = await serve({
      'GET /': async req => {
        await req.respSend('one');
        const attempts = [
          () => req.respSend('two'),
          () => req.respSendChunk('two'),
          () => req.respSendErr(6),
          () => req.send('two'),
          () => req.respSetStatus('404 Not Found'),
          () => req.respSetHdr('X', 'y'),
          () => req.respSetType('text/plain'),
        ];
        const all: string[] = [];
        for (const attempt of attempts) all.push(await errorOf(attempt));
        names.resolve(all);
      },
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).text).toBe('one');
    expect(await names.promise).toEqual(Array(7).fill('ESP_ERR_INVALID_STATE'));
    expect(await isOpen(client, '/')).toBe(true);
    expect(client.received).toHaveLength(0);
  });
});

describe('respSendChunk', () => {
  test('chunks as they are sent, an empty one ends it, the connection goes on', async () => {
    const server = await serve({
      'GET /': async req => {
        req.respSetType('text/plain');
        await req.respSendChunk('first ');
        await req.respSendstrChunk('zweite Stück ü ');
        await req.respSendChunk(Buffer.alloc(300, 'x'));
        await req.respSendChunk('');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /'));
    const bytes = (await client.readUntil('\r\n0\r\n\r\n')).toString();
    expect(bytes).toContain('Transfer-Encoding: chunked\r\n');
    expect(bytes).not.toMatch(/content-length/i);
    expect(bytes.slice(bytes.indexOf('\r\n\r\n') + 4)).toBe(
      `6\r\nfirst \r\n11\r\nzweite Stück ü \r\n12c\r\n${'x'.repeat(300)}\r\n0\r\n\r\n`,
    );
    expect((await client.send(request('GET /')).readResponse()).body).toHaveLength(6 + 17 + 300);
  });

  test.each([
    ['none', []],
    ['an empty string', ['']],
    ['empty bytes', [new Uint8Array(0)]],
  ])('ended with %s at once: an empty body', async (_name, args) => {
    const server = await serve({ 'GET /': req => req.respSendChunk(...args) });
    const client = await connectTo(server);
    const response = await client.send(request('GET /')).readResponse();
    expect([response.status, response.text]).toEqual([200, '']);
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('a chunk behind the last is refused', async () => {
    const name = deferred<string>();
    const server = await serve({
      'GET /': async req => {
        await req.respSendChunk('a');
        await req.respSendChunk();
        name.resolve(await errorOf(() => req.respSendChunk('b')));
      },
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).text).toBe('a');
    expect(await name.promise).toBe('ESP_ERR_INVALID_STATE');
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('respSend between chunks is refused', async () => {
    const name = deferred<string>();
    const server = await serve({
      'GET /': async req => {
        await req.respSendChunk('a');
        name.resolve(await errorOf(() => req.respSend('whole')));
        await req.respSendChunk();
      },
    });
    expect((await exchange(server, request('GET /'))).text).toBe('a');
    expect(await name.promise).toBe('ESP_ERR_INVALID_STATE');
  });

  test('a handler that never ends its chunks: the connection is cut, so that the client can tell', async () => {
    const server = await serve({ 'GET /': req => req.respSendChunk('part'), 'GET /ok': ok });
    const client = await connectTo(server);
    client.send(request('GET /'));
    const all = (await client.readAll()).toString();
    expect(all).toContain('4\r\npart\r\n');
    expect(all).not.toContain('0\r\n\r\n');
    await stillServes(server, '/ok');
  });

  test('HTTP/1.0: no chunked coding, the end of the connection ends the body', async () => {
    const server = await serve({
      'GET /': async req => {
        await req.respSendChunk('one ');
        await req.respSendChunk('two');
        await req.respSendChunk();
      },
    });
    const client = await connectTo(server);
    const response = await client.send(request('GET / HTTP/1.0')).readResponse();
    expect(response.headers['transfer-encoding']).toBeUndefined();
    expect(response.headers['content-length']).toBeUndefined();
    expect(response.text).toBe('one two');
  });

  test('a client gets each chunk before the handler ends', async () => {
    const gate = deferred();
    const server = await serve({
      'GET /': async req => {
        await req.respSendChunk('now');
        await gate.promise;
        await req.respSendChunk();
      },
    });
    const client = await connectTo(server);
    await client.send(request('GET /')).readUntil('3\r\nnow\r\n');
    gate.resolve();
    expect((await client.readUntil(5)).toString()).toBe('0\r\n\r\n');
  });
});
