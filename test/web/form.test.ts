import { describe, expect, test } from 'vitest';
import { ESP_FAIL, EspError } from '../../src/err.js';
import { HTTPD_400_BAD_REQUEST, statusOf } from '../../src/httpd/http_err.js';
import { formParts, readForm } from '../../src/web/form.js';
import type { FormOptions } from '../../src/web/form_options.js';
import type { FormPart } from '../../src/web/form_reader.js';
import { deferred, errorOf } from '../http/support.js';
import { pieces } from '../support/feed.js';
import { BOUNDARY, fakeReq, MULTIPART, multipart, readAll, URLENCODED } from './form_support.js';

const TWO = multipart({ content: '1' }, { name: 'b', content: '2' });

/** The name of what is thrown, and what the client gets if a handler lets it through. */
async function failureOf(code: () => Promise<unknown>): Promise<[string, number | undefined]> {
  try {
    await code();
  } catch (error) {
    return [(error as Error).name, statusOf(error)];
  }
  throw new Error('nothing was thrown');
}

async function first(req: Parameters<typeof formParts>[0]): Promise<[FormPart, AsyncGenerator<FormPart, void, void>]> {
  const parts = formParts(req);
  const { value } = await parts.next();
  if (value === undefined) throw new Error('no part came');
  return [value, parts];
}

describe('the Content-Type', () => {
  const body = multipart({ content: '1' });
  test.each([
    [`multipart/form-data; boundary=${BOUNDARY}`],
    [`Multipart/Form-DATA;BOUNDARY="${BOUNDARY}"`],
    [`multipart/form-data \t;\t charset=utf-8 ; boundary=${BOUNDARY};`],
  ])('%j is a form', async type => {
    expect(await readAll(type, [body])).toEqual({ parts: ['a|-|text/plain|1'], outcome: 'ok' });
  });

  test.each(['application/x-www-form-urlencoded', 'Application/X-WWW-Form-Urlencoded ; charset=UTF-8'])(
    '%j is a form',
    async type => {
      expect(await readAll(type, ['a=1'])).toEqual({ parts: ['a|-|text/plain|1'], outcome: 'ok' });
    },
  );

  test.each([
    ['none', undefined],
    ['an empty one', ''],
    ['that of no form', 'application/json'],
    ['one that only begins so', `multipart/form-data-x; boundary=${BOUNDARY}`],
    ['one that only begins so', 'application/x-www-form-urlencodedx'],
    ['one behind a blank', `x multipart/form-data; boundary=${BOUNDARY}`],
    ['one in a parameter', `text/plain; x=multipart/form-data; boundary=${BOUNDARY}`],
    ['two', `multipart/form-data, multipart/form-data; boundary=${BOUNDARY}`],
    ['a tab inside', `multipart/\tform-data; boundary=${BOUNDARY}`],
    ['no boundary', 'multipart/form-data'],
    ['an empty boundary', 'multipart/form-data; boundary=""'],
    ['two boundaries', `multipart/form-data; boundary=${BOUNDARY}; Boundary=x`],
    ['a blank before the =', `multipart/form-data; boundary =${BOUNDARY}`],
    ['a blank behind the =', `multipart/form-data; boundary= ${BOUNDARY}`],
    ['a boundary with a blank at its end', `multipart/form-data; boundary="${BOUNDARY} "`],
    ['a boundary with a character that none has', 'multipart/form-data; boundary="a;b"'],
    ['a boundary of 71 characters', `multipart/form-data; boundary=${'x'.repeat(71)}`],
    ['no semicolon', `multipart/form-data boundary=${BOUNDARY}`],
  ])('%s is refused: ESP_ERR_INVALID_ARG and 400; nothing is read', async (_why, type) => {
    const { req } = fakeReq(type, [new Error('was read')]);
    expect(await failureOf(() => formParts(req).next())).toEqual(['ESP_ERR_INVALID_ARG', HTTPD_400_BAD_REQUEST]);
  });
});

