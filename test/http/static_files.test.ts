import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type UriMatchFn, uriMatchWildcard } from '../../src/httpd/uri.js';
import { uriMatchParams } from '../../src/httpd/uri_params.js';
import { type StaticOptions, staticUriHandler } from '../../src/web/static_files.js';
import { SCHEME } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { get, makeTree, serveFolder } from './static_support.js';
import { exchange, isOpen, request } from './support.js';

const TREE = {
  'index.html': '<h1>top</h1>',
  'a.txt': 'hello',
  'with space.txt': 'space',
  'caf\u00e9/\u65e5\u672c.txt': 'unicode',
  "odd/a+b&c;d:e@f!$'()*,=~.txt": 'odd',
  'percent%41.txt': 'percent',
  'sub/index.html': '<h1>sub</h1>',
  'sub/b.txt': 'below',
  'bare/c.txt': 'bare',
  'link.txt': '-> a.txt',
  'data/': '',
  'link-folder': '-> sub',
  'app.js': 'plain',
  'app.js.gz': 'GZIP',
  'only.css.gz': 'ONLY',
};

describe('a folder', () => {
  test.each([
    ['/files/a.txt', 'hello', 'text/plain; charset=utf-8'],
    ['/files/a.txt?query=/../x', 'hello', 'text/plain; charset=utf-8'],
    ['/files/%61.txt', 'hello', 'text/plain; charset=utf-8'],
    ['/files/sub/b.txt', 'below', 'text/plain; charset=utf-8'],
    ['/files/with%20space.txt', 'space', 'text/plain; charset=utf-8'],
    ['/files/caf%C3%A9/%E6%97%A5%E6%9C%AC.txt', 'unicode', 'text/plain; charset=utf-8'],
    ["/files/odd/a+b&c;d:e@f!$'()*,=~.txt", 'odd', 'text/plain; charset=utf-8'],
    ['/files/percent%2541.txt', 'percent', 'text/plain; charset=utf-8'],
    ['/files/link.txt', 'hello', 'text/plain; charset=utf-8'],
    ['/files/link-folder/b.txt', 'below', 'text/plain; charset=utf-8'],
    ['/files/', '<h1>top</h1>', 'text/html; charset=utf-8'],
    ['/files/?a=b', '<h1>top</h1>', 'text/html; charset=utf-8'],
    ['/files/sub/', '<h1>sub</h1>', 'text/html; charset=utf-8'],
    [`${SCHEME}://localhost/files/a.txt`, 'hello', 'text/plain; charset=utf-8'],
  ])('%s', async (path, text, type) => {
    const server = await serveFolder({ root: makeTree(TREE) });
    const response = await get(server, path);
    expect([response.status, response.text, response.headers['content-type']]).toEqual([200, text, type]);
    expect(response.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'accept-ranges': 'bytes' });
  });

  test('is answered for as respSendFile does: HEAD, conditions, ranges, variants', async () => {
    const server = await serveFolder({ root: makeTree(TREE), cacheControl: 'max-age=60' });
    const client = await connectTo(server);
    const head = await client.send(request('HEAD /files/a.txt')).readResponse({ toHead: true });
    expect(head.headers).toMatchObject({ 'content-length': '5', 'cache-control': 'max-age=60' });
    const etag = head.headers.etag;
    expect((await client.send(request('GET /files/a.txt', `If-None-Match: ${etag}`)).readResponse()).status).toBe(304);
    expect((await client.send(request('GET /files/a.txt', 'Range: bytes=1-2')).readResponse()).text).toBe('el');
    const packed = await client.send(request('GET /files/app.js', 'Accept-Encoding: gzip')).readResponse();
    expect([packed.text, packed.headers['content-encoding']]).toEqual(['GZIP', 'gzip']);
    const only = await client.send(request('GET /files/only.css', 'Accept-Encoding: gzip')).readResponse();
    expect([only.text, only.headers['content-type']]).toEqual(['ONLY', 'text/css; charset=utf-8']);
    expect((await client.send(request('GET /files/only.css', 'Accept-Encoding:')).readResponse()).status).toBe(404);
  });

  test('precompressed: false', async () => {
    const server = await serveFolder({ root: makeTree(TREE), precompressed: false });
    expect((await get(server, '/files/app.js', 'Accept-Encoding: gzip')).text).toBe('plain');
  });

  test('what changes in it shows at once', async () => {
    const root = makeTree(TREE);
    const server = await serveFolder({ root });
    expect((await get(server, '/files/a.txt')).text).toBe('hello');
    writeFileSync(join(root, 'a.txt'), 'other');
    expect((await get(server, '/files/a.txt')).text).toBe('other');
    rmSync(join(root, 'a.txt'));
    expect((await get(server, '/files/a.txt')).status).toBe(404);
  });

  test.each(['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'])('is read-only: %s gets 405', async method => {
    const server = await serveFolder({ root: makeTree(TREE) });
    for (const path of ['/files/a.txt', '/files/nothing']) {
      const { status, headers } = await exchange(server, request(`${method} ${path}`, 'Content-Length: 0'));
      expect([status, headers.allow]).toEqual([405, 'GET, HEAD']);
    }
  });

  test('a 404 keeps the connection', async () => {
    const server = await serveFolder({ root: makeTree(TREE) });
    const client = await connectTo(server);
    expect((await client.send(request('GET /files/nothing')).readResponse()).status).toBe(404);
    expect(await isOpen(client, '/files/a.txt')).toBe(true);
  });

  test('that is not there is 500, a mistake of the application, until it is there', async () => {
    const root = join(makeTree(TREE), 'later');
    const server = await serveFolder({ root });
    expect((await get(server, '/files/a.txt')).status).toBe(500);
    mkdirSync(root);
    writeFileSync(join(root, 'a.txt'), 'now');
    expect((await get(server, '/files/a.txt')).text).toBe('now');
  });
});

