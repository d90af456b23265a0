import { once } from 'node:events';
import * as https from 'node:https';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import type { HttpdServer } from '../../src/httpd/server.js';
import { HTTPD_SSL_USER_CB_SESS_ERROR, type HttpdSslConfig } from '../../src/httpd/ssl.js';
import { ManualClock } from '../support/clock.js';
import { collectLog } from '../support/server.js';
import { afterwards, get, PATIENCE, startSsl } from './support.js';

// What handshakes that fail, or never end, may cost.

/** A server on a clock that stands still, and what it tells of handshakes that failed. */
async function start(config: Partial<HttpdSslConfig> = {}) {
  const clock = new ManualClock();
  const failed: string[] = [];
  const userCb: HttpdSslConfig['userCb'] = arg => {
    if (arg.state === HTTPD_SSL_USER_CB_SESS_ERROR) failed.push(arg.error.message);
  };
  return { server: await startSsl({ userCb, ...config }, { clock }), clock, failed };
}

/** The beginning of a handshake: the header of a record, and of a ClientHello that does not come. */
const BEGINNING = Buffer.from('16030102000100', 'hex');

/** A client that begins a handshake and does not go on. */
async function silent(server: HttpdServer, bytes: Uint8Array = BEGINNING): Promise<net.Socket> {
  const socket = net.connect(server.port, '127.0.0.1');
  afterwards(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  if (bytes.length > 0) socket.write(bytes);
  socket.resume();
  return socket;
}

const failures = (server: HttpdServer) => server.getStats().sessions.refused.tlsHandshake;
/** The server has seen the connections that were made before. */
const settle = (server: HttpdServer) => get(server);

test.each([
  ['sends nothing', Buffer.alloc(0)],
  ['stops in the middle', BEGINNING],
])('tlsHandshakeTimeoutMs: a client that %s is cut off after it, 10 s by default', async (_how, bytes) => {
  const { server, clock, failed } = await start();
  const client = await silent(server, bytes);
  await settle(server);
  clock.advance(9_999);
  await settle(server);
  expect(client.closed).toBe(false);
  clock.advance(1);
  await vi.waitFor(() => expect(client.closed).toBe(true), PATIENCE);
  expect(failed).toEqual(['it took longer than 10000 ms (tlsHandshakeTimeoutMs)']);
  expect(failures(server)).toBe(1);
});

test('a drip does not extend it', async () => {
  const { server, clock, failed } = await start({ tlsHandshakeTimeoutMs: 1_000 });
  const client = await silent(server);
  for (let i = 0; i < 9; i++) {
    client.write(Buffer.alloc(1));
    await settle(server);
    clock.advance(100);
  }
  expect(client.closed).toBe(false);
  clock.advance(100);
  await vi.waitFor(() => expect(client.closed).toBe(true), PATIENCE);
  expect(failed).toHaveLength(1);
});

test('behind a handshake its deadline is over: the session has its own times', async () => {
  const { server, clock } = await start({ tlsHandshakeTimeoutMs: 1_000 });
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  afterwards(() => agent.destroy());
  await get(server, { agent });
  clock.advance(2_000);
  expect(await get(server, { agent })).toMatchObject({ status: 200 });
  expect([failures(server), server.getStats().sessions.opened]).toEqual([0, 1]);
});

test('maxOpenSockets handshakes may be under way: the oldest that is silent gives way to the next', async () => {
  const { server, failed } = await start({ httpd: { maxOpenSockets: 3 } });
  const clients: net.Socket[] = [];
  for (let i = 0; i < 3; i++) clients.push(await silent(server, Buffer.alloc(0)));
  expect(failed).toEqual([]);
  expect(await get(server)).toMatchObject({ status: 200 });
  await vi.waitFor(() => expect(clients.map(client => client.closed)).toEqual([true, false, false]), PATIENCE);
  expect(failed).toEqual(['it made way for another: 3 may be under way']);
});

test('whoever is told of one that made way may stop the server: none is left behind', async () => {
  const clock = new ManualClock();
  let stopped: Promise<void> | undefined;
  const userCb: HttpdSslConfig['userCb'] = ({ state }) => {
    if (state === HTTPD_SSL_USER_CB_SESS_ERROR) stopped ??= server.stop();
  };
  const server = await startSsl({ userCb, httpd: { maxOpenSockets: 2 } }, { clock });
  const clients: net.Socket[] = [];
  for (let i = 0; i < 3; i++) clients.push(await silent(server));
  await vi.waitFor(() => expect(clients.map(client => client.closed)).toEqual([true, true, true]), PATIENCE);
  await stopped;
  expect([stopped === undefined, clock.running]).toEqual([false, 0]);
});

test('a client that goes on sending while a certificate is chosen is cut off', async () => {
  const choose = vi.fn(() => new Promise<undefined>(() => {}));
  const { server, clock, failed } = await start({ certSelectCb: choose });
  const tcp = net.connect(server.port, '127.0.0.1');
  afterwards(() => tcp.destroy());
  const client = tls.connect({ socket: tcp, servername: 'a.test' });
  client.on('error', () => {});
  tcp.on('error', () => {});
  await vi.waitFor(() => expect(choose).toHaveBeenCalled(), PATIENCE);
  tcp.write(Buffer.alloc(512 * 1024));
  await vi.waitFor(() => {
    clock.advance(20);
    expect(tcp.closed).toBe(true);
  }, PATIENCE);
  expect(failed).toEqual(['it has sent more than 131072 bytes']);
});

test('maxSessPerIp is for each IPv4 address, on a listener for IPv6 too', async () => {
  const { server, failed } = await start({ httpd: { maxSessPerIp: 2, host: undefined } });
  const one = [await silent(server), await silent(server)];
  expect(await get(server, { localAddress: '127.0.0.2' })).toMatchObject({ status: 200 });
  expect(one.map(client => client.closed)).toEqual([false, false]);
  const third = await silent(server);
  await vi.waitFor(() => expect(third.closed).toBe(true), PATIENCE);
  expect([server.getStats().sessions.refused.maxSessPerIp, failed]).toEqual([1, []]);
});

test('maxSessPerIp counts handshakes too: one more is closed without an answer', async () => {
  const { server } = await start({ httpd: { maxSessPerIp: 2 } });
  const [first] = [await silent(server), await silent(server)];
  const third = await silent(server);
  await vi.waitFor(() => expect(third.closed).toBe(true), PATIENCE);
  expect(server.getStats().sessions.refused.maxSessPerIp).toBe(1);
  first.destroy();
  await vi.waitFor(async () => expect(await get(server)).toMatchObject({ status: 200 }), PATIENCE);
});

describe('a handshake that fails', () => {
  test.each([
    ['is HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')],
    ['is nothing at all', Buffer.from('\x00\xffhello\r\n\u001b[2J', 'latin1')],
    ['has a record that is too long', Buffer.from('160301ffff0100', 'hex')],
  ])('since it %s: is counted and logged, and opens no session', async (_what, bytes) => {
    const { logger, lines } = collectLog();
    const { server, failed } = await start({ httpd: { logger } });
    const opened = vi.fn();
    server.on('connected', opened);
    const client = await silent(server, bytes);
    await vi.waitFor(() => expect(client.closed).toBe(true), PATIENCE);
    await vi.waitFor(() => expect(failures(server)).toBe(1), PATIENCE);
    expect(failed).toHaveLength(1);
    const told = lines.filter(line => line.includes('httpd_ssl_open'));
    expect(told).toEqual([
      expect.stringMatching(
        /^(D httpd: httpd_ssl_open: handshake with 127\.0\.0\.1 failed|W .* speaks plain HTTP .*): /,
      ),
    ]);
    expect(told.join()).not.toContain('\u001b');
    expect(opened).not.toHaveBeenCalled();
    expect(await get(server)).toMatchObject({ status: 200 });
  });

  test.each(['end', 'resetAndDestroy', 'destroy'] as const)('since its client leaves (%s) is counted', async how => {
    const { server, failed } = await start();
    const client = await silent(server);
    await settle(server);
    client[how]();
    await vi.waitFor(() => expect(failures(server)).toBe(1), PATIENCE);
    expect(failed).toHaveLength(1);
    expect(await get(server)).toMatchObject({ status: 200 });
  });
});

