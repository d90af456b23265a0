import { describe, expect, test } from 'vitest';
import { serve } from '../support.js';
import type { Case } from './case.js';
import { ECHO_CONFIG, ECHO_ROUTES, ECHO_WEBSOCKET } from './echo_server.js';
import { failuresOf } from './runner.js';
import { SUBJECTS } from './subjects.js';

/** Of the cases that are no longer than `whole` all, and of those up to 400 bytes every n-th. */
function sample(whole: number, n: number): Case[] {
  const cases = Object.values(SUBJECTS).flat();
  return cases.filter(({ raw }, i) => raw.length <= whole || (raw.length <= 400 && i % n === 0));
}

/** Starts the server. @returns its port */
async function start(): Promise<number> {
  const server = await serve(ECHO_ROUTES, ECHO_CONFIG);
  server.registerUriHandler(ECHO_WEBSOCKET);
  return server.port;
}

test('the names of the cases are unique', () => {
  for (const cases of Object.values(SUBJECTS)) {
    const names = cases.map(item => item.name);
    expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  }
});

describe('RFC 9110 and RFC 9112', () => {
  test.each(Object.entries(SUBJECTS))('%s', async (_name, cases) => {
    const port = await start();
    expect(await failuresOf(port, cases)).toEqual([]);
  });
});

describe('however the bytes are cut', () => {
  test('byte by byte', async () => {
    const port = await start();
    const cut = (bytes: Buffer) => Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
    expect(await failuresOf(port, sample(88, 20), { cut })).toEqual([]);
  });

  test.each([3, 7])('in pieces of %i bytes', async size => {
    const port = await start();
    const cut = (bytes: Buffer) =>
      Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
    expect(await failuresOf(port, sample(0, size + 5), { cut })).toEqual([]);
  });
});
