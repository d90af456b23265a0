import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { EspError } from '../../src/err.js';
import { HTTPD_400_BAD_REQUEST, HTTPD_413_CONTENT_TOO_LARGE } from '../../src/httpd/http_err.js';
import { formParts } from '../../src/web/form.js';
import { everyWay, pieces } from '../support/feed.js';
import { BOUNDARY, fakeReq, MULTIPART, multipart, type PartSpec, readAll } from './form_support.js';

const MALFORMED = `ESP_ERR_HTTPD_INVALID_REQ ${HTTPD_400_BAD_REQUEST}`;
const TOO_LARGE = `ESP_ERR_INVALID_SIZE ${HTTPD_413_CONTENT_TOO_LARGE}`;

/** `name="x"` and so on, as the whole header section. */
const disposition = (rest: string) => `Content-Disposition: form-data; ${rest}\r\n`;

/** Reads a form in every way in which it may arrive, and demands the same of each. */
async function sameInEveryWay(body: Buffer, ...rest: [options?: Parameters<typeof readAll>[2]]) {
  let first: Awaited<ReturnType<typeof readAll>> | undefined;
  for (const { name, chunks } of everyWay(body)) {
    const seen = await readAll(MULTIPART, chunks, ...rest);
    first ??= seen;
    if (JSON.stringify(seen) !== JSON.stringify(first)) expect(seen, name).toEqual(first);
  }
  return first;
}

/** What a form fails with whose parts are read like that. */
async function failureOf(chunks: readonly Uint8Array[], reading: string): Promise<string> {
  try {
    for await (const part of formParts(fakeReq(MULTIPART, chunks).req)) {
      if (reading === 'all') await part.bytes();
      if (reading === 'a piece') for await (const piece of part) if (piece.length > 0) break;
    }
    return 'none';
  } catch (error) {
    return (error as EspError).message;
  }
}

