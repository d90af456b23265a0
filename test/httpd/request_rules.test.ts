import { describe, expect, test } from 'vitest';
import { joinHeaders } from '../../src/httpd/headers.js';
import { HTTP_CONNECT, HTTP_GET, HTTP_OPTIONS, HTTP_POST } from '../../src/httpd/methods.js';
import {
  CODING_BROKEN,
  CODING_CHUNKED,
  CODING_UNKNOWN,
  isAuthority,
  isHost,
  readCodings,
  readConnection,
  readTarget,
  schemesOf,
  whyNoTarget,
  withHost,
} from '../../src/httpd/request_rules.js';

describe('Host', () => {
  test.each([
    'a',
    'example.com',
    'example.com.',
    'example.com:80',
    'example.com:',
    'EXAMPLE.com:65535',
    '127.0.0.1:8080',
    'under_score',
    "a-._~!$&'()*+,;=z",
    'a%20b',
    'xn--bcher-kva.example',
    '[::1]',
    '[::1]:80',
    '[2001:db8::7]',
    '[::ffff:192.0.2.1]',
    '[v1.fe80::a]:1',
  ])('%s is one', host => {
    expect(isAuthority(host)).toBe(true);
    expect(isHost(host)).toBe(true);
  });

  test.each([
    'a b',
    'a, b',
    'a/b',
    'a\\b',
    'a?b',
    'a#b',
    'u@a',
    'http://a',
    'a:b',
    'a:80:80',
    'a:65536',
    'a:-1',
    'a:+1',
    ':80',
    '::1',
    '[::1',
    '::1]',
    '[]',
    '[::1]x',
    '[:::1]',
    '[1::2::3]',
    '[fe80::1%25eth0]',
    '[127.0.0.1]',
    '[v1.]',
    'a%2',
    'a%zz',
    'a"b',
    'a<b>',
    'a|b',
    '\u00fcber',
    'a\tb',
  ])('%j is none', host => {
    expect(isAuthority(host)).toBe(false);
    expect(isHost(host)).toBe(false);
  });

  test('may be empty where the target has no authority', () => {
    expect([isHost(''), isAuthority('')]).toEqual([true, false]);
  });

  test('of the target replaces the field, wherever it stands', () => {
    expect(withHost('A: b\r\nHOST: x\r\nC: d\r\n\r\n', '$&y')).toBe('A: b\r\nHost: $&y\r\nC: d\r\n\r\n');
    expect(withHost('X-Host: b\r\n\r\n', 'y')).toBe('Host: y\r\nX-Host: b\r\n\r\n');
  });
});

describe('a target in absolute form, by the listener that it has come to', () => {
  const PLAIN = schemesOf({ encrypted: false, path: undefined });
  const TLS = schemesOf({ encrypted: true, path: undefined });
  const UNIX = schemesOf({ encrypted: false, path: '/run/a.sock' });
  const IS = { authority: 'a' };

  test.each([
    ['http://a/', PLAIN, IS],
    ['https://a/', PLAIN, undefined],
    ['HTTPS://a/', PLAIN, undefined],
    ['https://a/', TLS, IS],
    ['HTTPS://a', TLS, IS],
    ['http://a/', TLS, undefined],
    ['http://a/', UNIX, IS],
    ['https://a/', UNIX, IS],
    ['ws://a/', PLAIN, undefined],
    ['wss://a/', TLS, undefined],
    ['ftp://a/', UNIX, undefined],
  ])('%s, where %j are served', (uri, schemes, target) => {
    expect(readTarget(HTTP_GET, uri, schemes)).toEqual(target);
  });

  test.each([
    ['https://a/', PLAIN, 'the target is an https URI, and the connection is not encrypted (RFC 9110 section 7.4)'],
    ['HTTP://a/', TLS, 'the target is an http URI, and the connection is encrypted (RFC 9110 section 7.4)'],
    ['https://u@a/', TLS, expect.stringContaining('no other form that fits')],
    ['ftp://a/', TLS, expect.stringContaining('no other form that fits')],
    ['*', PLAIN, expect.stringContaining('no other form that fits')],
  ])('why %s is refused', (uri, schemes, why) => {
    expect(whyNoTarget(uri, schemes)).toEqual(why);
  });
});

