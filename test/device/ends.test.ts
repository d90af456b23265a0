import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { hello, MemDevice, plainProfile, request } from './support.js';

describe('a client that resets', () => {
  test.each([
    ['the task is busy', (rig: MemDevice) => rig.device.stall(1)],
    ['the Wi-Fi is down', (rig: MemDevice) => rig.device.wifiDown(1)],
    ['another boots', (rig: MemDevice) => void rig.device.reboot({ bootSeconds: 0 })],
  ])('while %s leaves no session, before it was accepted or after', async (_when, happen) => {
    const rig = await MemDevice.start();
    const old = rig.connect();
    await rig.get(old);
    happen(rig);
    if (rig.device.state === 'booting') await rig.until(() => rig.device.state === 'running');
    const fresh = rig.connect();
    for (const conn of [old, fresh]) {
      conn.deliver(request());
      if (conn.ended === undefined) conn.reset();
    }
    await rig.run(2_000);
    expect(rig.device.snapshot().sessions).toEqual([]);
    expect(rig.device.heap.free).toBe(rig.device.heap.size);
    await rig.get(rig.connect());
  });

  test('may have sent FIN before: the server learns of both, in their order', async () => {
    const rig = await MemDevice.start();
    const events: string[] = [];
    rig.server.on('connected', () => events.push('connected'));
    rig.server.on('disconnected', () => events.push('disconnected'));
    const conn = rig.connect();
    conn.fin();
    await rig.run(100);
    expect(events).toEqual(['connected', 'disconnected']);
    expect(rig.device.heap.free).toBe(rig.device.heap.size);
  });
});

describe('who connects', () => {
  test('in a long loss of the Wi-Fi, before the device notices it, is served when it is back', async () => {
    const rig = await MemDevice.start();
    rig.device.wifiDown(10);
    await rig.run(1_000);
    const conn = rig.connect();
    conn.deliver(request());
    await rig.run(9_200);
    expect(conn.ended).toBeUndefined();
    expect(conn.sent.toString()).toContain('hello');
    expect(rig.device.snapshot().sessions).toHaveLength(1);
  });
});

describe('losses of the Wi-Fi that overlap', () => {
  test('are one long loss', async () => {
    const rig = await MemDevice.start();
    const conn = rig.connect();
    await rig.get(conn);
    rig.device.wifiDown(5);
    await rig.run(4_000);
    rig.device.wifiDown(5);
    await rig.run(2_100);
    expect(rig.device.snapshot().sessions).toEqual([]);
    await rig.run(3_000);
    expect(conn.ended).toBe('reset');
  });
});

describe('a reset of the device', () => {
  test('and a stop right behind it leave no timer', async () => {
    const rig = await MemDevice.start();
    const stopped: string[] = [];
    rig.server.on('stop', () => stopped.push('stop'));
    void rig.device.reboot({ bootSeconds: 1_000 });
    await rig.device.stop();
    expect([rig.clock.running, stopped]).toEqual([0, ['stop']]);
  });

  test.each([
    ['that waits for the task', async (rig: MemDevice) => rig.run(10)],
    ['that was queued just now', async () => {}],
  ])('drops a work of the boot before: one %s', async (_which, wait) => {
    const done: string[] = [];
    const rig = await MemDevice.start();
    rig.device.stall(5);
    rig.server.queueWork(() => done.push('work of boot 1'));
    await wait(rig);
    void rig.device.reboot({ bootSeconds: 1 });
    await rig.until(() => rig.device.state === 'running');
    rig.server.queueWork(() => done.push('work of boot 2'));
    await rig.run(6_000);
    expect(done).toEqual(['work of boot 2']);
  });

  test('drops a work of the boot before, also when it boots before the loop has turned', async () => {
    const done: string[] = [];
    const rig = await MemDevice.start();
    rig.server.queueWork(() => done.push('work of boot 1'));
    const running = rig.device.reboot({ bootSeconds: 0 });
    let booted = false;
    void running.then(() => {
      booted = true;
    });
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    for (let i = 0; i < 100 && !booted; i++) {
      rig.clock.advance(0);
      await Promise.resolve();
    }
    expect([booted, turned]).toEqual([true, false]);
    rig.server.queueWork(() => done.push('work of boot 2'));
    await rig.run(5);
    expect(done).toEqual(['work of boot 2']);
  });

  test('clears the radio', async () => {
    const rig = await MemDevice.start();
    const conn = rig.connect();
    await rig.get(conn);
    rig.device.setLink({ bandwidthUp: 1 });
    conn.deliver(request());
    await rig.run(50);
    rig.device.setLink({ bandwidthUp: 8e6 });
    void rig.device.reboot({ bootSeconds: 0 });
    await rig.until(() => rig.device.state === 'running');
    expect(await rig.get(rig.connect())).toBeLessThan(100);
  });

  test('within another keeps the peers in the dark until the device runs', async () => {
    const rig = await MemDevice.start();
    const conn = rig.connect();
    await rig.get(conn);
    void rig.device.brownOut({ bootSeconds: 2 });
    await rig.run(1_000);
    void rig.device.brownOut({ bootSeconds: 5 });
    await rig.run(4_900);
    expect(conn.ended).toBeUndefined();
    await rig.until(() => rig.device.state === 'running');
    expect(conn.ended).toBe('reset');
  });
});

