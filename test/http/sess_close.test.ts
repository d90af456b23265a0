import { describe, expect, test } from 'vitest';
import type { HttpdServer } from '../../src/httpd/server.js';
import { ManualClock } from '../support/clock.js';
import type { RawClient } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { deferred, errorOf, isOpen, ok, request, serve, stillServes, turns, until } from './support.js';

describe('openFn and closeFn', () => {
  test('each is called once per session, with its fd', async () => {
    const calls: string[] = [];
    const server = await serve(
      { 'GET /': ok },
      {
        openFn: (hd, fd) => {
          calls.push(`open ${fd} ${hd === server_()}`);
          return 0;
        },
        closeFn: (hd, fd) => calls.push(`close ${fd} ${hd === server_()}`),
      },
    );
    function server_() {
      return server;
    }
    const [a, b] = [await connectTo(server), await connectTo(server)];
    expect(await isOpen(a, '/')).toBe(true);
    expect(await isOpen(b, '/')).toBe(true);
    const [fdA, fdB] = server.getClientList();
    a.end();
    await a.closed();
    await until(() => expect(server.getClientList()).toEqual([fdB]));
    b.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    expect(calls).toEqual([`open ${fdA} true`, `open ${fdB} true`, `close ${fdA} true`, `close ${fdB} true`]);
  });

  test.each([
    ['returns ESP_FAIL', () => -1],
    [
      'throws',
      () => {
        throw new Error('on purpose');
      },
    ],
  ])('an openFn that %s: that connection is closed, its contexts freed, the next one served', async (_name, refuse) => {
    let refusing = true;
    const freed: unknown[] = [];
    const closed: number[] = [];
    const server = await serve(
      { 'GET /': ok },
      {
        openFn: (hd, fd) => {
          if (!refusing) return 0;
          hd.sessSetCtx(fd, 'ctx', ctx => freed.push(ctx));
          return refuse();
        },
        closeFn: (_hd, fd) => closed.push(fd),
      },
    );
    const client = await connectTo(server);
    expect(await client.closed()).toBe('fin');
    expect(client.received).toHaveLength(0);
    expect(server.getClientList()).toEqual([]);
    expect(freed).toEqual(['ctx']);
    expect(closed).toHaveLength(1);
    refusing = false;
    await stillServes(server, '/');
  });

  test('openFn may set contexts that handlers find', async () => {
    const server = await serve(
      {
        'GET /': req =>
          req.respSend(`${String(req.sessCtx)} ${String(req.handle.sessGetTransportCtx(req.toSockfd()))}`),
      },
      {
        openFn: (hd, fd) => {
          hd.sessSetCtx(fd, 'user');
          hd.sessSetTransportCtx(fd, 'transport');
        },
      },
    );
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).text).toBe('user transport');
  });

  test('a closeFn that throws harms nobody', async () => {
    const server = await serve(
      { 'GET /': ok },
      {
        closeFn: () => {
          throw new Error('on purpose');
        },
      },
    );
    for (let i = 0; i < 2; i++) {
      const client = await connectTo(server);
      expect(await isOpen(client, '/')).toBe(true);
      client.end();
      await client.closed();
      await until(() => expect(server.getClientList()).toEqual([]));
    }
  });

  /** Ways in which a session comes to its end, each with a client that has been served once. */
  const ENDS: Readonly<Record<string, (client: RawClient, server: HttpdServer) => unknown>> = {
    'its client leaves': client => client.end(),
    'its client resets the connection': client => client.reset(),
    'its last answer is sent, and its client stays': client => client.send(request('GET /', 'Connection: close')),
    'its request is broken': client => client.send('GET / HTTP/1.1\r\nno header\r\n\r\n'),
    sessTriggerClose: (_client, server) => server.sessTriggerClose(server.getClientList()[0] as number),
    'it is purged': (_client, server) => connectTo(server),
    'its server stops': (_client, server) => void server.stop(),
    'its client resets under a handler': async client => {
      client.send(request('GET /never'));
      await turns(5);
      client.reset();
    },
  };

  test.each(Object.entries(ENDS))(
    'when %s, both closeFn and disconnected still find the session, in this order, and then its contexts are freed',
    async (name, end) => {
      const story: unknown[] = [];
      const look = (what: string, server: HttpdServer, fd: number) => {
        const { address, port } = server.sessGetPeer(fd);
        const found = [server.sessGetCtx(fd), server.sessGetTransportCtx(fd), address, port];
        story.push([what, ...found, server.getClientList().includes(fd)]);
      };
      let first = 0;
      // the clock stands still: nobody's lingering ends
      const server = await serve(
        { 'GET /': ok, 'GET /never': () => new Promise(() => {}) },
        {
          maxOpenSockets: 1,
          lruPurgeEnable: true,
          openFn: (hd, fd) => {
            if (first !== 0) return;
            first = fd;
            hd.sessSetCtx(fd, 'ctx', ctx => story.push(`free ${String(ctx)}`));
            hd.sessSetTransportCtx(fd, 'transport', ctx => story.push(`free ${String(ctx)}`));
          },
          closeFn: (hd, fd) => {
            if (fd === first) look('closeFn', hd, fd);
          },
        },
        { clock: new ManualClock() },
      );
      server.on('disconnected', fd => {
        if (fd === first) look('disconnected', server, fd);
      });
      const client = await connectTo(server);
      const { localPort } = client;
      expect(await isOpen(client, '/')).toBe(true);
      await end(client, server);
      await until(() => expect(story.length).toBeGreaterThanOrEqual(2));
      const found = ['ctx', 'transport', '127.0.0.1', localPort, true];
      expect(story.slice(0, 2)).toEqual([
        ['closeFn', ...found],
        ['disconnected', ...found],
      ]);
      // under a handler they wait for it
      const freed = name.includes('handler') ? [] : ['free ctx', 'free transport'];
      expect(story.slice(2)).toEqual(freed);
      expect(server.getClientList()).not.toContain(first);
      expect(await errorOf(() => server.sessGetCtx(first))).toBe('ESP_ERR_NOT_FOUND');
    },
  );
});

