import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cookieValue,
  eachHeader,
  findHeader,
  isFieldValue,
  isToken,
  joinHeaders,
  listHas,
  pathOf,
  queryKeyValue,
  queryOf,
} from '../../src/httpd/headers.js';

const SECTION =
  'Host: example\r\nX-One:  padded \t\r\nX-Two:none\r\nCOOKIE: a=1\r\nx-one: second\r\nEmpty:\r\ncookie: b=2\r\n\r\n';

describe('header fields', () => {
  test.each([
    ['host', 'example'],
    ['x-one', 'padded'],
    ['x-two', 'none'],
    ['cookie', 'a=1'],
    ['empty', ''],
    ['x-thre', undefined],
    ['x-three', undefined],
    ['hos', undefined],
    ['', undefined],
    ['example', undefined],
    ['toString', undefined],
    ['__proto__', undefined],
  ])('%j is %j: the first of its name, whatever the case, without the blanks around', (name, value) => {
    expect(findHeader(SECTION, name)).toBe(value);
    expect(findHeader(SECTION.replaceAll('\r\n', '\n'), name)).toBe(value);
  });

  test('all of them in their order', () => {
    expect([...eachHeader(SECTION)]).toEqual([
      ['Host', 'example'],
      ['X-One', 'padded'],
      ['X-Two', 'none'],
      ['COOKIE', 'a=1'],
      ['x-one', 'second'],
      ['Empty', ''],
      ['cookie', 'b=2'],
    ]);
  });

  test.each([
    ['x-one', 'padded, second'],
    ['cookie', 'a=1, b=2'],
    ['host', 'example'],
    ['x', undefined],
  ])('%j joined is %j (RFC 9110 section 5.3)', (name, value) => {
    expect(joinHeaders(SECTION, name)).toBe(value);
  });

  test('a value may hold colons, and blanks inside', () => {
    expect(findHeader('Referer: http://a:80/  x \r\n\r\n', 'referer')).toBe('http://a:80/  x');
  });

  test('only letters have two cases: [ and { differ', () => {
    expect(findHeader('a[b: 1\r\n\r\n', 'a{b')).toBeUndefined();
    expect(findHeader('a_b: 1\r\n\r\n', 'a\x7fb')).toBeUndefined();
  });

  test.each(['', '\r\n', 'no line end: x'])('%j has none', section => {
    expect(findHeader(section, 'no line end')).toBeUndefined();
    expect([...eachHeader(section)]).toEqual([]);
  });

  test.each([
    ['close', true],
    ['Close', true],
    ['keep-alive, close', true],
    ['keep-alive ,\tCLOSE\t', true],
    ['closed', false],
    ['not close', false],
    ['', false],
    [undefined, false],
  ])('the list %j has close: %s', (list, has) => {
    expect(listHas(list, 'close')).toBe(has);
  });
});

describe('the query', () => {
  test.each([
    ['/', ''],
    ['/?', ''],
    ['/?a=1', 'a=1'],
    ['/a?b?c', 'b?c'],
    ['/a?b=1&c#frag', 'b=1&c'],
    ['http://h/p?q=1', 'q=1'],
    ['*', ''],
  ])('of %s is %j', (uri, query) => {
    expect(queryOf(uri)).toBe(query);
  });

  test.each<readonly [query: string, key: string, value: string | undefined]>([
    ['a=1&b=2', 'a', '1'],
    ['a=1&b=2', 'b', '2'],
    ['a=1&b=2', 'c', undefined],
    ['a=1&a=2', 'a', '1'],
    ['A=1', 'a', '1'],
    ['a=1', 'A', '1'],
    ['aa=1&a=2', 'a', '2'],
    ['ba=1', 'a', undefined],
    ['a', 'a', undefined],
    ['a=', 'a', ''],
    ['a&a=3', 'a', '3'],
    ['=5', '', '5'],
    ['a=b=c', 'a', 'b=c'],
    ['a=%20+x', 'a', '%20+x'],
    ['&&a=1&&', 'a', '1'],
    ['', 'a', undefined],
    ['__proto__=1', '__proto__', '1'],
    ['a=1', 'toString', undefined],
  ])('the key of %j, %j, is %j', (query, key, value) => {
    expect(queryKeyValue(query, key)).toBe(value);
  });
});

