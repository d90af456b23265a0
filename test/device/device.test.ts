import { describe, expect, test } from 'vitest';
import type { Device, DeviceOptions } from '../../src/device/device.js';
import { deviceWith } from '../../src/device/start.js';
import { ESP_ERR_INVALID_ARG, ESP_ERR_INVALID_STATE } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { ManualClock } from '../support/clock.js';
import { type MemConn, MemPort } from '../support/mem_port.js';
import { answered, hello, MemDevice, plainProfile, request } from './support.js';

/** What a peer has seen last of its connection. */
const end = (conn: MemConn): string | undefined => conn.ended;

describe('a device', () => {
  test('serves behind its link: a round trip of its own for the connection, and one for each request', async () => {
    const rig = await MemDevice.start();
    const conn = rig.connect();
    // 20 ms until it is accepted; the request comes meanwhile, and its answer takes 10 and some
    expect(await rig.get(conn)).toBeGreaterThanOrEqual(30);
    const ms = await rig.get(conn);
    expect(ms).toBeGreaterThanOrEqual(20);
    expect(ms).toBeLessThanOrEqual(22);
    expect(conn.sent.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*hello$/);
    expect(conn.misuse).toEqual([]);
  });

  test('clients wait until the application has booted', async () => {
    let booted!: () => void;
    const port = new Promise<void>(resolve => {
      booted = resolve;
    });
    let boots = 0;
    const rig = await MemDevice.start({
      async onBoot(server) {
        boots += 1;
        if (boots === 2) await port;
        hello(server);
      },
    });
    void rig.device.reboot({ bootSeconds: 0 });
    await rig.until(() => boots === 2);
    const conn = rig.connect();
    conn.deliver(request());
    await rig.run(100);
    expect([rig.device.state, conn.sent.length]).toEqual(['booting', 0]);
    booted();
    await rig.until(() => answered(conn.sent));
    expect(rig.device.state).toBe('running');
  });

  test('tells what can be seen of it', async () => {
    const rig = await MemDevice.start();
    const conn = rig.connect();
    await rig.get(conn);
    await rig.run(1_000);
    const { sessions, heap, ...rest } = rig.device.snapshot();
    expect(sessions).toEqual([
      {
        fd: 4,
        peer: '192.0.2.1:40000',
        protocol: 'HTTP',
        encrypted: false,
        age: expect.any(Number),
        lruRank: 1,
        queued: 0,
      },
    ]);
    expect(sessions[0]?.age).toBeGreaterThanOrEqual(1);
    expect(heap.free).toBe(heap.size - rig.device.profile.heap.session);
    expect(rest).toMatchObject({ state: 'running', boots: 1, wifi: 'up', busy: false, works: { waiting: 0, max: 6 } });
    expect(rest.bytesUp).toBe(conn.sent.length);
    expect(rest.bytesDown).toBe(request().length);
  });

  test('stops with a goodbye, and then refuses what is asked of it', async () => {
    const rig = await MemDevice.start();
    const conn = rig.connect();
    await rig.get(conn);
    await rig.stop();
    expect([rig.device.state, rig.device.server, rig.device.port]).toEqual(['stopped', undefined, 0]);
    expect(end(conn)).toBeDefined();
    expect(rig.clock.running).toBe(0);
    const stopped = expect.objectContaining({ code: ESP_ERR_INVALID_STATE });
    const { device } = rig;
    expect(() => device.wifiDown(1)).toThrow(stopped);
    expect(() => device.reboot()).toThrow(stopped);
    expect(() => device.setLink({})).toThrow(stopped);
    expect(() => device.play([])).toThrow(stopped);
  });

  test.each<[string, (device: Device) => unknown]>([
    ['wifiDown(-1)', device => device.wifiDown(-1)],
    ['wifiDown(NaN)', device => device.wifiDown(Number.NaN)],
    ['stall(1e9)', device => device.stall(1e9)],
    ['reboot({ bootSeconds: -1 })', device => device.reboot({ bootSeconds: -1 })],
    ['brownOut({ seconds: 1 })', device => device.brownOut({ seconds: 1 } as object)],
    ['setLink({ latency: 1 })', device => device.setLink({ latency: 1 } as object)],
    ['setLink({ bandwidthUp: 0 })', device => device.setLink({ bandwidthUp: 0 })],
    ['play([{ at: 1 }])', device => device.play([{ at: 1 } as never])],
  ])('%s is refused, and nothing has happened', async (_call, call) => {
    const { device } = await MemDevice.start();
    expect(() => call(device)).toThrow(expect.objectContaining({ code: ESP_ERR_INVALID_ARG }));
    expect(device.recorded()).toEqual([]);
  });
});

