import { describe, expect, test } from 'vitest';
import type { UriHandler } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import type { RawClient } from '../support/raw_client.js';
import { collectLog, connectTo } from '../support/server.js';
import { deferred, errorOf, ok, request, serve, stillServes, until } from './support.js';

/** One connection to a server with these handlers, and what its free functions were called with. */
async function setup(handlers: readonly UriHandler[]) {
  const freed: unknown[] = [];
  const server = await serve(Object.fromEntries(handlers.map((handler, i) => [`GET /${i}`, handler])));
  const client = await connectTo(server);
  const get = (i: number) => client.send(request(`GET /${i}`)).readResponse();
  return { server, client, freed, get };
}

async function ended(server: HttpdServer, client: RawClient): Promise<void> {
  client.end();
  await client.closed();
  await until(() => expect(server.getClientList()).toEqual([]));
}

describe('sessCtx and freeCtx', () => {
  test('what a handler sets is there for the next request of the session, and freed once at its end', async () => {
    const freed: unknown[] = [];
    const seen: unknown[] = [];
    const ctx = { n: 1 };
    const { server, client, get } = await setup([
      req => {
        seen.push(req.sessCtx);
        req.sessCtx = ctx;
        req.freeCtx = each => freed.push(each);
        void req.respSend();
      },
      req => {
        seen.push(req.sessCtx, req.freeCtx !== undefined);
        void req.respSend();
      },
    ]);
    await get(0);
    await get(1);
    await get(1);
    expect(seen).toEqual([undefined, ctx, true, ctx, true]);
    expect(server.sessGetCtx(server.getClientList()[0] as number)).toBe(ctx);
    expect(freed).toEqual([]);
    await ended(server, client);
    expect(freed).toEqual([ctx]);
  });

  test('another session does not see it', async () => {
    const seen: unknown[] = [];
    const server = await serve({
      'GET /': req => {
        seen.push(req.sessCtx);
        req.sessCtx = 'mine';
        void req.respSend();
      },
    });
    for (let i = 0; i < 2; i++) await stillServes(server, '/');
    expect(seen).toEqual([undefined, undefined]);
  });

  test('replaced in a handler: the old one is freed with the old function, when the handler has ended', async () => {
    const calls: string[] = [];
    const { server, client, get } = await setup([
      req => {
        req.sessCtx = 'old';
        req.freeCtx = ctx => calls.push(`old free of ${String(ctx)}`);
        void req.respSend();
      },
      async req => {
        req.sessCtx = 'new';
        req.freeCtx = ctx => calls.push(`new free of ${String(ctx)}`);
        await req.respSend();
        calls.push('handler ends');
      },
    ]);
    await get(0);
    await get(1);
    await until(() => expect(calls).toEqual(['handler ends', 'old free of old']));
    await ended(server, client);
    expect(calls).toEqual(['handler ends', 'old free of old', 'new free of new']);
  });

  test('set to undefined: the old one is freed, and nothing at the end', async () => {
    const freed: unknown[] = [];
    const { server, client, get } = await setup([
      req => {
        req.sessCtx = 'old';
        req.freeCtx = ctx => freed.push(ctx);
        void req.respSend();
      },
      req => {
        req.sessCtx = undefined;
        void req.respSend();
      },
    ]);
    await get(0);
    await get(1);
    expect(freed).toEqual(['old']);
    await ended(server, client);
    expect(freed).toEqual(['old']);
  });

  test('ignoreSessCtxChanges: replaced ones are not freed, the last is; and it stays set for later requests', async () => {
    const freed: unknown[] = [];
    let count = 0;
    const flags: boolean[] = [];
    const { server, client, get } = await setup([
      req => {
        flags.push(req.ignoreSessCtxChanges);
        req.ignoreSessCtxChanges = true;
        count += 1;
        req.sessCtx = `ctx ${count}`;
        req.freeCtx = ctx => freed.push(ctx);
        void req.respSend();
      },
    ]);
    for (let i = 0; i < 3; i++) await get(0);
    expect(flags).toEqual([false, true, true]);
    expect(freed).toEqual([]);
    await ended(server, client);
    expect(freed).toEqual(['ctx 3']);
  });

  test.each([
    ['throws', () => Promise.reject(new Error('on purpose'))],
    ['returns ESP_FAIL', () => -1],
    ['does not answer', () => undefined],
  ])('a handler that %s: its context is freed once', async (_name, end) => {
    const freed: unknown[] = [];
    const { server, client, get } = await setup([
      req => {
        req.sessCtx = 'old';
        req.freeCtx = ctx => freed.push(ctx);
        void req.respSend();
      },
      req => {
        req.sessCtx = 'new';
        return end();
      },
    ]);
    await get(0);
    expect((await get(1)).status).toBe(500);
    await ended(server, client);
    expect(freed).toEqual(['old', 'new']);
  });

  test('the client leaves while a handler runs: freed once, and only when the handler has ended', async () => {
    const calls: unknown[] = [];
    const gate = deferred();
    const started = deferred();
    const server = await serve({
      'GET /': async req => {
        req.sessCtx = 'mine';
        req.freeCtx = ctx => calls.push(ctx);
        started.resolve();
        await gate.promise;
        calls.push(`in use: ${String(req.sessCtx)}`);
      },
      'GET /ok': ok,
    });
    server.on('disconnected', () => {
      calls.push('disconnected');
    });
    const client = await connectTo(server);
    client.send(request('GET /'));
    await started.promise;
    client.reset();
    await until(() => expect(calls).toEqual(['disconnected']));
    await stillServes(server, '/ok');
    gate.resolve();
    await until(() => expect(calls.filter(call => call !== 'disconnected')).toEqual(['in use: mine', 'mine']));
  });

  test('one from an earlier request is not freed under a handler that still uses it', async () => {
    const calls: unknown[] = [];
    const gate = deferred();
    const started = deferred();
    const { server, client, get } = await setup([
      req => {
        req.sessCtx = 'earlier';
        req.freeCtx = ctx => calls.push(ctx);
        req.handle.sessSetTransportCtx(req.toSockfd(), 'transport', ctx => calls.push(ctx));
        void req.respSend();
      },
      async () => {
        started.resolve();
        await gate.promise;
        calls.push('handler ends');
      },
    ]);
    await get(0);
    client.send(request('GET /1'));
    await started.promise;
    client.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
    expect(calls).toEqual([]);
    gate.resolve();
    await until(() => expect(calls).toEqual(['handler ends', 'earlier', 'transport']));
  });

  test('a free function that throws harms nobody', async () => {
    const freed: unknown[] = [];
    const { server, client, get } = await setup([
      req => {
        req.sessCtx = 'mine';
        req.freeCtx = () => {
          throw new Error('on purpose');
        };
        server_.sessSetTransportCtx(req.toSockfd(), 'transport', ctx => freed.push(ctx));
        void req.respSend();
      },
    ]);
    const server_: HttpdServer = server;
    await get(0);
    await ended(server, client);
    expect(freed).toEqual(['transport']);
    await stillServes(server, '/0');
  });
});

