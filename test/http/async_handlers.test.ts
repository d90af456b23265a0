import { describe, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import { connectTo } from '../support/server.js';
import { deferred, errorOf, exchange, isOpen, ok, request, serve, stillServes, turns, until } from './support.js';

describe('asyncHandlerBegin and asyncHandlerComplete', () => {
  test('the handler returns at once, the copy answers later with all that the original had', async () => {
    const server = await serve({});
    server.registerUriHandler({
      uri: '/',
      method: 1,
      userCtx: 'ctx',
      handler: req => {
        req.respSetHdr('X-Before', 'yes');
        const copy = req.asyncHandlerBegin();
        setImmediate(async () => {
          copy.respSetHdr('X-After', 'yes');
          const parts = [
            copy.uri,
            copy.method,
            copy.userCtx,
            copy.getHdrValueStr('x'),
            copy.toSockfd() === req.toSockfd(),
          ];
          await copy.respSend(parts.join());
          copy.asyncHandlerComplete();
        });
      },
    });
    const client = await connectTo(server);
    for (let i = 0; i < 2; i++) {
      const response = await client.send(request('GET /?q', 'X: y')).readResponse();
      expect(response.text).toBe('/?q,1,ctx,y,true');
      expect([response.headers['x-before'], response.headers['x-after']]).toEqual(['yes', 'yes']);
    }
  });

  test('the original is stale from then on', async () => {
    const names: string[] = [];
    const server = await serve({
      'GET /': async req => {
        const copy = req.asyncHandlerBegin();
        names.push(
          await errorOf(() => req.respSend('original')),
          await errorOf(() => req.recv(Buffer.alloc(1))),
          await errorOf(() => req.asyncHandlerBegin()),
          await errorOf(() => req.asyncHandlerComplete()),
        );
        await copy.respSend('copy');
        copy.asyncHandlerComplete();
      },
    });
    expect((await exchange(server, request('GET /'))).text).toBe('copy');
    expect(names).toEqual(Array(4).fill('ESP_ERR_HTTPD_INVALID_REQ'));
  });

  test('the session waits for complete, not for the answer', async () => {
    const gate = deferred();
    const served: string[] = [];
    const server = await serve({
      'GET /': req => {
        served.push(req.uri);
        const copy = req.asyncHandlerBegin();
        void copy.respSend(req.uri).then(async () => {
          await gate.promise;
          copy.asyncHandlerComplete();
        });
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    client.send(request('GET /?1') + request('GET /?2'));
    expect((await client.readResponse()).text).toBe('/?1');
    await stillServes(server, '/ok');
    expect(served).toEqual(['/?1']);
    gate.resolve();
    expect((await client.readResponse()).text).toBe('/?2');
  });

  test('complete without an answer: the client gets a 500', async () => {
    const server = await serve({
      'GET /': req => {
        const copy = req.asyncHandlerBegin();
        setImmediate(() => copy.asyncHandlerComplete());
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).status).toBe(500);
    expect(await client.closed()).toBe('fin');
    await stillServes(server, '/ok');
  });

  test('complete twice: the second is refused', async () => {
    const name = deferred<string>();
    const server = await serve({
      'GET /': req => {
        const copy = req.asyncHandlerBegin();
        setImmediate(async () => {
          await copy.respSend('ok');
          copy.asyncHandlerComplete();
          name.resolve(await errorOf(() => copy.asyncHandlerComplete()));
        });
      },
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).text).toBe('ok');
    expect(await name.promise).toBe('ESP_ERR_HTTPD_INVALID_REQ');
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('a handler that fails after it has begun: 500, and the copy is stale', async () => {
    const copies: HttpdReq[] = [];
    const server = await serve({
      'GET /': req => {
        copies.push(req.asyncHandlerBegin());
        throw new Error('on purpose');
      },
      'GET /ok': ok,
    });
    expect((await exchange(server, request('GET /'))).status).toBe(500);
    expect(await errorOf(() => copies[0]?.respSend('late'))).toBe('ESP_ERR_HTTPD_INVALID_REQ');
    await stillServes(server, '/ok');
  });

  test('the client leaves meanwhile: the send rejects, complete ends it, and the session is gone', async () => {
    const outcome = deferred<string[]>();
    const gone = deferred();
    const begun = deferred();
    const freed: unknown[] = [];
    const server = await serve({
      'GET /': req => {
        req.sessCtx = 'mine';
        req.freeCtx = ctx => freed.push(ctx);
        const copy = req.asyncHandlerBegin();
        begun.resolve();
        void gone.promise.then(async () => {
          const names = [await errorOf(() => copy.respSend('late'))];
          names.push(`${freed.length}`, await errorOf(() => copy.asyncHandlerComplete()));
          outcome.resolve(names);
        });
      },
      'GET /ok': ok,
    });
    server.on('disconnected', () => gone.resolve());
    const client = await connectTo(server);
    client.send(request('GET /'));
    await begun.promise;
    client.reset();
    expect(await outcome.promise).toEqual(['ESP_ERR_HTTPD_RESP_SEND', '0', 'none']);
    expect(freed).toEqual(['mine']);
    expect(server.getClientList()).toEqual([]);
    await stillServes(server, '/ok');
  });

  test('a handler that rejects when its copy has long completed harms no later request of the session', async () => {
    const gate = deferred();
    const rejected = deferred();
    const server = await serve({
      'GET /a': async req => {
        const copy = req.asyncHandlerBegin();
        await copy.respSend('a');
        copy.asyncHandlerComplete();
        await gate.promise;
        setImmediate(rejected.resolve);
        throw new Error('on purpose');
      },
      'GET /b': async req => {
        gate.resolve();
        await rejected.promise;
        await turns(2);
        await req.respSend('b');
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    client.send(request('GET /a') + request('GET /b'));
    expect((await client.readResponse()).text).toBe('a');
    expect((await client.readResponse()).text).toBe('b');
    expect(await isOpen(client, '/ok')).toBe(true);
  });

  test('a copy of a copy takes its place', async () => {
    const server = await serve({
      'GET /': req => {
        const first = req.asyncHandlerBegin();
        const second = first.asyncHandlerBegin();
        void turns(2).then(async () => {
          await second.respSend(await errorOf(() => first.respSend('first')));
          second.asyncHandlerComplete();
        });
      },
    });
    const client = await connectTo(server);
    expect((await client.send(request('GET /')).readResponse()).text).toBe('ESP_ERR_HTTPD_INVALID_REQ');
    expect(await isOpen(client, '/')).toBe(true);
  });

  test('a hundred sessions wait for their copies at a time and are answered in any order', async () => {
    const copies: HttpdReq[] = [];
    const server = await serve({
      'GET /': req => {
        copies.push(req.asyncHandlerBegin());
      },
    });
    const clients = await Promise.all(Array.from({ length: 100 }, () => connectTo(server)));
    for (const [i, client] of clients.entries()) client.send(request(`GET /?${i}`));
    await until(() => expect(copies).toHaveLength(100));
    for (const copy of copies.reverse()) {
      await copy.respSend(copy.getUrlQueryStr() ?? '');
      copy.asyncHandlerComplete();
    }
    const texts = await Promise.all(clients.map(async client => (await client.readResponse()).text));
    expect(texts).toEqual(clients.map((_, i) => `${i}`));
  });
});
