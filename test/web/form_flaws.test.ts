/** What the multipart parsers of other libraries had wrong in 2026, each by its name: here it is so in whichever way the bytes arrive. */
import { describe, expect, test } from 'vitest';
import { HTTPD_400_BAD_REQUEST, HTTPD_413_CONTENT_TOO_LARGE } from '../../src/httpd/http_err.js';
import type { FormOptions } from '../../src/web/form_options.js';
import { everyWay } from '../support/feed.js';
import { MULTIPART, multipart, readAll } from './form_support.js';

const MALFORMED = `ESP_ERR_HTTPD_INVALID_REQ ${HTTPD_400_BAD_REQUEST}`;
const TOO_LARGE = `ESP_ERR_INVALID_SIZE ${HTTPD_413_CONTENT_TOO_LARGE}`;

async function inEveryWay(body: Buffer, options?: FormOptions) {
  const first = await readAll(MULTIPART, [body], options);
  for (const { name, chunks } of everyWay(body)) {
    expect(await readAll(MULTIPART, chunks, options), name).toEqual(first);
  }
  return first;
}

describe('flaws of multipart parsers', () => {
  test.each([71, 250, 251, 252, 253, 256, 1_000])('a boundary of %i bytes, at which a search spins: 400', async n => {
    const boundary = 'b'.repeat(n);
    const body = Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--${boundary}--\r\n`.repeat(3),
    );
    const type = `multipart/form-data; boundary=${boundary}`;
    expect(await readAll(type, [body])).toEqual({ parts: [], outcome: `ESP_ERR_INVALID_ARG ${HTTPD_400_BAD_REQUEST}` });
  });

  test('the longest boundary that there may be, 70 bytes, is found wherever it is cut', async () => {
    const boundary = 'b'.repeat(70);
    const body = Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--${'b'.repeat(69)}\r\n--${boundary}--\r\n`,
    );
    for (const { name, chunks } of everyWay(body)) {
      const seen = await readAll(`multipart/form-data; boundary=${boundary}`, chunks);
      expect(seen, name).toEqual({ parts: [`a|-|text/plain|\r\n--${'b'.repeat(69)}`], outcome: 'ok' });
    }
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '__PROTO__'])(
    'a field %s in the header section of a part is a field, and changes nothing',
    async name => {
      const head = `${name}: x\r\nContent-Disposition: form-data; name="a"\r\n${name}: y\r\n`;
      expect(await inEveryWay(multipart({ head, content: '1' }))).toEqual({
        parts: ['a|-|text/plain|1'],
        outcome: 'ok',
      });
      expect(Object.getPrototypeOf({})).toBe(Object.prototype);
      expect(({} as Record<string, unknown>).x).toBeUndefined();
    },
  );

  test.each(['\r', '\n', '\rContent-Type: text/html', '\nContent-Type: text/html'])(
    'a bare line ending in the name of a file (%j): 400, and no field comes of it',
    async ending => {
      const head = `Content-Disposition: form-data; name="a"; filename="x${ending}y"\r\n`;
      expect(await inEveryWay(multipart({ head, content: '1' }))).toEqual({ parts: [], outcome: MALFORMED });
    },
  );

  test('a part that is over its limit in a body that is cut off: 413, and nobody waits for the rest', async () => {
    const whole = multipart({ filename: 'x', content: 'y'.repeat(200) }, { name: 'b', content: '2' });
    const cut = whole.subarray(0, whole.indexOf('yyy') + 150);
    expect(await inEveryWay(cut, { maxFileLen: 100 })).toEqual({ parts: [], outcome: TOO_LARGE });
  });

  test('a header section that ends where it is cut, at and around the limit: the same wherever that is', async () => {
    const fixed = 'Content-Disposition: form-data; name="a"\r\nX: \r\n'.length;
    for (const maxHeaderLen of [127, 128, 129]) {
      for (const n of [127, 128, 129, 255, 256, 257, 258, 259, 260]) {
        const head = `Content-Disposition: form-data; name="a"\r\nX: ${'x'.repeat(n - fixed)}\r\n`;
        const seen = await inEveryWay(multipart({ head, content: '1' }, { name: 'b', content: '2' }), { maxHeaderLen });
        expect(seen, `${n} bytes of ${maxHeaderLen}`).toEqual(
          n <= maxHeaderLen
            ? { parts: ['a|-|text/plain|1', 'b|-|text/plain|2'], outcome: 'ok' }
            : { parts: [], outcome: TOO_LARGE },
        );
      }
    }
  });
});