describe('parts, in whichever way they arrive', () => {
  test.each<[what: string, parts: readonly string[], ...specs: PartSpec[]]>([
    ['a field', ['a|-|text/plain|1'], { content: '1' }],
    ['a field without content', ['a|-|text/plain|'], {}],
    [
      'a file',
      ['f|x.png|image/png|\x89PNG'],
      { name: 'f', filename: 'x.png', type: 'image/png', content: Buffer.from('\x89PNG', 'latin1') },
    ],
    ['no file chosen', ['f||application/octet-stream|'], { name: 'f', filename: '', type: 'application/octet-stream' }],
    [
      'fields and files mixed',
      ['a|-|text/plain|1', 'f|x|text/plain|2', 'a|-|text/plain|3'],
      { content: '1' },
      { name: 'f', filename: 'x', content: '2' },
      { content: '3' },
    ],
    ['a name without characters', ['|-|text/plain|1'], { name: '', content: '1' }],
    [
      'prototype names',
      ['__proto__|constructor|text/plain|toString'],
      { name: '__proto__', filename: 'constructor', content: 'toString' },
    ],
    [
      'what looks like a boundary',
      [`a|-|text/plain|\r\n--${BOUNDARY.slice(0, -1)}\r\n-\r\n\r\n--\r`],
      { content: `\r\n--${BOUNDARY.slice(0, -1)}\r\n-\r\n\r\n--\r` },
    ],
    ['line endings at either end', ['a|-|text/plain|\r\n\r\nx\r\n\r\n'], { content: '\r\n\r\nx\r\n\r\n' }],
    ['hyphens at the end', ['a|-|text/plain|--', 'b|-|text/plain|-'], { content: '--' }, { name: 'b', content: '-' }],
    [
      'header lines in another case and order',
      ['a|x|text/html|1'],
      {
        head: 'content-TYPE:\tText/HTML ; charset=utf-8\r\nX-Other: y\r\ncontent-disposition:form-data ;\tNAME=a; FileName=x\r\n',
        content: '1',
      },
    ],
  ])('%s', async (_what, parts, ...specs) => {
    expect(await sameInEveryWay(multipart(...specs))).toEqual({ parts, outcome: 'ok' });
  });

  test('a preamble, and an epilogue, are passed over', async () => {
    const body = Buffer.concat([
      Buffer.from('pre\r\n--x\r\n'),
      multipart({ content: '1' }),
      Buffer.from(`\r\n--${BOUNDARY}\r\nepilogue`),
    ]);
    expect(await sameInEveryWay(body)).toEqual({ parts: ['a|-|text/plain|1'], outcome: 'ok' });
  });

  test.each(['', '\r\n', ' ', ' \t\r\n', '\r\nepilogue'])('a form without parts, and %j behind it', async rest => {
    expect(await sameInEveryWay(Buffer.from(`--${BOUNDARY}--${rest}`))).toEqual({ parts: [], outcome: 'ok' });
  });

  // RFC 2046 section 5.1.1: transport-padding
  test.each([' ', '\t', ' \t '.repeat(20)])('blanks behind any boundary: %j', async blanks => {
    const form = multipart({ content: '1' }, { name: 'b', filename: 'x', content: ' \r\n ' }, { name: 'c' }).toString();
    const body = Buffer.from(form.replaceAll(new RegExp(`(--${BOUNDARY}(?:--)?)\r\n`, 'g'), `$1${blanks}\r\n`));
    expect(body.toString().split(`${blanks}\r\n`).length).toBeGreaterThan(4);
    expect(await sameInEveryWay(body)).toEqual({
      parts: ['a|-|text/plain|1', 'b|x|text/plain| \r\n ', 'c|-|text/plain|'],
      outcome: 'ok',
    });
  });

  test('a part without content, whose header section the boundary ends', async () => {
    const body = Buffer.from(
      `--${BOUNDARY}\r\n${disposition('name=a')}\r\n--${BOUNDARY}\r\n${disposition('name=b')}\r\n--${BOUNDARY}--`,
    );
    expect(await sameInEveryWay(body)).toEqual({ parts: ['a|-|text/plain|', 'b|-|text/plain|'], outcome: 'ok' });
  });

  test('a header line that is folded (RFC 5322 section 2.2.3)', async () => {
    const head = 'Content-Disposition: form-data;\r\n name="a";\r\n\tfilename="x"\r\nContent-Type:\r\n text/html\r\n';
    expect(await sameInEveryWay(multipart({ head, content: '1' }))).toEqual({
      parts: ['a|x|text/html|1'],
      outcome: 'ok',
    });
  });

  test('contents of any bytes, in pieces of any size', async () => {
    // bytes of which delimiters are made, above all
    const bits = fc.constantFrom('\r', '\n', '-', '--', '\r\n--', BOUNDARY.slice(0, 9), 'x', '\0', '\xff');
    const content = fc.array(bits, { maxLength: 40 }).map(all => Buffer.from(all.join(''), 'latin1'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(content, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 }),
        async (contents, sizes) => {
          const body = multipart(...contents.map((bytes, i) => ({ name: `n${i}`, content: bytes })));
          const seen = await readAll(MULTIPART, pieces(body, sizes));
          expect(seen.parts).toEqual(contents.map((bytes, i) => `n${i}|-|text/plain|${bytes.toString('latin1')}`));
        },
      ),
      { numRuns: 150, seed: 7 },
    );
  });

  test('a small piece does not keep the memory that it came in', async () => {
    const body = multipart({ content: 'small' }, { filename: 'x', content: Buffer.alloc(300_000) }, { content: 'too' });
    const kept: number[] = [];
    for await (const part of formParts(fakeReq(MULTIPART, [body]).req)) {
      for await (const piece of part) if (piece.length < 10) kept.push(piece.buffer.byteLength);
    }
    expect(kept).toHaveLength(2);
    expect(Math.max(...kept)).toBeLessThan(100_000);
  });

  test('a file longer than the streams hold', async () => {
    const content = Buffer.alloc(200_000, 'x\r\n--y');
    const body = multipart({ filename: 'x', content }, { name: 'b', content: '2' });
    for (const size of [7_000, 16_384, 65_536, body.length]) {
      const { parts, outcome } = await readAll(MULTIPART, pieces(body, [size]));
      expect([parts.length, outcome, parts[0]?.length]).toEqual([2, 'ok', 'a|x|text/plain|'.length + content.length]);
    }
  });
});

