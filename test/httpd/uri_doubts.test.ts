import { describe, expect, test } from 'vitest';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { doubtOf } from '../../src/httpd/uri_doubts.js';
import { uriMatchParams } from '../../src/httpd/uri_params.js';

describe('without uriMatchFn', () => {
  test.each(['/files/*', '/files/?', '/files/?*', '/a*b', '/led/:id', '/search?q=1'])('%s is doubtful', uri => {
    expect(doubtOf(uri, undefined)).toContain('letter by letter');
  });

  test.each(['/', '/files/', '/a:b', '*', '/t/12:30'])('%s is not', uri => {
    expect(doubtOf(uri, undefined)).toBeUndefined();
  });
});

describe.each([
  ['none', undefined],
  ['uriMatchWildcard', uriMatchWildcard],
  ['uriMatchParams', uriMatchParams],
] as const)('with %s', (_name, matchFn) => {
  test.each(['hello', '', 'files/*', ':id'])("'%s' lacks a slash in front", uri => {
    expect(doubtOf(uri, matchFn)).toContain(`write '/${uri}'`);
  });
});

test.each([
  ['/files/*', uriMatchWildcard, undefined],
  ['/files/?*', uriMatchWildcard, undefined],
  ['/files/*?', uriMatchWildcard, undefined],
  ['*', uriMatchWildcard, undefined],
  ['/a/*/b', uriMatchWildcard, 'at the end only'],
  ['/led/:id', uriMatchWildcard, 'uriMatchParams'],
  ['/led/:id', uriMatchParams, undefined],
  ['/led/:id/*', uriMatchParams, undefined],
  ['/a/*/:id', uriMatchParams, 'at the end only'],
] as const)('%s', (uri, matchFn, doubt) => {
  if (doubt === undefined) expect(doubtOf(uri, matchFn)).toBeUndefined();
  else expect(doubtOf(uri, matchFn)).toContain(doubt);
});

test('of what a matcher of the application takes nothing is known', () => {
  expect(doubtOf('^hello$', () => true)).toBeUndefined();
});
