import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { EspError } from '../../src/err.js';
import { httpdStart } from '../../src/httpd/start.js';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { type Clock, systemClock } from '../../src/sess/deadlines.js';
import { ManualClock } from '../support/clock.js';
import { compiledUrl } from '../support/compiled.js';
import { OVER_TLS, RawClient } from '../support/raw_client.js';
import { collectLog, connectTo, SELECT_LOOP, silent, startTestServer } from '../support/server.js';
import { deferred, errorOf, exchange, isOpen, ok, request, serve, stillServes, until } from './support.js';

describe('start', () => {
  test('a port in use rejects with ESP_ERR_HTTPD_TASK, the cause EADDRINUSE, and words that name the port', async () => {
    const first = await serve({ 'GET /': ok });
    const starting = httpdStart({ host: '127.0.0.1', serverPort: first.port, logger: silent() });
    await expect(starting).rejects.toBeInstanceOf(EspError);
    await expect(starting).rejects.toMatchObject({ name: 'ESP_ERR_HTTPD_TASK', cause: { code: 'EADDRINUSE' } });
    await expect(starting).rejects.toThrow(String(first.port));
    await stillServes(first, '/');
  });

  const mayBindAll = process.getuid?.() === 0 || process.platform === 'win32';
  test.skipIf(mayBindAll)(
    'a port that needs rights (skipped for root): ESP_ERR_HTTPD_TASK, the cause EACCES',
    async () => {
      await expect(httpdStart({ host: '127.0.0.1', serverPort: 1, logger: silent() })).rejects.toMatchObject({
        name: 'ESP_ERR_HTTPD_TASK',
        cause: { code: 'EACCES' },
      });
    },
  );

  test('an address that is not ours: ESP_ERR_HTTPD_TASK', async () => {
    const starting = httpdStart({ host: '192.0.2.1', serverPort: 0, logger: silent() });
    await expect(starting).rejects.toMatchObject({ name: 'ESP_ERR_HTTPD_TASK', cause: { code: 'EADDRNOTAVAIL' } });
  });

  test('port 0 picks a free one for each server, and two serve side by side', async () => {
    const [a, b] = [
      await serve({ 'GET /': req => req.respSend('a') }),
      await serve({ 'GET /': req => req.respSend('b') }),
    ];
    expect(a.port).toBeGreaterThan(0);
    expect(a.port).not.toBe(b.port);
    expect((await exchange(a, request('GET /'))).text).toBe('a');
    expect((await exchange(b, request('GET /'))).text).toBe('b');
  });

  test('without a host it listens on IPv4, and on IPv6 where there is IPv6', async () => {
    const server = await serve({ 'GET /': ok }, { host: undefined });
    await stillServes(server, '/');
    const v6 = await RawClient.connect(server.port, { host: '::1' }).catch(
      (error: NodeJS.ErrnoException) => error.code,
    );
    if (typeof v6 === 'string' || v6 === undefined) {
      expect(v6).toMatch(/EADDRNOTAVAIL|EAFNOSUPPORT|ENETUNREACH/);
    } else {
      expect((await v6.send(request('GET /')).readResponse()).status).toBe(200);
      v6.destroy();
    }
  });

  test('global contexts are there, and freed once when the server has stopped', async () => {
    const freed: unknown[] = [];
    const server = await startTestServer({
      globalUserCtx: { name: 'user' },
      globalUserCtxFreeFn: ctx => freed.push(ctx),
      globalTransportCtx: 'transport',
      globalTransportCtxFreeFn: ctx => freed.push(ctx),
    });
    expect(server.getGlobalUserCtx()).toEqual({ name: 'user' });
    expect(server.getGlobalTransportCtx()).toBe('transport');
    await server.stop();
    await server.stop();
    expect(freed).toEqual([{ name: 'user' }, 'transport']);
  });

  test('a global free function that throws does not keep the server from stopping', async () => {
    const freed: unknown[] = [];
    const server = await startTestServer({
      globalUserCtx: 1,
      globalUserCtxFreeFn: () => {
        throw new Error('on purpose');
      },
      globalTransportCtx: 2,
      globalTransportCtxFreeFn: ctx => freed.push(ctx),
    });
    await server.stop();
    expect(freed).toEqual([2]);
  });

  // biome-ignore lint/suspicious/noThenProperty: a promise of another make
  const foreign = { then: (_: unknown, no: (reason: Error) => void) => no(new Error('on purpose')) };
  test.each<[string, () => unknown]>([
    ['a promise', () => Promise.reject(new Error('on purpose'))],
    ['a thenable of another make', () => foreign],
  ])('a global free function whose result (%s) rejects is logged, and ends nothing', async (_name, fail) => {
    const { logger, lines } = collectLog('error');
    const server = await startTestServer({
      logger,
      globalUserCtx: 1,
      globalUserCtxFreeFn: fail,
      globalTransportCtx: 2,
      globalTransportCtxFreeFn: fail,
    });
    await server.stop();
    await until(() => expect(lines.filter(line => line.includes('on purpose'))).toHaveLength(2));
  });
});