describe('sessSetCtx and sessGetCtx', () => {
  test('outside of a handler: the one before is freed at once, the same one is not', async () => {
    const calls: string[] = [];
    const { server, client, get } = await setup([ok]);
    await get(0);
    const fd = server.getClientList()[0] as number;
    const one = { n: 1 };
    server.sessSetCtx(fd, one, () => calls.push('first function'));
    server.sessSetCtx(fd, one, () => calls.push('second function'));
    expect(calls).toEqual([]);
    expect(server.sessGetCtx(fd)).toBe(one);
    server.sessSetCtx(fd, { n: 2 }, () => calls.push('third function'));
    expect(calls).toEqual(['second function']);
    await ended(server, client);
    expect(calls).toEqual(['second function', 'third function']);
    expect(await errorOf(() => server.sessGetCtx(fd))).toBe('ESP_ERR_NOT_FOUND');
  });

  test('in a handler of the session: it acts on req.sessCtx, and the session keeps what is set last', async () => {
    const freed: string[] = [];
    const seen: unknown[] = [];
    const free = (name: string) => (ctx: unknown) => freed.push(`${name} of ${String(ctx)}`);
    const { server, client, get } = await setup([
      req => {
        const fd = req.toSockfd();
        const hd = req.handle;
        hd.sessSetCtx(fd, 'a', free('A'));
        seen.push(req.sessCtx, hd.sessGetCtx(fd));
        hd.sessSetCtx(fd, 'b', free('B'));
        seen.push(req.sessCtx, [...freed]);
        void req.respSend();
      },
      req => {
        const fd = req.toSockfd();
        const hd = req.handle;
        // the session's own is freed when the handler ends, not under it
        hd.sessSetCtx(fd, 'c', free('C'));
        seen.push([...freed]);
        hd.sessSetCtx(fd, 'd', free('D'));
        seen.push([...freed]);
        void req.respSend();
      },
    ]);
    await get(0);
    expect(seen).toEqual(['a', 'a', 'b', ['A of a']]);
    await get(1);
    expect(seen.slice(4)).toEqual([['A of a'], ['A of a', 'C of c']]);
    expect(freed).toEqual(['A of a', 'C of c', 'B of b']);
    await ended(server, client);
    expect(freed).toEqual(['A of a', 'C of c', 'B of b', 'D of d']);
  });

  test("the session's own, set aside and set again in a handler, is not freed", async () => {
    const freed: string[] = [];
    const free = (ctx: unknown) => freed.push(String(ctx));
    const { server, client, get } = await setup([
      req => {
        req.handle.sessSetCtx(req.toSockfd(), 'own', free);
        void req.respSend();
      },
      req => {
        req.handle.sessSetCtx(req.toSockfd(), 'other', free);
        req.handle.sessSetCtx(req.toSockfd(), 'own', free);
        void req.respSend();
      },
    ]);
    await get(0);
    await get(1);
    expect(freed).toEqual(['other']);
    await ended(server, client);
    expect(freed).toEqual(['other', 'own']);
  });

  test('while a handler of another session runs, it is as outside', async () => {
    const freed: unknown[] = [];
    const gate = deferred();
    const { server, client, get } = await setup([
      ok,
      async req => {
        await gate.promise;
        await req.respSend();
      },
    ]);
    await get(0);
    const fd = server.getClientList()[0] as number;
    const other = await connectTo(server);
    other.send(request('GET /1'));
    server.sessSetCtx(fd, 'a', ctx => freed.push(ctx));
    server.sessSetCtx(fd, 'b', ctx => freed.push(ctx));
    expect(freed).toEqual(['a']);
    gate.resolve();
    await other.readResponse();
    other.end();
    await other.closed();
    await ended(server, client);
    expect(freed).toEqual(['a', 'b']);
  });
});

