import { describe, expect, test } from 'vitest';
import { decodeName, isFileName, NAME_MAX } from '../file_name.js';

describe('a file may be called', () => {
  test.each([
    'a',
    'a.txt',
    'README',
    'with spaces and (brackets).tar.gz',
    "it's 100% #1 & more; =+@!~$,[]{}^`-_",
    'grüße.txt',
    '写真.jpg',
    'العربية.txt',
    '👩‍👩‍👧.png',
    'a..b',
    'console.log',
    'com10.txt',
    'x'.repeat(NAME_MAX),
    'é'.repeat(127),
  ])('%s', name => {
    expect(isFileName(name)).toBe(true);
  });
});

describe('no file may be called', () => {
  test.each([
    '',
    '.',
    '..',
    '...',
    '.profile',
    '.upload-0123456789abcdef01234567',
    'a/b',
    '/a',
    'a/',
    '../a',
    'a\\b',
    '..\\a',
    'C:a',
    'a:stream',
    'a*',
    'a?',
    'a"b',
    '<a>',
    'a|b',
    'a\0.txt',
    'a\nb',
    'a\rb',
    'a\tb',
    'a\x1b[2J',
    'a\x7f',
    'a\u009bb',
    'a\u2028b',
    'gpj.\u202etxt',
    'a\u2066b',
    'a\ud800',
    'a\ufffd',
    ' a',
    'a ',
    'a.',
    '\u00a0a',
    'nul',
    'CON.txt',
    'lpt1',
    'x'.repeat(NAME_MAX + 1),
    'é'.repeat(128),
  ])('%j', name => {
    expect(isFileName(name)).toBe(false);
  });
});

test.each([
  ['a.txt', 'a.txt'],
  ['a%20b', 'a b'],
  ['a+b', 'a+b'],
  ['gr%C3%BC%c3%9fe', 'grüße'],
  [Buffer.from('grüße').toString('latin1'), 'grüße'],
  // once, not twice
  ['%2561', '%61'],
  ['%2e%2e%2fa', '../a'],
  ['%', undefined],
  ['%4', undefined],
  ['%zz', undefined],
  ['%ff', undefined],
  ['%c3%28', undefined],
  ['%c0%af', undefined],
  ['%ed%a0%80', undefined],
  ['\xff', undefined],
])('%j in a URI is the name %j', (part, name) => {
  expect(decodeName(part)).toBe(name);
});
