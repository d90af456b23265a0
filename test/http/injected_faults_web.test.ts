/** Files, forms and hooks over a port that does the worst that its contract allows. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { overTcp, sameBytes, stopDate, stoppedEverywhere, struckEverywhere } from '../support/fault_tests.js';
import { SELECT_LOOP } from '../support/server.js';
import { webConversations } from './injected_faults_web_support.js';

const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const conversations = webConversations(folder);

stopDate();

// nothing of the system is under this port: once is enough
describe.skipIf(SELECT_LOOP === 'net')('in memory', () => {
  for (const conversation of conversations) {
    sameBytes(conversation);
    struckEverywhere(conversation);
    stoppedEverywhere(conversation);
  }
});

describe('on a select loop', () => {
  for (const conversation of conversations) overTcp(conversation);
});
