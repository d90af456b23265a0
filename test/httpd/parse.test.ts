import { describe, expect, test } from 'vitest';
import { findHeader } from '../../src/httpd/headers.js';
import {
  HTTPD_400_BAD_REQUEST,
  HTTPD_413_CONTENT_TOO_LARGE,
  HTTPD_501_METHOD_NOT_IMPLEMENTED,
  HTTPD_505_VERSION_NOT_SUPPORTED,
} from '../../src/httpd/http_err.js';
import { HTTP_GET, HTTP_OPTIONS, HTTP_POST, methodName } from '../../src/httpd/methods.js';
import { type ParseLimits, type RequestHead, RequestParser } from '../../src/httpd/parse.js';
import { everyWay } from '../support/feed.js';
import { LIMITS, type Outcome, PLAIN, parse, parseOne } from './parse_support.js';

const NEXT = 'GET /next HTTP/1.1\r\nHost: h\r\n\r\n';

/** The outcome of `text`, which must be the same in whatever pieces it arrives. */
function everyWayTheSame(text: string, limits: Partial<ParseLimits> = {}): Outcome {
  const whole = parse([text], limits);
  for (const { name, chunks } of everyWay(text)) expect(parse(chunks, limits), name).toEqual(whole);
  return whole;
}

const get = (lines: string, line = 'GET / HTTP/1.1') => `${line}\r\nHost: h\r\n${lines}\r\n`;
const post = (lines: string, body = '') => get(lines, 'POST / HTTP/1.1') + body;

