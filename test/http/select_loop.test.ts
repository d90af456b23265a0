/** What a server shows of the select loop below it. */
import { Socket } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  IPPROTO_TCP,
  loadLibc,
  SO_KEEPALIVE,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
} from '../../src/port/libc.js';
import { backTo, heldAtRest } from '../support/held.js';
import { collectLog, connectTo, SELECT_LOOP } from '../support/server.js';
import { exchange, ok, request, serve, stillServes } from './support.js';

const onEpoll = SELECT_LOOP === 'epoll';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('release', () => {
  /** One server, one connection, one request; then the server stops. */
  async function oneLife(): Promise<void> {
    const server = await serve({ 'GET /': ok });
    const client = await connectTo(server);
    client.send(request('GET /'));
    expect((await client.readResponse()).status).toBe(200);
    const stopped = server.stop();
    await client.closed();
    client.end();
    await stopped;
  }

  test('200 servers one after the other leave no descriptor and no callback', { timeout: 60_000 }, async () => {
    await oneLife();
    const before = await heldAtRest();
    for (let i = 0; i < 200; i++) await oneLife();
    await backTo(before);
  });

  test('so do 50 at once', { timeout: 60_000 }, async () => {
    await oneLife();
    const before = await heldAtRest();
    await Promise.all(Array.from({ length: 50 }, oneLife));
    await backTo(before);
  });

  test('so does a server that could not listen, and one that stops before anybody has come', async () => {
    const first = await serve({ 'GET /': ok });
    await stillServes(first, '/');
    await first.stop();
    const before = await heldAtRest();
    await expect(serve({}, { host: '192.0.2.1' })).rejects.toMatchObject({ name: 'ESP_ERR_HTTPD_TASK' });
    // an empty label: no resolver is asked
    await expect(serve({}, { host: 'a..b' })).rejects.toMatchObject({
      name: 'ESP_ERR_HTTPD_TASK',
      cause: { code: 'ENOTFOUND' },
    });
    await (await serve({})).stop();
    await backTo(before);
  });
});

describe('configuration', () => {
  test("config.port: the log says at level 'trace' which loop it is", async () => {
    const { logger, lines } = collectLog('trace');
    await serve({}, { logger });
    expect(lines.filter(line => line.includes('select loop'))).toEqual([
      `V httpd: httpd_server_init: select loop: ${SELECT_LOOP}`,
    ]);
  });

  test.each([
    ['the values of ESP-IDF stand for 0', {}, [5, 5, 3]],
    ['given ones', { keepAliveIdle: 60, keepAliveInterval: 10, keepAliveCount: 4 }, [60, 10, 4]],
  ])('keepAliveEnable reaches the sockets: %s', async (_name, times, [idle = 0, interval, count]) => {
    const keepAlive = vi.spyOn(Socket.prototype, 'setKeepAlive');
    const setOption = onEpoll ? vi.spyOn(loadLibc(), 'setOption') : undefined;
    const server = await serve({ 'GET /': ok }, { keepAliveEnable: true, ...times });
    await stillServes(server, '/');
    if (setOption === undefined) {
      expect(keepAlive).toHaveBeenCalledWith(true, idle * 1000);
    } else {
      const set = setOption.mock.calls.map(([_fd, ...option]) => option);
      expect(set).toContainEqual([SOL_SOCKET, SO_KEEPALIVE, 1]);
      expect(set).toContainEqual([IPPROTO_TCP, TCP_KEEPIDLE, idle]);
      expect(set).toContainEqual([IPPROTO_TCP, TCP_KEEPINTVL, interval]);
      expect(set).toContainEqual([IPPROTO_TCP, TCP_KEEPCNT, count]);
    }
  });

  test('without keepAliveEnable nothing of the kind is set', async () => {
    const keepAlive = vi.spyOn(Socket.prototype, 'setKeepAlive');
    const setOption = onEpoll ? vi.spyOn(loadLibc(), 'setOption') : undefined;
    const server = await serve({ 'GET /': ok }, { keepAliveIdle: 60 });
    await stillServes(server, '/');
    expect(keepAlive).not.toHaveBeenCalled();
    expect(
      setOption?.mock.calls.some(([_fd, level, option]) => level === SOL_SOCKET && option === SO_KEEPALIVE),
    ).not.toBe(true);
  });

  test.skipIf(!onEpoll)('reusePort: two servers share a port, and both are asked', async () => {
    const routes = (name: string) => ({
      'GET /': (req: { respSend(text: string): unknown }) => void req.respSend(name),
    });
    const first = await serve(routes('first'), { reusePort: true });
    await serve(routes('second'), { reusePort: true, serverPort: first.port });
    const answers = new Set<string>();
    for (let i = 0; i < 200 && answers.size < 2; i++) answers.add((await exchange(first, request('GET /'))).text);
    expect(answers).toEqual(new Set(['first', 'second']));
  });

  test.skipIf(onEpoll)(
    'reusePort is refused: ESP_ERR_HTTPD_TASK, in words that name the port that has it',
    async () => {
      const starting = serve({}, { reusePort: true });
      await expect(starting).rejects.toMatchObject({ name: 'ESP_ERR_HTTPD_TASK' });
      await expect(starting).rejects.toThrow(/reusePort needs the epoll port/);
    },
  );

  test('backlogConn reaches the system', async () => {
    const listen = onEpoll ? vi.spyOn(loadLibc(), 'listen') : undefined;
    const server = await serve({ 'GET /': ok }, { backlogConn: 3 });
    await stillServes(server, '/');
    if (listen !== undefined) expect(listen.mock.calls.map(([_fd, backlog]) => backlog)).toEqual([3]);
  });
});
