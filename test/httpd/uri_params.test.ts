import { describe, expect, test } from 'vitest';
import { ESP_ERR_INVALID_ARG } from '../../src/err.js';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { isExactTemplate, uriMatchParams, uriParam, uriParams } from '../../src/httpd/uri_params.js';

const invalidArg = expect.objectContaining({ code: ESP_ERR_INVALID_ARG });

/** What a template makes of a path: its parameters, or nothing. */
const TABLE: readonly (readonly [template: string, path: string, values: Record<string, string> | undefined])[] = [
  ['/led/:id', '/led/7', { id: '7' }],
  ['/led/:id', '/led/', undefined],
  ['/led/:id', '/led', undefined],
  ['/led/:id', '/led/7/', undefined],
  ['/led/:id', '/led/7/on', undefined],
  ['/led/:id', '/LED/7', undefined],
  ['/led/:id', '/x/led/7', undefined],
  ['/led/:id', '', undefined],
  ['/led/:id/on', '/led/7/on', { id: '7' }],
  ['/led/:id/on', '/led/7/off', undefined],
  ['/led/:id/on', '/led/7/on/', undefined],
  ['/led/:id/on', '/led//on', undefined],
  ['/:a/:b', '/1/2', { a: '1', b: '2' }],
  ['/:a/:b', '/1', undefined],
  ['/:a/:b', '//2', undefined],
  ['/:a/:b', '/1/2/3', undefined],
  ['/:_a1', '/x', { _a1: 'x' }],
  [':all', '*', { all: '*' }],
  // a wildcard at the end
  ['/led/:id/?', '/led/7', { id: '7' }],
  ['/led/:id/?', '/led/7/', { id: '7' }],
  ['/led/:id/?', '/led/7/x', undefined],
  ['/files/:disk/*', '/files/sd/', { disk: 'sd' }],
  ['/files/:disk/*', '/files/sd/a/b', { disk: 'sd' }],
  ['/files/:disk/*', '/files/sd', undefined],
  ['/files/:disk/?*', '/files/sd', { disk: 'sd' }],
  ['/files/:disk/?*', '/files/sd/a', { disk: 'sd' }],
  ['/files/:disk/?*', '/files/sdx/a', { disk: 'sdx' }],
  ['/files/:disk/*?', '/files/sd', { disk: 'sd' }],
  ['/led/:id/o?', '/led/7/', { id: '7' }],
  // ordinary characters
  ['/a:b/:c', '/a:b/1', { c: '1' }],
  ['/a:b/:c', '/axb/1', undefined],
  ['/v1/led:on', '/v1/led:on', {}],
  ['/a*/:b', '/a*/1', { b: '1' }],
  ['/a*/:b', '/ax/1', undefined],
  ['/a/', '/a/', {}],
  ['/', '/', {}],
  ['*', '/any', {}],
  ['', '', {}],
  // decoding
  ['/:a', '/a%20b', { a: 'a b' }],
  ['/:a', '/%C3%BC%E2%82%AC', { a: 'ü€' }],
  ['/:a', '/x%2Fy', { a: 'x/y' }],
  ['/:a', '/%2e%2E', { a: '..' }],
  ['/:a', '/a+b', { a: 'a+b' }],
  ['/:a', '/100%', { a: '100%' }],
  ['/:a', '/%zz', { a: '%zz' }],
  ['/:a', '/%C3', { a: '%C3' }],
  ['/:a', '/%c3%28%41', { a: '%c3%28%41' }],
  ['/:a', '/%00', { a: '\0' }],
  ['/:__proto__/:constructor', '/1/2', { ['__proto__']: '1', constructor: '2' }],
];

