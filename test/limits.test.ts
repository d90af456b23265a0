import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { HTTP_GET } from '../src/httpd/methods.js';
import { ok, request, serve, stillServes } from './http/support.js';
import { ManualClock } from './support/clock.js';
import type { RawClient } from './support/raw_client.js';
import { connectTo } from './support/server.js';

// Bounds that no other test reaches, most of them constants of the source; docs/limits.md lists them with the others.

describe('a client that goes on sending behind our FIN', () => {
  /** Sends `bytes` behind the answer to a broken request, to a server whose clock stands still. */
  async function sendBehind(bytes: number): Promise<{ client: RawClient; lingering: () => number }> {
    const server = await serve({ 'GET /': ok }, {}, { clock: new ManualClock() });
    const client = await connectTo(server);
    client.send('GET / HTTP/1.1\r\nno header\r\n\r\n');
    expect((await client.readResponse()).status).toBe(400);
    expect(await client.closed()).toBe('fin');
    client.socket.on('error', () => {});
    await new Promise<void>(resolve => client.socket.write(Buffer.alloc(bytes, 'x'), () => resolve()));
    await stillServes(server, '/');
    return { client, lingering: () => server.getStats().sessions.now.closing };
  }

  test('up to 64 MiB are discarded, and when it ends too there is no reset', async () => {
    const { client, lingering } = await sendBehind(64 * 1024 * 1024);
    expect(lingering()).toBe(1);
    const ended = once(client.socket, 'close');
    client.end();
    await vi.waitFor(() => expect(lingering()).toBe(0));
    expect(await ended).toEqual([false]);
  });

  test('with a byte more its connection ends', async () => {
    const { lingering } = await sendBehind(64 * 1024 * 1024 + 1);
    await vi.waitFor(() => expect(lingering()).toBe(0));
  });
});

describe('a receive override', () => {
  test('is asked for at most 16 KiB per call', async () => {
    const asked = new Set<number>();
    const server = await serve(
      {
        'POST /': async req => {
          await req.respSend(String((await req.text()).length));
        },
      },
      {
        openFn: (hd, fd) =>
          hd.sessSetRecvOverride(fd, (_hd, id, buf) => {
            asked.add(buf.length);
            return hd.socketRecv(id, buf);
          }),
      },
    );
    const client = await connectTo(server);
    client.send(request('POST /', 'Content-Length: 100000') + 'x'.repeat(100_000));
    expect((await client.readResponse()).text).toBe('100000');
    expect([...asked]).toEqual([16 * 1024]);
  });

  test('that leaves more than 256 KiB unread ends its session', async () => {
    const closed: number[] = [];
    let deaf = 0;
    const server = await serve(
      { 'GET /': ok },
      {
        openFn: (hd, fd) => {
          if (deaf === 0) deaf = fd;
          if (fd === deaf) hd.sessSetRecvOverride(fd, () => 0);
        },
        closeFn: (_server, fd) => closed.push(fd),
      },
    );
    const client = await connectTo(server);
    client.socket.on('error', () => {});
    await new Promise<void>(resolve => client.socket.write(Buffer.alloc(256 * 1024, 'x'), () => resolve()));
    await stillServes(server, '/');
    expect(closed).not.toContain(deaf);
    client.send('x');
    await vi.waitFor(() => expect(closed).toContain(deaf));
    await stillServes(server, '/');
  });
});

test('maxUriHandlers: one more is ESP_ERR_HTTPD_HANDLERS_FULL, until another is taken away', async () => {
  const server = await serve({ 'GET /a': ok, 'GET /b': ok }, { maxUriHandlers: 2 });
  const third = { uri: '/c', method: HTTP_GET, handler: ok };
  expect(() => server.registerUriHandler(third)).toThrow(
    expect.objectContaining({
      name: 'ESP_ERR_HTTPD_HANDLERS_FULL',
      message: expect.stringContaining('maxUriHandlers'),
    }),
  );
  await stillServes(server, '/b');
  server.unregisterUriHandler('/a', HTTP_GET);
  server.registerUriHandler(third);
  await stillServes(server, '/c');
});
