import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { metricsUriHandler } from '../../src/web/metrics.js';
import { ManualClock } from '../support/clock.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { buildFrame, handshakeRequest, PING, TEXT } from '../support/ws_frames.js';
import { exchange, ok, post, request, serve } from './support.js';

describe('getStats', () => {
  test('of a fresh server is all zeros, but for its time', async () => {
    const clock = new ManualClock();
    const server = await serve({}, {}, { clock });
    clock.advance(2_500);
    const stats = server.getStats();
    expect(stats.uptime).toBe(2.5);
    const numbers: number[] = [];
    JSON.stringify({ ...stats, uptime: 0, handlerTime: { ...stats.handlerTime, le: [] } }, (_, value: unknown) => {
      if (typeof value === 'number') numbers.push(value);
      return value;
    });
    expect(numbers.length).toBeGreaterThan(30);
    expect(new Set(numbers)).toEqual(new Set([0]));
  });

  test('counts requests, responses by class, and bytes', async () => {
    const server = await serve({
      'GET /': ok,
      'GET /moved': req => {
        req.respSetStatus('301 Moved Permanently');
        void req.respSend();
      },
      'GET /fails': () => {
        throw new Error('broken');
      },
    });
    let received = 0;
    let sent = 0;
    for (const text of [
      request('GET /'),
      request('GET /moved'),
      request('GET /none'),
      request('GET /fails'),
      'x\r\n\r\n',
    ]) {
      const client = await connectTo(server);
      client.send(text).end();
      received += text.length;
      sent += (await client.readAll()).length;
    }
    expect(server.getStats()).toMatchObject({
      requests: { served: 4, malformed: 1 },
      responses: { '1xx': 0, '2xx': 1, '3xx': 1, '4xx': 1, '5xx': 2 },
      bytes: { received, sent },
      handlerTime: { count: 5 },
    });
  });

  test('tells what sessions do', async () => {
    let open = () => {};
    const gate = new Promise<void>(resolve => {
      open = resolve;
    });
    const server = await serve({
      'GET /': ok,
      'GET /waits': async req => {
        await gate;
        await req.respSend();
      },
      'POST /leaves': req => void req.respSend(),
    });
    server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => {} });
    const clients = await Promise.all(Array.from({ length: 5 }, () => connectTo(server)));
    clients[0]?.send(request('GET /'));
    clients[1]?.send('GET / HT');
    clients[2]?.send(request('GET /waits'));
    clients[3]?.send(post('/leaves', 'x'.repeat(100)).slice(0, -1));
    clients[4]?.send(handshakeRequest({ path: '/ws' }));
    await expect
      .poll(() => server.getStats().sessions.now)
      .toEqual({ idle: 1, head: 1, handling: 1, purging: 1, websocket: 1, closing: 0 });
    expect(server.getStats().sessions.opened).toBe(5);
    expect(server.getStats().responses).toMatchObject({ '1xx': 1 });
    open();
  });

  test('counts frames', async () => {
    const server = await serve({});
    server.registerUriHandler({
      uri: '/ws',
      method: HTTP_GET,
      isWebsocket: true,
      handleWsHandshake: false,
      handler: async req => {
        await req.wsSendFrame({ type: 1, final: true, fragmented: false, payload: 'yes', len: 0, leftLen: 0 });
      },
    });
    const client = await connectTo(server);
    client.send(handshakeRequest({ path: '/ws' }));
    await client.readUntil('\r\n\r\n');
    client.send(Buffer.concat([TEXT, TEXT, PING].map(opcode => buildFrame({ opcode, payload: 'ping' }))));
    await client.readUntil('ping');
    expect(server.getStats().wsFrames).toEqual({ received: 3, sent: 2 });
  });

  // over TLS a refused connection ends before its handshake
  test.skipIf(OVER_TLS)('counts refusals and purges by their reason', async () => {
    const byPeer = await serve({ 'GET /': ok }, { maxSessPerIp: 1 });
    const full = await serve({ 'GET /': ok }, { maxOpenSockets: 1 });
    const purging = await serve({ 'GET /': ok }, { maxOpenSockets: 1, lruPurgeEnable: true });
    const picky = await serve({ 'GET /': ok }, { openFn: () => -1 });
    for (const server of [byPeer, full, purging]) {
      const client = await connectTo(server);
      await client.send(request('GET /')).readResponse();
      await exchange(server, request('GET /'));
    }
    await (await connectTo(picky)).closed();
    const refused = { maxOpenSockets: 0, maxSessPerIp: 0, openFn: 0 };
    expect(byPeer.getStats().sessions).toMatchObject({ refused: { ...refused, maxSessPerIp: 1 }, purged: 0 });
    expect(full.getStats().sessions).toMatchObject({ refused: { ...refused, maxOpenSockets: 1 }, purged: 0 });
    expect(purging.getStats().sessions).toMatchObject({ refused, purged: 1 });
    expect(picky.getStats().sessions).toMatchObject({ refused: { ...refused, openFn: 1 } });
  });

  test('counts timeouts by what was waited for', async () => {
    const clock = new ManualClock();
    const server = await serve(
      {
        'POST /': async req => {
          await req.text();
        },
        'GET /never': () => new Promise<void>(() => {}),
      },
      { idleTimeout: 1, recvWaitTimeout: 1, handlerTimeout: 1 },
      { clock },
    );
    for (const [text, kind] of [
      ['', 'idle'],
      ['GET / HT', 'head'],
      [request('POST /', 'Content-Length: 5'), 'body'],
      [request('GET /never'), 'handler'],
    ] as const) {
      const before = server.getStats().bytes.received;
      const client = await connectTo(server);
      client.send(text);
      await expect.poll(() => server.getClientList().length).toBe(1);
      await expect.poll(() => server.getStats().bytes.received - before).toBe(text.length);
      await expect
        .poll(() => {
          clock.advance(500);
          return server.getStats().timeouts[kind];
        })
        .toBe(1);
      client.destroy();
    }
    expect(server.getStats().timeouts).toEqual({ head: 1, body: 1, idle: 1, handler: 1, send: 0, websocket: 0 });
  });

  test('tells what waits', async () => {
    const server = await serve({ 'GET /': req => void req.respSend(Buffer.alloc(8 * 1024 * 1024)) });
    const client = await connectTo(server);
    client.pause().send(request('GET /'));
    await expect.poll(() => server.getStats().queues.tx).toBeGreaterThan(0);
    server.queueWork(() => {});
    expect(server.getStats().queues.work).toBe(1);
    client.destroy();
    await expect.poll(() => server.getStats().queues).toEqual({ work: 0, tx: 0, wsMessages: 0 });
  });
});

