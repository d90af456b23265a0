import { describe, expect, test } from 'vitest';
import { ESP_ERR_INVALID_ARG } from '../../src/err.js';
import { type CookieOptions, setCookie } from '../../src/httpd/cookie.js';

const invalidArg = expect.objectContaining({ code: ESP_ERR_INVALID_ARG });
const UNTIL = new Date('2027-03-04T05:06:07.890Z');

describe('the value of Set-Cookie', () => {
  test.each<[field: string, name: string, value: string, options?: CookieOptions]>([
    ['a=1', 'a', '1'],
    ['a=', 'a', ''],
    ['a="1"', 'a', '"1"'],
    ['a=""', 'a', '""'],
    ['__proto__=1', '__proto__', '1'],
    ['a=1', 'a', '1', {}],
    ['a=1', 'a', '1', { secure: false, httpOnly: false, partitioned: false, maxAge: undefined }],
    ['a=1; Max-Age=0', 'a', '1', { maxAge: 0 }],
    ['a=1; Max-Age=34560000', 'a', '1', { maxAge: 34_560_000 }],
    ['a=1; Expires=Thu, 04 Mar 2027 05:06:07 GMT', 'a', '1', { expires: UNTIL }],
    ['a=1; Expires=Mon, 01 Jan 1601 00:00:00 GMT', 'a', '1', { expires: new Date('1601-01-01T00:00:00Z') }],
    ['a=1; Domain=example.com', 'a', '1', { domain: 'example.com' }],
    ['a=1; Domain=.Example.com', 'a', '1', { domain: '.Example.com' }],
    ['a=1; Domain=192.168.4.1', 'a', '1', { domain: '192.168.4.1' }],
    ['a=1; Path=/', 'a', '1', { path: '/' }],
    ['a=1; Path=/a b,"c"', 'a', '1', { path: '/a b,"c"' }],
    ['a=1; Secure', 'a', '1', { secure: true }],
    ['a=1; HttpOnly', 'a', '1', { httpOnly: true }],
    ['a=1; SameSite=Strict', 'a', '1', { sameSite: 'strict' }],
    ['a=1; SameSite=Lax', 'a', '1', { sameSite: 'lax' }],
    ['a=1; Secure; SameSite=None', 'a', '1', { sameSite: 'none', secure: true }],
    ['a=1; Secure; Partitioned', 'a', '1', { partitioned: true, secure: true }],
    ['__Secure-a=1; Secure', '__Secure-a', '1', { secure: true }],
    ['__Host-a=1; Path=/; Secure', '__Host-a', '1', { path: '/', secure: true }],
    [
      'sid=x; Max-Age=60; Expires=Thu, 04 Mar 2027 05:06:07 GMT; Domain=a.b; Path=/c; Secure; HttpOnly; SameSite=Lax; Partitioned',
      'sid',
      'x',
      {
        maxAge: 60,
        expires: UNTIL,
        domain: 'a.b',
        path: '/c',
        secure: true,
        httpOnly: true,
        sameSite: 'lax',
        partitioned: true,
      },
    ],
  ])('%s', (field, name, value, options) => {
    expect(setCookie(name, value, options)).toBe(field);
  });

  test('a value has all octets of RFC 6265 section 4.1.1, and no others', () => {
    for (let code = 0; code < 0x180; code++) {
      const octet = code === 0x21 || (code >= 0x23 && code <= 0x7e && ![0x2c, 0x3b, 0x5c].includes(code));
      const call = () => setCookie('a', `x${String.fromCharCode(code)}y`);
      if (octet) expect(call(), `U+${code.toString(16)}`).toHaveLength(5);
      else expect(call, `U+${code.toString(16)}`).toThrow(invalidArg);
    }
  });

  test('any text fits when it is encoded', () => {
    expect(setCookie('a', encodeURIComponent('grün; "x", \\y\n'))).toBe('a=gr%C3%BCn%3B%20%22x%22%2C%20%5Cy%0A');
  });

  test('name and value have 4,096 bytes at most', () => {
    expect(setCookie('ab', 'x'.repeat(4_094))).toHaveLength(4_097);
    expect(() => setCookie('ab', 'x'.repeat(4_095))).toThrow(invalidArg);
  });
});