describe('the head of a request', () => {
  test('is what the bytes say, in whatever pieces they arrive', () => {
    const text = 'POST /a/b?c=d HTTP/1.1\r\nHost: example\r\nX-Odd:  spaced out \t\r\nContent-Length: 3\r\n\r\nabc';
    const { requests, error } = everyWayTheSame(text);
    expect(error).toBeUndefined();
    expect(requests).toEqual([
      {
        head: {
          method: HTTP_POST,
          uri: '/a/b?c=d',
          raw: text.slice(0, -3),
          headers: 'Host: example\r\nX-Odd:  spaced out \t\r\nContent-Length: 3\r\n\r\n',
          http10: false,
          keepAlive: true,
          upgrade: false,
          contentLen: 3,
          hasBody: true,
        } satisfies RequestHead,
        body: 'abc',
        complete: true,
      },
    ]);
  });

  test('bytes above 127 are kept as Latin-1', () => {
    const text = get('X: caf\xe9 \xff\r\n');
    expect(everyWayTheSame(text).requests[0]?.head.raw).toBe(text);
  });

  test('the next request follows without a gap', () => {
    const { requests } = everyWayTheSame(`${post('Content-Length: 2\r\n', 'hi')}${NEXT}${NEXT}`);
    expect(requests.map(({ head, body }) => [head.uri, body])).toEqual([
      ['/', 'hi'],
      ['/next', ''],
      ['/next', ''],
    ]);
  });

  test.each([
    ['origin form', 'GET /a/b?c HTTP/1.1', HTTP_GET, '/a/b?c'],
    ['absolute form', 'GET http://host:80/a?b HTTP/1.1', HTTP_GET, 'http://host:80/a?b'],
    ['asterisk form', 'OPTIONS * HTTP/1.1', HTTP_OPTIONS, '*'],
    ['what browsers do not encode', "GET /[|]^?[{|}]^\\`'100% HTTP/1.1", HTTP_GET, "/[|]^?[{|}]^\\`'100%"],
    ['percent signs', 'GET /%00%fF HTTP/1.1', HTTP_GET, '/%00%fF'],
  ])('the target in %s', (_name, line, method, uri) => {
    expect(everyWayTheSame(get('', line)).requests[0]?.head).toMatchObject({ method, uri });
  });

  test.each(Array.from({ length: 33 }, (_, method) => [methodName(method), method] as const))(
    '%s is method %i',
    (name, method) => {
      const target = name === 'CONNECT' ? 'h:80' : '/';
      expect(everyWayTheSame(get('', `${name} ${target} HTTP/1.1`)).requests[0]?.head).toMatchObject({
        method,
        uri: target,
      });
    },
  );

  test.each<readonly [name: string, text: string, head: Partial<RequestHead>]>([
    ['HTTP/1.1', get(''), { keepAlive: true, http10: false }],
    ['Connection: close', get('Connection: close\r\n'), { keepAlive: false }],
    ['Connection: Close in a list', get('Connection: x, Close\r\n'), { keepAlive: false }],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', { keepAlive: false, http10: true }],
    ['HTTP/1.0 with keep-alive', 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', { keepAlive: true, http10: true }],
    ['an upgrade', get('Connection: Upgrade\r\nUpgrade: websocket\r\n'), { upgrade: true, keepAlive: true }],
    ['an upgrade in a list', get('Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n'), { upgrade: true }],
    ['Upgrade without Connection', get('Upgrade: websocket\r\n'), { upgrade: false }],
    ['Connection without Upgrade', get('Connection: Upgrade\r\n'), { upgrade: false }],
    ['no body', get(''), { contentLen: 0, hasBody: false }],
    ['an empty body', post('Content-Length: 0\r\n'), { contentLen: 0 }],
    ['a body', post('Content-Length: 2\r\n', 'hi'), { contentLen: 2, hasBody: true }],
    ['chunks', post('Transfer-Encoding: chunked\r\n', '0\r\n\r\n'), { contentLen: undefined, hasBody: true }],
  ])('%s', (_name, text, head) => {
    const { requests, error } = everyWayTheSame(text);
    expect(error).toBeUndefined();
    expect(requests[0]?.head).toMatchObject(head);
  });

  test('what lies behind an upgrade is not looked at', () => {
    const text = get('Connection: Upgrade\r\nUpgrade: websocket\r\n');
    for (const { name, chunks } of everyWay(text)) {
      const last = [...chunks];
      last[last.length - 1] = Buffer.concat([last.at(-1) as Buffer, Buffer.from('\x81\x85')]);
      const { requests, error } = parse(last);
      // the next bytes are looked at only because this test goes on with them as a request
      expect([requests.length, requests[0]?.head.raw, error], name).toEqual([1, text, HTTPD_400_BAD_REQUEST]);
    }
  });

  test('RFC 9112 section 6.1: HTTP/1.0 with Transfer-Encoding does not keep the connection', () => {
    const text = 'POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    const { requests, error } = parse([text]);
    expect(error !== undefined || requests[0]?.head.keepAlive === false).toBe(true);
  });
});

describe('bodies', () => {
  test('chunks are put together, their extensions and trailers dropped', () => {
    const body = '3\r\nabc\r\n1;ext=1;q="x y"\r\nd\r\n000A\r\n0123456789\r\n0;last\r\nTrailer: x\r\nOther: y\r\n\r\n';
    const { requests, error } = everyWayTheSame(`${post('Transfer-Encoding: chunked\r\n', body)}${NEXT}`);
    expect(error).toBeUndefined();
    expect(requests.map(request => [request.body, request.complete])).toEqual([
      ['abcd0123456789', true],
      ['', true],
    ]);
  });

  test('a body of any length ends where it says', () => {
    for (const n of [1, 999, 1_000, 1_001, 65_535]) {
      const { requests } = parse([
        post(`Content-Length: ${n}\r\n`, 'x'.repeat(n).slice(0, 60_000)),
        'x'.repeat(Math.max(0, n - 60_000)) + NEXT,
      ]);
      expect(requests.map(request => request.body.length)).toEqual([n, 0]);
    }
  });

  test.each([
    [
      'one chunk',
      (n: number) => post('Transfer-Encoding: chunked\r\n', `${n.toString(16)}\r\n${'x'.repeat(n)}\r\n0\r\n\r\n`),
    ],
    ['chunks of a byte', (n: number) => post('Transfer-Encoding: chunked\r\n', `${'1\r\nx\r\n'.repeat(n)}0\r\n\r\n`)],
  ])('maxReqBodyLen with %s: exactly so much is taken, a byte more is 413', (_name, make) => {
    const limits = { maxReqBodyLen: 20 };
    expect(everyWayTheSame(make(20), limits)).toMatchObject({ error: undefined, requests: [{ complete: true }] });
    const { error, requests } = parse([make(21)], limits);
    expect([error, requests.length, requests[0]?.complete]).toEqual([HTTPD_413_CONTENT_TOO_LARGE, 1, false]);
    for (const { name, chunks } of everyWay(make(21))) expect(parse(chunks, limits).error, name).toBe(error);
  });

  test('a Content-Length above 2^53 is a large number, and above 2^64 an error', () => {
    expect(parse([post('Content-Length: 9007199254740993\r\n')]).requests[0]?.head.contentLen).toBeGreaterThan(
      2 ** 53 - 1,
    );
    expect(parse([post('Content-Length: 18446744073709551615\r\n')]).requests[0]?.head.contentLen).toBeGreaterThan(
      2 ** 63,
    );
    expect(parse([post('Content-Length: 4294967297\r\n')]).requests[0]?.head.contentLen).toBe(2 ** 32 + 1);
    expect(everyWayTheSame(post('Content-Length: 18446744073709551616\r\n')).error).toBe(HTTPD_400_BAD_REQUEST);
  });
});

describe('fault 4 (smuggling): a body whose end is not certain is refused', () => {
  test.each([
    ['two lengths', 'Content-Length: 3\r\nContent-Length: 4\r\n'],
    ['a list of lengths', 'Content-Length: 3, 3\r\n'],
    ['a length with a sign', 'Content-Length: +3\r\n'],
    ['a negative length', 'Content-Length: -3\r\n'],
    ['a hexadecimal length', 'Content-Length: 0x3\r\n'],
    ['a length with a blank inside', 'Content-Length: 3 3\r\n'],
    ['a length with a vertical tab', 'Content-Length: \x0b3\r\n'],
    ['an empty length', 'Content-Length:\r\n'],
    ['a length with a fraction', 'Content-Length: 3.0\r\n'],
    ['a blank before the colon', 'Content-Length : 3\r\n'],
    ['length and chunks', 'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n'],
    ['chunks and length', 'Transfer-Encoding: chunked\r\nContent-Length: 3\r\n'],
    ['chunks and length 0', 'Transfer-Encoding: chunked\r\nContent-Length: 0\r\n'],
    ['a coding that is not chunked', 'Transfer-Encoding: gzip\r\n'],
    ['chunked not last', 'Transfer-Encoding: chunked, gzip\r\n'],
    ['chunked twice', 'Transfer-Encoding: chunked, chunked\r\n'],
    ['chunked not last, in two lines', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n'],
    ['identity', 'Transfer-Encoding: identity\r\n'],
    ['xchunked', 'Transfer-Encoding: xchunked\r\n'],
    ['chunkedx', 'Transfer-Encoding: chunkedx\r\n'],
    ['chunked in quotes', 'Transfer-Encoding: "chunked"\r\n'],
    ['chunked behind a vertical tab', 'Transfer-Encoding: \x0bchunked\r\n'],
    ['Transfer-Encoding with a blank before the colon', 'Transfer-Encoding : chunked\r\n'],
    ['a folded line', 'Transfer-Encoding:\r\n chunked\r\n'],
    ['a bare CR', 'X: a\rContent-Length: 3\r\n'],
    ['a bare LF', 'X: a\nContent-Length: 3\r\n'],
    ['a NUL', 'X: a\0b\r\n'],
  ])('%s: 400', (_name, lines) => {
    const { error, requests } = everyWayTheSame(`${post(lines)}abc${NEXT}`);
    expect([error, requests.length]).toEqual([HTTPD_400_BAD_REQUEST, 0]);
  });

  test.each([
    ['no size', '\r\nabc\r\n0\r\n\r\n'],
    ['a size that is not hexadecimal', 'xyz\r\n'],
    ['a size with a sign', '-1\r\n'],
    ['a size with 0x', '0x3\r\nabc\r\n0\r\n\r\n'],
    ['a size with a blank behind it', '3 \r\nabc\r\n0\r\n\r\n'],
    ['a size of more than 64 bits', 'fffffffffffffffff\r\n'],
    ['a size line that ends in LF', '3\nabc\r\n0\r\n\r\n'],
    ['an extension with an LF', '3;a\nb\r\nabc\r\n0\r\n\r\n'],
    ['a chunk longer than its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['a chunk that ends in LF', '3\r\nabc\n0\r\n\r\n'],
    ['an end that is LF', '3\r\nabc\r\n0\n\n'],
    ['Content-Length as a trailer', '0\r\nContent-Length: 5\r\n\r\n'],
    ['Transfer-Encoding as a trailer', '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ])('chunks with %s: 400, and nothing behind them is taken for a request', (_name, body) => {
    const text = `${post('Transfer-Encoding: chunked\r\n', body)}${NEXT}`;
    for (const { name, chunks } of everyWay(text)) {
      const { error, requests } = parse(chunks);
      expect([error, requests.length, requests[0]?.complete], name).toEqual([HTTPD_400_BAD_REQUEST, 1, false]);
    }
  });

  test.each(['chunked', 'Chunked', 'CHUNKED', '\t chunked\t', ' chunked'])('Transfer-Encoding: %j is chunks', value => {
    const { requests } = everyWayTheSame(`${post(`Transfer-Encoding: ${value}\r\n`, '1\r\nx\r\n0\r\n\r\n')}${NEXT}`);
    expect(requests.map(({ head, body }) => [head.contentLen, body])).toEqual([
      [undefined, 'x'],
      [0, ''],
    ]);
  });
});

describe('errors', () => {
  test.each<readonly [name: string, text: string, status: number]>([
    ['a method that is a token', get('', 'FOO / HTTP/1.1'), HTTPD_501_METHOD_NOT_IMPLEMENTED],
    ['a method in lower case', get('', 'get / HTTP/1.1'), HTTPD_501_METHOD_NOT_IMPLEMENTED],
    ['a method that begins like another', get('', 'GETX / HTTP/1.1'), HTTPD_501_METHOD_NOT_IMPLEMENTED],
    ['another of that kind', get('', 'POS / HTTP/1.1'), HTTPD_501_METHOD_NOT_IMPLEMENTED],
    ['a method of RTSP', get('', 'DESCRIBE / HTTP/1.1'), HTTPD_501_METHOD_NOT_IMPLEMENTED],
    ['a method that is no token', get('', 'G@T / HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['no method', get('', ' / HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['no target', get('', 'GET'), HTTPD_400_BAD_REQUEST],
    ['a tab in the request line', get('', 'GET\t/ HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['a target without a slash', get('', 'GET foo HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['a control character in the target', get('', 'GET /\x01 HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['NUL in the target', get('', 'GET /\0 HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['bytes of TLS', '\x16\x03\x01\x02\x00\x01\x00', HTTPD_400_BAD_REQUEST],
    ['HTTP/0.9, which has no version', 'GET /\r\n\r\n', HTTPD_400_BAD_REQUEST],
    ['HTTP/0.9, said so', get('', 'GET / HTTP/0.9'), HTTPD_505_VERSION_NOT_SUPPORTED],
    ['a fragment in the target', get('', 'GET /a#b HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['quotes in the target', get('', 'GET /?a="b" HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['a bad escape in the path', get('', 'GET /%zz HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['* with GET', get('', 'GET * HTTP/1.1'), HTTPD_400_BAD_REQUEST],
    ['an unknown coding before chunked', get('Transfer-Encoding: gzip, chunked\r\n'), HTTPD_501_METHOD_NOT_IMPLEMENTED],
    ['a bare LF before the request line', `\n${get('')}`, HTTPD_400_BAD_REQUEST],
    ['a bare CR before the request line', `\r${get('')}`, HTTPD_400_BAD_REQUEST],
    ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', HTTPD_400_BAD_REQUEST],
    ['a Host that is none in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a/b\r\n\r\n', HTTPD_400_BAD_REQUEST],
    ['two Hosts in HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n', HTTPD_400_BAD_REQUEST],
    ['HTTP/2.0', get('', 'GET / HTTP/2.0'), HTTPD_505_VERSION_NOT_SUPPORTED],
    ['HTTP/3.0', get('', 'GET / HTTP/3.0'), HTTPD_505_VERSION_NOT_SUPPORTED],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', HTTPD_505_VERSION_NOT_SUPPORTED],
    ['a version of three digits', get('', 'GET / HTTP/1.11'), HTTPD_400_BAD_REQUEST],
    ['http in lower case', get('', 'GET / http/1.1'), HTTPD_400_BAD_REQUEST],
    ['another protocol, RTSP', get('', 'GET / RTSP/1.0'), HTTPD_400_BAD_REQUEST],
    ['another protocol, ICE', get('', 'SOURCE / ICE/1.0'), HTTPD_400_BAD_REQUEST],
    ['something behind the version', get('', 'GET / HTTP/1.1 x'), HTTPD_400_BAD_REQUEST],
    ['a bare LF behind the version', 'GET / HTTP/1.1\nHost: h\n\n', HTTPD_400_BAD_REQUEST],
    ['a header without a colon', get('Nonsense\r\n'), HTTPD_400_BAD_REQUEST],
    ['a header without a name', get(': x\r\n'), HTTPD_400_BAD_REQUEST],
    ['a name with a blank', get('A b: x\r\n'), HTTPD_400_BAD_REQUEST],
    ['a blank before the name', 'GET / HTTP/1.1\r\n Host: h\r\n\r\n', HTTPD_400_BAD_REQUEST],
    ['a value with a control character', get('A: \x01\r\n'), HTTPD_400_BAD_REQUEST],
    ['a value with DEL', get('A: \x7f\r\n'), HTTPD_400_BAD_REQUEST],
    ['a folded value', get('A: b\r\n c\r\n'), HTTPD_400_BAD_REQUEST],
    ['no Host', 'GET / HTTP/1.1\r\nA: b\r\n\r\n', HTTPD_400_BAD_REQUEST],
    ['two Hosts', get('Host: h\r\n'), HTTPD_400_BAD_REQUEST],
    ['two Hosts in other letters', get('A: b\r\nhOST: h\r\n'), HTTPD_400_BAD_REQUEST],
  ])('%s', (_name, text, status) => {
    const { error, requests } = everyWayTheSame(text);
    expect([error, requests.length]).toEqual([status, 0]);
  });

  test.each(['1.2', '1.9'])('HTTP/%s is served as 1.1 (RFC 9110 section 2.5)', version => {
    const { requests } = everyWayTheSame(get('', `GET / HTTP/${version}`));
    expect(requests[0]?.head).toMatchObject({ http10: false, keepAlive: true });
  });

  test.each(['5\t', '\t5\t', ' 5 \t \t', '5\t\t\t'])('Content-Length: %j is 5', value => {
    const { requests } = everyWayTheSame(`${post(`A: b\r\nContent-Length:${value}\r\nC: d\r\n`, 'hello')}${NEXT}`);
    expect(requests.map(({ body }) => body)).toEqual(['hello', '']);
  });

  test('a Content-Length with more tabs than anybody sends is refused, and soon', () => {
    const text = post(`Content-Length: 5${'\t'.repeat(10_000)}\r\n`, 'hello');
    expect(parse([text]).error).toBe(HTTPD_400_BAD_REQUEST);
    expect(parse([...text].map(byte => Buffer.from(byte, 'latin1'))).error).toBe(HTTPD_400_BAD_REQUEST);
  });

  test('the authority of a target in absolute form is the Host (RFC 9112 section 3.2.2)', () => {
    for (const fields of ['Host: other\r\nA: b\r\n', 'A: b\r\nhost: other\r\n']) {
      const { requests } = everyWayTheSame(`GET http://right:80/ HTTP/1.1\r\n${fields}\r\n`);
      const headers = requests[0]?.head.headers ?? '';
      expect([findHeader(headers, 'host'), findHeader(headers, 'a')]).toEqual(['right:80', 'b']);
    }
    const { headers } = parseOne('GET http://right/ HTTP/1.0\r\nA: b\r\n\r\n');
    expect(headers).toBe('Host: right\r\nA: b\r\n\r\n');
  });

  test('an empty field does not take the value of the next one', () => {
    for (const line of ['GET / HTTP/1.1', 'GET / HTTP/1.0']) {
      const { requests, error } = everyWayTheSame(get('Connection:\r\nX: close\r\nY: keep-alive\r\n', line));
      expect([error, requests[0]?.head.keepAlive], line).toEqual([undefined, line.endsWith('1')]);
    }
    const next = 'GET / HTTP/1.1\r\nHost:\r\nX: h\r\n\r\n';
    expect(parse([get('') + next]).requests.map(({ head }) => findHeader(head.headers, 'host'))).toEqual(['h', '']);
  });

  test('HTTP/1.0 needs no Host', () => {
    expect(parseOne('GET / HTTP/1.0\r\n\r\n').uri).toBe('/');
  });

  test('QUERY and the other methods without a number of ours are left to the connection', () => {
    expect(parseOne(get('', 'QUERY / HTTP/1.1')).method).toBeGreaterThan(32);
  });

  test('the reason tells what was wrong, for the log', () => {
    const parser = new RequestParser(LIMITS, PLAIN);
    expect(parser.reason).toBe('');
    parser.free();
    parser.free();
  });
});

describe('lenientLineEndings', () => {
  const limits = { lenientLineEndings: true };

  test.each([
    ['every line', 'POST /a HTTP/1.1\nHost: h\nContent-Length: 2\n\nhi'],
    ['header lines only', 'POST /a HTTP/1.1\r\nHost: h\nContent-Length: 2\n\nhi'],
    ['the request line only', 'POST /a HTTP/1.1\nHost: h\r\nContent-Length: 2\r\n\r\nhi'],
    ['the empty line only', 'POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\nhi'],
    ['no line', 'POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi'],
  ])('a bare LF ends %s', (_name, text) => {
    const { requests, error } = everyWayTheSame(`${text}GET /b HTTP/1.1\nHost: h\n\n`, limits);
    expect(error).toBeUndefined();
    expect(requests.map(({ head, body }) => [head.uri, body, head.contentLen])).toEqual([
      ['/a', 'hi', 2],
      ['/b', '', 0],
    ]);
    expect(requests[0]?.head.raw).toBe(text.slice(0, -2));
  });

  test.each([
    ['a bare CR', 'GET / HTTP/1.1\nHost: h\nA: b\rc\n\n'],
    ['a missing Host', 'GET / HTTP/1.1\nA: b\n\n'],
    ['a length and chunks', 'POST / HTTP/1.1\nHost: h\nContent-Length: 3\nTransfer-Encoding: chunked\n\n'],
  ])('%s is refused all the same', (_name, text) => {
    expect(everyWayTheSame(text, limits).error).toBe(HTTPD_400_BAD_REQUEST);
  });

  test('a tab behind a Content-Length is blank there too', () => {
    const { requests, error } = everyWayTheSame('POST /a HTTP/1.1\nHost: h\nContent-Length: 2 \t\t\n\nhi', limits);
    expect([error, requests[0]?.body]).toEqual([undefined, 'hi']);
  });

  test('the limits hold', () => {
    const text = (n: number) => `GET /${'a'.repeat(n - 1)} HTTP/1.1\nHost: h\n\n`;
    expect(everyWayTheSame(text(20), { ...limits, maxUriLen: 20 }).error).toBeUndefined();
    expect(everyWayTheSame(text(21), { ...limits, maxUriLen: 20 }).error).toBeDefined();
  });
});
