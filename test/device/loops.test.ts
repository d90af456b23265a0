import { afterEach, describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import type { Device } from '../../src/device/device.js';
import { deviceProfile } from '../../src/device/profile.js';
import { deviceStart } from '../../src/device/start.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { EspWebsocketClient } from '../../src/ws_client/client.js';
import { certificates } from '../support/certificates.js';
import { EPOLL_HERE } from '../support/epoll.js';
import { serverTls, silent } from '../support/server.js';
import { hello } from './support.js';

const devices: Device[] = [];

afterEach(async () => {
  await Promise.all(devices.splice(0).map(device => device.stop()));
});

/** A device that is quick, on a real select loop. */
async function start(config: Partial<HttpdConfig>): Promise<Device> {
  const device = await deviceStart({
    profile: deviceProfile('esp32', { bootSeconds: 0.02, link: { tlsHandshakeMs: 20, stallChance: 0 } }),
    config: { logger: silent(), ...config },
    onBoot(server) {
      hello(server);
      server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => undefined });
    },
  });
  devices.push(device);
  return device;
}

describe.each(EPOLL_HERE ? (['net', 'epoll'] as const) : (['net'] as const))('a device on %s', port => {
  test('has its memory back as soon as a connection has ended, whoever ends it first', async () => {
    const device = await start({ serverPort: 0, host: '127.0.0.1', port });
    const { size } = device.heap;
    for (const headers of [{ Connection: 'close' }, { Accept: 'text/html' }] as Record<string, string>[]) {
      const answer = await fetch(`http://127.0.0.1:${device.port}/`, { headers });
      expect(await answer.text()).toBe('hello');
    }
    await device.reboot();
    const again = await fetch(`http://127.0.0.1:${device.port}/`, { headers: { Connection: 'close' } });
    expect(await again.text()).toBe('hello');
    await expect.poll(() => device.heap.free, { timeout: 5_000, interval: 2 }).toBe(size);
  });
});

test('a device has several listeners, encrypted ones too, at the same ports after a reboot', async () => {
  const device = await start({
    listeners: [
      { port: 0, host: '127.0.0.1' },
      { port: 0, host: '127.0.0.1', tls: serverTls() },
    ],
  });
  const ports = device.listeners.map(({ port }) => port);
  const [plain = 0, encrypted = 0] = ports;
  const session = deviceProfile('esp32').heap;
  for (const boot of [1, 2]) {
    const client = new EspWebsocketClient({
      uri: `wss://localhost:${encrypted}/ws`,
      certPem: certificates().ca.cert,
      disableAutoReconnect: true,
    });
    await client.start();
    await expect.poll(() => client.isConnected(), { interval: 2 }).toBe(true);
    expect(await (await fetch(`http://127.0.0.1:${plain}/`, { headers: { Connection: 'close' } })).text()).toBe(
      'hello',
    );
    expect(device.snapshot().sessions.filter(({ encrypted: yes }) => yes)).toHaveLength(1);
    expect(device.heap.size - device.heap.free).toBeGreaterThanOrEqual(session.session + session.tlsSession);
    const gone = new Promise<void>(resolve => client.on('disconnected', () => resolve()));
    if (boot === 1) {
      await device.reboot();
      await gone;
      expect(device.listeners.map(({ port }) => port)).toEqual(ports);
    }
    await client.destroy();
  }
});