describe('what is no cookie: ESP_ERR_INVALID_ARG', () => {
  test.each<[why: string, name: unknown, value: unknown, options?: unknown]>([
    ['no name', '', 'x'],
    ['a name with a blank', 'a b', 'x'],
    ['a name with =', 'a=b', 'x'],
    ['a name with a line ending', 'a\r\nb', 'x'],
    ['a name that is no string', 1, 'x'],
    ['a value that is no string', 'a', 1],
    ['an attribute in the value', 'a', '1; HttpOnly'],
    ['a line ending in the value', 'a', '1\r\nX: y'],
    ['a double quote inside', 'a', 'x"y'],
    ['half a pair of double quotes', 'a', '"x'],
    ['a line ending behind the value', 'a', '1\n'],
    ['options that are no object', 'a', '1', null],
    ['options that are no object', 'a', '1', 'secure'],
    ['an unknown option', 'a', '1', { maxage: 1 }],
    ['an option of Object.prototype', 'a', '1', { constructor: 1 }],
    ['half a second', 'a', '1', { maxAge: 1.5 }],
    ['a time in the past', 'a', '1', { maxAge: -1 }],
    ['maxAge as text', 'a', '1', { maxAge: '1; Secure' }],
    ['Infinity', 'a', '1', { maxAge: Number.POSITIVE_INFINITY }],
    ['a date as text', 'a', '1', { expires: 'Thu, 04 Mar 2027 05:06:07 GMT' }],
    ['no date at all', 'a', '1', { expires: new Date(Number.NaN) }],
    ['a date before 1601', 'a', '1', { expires: new Date('1600-12-31T23:59:59Z') }],
    ['a date behind 9999', 'a', '1', { expires: new Date(8.64e15) }],
    ['a domain with an attribute', 'a', '1', { domain: 'a.b; Path=/' }],
    ['a domain with a line ending', 'a', '1', { domain: 'a.b\r\nX: y' }],
    ['a domain with a port', 'a', '1', { domain: 'a.b:80' }],
    ['an empty domain', 'a', '1', { domain: '' }],
    ['a domain of dots', 'a', '1', { domain: 'a..b' }],
    ['a path without a slash', 'a', '1', { path: 'a' }],
    ['an empty path', 'a', '1', { path: '' }],
    ['a path with an attribute', 'a', '1', { path: '/; Secure' }],
    ['a path with a line ending', 'a', '1', { path: '/\r\nX: y' }],
    ['a path that is not ASCII', 'a', '1', { path: '/ü' }],
    ['a path with a wildcard', 'a', '1', { path: '/admin/*' }],
    ['a path with a parameter', 'a', '1', { path: '/admin/:id' }],
    ['a path with a query', 'a', '1', { path: '/admin?x=1' }],
    ['a path that browsers ignore for its length', 'a', '1', { path: `/${'x'.repeat(1_024)}` }],
    ['a flag that is no boolean', 'a', '1', { secure: 'no' }],
    ['a flag that is no boolean', 'a', '1', { httpOnly: 1 }],
    ['an unknown sameSite', 'a', '1', { sameSite: 'Strict' }],
    ["sameSite: 'none' without secure", 'a', '1', { sameSite: 'none' }],
    ['partitioned without secure', 'a', '1', { partitioned: true }],
    ['__Secure- without secure', '__Secure-a', '1'],
    ['__secure- without secure', '__secure-a', '1'],
    ['__Host- without secure', '__Host-a', '1', { path: '/' }],
    ['__Host- without a path', '__Host-a', '1', { secure: true }],
    ['__Host- with another path', '__Host-a', '1', { secure: true, path: '/a' }],
    ['__Host- with a domain', '__Host-a', '1', { secure: true, path: '/', domain: 'a.b' }],
    ['__HOST- with a domain', '__HOST-a', '1', { secure: true, path: '/', domain: 'a.b' }],
  ])('%s: %j, %j, %j', (_why, name, value, options) => {
    const call = () => setCookie(name as string, value as string, options as CookieOptions);
    expect(call).toThrow(invalidArg);
  });

  test('the message says which cookie, and what to do about its value', () => {
    expect(() => setCookie('sid', 'ü')).toThrow(/'sid'.*encodeURIComponent/);
    expect(() => setCookie('sid', 'x', { sameSite: 'none' })).toThrow(/secure: true.*'sid'/);
  });
});
