/** What clients that mean well see: list, upload, download, delete. */
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { chunked, exchange, pattern, post, request } from '../../../test/http/support.js';
import { connectTo } from '../../../test/support/server.js';
import { MAX_FILE_SIZE } from '../file_server.js';
import { FileStore } from '../file_store.js';
import { newFolder, startFiles } from './support.js';

/** Looks again soon: what is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 5 };

/** The bytes of an upload. */
const upload = (name: string, body: Buffer, ...headers: string[]) =>
  Buffer.concat([Buffer.from(request(`POST /upload/${name}`, `Content-Length: ${body.length}`, ...headers)), body]);

describe('an upload', () => {
  test.each([
    ['a.txt', 'a.txt', 100],
    ['with%20space%20%26%20more.bin', 'with space & more.bin', 3],
    ['gr%C3%BC%C3%9Fe', 'grüße', 3],
    ['empty', 'empty', 0],
    ['a.txt?query', 'a.txt', 5],
    ['largest', 'largest', MAX_FILE_SIZE],
  ])('to /upload/%s becomes the file %s; then the list is shown', async (part, name, length) => {
    const { server, root, names, lines } = await startFiles();
    const { status, headers, text } = await exchange(server, upload(part, pattern(length)));
    expect([status, headers.location, text]).toEqual([303, '/', 'File uploaded successfully']);
    expect(names()).toEqual([name]);
    expect(readFileSync(join(root, name)).equals(pattern(length))).toBe(true);
    expect(lines.filter(line => !line.includes('Remaining size'))).toEqual([
      `I file_server: Receiving file : /${name}...`,
      'I file_server: File reception complete',
    ]);
    // before each piece, so often as the network wants it
    const remaining = lines
      .flatMap(line => /^I file_server: Remaining size : (\d+)$/.exec(line)?.[1] ?? [])
      .map(Number);
    expect(remaining[0]).toBe(length === 0 ? undefined : length);
    expect([...remaining].sort((a, b) => b - a)).toEqual(remaining);
  });

  test('in chunks, and one in pieces, are joined', async () => {
    const { server, root, names } = await startFiles();
    const head = Buffer.from(request('POST /upload/chunks', 'Transfer-Encoding: chunked'));
    expect((await exchange(server, Buffer.concat([head, chunked(pattern(70_000), 999)]))).status).toBe(303);
    const client = await connectTo(server);
    const bytes = upload('pieces', pattern(9_000));
    await client.sendPieces([bytes.subarray(0, 500), bytes.subarray(500, 501), bytes.subarray(501)]);
    expect((await client.readResponse()).status).toBe(303);
    expect(names()).toEqual(['chunks', 'pieces']);
    expect(readFileSync(join(root, 'chunks')).equals(pattern(70_000))).toBe(true);
    expect(readFileSync(join(root, 'pieces')).equals(pattern(9_000))).toBe(true);
  });

  test('is not seen before all of it has come', async () => {
    const { server, names } = await startFiles();
    const client = await connectTo(server);
    const bytes = upload('slow', pattern(1000));
    client.send(bytes.subarray(0, -1));
    await vi.waitFor(() => expect(names()).toEqual([expect.stringMatching(/^\.upload-/)]), SOON);
    expect((await exchange(server, request('GET /slow'))).status).toBe(404);
    expect((await exchange(server, request('GET /'))).text).toContain('No files yet');
    client.send(bytes.subarray(-1));
    expect((await client.readResponse()).status).toBe(303);
    expect(names()).toEqual(['slow']);
  });

  test('keeps its connection', async () => {
    const { server } = await startFiles();
    const client = await connectTo(server);
    client
      .send(upload('a', pattern(5)))
      .send(upload('a', pattern(5)))
      .send(request('GET /a'));
    const statuses = [];
    for (let i = 0; i < 3; i++) statuses.push((await client.readResponse()).status);
    expect(statuses).toEqual([303, 400, 200]);
  });
});

