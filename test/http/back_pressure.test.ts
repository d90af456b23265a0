import { describe, expect, test, vi } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { ManualClock } from '../support/clock.js';
import { connectTo } from '../support/server.js';
import { deferred, errorOf, ok, pattern, request, serve, stillServes, turns } from './support.js';

/** More than all buffers between server and client hold. */
const LARGE = 16 * 1024 * 1024;
const LARGE_BODY = pattern(LARGE);

describe('a slow reader', () => {
  test('the promise of respSend waits until the client reads, and every byte arrives', async () => {
    let resolved = false;
    const done = deferred();
    const server = await serve({
      'GET /': async req => {
        await req.respSend(LARGE_BODY);
        resolved = true;
        done.resolve();
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    client.pause().send(request('GET /'));
    await vi.waitFor(() => expect(server.getClientList()).toHaveLength(1));
    for (let i = 0; i < 5; i++) await stillServes(server, '/ok');
    expect(resolved).toBe(false);
    client.resume();
    expect((await client.readResponse()).body.equals(LARGE_BODY)).toBe(true);
    await done.promise;
  });

  test('a handler that awaits each chunk never has more than a few of them in memory', async () => {
    const chunk = pattern(64 * 1024);
    const chunks = LARGE / chunk.length;
    let sent = 0;
    const server = await serve({
      'GET /': async req => {
        for (; sent < chunks; sent++) await req.respSendChunk(chunk);
        await req.respSendChunk();
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    client.pause().send(request('GET /'));
    // it stops when the buffers of the system are full
    let before = -1;
    await vi.waitFor(async () => {
      const now = sent;
      const stands = now > 0 && now === before;
      before = now;
      await turns(20);
      expect(stands).toBe(true);
    });
    expect(sent).toBeLessThan(chunks);
    await stillServes(server, '/ok');
    client.resume();
    const { body } = await client.readResponse();
    expect(body.length).toBe(LARGE);
    expect(body.subarray(-chunk.length).equals(chunk)).toBe(true);
  });

  test('while a response waits, the next request of the session does too', async () => {
    const served: string[] = [];
    const server = await serve({
      'GET /large': req => {
        served.push('large');
        void req.respSend(LARGE_BODY);
      },
      'GET /next': req => {
        served.push('next');
        void req.respSend('next');
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    client.pause().send(request('GET /large') + request('GET /next'));
    await vi.waitFor(() => expect(served).toContain('large'));
    await stillServes(server, '/ok');
    await turns(20);
    expect(served).toEqual(['large']);
    client.resume();
    expect((await client.readResponse()).body.length).toBe(LARGE);
    expect((await client.readResponse()).text).toBe('next');
  });

  test('sendWaitTimeout: a client that reads nothing is cut off, and the send rejects', async () => {
    const clock = new ManualClock();
    const name = deferred<string>();
    const started = deferred();
    const server = await serve(
      {
        'GET /': async req => {
          const sending = req.respSend(LARGE_BODY);
          started.resolve();
          name.resolve(await errorOf(() => sending));
        },
        'GET /ok': ok,
      },
      { sendWaitTimeout: 4, handlerTimeout: 0 },
      { clock },
    );
    const client = await connectTo(server);
    client.pause().send(request('GET /'));
    await started.promise;
    await stillServes(server, '/ok');
    await vi.waitFor(() => {
      clock.advance(6_000);
      expect(server.getClientList()).toEqual([]);
    });
    expect(await name.promise).toBe('ESP_ERR_HTTPD_RESP_SEND');
    // the socket must not live on until the client reads: a write shows whether it does
    expect(await client.send('x').closed()).toBe('reset');
    await stillServes(server, '/ok');
  });

  test('sendWaitTimeout counts from the last progress: a client that reads slowly is served', async () => {
    const clock = new ManualClock();
    const server = await serve({ 'GET /': req => req.respSend(LARGE_BODY) }, { sendWaitTimeout: 4 }, { clock });
    const client = await connectTo(server);
    client.send(request('GET /'));
    await client.readUntil('\r\n\r\n');
    // every 2 MiB that come in 3 seconds are progress
    for (let got = 0; got < LARGE; got += 2 * 1024 * 1024) {
      client.resume();
      await client.readUntil(bytes => (bytes.length >= Math.min(got + 2 * 1024 * 1024, LARGE) ? 0 : -1));
      client.pause();
      await turns(5);
      clock.advance(3_000);
    }
    client.resume();
    expect((await client.readUntil(LARGE)).equals(LARGE_BODY)).toBe(true);
  });

  test('one that leaves while a response is on its way: the send rejects, others are served', async () => {
    const name = deferred<string>();
    const started = deferred();
    const server = await serve({
      'GET /': async req => {
        const sending = req.respSend(LARGE_BODY);
        started.resolve();
        name.resolve(await errorOf(() => sending));
      },
      'GET /ok': ok,
    });
    const client = await connectTo(server);
    client.pause().send(request('GET /'));
    await started.promise;
    client.reset();
    expect(await name.promise).toBe('ESP_ERR_HTTPD_RESP_SEND');
    await stillServes(server, '/ok');
  });
});

describe('maxTxPending', () => {
  const limit = 1024 * 1024;
  const chunk = pattern(256 * 1024);

  /** Sends chunks without waiting, to a client that does not read, until one is refused. */
  async function overflow(txOverflow: HttpdConfig['txOverflow']) {
    const outcome = deferred<{ accepted: number; name: string; after: string }>();
    const server = await serve(
      {
        'GET /': async (req: HttpdReq) => {
          let accepted = 0;
          const outcomes: Promise<string>[] = [];
          let refused: string | undefined;
          while (refused === undefined && accepted < 200) {
            const result = errorOf(() => req.respSendChunk(chunk));
            outcomes.push(result);
            refused =
              (await Promise.race([result.then(name => (name === 'none' ? undefined : name)), turns(2)])) ?? undefined;
            accepted += 1;
          }
          const after = await errorOf(() => req.respSendChunk('more'));
          outcome.resolve({ accepted: accepted - 1, name: refused ?? 'none', after });
        },
        'GET /ok': ok,
      },
      { maxTxPending: limit, txOverflow },
    );
    const client = await connectTo(server);
    client.pause().send(request('GET /'));
    return { server, client, ...(await outcome.promise) };
  }

  test.each(['close', 'drop'] as const)(
    'txOverflow %s ends the session: a piece of a response can not be left out',
    async policy => {
      const { server, client, accepted, name, after } = await overflow(policy);
      expect(accepted).toBeGreaterThanOrEqual(limit / chunk.length);
      expect(accepted).toBeLessThan(200);
      expect([name, after]).toEqual(['ESP_ERR_HTTPD_RESP_SEND', 'ESP_ERR_HTTPD_RESP_SEND']);
      await vi.waitFor(() => expect(server.getClientList()).toEqual([]));
      expect(await client.send('x').closed()).toBe('reset');
      await stillServes(server, '/ok');
    },
  );

  test('txOverflow error refuses the chunk and keeps the session; what was accepted arrives', async () => {
    const { server, client, accepted, name } = await overflow('error');
    expect(accepted).toBeGreaterThanOrEqual(limit / chunk.length);
    expect(name).toBe('ESP_ERR_HTTPD_RESP_SEND');
    client.resume();
    const all = await client.readAll();
    const body = all.subarray(all.indexOf('\r\n\r\n') + 4);
    const wire = 7 + chunk.length + 2;
    expect(body.subarray(0, 7).toString()).toBe('40000\r\n');
    expect(body.length).toBeGreaterThanOrEqual(accepted * wire);
    for (let i = 0; i < accepted; i++) {
      expect(body.subarray(i * wire + 7, i * wire + 7 + chunk.length).equals(chunk)).toBe(true);
    }
    await stillServes(server, '/ok');
  });
});