describe('sessTriggerClose', () => {
  test('idle: FIN at once', async () => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    expect(await isOpen(client, '/')).toBe(true);
    server.sessTriggerClose(server.getClientList()[0] as number);
    expect((await client.readAll()).toString()).toBe('');
  });

  test('during a handler: the response goes out first, and says close', async () => {
    const started = deferred<number>();
    const gate = deferred();
    const server = await serve({
      'GET /': async req => {
        started.resolve(req.toSockfd());
        await gate.promise;
        await req.respSend('whole');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /') + request('GET /'));
    server.sessTriggerClose(await started.promise);
    gate.resolve();
    const response = await client.readResponse();
    expect([response.text, response.headers.connection]).toEqual(['whole', 'close']);
    expect((await client.readAll()).toString()).toBe('');
  });

  test('during a response in chunks: all of it goes out', async () => {
    const gate = deferred();
    const server = await serve({
      'GET /': async req => {
        await req.respSendChunk('first ');
        await gate.promise;
        await req.respSendChunk('second');
        await req.respSendChunk();
      },
    });
    const client = await connectTo(server);
    await client.send(request('GET /') + request('GET /')).readUntil('first ');
    server.sessTriggerClose(server.getClientList()[0] as number);
    gate.resolve();
    const rest = (await client.readAll()).toString();
    expect(rest).toMatch(/second\r\n0\r\n\r\n$/);
  });

  test('from its own handler, twice, and again when it is closing', async () => {
    const server = await serve({
      'GET /': async req => {
        req.handle.sessTriggerClose(req.toSockfd());
        req.handle.sessTriggerClose(req.toSockfd());
        await req.respSend('last');
      },
    });
    const client = await connectTo(server);
    client.send(request('GET /'));
    expect((await client.readResponse()).text).toBe('last');
    expect(await client.closed()).toBe('fin');
    for (const fd of server.getClientList()) server.sessTriggerClose(fd);
    expect(await errorOf(() => server.sessTriggerClose(9_999))).toBe('ESP_ERR_NOT_FOUND');
  });

  test('in the middle of a head', async () => {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    client.send('GET / HT');
    await stillServes(server, '/');
    server.sessTriggerClose(server.getClientList()[0] as number);
    expect((await client.readAll()).toString()).toBe('');
  });
});

describe('fds are never used again', () => {
  test('work queued for an fd that is closed meanwhile reaches no newer connection', async () => {
    const server = await serve({ 'GET /': ok });
    const old = await connectTo(server);
    expect(await isOpen(old, '/')).toBe(true);
    const fd = server.getClientList()[0] as number;
    const outcomes: string[] = [];
    const work = async () => {
      const calls = [
        () => server.socketSend(fd, Buffer.from('for the old one')),
        () => server.sessTriggerClose(fd),
        () => server.sessSetCtx(fd, 'for the old one'),
        () =>
          server.wsSendFrameAsync(fd, { type: 1, payload: 'x', len: 0, leftLen: 0, final: true, fragmented: false }),
      ];
      for (const call of calls) outcomes.push(await errorOf(call));
    };
    old.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    const fresh = await connectTo(server);
    expect(await isOpen(fresh, '/')).toBe(true);
    server.queueWork(work);
    await until(() => expect(outcomes).toHaveLength(4));
    expect(outcomes).toEqual(Array(4).fill('ESP_ERR_NOT_FOUND'));
    expect(server.getClientList()).not.toContain(fd);
    expect(await isOpen(fresh, '/')).toBe(true);
    expect(fresh.received).toHaveLength(0);
    expect(server.sessGetCtx(server.getClientList()[0] as number)).toBeUndefined();
  });

  test('they rise from session to session, and getClientList has the open ones', async () => {
    const server = await serve({ 'GET /': ok });
    const fds: number[] = [];
    for (let i = 0; i < 20; i++) {
      const client = await connectTo(server);
      expect(await isOpen(client, '/')).toBe(true);
      fds.push(...server.getClientList());
      client.end();
      await client.closed();
      await until(() => expect(server.getClientList()).toEqual([]));
    }
    expect(new Set(fds).size).toBe(20);
    expect([...fds].sort((a, b) => a - b)).toEqual(fds);
  });
});

test('a client that leaves after its answer frees its slot, though the handler has not ended', async () => {
  const closed: number[] = [];
  const gate = deferred();
  const server = await serve(
    {
      'GET /': async req => {
        await req.respSend('answered');
        await gate.promise;
      },
      'GET /async': async req => {
        await req.asyncHandlerBegin().respSend('answered');
      },
      'GET /ok': ok,
    },
    { closeFn: (_server, fd) => closed.push(fd) },
  );
  for (const path of ['/', '/async']) {
    const client = await connectTo(server);
    expect((await client.send(request(`GET ${path}`)).readResponse()).text).toBe('answered');
    client.end();
    expect(await client.closed()).toBe('fin');
  }
  await until(() => expect(server.getClientList()).toEqual([]));
  expect(closed).toHaveLength(2);
  gate.resolve();
  await stillServes(server, '/ok');
  expect(new Set(closed).size).toBe(closed.length);
});
