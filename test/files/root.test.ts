import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type OpenFile, openFile } from '../../src/files/open_file.js';
import { Root } from '../../src/files/root.js';
import { openPaths } from '../support/open_fds.js';
import { testFolder, unprivileged } from './support.js';

const LINUX = process.platform === 'linux';

/** A folder `www` with some files, beside `secret` and a folder `www2`, into which links lead. */
function site(): { folder: string; www: string } {
  const folder = testFolder();
  const www = join(folder, 'www');
  mkdirSync(join(www, 'sub', 'deep'), { recursive: true });
  mkdirSync(join(folder, 'www2'));
  writeFileSync(join(folder, 'secret'), 'secret');
  writeFileSync(join(folder, 'www2', 'secret'), 'secret');
  writeFileSync(join(www, 'a.txt'), 'hello');
  writeFileSync(join(www, 'sub', 'b.txt'), 'below');
  symlinkSync('a.txt', join(www, 'inside'));
  symlinkSync('sub', join(www, 'inside-folder'));
  symlinkSync('../sub/../a.txt', join(www, 'sub', 'up-and-down'));
  symlinkSync(join(www, 'a.txt'), join(www, 'absolute'));
  symlinkSync('../secret', join(www, 'out'));
  symlinkSync('..', join(www, 'out-folder'));
  symlinkSync('../www2', join(www, 'out-beside'));
  symlinkSync('/', join(www, 'out-top'));
  symlinkSync('../out', join(www, 'sub', 'out-twice'));
  symlinkSync('../www/a.txt', join(www, 'out-and-in'));
  return { folder, www };
}

async function textOf(file: OpenFile | undefined): Promise<string | undefined> {
  if (file === undefined || file.isFolder) {
    file?.close();
    return file && 'a folder';
  }
  const buf = Buffer.alloc(file.size);
  await file.read(buf, buf.length, 0);
  file.close();
  return buf.toString();
}

