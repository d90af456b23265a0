/** The browser that pages of examples are tested in. */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, test } from 'vitest';
import { ELSEWHERE } from './server.js';

const CHROMIUM = '/usr/bin/chromium';
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** Playwright's own. */
const SIZE = { width: 1280, height: 720 };

const installed = existsSync(CHROMIUM);

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ARGS });
}

/** Tests of a page, on one select loop, where there is a browser for it; where there is none, that is said. */
export function describeInChromium(what: string, tests: () => void): void {
  if (!installed) {
    test.skip(`${what} in Chromium: skipped, there is no ${CHROMIUM}; to install it: apt-get install chromium`, () => {});
  }
  describe.skipIf(!installed || ELSEWHERE)(`${what} in Chromium`, tests);
}

export interface Tabs {
  /** A blank page, in a profile of its own. Called behind each test's beginning, and blank again behind its end. */
  open(): Promise<Page>;
  /** Errors, warnings and dialogs of all pages of this test. */
  readonly complaints: string[];
}

/**
 * A browser for the tests of a `describe`. Each new page is a new process, so tests use the pages again that those before
 * them have not closed; what a page stores belongs to its server's port, which is another in each test.
 */
export function useChromium(): Tabs {
  const complaints: string[] = [];
  const idle: Page[] = [];
  const inUse: Page[] = [];
  let browser: Browser;

  async function newPage(): Promise<Page> {
    const page = await browser.newPage({ viewport: SIZE });
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', error => complaints.push(String(error)));
    // a dialog would be a script of somebody else's
    page.on('dialog', dialog => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    return page;
  }

  beforeAll(async () => {
    browser = await launchChromium();
  }, 60_000);

  afterAll(() => browser?.close());

  beforeEach(() => {
    complaints.length = 0;
  });

  afterEach(async () => {
    for (const page of inUse.splice(0)) {
      if (page.isClosed()) continue;
      await page.setViewportSize(SIZE);
      await page.goto('about:blank');
      idle.push(page);
    }
  });

  return {
    complaints,
    async open() {
      const page = idle.pop() ?? (await newPage());
      inUse.push(page);
      return page;
    },
  };
}
