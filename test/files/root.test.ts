import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { OpenFile } from '../../src/files/open_file.js';
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
    expect(await textOf(await root.open(path))).toBe(text);
    if (LINUX) expect(openPaths()).toBeLessThanOrEqual(before);
  });

  test('a root behind a symbolic link', async () => {
    const { folder, www } = site();
    symlinkSync('www', join(folder, 'link'));
    const root = new Root(join(folder, 'link'), hasProc);
    expect(await textOf(await root.open('a.txt'))).toBe('hello');
    expect(await textOf(await root.open('out'))).toBeUndefined();
    // it is resolved once
    rmSync(join(folder, 'link'));
    symlinkSync('www2', join(folder, 'link'));
    expect(await textOf(await root.open('a.txt'))).toBe('hello');
    expect(await textOf(await root.open('secret'))).toBeUndefined();
    renameSync(www, `${www}-moved`);
    expect(await textOf(await root.open('a.txt'))).toBeUndefined();
  });

  test('the root of the file system holds all', async () => {
    const { www } = site();
    expect(await textOf(await new Root('/', hasProc).open(join(www, 'a.txt').slice(1)))).toBe('hello');
  });

  test('a hard link is a file as any', async () => {
    const { folder, www } = site();
    linkSync(join(folder, 'secret'), join(www, 'hard'));
    expect(await textOf(await new Root(www, hasProc).open('hard'))).toBe('secret');
  });

  test('a file that may not be read is not there', async () => {
    const { folder, www } = site();
    chmodSync(folder, 0o755);
    chmodSync(join(www, 'a.txt'), 0);
    const root = new Root(www, hasProc);
    expect(await unprivileged(() => root.open('a.txt'))).toBeUndefined();
    expect(await unprivileged(async () => textOf(await root.open('sub/b.txt')))).toBe('below');
  });

  test('a root that is not there is ESP_FAIL, until it is', async () => {
    const www = join(testFolder(), 'later');
    const root = new Root(www, hasProc);
    await expect(root.open('a')).rejects.toMatchObject({ name: 'ESP_FAIL', cause: { code: 'ENOENT' } });
    mkdirSync(www);
    writeFileSync(join(www, 'a'), 'now');
    expect(await textOf(await root.open('a'))).toBe('now');
  });

  test('a link that is exchanged again and again never leads out', async () => {
    const { www } = site();
    const root = new Root(www, hasProc);
    const link = join(www, 'flip');
    const exchange = (target: string) => {
      symlinkSync(target, `${link}.new`);
      renameSync(`${link}.new`, link);
    };
    exchange('a.txt');
    const seen = new Set<string | undefined>();
    for (let i = 0; i < 100; i++) {
      const opening = Promise.all(Array.from({ length: 4 }, () => root.open('flip')));
      for (let turn = 0; turn < 4; turn++) {
        exchange(turn % 2 === 0 ? '../secret' : 'a.txt');
        await new Promise(resolve => setImmediate(resolve));
      }
      for (const file of await opening) seen.add(await textOf(file));
    }
    expect([...seen]).not.toContain('secret');
    expect(await textOf(await root.open('flip'))).toBe('hello');
  });
});

describe.each([
  ['by /proc', true],
  ['by paths', false],
])('what a root that is watched %s lists', (_name, hasProc) => {
  if (hasProc && !LINUX) return;

  async function list(www: string, path: string, max = 100, isWanted = (_name: string) => true) {
    const root = new Root(www, hasProc);
    const folder = (await root.open(path)) as OpenFile;
    const { entries, isCut } = await root.list(path, folder, isWanted, max);
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
    const root = new Root(www, hasProc);
    const file = (await root.open('a.txt')) as OpenFile;
    await expect(root.list('a.txt', file, () => true, 10)).rejects.toMatchObject({ name: 'ESP_FAIL' });
    file.close();
    if (LINUX) expect(openPaths()).toBeLessThanOrEqual(before);
  });
});