describe('stop', () => {
  test('idle sessions end with FIN, new connections are refused, and the port is free', async () => {
    const server = await serve({ 'GET /': ok });
    const { port } = server;
    const client = await connectTo(server);
    expect(await isOpen(client, '/')).toBe(true);
    const stopped = server.stop();
    expect(await client.closed()).toBe('fin');
    client.end();
    await stopped;
    await expect(RawClient.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const next = createServer();
    await new Promise<void>((resolve, reject) => next.once('error', reject).listen(port, '127.0.0.1', resolve));
    await new Promise(resolve => next.close(resolve));
  });

  test('a running handler ends within the grace, its client gets the whole answer, and no other is served', async () => {
    const started = deferred();
    const gate = deferred();
    const served: string[] = [];
    const server = await serve({
      'GET /': async req => {
        served.push(req.uri);
        started.resolve();
        await gate.promise;
        await req.respSend('whole');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /?1') + request('GET /?2'));
    await started.promise;
    let stopped = false;
    const stopping = server.stop({ grace: 60 }).then(() => {
      stopped = true;
    });
    await expect(RawClient.connect(server.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(stopped).toBe(false);
    gate.resolve();
    const response = await client.readResponse();
    expect([response.text, response.headers.connection]).toEqual(['whole', 'close']);
    expect((await client.readAll()).toString()).toBe('');
    client.end();
    await stopping;
    expect(served).toEqual(['/?1']);
  });

  test('a handler that does not end is cut off when the grace is over, and told', async () => {
    const clock = new ManualClock();
    const started = deferred();
    const server = await serve(
      {
        'GET /': req => {
          req.asyncHandlerBegin();
          started.resolve();
        },
      },
      {},
      { clock },
    );
    const client = await connectTo(server);
    client.send(request('GET /'));
    await started.promise;
    const stopping = server.stop({ grace: 3 });
    await until(() => {
      clock.advance(4_000);
      expect(server.getClientList()).toEqual([]);
    });
    await stopping;
    await client.closed();
    expect(client.received).toHaveLength(0);
    expect(clock.running).toBe(0);
  });

  test.each([Number.POSITIVE_INFINITY, Number.MAX_VALUE, 2_147_484])(
    'grace %d, longer than a timer can be, lets a handler end',
    async grace => {
      const started = deferred();
      const gate = deferred();
      const timers: number[] = [];
      const clock: Clock = {
        ...systemClock,
        after(ms, fn) {
          timers.push(ms);
          return systemClock.after(ms, fn);
        },
      };
      const server = await serve(
        {
          'GET /': async req => {
            started.resolve();
            await gate.promise;
            await req.respSend('whole');
          },
        },
        {},
        { clock },
      );
      const client = await connectTo(server);
      client.send(request('GET /'));
      await started.promise;
      const stopping = server.stop({ grace });
      await expect(RawClient.connect(server.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      // a longer one overflows, and is one of 1 ms
      expect(timers.at(-1)).toBe(2 ** 31 - 1);
      gate.resolve();
      expect((await client.readResponse()).text).toBe('whole');
      client.end();
      await stopping;
    },
  );

  test('grace 0 ends sessions at once', async () => {
    const started = deferred();
    const server = await serve({
      'GET /': () => {
        started.resolve();
        return new Promise<void>(() => {});
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /'));
    await started.promise;
    await server.stop({ grace: 0 });
    await client.closed();
    expect(server.getClientList()).toEqual([]);
  });

  test('twice, at the same time or later, is one stop', async () => {
    const server = await serve({});
    let stops = 0;
    server.on('stop', () => {
      stops += 1;
    });
    await Promise.all([server.stop(), server.stop({ grace: 0 })]);
    await server.stop();
    expect(stops).toBe(1);
  });

  // a plain server of its own
  test.skipIf(OVER_TLS)('await using stops it', async () => {
    let port = 0;
    {
      await using server = await httpdStart({ host: '127.0.0.1', serverPort: 0, logger: silent() });
      server.registerUriHandler({ uri: '/', method: 1, handler: ok });
      await stillServes(server, '/');
      port = server.port;
    }
    await expect(RawClient.connect(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('a handler may stop its own server', async () => {
    const stopping = deferred<Promise<void>>();
    const server = await serve({
      'GET /': async req => {
        stopping.resolve(Promise.resolve().then(() => req.handle.stop()));
        await req.respSend('bye');
      },
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).text).toBe('bye');
    client.end();
    await client.closed();
    await stopping.promise;
    expect(server.getClientList()).toEqual([]);
  });

  test.skipIf(OVER_TLS)('the process exits by itself behind it', async () => {
    const program = `
      import * as net from 'node:net';
      import { httpdStart, HTTP_GET } from ${JSON.stringify(compiledUrl('src/index.ts'))};
      const server = await httpdStart({ host: '127.0.0.1', serverPort: 0, port: '${SELECT_LOOP}' });
      server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('served') });
      const client = net.connect(server.port, '127.0.0.1');
      client.write('GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n');
      client.on('data', async data => {
        process.stdout.write(String(data).endsWith('served') ? 'served ' : 'wrong ');
        await server.stop();
        process.stdout.write('stopped');
      });
    `;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      env: { ...process.env, HTTPD_LOG: 'silent' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', chunk => {
      output += chunk;
    });
    child.stderr.on('data', chunk => {
      errors += chunk;
    });
    const code = await new Promise<number | null>(resolve => child.on('close', resolve));
    expect({ code, output, errors }).toEqual({ code: 0, output: 'served stopped', errors: '' });
  });
});

describe('registerUriHandler and the like while the server runs', () => {
  test('handlers come and go between the requests of a connection', async () => {
    const server = await serve({});
    server.registerErrHandler(6, req => req.respSend('nothing').then(() => 0));
    const client = await connectTo(server);
    const get = async () => (await client.send(request('GET /x')).readResponse()).text;
    expect(await get()).toBe('nothing');
    server.registerUriHandler({ uri: '/x', method: 1, handler: req => req.respSend('first') });
    expect(await get()).toBe('first');
    server.unregisterUriHandler('/x', 1);
    server.registerUriHandler({ uri: '/x', method: 1, handler: req => req.respSend('second') });
    expect(await get()).toBe('second');
    server.unregisterUri('/x');
    expect(await get()).toBe('nothing');
  });

  test('a handler that unregisters itself answers the request that it runs for', async () => {
    const server = await serve({
      'GET /x': req => {
        req.handle.unregisterUriHandler('/x', 1);
        void req.respSend('once');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /x').repeat(2));
    expect((await client.readResponse()).text).toBe('once');
    expect((await client.readResponse()).status).toBe(404);
  });

  test('maxUriHandlers: one more is ESP_ERR_HTTPD_HANDLERS_FULL; removing one makes room', async () => {
    const server = await serve({}, { maxUriHandlers: 8 });
    const register = (uri: string) => errorOf(() => server.registerUriHandler({ uri, method: 1, handler: ok }));
    const names = [];
    for (let i = 0; i < 9; i++) names.push(await register(`/${i}`));
    expect(names).toEqual([...Array(8).fill('none'), 'ESP_ERR_HTTPD_HANDLERS_FULL']);
    server.unregisterUriHandler('/0', 1);
    expect(await register('/8')).toBe('none');
    await stillServes(server, '/8');
  });

  test('the same URI and method twice is ESP_ERR_HTTPD_HANDLER_EXISTS, and the first goes on', async () => {
    const server = await serve({ 'GET /x': req => req.respSend('first'), 'ANY /any': ok });
    const register = (uri: string, method: number) =>
      errorOf(() => server.registerUriHandler({ uri, method, handler: ok }));
    expect(await register('/x', 1)).toBe('ESP_ERR_HTTPD_HANDLER_EXISTS');
    expect(await register('/any', 3)).toBe('ESP_ERR_HTTPD_HANDLER_EXISTS');
    expect(await register('/x', 3)).toBe('none');
    expect((await exchange(server, request('GET /x'))).text).toBe('first');
  });

  test('what is not registered can not be removed: ESP_ERR_NOT_FOUND', async () => {
    const server = await serve({ 'GET /x': ok });
    expect(await errorOf(() => server.unregisterUriHandler('/x', 3))).toBe('ESP_ERR_NOT_FOUND');
    expect(await errorOf(() => server.unregisterUriHandler('/y', 1))).toBe('ESP_ERR_NOT_FOUND');
    expect(await errorOf(() => server.unregisterUri('/y'))).toBe('ESP_ERR_NOT_FOUND');
    await stillServes(server, '/x');
  });

  test('templates with uriMatchWildcard: the first registered that fits serves', async () => {
    const server = await serve(
      {
        'GET /api/exact': req => req.respSend('exact'),
        'GET /api/*': req => req.respSend('api'),
        'GET /?*': req => req.respSend('all'),
      },
      { uriMatchFn: uriMatchWildcard },
    );
    for (const [path, text] of [
      ['/api/exact', 'exact'],
      ['/api/exact?x=/other', 'exact'],
      ['/api/else', 'api'],
      ['/api/', 'api'],
      ['/api', 'all'],
      ['/', 'all'],
    ]) {
      expect((await exchange(server, request(`GET ${path}`))).text, path).toBe(text);
    }
  });

  test('a uriMatchFn that throws is answered with 500, and harms no other', async () => {
    const server = await serve(
      { 'GET /': ok },
      {
        uriMatchFn: (template, uri) => {
          if (uri === '/bad') throw new Error('on purpose');
          return template === uri;
        },
      },
    );
    const client = await connectTo(server);
    expect((await client.send(request('GET /bad')).readResponse()).status).toBe(500);
    await client.closed();
    await stillServes(server, '/');
  });
});
