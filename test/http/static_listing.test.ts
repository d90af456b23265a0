import { linkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MAX_ENTRIES } from '../../src/web/listing.js';
import { connectTo } from '../support/server.js';
import { get, makeTree, serveFolder } from './static_support.js';
import { request } from './support.js';

/** What the rows of a page link to. */
function linksOf(page: string): string[] {
  return [...page.matchAll(/<td><a href="([^"]*)">/g)].map(([, href = '']) => href);
}

describe('a listing', () => {
  test('has folders first, then files, with size and time, and a way back', async () => {
    const root = makeTree({ 'sub/b.txt': 'hello', 'sub/a.txt': '', 'sub/z/': '', 'sub/y/': '' });
    utimesSync(join(root, 'sub', 'b.txt'), 1_700_000_000.5, 1_700_000_000.5);
    const server = await serveFolder({ root, listing: true });
    const page = await get(server, '/files/sub/');
    expect(linksOf(page.text)).toEqual(['../', 'y/', 'z/', 'a.txt', 'b.txt']);
    expect(page.text).toContain('<tr><td><a href="b.txt">b.txt</a><td>5<td>2023-11-14T22:13:20Z\n');
    expect(page.text).toContain('<h1>/files/sub</h1>');
    // at the top there is nothing to go back to
    expect(linksOf((await get(server, '/files/')).text)).toEqual(['sub/']);
    expect((await get(server, '/files/sub')).headers.location).toBe('/files/sub/');
  });

  test('can neither run nor load anything, and comes in chunks', async () => {
    const server = await serveFolder({ root: makeTree({ 'a.txt': '' }), listing: true, cacheControl: 'max-age=9' });
    const client = await connectTo(server);
    const page = await client.send(request('GET /files/')).readResponse();
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
      'transfer-encoding': 'chunked',
    });
    const head = await client.send(request('HEAD /files/')).readResponse({ toHead: true });
    expect(head.status).toBe(200);
    expect(head.headers['content-security-policy']).toBe(page.headers['content-security-policy']);
    expect((await client.send(request('GET /files/a.txt')).readResponse()).status).toBe(200);
    const old = await connectTo(server);
    expect((await old.send('GET /files/ HTTP/1.0\r\n\r\n').readResponse()).text).toBe(page.text);
  });

  test('escapes names, and encodes them in links, which lead to the files', async () => {
    const names = [
      '<script>alert(1)<',
      '"onmouseover="x',
      "it's & so",
      'javascript:alert(1)',
      '?a=b#c',
      '100%',
      '%41',
      'caf\u00e9 \u65e5\u672c',
      'a b;c,d+e',
      'evil.example',
    ];
    const root = makeTree({});
    for (const name of names) writeFileSync(join(root, name), name);
    const server = await serveFolder({ root, listing: true });
    const { text } = await get(server, '/files/');
    expect(text).not.toMatch(/<script|"onmouseover|it's/);
    expect(text).toContain('>&lt;script&gt;alert(1)&lt;</a>');
    expect(text).toContain('>it&#39;s &amp; so</a>');
    const links = linksOf(text);
    expect(links).toHaveLength(names.length);
    const found = await Promise.all(
      links.map(async link => (await get(server, `/files/${link.replace('&#39;', "'")}`)).text),
    );
    expect(found.sort()).toEqual([...names].sort());
  });

  test('the path is escaped too', async () => {
    const server = await serveFolder({ root: makeTree({ '<img src=x>/a': '' }), listing: true });
    const { text } = await get(server, '/files/%3Cimg%20src=x%3E/');
    expect(text).toContain('<h1>/files/&lt;img src=x&gt;</h1>');
    expect(text).not.toContain('<img');
  });

  test('leaves out what would get 404', async () => {
    const root = makeTree({
      'www/a.txt': '',
      'www/.env': '',
      'www/.git/config': '',
      'www/out': '-> ../secret',
      'www/out-folder': '-> ..',
      'www/dangling': '-> nowhere',
      'www/device': '-> /dev/null',
      'www/inside': '-> a.txt',
      'www/line\nbreak': '',
      'www/back\\slash': '',
      secret: '',
    });
    writeFileSync(Buffer.concat([Buffer.from(`${root}/www/latin-`), Buffer.from([0xe9])]), '');
    const server = await serveFolder({ root: join(root, 'www'), listing: true });
    expect(linksOf((await get(server, '/files/')).text)).toEqual(['a.txt', 'inside']);
    const open = await serveFolder({ root: join(root, 'www'), listing: true, dotFiles: 'allow' });
    expect(linksOf((await get(open, '/files/')).text)).toEqual(['.git/', '.env', 'a.txt', 'inside']);
  });

  test('gives way to an index', async () => {
    const root = makeTree({ 'index.html': 'index', 'sub/a': '' });
    const server = await serveFolder({ root, listing: true });
    expect((await get(server, '/files/')).text).toBe('index');
    expect(linksOf((await get(server, '/files/sub/')).text)).toEqual(['../', 'a']);
  });

  test('of an empty folder', async () => {
    const server = await serveFolder({ root: makeTree({ 'sub/': '' }), listing: true });
    expect(linksOf((await get(server, '/files/sub/')).text)).toEqual(['../']);
  });

  test('has 10,000 entries at most, and says so', async () => {
    const root = makeTree({ 'over/0': 'x' });
    for (let i = 1; i <= MAX_ENTRIES; i++) linkSync(join(root, 'over', '0'), join(root, 'over', `${i}`));
    const server = await serveFolder({ root, listing: true });
    const { text } = await get(server, '/files/over/');
    expect(linksOf(text)).toHaveLength(10_001);
    expect(text).toContain('<p>There are more than the 10000 entries that are shown here.</p>');
  });
});
