/** The browser that pages of examples are tested in. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { describe, test } from 'vitest';
import { EPOLL_HERE } from './epoll.js';
import { SELECT_LOOP } from './server.js';

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

const installed = existsSync(CHROMIUM);
/** A page is the same on every select loop, and a browser takes its time: where there are two loops, one has to do. */
const elsewhere = SELECT_LOOP === 'net' && EPOLL_HERE;

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ARGS });
}

/** Tests of a page, where there is a browser for it; where there is none, that is said. */
export function describeInChromium(what: string, tests: () => void): void {
  if (!installed) {
    test.skip(`${what} in Chromium: skipped, there is no ${CHROMIUM}; to install it: apt-get install chromium`, () => {});
  }
  describe.skipIf(!installed || elsewhere)(`${what} in Chromium`, tests);
}
