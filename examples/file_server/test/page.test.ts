/** The page in a real browser: a file there and back. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { deferred, pattern } from '../../../test/http/support.js';
import { describeInChromium, launchChromium } from '../../../test/support/chromium.js';
import { MAX_FILE_SIZE } from '../file_server.js';
import { type Files, startFiles } from './support.js';

const PATIENCE = { timeout: 10_000, interval: 5 };

describeInChromium('the file server', () => {
  let browser: Browser;
  let files: Files;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    browser = await launchChromium();
    page = await browser.newPage({ viewport: { width: 360, height: 800 } });
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', error => complaints.push(String(error)));
  }, 60_000);

  afterAll(() => browser?.close());

  beforeEach(async () => {
    files = await startFiles();
    complaints = [];
  });

  const open = () => page.goto(`http://127.0.0.1:${files.server.port}/`);
  const names = () => page.locator('.name').allTextContents();
  const expectStatus = (text: string) =>
    expect.poll(async () => (await page.textContent('#status'))?.replace(/[\u2068\u2069]/g, ''), PATIENCE).toBe(text);

  async function upload(name: string, buffer: Buffer, as = name): Promise<void> {
    await page.setInputFiles('#file', { name, mimeType: 'application/octet-stream', buffer });
    expect(await page.inputValue('#name')).toBe(name);
    await page.fill('#name', as);
    await page.click('#upload');
  }

  test('a file is uploaded, listed, downloaded as it was, and deleted, with a name of every kind of character', async () => {
    const name = "it's (grüße & more) #1 100% 写真.bin";
    const bytes = pattern(MAX_FILE_SIZE);
    await open();
    await upload('x.bin', bytes, name);
    await expectStatus(`${name} is uploaded.`);
    expect(await names()).toEqual([name]);
    expect(await page.textContent('.count')).toBe('1');
    expect(readFileSync(join(files.root, name)).equals(bytes)).toBe(true);

    const downloading = page.waitForEvent('download');
    await page.getByRole('link', { name: `Download ${name}` }).click();
    const download = await downloading;
    expect(download.suggestedFilename()).toBe(name);
    expect(readFileSync(await download.path()).equals(bytes)).toBe(true);

    await page.getByRole('button', { name: `Delete ${name}` }).click();
    expect(await page.textContent('#question')).toBe(`Delete ${name}? There is no way back.`);
    await page.keyboard.press('Escape');
    expect(await names()).toEqual([name]);
    await page.getByRole('button', { name: `Delete ${name}` }).click();
    await page.click('#yes');
    await expectStatus(`${name} is deleted.`);
    expect(await names()).toEqual([]);
    expect(await page.textContent('#list')).toContain('No files yet');
    expect(files.names()).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('what can not be uploaded is told in words, and nothing is wider than the window', async () => {
    writeFileSync(join(files.root, `there ${'long'.repeat(30)}.txt`), 'x');
    writeFileSync(join(files.root, 'there.txt'), 'x');
    await open();
    await page.click('#upload');
    await expectStatus('Choose a file first.');
    await upload('big', Buffer.alloc(MAX_FILE_SIZE + 1));
    await expectStatus('This file is too large: at most 200 KiB.');
    await upload('a', Buffer.from('x'), '../a');
    await expectStatus('A name has no dot in front or at its end, and none of / \\ : * ? " < > |');
    expect(await page.getAttribute('#name', 'aria-invalid')).toBe('true');
    expect(complaints).toEqual([]);
    await upload('there.txt', Buffer.from('new'));
    await expectStatus('File already exists');
    await upload('a', Buffer.from('x'), 'nul');
    await expectStatus('Invalid filename');
    // a browser tells its console of each 400
    expect(complaints).toHaveLength(2);
    expect(files.names()).toHaveLength(2);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  });

  test('an upload can be cancelled, and begun again', async () => {
    const [begun, released] = [deferred(), deferred()];
    const create = files.store.create.bind(files.store);
    files.store.create = async () => {
      const made = await create();
      if (typeof made === 'string') return made;
      const write = made.write.bind(made);
      made.write = async bytes => {
        begun.resolve();
        await released.promise;
        await write(bytes);
      };
      return made;
    };
    await open();
    await upload('slow', pattern(MAX_FILE_SIZE));
    await begun.promise;
    await page.click('#cancel');
    await expectStatus('Cancelled.');
    expect(await page.isVisible('#going')).toBe(false);
    released.resolve();
    await page.fill('#name', 'again');
    await page.click('#upload');
    await expectStatus('again is uploaded.');
    expect(complaints).toEqual([]);
  });

  test('the script of a file that somebody has uploaded does not run', async () => {
    writeFileSync(join(files.root, 'evil.html'), '<h1>hello</h1><script>document.body.textContent = "evil"</script>');
    await page.goto(`http://127.0.0.1:${files.server.port}/evil.html`);
    expect(await page.textContent('body')).toContain('hello');
    expect(complaints.join()).toMatch(/script/i);
  });
});
