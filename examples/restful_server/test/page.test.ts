/** The page in a real browser; its clock is turned by hand. */
import type { Page } from 'playwright-core';
import { beforeEach, expect, test } from 'vitest';
import type { HttpdServer } from '../../../src/index.js';
import { exchange, request } from '../../../test/http/support.js';
import { describeInChromium, useChromium } from '../../../test/support/chromium.js';
import { startTestServer } from '../../../test/support/server.js';
import { registerRestHandlers } from '../rest_server.js';

const PATIENCE = { timeout: 10_000, interval: 5 };
const LIGHT = '/api/v1/light/brightness';

/** WCAG 2.2: relative luminance, and the contrast of two colours. */
function luminance(rgb: readonly number[]): number {
  const [red = 0, green = 0, blue = 0] = rgb.map(part => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: readonly number[], other: readonly number[]): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

describeInChromium('the page', () => {
  const tabs = useChromium();
  let server: HttpdServer;
  let page: Page;
  let temperature: number;

  beforeEach(async () => {
    temperature = 5;
    server = await startTestServer();
    registerRestHandlers(server, { readTemperature: () => temperature });
    page = await tabs.open();
    await page.clock.install();
  });

  const open = () => page.goto(`http://127.0.0.1:${server.port}/`);
  const text = (selector: string) => page.textContent(selector);
  const expectText = (selector: string, wanted: string) =>
    expect.poll(() => text(selector), { ...PATIENCE, message: selector }).toBe(wanted);
  const light = async () => JSON.parse((await exchange(server, request(`GET ${LIGHT}`))).text) as unknown;

  /** Lets the page measure once more. */
  async function measure(raw: number): Promise<void> {
    temperature = raw;
    await expect
      .poll(async () => {
        await page.clock.runFor(1000);
        return text('#now');
      }, PATIENCE)
      .toBe(`${raw} °C`);
  }

  test('shows the temperature as it changes, and what the device knows of itself', async () => {
    await open();
    await expectText('#now', '5 °C');
    await expectText('#state', 'Live');
    await expectText('#version', process.version);
    expect(await text('#cores')).toMatch(/^\d+$/);
    await measure(19);
    await measure(7);
    expect(await text('#range')).toBe('5 to 19 °C in the last minute');
    expect(await page.getAttribute('#svg', 'aria-label')).toBe('Temperature: 7 °C now, 5 to 19 °C in the last minute');
    expect(await page.getAttribute('#curve', 'd')).toMatch(/^M\d+ 15h0L\d+ .*L59 13$/);
    expect(await text('#scale')).toBe('20151050');
    await measure(39);
    expect(await text('#scale')).toBe('403020100');
    expect(tabs.complaints).toEqual([]);
  });

  test('a pause stops the chart, and leaves a gap in it', async () => {
    await open();
    await expectText('#now', '5 °C');
    await page.click('#pause');
    expect(await text('#state')).toBe('Paused');
    temperature = 9;
    await page.clock.runFor(10_000);
    expect(await text('#now')).toBe('5 °C');
    await page.click('#pause');
    await expectText('#now', '9 °C');
    await expectText('#state', 'Live');
    expect((await page.getAttribute('#curve', 'd'))?.match(/M/g)).toHaveLength(2);
  });

  test('what the lamp says can be read on every colour', async () => {
    await open();
    await expectText('#lamp', 'Off');
    for (const colour of [
      [255, 255, 255],
      [0, 200, 40],
      [0, 238, 0],
      [255, 0, 0],
      [255, 0, 255],
      [0, 0, 255],
      [118, 118, 118],
      [119, 119, 119],
    ]) {
      for (const [i, name] of ['red', 'green', 'blue'].entries()) await page.fill(`#${name}`, String(colour[i]));
      await expectText('#lamp', colour.join(', '));
      const [text = [], ground = []] = await page.evaluate<number[][]>(`(() => {
        const { color, backgroundColor } = getComputedStyle(document.getElementById('lamp'));
        return [color, backgroundColor].map(css => css.match(/\\d+/g).map(Number));
      })()`);
      expect(ground).toEqual(colour);
      // WCAG 2.2 section 1.4.3
      expect(contrast(text, ground), colour.join()).toBeGreaterThanOrEqual(4.5);
    }
  });

  test('the light follows the sliders, and the sliders the light when the page is opened again', async () => {
    await open();
    await expectText('#lamp', 'Off');
    for (const [colour, value] of [
      ['red', 230],
      ['green', 120],
      ['blue', 40],
    ] as const) {
      // fill moves the slider and lets it go
      await page.fill(`#${colour}`, String(value));
    }
    await expectText('#light-told', 'The light is set.');
    await expect.poll(light, PATIENCE).toEqual({ red: 230, green: 120, blue: 40 });
    expect(await page.evaluate("getComputedStyle(document.getElementById('lamp')).backgroundColor")).toBe(
      'rgb(230, 120, 40)',
    );
    await page.reload();
    await expectText('#lamp', '230, 120, 40');
    expect(await page.inputValue('#green')).toBe('120');
    await page.focus('#green');
    await page.keyboard.press('ArrowRight');
    await expect.poll(light, PATIENCE).toEqual({ red: 230, green: 121, blue: 40 });
    expect(await text('output[for=green]')).toBe('121');
    expect(tabs.complaints).toEqual([]);
  });

  test('a device that does not answer is told of in words', async () => {
    await open();
    await expectText('#state', 'Live');
    await page.route('**/api/**', route => route.abort());
    await page.fill('#red', '1');
    await expectText('#light-told', 'The light is not set: the device does not answer.');
    await expect
      .poll(async () => {
        await page.clock.runFor(1000);
        return text('#state');
      }, PATIENCE)
      .toBe('No answer; still trying');
    await page.unroute('**/api/**');
    await measure(11);
    expect(await text('#state')).toBe('Live');
  });

  test('nothing is wider than a telephone', async () => {
    await page.setViewportSize({ width: 320, height: 640 });
    await open();
    await expectText('#now', '5 °C');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
  });
});
