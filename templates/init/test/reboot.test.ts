import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type Device, deviceStart } from 'esp-httpd/device';
import { WebSocket } from 'undici';
import { config, register } from '../app.js';
import { keepConnected } from '../public/reconnect.js';

// HTTPD_LOG=info npm test shows the device's log
process.env.HTTPD_LOG ??= 'silent';

async function startDevice(t: TestContext): Promise<Device> {
  const device = await deviceStart({
    config: { ...config, host: '127.0.0.1', serverPort: 0 },
    onBoot: register,
  });
  t.after(() => device.stop());
  return device;
}

/** The page's own connection, and what it tells the page. */
function openPage(t: TestContext, device: Device) {
  const events = new EventEmitter();
  const page = keepConnected({
    url: `ws://127.0.0.1:${device.port}/ws`,
    firstWaitMs: 100,
    WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    onState: state => events.emit(state),
    onMessage: message => events.emit('message', message),
  });
  t.after(() => page.close());
  return { ...page, events };
}

test('the device answers GET /api/hello', async t => {
  const device = await startDevice(t);
  const answer = await fetch(`http://127.0.0.1:${device.port}/api/hello`);
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /^\{"name":"{{name}}","uptime":\d+\}$/);
});

test('the page connects again when the device has booted again', { timeout: 20_000 }, async t => {
  const device = await startDevice(t);
  const { events } = openPage(t, device);
  await once(events, 'connected');

  const lost = once(events, 'waiting');
  const rebooted = device.reboot({ bootSeconds: 0.2 });
  await lost;
  const back = Promise.all([once(events, 'connected'), once(events, 'message')]);
  await rebooted;
  const [, [status]] = await back;
  assert.equal(JSON.parse(status).name, '{{name}}');
});
