import { describe, expect, test } from 'vitest';
import type { HttpdServer } from '../../src/httpd/server.js';
import { ManualClock } from '../support/clock.js';
import { OVER_TLS, type RawClient } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { deferred, isOpen, ok, pattern, request, serve, stillServes, turns, until } from './support.js';

/** A client that has been served, and the fd of its session. */
async function session(server: HttpdServer): Promise<{ client: RawClient; fd: number }> {
  const client = await connectTo(server);
  expect(await isOpen(client, '/')).toBe(true);
  return { client, fd: Math.max(...server.getClientList()) };
}

/** How many connections wait for their peers behind a last answer. */
function lingering(server: HttpdServer): number {
  return server.getStats().sessions.now.closing;
}

/** Sessions opened one after the other. */
async function sessions(server: HttpdServer, n: number) {
  const all = [];
  for (let i = 0; i < n; i++) all.push(await session(server));
  return all;
}

describe('maxOpenSockets', () => {
  test('one more is refused at once with 503, and the others go on', async () => {
    const server = await serve({ 'GET /': ok }, { maxOpenSockets: 3 });
    const open = await sessions(server, 3);
    const refused = await connectTo(server);
    // it has sent nothing yet
    const response = await refused.readResponse();
    expect(response.statusLine).toBe('HTTP/1.1 503 Service Unavailable');
    expect(response.headers.connection).toBe('close');
    expect(response.headers['retry-after']).toBe('5');
    expect(response.text).toMatch(/^<p>.+<\/p>$/);
    expect(await refused.closed()).toBe('fin');
    expect(refused.received).toHaveLength(0);
    expect(server.getClientList()).toEqual(open.map(each => each.fd));
    for (const { client } of open) expect(await isOpen(client, '/')).toBe(true);
  });

  test('the 503 reaches a client that sends its request first', async () => {
    const server = await serve({ 'GET /': ok }, { maxOpenSockets: 1 });
    await session(server);
    const refused = await connectTo(server);
    refused.send(request('POST /', 'Content-Length: 100000') + 'x'.repeat(100_000));
    expect((await refused.readResponse()).status).toBe(503);
    expect(await refused.closed()).toBe('fin');
  });

  test('when one leaves, there is room again', async () => {
    const server = await serve({ 'GET /': ok }, { maxOpenSockets: 1 });
    const { client, fd } = await session(server);
    client.end();
    await client.closed();
    await until(() => expect(server.getClientList()).toEqual([]));
    expect((await session(server)).fd).toBeGreaterThan(fd);
  });

  test('a refused connection is no session: no openFn, closeFn, events, or place in the client list', async () => {
    const calls: string[] = [];
    const server = await serve(
      { 'GET /': ok },
      {
        maxOpenSockets: 1,
        openFn: () => {
          calls.push('open');
        },
        closeFn: () => calls.push('close'),
      },
    );
    server.on('connected', () => calls.push('connected')).on('disconnected', () => calls.push('disconnected'));
    await session(server);
    const refused = await connectTo(server);
    await refused.readResponse();
    expect(server.getClientList()).toHaveLength(1);
    refused.end();
    await refused.closed();
    await turns(5);
    expect(calls).toEqual(['open', 'connected']);
  });

  // there may be as many handshakes as sessions: over TLS most make way before they can be told
  test.skipIf(OVER_TLS)('hundreds that come at once are refused or reset, and the session goes on', async () => {
    const server = await serve({ 'GET /': ok }, { maxOpenSockets: 1 });
    const { client } = await session(server);
    // a reset may come before the client knows that it is connected
    const connecting = await Promise.allSettled(Array.from({ length: 200 }, () => connectTo(server)));
    const refused = connecting.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []));
    await Promise.all(refused.map(each => each.closed()));
    expect(refused.filter(each => each.received.toString().startsWith('HTTP/1.1 503')).length).toBeGreaterThanOrEqual(
      64,
    );
    for (const each of refused) each.destroy();
    expect(await isOpen(client, '/')).toBe(true);
    expect(server.getClientList()).toHaveLength(1);
  });
});