describe('transport context', () => {
  test('kept for the session, freed when replaced and at the end, once each', async () => {
    const freed: unknown[] = [];
    const free = (ctx: unknown) => freed.push(ctx);
    const { server, client, get } = await setup([ok]);
    await get(0);
    const fd = server.getClientList()[0] as number;
    expect(server.sessGetTransportCtx(fd)).toBeUndefined();
    server.sessSetTransportCtx(fd, 'a', free);
    server.sessSetTransportCtx(fd, 'a', free);
    expect(server.sessGetTransportCtx(fd)).toBe('a');
    server.sessSetTransportCtx(fd, 'b', free);
    expect(freed).toEqual(['a']);
    await ended(server, client);
    expect(freed).toEqual(['a', 'b']);
  });

  test('the user context is freed before it', async () => {
    const freed: unknown[] = [];
    const { server, client, get } = await setup([ok]);
    await get(0);
    const fd = server.getClientList()[0] as number;
    server.sessSetTransportCtx(fd, 'transport', ctx => freed.push(ctx));
    server.sessSetCtx(fd, 'user', ctx => freed.push(ctx));
    await ended(server, client);
    expect(freed).toEqual(['user', 'transport']);
  });
});

test('a uriMatchFn that throws: 500, and the context of the session is freed once', async () => {
  const freed: unknown[] = [];
  const { logger, lines } = collectLog('warn');
  const server = await serve(
    { 'GET /': ok },
    {
      logger,
      openFn: (hd, fd) => hd.sessSetCtx(fd, 'ctx', ctx => freed.push(ctx)),
      uriMatchFn: (template, uri) => {
        if (uri === '/bad') throw new Error('on purpose');
        return template === uri;
      },
    },
  );
  const client = await connectTo(server);
  const response = await client.send(request('GET /bad')).readResponse();
  expect([response.status, response.headers.connection]).toEqual([500, 'close']);
  expect(response.text).not.toContain('purpose');
  expect(await client.closed()).toBe('fin');
  client.end();
  await until(() => expect(freed).toEqual(['ctx']));
  await until(() => expect(server.getClientList()).toEqual([]));
  expect(lines.join('\n')).toContain('on purpose');
  expect(freed).toEqual(['ctx']);
  await stillServes(server, '/');
});
