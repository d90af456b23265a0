import { describe, expect, test } from 'vitest';
import { HTTPD_403_FORBIDDEN } from '../../src/httpd/http_err.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { collectLog, connectTo } from '../support/server.js';
import { errorOf, exchange, isOpen, ok, post, request, serve } from './support.js';

describe('error answers from a handler', () => {
  test.each([
    ['respSend404', (req: HttpdReq) => req.respSend404(), '404 Not Found'],
    ['respSend408', (req: HttpdReq) => req.respSend408(), '408 Request Timeout'],
    ['respSend500', (req: HttpdReq) => req.respSend500(), '500 Internal Server Error'],
    ['respSendErr', (req: HttpdReq) => req.respSendErr(HTTPD_403_FORBIDDEN), '403 Forbidden'],
    ['respSendCustomErr', (req: HttpdReq) => req.respSendCustomErr("418 I'm a teapot"), "418 I'm a teapot"],
  ])('%s sends a page; a handler that returns nothing then keeps the connection', async (_name, send, status) => {
    const server = await serve({ 'GET /': send, 'GET /ok': ok });
    const client = await connectTo(server);
    const response = await client.send(request('GET /')).readResponse();
    expect(response.statusLine).toBe(`HTTP/1.1 ${status}`);
    expect(response.headers['content-type']).toBe('text/html');
    expect(response.text).toContain(`<h1>${status}</h1>`);
    expect(await isOpen(client, '/ok')).toBe(true);
  });

  test('a message replaces the page, and headers set before are kept', async () => {
    const server = await serve({
      'GET /err': req => {
        req.respSetHdr('WWW-Authenticate', 'Basic');
        return req.respSendErr(4, '<b>Sign in</b>');
      },
      'GET /custom': req => req.respSendCustomErr('429 Too Many Requests', 'slow down'),
      'GET /empty': req => req.respSendErr(6, ''),
    });
    const err = await exchange(server, request('GET /err'));
    expect([err.status, err.text, err.headers['www-authenticate']]).toEqual([401, '<b>Sign in</b>', 'Basic']);
    const custom = await exchange(server, request('GET /custom'));
    expect([custom.statusLine, custom.text]).toEqual(['HTTP/1.1 429 Too Many Requests', 'slow down']);
    expect((await exchange(server, request('GET /empty'))).headers['content-length']).toBe('0');
  });

  test('respSendErr in the middle of a body: the rest of it is dropped', async () => {
    const server = await serve({
      'POST /': async req => {
        await req.recv(Buffer.alloc(2));
        await req.respSendErr(HTTPD_403_FORBIDDEN);
      },
      'GET /': ok,
    });
    const client = await connectTo(server);
    client.send(post('/', 'x'.repeat(100)));
    expect((await client.readResponse()).status).toBe(403);
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('handleErr calls the registered handler and returns what it returns', async () => {
    let result: unknown;
    const server = await serve({
      'GET /': req => {
        result = req.handleErr(HTTPD_403_FORBIDDEN);
      },
    });
    server.registerErrHandler(HTTPD_403_FORBIDDEN, (req, code) => {
      void req.respSend(`mine ${code}`);
      return 77;
    });
    expect((await exchange(server, request('GET /'))).text).toBe('mine 5');
    expect(result).toBe(77);
  });

  test('handleErr without a registered handler sends the page and returns ESP_FAIL, which ends the connection', async () => {
    const server = await serve({ 'GET /': req => req.handleErr(HTTPD_403_FORBIDDEN) });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).status).toBe(403);
    expect(await client.closed()).toBe('fin');
  });
});

