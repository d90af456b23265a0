import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { HttpdServer } from '../../src/httpd/server.js';
import { unprivileged } from '../files/support.js';
import { openPaths } from '../support/open_fds.js';
import { get, makeTree, serveFolder } from './static_support.js';

const LINUX = process.platform === 'linux';
const SECRET = 'the secret';

/** A folder `www`, and what lies beside it and must not be had. */
const TREE = {
  'secret.txt': SECRET,
  'www2/secret.txt': SECRET,
  'www/index.html': 'top',
  'www/a.txt': 'hello',
  'www/sub/index.html': 'sub',
  'www/sub/b.txt': 'below',
  'www/.env': SECRET,
  'www/.git/config': SECRET,
  'www/sub/.htaccess': SECRET,
  'www/empty/': '',
  'www/out.txt': '-> ../secret.txt',
  'www/out-absolute.txt': '-> /etc/passwd',
  'www/out-twice.txt': '-> sub/../out.txt',
  'www/out-folder': '-> ..',
  'www/out-beside': '-> ../www2',
  'www/top': '-> /',
  'www/loop': '-> loop',
  'www/dangling': '-> nowhere',
  'www/device': '-> /dev/zero',
  'www/null': '-> /dev/null',
  'www/memory': '-> /proc/self/environ',
  'www/packed.js.gz': '-> ../secret.txt',
  'www/styled.css': 'plain',
  'www/styled.css.gz': '-> ../secret.txt',
  'www/styled.css.br': '-> /dev/zero',
  'www/indexed/index.html': '-> ../../secret.txt',
  'www/indexed-folder/index.html/': '',
};

/** Is what `path` gets the same as for a path where nothing is, but for the time? */
async function isNothing(server: HttpdServer, path: string, ...headers: string[]): Promise<void> {
  const [given, nothing] = [await get(server, path, ...headers), await get(server, '/files/nothing', ...headers)];
  expect(given.status).toBe(404);
  expect(given.text).toBe(nothing.text);
  const withoutDate = (lines: readonly string[]) => lines.filter(line => !line.startsWith('Date:'));
  expect(withoutDate(given.headerLines)).toEqual(withoutDate(nothing.headerLines));
}

