/** HTTP over a port that does the worst that its contract allows. */
import { describe } from 'vitest';
import { overTcp, sameBytes, stopDate, stoppedEverywhere, struckEverywhere } from '../support/fault_tests.js';
import { SELECT_LOOP } from '../support/server.js';
import { CONVERSATIONS } from './injected_faults_support.js';

stopDate();

// nothing of the system is under this port: once is enough
describe.skipIf(SELECT_LOOP === 'net')('in memory', () => {
  for (const conversation of CONVERSATIONS) {
    sameBytes(conversation);
    struckEverywhere(conversation);
    stoppedEverywhere(conversation);
  }
});

describe('on a select loop', () => {
  for (const conversation of CONVERSATIONS) overTcp(conversation);
});