describe('names and file names', () => {
  test.each<[rest: string, name: string, filename: string]>([
    ['name=token', 'token', '-'],
    ['name="a;b=c, d"', 'a;b=c, d', '-'],
    ['name="grüße 世界"', 'grüße 世界', '-'],
    ['name="a\\"b\\\\c\\d"', 'a"b\\c\\d', '-'],
    ['name="a%22b%0D%0Ac%41%"', 'a"b\r\nc%41%', '-'],
    ['name=a; filename="ü.txt"', 'a', 'ü.txt'],
    ['name=a; filename="../../etc/passwd"', 'a', 'passwd'],
    ['name=a; filename="C:\\temp\\x.txt"', 'a', 'x.txt'],
    ['name=a; filename="/"', 'a', ''],
    ['name=a; filename=".."', 'a', ''],
    ['name=a; filename="x/.."', 'a', ''],
    ['name=a; filename="x\\."', 'a', ''],
    ['name=a; filename=".htaccess"', 'a', '.htaccess'],
    ['name=a; filename="a%0D%0Ab%22.txt"', 'a', 'ab".txt'],
    ['name=a; filename="%2e%2e%2fx"', 'a', '%2e%2e%2fx'],
    ["name=a; filename*=UTF-8''%e2%82%ac%20x.txt", 'a', '€ x.txt'],
    ["name=a; filename*=utf-8'en'..%2F..%5Cx%00", 'a', 'x'],
    ["name=a; filename*=iso-8859-1''x.txt", 'a', ''],
    ["name=a; filename*=UTF-8''%ff", 'a', ''],
    ["name=a; filename=plain; filename*=UTF-8''ext", 'a', 'plain'],
    // as the HttpClient of .NET sends it, whatever comes first
    ['name=a; filename="=?utf-8?B?w7wudHh0?="; filename*=utf-8\'\'%C3%BC.txt', 'a', 'ü.txt'],
    ['name=a; filename*=utf-8\'\'%C3%BC.txt; filename="=?UTF-8?q?=C3=BC.txt?="', 'a', 'ü.txt'],
    ['name=a; filename="=?utf-8?B?w7wu?= =?utf-8?B?dHh0?="; filename*=utf-8\'\'%C3%BC.txt', 'a', 'ü.txt'],
    ['name=a; filename="=?utf-8?B?eA==?="; filename*=utf-8\'\'..%2Fx', 'a', 'x'],
    ['name=a; filename="=?utf-8?B?eA==?="; filename*=utf-8\'\'%ff', 'a', '=?utf-8?B?eA==?='],
    ['name=a; filename="=?utf-8?B?eA==?="', 'a', '=?utf-8?B?eA==?='],
    ['name=a; filename="=?x"; filename*=UTF-8\'\'ext', 'a', '=?x'],
    ['name=a;', 'a', '-'],
    ['name=a; ; size=1', 'a', '-'],
  ])('%s', async (rest, name, filename) => {
    const { parts, outcome } = await readAll(MULTIPART, [multipart({ head: disposition(rest) })]);
    expect([parts, outcome]).toEqual([[`${name}|${filename}|text/plain|`], 'ok']);
  });

  test.each([
    ['text/plain; charset=UTF-8', 'text/plain'],
    ['IMAGE/PNG', 'image/png'],
    ['application/vnd.a+b', 'application/vnd.a+b'],
    ['', 'application/octet-stream'],
    ['text', 'application/octet-stream'],
    ['text/html, text/plain', 'application/octet-stream'],
    ['text/<script>', 'application/octet-stream'],
  ])('a Content-Type %j is %j', async (type, expected) => {
    expect((await readAll(MULTIPART, [multipart({ type })])).parts).toEqual([`a|-|${expected}|`]);
  });
});

