/** Pages of the room in a real browser, which talk to one another. */
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type HttpdServer, httpdStart } from '../../../src/index.js';
import { describeInChromium, useChromium } from '../../../test/support/chromium.js';
import { SELECT_LOOP } from '../../../test/support/server.js';
import { BURST, MESSAGE_MAX } from '../chat_room.js';
import { CHAT_CONFIG, registerChatHandlers } from '../chat_server.js';

const PATIENCE = { timeout: 10_000 };

describeInChromium('the room', () => {
  const tabs = useChromium();
  const { complaints } = tabs;
  let server: HttpdServer;
  let time: number;

  beforeEach(async () => {
    time = 0;
    server = await httpdStart({ ...CHAT_CONFIG, serverPort: 0, host: '127.0.0.1', port: SELECT_LOOP });
    registerChatHandlers(server, { now: () => time });
  });

  afterEach(() => server.stop({ grace: 0 }));

  async function open(query = ''): Promise<Page> {
    const page = await tabs.open();
    await page.goto(`http://127.0.0.1:${server.port}/${query}`);
    await expect.poll(() => page.textContent('#state'), PATIENCE).toBe('Connected');
    return page;
  }

  async function join(page: Page, name: string): Promise<void> {
    await page.fill('#name', name);
    await page.press('#name', 'Enter');
    await page.waitForSelector('#talk-form:not([hidden])');
  }

  async function say(page: Page, text: string): Promise<void> {
    await page.fill('#text', text);
    await page.press('#text', 'Enter');
  }

  /** The lines of the list: `name: text` of messages, the text of notes, without times. */
  const lines = (page: Page) =>
    page
      .locator('#list li')
      .evaluateAll(rows =>
        rows.map(row =>
          row.className.includes('note')
            ? (row.textContent ?? '').replace(/[\u2068\u2069]/g, '')
            : `${row.querySelector('.name')?.textContent}: ${row.querySelector('.text')?.textContent}`,
        ),
      );

  const expectLines = (page: Page, expected: string[]) => expect.poll(() => lines(page), PATIENCE).toEqual(expected);
  const people = (page: Page) => page.locator('#people li').allTextContents();

  test('two pages talk, and see each other come and go', async () => {
    const ada = await open();
    expect(await ada.isVisible('#empty')).toBe(true);
    await join(ada, 'Ada');
    const bob = await open();
    expect(await people(bob)).toEqual(['Ada']);
    await join(bob, 'Bob');
    await say(ada, 'Hello, Bob!');
    await expectLines(bob, ['You are here, as Bob', 'Ada: Hello, Bob!']);
    await say(bob, 'Grüße 👋');
    await expectLines(ada, ['You are here, as Ada', 'Bob has joined', 'You: Hello, Bob!', 'Bob: Grüße 👋']);
    await expectLines(bob, ['You are here, as Bob', 'Ada: Hello, Bob!', 'You: Grüße 👋']);
    expect(await people(ada)).toEqual(['Ada (you)1', 'Bob1']);
    expect(await ada.textContent('#count')).toBe('2');
    expect(await bob.inputValue('#text')).toBe('');
    await bob.close();
    await expect.poll(async () => (await lines(ada)).at(-1), PATIENCE).toBe('Bob has left');
    expect(await people(ada)).toEqual(['Ada (you)1']);
    expect(complaints).toEqual([]);
  });

  test('markup and scripts are shown as text, in messages and in what a stranger sends as a name', async () => {
    const ada = await open('?name=Ada');
    const bob = await open('?name=<img%20src=x%20onerror=alert(1)>');
    expect(await bob.textContent('#name-hint')).toContain('A name has 1 to 24 letters');
    await join(bob, 'Bob');
    const texts = [
      '<script>alert(1)</script>',
      '<img src=x onerror="alert(1)">',
      '</p></li><h1>big</h1>&amp;&lt;',
      "'-alert(1)-'",
    ];
    for (const text of texts) await say(bob, text);
    const said = texts.map(text => `Bob: ${text}`);
    await expectLines(ada, ['You are here, as Ada', 'Bob has joined', ...said]);
    expect(await ada.locator('#list script, #list img, #list h1').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test('a name that is taken is refused in words, and another one is asked for', async () => {
    const ada = await open('?name=Ada');
    const other = await open('?name=ada');
    await expect.poll(() => other.textContent('#name-hint'), PATIENCE).toBe('Somebody here is called ada already.');
    expect(await other.getAttribute('#name', 'aria-invalid')).toBe('true');
    expect(await other.inputValue('#name')).toBe('ada');
    await say(ada, 'who is there?');
    await expectLines(other, ['Ada: who is there?']);
    await join(other, 'Eve');
    expect(await other.textContent('#talk-form label')).toBe('Message, as Eve');
    await expect.poll(() => people(ada), PATIENCE).toEqual(['Ada (you)1', 'Eve']);
  });

  test('what is too long is not sent, and what was too fast comes back to be sent again', async () => {
    const ada = await open('?name=Ada');
    await say(ada, 'é'.repeat(MESSAGE_MAX / 2 + 1));
    expect(await ada.textContent('#text-hint')).toBe(`Too long: a message has at most ${MESSAGE_MAX} bytes.`);
    expect(await ada.inputValue('#text')).not.toBe('');
    await say(ada, 'é'.repeat(MESSAGE_MAX / 2));
    // the name and that have been two
    for (let i = 2; i < BURST; i++) await say(ada, `${i}`);
    await say(ada, 'one too many');
    await expect.poll(() => ada.textContent('#text-hint'), PATIENCE).toContain('Not so fast');
    expect(await ada.inputValue('#text')).toBe('one too many');
    time += 1000;
    await ada.press('#text', 'Enter');
    await expect.poll(async () => (await lines(ada)).at(-1), PATIENCE).toBe('You: one too many');
    expect(complaints).toEqual([]);
  });

  test('a page whose connection is lost says so, comes back by itself with its name, and is seen', async () => {
    const ada = await open('?name=Ada');
    const [fd = -1] = server.getClientList().filter(each => server.wsGetFdInfo(each) === 2);
    const bob = await open('?name=Bob');
    await expectLines(ada, ['You are here, as Ada', 'Bob has joined']);
    await ada.fill('#text', 'half a sentence');
    server.wsClose(fd, 1012, 'a test');
    await expectLines(ada, [
      'You are here, as Ada',
      'Bob has joined',
      'The server has closed the connection (1012): a test.',
      'Connected again. What was said meanwhile is not here.',
      'You are here, as Ada',
    ]);
    expect(await ada.inputValue('#text')).toBe('half a sentence');
    await ada.press('#text', 'Enter');
    await expectLines(bob, ['You are here, as Bob', 'Ada has left', 'Ada has joined', 'Ada: half a sentence']);
    expect(await people(bob)).toEqual(['Bob (you)', 'Ada1']);
    expect(complaints).toEqual([]);
  });

  test('tries again later and later while no server is there, and at once when asked to', async () => {
    const page = await open('?name=Ada');
    await page.clock.install({ time: 0 });
    await page.clock.pauseAt(1_000_000);
    await page.evaluate('Math.random = () => 1');
    await server.stop({ grace: 0 });
    const state = () => page.textContent('#state');
    for (const wait of [1, 2, 4, 8, 16, 30, 30]) {
      await expect.poll(state, PATIENCE).toBe(`Offline: next try in ${wait} s`);
      expect(await page.isDisabled('#send')).toBe(true);
      expect(await people(page)).toEqual([]);
      await page.clock.runFor(wait * 1000 - 1);
      expect(await state()).toBe(`Offline: next try in ${wait} s`);
      await page.clock.runFor(1);
    }
    await expect.poll(state, PATIENCE).toBe('Offline: next try in 30 s');
    const port = Number(new URL(page.url()).port);
    server = await httpdStart({ ...CHAT_CONFIG, serverPort: port, host: '127.0.0.1', port: SELECT_LOOP });
    registerChatHandlers(server);
    await page.click('#retry');
    await expect.poll(state, PATIENCE).toBe('Connected');
    await expect.poll(() => people(page), PATIENCE).toEqual(['Ada (you)']);
    // its clock stands still for good
    await page.close();
  });

  test('a page that is loaded again has kept its name; a new one has not', async () => {
    const page = await open();
    await join(page, 'Ada');
    await page.reload();
    await page.waitForSelector('#talk-form:not([hidden])');
    expect(await page.textContent('#me')).toBe('Ada');
    const other = await open();
    expect(await other.isVisible('#name-form')).toBe(true);
  });

  test('the newest line stays in sight, unless somebody reads further up', async () => {
    const ada = await open('?name=Ada');
    await ada.setViewportSize({ width: 320, height: 480 });
    const bob = await open('?name=Bob');
    const gap = () =>
      ada.locator('#log').evaluate(log => log.scrollHeight - log.scrollTop - log.clientHeight) as Promise<number>;
    for (let i = 0; i < 9; i++) await say(bob, `${i} ${'long '.repeat(30)}`);
    await expect.poll(() => ada.locator('#list .text').count(), PATIENCE).toBe(9);
    await expect.poll(gap, PATIENCE).toBeLessThan(2);
    expect(await ada.isVisible('#newer')).toBe(false);
    // narrow: scrolls in one direction only
    expect(await ada.evaluate('document.documentElement.scrollWidth')).toBe(320);
    await ada.focus('#log');
    await ada.keyboard.press('Home');
    // the browser scrolls smoothly
    await expect.poll(() => ada.locator('#log').evaluate(log => log.scrollTop), PATIENCE).toBe(0);
    time += 60_000;
    await say(bob, 'newer');
    await ada.click('#newer');
    expect(await ada.isVisible('#newer')).toBe(false);
    await expect.poll(gap, PATIENCE).toBeLessThan(2);
  });

  test('each control has a name, messages are told as they come, and the keyboard alone will do', async () => {
    const page = await open();
    const unnamed = await page
      .locator('input:visible, button:visible')
      .evaluateAll(controls =>
        controls
          .map(control => (control as { labels?: { textContent: string }[] }).labels?.[0] ?? control)
          .filter(({ textContent }) => (textContent ?? '').trim() === ''),
      );
    expect(unnamed).toHaveLength(0);
    expect(await page.getByRole('log', { name: 'Messages, newest last' }).count()).toBe(1);
    expect(await page.getByRole('list', { name: 'Here now' }).count()).toBe(1);
    expect(await page.getByRole('status').first().textContent()).toBe('Connected');
    await page.focus('#name');
    await page.keyboard.type('Ada');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#text:focus');
    await page.keyboard.type('typed');
    await page.keyboard.press('Enter');
    await expectLines(page, ['You are here, as Ada', 'You: typed']);
    expect(await page.evaluate('document.activeElement.id')).toBe('text');
  });
});