describe('the path', () => {
  test.each([
    ['/', '/'],
    ['/a/b', '/a/b'],
    ['/a?b', '/a'],
    ['/a#b', '/a'],
    ['/a?b#c', '/a'],
    ['/a#b?c', '/a'],
    ['/?x', '/'],
    ['//a', '//a'],
    ['/a//b/../c', '/a//b/../c'],
    ['/http://x/y', '/http://x/y'],
    ['http://host', '/'],
    ['http://host/', '/'],
    ['http://host:80/a?b', '/a'],
    ['HTTPS://user@host/a', '/a'],
    ['http://host?q', '/'],
    ['http://host#f', '/'],
    ['ws://[::1]:80/x', '/x'],
    ['*', '*'],
    ['host:443', 'host:443'],
  ])('of %s is %s', (uri, path) => {
    expect(pathOf(uri)).toBe(path);
  });
});

describe('cookies', () => {
  test.each<readonly [header: string, name: string, value: string | undefined]>([
    ['a=1; b=2', 'a', '1'],
    ['a=1; b=2', 'b', '2'],
    ['a=1;b=2', 'b', '2'],
    ['a=1; b=2', 'c', undefined],
    ['A=1; a=2', 'a', '2'],
    ['aa=1; a=2', 'a', '2'],
    ['a="quoted"', 'a', 'quoted'],
    ['a="', 'a', '"'],
    ['a=""', 'a', ''],
    ['a=', 'a', ''],
    ['a', 'a', undefined],
    ['a=b=c', 'a', 'b=c'],
    ['a = 1 ', 'a', '1'],
    ['a=1; a=2', 'a', '1'],
    ['', 'a', undefined],
    ['__proto__=x', '__proto__', 'x'],
    ['a=1', 'constructor', undefined],
  ])('%j, %s: %j', (header, name, value) => {
    expect(cookieValue(`Host: h\r\nCookie: ${header}\r\n\r\n`, name)).toBe(value);
  });

  test('of several Cookie fields the first that has the name counts', () => {
    const section = 'cookie: a=1\r\nX-Cookie: b=no\r\nCOOKIE: b=2; a=3\r\n\r\n';
    expect([cookieValue(section, 'a'), cookieValue(section, 'b'), cookieValue(section, 'c')]).toEqual([
      '1',
      '2',
      undefined,
    ]);
  });

  test('a comma in a value parts nothing', () => {
    expect(cookieValue('Cookie: a=1, 2; b=3\r\n\r\n', 'a')).toBe('1, 2');
  });
});

describe('what may be sent', () => {
  test.each(['', 'a', 'a b', '\t', 'caf\xe9', '\x80\xff', '~!"'])('%j may stand in a header value', value => {
    expect(isFieldValue(value)).toBe(true);
  });

  test.each(['\r', '\n', 'a\r\nB: c', '\0', '\x01', '\x7f', 'snow \u2603', 5, null, undefined, ['a']])(
    '%j may not (fault: header injection)',
    value => {
      expect(isFieldValue(value)).toBe(false);
    },
  );

  test('a line end at the end is found too', () => {
    expect(isFieldValue('a\n')).toBe(false);
    expect(isToken('a\n')).toBe(false);
  });

  test("tokens have RFC 9110's characters, at least one", () => {
    const tchar = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (let code = 0; code < 0x180; code++) {
      const char = String.fromCharCode(code);
      expect(isToken(char)).toBe(tchar.includes(char));
    }
    expect([isToken(tchar), isToken(''), isToken('a b'), isToken(5), isToken(undefined)]).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  test('any section of valid lines is read as it was written', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}$/);
    const value = fc
      .stringMatching(/^[\x21-\x7e\x80-\xff]?[\t\x20-\x7e]{0,20}$/)
      .map(text => text.replace(/^[ \t]+|[ \t]+$/g, ''));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 8 }), fields => {
        const section = `${fields.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`;
        expect([...eachHeader(section)]).toEqual(fields);
        for (const [n] of fields) {
          const lower = n.toLowerCase();
          const same = fields.filter(([other]) => other.toLowerCase() === lower).map(([, v]) => v);
          expect(findHeader(section, lower)).toBe(same[0]);
          expect(joinHeaders(section, lower)).toBe(same.join(', '));
        }
      }),
    );
  });
});
