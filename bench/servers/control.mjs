/** What every server under test does for the bench: tells its port, collects its garbage, ends with the bench. */

import { setTimeout } from 'node:timers/promises';

/** What the GET handlers answer. */
export const BODY = process.argv[2];

/** @param {number} port that the server listens on, on 127.0.0.1 */
export function ready(port) {
  process.on('message', async () => {
    // the first collection lets go, the next ones release what was let go, and its pages are given back in between
    for (let i = 0; i < 4; i++) {
      globalThis.gc?.();
      await setTimeout(100);
    }
    const { heapUsed, external } = process.memoryUsage();
    process.send?.({ used: heapUsed + external });
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ port });
}