describe('options: ESP_ERR_INVALID_ARG, at once', () => {
  test.each<[why: string, options: unknown]>([
    ['no object', null],
    ['no object', 1],
    ['an unknown name', { maxFiles: 1 }],
    ['a name of Object.prototype', { constructor: 1 }],
    ['maxParts of 0', { maxParts: 0 }],
    ['maxFieldNameLen of 0', { maxFieldNameLen: 0 }],
    ['maxHeaderLen of 0', { maxHeaderLen: 0 }],
    ['maxFieldLen below 0', { maxFieldLen: -1 }],
    ['maxFileLen that is no number', { maxFileLen: '1' }],
    ['maxFileLen that is no whole number', { maxFileLen: 1.5 }],
    ['maxFileLen without a limit', { maxFileLen: Number.POSITIVE_INFINITY }],
  ])('%s: %j', async (_why, options) => {
    const { req } = fakeReq(MULTIPART, [new Error('was read')]);
    expect(await errorOf(() => formParts(req, options as FormOptions))).toBe('ESP_ERR_INVALID_ARG');
    expect(await errorOf(() => readForm(req, options as FormOptions))).toBe('ESP_ERR_INVALID_ARG');
  });

  test('one that is undefined has its default', async () => {
    expect((await readAll(MULTIPART, [TWO], { maxParts: undefined })).outcome).toBe('ok');
  });
});

describe('a part', () => {
  test('that is not read is dropped, and so is the rest of one that is read in part', async () => {
    const content = Buffer.alloc(50_000, 'x');
    const body = multipart({ content }, { name: 'b', content }, { name: 'c', content: '3' });
    const names: string[] = [];
    for await (const part of formParts(fakeReq(MULTIPART, pieces(body, [1_000])).req)) {
      names.push(part.name);
      if (part.name !== 'b') continue;
      for await (const piece of part) {
        names.push(`${piece.length > 0}`);
        break;
      }
    }
    expect(names).toEqual(['a', 'b', 'true', 'c']);
  });

  test.each([MULTIPART, URLENCODED])('is read once: %s', async type => {
    const { req } = fakeReq(type, [type === MULTIPART ? TWO : 'a=1&b=2']);
    const [part, parts] = await first(req);
    expect(await part.text()).toBe('1');
    expect(await errorOf(() => part.text())).toBe('ESP_ERR_INVALID_STATE');
    expect(await errorOf(() => part.bytes())).toBe('ESP_ERR_INVALID_STATE');
    await parts.next();
    expect(await errorOf(() => part[Symbol.asyncIterator]().next())).toBe('ESP_ERR_INVALID_STATE');
  });

  test('is over when the next one is there', async () => {
    const [part, parts] = await first(fakeReq(MULTIPART, [TWO]).req);
    const { value: next } = await parts.next();
    expect(await errorOf(() => part.text())).toBe('ESP_ERR_INVALID_STATE');
    expect(await next?.text()).toBe('2');
  });

  test('is over when the loop has been left', async () => {
    const [part, parts] = await first(fakeReq(MULTIPART, [TWO]).req);
    await parts.return();
    expect(await errorOf(() => part.text())).toBe('ESP_ERR_INVALID_STATE');
  });

  test('that still reads when the next one is asked for: the second read is refused', async () => {
    const [part, parts] = await first(fakeReq(MULTIPART, pieces(TWO, [130])).req);
    const text = part.text();
    expect(await errorOf(() => parts.next())).toBe('ESP_ERR_INVALID_STATE');
    expect(await errorOf(() => text)).toBe('ESP_ERR_INVALID_STATE');
  });

  test('gives pieces of its own: what is done to one spoils neither the next nor the boundary', async () => {
    const content = `\r\n--${BOUNDARY.slice(0, 20)}`.repeat(20);
    const parts: string[] = [];
    for await (const part of formParts(fakeReq(MULTIPART, pieces(multipart({ content }, {}), [7])).req)) {
      let text = '';
      for await (const piece of part) {
        text += piece.toString();
        piece.fill(0);
      }
      parts.push(text);
    }
    expect(parts).toEqual([content, '']);
  });

  test('text() joins characters that were cut', async () => {
    const content = 'Grüße, 世界 🌍 '.repeat(20);
    const [part] = await first(fakeReq(MULTIPART, pieces(multipart({ content }), [1])).req);
    expect(await part.text()).toBe(content);
  });
});