describe('deviceStart refuses', () => {
  const plain = plainProfile();
  test.each<[string, object]>([
    ['no onBoot', { onBoot: undefined }],
    ['an unknown option', { profiles: plain }],
    ['a seed that is no integer', { seed: 1.5 }],
    ['a profile that is none', { profile: {} }],
    ['null for a profile', { profile: null }],
    ['the name of a chip for a profile', { profile: 'esp32' }],
    ['a profile with a string for a number', { profile: { ...plain, link: { ...plain.link, latencyMs: '5' } } }],
    ['a profile without a part of its link', { profile: { ...plain, link: { latencyMs: 5 } } }],
    ['a scenario that is none', { scenario: {} }],
    ['a configuration that is none', { config: () => null }],
    ['a wrong field of the configuration', { config: { maxOpenSockets: 0 } }],
    ['a logger that is none', { config: { logger: 5 } }],
  ])('%s', async (_what, options) => {
    const refused = deviceWith({ onBoot: hello, ...options } as DeviceOptions, {
      port: new MemPort(),
      clock: new ManualClock(),
    });
    await expect(refused).rejects.toMatchObject({ code: ESP_ERR_INVALID_ARG });
  });
});

describe('reboot', () => {
  test('resets connections, frees what they had, and runs the application again on the same port', async () => {
    const freed: string[] = [];
    const boots: HttpdServer[] = [];
    const rig = await MemDevice.start({
      config: () => ({ globalUserCtx: { boot: boots.length }, globalUserCtxFreeFn: () => freed.push('global') }),
      onBoot(server) {
        boots.push(server);
        hello(server);
      },
    });
    const conn = rig.connect();
    await rig.get(conn);
    const { port } = rig.device;
    const [first] = boots as [HttpdServer];
    first.sessSetCtx(4, {}, () => freed.push('session'));
    const done = rig.device.reboot({ bootSeconds: 3 });
    expect(end(conn)).toBe('reset');
    expect([rig.device.state, rig.device.server]).toEqual(['booting', undefined]);
    await rig.run(10);
    expect(freed).toEqual(['session', 'global']);
    expect(() => rig.connect()).toThrow('nobody listens');
    await rig.until(() => rig.device.state === 'running');
    await done;
    expect(rig.clock.now()).toBeGreaterThanOrEqual(4_000);
    expect(rig.device.port).toBe(port);
    expect(boots).toHaveLength(2);
    expect(boots[1]).not.toBe(first);
    expect(boots.map(server => server.getGlobalUserCtx())).toEqual([{ boot: 0 }, { boot: 1 }]);
    await rig.get(rig.connect());
    expect(rig.device.snapshot()).toMatchObject({ boots: 2 });
  });

  test('one within another begins anew, and both are done when it runs again', async () => {
    const rig = await MemDevice.start();
    const order: string[] = [];
    rig.device.on('down', reason => order.push(reason));
    rig.device.on('boot', () => order.push('boot'));
    const first = rig.device.reboot({ bootSeconds: 2 }).then(() => order.push('first'));
    await rig.run(1_000);
    const second = rig.device.brownOut({ bootSeconds: 2 }).then(() => order.push('second'));
    await rig.run(1_500);
    expect(rig.device.state).toBe('booting');
    await rig.until(() => order.length === 5);
    await Promise.all([first, second]);
    expect(order.slice(0, 3)).toEqual(['reboot', 'brownOut', 'boot']);
    expect(order.slice(3).toSorted()).toEqual(['first', 'second']);
    expect(rig.device.snapshot().boots).toBe(2);
  });

  test('a stop meanwhile ends it', async () => {
    const rig = await MemDevice.start();
    const done = rig.device.reboot({ bootSeconds: 2 });
    await rig.run(100);
    const stopping = rig.device.stop();
    await rig.run(5_000);
    await Promise.all([done, stopping]);
    expect([rig.device.state, rig.device.snapshot().boots]).toEqual(['stopped', 1]);
  });

  test('of an application that fails is told, and the device has stopped', async () => {
    let boots = 0;
    const rig = await MemDevice.start({
      onBoot(server) {
        boots += 1;
        if (boots === 2) throw new Error('no NVS');
        hello(server);
      },
    });
    const errors: string[] = [];
    rig.device.on('error', error => errors.push(error.message));
    const done = rig.device.reboot();
    await rig.until(() => rig.device.state === 'stopped');
    await done;
    expect(errors).toEqual(['no NVS']);
    expect(() => rig.connect()).toThrow('nobody listens');
  });

  test('deviceStart rejects with what the application throws at the first boot', async () => {
    const failed = MemDevice.start({
      onBoot() {
        throw new Error('no NVS');
      },
    });
    await expect(failed).rejects.toThrow('no NVS');
  });
});

describe('brownOut', () => {
  test('says nothing to the peers until the device runs again', async () => {
    const rig = await MemDevice.start();
    const conn = rig.connect();
    await rig.get(conn);
    const { length } = conn.sent;
    void rig.device.brownOut({ bootSeconds: 5 });
    conn.deliver(request());
    await rig.run(4_900);
    expect([end(conn), conn.sent.length]).toEqual([undefined, length]);
    await rig.until(() => rig.device.state === 'running');
    expect(end(conn)).toBe('reset');
  });
});