describe('a folder in the folder', () => {
  test.each([
    ['/files/sub', '/files/sub/'],
    ['/files/sub?a=b&c', '/files/sub/?a=b&c'],
    ['/files/%73ub', '/files/sub/'],
    ['/files/link-folder', '/files/link-folder/'],
    [`${SCHEME}://evil.example/files/sub`, '/files/sub/'],
  ])('%s is redirected to %s', async (path, location) => {
    const response = await get(await serveFolder({ root: makeTree(TREE) }), path);
    expect([response.status, response.headers.location, response.text]).toEqual([301, location, '']);
  });

  test('its name is encoded in the redirection', async () => {
    const root = makeTree({ 'caf\u00e9 "x"/index.html': '' });
    const response = await get(await serveFolder({ root }), '/files/caf%c3%a9%20%22x%22');
    expect(response.headers.location).toBe('/files/caf%C3%A9%20%22x%22/');
  });

  test.each([
    '//evil.example',
    '//evil.example/',
    '//evil.example/..',
    '/%2fevil.example',
    '/%5cevil.example',
    '/\\evil.example',
    '///evil.example',
  ])('is never redirected to another host: %s', async path => {
    const root = makeTree({ 'evil.example/index.html': '' });
    for (const options of [{ root }, { root, prefix: '/' }]) {
      const response = await get(await serveFolder(options, '*'), path);
      expect(response.headers.location).toBeUndefined();
      expect([400, 404]).toContain(response.status);
    }
  });

  // an application's function may take any path for one of its own
  test.each<[uri: string, path: string, fn: UriMatchFn]>([
    ['/x/y/*', '//evil.example/sub', () => true],
    ['/x/*', '//sub', () => true],
    ['/x/y/*', '//evil.example', () => true],
    ['/x/*', '/\\evil.example/sub', () => true],
    ['/x/y/*', '/\\evil.example/a/sub', () => true],
    ['/:name/*', '/\\evil.example/sub', uriMatchParams],
  ])('of a handler for %s is never redirected to another host: %s', async (uri, path, uriMatchFn) => {
    const root = makeTree({ 'sub/index.html': '', 'a/sub/index.html': '', 'index.html': '' });
    const response = await get(await serveFolder({ root }, uri, { uriMatchFn }), path);
    expect(response.headers.location).toBeUndefined();
    expect(response.status).toBe(path.includes('\\') ? 400 : 404);
  });

  test('without index and listing is 404, with its slash or without', async () => {
    const server = await serveFolder({ root: makeTree(TREE) });
    for (const path of ['/files/bare', '/files/bare/', '/files/data', '/files/data/']) {
      const response = await get(server, path);
      expect([response.status, response.headers.location]).toEqual([404, undefined]);
    }
  });

  test('a file is none: with a slash behind it is 404', async () => {
    const server = await serveFolder({ root: makeTree(TREE), listing: true });
    for (const path of ['/files/a.txt/', '/files/a.txt/b', '/files/link.txt/']) {
      expect((await get(server, path)).status).toBe(404);
    }
  });

  test('index: a list, the first that is there', async () => {
    const root = makeTree({
      'a/default.htm': 'default',
      'b/index.html': 'index',
      'b/default.htm': '',
      'c/index.html/': '',
    });
    const server = await serveFolder({ root, index: ['index.html', 'default.htm'] });
    expect((await get(server, '/files/a/')).text).toBe('default');
    expect((await get(server, '/files/b/')).text).toBe('index');
    expect((await get(server, '/files/c/')).status).toBe(404);
  });

  test('index: false', async () => {
    const server = await serveFolder({ root: makeTree(TREE), index: false });
    expect((await get(server, '/files/sub/')).status).toBe(404);
    expect((await get(server, '/files/sub/index.html')).text).toBe('<h1>sub</h1>');
  });
});