test('stop() does not wait for handshakes, and they are not failures of their clients', async () => {
  const { server, failed, clock } = await start();
  const client = await silent(server);
  await settle(server);
  await server.stop({ grace: 0 });
  await vi.waitFor(() => expect(client.closed).toBe(true), PATIENCE);
  expect(failed).toEqual([]);
  expect(clock.running).toBe(0);
});

describe('plain HTTP on the port', () => {
  const LINE =
    'W httpd: httpd_ssl_open: 127.0.0.1 speaks plain HTTP on a port with TLS: its address begins with https:// (said once a minute)';

  test('gets one line in the log for a minute, however many there are', async () => {
    const { logger, lines } = collectLog('warn');
    const { server, clock } = await start({ httpd: { logger } });
    const ask = async (line: string) => {
      const before = failures(server);
      const client = await silent(server, Buffer.from(`${line}\r\nHost: a\r\n\r\n`));
      if (!client.destroyed) await once(client, 'close');
      await vi.waitFor(() => expect(failures(server)).toBe(before + 1), PATIENCE);
    };
    for (const line of ['GET / HTTP/1.1', 'POST / HTTP/1.1', 'CONNECT a:443 HTTP/1.1']) await ask(line);
    expect(lines).toEqual([LINE]);
    clock.advance(59_999);
    await ask('GET / HTTP/1.1');
    expect(lines).toEqual([LINE]);
    clock.advance(1);
    await ask('CONNECT a:443 HTTP/1.1');
    await ask('GET / HTTP/1.1');
    expect(lines).toEqual([LINE, LINE]);
  });

  test('has no line of its own for other handshakes that fail', async () => {
    const { logger, lines } = collectLog('warn');
    const { server } = await start({ httpd: { logger } });
    await silent(server, Buffer.from('00ff00ff00ff00ff', 'hex'));
    await vi.waitFor(() => expect(failures(server)).toBe(1), PATIENCE);
    expect(lines).toEqual([]);
  });
});
