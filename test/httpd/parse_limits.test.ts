import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  HTTPD_400_BAD_REQUEST,
  HTTPD_414_URI_TOO_LONG,
  HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
} from '../../src/httpd/http_err.js';
import type { ParseLimits } from '../../src/httpd/parse.js';
import { everyWay, pieces } from '../support/feed.js';
import { parse } from './parse_support.js';

/** The error for `text`, the same in whatever pieces it arrives. */
function errorOf(text: string, limits: Partial<ParseLimits>): number | undefined {
  const { error } = parse([text], limits);
  for (const { name, chunks } of everyWay(text)) expect(parse(chunks, limits).error, name).toBe(error);
  return error;
}

const withUri = (n: number) => `GET ${'/'.padEnd(n, 'u')} HTTP/1.1\r\nHost: h\r\n\r\n`;
/** A header section of exactly `n` bytes, in several lines. */
const withSection = (n: number, line = 'GET / HTTP/1.1') => {
  const first = 'Host: h\r\n';
  const second = n - first.length > 60 ? `A: ${'a'.repeat(20)}\r\n` : '';
  return `${line}\r\n${first}${second}${'X: '.padEnd(n - first.length - second.length - 2, 'x')}\r\n\r\n`;
};

describe('fault 9 (limits): maxUriLen counts the URI, and nothing else', () => {
  test.each([1, 2, 20, 64, 65, 512])('%i', max => {
    expect(errorOf(withUri(max), { maxUriLen: max })).toBeUndefined();
    expect(errorOf(withUri(max + 1), { maxUriLen: max })).toBe(HTTPD_414_URI_TOO_LONG);
    expect(errorOf(withUri(max + 500), { maxUriLen: max })).toBe(HTTPD_414_URI_TOO_LONG);
  });

  test('the query counts', () => {
    expect(errorOf('GET /abc?defgh HTTP/1.1\r\nHost: h\r\n\r\n', { maxUriLen: 10 })).toBeUndefined();
    expect(errorOf('GET /abc?defghi HTTP/1.1\r\nHost: h\r\n\r\n', { maxUriLen: 10 })).toBe(HTTPD_414_URI_TOO_LONG);
  });

  test('a URI that goes on is refused before it ends', () => {
    expect(parse([`GET ${'/'.padEnd(21, 'u')}`], { maxUriLen: 20 }).error).toBe(HTTPD_414_URI_TOO_LONG);
    expect(parse([`GET ${'/'.padEnd(20, 'u')}`], { maxUriLen: 20 }).error).toBeUndefined();
  });

  test('a URI that is too long is 414, whatever is wrong behind it', () => {
    for (const rest of [
      ' HTTP/2.0\r\n\r\n',
      ' HTTP/1.1\r\nbroken\r\n\r\n',
      '\0',
      ` HTTP/1.1\r\nA: ${'x'.repeat(500)}\r\n\r\n`,
    ]) {
      const limits = { maxUriLen: 20, maxReqHdrLen: 64 };
      expect(errorOf(`GET ${'/'.padEnd(21, 'u')}${rest}`, limits)).toBe(HTTPD_414_URI_TOO_LONG);
    }
  });

  test('the largest limit can be reached, over several chunks', () => {
    const limits = { maxUriLen: 32_768 };
    const cut = (text: string) => pieces(Buffer.from(text), [1_000]);
    expect(parse(cut(withUri(32_768)), limits).error).toBeUndefined();
    expect(parse(cut(withUri(32_769)), limits).error).toBe(HTTPD_414_URI_TOO_LONG);
  });
});