describe('nothing is read before it is wanted', () => {
  test.each([
    ['multipart/form-data', MULTIPART, multipart({ filename: 'x', content: Buffer.alloc(10_000, 'x') })],
    ['urlencoded', URLENCODED, Buffer.from(Array.from({ length: 90 }, () => `a=${'x'.repeat(100)}`).join('&'))],
  ])('%s', async (_name, type, body) => {
    const fake = fakeReq(type, pieces(body, [500]));
    const parts = formParts(fake.req);
    expect(fake.taken).toBe(0);
    let wanted = 0;
    for await (const part of parts) {
      for await (const piece of part) {
        wanted += piece.length;
        // what is behind the content that was given: headers, and a part of a boundary
        expect(fake.taken * 500 - wanted).toBeLessThan(1_200);
      }
    }
    expect(fake.taken).toBe(Math.ceil(body.length / 500));
  });

  test('when the loop is left nothing more is read', async () => {
    const fake = fakeReq(MULTIPART, [
      ...pieces(multipart({ content: Buffer.alloc(5_000) }), [500]),
      new Error('read on'),
    ]);
    for await (const part of formParts(fake.req)) {
      for await (const _piece of part) break;
      break;
    }
    expect(fake.taken).toBeLessThanOrEqual(2);
  });
});

describe('when the client leaves', () => {
  const left = new EspError(ESP_FAIL, 'the client left');

  test.each([
    ['in front of a part', `--${BOUNDARY}\r\nContent-Disp`, 'none'],
    ['in a part', multipart({ content: 'x'.repeat(100) }).subarray(0, -60), 'text'],
  ])('%s: the read rejects, and so does all that follows', async (_where, body, reading) => {
    const { req } = fakeReq(MULTIPART, [body, left, 'more']);
    const parts = formParts(req);
    if (reading === 'text') {
      const { value } = await parts.next();
      expect(await errorOf(() => value?.text())).toBe('ESP_FAIL');
    }
    expect(await failureOf(() => parts.next())).toEqual(['ESP_FAIL', undefined]);
    expect((await parts.next()).done).toBe(true);
  });

  test('a read that nobody awaits does not end the process', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const [part] = await first(fakeReq(MULTIPART, [multipart({ content: 'xxxxxxxxxx' }).subarray(0, -50), left]).req);
    void part.text();
    void readForm(fakeReq(MULTIPART, [left]).req);
    for (let i = 0; i < 5; i++) await new Promise(resolve => setImmediate(resolve));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  test('a read that waits when the loop is left rejects', async () => {
    const waits = deferred();
    const gate = deferred();
    const { req } = fakeReq(MULTIPART, []);
    req[Symbol.asyncIterator] = async function* () {
      yield multipart({ content: 'x'.repeat(100) }).subarray(0, -60);
      waits.resolve();
      await gate.promise;
      yield Buffer.from('x');
    };
    const [part, parts] = await first(req);
    const text = part.text();
    await waits.promise;
    await parts.return();
    gate.resolve();
    expect(await errorOf(() => text)).toBe('ESP_ERR_INVALID_STATE');
  });
});

describe('readForm', () => {
  test.each([
    [
      'multipart/form-data',
      MULTIPART,
      multipart({ content: 'ü' }, { name: '__proto__', content: '2' }, { content: '3' }),
    ],
    ['urlencoded', URLENCODED, 'a=%C3%BC&__proto__=2&a=3'],
  ])('gives the fields of %s', async (_name, type, body) => {
    const form = await readForm(fakeReq(type, [body]).req);
    expect([form.getAll('a'), form.get('__proto__'), form.get('b'), form.size]).toEqual([['ü', '3'], '2', null, 3]);
  });

  test('a file among them: ESP_ERR_NOT_SUPPORTED and 400', async () => {
    const { req } = fakeReq(MULTIPART, [multipart({}, { filename: '' })]);
    expect(await failureOf(() => readForm(req))).toEqual(['ESP_ERR_NOT_SUPPORTED', HTTPD_400_BAD_REQUEST]);
  });

  test('obeys the limits', async () => {
    const { req } = fakeReq(URLENCODED, ['a=12']);
    expect(await errorOf(() => readForm(req, { maxFieldLen: 1 }))).toBe('ESP_ERR_INVALID_SIZE');
  });
});