describe('the request target', () => {
  test.each([
    [HTTP_GET, '/', undefined],
    [HTTP_GET, '/a/b;c=d,e?f=g&h#'.slice(0, -1), undefined],
    [HTTP_GET, "/-._~!$&'()*+,;=:@%20", undefined],
    [HTTP_GET, '/?a/b?c', undefined],
    [HTTP_GET, '//a//b', undefined],
    [HTTP_POST, 'http://a', 'a'],
    [HTTP_POST, 'HTTP://a:80?q', 'a:80'],
    [HTTP_OPTIONS, 'http://a', 'a'],
    [HTTP_OPTIONS, '*', undefined],
    [HTTP_OPTIONS, '/', undefined],
    [HTTP_CONNECT, 'a:80', 'a:80'],
    [HTTP_CONNECT, '[::1]:443', '[::1]:443'],
  ])('of method %i: %s', (method, uri, authority) => {
    expect(readTarget(method, uri, ['http'])).toEqual({ authority });
  });

  test.each([
    [HTTP_GET, ''],
    [HTTP_GET, 'a'],
    [HTTP_GET, 'a/b'],
    [HTTP_GET, '?a'],
    [HTTP_GET, '*'],
    [HTTP_POST, '*'],
    [HTTP_OPTIONS, '*a'],
    [HTTP_GET, '/a b'],
    [HTTP_GET, '/a#b'],
    [HTTP_GET, '/a?b#c'],
    [HTTP_GET, '/%'],
    [HTTP_GET, '/%2'],
    [HTTP_GET, '/%g0'],
    [HTTP_GET, '/\u00fc'],
    [HTTP_GET, '/?\u00fc'],
    [HTTP_GET, '/\x7f'],
    [HTTP_GET, '/"'],
    [HTTP_GET, '/<a>'],
    [HTTP_GET, '/\\'],
    [HTTP_GET, '/?"'],
    [HTTP_GET, 'http://'],
    [HTTP_GET, 'http:///a'],
    [HTTP_GET, 'http:/a'],
    [HTTP_GET, 'http://u@a/'],
    [HTTP_GET, 'http://u:p@a/'],
    [HTTP_GET, 'http://a b/'],
    [HTTP_GET, 'http://a/#f'],
    [HTTP_GET, 'http://a:99999/'],
    [HTTP_GET, 'https://a/'],
    [HTTP_GET, 'ftp://a/'],
    [HTTP_GET, 'a:80'],
    [HTTP_CONNECT, '/'],
    [HTTP_CONNECT, '*'],
    [HTTP_CONNECT, 'a'],
    [HTTP_CONNECT, 'a:'],
    [HTTP_CONNECT, 'a:0'],
    [HTTP_CONNECT, 'a:x'],
    [HTTP_CONNECT, 'a:65536'],
    [HTTP_CONNECT, ':80'],
    [HTTP_CONNECT, 'u@a:80'],
    [HTTP_CONNECT, 'http://a:80/'],
  ])('of method %i: not %j', (method, uri) => {
    expect(readTarget(method, uri, ['http'])).toBeUndefined();
  });
});

const fields = (name: string, values: readonly string[]) =>
  `${values.map(value => `${name}:${value}\r\n`).join('')}A: b\r\n\r\n`;

describe('Transfer-Encoding', () => {
  test.each([
    [['chunked'], CODING_CHUNKED],
    [[' \tCHUNKed\t '], CODING_CHUNKED],
    [['gzip, chunked'], CODING_UNKNOWN],
    [['gzip', 'chunked'], CODING_UNKNOWN],
    [['x', 'y', 'chunked'], CODING_UNKNOWN],
    [[''], CODING_BROKEN],
    [['gzip'], CODING_BROKEN],
    [['identity'], CODING_BROKEN],
    [['chunked, gzip'], CODING_BROKEN],
    [['chunked', 'identity'], CODING_BROKEN],
    [['chunked, chunked'], CODING_BROKEN],
    [['chunked', 'chunked'], CODING_BROKEN],
    [['chunked, gzip, chunked'], CODING_BROKEN],
    [[', chunked'], CODING_BROKEN],
    [['chunked,'], CODING_BROKEN],
    [['xchunked'], CODING_BROKEN],
    [['chunkedx'], CODING_BROKEN],
    [['"chunked"'], CODING_BROKEN],
    [["'chunked'"], CODING_BROKEN],
    [['chunked;a=b'], CODING_BROKEN],
    [['chun ked'], CODING_BROKEN],
    [['\xa0chunked'], CODING_BROKEN],
    [['chunked\xa0'], CODING_BROKEN],
    [['gzip;q=1 ; a="b", chunked'], CODING_UNKNOWN],
    [['gzip;, chunked'], CODING_BROKEN],
    [['gzip;q, chunked'], CODING_BROKEN],
    [['chunked;a=b, chunked'], CODING_BROKEN],
  ])('%j', (values, coding) => {
    expect(readCodings(fields('Transfer-Encoding', values))).toBe(coding);
  });
});

describe('Connection', () => {
  test.each([
    [[], []],
    [['keep-alive'], ['keepAlive']],
    [['Keep-Alive'], ['keepAlive']],
    [['close'], ['close']],
    [['\tCLOSE\t'], ['close']],
    [['a, close ,b'], ['close']],
    [['a', 'close'], ['close']],
    [[', ,close,'], ['close']],
    [['keep-alive, Upgrade'], ['keepAlive', 'upgrade']],
    [['closed'], []],
    [['not close'], []],
    [['close\xa0'], []],
    [['"close"'], []],
  ])('%j says %j', (values, options) => {
    const read = readConnection(joinHeaders(fields('Connection', values), 'connection'));
    expect(
      Object.entries(read)
        .flatMap(([name, on]) => (on ? [name] : []))
        .sort(),
    ).toEqual([...options].sort());
  });
});