describe('metricsUriHandler', () => {
  test('tells the same in the text format of Prometheus', async () => {
    const server = await serve({ 'GET /': ok, 'GET /metrics': metricsUriHandler() });
    await exchange(server, request('GET /'));
    const { headers, body } = await exchange(server, request('GET /metrics'));
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = body.toString();
    expect(text).toContain('# TYPE esp_httpd_requests_total counter\nesp_httpd_requests_total 2\n');
    expect(text).toContain('esp_httpd_responses_total{class="2xx"} 1\n');
    expect(text).toContain('esp_httpd_sessions{state="handling"} 1\n');
    expect(text).toContain('esp_httpd_sessions_refused_total{limit="maxSessPerIp"} 0\n');
    expect(text).toContain('esp_httpd_request_duration_seconds_bucket{le="+Inf"} 1\n');
    expect(text).toContain('esp_httpd_request_duration_seconds_count 1\n');
  });

  test('has a HELP and a TYPE before the samples of each metric, each sample a number, and counts that grow', async () => {
    const server = await serve({ 'GET /metrics': metricsUriHandler() });
    const text = (await exchange(server, request('GET /metrics'))).body.toString();
    let name = '';
    const seen = new Set<string>();
    for (const line of text.trimEnd().split('\n')) {
      const [, kind, named = ''] = /^# (HELP|TYPE) ([a-z_]+) .+$/.exec(line) ?? [];
      if (kind === 'HELP') {
        expect(seen.has(named)).toBe(false);
        seen.add(named);
        name = named;
      } else if (kind === 'TYPE') {
        expect(named).toBe(name);
      } else {
        expect(line).toMatch(new RegExp(`^${name}(_bucket|_sum|_count)?(\\{[a-z]+="[^"\\\\]+"\\})? [0-9.e+-]+$`));
      }
    }
    const below = [...text.matchAll(/_bucket\{le="[^"]+"\} (\d+)/g)].map(match => Number(match[1]));
    expect(below).toEqual([...below].sort((a, b) => a - b));
    expect(seen.size).toBe(17);
  });
});
