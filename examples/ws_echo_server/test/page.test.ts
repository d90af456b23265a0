/** The page in a real browser. */
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type HttpdServer, httpdStart } from '../../../src/index.js';
import { describeInChromium, useChromium } from '../../../test/support/chromium.js';
import { SELECT_LOOP } from '../../../test/support/server.js';
import { MAX_FRAME_LEN, registerEchoHandlers } from '../echo_server.js';
import { GREETING } from '../greeting.js';

/** A line of the list: direction, type, length, payload and remark. */
type Row = [direction: string, type: string, length: string, payload: string, remark: string];

describeInChromium('the page', () => {
  const { open, complaints } = useChromium();
  let server: HttpdServer;
  let page: Page;

  beforeEach(async () => {
    server = await httpdStart({ serverPort: 0, host: '127.0.0.1', port: SELECT_LOOP });
    registerEchoHandlers(server);
    page = await open();
    await page.goto(`http://127.0.0.1:${server.port}/`);
  });

  afterEach(() => server.stop({ grace: 0 }));

  const state = () => page.textContent('#state');

  async function connect(uri: string, expected = `Connected to ${uri}`): Promise<void> {
    await page.check(`input[value="${uri}"]`);
    await page.click('#connect');
    await expect.poll(state, { timeout: 10_000 }).toBe(expected);
  }

  /** The lines of the list, oldest first, once there are `count`; times are checked for their form and left out. */
  async function rows(count: number): Promise<Row[]> {
    await expect.poll(() => page.locator('#list tr').count(), { timeout: 10_000 }).toBe(count);
    const cells = await page.locator('#list tr').evaluateAll(trs =>
      trs.map(tr => {
        const text = (selector: string) => tr.querySelector(selector)?.textContent ?? '';
        return ['.dir', '.type', '.len', '.payload', '.remark', '.time'].map(text);
      }),
    );
    return cells.reverse().map(([dir = '', type = '', len = '', payload = '', remark = '', time = '']) => {
      expect(time).toMatch(/^\d\d:\d\d:\d\d\.\d{3}$/);
      return [dir, type, len, payload, remark.replace(/[\d.]+ ms/, '<n> ms')];
    });
  }

  test('/ws: text, bytes, Trigger async and Ping, each with its line', async () => {
    expect(await state()).toBe('Not connected');
    await connect('/ws');
    await page.fill('#text', 'Grüße 👋 <b>x</b>');
    await page.click('#send-text');
    await rows(3);
    await page.fill('#hex', '00 ff 0x7F');
    await page.click('#send-hex');
    await rows(5);
    await page.click('#send-async');
    await rows(7);
    await page.click('#send-ping');
    await page.fill('#text', 'after the ping');
    await page.click('#send-text');
    expect(await rows(10)).toEqual([
      ['• open', 'handshake', '', '', 'Connected to /ws'],
      ['↑ sent', 'text 0x1', '21 B', 'Grüße 👋 <b>x</b>', ''],
      ['↓ received', 'text 0x1', '21 B', 'Grüße 👋 <b>x</b>', 'the same as sent, after <n> ms'],
      ['↑ sent', 'binary 0x2', '3 B', '00 ff 7f', ''],
      ['↓ received', 'binary 0x2', '3 B', '00 ff 7f', 'the same as sent, after <n> ms'],
      ['↑ sent', 'text 0x1', '13 B', 'Trigger async', 'no echo: the answer comes from the work queue'],
      ['↓ received', 'text 0x1', '10 B', 'Async data', ''],
      ['↑ sent', 'text 0x1', '4 B', 'Ping', expect.stringContaining('the server sends a ping, which the browser')],
      ['↑ sent', 'text 0x1', '14 B', 'after the ping', ''],
      ['↓ received', 'text 0x1', '14 B', 'after the ping', 'the same as sent, after <n> ms'],
    ]);
    expect(await page.textContent('#counts')).toBe('5 sent, 4 received');
    await page.click('#disconnect');
    await expect.poll(state).toBe('Closed (1000)');
    expect((await rows(11)).at(-1)).toEqual(['• closed', 'close 0x8', '', '', 'Code 1000: closed as asked']);
    await page.click('#clear');
    expect(await rows(0)).toEqual([]);
    expect(await page.isVisible('#empty')).toBe(true);
    expect(complaints).toEqual([]);
  });

  test('the time of an echo begins with its message: what the list costs, and the first number of it, come behind', async () => {
    await page.evaluate(`
      window.order = [];
      for (const [of, name] of [[Element, 'prepend'], [WebSocket, 'send'], [Number, 'toLocaleString']]) {
        const whole = of.prototype[name];
        of.prototype[name] = function (...args) {
          order.push(name);
          return whole.apply(this, args);
        };
      }
    `);
    await connect('/ws');
    await page.click('#send-text');
    await rows(3);
    expect(await page.evaluate('order')).toEqual(['prepend', 'send', 'prepend', 'prepend']);
  });

  test('/ws: a file is sent as bytes, one that is too long is refused in words', async () => {
    await connect('/ws');
    await page.click('#send-file');
    expect(await page.textContent('#file-error')).toBe('Choose a file first.');
    const file = { name: 'a.bin', mimeType: 'application/octet-stream' };
    await page.setInputFiles('#file', { ...file, buffer: Buffer.alloc(MAX_FRAME_LEN + 1) });
    await page.click('#send-file');
    await expect.poll(() => page.textContent('#file-error')).toContain('longer than 1 MiB');
    await page.setInputFiles('#file', { ...file, buffer: Buffer.from('ESP') });
    await page.click('#send-file');
    expect((await rows(3)).slice(1)).toEqual([
      ['↑ sent', 'binary 0x2', '3 B', '45 53 50', ''],
      ['↓ received', 'binary 0x2', '3 B', '45 53 50', 'the same as sent, after <n> ms'],
    ]);
    expect(await page.isVisible('#file-error')).toBe(false);
    expect(complaints).toEqual([]);
  });

  test.each([
    ['4', 'Each byte has two digits; one digit is missing.'],
    ['zz', 'Only hex digits, please: 0 to 9 and a to f.'],
  ])('the hex digits %j are refused in words', async (digits, error) => {
    await connect('/ws');
    await page.fill('#hex', digits);
    await page.click('#send-hex');
    expect(await page.textContent('#hex-error')).toBe(error);
    expect(await page.getAttribute('#hex', 'aria-invalid')).toBe('true');
    expect(await rows(1)).toHaveLength(1);
  });

  test('/ws_partial: a large text comes back, and the page tells how it travelled', async () => {
    await connect('/ws_partial');
    expect(await page.textContent('#large-hint')).toContain('4 frames (64 + 64 + 64 + 8 bytes) on the wire');
    await page.click('#send-large');
    const remark =
      'the same as sent, after <n> ms; 4 frames (64 + 64 + 64 + 8 bytes) on the wire, joined by the browser';
    const came = (await rows(3)).at(-1);
    expect(came?.[2]).toBe('200 B');
    expect(came?.[4]).toBe(remark);
    await page.selectOption('#size', '1048576');
    await page.click('#send-large');
    const large = (await rows(5)).at(-1);
    expect(large?.[2]).toBe('1,048,576 B');
    expect(large?.[4]).toContain('the same as sent');
    expect(large?.[4]).toContain('16,384 frames of 64 bytes on the wire');
    await page.click('#send-async');
    expect((await rows(7)).at(-1)?.slice(0, 4)).toEqual(['↓ received', 'text 0x1', '13 B', 'Trigger async']);
    expect(complaints).toEqual([]);
  });

  test('/auth: a wrong token is refused, the right one is greeted', async () => {
    await page.check('input[value="/auth"]');
    await page.fill('#token', 'guess');
    await connect('/auth', 'Not connected: refused');
    const [refused] = await rows(1);
    expect(refused?.[4]).toContain('the server answers a wrong one with 403');
    expect(await page.isDisabled('#send-text')).toBe(true);
    // the browser itself notes the refusal
    expect(complaints.splice(0)).toEqual([expect.stringContaining('Unexpected response code: 403')]);
    await page.fill('#token', 'valid');
    await connect('/auth');
    await page.click('#send-text');
    expect((await rows(5)).slice(1).map(row => row.slice(0, 4))).toEqual([
      ['• open', 'handshake', '', ''],
      ['↓ received', 'text 0x1', `${GREETING.length} B`, GREETING],
      ['↑ sent', 'text 0x1', '17 B', 'Hello, Espressif!'],
      ['↓ received', 'text 0x1', '17 B', 'Hello, Espressif!'],
    ]);
    expect(complaints).toEqual([]);
  });

  test('/chat: the subprotocol is offered, chosen and shown', async () => {
    await page.check('input[value="/chat"]');
    await page.fill('#protocol', 'superchat, chat');
    await connect('/chat', 'Connected to /chat, subprotocol chat');
    await page.click('#send-text');
    expect((await rows(3)).at(-1)?.[4]).toBe('the same as sent, after <n> ms');
    expect(complaints).toEqual([]);
  });

  test('the state tells when the server goes down', async () => {
    await connect('/ws');
    const stopped = server.stop();
    await expect.poll(state, { timeout: 10_000 }).toBe('Closed (1001)');
    await stopped;
    expect((await rows(2)).at(-1)?.[4]).toBe('Code 1001: the server is going down');
    expect(await page.isEnabled('#connect')).toBe(true);
    expect(complaints).toEqual([]);
  });

  test('a narrow screen scrolls in one direction only, and keeps the newest line in sight', async () => {
    await page.setViewportSize({ width: 320, height: 600 });
    await connect('/ws');
    await page.click('#send-large');
    await rows(3);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
    expect(await page.locator('#latest').textContent()).toContain('↓ received text 0x1, 200 bytes');
    const box = await page.locator('#latest').boundingBox();
    expect((box?.y ?? -1) >= 0 && (box?.y ?? 600) < 600).toBe(true);
  });

  test('each control has a name, and the keyboard alone will do', async () => {
    const names = await page.locator('input:visible, textarea, select, button').evaluateAll(controls =>
      controls.map(control => {
        const { labels, textContent } = control as {
          labels?: { textContent: string | null }[];
          textContent: string | null;
        };
        return (labels?.[0]?.textContent ?? textContent ?? '').trim();
      }),
    );
    expect(names.filter(name => name === '')).toEqual([]);
    await page.focus('input[value="/ws"]');
    await page.keyboard.press('ArrowRight');
    expect(await page.isChecked('input[value="/ws_partial"]')).toBe(true);
    await page.keyboard.press('Enter');
    await expect.poll(state, { timeout: 10_000 }).toBe('Connected to /ws_partial');
    await page.focus('#text');
    await page.keyboard.press('Control+Enter');
    expect((await rows(3)).at(-1)?.[0]).toBe('↓ received');
  });
});
