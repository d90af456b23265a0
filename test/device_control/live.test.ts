/** What watchers are told. */
import { once } from 'node:events';
import { describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { ControlLog, LINES_MAX } from '../../src/device_control/control_log.js';
import { TICK_MS } from '../../src/device_control/live.js';
import { ControlRig } from './support.js';

describe('a watcher', () => {
  test('is told all there is, and then each 250 ms how the device is', async () => {
    const rig = await ControlRig.start();
    rig.device.stall(0);
    rig.log.add('I (1) app: before');
    const { told, next } = await rig.watch();
    const { link, bootSeconds } = rig.device.profile;
    expect(await next()).toEqual({
      type: 'hello',
      state: (await rig.ask('GET', '/control/state')).json,
      profile: { link, bootSeconds },
      log: { from: 0, lines: ['I (1) app: before'] },
      events: [{ at: 0, stall: 0 }],
    });
    rig.clock.advance(TICK_MS);
    expect(await next()).toMatchObject({ type: 'state', state: { state: 'running' } });
    rig.clock.advance(4 * TICK_MS);
    for (let i = 0; i < 4; i++) expect((await next()).type).toBe('state');
    expect(told).toHaveLength(6);
  });

  test('is told new lines, each once; one that comes later gets them with its first message', async () => {
    const rig = await ControlRig.start();
    const first = await rig.watch();
    await first.next();
    rig.log.add('I (1) app: one');
    rig.log.add('I (2) app: two');
    const second = await rig.watch();
    expect(await first.next()).toEqual({ type: 'log', log: { from: 0, lines: ['I (1) app: one', 'I (2) app: two'] } });
    expect((await first.next()).type).toBe('state');
    expect(await second.next()).toMatchObject({
      type: 'hello',
      log: { from: 0, lines: ['I (1) app: one', 'I (2) app: two'] },
    });
    rig.log.add('I (3) app: three');
    rig.clock.advance(TICK_MS);
    const line = { type: 'log', log: { from: 2, lines: ['I (3) app: three'] } };
    expect([await first.next(), await second.next()]).toEqual([line, line]);
    rig.clock.advance(TICK_MS);
    for (let i = 0; i < 2; i++)
      expect([(await first.next()).type, (await second.next()).type]).toEqual(['state', 'state']);
  });

  test('is told at once what happens, and when the device goes down and has booted', async () => {
    const rig = await ControlRig.start();
    const { next } = await rig.watch();
    await next();
    void rig.device.reboot({ bootSeconds: 0 });
    expect(await next()).toEqual({ type: 'event', step: { at: 0, reboot: { bootSeconds: 0 } } });
    expect(await next()).toMatchObject({ type: 'state', state: { state: 'booting' } });
    await rig.mem.until(() => rig.device.state === 'running');
    expect(await next()).toMatchObject({ type: 'state', state: { state: 'running', boots: 2 } });
  });

  test('nobody watches: no timer runs', async () => {
    const rig = await ControlRig.start();
    expect(rig.clock.running).toBe(0);
    const [first, second] = [await rig.watch(), await rig.watch()];
    await Promise.all([first.next(), second.next()]);
    expect(rig.clock.running).toBe(1);
    first.socket.close();
    await once(first.socket, 'close');
    expect(rig.clock.running).toBe(1);
    second.socket.terminate();
    await expect.poll(() => rig.clock.running).toBe(0);
    const third = await rig.watch();
    await third.next();
    expect(rig.clock.running).toBe(1);
    await rig.server.stop();
    expect(rig.clock.running).toBe(0);
  });

  test('is told of the last 100 events', async () => {
    const rig = await ControlRig.start();
    for (let i = 0; i < 120; i++) rig.device.stall(i / 1000);
    const { next } = await rig.watch();
    const { events } = (await next()) as { events?: { stall: number }[] };
    expect(events?.map(({ stall }) => stall)).toEqual(Array.from({ length: 100 }, (_, i) => (i + 20) / 1000));
  });

  test('what it says itself does nothing; too much of it ends the connection', async () => {
    const rig = await ControlRig.start();
    const { socket, next } = await rig.watch();
    await next();
    socket.send('{"type":"reboot"}');
    socket.send('x'.repeat(2_000));
    const [code] = (await once(socket, 'close')) as [number];
    expect(code).toBe(1009);
    expect(rig.device.recorded()).toEqual([]);
  });

  test.each([
    [{ origin: 'https://evil.example' }, 403],
    [{ headers: { Host: 'evil.example' } }, 403],
  ])('with %j may not watch', async (options, status) => {
    const rig = await ControlRig.start();
    const socket = new WebSocket(`ws://127.0.0.1:${rig.server.port}/control/live`, options);
    const [error] = (await once(socket, 'error')) as [Error];
    expect(error.message).toContain(String(status));
  });

  test('32 may watch at a time: another is refused with 503, and served when one has left', async () => {
    const rig = await ControlRig.start();
    const watchers = [];
    for (let i = 0; i < 32; i++) watchers.push(await rig.watch());
    const url = `ws://127.0.0.1:${rig.server.port}/control/live`;
    const [error] = (await once(new WebSocket(url), 'error')) as [Error];
    expect(error.message).toContain('503');
    watchers[0]?.socket.close();
    await vi.waitFor(async () => {
      const socket = new WebSocket(url);
      await once(socket, 'message');
      socket.terminate();
    });
  });

  test('the page itself may', async () => {
    const rig = await ControlRig.start();
    const origin = `http://127.0.0.1:${rig.server.port}`;
    const socket = new WebSocket(`ws://127.0.0.1:${rig.server.port}/control/live`, { origin });
    const [first] = (await once(socket, 'message')) as [Buffer];
    expect(JSON.parse(first.toString())).toMatchObject({ type: 'hello', state: { state: 'running' } });
    socket.terminate();
  });
});

describe('the log that is kept', () => {
  test('has the newest lines, with their numbers', () => {
    const log = new ControlLog();
    expect(log.since(0)).toEqual({ from: 0, lines: [] });
    for (let i = 0; i < 3; i++) log.add(`${i}`);
    expect(log.since(1)).toEqual({ from: 1, lines: ['1', '2'] });
    expect(log.since(3)).toEqual({ from: 3, lines: [] });
    for (let i = 3; i < 2_345; i++) {
      log.add(`${i}`);
      const { from, lines } = log.since(0);
      expect([lines.length, from]).toEqual([Math.min(i + 1, LINES_MAX), Math.max(0, i + 1 - LINES_MAX)]);
      expect([lines[0], lines.at(-1)]).toEqual([`${from}`, `${i}`]);
    }
    expect((Reflect.get(log, 'lines') as string[]).length).toBeLessThan(2 * LINES_MAX);
    log.close();
  });

  test('has one line for a message, whatever is in it and in its tag', async () => {
    // the one of the tests is silent; copies share their taps
    vi.resetModules();
    vi.stubEnv('HTTPD_LOG', 'error');
    const { espLog } = await import('../../src/log.js');
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const log = new ControlLog();
    espLog('tag\nE (1) other').error('one\r\ntwo\x1b[2J');
    espLog('tag').error(5 as never);
    write.mockRestore();
    vi.unstubAllEnvs();
    log.close();
    expect(log.since(0).lines).toEqual([
      expect.stringMatching(/^E \(\d+\) tag\\x0aE \(1\) other: one\\x0d\\x0atwo\\x1b\[2J$/),
      expect.stringMatching(/^E \(\d+\) tag: 5$/),
    ]);
  });

  test('keeps the beginning of a long line', () => {
    const log = new ControlLog();
    log.add('x'.repeat(2_000));
    log.add('y'.repeat(5_000));
    expect(log.since(0).lines.map(line => line.length)).toEqual([2_000, 2_001]);
    log.close();
  });
});