// asking the kernel what is open is for Linux; the other way works there too
describe.each([
  ['by /proc', true],
  ['by paths', false],
])('a root that is watched %s', (_name, hasProc) => {
  if (hasProc && !LINUX) return;

  test.each([
    ['', 'a folder'],
    ['sub', 'a folder'],
    ['a.txt', 'hello'],
    ['sub/b.txt', 'below'],
    ['inside', 'hello'],
    ['inside-folder', 'a folder'],
    ['inside-folder/b.txt', 'below'],
    ['sub/up-and-down', 'hello'],
    ['absolute', 'hello'],
    ['out-and-in', 'hello'],
    ['out', undefined],
    ['out-folder', undefined],
    ['out-folder/secret', undefined],
    ['out-folder/www/a.txt', 'hello'],
    ['out-beside', undefined],
    ['out-beside/secret', undefined],
    ['out-top', undefined],
    ['out-top/etc/passwd', undefined],
    ['sub/out-twice', undefined],
    ['nothing', undefined],
    ['a.txt/x', undefined],
    ['a\0', undefined],
  ])('%j is %j, and no descriptor stays open', async (path, text) => {
    const root = new Root(site().www, hasProc);
    const before = LINUX ? openPaths() : 0;
    expect(await textOf(await root.visit().open(path))).toBe(text);
    if (LINUX) expect(openPaths()).toBeLessThanOrEqual(before);
  });

  /** Two releases of a site, and a link to the first. */
  function releases() {
    const { folder, www } = site();
    const next = join(folder, 'next');
    mkdirSync(join(next, 'sub'), { recursive: true });
    writeFileSync(join(next, 'a.txt'), 'new');
    writeFileSync(join(next, 'new.txt'), 'only here');
    symlinkSync('../www/a.txt', join(next, 'back'));
    const link = join(folder, 'link');
    symlinkSync('www', link);
    const exchange = (target: string) => {
      symlinkSync(target, `${link}.new`);
      renameSync(`${link}.new`, link);
    };
    return { folder, www, link, exchange };
  }

  test('a root behind a symbolic link: the next request is served from where it leads then', async () => {
    const { www, link, exchange } = releases();
    const root = new Root(link, hasProc);
    const read = async (path: string) => textOf(await root.visit().open(path));
    expect([await read('a.txt'), await read('new.txt'), await read('out')]).toEqual(['hello', undefined, undefined]);
    exchange('next');
    expect([await read('a.txt'), await read('new.txt'), await read('sub/b.txt')]).toEqual([
      'new',
      'only here',
      undefined,
    ]);
    // what lies in the old one lies outside
    expect(await read('back')).toBeUndefined();
    rmSync(www, { recursive: true });
    expect(await read('a.txt')).toBe('new');
    exchange('nowhere');
    await expect(root.visit().open('a.txt')).rejects.toMatchObject({ name: 'ESP_FAIL', cause: { code: 'ENOENT' } });
    exchange('next');
    expect(await read('a.txt')).toBe('new');
  });

  test('a folder that takes the place of another by its name', async () => {
    const { folder, www } = site();
    const root = new Root(www, hasProc);
    const read = async (path: string) => textOf(await root.visit().open(path));
    expect(await read('a.txt')).toBe('hello');
    renameSync(www, `${www}-old`);
    renameSync(join(folder, 'www2'), www);
    expect([await read('a.txt'), await read('secret')]).toEqual([undefined, 'secret']);
  });

  test('one request sees one release, however many files it looks at', async () => {
    const { link, exchange } = releases();
    const root = new Root(link, hasProc);
    const visit = root.visit();
    expect(await textOf(await visit.open('nothing'))).toBeUndefined();
    exchange('next');
    expect([await textOf(await visit.open('a.txt')), await textOf(await visit.open('new.txt'))]).toEqual([
      'hello',
      undefined,
    ]);
  });

  test.each([
    ['a.txt', 'before', 'new'],
    ['a.txt', 'behind', 'new'],
    ['new.txt', 'before', 'only here'],
    ['new.txt', 'behind', 'only here'],
    ['sub/b.txt', 'before', undefined],
    ['sub/b.txt', 'behind', undefined],
    ['back', 'before', undefined],
    ['back', 'behind', undefined],
  ])('%s, where the link is exchanged right %s it is opened, is %j', async (path, when, text) => {
    const { link, exchange } = releases();
    let armed = false;
    const around = async (full: string) => {
      const now = armed;
      armed = false;
      if (now && when === 'before') exchange('next');
      const file = await openFile(full);
      if (now && when === 'behind') exchange('next');
      return file;
    };
    const root = new Root(link, hasProc, around);
    expect(await textOf(await root.visit().open('a.txt'))).toBe('hello');
    const before = LINUX ? openPaths() : 0;
    armed = true;
    expect(await textOf(await root.visit().open(path))).toBe(text);
    if (LINUX) expect(openPaths()).toBeLessThanOrEqual(before);
  });

  test('the root of the file system holds all', async () => {
    const { www } = site();
    expect(await textOf(await new Root('/', hasProc).visit().open(join(www, 'a.txt').slice(1)))).toBe('hello');
  });

  test('a hard link is a file as any', async () => {
    const { folder, www } = site();
    linkSync(join(folder, 'secret'), join(www, 'hard'));
    expect(await textOf(await new Root(www, hasProc).visit().open('hard'))).toBe('secret');
  });

  test('a file that may not be read is not there', async () => {
    const { folder, www } = site();
    chmodSync(folder, 0o755);
    chmodSync(join(www, 'a.txt'), 0);
    const root = new Root(www, hasProc);
    expect(await unprivileged(() => root.visit().open('a.txt'))).toBeUndefined();
    expect(await unprivileged(async () => textOf(await root.visit().open('sub/b.txt')))).toBe('below');
  });

  test('a root that is not there is ESP_FAIL, until it is', async () => {
    const www = join(testFolder(), 'later');
    const root = new Root(www, hasProc);
    await expect(root.visit().open('a')).rejects.toMatchObject({ name: 'ESP_FAIL', cause: { code: 'ENOENT' } });
    mkdirSync(www);
    writeFileSync(join(www, 'a'), 'now');
    expect(await textOf(await root.visit().open('a'))).toBe('now');
  });

  test.each([
    ['../secret', 'a.txt', undefined],
    ['a.txt', '../secret', hasProc ? 'hello' : undefined],
    ['../secret', 'nothing', undefined],
    ['..', 'sub', undefined],
    ['sub', '..', hasProc ? 'a folder' : undefined],
    // another file of the folder is not what was opened
    ['a.txt', 'sub/b.txt', hasProc ? 'hello' : undefined],
  ])('a link to %s that leads to %s when it is looked at is %j: it never leads out', async (opened, seen, text) => {
    const { www } = site();
    const link = join(www, 'flip');
    const exchange = (target: string) => {
      symlinkSync(target, `${link}.new`);
      renameSync(`${link}.new`, link);
    };
    const root = new Root(www, hasProc, async full => {
      exchange(opened);
      const file = await openFile(full);
      exchange(seen);
      return file;
    });
    const before = LINUX ? openPaths() : 0;
    expect(await textOf(await root.visit().open('flip'))).toBe(text);
    if (LINUX) expect(openPaths()).toBeLessThanOrEqual(before);
  });
});

