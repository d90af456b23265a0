import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isServedName, parseFilePath } from '../../src/files/uri_path.js';

describe('parseFilePath', () => {
  test.each([
    ['', [], true],
    ['a', ['a'], false],
    ['a/', ['a'], true],
    ['a/b/c.txt', ['a', 'b', 'c.txt'], false],
    ['a/b/', ['a', 'b'], true],
    ['a%20b', ['a b'], false],
    ['%61', ['a'], false],
    ['caf%C3%A9', ['café'], false],
    ['caf\xc3\xa9', ['café'], false],
    ['%F0%9F%98%80', ['😀'], false],
    ["a+b&c=d;e,f:g@h!$'()*", ["a+b&c=d;e,f:g@h!$'()*"], false],
    ['%23%3F', ['#?'], false],
    // decoded once
    ['%252e%252e', ['%2e%2e'], false],
    ['%252f', ['%2f'], false],
    ['a..b', ['a..b'], false],
    ['a.', ['a.'], false],
    ['~user', ['~user'], false],
    ['constructor/__proto__', ['constructor', '__proto__'], false],
  ])('%j', (path, names, isFolder) => {
    expect(parseFilePath(path, false)).toEqual({ names, isFolder });
  });

  test.each([
    ['a dot segment', '.'],
    ['two dots', '..'],
    ['two dots first', '../a'],
    ['two dots last', 'a/..'],
    ['two dots last, with a slash', 'a/../'],
    ['two dots between', 'a/../b'],
    ['a dot between', 'a/./b'],
    ['dots, encoded', '%2e%2e/a'],
    ['dots, encoded in capitals', '%2E%2E'],
    ['dots, half encoded', '.%2e'],
    ['a dot, encoded', 'a/%2e/b'],
    ['a slash, encoded', 'a%2fb'],
    ['a slash, encoded in capitals', 'a%2Fb'],
    ['dots and a slash, encoded', '%2e%2e%2fa'],
    ['a backslash', 'a\\b'],
    ['dots and a backslash', '..\\a'],
    ['a backslash, encoded', 'a%5cb'],
    ['dots and a backslash, encoded', '%2e%2e%5Ca'],
    ['an empty segment first', '/a'],
    ['an empty segment between', 'a//b'],
    ['an empty segment last', 'a//'],
    ['a slash alone', '/'],
    ['NUL, encoded', 'a%00'],
    ['NUL', 'a\0'],
    ['NUL before an extension', 'a%00.html'],
    ['LF, encoded', 'a%0ab'],
    ['CR, encoded', 'a%0Db'],
    ['ESC, encoded', 'a%1bb'],
    ['DEL, encoded', 'a%7f'],
    ['a C1 control, encoded', 'a%C2%85'],
    ['a tab', 'a\tb'],
    ['a percent sign alone', '%'],
    ['an escape of one digit', 'a%2'],
    ['an escape that is not hexadecimal', '%zz'],
    ['an escape of the old kind', '%u002e'],
    ['an overlong slash', '%c0%af'],
    ['overlong dots', '%c0%ae%c0%ae'],
    ['an overlong NUL', '%c0%80'],
    ['an octet that is not UTF-8', '%ff'],
    ['UTF-8 that breaks off', '%c3'],
    ['UTF-8 cut in two segments', '%c3/%a9'],
    ['a surrogate', '%ed%a0%80'],
    ['beyond Unicode', '%f4%90%80%80'],
    ['a raw octet that is not UTF-8', 'a\xff'],
    ['a dot file', '.htaccess'],
    ['a dot file, encoded', '%2ehtaccess'],
    ['in a dot folder', '.git/config'],
    ['a dot file below', 'a/.env'],
  ])('refuses %s', (_name, path) => {
    expect(parseFilePath(path, false)).toBeUndefined();
  });

  test.each(['.htaccess', '%2ehtaccess', '.git/config', '...', '..a'])('dot files, if allowed: %s', path => {
    expect(parseFilePath(path, true)).toBeDefined();
  });

  test.each(['.', '..', '%2e', '%2e%2e', 'a/..', '../a'])('dot segments, even if dot files are allowed: %s', path => {
    expect(parseFilePath(path, true)).toBeUndefined();
  });

  test('whatever comes, each name is one that can be served', () => {
    const piece = fc.constantFrom(
      '.',
      '..',
      '/',
      '\\',
      '%2e',
      '%2f',
      '%5c',
      '%00',
      '%',
      'a',
      '%c3',
      '%a9',
      '\xe9',
      '\n',
    );
    fc.assert(
      fc.property(
        fc.array(piece).map(pieces => pieces.join('')),
        fc.boolean(),
        (path, dotFiles) => {
          const { names } = parseFilePath(path, dotFiles) ?? { names: [] };
          for (const name of names) expect(isServedName(name, dotFiles)).toBe(true);
          expect(names.join('/').split('/')).toEqual(names.length === 0 ? [''] : names);
        },
      ),
    );
  });
});

test.each([
  ['a', true, true],
  ['.a', false, true],
  ['..a', false, true],
  ['.', false, false],
  ['..', false, false],
  ['', false, false],
  ['a/b', false, false],
  ['a\\b', false, false],
  ['a\n', false, false],
])('isServedName %j: %s, with dot files %s', (name, denied, allowed) => {
  expect(isServedName(name, false)).toBe(denied);
  expect(isServedName(name, true)).toBe(allowed);
});