describe('maxReqHdrLen counts the header section, without the request line and the empty line', () => {
  test.each([64, 65, 100, 512])('%i', max => {
    expect(errorOf(withSection(max), { maxReqHdrLen: max })).toBeUndefined();
    expect(errorOf(withSection(max + 1), { maxReqHdrLen: max })).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
    expect(errorOf(withSection(max + 2), { maxReqHdrLen: max })).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
    expect(errorOf(withSection(max + 3), { maxReqHdrLen: max })).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
    expect(errorOf(withSection(max + 500), { maxReqHdrLen: max })).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
  });

  test('a long request line does not count', () => {
    const line = `GET ${'/'.padEnd(300, 'u')} HTTP/1.1`;
    expect(errorOf(withSection(64, line), { maxReqHdrLen: 64 })).toBeUndefined();
    expect(errorOf(withSection(65, line), { maxReqHdrLen: 64 })).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
  });

  test('with HTTP/1.0 and with bare LFs it is the same', () => {
    for (const n of [64, 65]) {
      const expected = n === 64 ? undefined : HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE;
      expect(errorOf(withSection(n, 'GET / HTTP/1.0'), { maxReqHdrLen: 64 })).toBe(expected);
      const text = `GET / HTTP/1.1\nHost: h\n${'X: '.padEnd(n - 9, 'x')}\n\n`;
      expect(errorOf(text, { maxReqHdrLen: 64, lenientLineEndings: true })).toBe(expected);
    }
  });

  test('a section that goes on is refused before it ends', () => {
    const open = (n: number) => `GET / HTTP/1.1\r\nHost: h\r\n${'X: '.padEnd(n - 9, 'x')}`;
    expect(parse([open(64)], { maxReqHdrLen: 64 }).error).toBeUndefined();
    expect(parse([open(70)], { maxReqHdrLen: 64 }).error).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
  });

  test('what is broken within the limit is 400, beyond it 431', () => {
    const broken = (before: number) => `GET / HTTP/1.1\r\nHost: h\r\n${'X: '.padEnd(before, 'x')}\r\nbroken\r\n\r\n`;
    expect(errorOf(broken(20), { maxReqHdrLen: 64 })).toBe(HTTPD_400_BAD_REQUEST);
    expect(errorOf(broken(200), { maxReqHdrLen: 64 })).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
  });

  test('many short lines count like one long one', () => {
    expect(errorOf(`GET / HTTP/1.1\r\nHost: h\r\n${'a:b\r\n'.repeat(11)}\r\n`, { maxReqHdrLen: 64 })).toBeUndefined();
    expect(errorOf(`GET / HTTP/1.1\r\nHost: h\r\n${'a:b\r\n'.repeat(12)}\r\n`, { maxReqHdrLen: 64 })).toBe(
      HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
    );
  });

  test('the largest limit can be reached, over several chunks', () => {
    const limits = { maxReqHdrLen: 65_536 };
    const cut = (text: string) => pieces(Buffer.from(text), [10_000]);
    expect(parse(cut(withSection(65_536)), limits).error).toBeUndefined();
    expect(parse(cut(withSection(65_537)), limits).error).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
  });

  test('both limits hold for each request of a connection', () => {
    const limits = { maxReqHdrLen: 64, maxUriLen: 20 };
    const { requests, error } = parse([withSection(64) + withUri(20) + withSection(64) + withUri(21)], limits);
    expect([requests.length, error]).toEqual([3, HTTPD_414_URI_TOO_LONG]);
  });
});