describe('refused, as if nothing were there', () => {
  // what could be shown is shown
  const options = { listing: true };
  const site = () => join(makeTree(TREE), 'www');

  test.each([
    ['dot segments at the front', '/files/../secret.txt'],
    ['dot segments in the middle', '/files/sub/../a.txt'],
    ['dot segments at the end', '/files/sub/..'],
    ['dot segments at the end, with a slash', '/files/sub/../'],
    ['dot segments beyond the top', '/files/../../../../../../etc/passwd'],
    ['a single dot', '/files/./a.txt'],
    ['a single dot at the end', '/files/sub/.'],
    ['encoded dot segments', '/files/%2e%2e/secret.txt'],
    ['encoded dot segments in capitals', '/files/%2E%2E/secret.txt'],
    ['half encoded dot segments', '/files/.%2e/secret.txt'],
    ['an encoded single dot', '/files/%2e/a.txt'],
    ['encoded slashes', '/files/sub%2fb.txt'],
    ['encoded slashes in capitals', '/files/sub%2Fb.txt'],
    ['dot segments and encoded slashes', '/files/..%2fsecret.txt'],
    ['all encoded', '/files/%2e%2e%2fsecret.txt'],
    ['an absolute path behind an encoded slash', '/files/%2fetc%2fpasswd'],
    ['encoded backslashes', '/files/sub%5cb.txt'],
    ['dot segments and encoded backslashes', '/files/..%5csecret.txt'],
    ['empty segments at the front', '/files//a.txt'],
    ['empty segments that are an absolute path', '/files//etc/passwd'],
    ['empty segments in the middle', '/files/sub//b.txt'],
    ['empty segments at the end', '/files/sub//'],
    ['NUL', '/files/a.txt%00'],
    ['NUL before an extension', '/files/a.txt%00.html'],
    ['control characters: LF', '/files/a%0a.txt'],
    ['control characters: CR', '/files/a%0d.txt'],
    ['control characters: ESC', '/files/a%1b.txt'],
    ['control characters: DEL', '/files/a%7f.txt'],
    ['control characters: C1', '/files/a%c2%9b.txt'],
    ['doubly encoded dot segments', '/files/%252e%252e/secret.txt'],
    ['doubly encoded slashes', '/files/..%252fsecret.txt'],
    ['invalid UTF-8', '/files/%ff'],
    ['invalid UTF-8: overlong dots', '/files/%c0%ae%c0%ae/secret.txt'],
    ['invalid UTF-8: an overlong slash', '/files/..%c0%afsecret.txt'],
    ['invalid UTF-8: a surrogate', '/files/%ed%a0%80'],
    ['dots of full width', '/files/%ef%bc%8e%ef%bc%8e/secret.txt'],
    ['dot files', '/files/.env'],
    ['dot files, encoded', '/files/%2eenv'],
    ['dot files in a folder', '/files/sub/.htaccess'],
    ['files in dot folders', '/files/.git/config'],
    ['dot folders', '/files/.git/'],
    ['three dots', '/files/.../secret.txt'],
    ['symbolic links out of the root', '/files/out.txt'],
    ['symbolic links out of the root, absolute', '/files/out-absolute.txt'],
    ['symbolic links out of the root, in two steps', '/files/out-twice.txt'],
    ['symbolic links to a folder out of the root', '/files/out-folder/secret.txt'],
    ['symbolic links to a folder whose path begins as the root does', '/files/out-beside/secret.txt'],
    ['symbolic links to the top', '/files/top/etc/passwd'],
    ['symbolic links to a folder out of the root, itself', '/files/out-beside'],
    ['symbolic links to a folder out of the root, itself, with a slash', '/files/out-beside/'],
    ['symbolic links in a circle', '/files/loop'],
    ['symbolic links to nothing', '/files/dangling'],
    ['device files', '/files/device'],
    ['device files: null', '/files/null'],
    ['files of the process', '/files/memory'],
    ['a variant that leads out of the root', '/files/packed.js'],
    ['an index that leads out of the root', '/files/indexed/index.html'],
    ['a name that is too long', `/files/${'x'.repeat(256)}`],
    ['a path that is too long', `/files/${'x/'.repeat(2_500)}`],
    ['a file with a slash', '/files/a.txt/'],
    ['a file as a folder', '/files/a.txt/b'],
  ])('%s', async (_name, path) => {
    const server = await serveFolder({ root: site(), ...options }, '/files/*');
    await isNothing(server, path, 'Accept-Encoding: br, gzip');
  });

  test.runIf(LINUX)('FIFOs, at once', async () => {
    const root = site();
    execFileSync('mkfifo', [join(root, 'fifo'), join(root, 'fifo.html.gz')]);
    const server = await serveFolder({ root, ...options });
    await isNothing(server, '/files/fifo');
    await isNothing(server, '/files/fifo.html', 'Accept-Encoding: gzip');
  });

  test.runIf(LINUX)('sockets', async () => {
    const root = site();
    const socket = createServer().listen(join(root, 'socket'));
    await new Promise(resolve => socket.once('listening', resolve));
    await isNothing(await serveFolder({ root, ...options }), '/files/socket');
    socket.close();
  });

  test.runIf(LINUX)('files and folders that may not be read', async () => {
    const root = site();
    chmodSync(join(root, '..'), 0o755);
    chmodSync(join(root, 'a.txt'), 0);
    chmodSync(join(root, 'sub'), 0);
    const server = await serveFolder({ root, ...options });
    await unprivileged(async () => {
      for (const path of ['a.txt', 'sub', 'sub/', 'sub/b.txt']) await isNothing(server, `/files/${path}`);
    });
  });

  // the server may refuse these before a handler sees them
  test.each([
    ['bad escapes: a percent sign alone', 'a.txt%'],
    ['bad escapes: one digit', '%6'],
    ['bad escapes: no digits', '%zz'],
    ['bad escapes: %u', '%u002e%u002e/secret.txt'],
    ['raw backslashes', 'sub\\b.txt'],
    ['raw backslashes and dot segments', '..\\secret.txt'],
    ['a raw NUL', 'a.txt\x00'],
    ['a raw ESC', 'a\x1b.txt'],
    ['a raw DEL', 'a.txt\x7f'],
    ['raw octets that are not UTF-8', 'a\xff'],
  ])('%s: 404, or 400', async (_name, path) => {
    const response = await get(await serveFolder({ root: site(), ...options }), `/files/${path}`);
    expect([400, 404]).toContain(response.status);
  });

  test.runIf(LINUX)('none leaves a descriptor open', async () => {
    const server = await serveFolder({ root: site(), ...options });
    // the root is opened, and the answer made, for the first time
    await get(server, '/files/nothing');
    const before = openPaths();
    for (const path of ['out.txt', 'device', 'indexed/', 'indexed-folder/', 'out-beside/', 'a.txt/', 'empty']) {
      await get(server, `/files/${path}`, 'Accept-Encoding: gzip');
    }
    await expect.poll(() => openPaths(), { interval: 2 }).toBeLessThanOrEqual(before);
  });
});

test('without listings: folders that have no index', async () => {
  const server = await serveFolder({ root: join(makeTree(TREE), 'www') });
  for (const path of ['empty', 'empty/', 'indexed', 'indexed/', 'indexed-folder', 'indexed-folder/']) {
    await isNothing(server, `/files/${path}`);
  }
});

test('a variant that leads out of the root is passed over for the file', async () => {
  const server = await serveFolder({ root: join(makeTree(TREE), 'www') });
  const response = await get(server, '/files/styled.css', 'Accept-Encoding: br, gzip');
  expect([response.text, response.headers['content-encoding']]).toEqual(['plain', undefined]);
});

test("dotFiles: 'allow' serves dot files, and no dot segments", async () => {
  const server = await serveFolder({ root: join(makeTree(TREE), 'www'), dotFiles: 'allow' });
  for (const path of ['.env', '%2eenv', '.git/config', 'sub/.htaccess']) {
    expect((await get(server, `/files/${path}`)).text).toBe(SECRET);
  }
  for (const path of ['../secret.txt', '%2e%2e/secret.txt', './a.txt', '.git/../a.txt']) {
    await isNothing(server, `/files/${path}`);
  }
});

test('a mount of Kubernetes, whose files are links through a hidden folder, is served', async () => {
  const root = makeTree({
    '..2024_05_17/app.json': '{}',
    '..data': '-> ..2024_05_17',
    'app.json': '-> ..data/app.json',
  });
  const server = await serveFolder({ root });
  expect((await get(server, '/files/app.json')).text).toBe('{}');
  await isNothing(server, '/files/..data/app.json');
});
