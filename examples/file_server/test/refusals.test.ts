/** What is refused, and that it leaves nothing behind. */
import { linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { chunked, exchange, pattern, post, request } from '../../../test/http/support.js';
import { ManualClock } from '../../../test/support/clock.js';
import { connectTo } from '../../../test/support/server.js';
import { MAX_FILE_SIZE } from '../file_server.js';
import { FILES_MAX, UPLOADS_MAX } from '../file_store.js';
import { isSameOrigin } from '../same_origin.js';
import { newFolder, startFiles } from './support.js';

/** Looks again soon: what is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 5 };

/** Everything in a folder: names of files with their bytes, and of folders. */
function contents(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map(name => {
      const path = join(folder, name);
      return lstatSync(path).isFile() ? `${name}: ${readFileSync(path, 'latin1')}` : name;
    })
    .sort();
}

/** A server whose folder has a file, a folder, and ways out of it. */
async function startWithTraps() {
  const files = await startFiles();
  const outside = newFolder();
  writeFileSync(join(outside, 'secret'), 'secret');
  mkdirSync(join(files.root, 'folder'));
  writeFileSync(join(files.root, 'folder', 'inner'), 'inner');
  writeFileSync(join(files.root, '.hidden'), 'hidden');
  writeFileSync(join(files.root, 'file'), 'file');
  symlinkSync(join(outside, 'secret'), join(files.root, 'link'));
  symlinkSync(outside, join(files.root, 'way_out'));
  symlinkSync('file', join(files.root, 'alias'));
  symlinkSync('nowhere', join(files.root, 'dangling'));
  return { ...files, outside, before: [contents(files.root), contents(outside)] };
}

/** Ways to write what is not the name of a file in the folder. */
const ODD_NAMES = [
  '',
  '.',
  '..',
  '../secret',
  '..%2fsecret',
  '..%2Fsecret',
  '%2e%2e/secret',
  '%2e%2e%2fsecret',
  '..%5csecret',
  '..\\secret',
  '....//secret',
  '/etc/passwd',
  '//etc/passwd',
  '%2fetc%2fpasswd',
  'folder/inner',
  'folder%2finner',
  'folder/',
  'folder/../file',
  './file',
  'file/',
  'file/.',
  'file%00',
  'file%00.txt',
  'file%0a',
  'file%1b[2J',
  'file%e2%80%ae',
  '.hidden',
  '%2ehidden',
  'way_out/secret',
  'c:%5cfile',
  'file::$DATA',
  'fi%',
  'fi%ff',
  'fi%c0%ae',
  'nul',
  'file%20',
  'file.',
] as const;

describe('of a name that is none, such as', () => {
  test.each(ODD_NAMES)('%j: downloads, uploads and deletions', async part => {
    const { server, root, outside, before } = await startWithTraps();
    const wanted = new Map([
      [`GET /${part}`, [404, 400]],
      [`POST /upload/${part}`, [400, 405]],
      [`POST /delete/${part}`, [400, 405]],
    ]);
    for (const [line, statuses] of wanted) {
      if (line === 'GET /') continue;
      const { status, text } = await exchange(server, request(line, 'Content-Length: 0'));
      expect(statuses, line).toContain(status);
      expect(text).not.toContain('secret');
    }
    expect([contents(root), contents(outside)]).toEqual(before);
  });
});

describe('of a name that is taken by', () => {
  test.each([
    ['a file', 'file', 'file'],
    ['a folder', 'folder', undefined],
    ['a symbolic link out of the folder', 'link', undefined],
    ['a symbolic link to a folder', 'way_out', undefined],
    ['a symbolic link to a file', 'alias', undefined],
    ['a symbolic link to nowhere', 'dangling', undefined],
  ])('%s: uploads; downloads and deletions of anything but files', async (_what, name, text) => {
    const { server, root, outside, before, lines } = await startWithTraps();
    const upload = await exchange(server, post(`/upload/${name}`, 'new'));
    expect([upload.status, upload.text]).toEqual([400, 'File already exists']);
    expect(lines).toEqual([`E file_server: File already exists : /data/${name}`]);
    const download = await exchange(server, request(`GET /${name}`));
    expect([download.status, download.text]).toEqual(text === undefined ? [404, 'File does not exist'] : [200, text]);
    if (text === undefined) {
      const { status, text: why } = await exchange(server, post(`/delete/${name}`, ''));
      expect([status, why]).toEqual([400, 'File does not exist']);
    }
    expect([contents(root), contents(outside)]).toEqual(before);
    expect((await exchange(server, request('GET /'))).text.match(/<li>/g)).toHaveLength(1);
  });
});

test.each([
  ['GET', '/nothing', 404, 'File does not exist', 'E file_server: Failed to stat file : /data/nothing'],
  ['GET', '/folder/', 404, 'Directory does not exist', 'E file_server: Failed to stat dir : /data/folder/'],
  ['POST', '/delete/nothing', 400, 'File does not exist', 'E file_server: File does not exist : /nothing'],
  ['POST', '/upload/a/', 400, 'Invalid filename', 'E file_server: Invalid filename : /a/'],
  ['POST', '/upload/%1b[2J', 400, 'Invalid filename', 'E file_server: Invalid filename : /%1b[2J'],
  ['POST', `/upload/${'x'.repeat(256)}`, 400, 'Filename too long', 'E file_server: Filename is too long'],
  ['POST', '/nothing', 405, expect.stringContaining('405'), undefined],
  ['PUT', '/upload/a', 405, expect.stringContaining('405'), undefined],
  ['DELETE', '/delete/a', 405, expect.stringContaining('405'), undefined],
])('%s %s gets %i, and a line in the log', async (method, path, status, text, line) => {
  const { server, lines } = await startWithTraps();
  const response = await exchange(server, request(`${method} ${path}`, 'Content-Length: 0'));
  expect([response.status, response.text]).toEqual([status, text]);
  expect(lines).toEqual(line === undefined ? [] : [line]);
});

describe('an upload that', () => {
  test.each<[string, Buffer]>([
    [
      'announces too many bytes',
      Buffer.from(request('POST /upload/big', `Content-Length: ${MAX_FILE_SIZE + 1}`, 'Expect: 100-continue')),
    ],
    [
      'has too many bytes',
      Buffer.concat([
        Buffer.from(request('POST /upload/big', `Content-Length: ${MAX_FILE_SIZE + 1}`)),
        pattern(MAX_FILE_SIZE + 1),
      ]),
    ],
    [
      'has too many bytes in chunks',
      Buffer.concat([
        Buffer.from(request('POST /upload/big', 'Transfer-Encoding: chunked')),
        chunked(pattern(MAX_FILE_SIZE + 1), 10_000),
      ]),
    ],
  ])('%s gets 413, and leaves nothing', async (_what, bytes) => {
    const { server, names, lines } = await startFiles();
    const response = await exchange(server, bytes);
    expect([response.status, response.text]).toEqual([413, 'File size must be less than 200KB!']);
    expect(lines.at(-1)).toMatch(/^E file_server: File too large : (204801|unknown) bytes$/);
    await vi.waitFor(() => expect(names()).toEqual([]), SOON);
    expect((await exchange(server, post('/upload/next', 'x'))).status).toBe(303);
  });

  test.each<[string, (client: Awaited<ReturnType<typeof connectTo>>) => unknown]>([
    ['breaks off with FIN', client => client.end()],
    ['breaks off with a reset', client => client.reset()],
    ['has a broken chunk', client => client.send('zz\r\n')],
  ])('%s leaves nothing, and the name is free', async (_what, breakOff) => {
    const { server, names, lines } = await startFiles();
    const client = await connectTo(server);
    client.send(`${request('POST /upload/a', 'Transfer-Encoding: chunked')}5\r\nhello\r\n`);
    await vi.waitFor(() => expect(names()).toHaveLength(1), SOON);
    breakOff(client);
    await vi.waitFor(() => expect(names()).toEqual([]), SOON);
    await vi.waitFor(() => expect(lines.at(-1)).toBe('E file_server: File reception failed!'), SOON);
    expect((await exchange(server, post('/upload/a', 'x'))).status).toBe(303);
  });

  test('stalls gets 408, and leaves nothing', async () => {
    const clock = new ManualClock();
    const { server, names } = await startFiles({ clock });
    const client = await connectTo(server);
    client.send(request('POST /upload/a', 'Content-Length: 10')).send('hello');
    await vi.waitFor(() => expect(names()).toHaveLength(1), SOON);
    await vi.waitFor(() => {
      clock.advance(1_000);
      expect(client.received.toString()).toContain('HTTP/1.1 408 ');
    }, SOON);
    await vi.waitFor(() => expect(names()).toEqual([]), SOON);
  });

  test('is overtaken by one of the same name does not replace it', async () => {
    const { server, root, names } = await startFiles();
    const slow = await connectTo(server);
    slow.send(request('POST /upload/a', 'Content-Length: 4')).send('slo');
    await vi.waitFor(() => expect(names()).toHaveLength(1), SOON);
    expect((await exchange(server, post('/upload/a', 'quick'))).status).toBe(303);
    slow.send('w');
    const response = await slow.readResponse();
    expect([response.status, response.text]).toEqual([400, 'File already exists']);
    expect(contents(root)).toEqual(['a: quick']);
  });

  test('can not be written gets 500', async () => {
    const { server, store, lines, names } = await startFiles();
    const create = store.create.bind(store);
    store.create = async () => {
      const upload = await create();
      if (typeof upload !== 'string') upload.write = () => Promise.reject(new Error('ENOSPC: no space\nleft'));
      return upload;
    };
    const response = await exchange(server, post('/upload/a', 'x'));
    expect([response.status, response.text]).toEqual([500, 'Failed to write file to storage']);
    expect(lines.at(-1)).toBe('E file_server: File write failed! Error: ENOSPC: no space\\u{a}left');
    expect(names()).toEqual([]);
  });

  test(`is the ${UPLOADS_MAX + 1}th at a time gets 503, until one has ended`, async () => {
    const { server, names } = await startFiles();
    const clients = await Promise.all(Array.from({ length: UPLOADS_MAX }, () => connectTo(server)));
    for (const [i, client] of clients.entries()) client.send(post(`/upload/${i}`, 'ab').slice(0, -1));
    await vi.waitFor(() => expect(names()).toHaveLength(UPLOADS_MAX), SOON);
    const late = await exchange(server, post('/upload/late', 'x'));
    expect([late.status, late.headers['retry-after'], late.text]).toEqual([503, '10', 'Too many uploads at once']);
    clients[0]?.send('b');
    expect((await clients[0]?.readResponse())?.status).toBe(303);
    expect((await exchange(server, post('/upload/late', 'x'))).status).toBe(303);
  });

  test(`would be file ${FILES_MAX + 1} gets 507; the list shows as many, and that there may be more`, async () => {
    const { server, root, names } = await startFiles();
    writeFileSync(join(root, '0'), '');
    for (let i = 1; i < FILES_MAX; i++) linkSync(join(root, '0'), join(root, String(i)));
    const refused = await exchange(server, post('/upload/more', 'x'));
    expect([refused.status, refused.text]).toEqual([507, 'Too many files: delete some first']);
    expect(names()).toHaveLength(FILES_MAX);
    expect((await exchange(server, request('GET /'))).text).toContain('<span class="count">1000</span>');
    linkSync(join(root, '0'), join(root, 'more'));
    const { text } = await exchange(server, request('GET /'));
    expect(text.match(/<li>/g)).toHaveLength(FILES_MAX);
    expect(text).toContain('<span class="count">1000+</span>');
  });
});

describe('from a page', () => {
  const host = 'localhost';
  test.each([
    ['of no browser', {}, true],
    ['of this server', { site: 'same-origin', origin: 'http://localhost' }, true],
    ['of this server, over plain HTTP', { origin: 'http://localhost' }, true],
    ['of this server, behind a proxy that speaks TLS', { origin: 'https://LOCALHOST' }, true],
    ['that the user has opened', { site: 'none' }, true],
    ['of another site', { site: 'cross-site', origin: 'http://evil.example' }, false],
    ['of another site, over plain HTTP', { origin: 'http://evil.example' }, false],
    ['of a neighbour', { site: 'same-site', origin: 'http://localhost' }, false],
    ['of another port', { origin: 'http://localhost:81' }, false],
    ['of a name that begins alike', { origin: 'http://localhost.evil.example' }, false],
    ['in a sandbox', { origin: 'null' }, false],
    ['that says nothing', { origin: '' }, false],
    ['that lies in one of both', { site: 'same-origin', origin: 'http://evil.example' }, false],
  ])('%s (%j): %s', async (_what, from, allowed) => {
    expect(isSameOrigin({ site: undefined, origin: undefined, host, ...from })).toBe(allowed);
  });

  test('of another site nothing is uploaded or deleted; to look at files is free', async () => {
    const { server, root, names } = await startFiles();
    writeFileSync(join(root, 'a'), 'x');
    for (const header of ['Origin: http://evil.example', 'Sec-Fetch-Site: cross-site', 'Origin: null']) {
      for (const path of ['/upload/b', '/delete/a', '//delete/a', '/x/../delete/a']) {
        const { status, text } = await exchange(server, post(path, '', header));
        expect([status, text]).toEqual([403, 'Only pages of this server may do that']);
      }
      expect((await exchange(server, request('GET /a', header))).status).toBe(200);
      expect((await exchange(server, request('GET /', header))).status).toBe(200);
    }
    expect(names()).toEqual(['a']);
    expect((await exchange(server, post('/delete/a', '', 'Origin: http://localhost'))).status).toBe(303);
  });
});
