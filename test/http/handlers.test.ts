import { describe, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { UriHandler } from '../../src/httpd/route.js';
import { ManualClock } from '../support/clock.js';
import type { RawResponse } from '../support/raw_client.js';
import { collectLog, connectTo } from '../support/server.js';
import { deferred, errorOf, exchange, isOpen, ok, request, serve, stillServes, turns, until } from './support.js';

const FAILURES: Record<string, (req: HttpdReq) => ReturnType<UriHandler>> = {
  throws: () => {
    throw new Error('on purpose');
  },
  'throws something that is no error': () => {
    throw Object.create(null);
  },
  rejects: () => Promise.reject(new Error('on purpose')),
  'rejects later': async () => {
    await turns(3);
    throw new Error('on purpose');
  },
  'returns ESP_FAIL': () => -1,
  'resolves to ESP_FAIL': async () => -1,
  'returns another number': () => 0x105,
  'returns a text': () => 'ESP_OK' as unknown as number,
};

describe('a handler that fails', () => {
  test.each(Object.entries(FAILURES))('%s before it answers: 500, then the connection ends', async (_name, fail) => {
    const { logger, lines } = collectLog('warn');
    const server = await serve({ 'GET /x': fail, 'GET /ok': ok }, { logger });
    const client = await connectTo(server);
    client.send(request('GET /x') + request('GET /ok'));
    const response = await client.readResponse();
    expect(response.statusLine).toBe('HTTP/1.1 500 Internal Server Error');
    expect(response.text).not.toContain('purpose');
    expect((await client.readAll()).toString()).toBe('');
    expect(lines.join('\n')).toContain("uri handler execution failed: GET '/x'");
    await stillServes(server, '/ok');
  });

  test.each(Object.entries(FAILURES))(
    '%s after it has answered: the answer arrives, then the connection ends',
    async (_n, fail) => {
      const server = await serve({
        'GET /x': req => {
          void req.respSend('answered');
          return fail(req);
        },
        'GET /ok': ok,
      });
      const client = await connectTo(server);
      client.send(request('GET /x') + request('GET /ok'));
      expect((await client.readResponse()).text).toBe('answered');
      expect((await client.readAll()).toString()).toBe('');
      await stillServes(server, '/ok');
    },
  );

  test.each(Object.entries(FAILURES))(
    '%s between chunks: the client can tell that the body is not whole',
    async (_n, fail) => {
      const server = await serve({
        'GET /x': async req => {
          await req.respSendChunk('part');
          return fail(req);
        },
        'GET /ok': ok,
      });
      const client = await connectTo(server);
      client.send(request('GET /x'));
      expect((await client.readAll()).toString()).not.toContain('0\r\n\r\n');
      await stillServes(server, '/ok');
    },
  );
});

describe('headers that a handler has set before it failed', () => {
  const setHeaders = (req: HttpdReq) => {
    req.respSetHdr('Content-Encoding', 'gzip');
    req.respSetHdr('Cache-Control', 'public, max-age=31536000');
    req.respSetStatus('201 Created');
    req.respSetType('image/png');
  };
  const expectClean = ({ status, headers, text }: RawResponse) => {
    expect([status, headers['content-type']]).toEqual([500, 'text/html']);
    expect(headers).not.toHaveProperty('content-encoding');
    expect(headers).not.toHaveProperty('cache-control');
    expect(text).toContain('500');
  };

  test.each(Object.entries(FAILURES))('are not part of the 500: %s', async (_name, fail) => {
    const server = await serve({
      'GET /': req => {
        setHeaders(req);
        return fail(req);
      },
    });
    expectClean(await exchange(server, request('GET /')));
  });

  test('are not part of the 500 of handlerTimeout', async () => {
    const clock = new ManualClock();
    const entered = deferred();
    const gate = deferred();
    const server = await serve(
      {
        'GET /': async req => {
          setHeaders(req);
          entered.resolve();
          await gate.promise;
        },
      },
      { handlerTimeout: 5 },
      { clock },
    );
    const client = await connectTo(server);
    client.send(request('GET /'));
    await entered.promise;
    await turns(1);
    clock.advance(7_000);
    expectClean(await client.readResponse());
    gate.resolve();
  });
});

describe('a handler that does not answer', () => {
  test.each([
    ['sync', () => {}],
    ['async', async () => {}],
    ['ESP_OK', () => 0],
  ])('returns (%s) without an answer: 500 and a line in the log that says what to do', async (_name, handler) => {
    const { logger, lines } = collectLog('error');
    const server = await serve({ 'GET /': handler }, { logger });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).status).toBe(500);
    expect(await client.closed()).toBe('fin');
    expect(lines.join('\n')).toMatch(/GET '\/'.*respSend.*asyncHandlerBegin/);
  });

  test.each([
    ['a promise that never settles', () => new Promise<void>(() => {})],
    [
      'a copy that nobody completes',
      (req: HttpdReq) => {
        req.asyncHandlerBegin();
      },
    ],
  ])('%s: 500 after handlerTimeout, and what comes later is stale', async (_name, handler) => {
    const clock = new ManualClock();
    const kept: HttpdReq[] = [];
    const server = await serve(
      {
        'GET /': req => {
          kept.push(req);
          return handler(req);
        },
        'GET /ok': ok,
      },
      { handlerTimeout: 10, idleTimeout: 0 },
      { clock },
    );
    const client = await connectTo(server);
    client.send(request('GET /'));
    await until(() => expect(kept).toHaveLength(1));
    clock.advance(9_000);
    await stillServes(server, '/ok');
    expect(client.received).toHaveLength(0);
    clock.advance(3_000);
    expect((await client.readResponse()).status).toBe(500);
    expect(await client.closed()).toBe('fin');
    expect(await errorOf(() => kept[0]?.respSend('late'))).toBe('ESP_ERR_HTTPD_INVALID_REQ');
    await stillServes(server, '/ok');
  });

  test('handlerTimeout is about the first byte: one that streams may take its time', async () => {
    const clock = new ManualClock();
    const gate = deferred();
    const server = await serve(
      {
        'GET /': async req => {
          await req.respSendChunk('slow ');
          await gate.promise;
          await req.respSendChunk('stream');
          await req.respSendChunk();
        },
      },
      { handlerTimeout: 10 },
      { clock },
    );
    const client = await connectTo(server);
    await client.send(request('GET /')).readUntil('slow \r\n');
    clock.advance(600_000);
    gate.resolve();
    expect((await client.readUntil('0\r\n\r\n')).toString()).toContain('stream');
  });

  test('handlerTimeout 0 is for ever', async () => {
    const clock = new ManualClock();
    const gate = deferred();
    const started = deferred();
    const server = await serve(
      {
        'GET /': async req => {
          started.resolve();
          await gate.promise;
          await req.respSend('at last');
        },
      },
      { handlerTimeout: 0, idleTimeout: 5, recvWaitTimeout: 5 },
      { clock },
    );
    const client = await connectTo(server);
    client.send(request('GET /'));
    await started.promise;
    clock.advance(1_000_000);
    gate.resolve();
    expect((await client.readResponse()).text).toBe('at last');
  });

  test('a registered 500 handler answers for a handler that hangs', async () => {
    const clock = new ManualClock();
    const started = deferred();
    const server = await serve(
      {
        'GET /': () => {
          started.resolve();
          return new Promise<void>(() => {});
        },
      },
      { handlerTimeout: 10 },
      { clock },
    );
    server.registerErrHandler(0, req => req.respSend(`sorry for ${req.uri}`));
    const client = await connectTo(server);
    client.send(request('GET /'));
    await started.promise;
    clock.advance(13_000);
    expect((await client.readResponse()).text).toBe('sorry for /');
    expect(await client.closed()).toBe('fin');
  });
});

