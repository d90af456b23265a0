import { describe, expect, test } from 'vitest';
import { ESP_ERR_HTTPD_HANDLER_EXISTS, ESP_ERR_HTTPD_HANDLERS_FULL, ESP_ERR_NOT_FOUND } from '../../src/err.js';
import { HTTP_ANY, HTTP_DELETE, HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT } from '../../src/httpd/methods.js';
import { type UriMatchFn, UriTable, uriMatchWildcard } from '../../src/httpd/uri.js';

/** The unit test of ESP-IDF. */
const ESP_IDF: readonly (readonly [template: string, uri: string, matches: boolean])[] = [
  ['/', '/', true],
  ['', '', true],
  ['/', '', false],
  ['/wrong', '/', false],
  ['/', '/wrong', false],
  ['/asdfghjkl/qwertrtyyuiuioo', '/asdfghjkl/qwertrtyyuiuioo', true],
  ['/path', '/path', true],
  ['/path', '/path/', false],
  ['/path/', '/path', false],
  ['?', '', false],
  ['?', 'sfsdf', false],
  ['/path/?', '/pa', false],
  ['/path/?', '/path', true],
  ['/path/?', '/path/', true],
  ['/path/?', '/path/alalal', false],
  ['/path/*', '/path', false],
  ['/path/*', '/', false],
  ['/path/*', '/path/', true],
  ['/path/*', '/path/blabla', true],
  ['*', '', true],
  ['*', '/', true],
  ['*', '/aaa', true],
  ['/path/?*', '/pat', false],
  ['/path/?*', '/pathb', false],
  ['/path/?*', '/pathxx', false],
  ['/path/?*', '/pathblabla', false],
  ['/path/?*', '/path', true],
  ['/path/?*', '/path/', true],
  ['/path/?*', '/path/blabla', true],
  ['/path/*?', '/pat', false],
  ['/path/*?', '/pathb', false],
  ['/path/*?', '/pathxx', false],
  ['/path/*?', '/path', true],
  ['/path/*?', '/path/', true],
  ['/path/*?', '/path/blabla', true],
  ['/path/*/xxx', '/path/', false],
  ['/path/*/xxx', '/path/*/xxx', true],
];

/** More, by the same rules. */
const MORE: typeof ESP_IDF = [
  ['/Path', '/path', false],
  ['*', '*', true],
  ['**', '*', true],
  ['**', '', false],
  ['**', '*x', true],
  ['/a**', '/a*b', true],
  ['?*', '', false],
  ['*?', '', false],
  ['a?', '', true],
  ['a?', 'a', true],
  ['a?', 'b', false],
  ['a?', 'ab', false],
  ['a?*', 'ab', true],
  ['a?*', 'b', false],
  ['/a??', '/a', true],
  ['/a??', '/a?', true],
  ['/a??', '/ab', false],
  ['/a?b', '/a?b', true],
  ['/a?b', '/ab', false],
  ['/a*b', '/axb', false],
  ['/*', '/', true],
  ['/*', '', false],
];

describe('uriMatchWildcard', () => {
  test.each(ESP_IDF)("ESP-IDF's table: %j fits %j: %s", (template, uri, matches) => {
    expect(uriMatchWildcard(template, uri, uri.length)).toBe(matches);
    expect(uriMatchWildcard(template, uri)).toBe(matches);
  });

  test.each(MORE)('%j fits %j: %s', (template, uri, matches) => {
    expect(uriMatchWildcard(template, uri, uri.length)).toBe(matches);
  });

  test.each([...ESP_IDF, ...MORE])('%j, %j: what stands behind matchUpto does not count', (template, uri, matches) => {
    for (const query of ['?a=b', '/', 'x', template]) {
      expect(uriMatchWildcard(template, uri + query, uri.length)).toBe(matches);
    }
  });
});

type Entry = { readonly uri: string; readonly method: number; readonly name: string };

function table(matchFn?: UriMatchFn, max = 100) {
  const uris = new UriTable<Entry>(max, matchFn);
  const add = (uri: string, method = HTTP_GET, name = uri) => uris.register({ uri, method, name });
  const find = (path: string, method = HTTP_GET) => uris.find(path, method)?.name;
  return { uris, add, find };
}

const code = (expected: number, part: string) =>
  expect.objectContaining({ code: expected, message: expect.stringContaining(part) });