describe('a template with parameters', () => {
  test.each(TABLE)('%j makes of %j: %j', (template, path, values) => {
    expect(uriMatchParams(template, path)).toBe(values !== undefined);
    const found = uriParams(template, path);
    expect(found && [...found]).toEqual(values && Object.entries(values));
    for (const [name, value] of Object.entries(values ?? {})) expect(uriParam(template, path, name)).toBe(value);
  });

  test.each(TABLE)('%j, %j: what stands behind matchUpto does not count', (template, path, values) => {
    for (const query of ['?a=b', '?a=/b/c', '/', 'x', '/:a', '*', '?']) {
      expect(uriMatchParams(template, path + query, path.length), query).toBe(values !== undefined);
    }
  });

  test('of a name that it does not have there is no value', () => {
    expect(uriParam('/led/:id', '/led/7', 'name')).toBeUndefined();
    expect(uriParam('/led/:id', '/led/7', ':id')).toBeUndefined();
    expect(uriParam('/led/:id', '/led/7', 'constructor')).toBeUndefined();
    expect(uriParam('/led', '/led', 'id')).toBeUndefined();
    expect(uriParam('', '/led/7', 'id')).toBeUndefined();
  });

  test.each(['/', '/*', '/path/?', '/path/?*', '/path/*?', '*', '?', '/a??', '/a?b', '/a/*/b'])(
    'without a parameter %j is a template of uriMatchWildcard',
    template => {
      for (const uri of ['', '/', '/a', '/a?', '/path', '/path/', '/path/x', '/pathx', '/a?b', '/a/*/b', '*']) {
        expect(uriMatchParams(template, uri), uri).toBe(uriMatchWildcard(template, uri));
      }
    },
  );

  test('fits one that differs in the names only, and what it would hide: both are refused when they are registered', () => {
    expect(uriMatchParams('/led/:id', '/led/:name')).toBe(true);
    expect(uriMatchParams('/led/:id', '/led/all')).toBe(true);
    expect(uriMatchParams('/led/all', '/led/:id')).toBe(false);
  });
});

describe('a template that is not proper: ESP_ERR_INVALID_ARG', () => {
  test.each([
    ['an empty name', '/led/:'],
    ['an empty name', '/led/:/on'],
    ['a name with a dot', '/file/:name.json'],
    ['a name that begins with a digit', '/:1st'],
    ['a name with a hyphen', '/:led-id'],
    ['a second colon', '/:a:b'],
    ['a letter that is not ASCII', '/:größe'],
    ['a wildcard right behind a name', '/led/:id?'],
    ['a wildcard right behind a name', '/led/:id*'],
    ['a wildcard right behind a name', '/led/:id?*'],
    ['a name twice', '/:id/led/:id'],
  ])('%s: %j', (_why, template) => {
    for (const fn of [
      () => uriMatchParams(template, '/led/7', 6),
      () => uriParam(template, '/led/7', 'id'),
      () => uriParams(template, '/led/7'),
      () => isExactTemplate(template),
    ]) {
      expect(fn).toThrow(invalidArg);
      expect(fn).toThrow(`'${template}'`);
    }
  });

  test('arguments that are no strings', () => {
    const nothing = undefined as unknown as string;
    expect(() => uriMatchParams(nothing, '/')).toThrow(invalidArg);
    expect(() => uriMatchParams('/', nothing)).toThrow(invalidArg);
    expect(() => uriParam('/:a', '/1', nothing)).toThrow(invalidArg);
    expect(() => uriParams('/:a', nothing)).toThrow(invalidArg);
    expect(() => isExactTemplate(nothing)).toThrow(invalidArg);
  });
});

test.each([
  ['/', true],
  ['/led/all', true],
  ['/a:b', true],
  ['/a*b', true],
  ['', true],
  ['/led/:id', false],
  ['/:id/led', false],
  ['/led/*', false],
  ['/led/?', false],
  ['*', false],
])('isExactTemplate: does %j fit nothing but itself? %s', (template, exact) => {
  expect(isExactTemplate(template)).toBe(exact);
});

test('more templates than are remembered are matched all the same', () => {
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 1_500; i++) {
      if (uriParam(`/${i}/:id`, `/${i}/x${i}`, 'id') !== `x${i}`) expect.fail(`template ${i}`);
    }
  }
});