describe('what comes around a request is bounded too', () => {
  const host = 'HTTP/1.1\r\nHost: h\r\n\r\n';

  test.each([
    ['blanks before the URI', (n: number) => `GET${' '.repeat(n)}/ ${host}`],
    ['blanks behind the URI', (n: number) => `GET /${' '.repeat(n)}${host}`],
    ['empty lines', (n: number) => `${'\r\n'.repeat(n)}GET / ${host}`],
    ['line feeds', (n: number) => `${'\n'.repeat(n)}GET / ${host}`],
  ])('any number of %s is the same however it is cut', (_name, make) => {
    for (const n of [1, 2, 30, 60, 64, 65, 100, 200]) errorOf(make(n), { maxReqHdrLen: 64 });
  });

  test('two blanks and a URI that is too long: 400, however it is cut', () => {
    expect(errorOf(`GET  ${'/'.padEnd(21, 'u')} ${host}`, { maxUriLen: 20 })).toBe(HTTPD_400_BAD_REQUEST);
  });

  test('a peer that sends nothing but blanks is refused', () => {
    for (const text of [' '.repeat(60_000), `GET${' '.repeat(60_000)}`, `GET /${' '.repeat(60_000)}`]) {
      const { error } = parse(pieces(Buffer.from(text), [1_000]), {});
      expect(error).toBeDefined();
    }
  });

  test.each([
    ['a chunk extension', (n: number) => `1;${'e'.repeat(n)}\r\nx\r\n0\r\n\r\n`],
    ['trailers', (n: number) => `1\r\nx\r\n0\r\n${'T: t\r\n'.repeat(n / 6)}\r\n`],
    ['one trailer', (n: number) => `1\r\nx\r\n0\r\nT: ${'t'.repeat(n)}\r\n\r\n`],
  ])('%s beyond maxReqHdrLen is 431, however it is cut', (_name, make) => {
    const text = (n: number) => `POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${make(n)}`;
    const limits = { maxReqHdrLen: 100 };
    expect(errorOf(text(60), limits)).toBeUndefined();
    expect(errorOf(text(300), limits)).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
  });
});

test.each(['\t', '\f', '\0', ' '])(
  'a target of the greatest length with %j behind it: the same however it is cut',
  end => {
    const text = `GET /${'u'.repeat(59)}${end} HTTP/1.1\r\nHost: h\r\n\r\n`;
    expect(parse([...text], { maxUriLen: 60 }).error).toBe(HTTPD_400_BAD_REQUEST);
    expect(parse([text], { maxUriLen: 60 }).error).toBe(HTTPD_400_BAD_REQUEST);
  },
);

describe('any stream', () => {
  /** Requests that are right, then a few bytes changed, put in or taken out. */
  const request = fc.oneof(
    fc.constant('GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n'),
    fc.constant('POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello'),
    fc.constant('PUT /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: t\r\n\r\n'),
    fc.constant('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'),
    fc.constant('GET /long/uri/that/goes/on HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    fc.constant('GET / HTTP/1.1\nHost: h\nA: b\n\n'),
    fc.nat(90).map(n => `GET /${'u'.repeat(n)} HTTP/1.1\r\nHost: h\r\n\r\n`),
    fc.nat(130).map(n => `GET / HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(n)}\r\n\r\n`),
    fc.nat(80).map(n => `GET${' '.repeat(n)}/ HTTP/1.1\r\nHost: h\r\n\r\n`),
    fc.nat(150).map(n => `GET /${' '.repeat(n)}HTTP/1.1\r\nHost: h\r\n\r\n`),
    fc.nat(40).map(n => `${'\r\n'.repeat(n)}GET / HTTP/1.1\r\nHost: h\r\n\r\n`),
  );
  const edit = fc.record({
    at: fc.nat(300),
    remove: fc.nat(3),
    insert: fc.oneof(
      fc.constantFrom('\r', '\n', '\r\n', ' ', '\t', ':', '0', '\0', 'a', '\x7f', ';', '/'),
      fc.string({ unit: 'binary-ascii', maxLength: 3 }),
    ),
  });
  const stream = fc
    .tuple(fc.array(request, { minLength: 1, maxLength: 4 }), fc.array(edit, { maxLength: 3 }))
    .map(([requests, edits]) => {
      let text = requests.join('');
      for (const { at, remove, insert } of edits) text = text.slice(0, at) + insert + text.slice(at + remove);
      return text;
    });

  test.each([false, true])(
    'gives the same requests and the same error however it is cut; lenient: %s',
    lenientLineEndings => {
      const limits = { maxUriLen: 60, maxReqHdrLen: 100, maxReqBodyLen: 50, lenientLineEndings };
      fc.assert(
        fc.property(
          stream,
          fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 }),
          fc.integer({ min: 1, max: 30 }),
          (text, sizes, bite) => {
            expect(parse(pieces(Buffer.from(text, 'latin1'), sizes), limits, bite)).toEqual(
              parse([text], limits, bite),
            );
          },
        ),
        { numRuns: 3_000 },
      );
    },
  );
});