describe('a download', () => {
  test('has the bytes, the type, and a policy that lets no script run', async () => {
    const { server, root, lines } = await startFiles();
    writeFileSync(join(root, 'page.html'), '<script>alert(1)</script>');
    const { status, headers, text } = await exchange(server, request('GET /page.html'));
    expect([status, text]).toEqual([200, '<script>alert(1)</script>']);
    expect(headers).toMatchObject({
      'content-type': expect.stringMatching(/^text\/html/),
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-cache',
    });
    expect(headers['content-disposition']).toBeUndefined();
    await vi.waitFor(
      () =>
        expect(lines).toEqual([
          'I file_server: Sending file : /page.html (25 bytes)...',
          'I file_server: File sending complete',
        ]),
      SOON,
    );
  });

  test('of a part, of nothing new, and of the headers only', async () => {
    const { server, root } = await startFiles();
    writeFileSync(join(root, 'a.bin'), pattern(1000));
    const part = await exchange(server, request('GET /a.bin', 'Range: bytes=10-19'));
    expect([part.status, part.body.equals(pattern(1000).subarray(10, 20))]).toEqual([206, true]);
    const etag = part.headers.etag as string;
    expect((await exchange(server, request('GET /a.bin', `If-None-Match: ${etag}`))).status).toBe(304);
    const client = await connectTo(server);
    const head = await client.send(request('HEAD /a.bin')).readResponse({ toHead: true });
    expect([head.status, head.headers['content-length']]).toEqual([200, '1000']);
  });

  test('of a PDF is to be saved', async () => {
    const { server, root } = await startFiles();
    writeFileSync(join(root, 'a.PDF'), '');
    expect((await exchange(server, request('GET /a.PDF'))).headers).toMatchObject({
      'content-type': 'application/pdf',
      'content-disposition': 'attachment; filename="a.PDF"',
    });
  });

  test('is the file itself, whatever compressed ones somebody has uploaded', async () => {
    const { server, root } = await startFiles();
    writeFileSync(join(root, 'a.txt'), 'mine');
    for (const name of ['a.txt.gz', 'a.txt.br', 'b.txt.gz']) writeFileSync(join(root, name), 'not mine');
    const accepting = (path: string) => exchange(server, request(`GET ${path}`, 'Accept-Encoding: gzip, br'));
    expect((await accepting('/a.txt')).text).toBe('mine');
    expect((await accepting('/b.txt')).status).toBe(404);
  });

  test.each([
    ['/index.html', 307, { location: '/' }, ''],
    ['/favicon.ico', 200, { 'content-type': 'image/svg+xml' }, '<svg'],
  ])('of %s gets %i, until there is such a file', async (path, status, headers, text) => {
    const { server, root } = await startFiles();
    const response = await exchange(server, request(`GET ${path}`));
    expect(response).toMatchObject({ status, headers, text: expect.stringContaining(text) });
    writeFileSync(join(root, path), 'mine');
    expect(await exchange(server, request(`GET ${path}`))).toMatchObject({ status: 200, text: 'mine' });
  });
});

describe('the list', () => {
  test('has the files in order, with sizes and times, and nothing else that is in the folder', async () => {
    const { server, root, lines } = await startFiles();
    for (const [name, size] of [
      ['b10.txt', 10],
      ['b9.txt', 2048],
      ['A', 1],
      ['.hidden', 1],
    ] as const) {
      writeFileSync(join(root, name), Buffer.alloc(size));
      utimesSync(join(root, name), 0, Date.UTC(2024, 1, 29, 12, 34, 56) / 1000);
    }
    const { status, headers, text } = await exchange(server, request('GET /'));
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect([...text.matchAll(/<bdi>(.*?)<\/bdi><\/a>/g)].map(match => match[1])).toEqual(['A', 'b9.txt', 'b10.txt']);
    expect(
      [...text.matchAll(/title="(\d+) bytes">(.*?)<\/span> <time datetime="(.*?)"/g)].map(m => m.slice(1)),
    ).toEqual([
      ['1', '1 byte', '2024-02-29T12:34:56.000Z'],
      ['2048', '2 KiB', '2024-02-29T12:34:56.000Z'],
      ['10', '10 bytes', '2024-02-29T12:34:56.000Z'],
    ]);
    expect(text).toContain('Files <span class="count">3</span>');
    expect(lines).toContain('I file_server: Found file : b9.txt (2048 bytes)');
  });

  test('shows names as text, and leads to them and to nothing else', async () => {
    const { server, root } = await startFiles();
    const name = `'&amp;{{rows}}$& #%41;.txt`;
    expect((await exchange(server, upload(encodeURIComponent(name), Buffer.from('x')))).status).toBe(303);
    const { text } = await exchange(server, request('GET /'));
    expect(text).toContain('<bdi>&#39;&amp;amp;{{rows}}$&amp; #%41;.txt</bdi>');
    expect(text).toContain('action="/delete/\'%26amp%3B%7B%7Brows%7D%7D%24%26%20%23%2541%3B.txt"');
    expect(text).toContain('Download &#39;&amp;amp;');
    const [, href = ''] = /class="name" href="(.*?)"/.exec(text) ?? [];
    expect(await exchange(server, request(`GET ${href}`))).toMatchObject({ status: 200, text: 'x' });
    expect(readFileSync(join(root, name), 'utf8')).toBe('x');
  });

  test('has a policy that lets only its own script run, and no page around it', async () => {
    const { server } = await startFiles();
    const { headers } = await exchange(server, request('GET /'));
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'sha256-[\w+/]+='; style-src 'sha256-[\w+/]+='; .*frame-ancestors 'none'$/,
    );
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin' });
  });

  test('tells the limit that is set', async () => {
    const { server } = await startFiles({ maxSize: 3 * 1024 * 1024 });
    expect((await exchange(server, request('GET /'))).text).toContain('up to 3 MiB<');
    expect((await exchange(server, upload('a', pattern(MAX_FILE_SIZE + 1)))).status).toBe(303);
  });
});