describe('lruPurgeEnable', () => {
  const config = { maxOpenSockets: 3, lruPurgeEnable: true };

  test('the least recently used idle session makes room, and is told by FIN', async () => {
    const server = await serve({ 'GET /': ok }, config);
    const [a, b, c] = await sessions(server, 3);
    expect(await isOpen(a?.client as RawClient, '/')).toBe(true);
    const { fd } = await session(server);
    expect(await b?.client.closed()).toBe('fin');
    expect(server.getClientList()).toEqual([a?.fd, c?.fd, fd]);
    await session(server);
    expect(await c?.client.closed()).toBe('fin');
    expect(await isOpen(a?.client as RawClient, '/')).toBe(true);
  });

  test('sessUpdateLruCounter counts as use', async () => {
    const server = await serve({ 'GET /': ok }, config);
    const [a, b] = await sessions(server, 3);
    server.sessUpdateLruCounter(a?.fd as number);
    await session(server);
    expect(await b?.client.closed()).toBe('fin');
    expect(await isOpen(a?.client as RawClient, '/')).toBe(true);
  });

  test('sending counts as use', async () => {
    const gate = deferred();
    const sent = deferred();
    const server = await serve(
      {
        'GET /': ok,
        'GET /later': async req => {
          await gate.promise;
          await req.respSend('later');
          sent.resolve();
        },
      },
      config,
    );
    const [a, b] = await sessions(server, 2);
    a?.client.send(request('GET /later'));
    await stillServes(server, '/');
    expect(await isOpen(b?.client as RawClient, '/')).toBe(true);
    await session(server);
    // the answer is the last use of a, which has received nothing since
    gate.resolve();
    await sent.promise;
    expect((await a?.client.readResponse())?.text).toBe('later');
    await session(server);
    expect(await b?.client.closed()).toBe('fin');
    expect(await isOpen(a?.client as RawClient, '/')).toBe(true);
  });

  test('never one with a running handler: if all are busy, the new one is refused', async () => {
    const gate = deferred();
    const server = await serve(
      {
        'GET /': ok,
        'GET /busy': async req => {
          await gate.promise;
          await req.respSend('done');
        },
      },
      { ...config, maxOpenSockets: 2 },
    );
    const [a, b] = await sessions(server, 2);
    a?.client.send(request('GET /busy'));
    await turns(10);
    const third = await session(server);
    expect(await b?.client.closed()).toBe('fin');
    third.client.send(request('GET /busy'));
    await turns(10);
    const refused = await connectTo(server);
    expect((await refused.readResponse()).status).toBe(503);
    gate.resolve();
    expect((await a?.client.readResponse())?.text).toBe('done');
    expect((await third.client.readResponse()).text).toBe('done');
  });

  test('a refused connection that lingers is not taken for a session that makes room', async () => {
    const gate = deferred();
    const started = deferred();
    const server = await serve(
      {
        'GET /': ok,
        'GET /busy': async req => {
          started.resolve();
          await gate.promise;
          await req.respSend('done');
        },
      },
      { maxOpenSockets: 1, lruPurgeEnable: true },
    );
    const { client } = await session(server);
    client.send(request('GET /busy'));
    await started.promise;
    for (let i = 0; i < 5; i++) {
      // each stays half open after its 503
      const refused = await connectTo(server);
      expect((await refused.readResponse()).status).toBe(503);
    }
    expect(server.getClientList()).toHaveLength(1);
    gate.resolve();
    expect((await client.readResponse()).text).toBe('done');
  });

  test('never one with a queued send: a slow reader keeps its session', async () => {
    const large = pattern(8 * 1024 * 1024);
    const started = deferred();
    const server = await serve(
      {
        'GET /': ok,
        'GET /large': req => {
          void req.respSend(large);
          started.resolve();
        },
      },
      { ...config, maxOpenSockets: 2 },
    );
    const [slow, idle] = await sessions(server, 2);
    slow?.client.pause().send(request('GET /large'));
    await started.promise;
    expect(await isOpen(idle?.client as RawClient, '/')).toBe(true);
    await turns(20);
    await session(server);
    expect(await idle?.client.closed()).toBe('fin');
    slow?.client.resume();
    expect((await slow?.client.readResponse())?.body.length).toBe(large.length);
  });
});

describe('idleTimeout', () => {
  test('a session without a request ends; each request starts the time anew', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok }, { idleTimeout: 30 }, { clock });
    const { client } = await session(server);
    for (let i = 0; i < 4; i++) {
      clock.advance(25_000);
      expect(await isOpen(client, '/')).toBe(true);
    }
    clock.advance(32_000);
    expect((await client.readAll()).toString()).toBe('');
    await until(() => expect(server.getClientList()).toEqual([]));
  });

  test('is 75 seconds by default: a proxy that keeps connections for 60 ends them itself', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok }, {}, { clock });
    const { client } = await session(server);
    clock.advance(73_000);
    expect(await isOpen(client, '/')).toBe(true);
    clock.advance(77_000);
    expect((await client.readAll()).toString()).toBe('');
  });

  test('0 is for ever, and a quiet server runs no timer', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok }, { idleTimeout: 0 }, { clock });
    const { client } = await session(server);
    clock.advance(24 * 3_600_000);
    expect(clock.running).toBe(0);
    expect(await isOpen(client, '/')).toBe(true);
  });
});

describe('linger', () => {
  test('a client that does not close after the last response is reset in the end', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok }, {}, { clock });
    const client = await connectTo(server);
    expect((await client.send(request('GET /', 'Connection: close')).readResponse()).status).toBe(200);
    expect(await client.closed()).toBe('fin');
    expect(lingering(server)).toBe(1);
    clock.advance(3_000);
    expect(lingering(server)).toBe(0);
  });

  test.each([
    ['lingerTimeout 10', { enableSoLinger: true, lingerTimeout: 10 }, 9_000, 3_000],
    ['lingerTimeout without enableSoLinger', { enableSoLinger: false, lingerTimeout: 10 }, 1_000, 2_000],
  ])('%s: so long it waits', async (_name, config, before, after) => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': ok }, config, { clock });
    const client = await connectTo(server);
    await client.send(request('GET /', 'Connection: close')).readResponse();
    await client.closed();
    clock.advance(before);
    expect(lingering(server)).toBe(1);
    clock.advance(after);
    expect(lingering(server)).toBe(0);
  });
});