test('a connection that the server has closed and whose peer takes nothing is given up', async () => {
  const rig = await MemDevice.start({
    onBoot: server =>
      server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('x'.repeat(9_000)) }),
  });
  const conn = rig.connect();
  await rig.run(50);
  conn.room = 0;
  conn.deliver('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await rig.run(70_000);
  expect(conn.ended).toBe('reset');
  expect(rig.device.heap.free).toBe(rig.device.heap.size);
  expect(rig.device.snapshot().sessions).toEqual([]);
});

test('a connection that the server has closed is not given up while its peer takes what is on its way', async () => {
  const body = 'x'.repeat(9_000);
  // each segment takes 10 s
  const rig = await MemDevice.start({
    profile: plainProfile({ link: { bandwidthUp: 800 } }),
    config: { sendWaitTimeout: 60 },
    onBoot: server => server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend(body) }),
  });
  const conn = rig.connect();
  conn.deliver('GET / HTTP/1.0\r\nHost: x\r\n\r\n');
  let letGo = 0;
  const took = await rig.until(() => {
    if (letGo === 0 && rig.server.getClientList().length === 0 && conn.sent.length > 0) letGo = conn.sent.length;
    return conn.ended !== undefined;
  }, 200_000);
  expect(conn.ended).toBe('close');
  expect(conn.sent.toString().endsWith(body)).toBe(true);
  // most of it left when there was no session any more
  expect(conn.sent.length - letGo).toBeGreaterThan(3_000);
  expect(took).toBeGreaterThan(90_000);
});

test('in a brown-out nothing is taken of a peer', async () => {
  const rig = await MemDevice.start();
  const conn = rig.connect();
  await rig.get(conn);
  void rig.device.brownOut({ bootSeconds: 2 });
  await rig.run(10);
  conn.deliver(request());
  expect([conn.paused, conn.waiting]).toEqual([true, request().length]);
  await rig.until(() => rig.device.state === 'running');
  expect(conn.ended).toBe('reset');
});

test('on a slow link an answer leaves for as long as it takes', async () => {
  const rig = await MemDevice.start({ profile: plainProfile({ link: { bandwidthUp: 1_600 } }), onBoot: hello });
  const conns = [rig.connect(), rig.connect(), rig.connect()];
  for (const conn of conns) conn.deliver('GET / HTTP/1.0\r\nHost: x\r\n\r\n');
  await rig.until(() => conns.every(conn => conn.finSent || conn.ended !== undefined));
  for (const conn of conns) expect(conn.sent.toString()).toMatch(/hello$/);
});

test('a handler that goes asynchronous when its client has left takes no memory', async () => {
  let go!: () => void;
  const left = new Promise<void>(resolve => {
    go = resolve;
  });
  const rig = await MemDevice.start({
    onBoot: server =>
      server.registerUriHandler({
        uri: '/',
        method: HTTP_GET,
        handler: async req => {
          await left;
          req.asyncHandlerBegin().asyncHandlerComplete();
        },
      }),
  });
  const conn = rig.connect();
  conn.deliver(request());
  await rig.run(50);
  conn.reset();
  await rig.run(50);
  go();
  await rig.run(10);
  expect(rig.device.heap.free).toBe(rig.device.heap.size);
});