describe('wifiDown', () => {
  test('a short loss is a delay', async () => {
    const rig = await MemDevice.start();
    const conn = rig.connect();
    await rig.get(conn);
    rig.device.wifiDown(3);
    expect(rig.device.snapshot().wifi).toBe('down');
    const ms = await rig.get(conn);
    expect(ms).toBeGreaterThanOrEqual(3_000);
    expect(ms).toBeLessThanOrEqual(3_030);
    expect(rig.device.snapshot().wifi).toBe('up');
  });

  test('a long loss ends the connections: the device knows after beaconTimeoutMs, the peers when it is back', async () => {
    const rig = await MemDevice.start();
    const gone: number[] = [];
    const conn = rig.connect();
    await rig.get(conn);
    rig.server.on('disconnected', fd => gone.push(fd));
    rig.device.wifiDown(10);
    await rig.run(5_990);
    expect(gone).toEqual([]);
    await rig.run(20);
    expect([gone, end(conn)]).toEqual([[4], undefined]);
    await rig.run(4_000);
    expect(end(conn)).toBe('reset');
    await rig.get(rig.connect());
  });

  test('who connects meanwhile is accepted when it is back', async () => {
    const rig = await MemDevice.start();
    rig.device.wifiDown(2);
    const conn = rig.connect();
    expect(await rig.get(conn)).toBeGreaterThanOrEqual(2_000);
  });
});

describe('stall', () => {
  test('the server does nothing meanwhile, and then all of it', async () => {
    const rig = await MemDevice.start();
    const seen: string[] = [];
    const conn = rig.connect();
    await rig.get(conn);
    rig.server.on('header', () => seen.push('request'));
    rig.device.stall(2);
    conn.deliver(request());
    rig.server.queueWork(() => seen.push('work'));
    await rig.run(1_990);
    expect([seen, rig.device.snapshot().busy]).toEqual([[], true]);
    await rig.run(60);
    expect(seen.toSorted()).toEqual(['request', 'work']);
    expect(rig.device.snapshot().busy).toBe(false);
  });

  test('what another task sends meanwhile leaves behind it', async () => {
    const rig = await MemDevice.start({
      onBoot: server =>
        server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => void req.asyncHandlerBegin() }),
    });
    const conn = rig.connect();
    conn.deliver(request());
    await rig.run(50);
    rig.device.stall(1);
    rig.server.socketSend(4, Buffer.from('late'));
    await rig.run(900);
    expect(conn.sent.length).toBe(0);
    await rig.run(200);
    expect(conn.sent.toString()).toBe('late');
  });
});

describe('setLink', () => {
  test('changes the link for what is sent from now on', async () => {
    const rig = await MemDevice.start();
    const conn = rig.connect();
    await rig.get(conn);
    rig.device.setLink({ latencyMs: 100 });
    expect(rig.device.link).toEqual({ ...plainProfile().link, latencyMs: 100 });
    expect(await rig.get(conn)).toBeGreaterThanOrEqual(200);
  });
});

describe('a scenario', () => {
  test('is played, recorded, and played again alike', async () => {
    const rig = await MemDevice.start({
      scenario: [
        { at: 2, stall: 0.5 },
        { at: 1, wifiDown: 0.25 },
        { at: 3, reboot: { bootSeconds: 1 } },
        { at: 5, setLink: { latencyMs: 1 } },
        { at: 6, brownOut: true },
      ],
    });
    const events: object[] = [];
    rig.device.on('event', step => events.push(step));
    await rig.run(8_000);
    const played = [
      { at: 1, wifiDown: 0.25 },
      { at: 2, stall: 0.5 },
      { at: 3, reboot: { bootSeconds: 1 } },
      { at: 5, setLink: { latencyMs: 1 } },
      { at: 6, brownOut: true },
    ];
    expect(rig.device.recorded()).toEqual(played);
    expect(events).toEqual(played);
    expect(rig.device.snapshot().boots).toBe(3);
    const again = await MemDevice.start({ scenario: rig.device.recorded() });
    await again.run(8_000);
    expect(again.device.recorded()).toEqual(played);
  });
});

describe('listeners of events', () => {
  test('one that throws harms nobody, and can be taken away', async () => {
    const { device } = await MemDevice.start();
    const seen: string[] = [];
    const bad = (): never => {
      throw new Error('mine');
    };
    device.on('event', bad).on('event', () => seen.push('event'));
    device.stall(0);
    device.off('event', bad);
    device.stall(0);
    expect(seen).toEqual(['event', 'event']);
    const wrong = expect.objectContaining({ code: ESP_ERR_INVALID_ARG });
    expect(() => device.on('boots' as 'boot', () => {})).toThrow(wrong);
    expect(() => device.on('boot', 5 as never)).toThrow(wrong);
  });
});
