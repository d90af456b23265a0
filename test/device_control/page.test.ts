/** The control page in a real browser. */
import { readFileSync, rmSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { controlWith } from '../../src/device_control/control.js';
import { TICK_MS } from '../../src/device_control/live.js';
import { describeInChromium, useChromium } from '../support/chromium.js';
import type { MemConn } from '../support/mem_port.js';
import { ControlRig } from './support.js';

const PATIENCE = { timeout: 10_000 };

describeInChromium('the control page', () => {
  const tabs = useChromium();
  const { complaints } = tabs;

  async function open(rig: ControlRig): Promise<Page> {
    const page = await tabs.open();
    await page.goto(rig.server.url);
    await expect.poll(() => page.textContent('#state'), PATIENCE).not.toBe('Connecting…');
    return page;
  }

  async function start(): Promise<{ rig: ControlRig; page: Page; conn: MemConn }> {
    const rig = await ControlRig.start({ seed: 7 });
    const conn = rig.mem.connect();
    await rig.mem.get(conn);
    return { rig, page: await open(rig), conn };
  }

  const shown = (page: Page, selector: string, text: string | RegExp) =>
    expect.poll(() => page.textContent(selector), PATIENCE).toMatch(text);
  const cells = (page: Page) => page.locator('#sessions td').allTextContents();

  test('shows sessions, memory and log, and what has happened', async () => {
    const { rig, page } = await start();
    expect(await page.textContent('h1')).toBe('ESP32 device');
    expect(await page.textContent('#state')).toBe('Running');
    expect(await page.textContent('#about')).toContain('seed 7 · boot 1');
    expect(await page.getAttribute('#open', 'href')).toBe(`http://127.0.0.1:${rig.device.port}/`);
    expect(await cells(page)).toEqual(['4', '192.0.2.1:40000', 'HTTP', '0 s', '1', '0 B']);
    expect(await page.textContent('#heap-now')).toBe('223.7 KiB');
    expect(await page.textContent('#queue-text')).toBe('of 6 works that may wait');
    const before = await page.getAttribute('#heap-line', 'd');
    rig.device.heap.take(100 * 1024);
    rig.log.add('E (1) app: <img src=x onerror="alert(1)">');
    rig.clock.advance(TICK_MS);
    await shown(page, '#heap-now', '123.7 KiB');
    expect(await page.getAttribute('#heap-line', 'd')).not.toBe(before);
    expect(await page.locator('#lines .E').allTextContents()).toEqual(['E (1) app: <img src=x onerror="alert(1)">']);
    expect(complaints).toEqual([]);
  });

  test('each button lets its event happen, for as long as its field says', async () => {
    const { rig, page, conn } = await start();
    await page.fill('#s-wifi-down', '1.5');
    await page.click('text=Wi-Fi down');
    await shown(page, '#hint', 'Sent: no Wi-Fi for 1.5 s.');
    rig.clock.advance(TICK_MS);
    await shown(page, '#wifi', 'Wi-Fi down');
    await rig.mem.run(1_600);
    await page.fill('#s-stall', '1');
    await page.press('#s-stall', 'Enter');
    await expect.poll(() => rig.device.snapshot().busy, PATIENCE).toBe(true);
    rig.clock.advance(TICK_MS);
    await shown(page, '#busy', 'Server busy');
    await shown(page, '#wifi', 'Wi-Fi up');
    await page.fill('#s-reboot', '0.5');
    await page.click('text=Reboot');
    await shown(page, '#state', 'Booting…');
    expect(conn.ended).toBe('reset');
    expect(await page.isVisible('#no-sessions')).toBe(true);
    await rig.mem.until(() => rig.device.state === 'running');
    await shown(page, '#state', 'Running');
    await page.fill('#s-brown-out', '0');
    await page.click('text=Brown-out');
    await rig.mem.until(() => rig.device.snapshot().boots === 3);
    await shown(page, '#about', 'boot 3');
    const { events } = { events: rig.device.recorded().map(({ at: _, ...event }) => event) };
    expect(events).toEqual([
      { wifiDown: 1.5 },
      { stall: 1 },
      { reboot: { bootSeconds: 0.5 } },
      { brownOut: { bootSeconds: 0 } },
    ]);
    expect(await page.locator('#steps li span:last-child').allTextContents()).toEqual([
      'Brown-out, back in 0 s',
      'Reboot, back in 0.5 s',
      'Server stalled for 1 s',
      'Wi-Fi lost for 1.5 s',
    ]);
    expect(complaints).toEqual([]);
  });

  test('the sliders change the link, with the keyboard too, and go back to the profile', async () => {
    const { rig, page } = await start();
    const value = (name: string) => page.getAttribute(`#link-${name}`, 'aria-valuetext');
    expect(await value('bandwidthUp')).toBe('8 Mbit/s');
    expect(await value('latencyMs')).toBe('10 ms');
    await page.focus('#link-latencyMs');
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => rig.device.link.latencyMs, PATIENCE).toBe(15);
    expect(await value('latencyMs')).toBe('15 ms');
    await page.focus('#link-bandwidthUp');
    await page.keyboard.press('Home');
    await expect.poll(() => rig.device.link.bandwidthUp, PATIENCE).toBe(1_000);
    await page.focus('#link-stallChance');
    await page.keyboard.press('End');
    await expect.poll(() => rig.device.link.stallChance, PATIENCE).toBe(1);
    // what somebody else has changed is shown, though it is no step of the slider
    rig.device.setLink({ jitterMs: 33 });
    rig.clock.advance(TICK_MS);
    await shown(page, 'label[for=link-jitterMs] output', '33 ms');
    await page.click('#reset-link');
    await expect.poll(() => rig.device.link, PATIENCE).toEqual(rig.device.profile.link);
  });

  test('a slider that is put back where it was goes on to show the link', async () => {
    const { rig, page } = await start();
    const slider = page.locator('#link-latencyMs');
    const shownMs = () => page.textContent('label[for=link-latencyMs] output');
    await slider.scrollIntoViewIfNeeded();
    const { x, y, width, height } = (await slider.boundingBox()) as {
      x: number;
      y: number;
      width: number;
      height: number;
    };
    const share = Number(await slider.inputValue()) / Number(await slider.getAttribute('max'));
    const thumb = height / 2;
    const at = x + thumb + (width - 2 * thumb) * share;
    await page.mouse.move(at, y + thumb);
    await page.mouse.down();
    await page.mouse.move(at + 60, y + thumb);
    expect(await shownMs()).not.toBe('10 ms');
    await page.mouse.move(at, y + thumb);
    await page.mouse.up();
    expect(await shownMs()).toBe('10 ms');
    rig.device.setLink({ latencyMs: 500 });
    rig.clock.advance(TICK_MS);
    await shown(page, 'label[for=link-latencyMs] output', '500 ms');
  });

  test('a wrong file is told; a right one is played; what is recorded can be downloaded', async () => {
    const { rig, page } = await start();
    const play = (text: string) =>
      page.setInputFiles('#play', { name: 'mine.json', mimeType: 'application/json', buffer: Buffer.from(text) });
    await play('[{"at":0,"explode":1}]');
    await shown(page, '#hint.bad', /^step 0 has no field 'explode'/);
    await play('[{"at":0.1,"stall":0.25}]');
    await shown(page, '#hint:not(.bad)', 'mine.json is played.');
    await rig.mem.run(110);
    await shown(page, '#steps', 'Server stalled for 0.25 s');
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
    expect(download.suggestedFilename()).toBe('scenario.json');
    const path = await download.path();
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(rig.device.recorded());
    rmSync(path);
  });

  test('without its server it waits, disabled, and goes on where it was', async () => {
    const { rig, page } = await start();
    rig.log.add('I (1) app: before');
    rig.clock.advance(TICK_MS);
    await shown(page, '#lines', 'I (1) app: before');
    const { port } = rig.server;
    await rig.server.stop();
    await shown(page, '#state', 'Control server lost');
    expect(await page.isDisabled('text=Reboot')).toBe(true);
    rig.log.add('I (2) app: meanwhile');
    await using again = await controlWith(rig.device, { port, log: rig.log }, rig.clock);
    expect(again.port).toBe(port);
    await page.click('#retry').catch(() => {});
    await shown(page, '#state', 'Running');
    expect(await page.locator('#lines li').allTextContents()).toEqual(['I (1) app: before', 'I (2) app: meanwhile']);
    expect(await page.isEnabled('text=Reboot')).toBe(true);
    await page.goto('about:blank');
  });

  test('fits a phone, names each control, and keeps the newest line in sight', async () => {
    const { rig, page } = await start();
    await page.setViewportSize({ width: 390, height: 844 });
    for (let i = 0; i < 40; i++) rig.log.add(`I (${i}) app: ${'a long line '.repeat(10)}`);
    rig.clock.advance(TICK_MS);
    await expect.poll(() => page.locator('#lines li').count(), PATIENCE).toBe(40);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
    const unnamed = await page
      .locator('input:visible, button:visible')
      .evaluateAll(controls =>
        controls
          .map(control => (control as { labels?: { textContent: string }[] }).labels?.[0] ?? control)
          .filter(({ textContent }) => (textContent ?? '').trim() === ''),
      );
    expect(unnamed).toHaveLength(0);
    expect(await page.getByRole('status', { name: 'State' }).textContent()).toContain('Running');
    const gap = () => page.locator('#log').evaluate(log => log.scrollHeight - log.scrollTop - log.clientHeight);
    expect(await gap()).toBeLessThan(2);
    await page.focus('#log');
    await page.keyboard.press('Home');
    await expect.poll(() => page.locator('#log').evaluate(log => log.scrollTop), PATIENCE).toBe(0);
    rig.log.add('I (99) app: newer');
    rig.clock.advance(TICK_MS);
    await page.click('#newer');
    await expect.poll(gap, PATIENCE).toBeLessThan(2);
  });
});