describe.each([
  ['by /proc', true],
  ['by paths', false],
])('what a root that is watched %s lists', (_name, hasProc) => {
  if (hasProc && !LINUX) return;

  async function list(www: string, path: string, max = 100, isWanted = (_name: string) => true) {
    const visit = new Root(www, hasProc).visit();
    const folder = (await visit.open(path)) as OpenFile;
    const { entries, isCut } = await visit.list(path, folder, isWanted, max);
    folder.close();
    const names = entries.map(({ name, isFolder }) => (isFolder ? `${name}/` : name)).sort();
    return { names, entries, isCut };
  }

  test('files and folders, and links to those that are inside', async () => {
    const { www } = site();
    if (LINUX) execFileSync('mkfifo', [join(www, 'fifo')]);
    symlinkSync('nowhere', join(www, 'dangling'));
    symlinkSync('/dev/zero', join(www, 'device'));
    const { names, entries, isCut } = await list(www, '');
    expect(names).toEqual(['a.txt', 'absolute', 'inside', 'inside-folder/', 'out-and-in', 'sub/']);
    expect(entries.find(({ name }) => name === 'a.txt')).toMatchObject({ size: 5, mtimeMs: expect.any(Number) });
    expect(isCut).toBe(false);
    expect((await list(www, 'sub')).names).toEqual(['b.txt', 'deep/', 'up-and-down']);
    expect((await list(www, 'sub/deep')).names).toEqual([]);
  });

  test('as many as it may, of those that are wanted', async () => {
    const { www } = site();
    for (let i = 0; i < 300; i++) writeFileSync(join(www, 'sub', 'deep', `f${i}`), '');
    const wanted = (name: string) => name.endsWith('7');
    expect(await list(www, 'sub/deep', 30, wanted)).toMatchObject({ names: { length: 30 }, isCut: false });
    expect(await list(www, 'sub/deep', 29, wanted)).toMatchObject({ names: { length: 29 }, isCut: true });
    expect(await list(www, 'sub/deep', 300)).toMatchObject({ names: { length: 300 }, isCut: false });
  });

  test('no descriptor stays open, and a folder that is a file is ESP_FAIL', async () => {
    const { www } = site();
    const before = LINUX ? openPaths() : 0;
    await list(www, '', 2);
    const visit = new Root(www, hasProc).visit();
    const file = (await visit.open('a.txt')) as OpenFile;
    await expect(visit.list('a.txt', file, () => true, 10)).rejects.toMatchObject({ name: 'ESP_FAIL' });
    file.close();
    if (LINUX) expect(openPaths()).toBeLessThanOrEqual(before);
  });
});