describe('the table', () => {
  test('finds what was registered, by path and method', () => {
    const { add, find } = table();
    add('/a');
    add('/b', HTTP_POST);
    expect([find('/a'), find('/b', HTTP_POST), find('/b'), find('/c'), find('/a/'), find('')]).toEqual([
      '/a',
      '/b',
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('without a match function * and ? are ordinary characters', () => {
    const { add, find } = table();
    add('/*');
    add('/a?');
    expect([find('/x'), find('/*'), find('/a'), find('/a?')]).toEqual([undefined, '/*', undefined, '/a?']);
  });

  test('HTTP_ANY serves every method', () => {
    const { add, find } = table();
    add('/a', HTTP_ANY);
    for (const method of [HTTP_GET, HTTP_POST, HTTP_DELETE, HTTP_HEAD, 32, 46]) expect(find('/a', method)).toBe('/a');
  });

  test('HEAD falls to GET where it has no handler of its own', () => {
    const { add, find } = table();
    add('/a', HTTP_GET, 'get a');
    add('/b', HTTP_GET, 'get b');
    add('/b', HTTP_HEAD, 'head b');
    add('/c', HTTP_POST, 'post c');
    expect([find('/a', HTTP_HEAD), find('/b', HTTP_HEAD), find('/c', HTTP_HEAD)]).toEqual([
      'get a',
      'head b',
      undefined,
    ]);
  });

  test('the first registered that fits is taken, exact or not', () => {
    const { add, find } = table(uriMatchWildcard);
    add('/a/b', HTTP_GET, 'exact first');
    add('/a/*', HTTP_GET, 'template');
    add('/a/c', HTTP_POST, 'exact later');
    add('*', HTTP_ANY, 'all');
    expect([find('/a/b'), find('/a/c'), find('/a/c', HTTP_POST), find('/x'), find('/a/b', HTTP_PUT)]).toEqual([
      'exact first',
      'template',
      'exact later',
      'all',
      'all',
    ]);
  });

  test('a template that was registered first wins over an exact one', () => {
    const { add, find } = table(uriMatchWildcard);
    add('/a/*', HTTP_POST, 'template');
    add('/a/b', HTTP_GET, 'exact');
    add('/a/c', HTTP_ANY, 'exact, any method');
    expect([find('/a/b', HTTP_POST), find('/a/b'), find('/a/c', HTTP_POST), find('/a/c')]).toEqual([
      'template',
      'exact',
      'template',
      'exact, any method',
    ]);
  });

  test('HEAD goes to its own handler, even one that was registered later than the GET template', () => {
    const { add, find } = table(uriMatchWildcard);
    add('/*', HTTP_GET, 'get');
    add('/a', HTTP_HEAD, 'head');
    expect(find('/a', HTTP_HEAD)).toBe('head');
  });

  test("an application's own match function is asked for each template, with the path and its length", () => {
    const asked: unknown[][] = [];
    const { add, find } = table((...args) => {
      asked.push(args);
      return args[0] === '/b';
    });
    add('/a');
    add('/b', HTTP_POST);
    asked.length = 0;
    expect(find('/zzz', HTTP_POST)).toBe('/b');
    expect(asked).toContainEqual(['/b', '/zzz', 4]);
    expect(find('/zzz')).toBeUndefined();
  });

  test('tells the place of each', () => {
    const { uris, add } = table();
    expect([add('/a'), add('/b'), add('/c')]).toEqual([0, 1, 2]);
    uris.unregister('/a', HTTP_GET);
    expect([add('/d'), uris.size, uris.list().map(({ uri }) => uri)]).toEqual([2, 3, ['/b', '/c', '/d']]);
  });
});

describe('registering', () => {
  test('the same URI and method twice is refused', () => {
    const { uris, add } = table();
    add('/a');
    add('/a', HTTP_POST);
    expect(() => add('/a')).toThrow(code(ESP_ERR_HTTPD_HANDLER_EXISTS, "'/a'"));
    expect(uris.size).toBe(2);
  });

  test('behind HTTP_ANY no other method of the URI fits', () => {
    const { add } = table();
    add('/a', HTTP_ANY);
    expect(() => add('/a', HTTP_POST)).toThrow(code(ESP_ERR_HTTPD_HANDLER_EXISTS, 'POST'));
    expect(() => add('/a', HTTP_ANY)).toThrow(code(ESP_ERR_HTTPD_HANDLER_EXISTS, 'any method'));
  });

  test('HTTP_ANY behind a special method serves the others', () => {
    const { add, find } = table();
    add('/a', HTTP_POST, 'post');
    add('/a', HTTP_ANY, 'any');
    expect([find('/a', HTTP_POST), find('/a')]).toEqual(['post', 'any']);
  });

  test('a URI that an earlier template serves is refused, as in ESP-IDF', () => {
    const { add } = table(uriMatchWildcard);
    add('/a/*');
    expect(() => add('/a/b')).toThrow(code(ESP_ERR_HTTPD_HANDLER_EXISTS, "'/a/*' already serves GET '/a/b'"));
    add('/a/b', HTTP_POST);
    add('/a');
  });

  test('no more than max; one that exists already is told so even when all places are taken', () => {
    const { uris, add } = table(undefined, 8);
    for (let i = 0; i < 8; i++) add(String(i));
    expect(() => add('8')).toThrow(code(ESP_ERR_HTTPD_HANDLERS_FULL, 'all 8 handlers'));
    expect(() => add('3')).toThrow(code(ESP_ERR_HTTPD_HANDLER_EXISTS, "'3'"));
    uris.unregister('0', HTTP_GET);
    expect(() => uris.unregister('0', HTTP_GET)).toThrow(code(ESP_ERR_NOT_FOUND, "GET '0'"));
    expect(add('0')).toBe(7);
  });

  test('no URI is taken for a property of Object', () => {
    const { add, find } = table();
    for (const uri of ['__proto__', 'constructor', 'toString']) {
      expect(find(uri)).toBeUndefined();
      add(uri);
      expect(find(uri)).toBe(uri);
    }
  });
});

describe('unregistering', () => {
  test('one method of a URI', () => {
    const { uris, add, find } = table();
    add('/a');
    add('/a', HTTP_POST);
    uris.unregister('/a', HTTP_GET);
    expect([find('/a'), find('/a', HTTP_POST)]).toEqual([undefined, '/a']);
  });

  test.each([
    ['another method', '/a', HTTP_POST],
    ['HTTP_ANY', '/a', HTTP_ANY],
    ['another URI', '/b', HTTP_GET],
    ['a URI that the template fits', '/t/x', HTTP_GET],
  ])('%s: ESP_ERR_NOT_FOUND', (_name, uri, method) => {
    const { uris, add } = table(uriMatchWildcard);
    add('/a');
    add('/t/*');
    expect(() => uris.unregister(uri, method)).toThrow(code(ESP_ERR_NOT_FOUND, uri));
    expect(uris.size).toBe(2);
  });

  test('all methods of a URI', () => {
    const { uris, add, find } = table(uriMatchWildcard);
    add('/a');
    add('/a', HTTP_POST);
    add('/a/*', HTTP_POST);
    uris.unregisterAll('/a');
    expect([find('/a'), find('/a', HTTP_POST), find('/a/b', HTTP_POST)]).toEqual([undefined, undefined, '/a/*']);
    expect(() => uris.unregisterAll('/a')).toThrow(code(ESP_ERR_NOT_FOUND, "'/a'"));
  });

  test('what a removed template has covered shows again', () => {
    const { uris, add, find } = table(uriMatchWildcard);
    add('/a/*', HTTP_GET, 'template');
    add('*', HTTP_ANY, 'all');
    expect(find('/a/b')).toBe('template');
    uris.unregister('/a/*', HTTP_GET);
    expect(find('/a/b')).toBe('all');
  });
});

describe('allow, for 405', () => {
  test('lists the methods of a path, each once; GET brings HEAD', () => {
    const { uris, add } = table(uriMatchWildcard);
    add('/a', HTTP_POST);
    add('/a', HTTP_GET);
    add('/*', HTTP_POST);
    add('/*', HTTP_PUT);
    expect(uris.allow('/a')).toBe('POST, GET, HEAD, PUT');
    expect(uris.allow('/b')).toBe('POST, PUT');
  });

  test('an unknown path has none: that is 404', () => {
    const { uris, add } = table();
    add('/a');
    expect([uris.allow('/b'), uris.allow('/a')]).toEqual([undefined, 'GET, HEAD']);
  });

  test('HEAD of its own is listed once', () => {
    const { uris, add } = table();
    add('/a', HTTP_HEAD);
    add('/a', HTTP_GET);
    expect(uris.allow('/a')).toBe('HEAD, GET');
  });
});

describe('exact URIs are found in O(1)', () => {
  test('of 1,000 handlers none is compared with the path', () => {
    let compared = 0;
    const uris = new UriTable<Entry>(10_000, undefined);
    for (let i = 0; i < 1_000; i++) {
      const uri = `/${i}`;
      uris.register({
        // how often is the URI of a handler looked at?
        get uri() {
          compared += 1;
          return uri;
        },
        method: HTTP_GET,
        name: uri,
      });
    }
    compared = 0;
    expect(uris.find('/999', HTTP_GET)?.name).toBe('/999');
    expect(uris.find('/nowhere', HTTP_GET)).toBeUndefined();
    expect(compared).toBe(0);
  });

  test('with uriMatchWildcard only templates are tried one by one', () => {
    let tried = 0;
    const uris = new UriTable<Entry>(10_000, uriMatchWildcard);
    for (let i = 0; i < 1_000; i++) uris.register({ uri: `/${i}`, method: HTTP_GET, name: `${i}` });
    for (const name of ['/x/*', '/y/?*', '/z/?']) {
      uris.register({
        get uri() {
          tried += 1;
          return name;
        },
        method: HTTP_GET,
        name,
      });
    }
    tried = 0;
    expect(uris.find('/500', HTTP_GET)?.name).toBe('500');
    expect(tried).toBe(0);
    expect(uris.find('/z', HTTP_GET)?.name).toBe('/z/?');
    expect(tried).toBeLessThanOrEqual(3);
  });

  test('handlers are registered without going through all for each: the work grows with their number', () => {
    const steps = (n: number) => {
      let looked = 0;
      const uris = new UriTable<Entry>(n, undefined);
      for (let i = 0; i < n; i++) {
        const uri = `/${i}`;
        uris.register({
          get uri() {
            looked += 1;
            return uri;
          },
          method: HTTP_GET,
          name: uri,
        });
      }
      return looked;
    };
    expect(steps(1_000)).toBeLessThan(20 * 1_000);
  });
});