describe('send, raw', () => {
  test('the handler writes the whole response itself, in pieces', async () => {
    const server = await serve({
      'GET /': async req => {
        await req.send('HTTP/1.1 299 Raw\r\nContent-Length: 4\r\n\r\n');
        await req.send(Buffer.from('ab'));
        await req.send('cd');
      },
    });
    const client = await connectTo(server);
    for (let i = 0; i < 2; i++) {
      const response = await client.send(request('GET /')).readResponse();
      expect([response.statusLine, response.text]).toEqual(['HTTP/1.1 299 Raw', 'abcd']);
    }
  });

  test('behind it the library sends no response of its own', async () => {
    const names: string[] = [];
    const server = await serve({
      'GET /': async req => {
        await req.send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
        names.push(await errorOf(() => req.respSend('again')), await errorOf(() => req.respSendChunk('again')));
      },
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).text).toBe('');
    expect(await isOpen(client, '/')).toBe(true);
    expect(names).toEqual(Array(4).fill('ESP_ERR_INVALID_STATE'));
    expect(client.received).toHaveLength(0);
  });

  test.each([
    ['HEAD', 'at once', ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello']],
    ['HEAD', 'by itself', ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 'hello']],
    [
      'GET',
      'and more than it has announced',
      ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello', 'HTTP/1.1 200 OK\r\n'],
    ],
  ])(
    'to a %s, with content %s: only what belongs to the response is sent, and it is the last',
    async (method, _name, sent) => {
      const { logger, lines } = collectLog('warn');
      const server = await serve(
        {
          'GET /': async req => {
            for (const bytes of sent) await req.send(bytes);
          },
        },
        { logger },
      );
      const client = await connectTo(server);
      client.send(`${request(`${method} /`)}${request('GET /')}`);
      expect((await client.readAll()).toString()).toBe(sent[0]?.slice(0, sent[0].indexOf('\r\n\r\n') + 4));
      expect(lines).toHaveLength(method === 'HEAD' ? 0 : 2);
    },
  );

  test.each([
    ['less than it has announced', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell', 1],
    ['no length', 'HTTP/1.1 200 OK\r\n\r\nhello', 0],
    ['no HTTP', 'hello', 1],
  ])('with %s: nothing comes behind it but the end', async (_name, sent, logged) => {
    const { logger, lines } = collectLog('warn');
    const server = await serve({ 'GET /': req => req.send(sent), 'GET /ok': ok }, { logger });
    const client = await connectTo(server);
    client.send(`${request('GET /')}${request('GET /ok')}`);
    expect((await client.readAll()).toString()).toBe(sent);
    expect(lines).toHaveLength(logged);
  });

  test('an interim response is none: the answer may come otherwise', async () => {
    const server = await serve({
      'GET /': async req => {
        await req.send('HTTP/1.1 103 Early Hints\r\n\r\n');
        await req.respSend('answer');
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    client.send(request('GET /'));
    expect((await client.readResponse()).status).toBe(103);
    expect((await client.readResponse()).text).toBe('answer');
    expect(await isOpen(client, '/ok')).toBe(true);
  });

  test('its beginning, when a work sends the rest: the next request waits for that', async () => {
    const server = await serve({
      'GET /': req => {
        const fd = req.toSockfd();
        req.handle.queueWork(() => req.handle.socketSend(fd, Buffer.from('llo')));
        return req.send('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe');
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    client.send(`${request('GET /')}${request('GET /ok')}`);
    expect((await client.readResponse()).text).toBe('hello');
    expect((await client.readResponse()).text).toBe('ok');
  });

  test('send behind respSend is refused', async () => {
    const names: string[] = [];
    const server = await serve({
      'GET /': async req => {
        void req.respSend('one');
        names.push(await errorOf(() => req.send('two')));
      },
    });
    expect((await exchange(server, request('GET /'))).text).toBe('one');
    expect(names).toEqual(['ESP_ERR_INVALID_STATE']);
  });

  test('send between chunks is refused: its bytes would be none', async () => {
    const names: string[] = [];
    const server = await serve({
      'GET /': async req => {
        await req.respSendChunk('one');
        names.push(await errorOf(() => req.send('two')));
        await req.respSendChunk('');
      },
    });
    expect((await exchange(server, request('GET /'))).text).toBe('one');
    expect(names).toEqual(['ESP_ERR_INVALID_STATE']);
  });
});

test('getRawReqData gives the request line and headers as they came, in one segment or many', async () => {
  const seen: string[] = [];
  const server = await serve({
    'POST /': async req => {
      seen.push(req.getRawReqData().toString('latin1'));
      await req.respSend();
    },
  });
  const head = request('POST /?q=1', 'X-Odd:   \tspaces  ', 'x-latin: \xe9', 'Content-Length: 3');
  const client = await connectTo(server);
  await client.send(`${head}abc`).readResponse();
  await client.sendPieces([...`${head}abc`]);
  await client.readResponse();
  expect(seen).toEqual([head, head]);
});
