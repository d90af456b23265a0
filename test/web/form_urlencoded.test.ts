import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ESP_FAIL, EspError } from '../../src/err.js';
import { HTTPD_413_CONTENT_TOO_LARGE } from '../../src/httpd/http_err.js';
import type { FormOptions } from '../../src/web/form_options.js';
import { everyWay, pieces } from '../support/feed.js';
import { readAll, URLENCODED } from './form_support.js';

const TOO_LARGE = `ESP_ERR_INVALID_SIZE ${HTTPD_413_CONTENT_TOO_LARGE}`;

/** The pairs, as `name|-|text/plain|value` in Latin-1, of a form that has arrived in every way with the same outcome. */
async function inEveryWay(body: string | Buffer, options?: FormOptions) {
  let first: Awaited<ReturnType<typeof readAll>> | undefined;
  for (const { name, chunks } of everyWay(Buffer.from(body))) {
    const seen = await readAll(URLENCODED, chunks, options);
    first ??= seen;
    if (JSON.stringify(seen) !== JSON.stringify(first)) expect(seen, name).toEqual(first);
  }
  return first;
}

/** What the platform's own parser makes of it. */
function byUrl(body: string | Buffer): string[] {
  const pairs = [...new URLSearchParams(`&${body.toString()}`)];
  return pairs.map(([name, value]) => `${name}|-|text/plain|${Buffer.from(value).toString('latin1')}`);
}

describe('pairs, in whichever way they arrive, are those of the URL standard', () => {
  test.each([
    '',
    'a=1',
    'a=1&b=2&a=3',
    'a',
    'a&b',
    'a=',
    '=1',
    '=',
    '&&a=1&&',
    '?a=1',
    'a=b=c',
    'a+b=c+d',
    'a%20b=%C3%BC%26%3D%25',
    'a=%zz%4&b=%',
    'a=%ff%C3',
    '__proto__=1&constructor=2',
    'grüße=世界',
    'a=1;b=2',
    'a=%00\r\n',
  ])('%j', async body => {
    expect(await inEveryWay(body)).toEqual({ parts: byUrl(body), outcome: 'ok' });
  });

  test('any bytes, in pieces of any size', async () => {
    const bits = fc.constantFrom('a', '=', '&', '+', '%', '%4', '%41', '%26', 'ü', '?', '\r\n', '%c3%bc');
    await fc.assert(
      fc.asyncProperty(
        fc.array(bits, { maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        async (all, sizes) => {
          const body = Buffer.from(all.join(''));
          expect((await readAll(URLENCODED, pieces(body, sizes))).parts).toEqual(byUrl(body));
        },
      ),
      { numRuns: 200, seed: 7 },
    );
  });
});

describe('limits: ESP_ERR_INVALID_SIZE and 413', () => {
  test.each<[option: string, options: FormOptions, fits: string, beyond: string, inFront: number]>([
    ['maxParts', { maxParts: 2 }, 'a=1&&b=2&', 'a=1&b=2&c', 2],
    ['maxFieldLen', { maxFieldLen: 3 }, 'a=%41%42%43', 'x=1&a=ABCD&b=2', 1],
    ['maxFieldLen in bytes', { maxFieldLen: 3 }, 'a=%C3%BCx', 'a=%C3%BC%C3%BC', 0],
    ['maxFieldLen: far more', { maxFieldLen: 3, maxFieldNameLen: 1 }, 'a=ABC', `a=1&a=${'x'.repeat(300)}`, 1],
    ['maxFieldLen of 0', { maxFieldLen: 0 }, 'a=&b', 'a=1', 0],
    ['maxFieldNameLen', { maxFieldNameLen: 3 }, '%41%42%43=123456789', 'ABCD=1', 0],
  ])('%s', async (_option, options, fits, beyond, inFront) => {
    expect((await inEveryWay(fits, options))?.outcome).toBe('ok');
    const seen = await inEveryWay(beyond, options);
    expect([seen?.parts.length, seen?.outcome]).toEqual([inFront, TOO_LARGE]);
  });

  test('by default: 100 fields of 65,536 bytes, with names of 100', async () => {
    const fields = (n: number) => Array.from({ length: n }, () => 'a=1').join('&');
    expect((await readAll(URLENCODED, [fields(100)])).outcome).toBe('ok');
    expect((await readAll(URLENCODED, [fields(101)])).outcome).toBe(TOO_LARGE);
    expect((await readAll(URLENCODED, [`a=${'x'.repeat(65_536)}`])).outcome).toBe('ok');
    expect((await readAll(URLENCODED, [`a=${'x'.repeat(65_537)}`])).outcome).toBe(TOO_LARGE);
    expect((await readAll(URLENCODED, [`${'x'.repeat(100)}=1`])).outcome).toBe('ok');
    expect((await readAll(URLENCODED, [`${'x'.repeat(101)}=1`])).outcome).toBe(TOO_LARGE);
  });

  test('a field that never ends is not kept to its end', async () => {
    const chunks = [...Array.from({ length: 1_000 }, () => 'x'.repeat(1_000)), new Error('read on')];
    expect((await readAll(URLENCODED, chunks)).outcome).toBe(TOO_LARGE);
  });
});

test('what the client has sent before it left is no whole field', async () => {
  const left = new EspError(ESP_FAIL, 'the client left');
  expect(await readAll(URLENCODED, ['a=1&amount=10', left])).toEqual({
    parts: ['a|-|text/plain|1'],
    outcome: 'ESP_FAIL',
  });
});