describe('a deletion', () => {
  test('takes the file away, and shows the list', async () => {
    const { server, root, names, lines } = await startFiles();
    writeFileSync(join(root, 'grüße'), '');
    writeFileSync(join(root, 'other'), '');
    const { status, headers, text } = await exchange(server, post('/delete/gr%C3%BC%C3%9Fe', ''));
    expect([status, headers.location, text]).toEqual([303, '/', 'File deleted successfully']);
    expect(names()).toEqual(['other']);
    expect(lines).toEqual(['I file_server: Deleting file : /grüße']);
    expect((await exchange(server, request('GET /gr%C3%BC%C3%9Fe'))).status).toBe(404);
  });
});

test('the folder is made if it is absent, and leftovers of a server that was killed go when the next one starts', async () => {
  const root = join(newFolder(), 'new', 'folder');
  const store = await FileStore.open(root);
  const [old, young, other] = ['.upload-0123456789abcdef01234567', '.upload-0123456789abcdef01234568', '.upload-x'];
  for (const name of [old, young, other]) writeFileSync(join(store.root, name), 'x');
  const now = Date.now();
  for (const name of [old, other]) utimesSync(join(store.root, name), 0, now / 1000 - 3601);
  await FileStore.open(root, now);
  expect(readdirSync(root).sort()).toEqual([young, other].sort());
});

const noCurl = spawnSync('curl', ['--version']).status !== 0;

/** Debian: `apt install curl`. */
test.skipIf(noCurl)('curl uploads, downloads and deletes (skipped where it is not installed)', async () => {
  const { server, root, names } = await startFiles();
  const folder = newFolder();
  const [mine, copy] = [join(folder, 'mine'), join(folder, 'copy')];
  writeFileSync(mine, pattern(MAX_FILE_SIZE));
  const curl = async (...args: string[]) => {
    const common = ['--silent', '--show-error', '--noproxy', '*', '--max-time', '15', '--write-out', '%{http_code}'];
    return (await promisify(execFile)('curl', [...common, ...args])).stdout;
  };
  const url = `http://127.0.0.1:${server.port}`;
  const send = ['-X', 'POST', '--data-binary', `@${mine}`];
  expect(await curl(...send, `${url}/upload/copy.bin`)).toBe('File uploaded successfully303');
  expect(readFileSync(join(root, 'copy.bin')).equals(pattern(MAX_FILE_SIZE))).toBe(true);
  expect(await curl(...send, `${url}/upload/copy.bin`)).toBe('File already exists400');
  expect(await curl('--output', copy, `${url}/copy.bin`)).toBe('200');
  expect(readFileSync(copy).equals(pattern(MAX_FILE_SIZE))).toBe(true);
  expect(await curl('-X', 'POST', `${url}/delete/copy.bin`)).toBe('File deleted successfully303');
  expect(names()).toEqual([]);
});
