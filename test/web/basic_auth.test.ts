import * as crypto from 'node:crypto';
import { expect, test, vi } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import { basicAuth } from '../../src/web/basic_auth.js';

vi.mock('node:crypto', async importOriginal => {
  const real = await importOriginal<typeof crypto>();
  return { ...real, timingSafeEqual: vi.fn(real.timingSafeEqual) };
});

/** Asks a hook. @returns whether it has let the request pass */
function passes(hook: ReturnType<typeof basicAuth>, user: string, password: string): boolean {
  let refused = false;
  const field = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  const req = {
    getRawReqData: () => Buffer.from(`GET / HTTP/1.1\r\nAuthorization: ${field}\r\n`),
    respAddHdr: () => {},
    respSendErr: async () => {
      refused = true;
    },
  };
  void hook(req as unknown as HttpdReq);
  return !refused;
}

test.each([
  ['the first user', 'a', 'secret-a', true],
  ['the last user', 'c', 'secret-c', true],
  ['a wrong password', 'a', 'secret-b', false],
  ['a longer password', 'a', 'secret-a and more', false],
  ['an unknown user', 'nobody', 'x', false],
])('%s costs as many comparisons, of whole digests, as any other', (_who, user, password, expected) => {
  const hook = basicAuth({ realm: 'x', users: { a: 'secret-a', b: 'secret-b', c: 'secret-c' } });
  const compare = vi.mocked(crypto.timingSafeEqual).mockClear();
  expect(passes(hook, user, password)).toBe(expected);
  expect(compare.mock.calls.map(given => given.map(digest => digest.byteLength))).toEqual([
    [32, 32],
    [32, 32],
    [32, 32],
  ]);
});