describe('fallback', () => {
  test('is sent where nothing is, and not for what is refused', async () => {
    const server = await serveFolder(
      { root: makeTree({ ...TREE, 'app.html': 'the app' }), fallback: 'app.html' },
      '/*',
    );
    for (const path of ['/settings', '/settings/wifi', '/bare', '/bare/', '/nothing.js']) {
      const response = await get(server, path);
      expect([path, response.status, response.text]).toEqual([path, 200, 'the app']);
    }
    expect((await get(server, '/a.txt')).text).toBe('hello');
    for (const path of ['/../settings', '/.env', '/a%2fb']) expect((await get(server, path)).status).not.toBe(200);
  });

  test('that is not there is 404', async () => {
    const server = await serveFolder({ root: makeTree(TREE), fallback: 'nothing.html' });
    expect((await get(server, '/files/x')).status).toBe(404);
    const folder = await serveFolder({ root: makeTree(TREE), fallback: 'sub' });
    expect((await get(folder, '/files/x')).status).toBe(404);
  });
});

describe('the prefix', () => {
  test.each<[string, string | undefined, string, string, number]>([
    ['/files/*', undefined, '/files/a.txt', 'hello', 200],
    ['/files/?*', undefined, '/files/a.txt', 'hello', 200],
    ['/files/?*', undefined, '/files/', '<h1>top</h1>', 200],
    ['/files/?*', undefined, '/files', '', 301],
    ['/*', undefined, '/a.txt', 'hello', 200],
    ['/*', undefined, '/', '<h1>top</h1>', 200],
    ['*', undefined, '/sub/b.txt', 'below', 200],
    ['/s*', undefined, '/sub/b.txt', 'below', 200],
    ['/a.txt', undefined, '/a.txt', 'hello', 200],
    ['/x/y/*', undefined, '/x/y/sub/b.txt', 'below', 200],
    ['/*', '/files/', '/files/a.txt', 'hello', 200],
    ['/*', '/files/', '/files', '', 301],
    ['/*', '/files/', '/a.txt', '', 404],
    ['/*', '/files/', '/filesa.txt', '', 404],
    ['/*', '/', '/a.txt', 'hello', 200],
  ])('uri %s, prefix %s: %s is %j', async (uri, prefix, path, text, status) => {
    const options = prefix === undefined ? {} : { prefix };
    const response = await get(await serveFolder({ root: makeTree(TREE), ...options }, uri), path);
    expect(response.status).toBe(status);
    if (status === 200) expect(response.text).toBe(text);
    if (status === 301) expect(response.headers.location).toBe('/files/');
  });

  test('has as many segments as the template, whatever parameters stand for', async () => {
    const config = { uriMatchFn: uriMatchParams };
    const server = await serveFolder({ root: makeTree(TREE) }, '/user/:name/files/*', config);
    expect((await get(server, '/user/ann/files/a.txt')).text).toBe('hello');
    expect((await get(server, '/user/bob/files/sub')).headers.location).toBe('/user/bob/files/sub/');
  });
});