describe('a malformed form: ESP_ERR_HTTPD_INVALID_REQ and 400', () => {
  const good = 'Content-Disposition: form-data; name="a"';
  test.each<[why: string, body: string]>([
    ['nothing', ''],
    ['no boundary', 'a=1'],
    ['another boundary', multipart({}).toString().replaceAll(BOUNDARY, 'other')],
    ['no header section', `--${BOUNDARY}\r\n--${BOUNDARY}--\r\n`],
    ['a boundary at once behind a boundary', `--${BOUNDARY}\r\n--${BOUNDARY}\r\n${good}\r\n\r\n\r\n--${BOUNDARY}--`],
    ['an empty header section', `--${BOUNDARY}\r\n\r\n1\r\n--${BOUNDARY}--\r\n`],
    ['a header section that the boundary cuts', `--${BOUNDARY}\r\n${good}\r\n--${BOUNDARY}--\r\n`],
    ['no Content-Disposition', multipart({ head: 'Content-Type: text/plain\r\n' }).toString()],
    ['two of them', multipart({ head: `${good}\r\n${good}\r\n` }).toString()],
    ['another disposition', multipart({ head: 'Content-Disposition: attachment; name="a"\r\n' }).toString()],
    ['no name', multipart({ head: 'Content-Disposition: form-data\r\n' }).toString()],
    ['a name twice', multipart({ head: disposition('name=a; NAME=b') }).toString()],
    ['a name that does not end', multipart({ head: disposition('name="a') }).toString()],
    ['text behind a name', multipart({ head: disposition('name="a"b') }).toString()],
    ['a blank before the =', multipart({ head: disposition('name ="a"') }).toString()],
    ['a name that is no token', multipart({ head: disposition('name=a b') }).toString()],
    ['NUL in a file name', multipart({ head: disposition('name=a; filename="x\0.txt"') }).toString()],
    ['a line ending in a name', multipart({ head: disposition('name="a\nb"') }).toString()],
    ['a line that is no field', multipart({ head: `${good}\r\nx\r\n` }).toString()],
    ['a first line that is folded', multipart({ head: ` x\r\n${good}\r\n` }).toString()],
    ['text behind a boundary', multipart({}).toString().replace(`${BOUNDARY}\r\n`, `${BOUNDARY}x\r\n`)],
    ['text behind blanks behind it', multipart({}).toString().replace(`${BOUNDARY}\r\n`, `${BOUNDARY} x\r\n`)],
    ['one hyphen behind it', multipart({}).toString().replace(`${BOUNDARY}\r\n`, `${BOUNDARY}-\r\n`)],
    ['blanks before its two hyphens', `--${BOUNDARY} --\r\n`],
    ['a bare LF behind it', multipart({}).toString().replace(`${BOUNDARY}\r\n`, `${BOUNDARY}\n`)],
    ['a bare CR behind it', multipart({}).toString().replace(`${BOUNDARY}\r\n`, `${BOUNDARY}\r`)],
    ['a field name with a blank', multipart({ head: 'Content-Disposition : form-data; name=a\r\n' }).toString()],
  ])('%s', async (_why, body) => {
    expect(await sameInEveryWay(Buffer.from(body))).toEqual({ parts: [], outcome: MALFORMED });
  });

  test('cut off anywhere: the parts in front of that come, the rest fails', async () => {
    const body = multipart({ content: '1' }, { name: 'b', filename: 'x', content: '22' });
    const whole = ['a|-|text/plain|1', 'b|x|text/plain|22'];
    const end = body.length - '\r\n'.length;
    for (let len = 0; len < end; len++) {
      const { parts, outcome } = await readAll(MULTIPART, [body.subarray(0, len)]);
      const delimiters = body.toString('latin1', 0, len).split(BOUNDARY).length - 1;
      expect([parts, outcome], `${len}`).toEqual([whole.slice(0, Math.max(0, delimiters - 1)), MALFORMED]);
    }
    expect((await readAll(MULTIPART, [body.subarray(0, end)])).outcome).toBe('ok');
  });

  test('cut off anywhere, and however it comes: one message', async () => {
    const body = multipart({ content: '1' }, { name: 'b', filename: 'x', content: '2\r\n2' });
    const messages = new Set<string>();
    for (let len = 0; len < body.length - '\r\n'.length; len++) {
      const start = body.subarray(0, len);
      for (const chunks of [[start], [...pieces(start, [1])], [...pieces(start, [7])]]) {
        // read, asked for in part, or passed over
        for (const reading of ['all', 'a piece', 'none']) messages.add(await failureOf(chunks, reading));
      }
    }
    expect([...messages]).toEqual(['the form is malformed: it ends before its closing boundary']);
  });

  test('the parts in front of a bad one come', async () => {
    const body = multipart({ content: '1' }, { name: 'b' }, { head: 'X: y\r\n' }, { name: 'c' });
    expect(await sameInEveryWay(body)).toEqual({ parts: ['a|-|text/plain|1', 'b|-|text/plain|'], outcome: MALFORMED });
  });
});