describe('a handler that answers too late', () => {
  test('after it has returned: its request is over, the next one of the session is not touched', async () => {
    const late = deferred<HttpdReq>();
    const server = await serve({
      'GET /early': req => {
        void req.respSend('early');
        late.resolve(req);
      },
      'GET /next': async req => {
        const stale = await late.promise;
        const names = [];
        for (const call of [
          () => stale.respSend('late'),
          () => stale.respSendChunk('late'),
          () => stale.respSendErr(6),
          () => stale.send('late'),
          () => stale.respSetStatus('404 Not Found'),
          () => stale.respSetHdr('X-Late', 'yes'),
          () => stale.recv(Buffer.alloc(1)),
          () => stale.asyncHandlerBegin(),
          () => stale.asyncHandlerComplete(),
          () => stale.handleErr(6),
        ]) {
          names.push(await errorOf(call));
        }
        await req.respSend(names.join());
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /early') + request('GET /next'));
    expect((await client.readResponse()).text).toBe('early');
    const response = await client.readResponse();
    expect(response.text).toBe(Array(10).fill('ESP_ERR_HTTPD_INVALID_REQ').join());
    expect(response.headers['x-late']).toBeUndefined();
    expect(await isOpen(client, '/early')).toBe(true);
  });

  test.each([
    ['FIN and close', (client: { destroy(): void }) => client.destroy()],
    ['reset', (client: { reset(): unknown }) => client.reset()],
  ])('after the client has left with %s: the send rejects and nobody is harmed', async (_name, leave) => {
    const gate = deferred();
    const name = deferred<string>();
    const started = deferred();
    const server = await serve({
      'GET /': async req => {
        started.resolve();
        await gate.promise;
        name.resolve(await errorOf(() => req.respSend('late')));
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    client.send(request('GET /'));
    await started.promise;
    server.on('disconnected', () => gate.resolve());
    leave(client);
    if (_name !== 'reset') gate.resolve();
    expect(['ESP_ERR_HTTPD_RESP_SEND', 'none']).toContain(await name.promise);
    if (_name === 'reset') expect(await name.promise).toBe('ESP_ERR_HTTPD_RESP_SEND');
    await stillServes(server, '/ok');
    await until(() => expect(server.getClientList()).toEqual([]));
  });
});

describe('a client that resets', () => {
  const steps: Record<string, string> = {
    'before it has sent a byte': '',
    'during the head': 'GET / HTTP/1.1\r\nHo',
    'during the body': request('POST /read', 'Content-Length: 100').concat('part'),
    'during the body in chunks': request('POST /read', 'Transfer-Encoding: chunked').concat('5\r\nab'),
    'during a body that is dropped': request('POST /drop', 'Content-Length: 100').concat('part'),
    'during the handler': request('GET /hang'),
    'during a response in chunks': request('GET /stream'),
    'during a large response': request('GET /large'),
    'between requests': request('GET /ok'),
  };
  test.each(Object.entries(steps))('%s leaves no session, no handler and no harm behind', async (step, bytes) => {
    const closed: number[] = [];
    let ended = 0;
    const track =
      (handler: UriHandler): UriHandler =>
      async req => {
        try {
          await handler(req);
        } finally {
          ended += 1;
        }
      };
    let started = 0;
    const server = await serve(
      {
        'POST /read': track(async req => {
          started += 1;
          await req.respSend(await req.text());
        }),
        'POST /drop': ok,
        'GET /hang': track(async req => {
          started += 1;
          await until(() => expect(closed).toHaveLength(1));
          await req.respSend('late');
        }),
        'GET /stream': track(async req => {
          started += 1;
          for (;;) {
            await req.respSendChunk('x'.repeat(1_000));
            await turns(1);
          }
        }),
        'GET /large': track(async req => {
          started += 1;
          await req.respSend('x'.repeat(8 * 1024 * 1024));
        }),
        'GET /ok': ok,
      },
      { closeFn: (_server, fd) => closed.push(fd) },
    );
    const client = await connectTo(server);
    client.send(bytes);
    if (/drop|between/.test(step)) await client.readResponse();
    else if (/response/.test(step)) await client.readUntil(200);
    else if (/handler|the body/.test(step)) await until(() => expect(started).toBe(1));
    else await until(() => expect(server.getClientList()).toHaveLength(1));
    client.reset();
    await until(() => expect(closed).toHaveLength(1));
    await until(() => expect(ended).toBe(started));
    expect(server.getClientList()).toEqual([]);
    await stillServes(server, '/ok');
  });
});