describe('ESP_ERR_INVALID_ARG', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['null', null],
    ['no root', {}],
    ['an empty root', { root: '' }],
    ['a root with NUL', { root: 'a\0' }],
    ['a root that is no string', { root: 7 }],
    ['an unknown option', { root: '.', typo: 1 }],
    ['an index with a slash', { root: '.', index: 'a/b.html' }],
    ['an index that leads out', { root: '.', index: '..' }],
    ['an empty index', { root: '.', index: '' }],
    ['a list with something else', { root: '.', index: ['a', 7] }],
    ['index: true', { root: '.', index: true }],
    ['listing', { root: '.', listing: 'yes' }],
    ['a prefix without a slash behind', { root: '.', prefix: '/files' }],
    ['a prefix without a slash in front', { root: '.', prefix: 'files/' }],
    ['a prefix with an empty segment', { root: '.', prefix: '//files/' }],
    ['a prefix with a query', { root: '.', prefix: '/files/?a/' }],
    ['a prefix with a wildcard', { root: '.', prefix: '/files/*' }],
    ['a prefix with a wildcard in it', { root: '.', prefix: '/files/*/' }],
    ['a prefix with a parameter', { root: '.', prefix: '/:id/' }],
    ['a prefix that is no string', { root: '.', prefix: 7 }],
    ['cacheControl with CRLF', { root: '.', cacheControl: 'a\r\nb' }],
    ['precompressed', { root: '.', precompressed: 'gz' }],
    ['dotFiles', { root: '.', dotFiles: true }],
    ['a fallback that leads out', { root: '.', fallback: '../a.html' }],
    ['an absolute fallback', { root: '.', fallback: '/a.html' }],
    ['a fallback that is no string', { root: '.', fallback: 7 }],
  ])('%s', (_name, options) => {
    expect(() => staticUriHandler(options as StaticOptions)).toThrow(
      expect.objectContaining({ name: 'ESP_ERR_INVALID_ARG' }),
    );
  });
});

test('a root that is a symbolic link: a deployment exchanges it, and the next request gets the new files', async () => {
  const folder = makeTree({
    'v1/index.html': 'one',
    'v1/only1.txt': 'old',
    'v2/index.html': 'the second',
    'v2/app.js': 'new app',
    'v2/sub/': '',
    current: '-> v1',
  });
  const server = await serveFolder({ root: join(folder, 'current'), listing: true }, '/*');
  const client = await connectTo(server);
  const ask = async (path: string, ...headers: string[]) => {
    const response = await client.send(request(`GET ${path}`, ...headers)).readResponse();
    return response;
  };
  const first = await ask('/');
  // often enough that it is read in place
  for (let i = 0; i < 3; i++) expect((await ask('/')).text).toBe('one');
  expect((await ask('/app.js')).status).toBe(404);
  symlinkSync('v2', join(folder, 'next'));
  renameSync(join(folder, 'next'), join(folder, 'current'));
  const second = await ask('/', `If-None-Match: ${first.headers.etag}`);
  expect([second.status, second.text]).toEqual([200, 'the second']);
  expect([(await ask('/app.js')).text, (await ask('/only1.txt')).status]).toEqual(['new app', 404]);
  rmSync(join(folder, 'v1'), { recursive: true });
  expect([(await ask('/')).text, (await ask('/sub')).headers.location]).toEqual(['the second', '/sub/']);
  expect((await ask('/sub/')).status).toBe(200);
});

test('the headers of a variant and of a part fit into the 8 of a device', async () => {
  const root = makeTree(TREE);
  const config = { uriMatchFn: uriMatchWildcard, maxRespHeaders: 8 };
  const server = await serveFolder({ root, cacheControl: 'max-age=60' }, '/files/*', config);
  const response = await get(server, '/files/app.js', 'Accept-Encoding: gzip', 'Range: bytes=0-1');
  expect([response.status, response.text]).toEqual([206, 'GZ']);
});