describe('limits: ESP_ERR_INVALID_SIZE and 413', () => {
  const many = (n: number) => Array.from({ length: n }, () => ({ content: '1' }));

  test('maxParts', async () => {
    expect(await sameInEveryWay(multipart(...many(3)), { maxParts: 3 })).toMatchObject({ outcome: 'ok' });
    const { parts, outcome } = (await sameInEveryWay(multipart(...many(4)), { maxParts: 3 })) ?? {};
    expect([parts?.length, outcome]).toEqual([3, TOO_LARGE]);
  });

  test('maxParts is 100 by default, and files count too', async () => {
    expect((await readAll(MULTIPART, [multipart(...many(100))])).outcome).toBe('ok');
    const { parts, outcome } = await readAll(MULTIPART, [multipart(...many(100), { filename: 'x' })]);
    expect([parts.length, outcome]).toEqual([100, TOO_LARGE]);
  });

  test('maxFieldLen', async () => {
    expect(await sameInEveryWay(multipart({ content: '12345' }), { maxFieldLen: 5 })).toMatchObject({ outcome: 'ok' });
    expect(await sameInEveryWay(multipart({ content: '123456' }), { maxFieldLen: 5 })).toEqual({
      parts: [],
      outcome: TOO_LARGE,
    });
    const file = { filename: 'x', content: '123456' };
    expect(await readAll(MULTIPART, [multipart(file)], { maxFieldLen: 0 })).toMatchObject({ outcome: 'ok' });
  });

  test('maxFieldLen is 65,536 by default', async () => {
    expect((await readAll(MULTIPART, [multipart({ content: 'x'.repeat(65_536) })])).outcome).toBe('ok');
    expect((await readAll(MULTIPART, [multipart({ content: 'x'.repeat(65_537) })])).outcome).toBe(TOO_LARGE);
  });

  test('maxFileLen', async () => {
    const file = (content: string) => multipart({ filename: '', content });
    expect(await sameInEveryWay(file('12345'), { maxFileLen: 5 })).toMatchObject({ outcome: 'ok' });
    expect(await sameInEveryWay(file('123456'), { maxFileLen: 5 })).toEqual({ parts: [], outcome: TOO_LARGE });
    expect(await sameInEveryWay(file('x'), { maxFileLen: 0 })).toEqual({ parts: [], outcome: TOO_LARGE });
  });

  test('maxFieldNameLen, in bytes of UTF-8; 100 by default', async () => {
    expect((await sameInEveryWay(multipart({ name: 'üü' }), { maxFieldNameLen: 4 }))?.outcome).toBe('ok');
    expect((await sameInEveryWay(multipart({ name: 'üüx' }), { maxFieldNameLen: 4 }))?.outcome).toBe(TOO_LARGE);
    expect((await readAll(MULTIPART, [multipart({ name: 'x'.repeat(100) })])).outcome).toBe('ok');
    expect((await readAll(MULTIPART, [multipart({ name: 'x'.repeat(101) })])).outcome).toBe(TOO_LARGE);
  });

  test('maxHeaderLen; 8,192 by default', async () => {
    const head = disposition('name="a"');
    const padded = (len: number) => multipart({ head: `${head}X: ${'y'.repeat(len - head.length - 5)}\r\n` });
    for (const [len, outcome] of [
      [60, 'ok'],
      [61, TOO_LARGE],
      [130, TOO_LARGE],
      [500, TOO_LARGE],
    ] as const) {
      expect((await sameInEveryWay(padded(len), { maxHeaderLen: 60 }))?.outcome, `${len}`).toBe(outcome);
    }
    for (const [len, outcome] of [
      [8_192, 'ok'],
      [8_193, TOO_LARGE],
      [100_000, TOO_LARGE],
    ] as const) {
      for (const size of [1_000_000, 16_384, 1_000]) {
        expect((await readAll(MULTIPART, pieces(padded(len), [size]))).outcome, `${len}`).toBe(outcome);
      }
    }
    const lines = multipart({ head: head + 'X: y\r\n'.repeat(2_000) });
    expect((await readAll(MULTIPART, [lines])).outcome).toBe(TOO_LARGE);
  });

  test('a header section that never ends is not read to its end', async () => {
    const line = Buffer.from(`X: ${'y'.repeat(995)}\r\n`);
    const chunks = [
      Buffer.from(`--${BOUNDARY}\r\n`),
      ...Array.from({ length: 1_000 }, () => line),
      new Error('read on'),
    ];
    expect((await readAll(MULTIPART, chunks)).outcome).toBe(TOO_LARGE);
  });
});
