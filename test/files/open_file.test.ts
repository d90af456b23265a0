import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ESP_FAIL, EspError } from '../../src/err.js';
import { openFile } from '../../src/files/open_file.js';
import { openPaths } from '../support/open_fds.js';
import { testFolder, unprivileged } from './support.js';

const LINUX = process.platform === 'linux';

async function etagOf(path: string): Promise<string> {
  const file = await openFile(path);
  file?.close();
  return file?.etag ?? '';
}

describe('openFile', () => {
  test('a file: its size, time and bytes', async () => {
    const path = join(testFolder(), 'a.txt');
    writeFileSync(path, 'hello');
    utimesSync(path, 1_700_000_000.75, 1_700_000_000.75);
    const file = await openFile(path);
    expect(file).toMatchObject({ isFolder: false, size: 5, modified: 1_700_000_000 });
    const buf = Buffer.alloc(8);
    expect(await file?.read(buf, 3, 1)).toBe(3);
    expect(buf.toString('latin1')).toBe('ell\0\0\0\0\0');
    expect(file?.readInPlace(buf, 8, 3)).toBe(2);
    expect(buf.toString('latin1')).toBe('lol\0\0\0\0\0');
    expect(await file?.read(buf, 8, 5)).toBe(0);
    if (LINUX) expect(file?.realPath()).toBe(path);
    file?.close();
  });

  test('a folder says that it is one', async () => {
    const file = await openFile(testFolder());
    expect(file?.isFolder).toBe(true);
    file?.close();
  });

  test('a symbolic link is followed', async () => {
    const folder = testFolder();
    writeFileSync(join(folder, 'a.txt'), 'hello');
    symlinkSync('a.txt', join(folder, 'link'));
    const file = await openFile(join(folder, 'link'));
    expect(file?.size).toBe(5);
    if (LINUX) expect(file?.realPath()).toBe(join(folder, 'a.txt'));
    file?.close();
  });
});

describe('the entity-tag', () => {
  test('is strong, and the same for the same state', async () => {
    const path = join(testFolder(), 'a');
    writeFileSync(path, 'one');
    expect(await etagOf(path)).toMatch(/^"[0-9a-f]+-3"$/);
    expect(await etagOf(path)).toBe(await etagOf(path));
  });

  test.each<[string, (path: string) => void]>([
    ['another length', path => writeFileSync(path, 'longer')],
    ['a later time', path => utimesSync(path, 2_000_000_000, 2_000_000_000)],
    ['a time that differs by microseconds', path => utimesSync(path, 1_700_000_000, 1_700_000_000.000_004)],
  ])('differs for %s', async (_name, change) => {
    const path = join(testFolder(), 'a');
    writeFileSync(path, 'one');
    utimesSync(path, 1_700_000_000, 1_700_000_000);
    const before = await etagOf(path);
    change(path);
    expect(await etagOf(path)).not.toBe(before);
  });

  test('is the same for a copy with the same time, as another machine has it', async () => {
    const folder = testFolder();
    for (const name of ['a', 'b']) {
      writeFileSync(join(folder, name), 'one');
      utimesSync(join(folder, name), 1_700_000_000, 1_700_000_000.000_004);
    }
    const [a, b] = [await openFile(join(folder, 'a')), await openFile(join(folder, 'b'))];
    a?.close();
    b?.close();
    expect(a?.etag).toMatch(/^"[0-9a-f]+-3"$/);
    expect(b?.etag).toBe(a?.etag);
    // though whether one was read tells nothing of the other
    expect(b?.state).not.toBe(a?.state);
  });

  test('is the same by another name', async () => {
    const folder = testFolder();
    writeFileSync(join(folder, 'a'), 'one');
    linkSync(join(folder, 'a'), join(folder, 'b'));
    expect(await etagOf(join(folder, 'b'))).toBe(await etagOf(join(folder, 'a')));
  });
});

describe.runIf(LINUX)('what is no file or folder is not there, and leaves no descriptor open', () => {
  test.each<[string, (path: string) => unknown]>([
    ['nothing (ENOENT)', () => {}],
    ['a loop of links (ELOOP)', path => symlinkSync('x', path)],
    ['a dangling link', path => symlinkSync('nowhere', path)],
    ['a FIFO', path => execFileSync('mkfifo', [path])],
    ['a device', path => symlinkSync('/dev/zero', path)],
    ['a terminal', path => symlinkSync('/dev/ptmx', path)],
  ])('%s', async (_name, make) => {
    const path = join(testFolder(), 'x');
    make(path);
    const before = openPaths();
    expect(await openFile(path)).toBeUndefined();
    expect(openPaths()).toBeLessThanOrEqual(before);
  });

  test('a socket', async () => {
    const path = join(testFolder(), 'socket');
    const server = createServer().listen(path);
    await new Promise(resolve => server.once('listening', resolve));
    expect(await openFile(path)).toBeUndefined();
    server.close();
  });

  test.each([
    ['a name that is too long (ENAMETOOLONG)', 'x'.repeat(256)],
    ['a path that is too long', 'x/'.repeat(5_000)],
    ['a NUL', 'a\0.txt'],
    ['a slash behind a file (ENOTDIR)', 'file/'],
    ['a file as a folder (ENOTDIR)', 'file/x'],
  ])('%s', async (_name, name) => {
    const folder = testFolder();
    writeFileSync(join(folder, 'file'), '');
    writeFileSync(join(folder, 'a'), '');
    const before = openPaths();
    expect(await openFile(`${folder}/${name}`)).toBeUndefined();
    expect(openPaths()).toBeLessThanOrEqual(before);
  });
});

test.runIf(LINUX)('a file that may not be read is ESP_FAIL with its cause', async () => {
  const folder = testFolder();
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'secret'), '', { mode: 0 });
  const error = await unprivileged(() => openFile(join(folder, 'secret')).catch((thrown: unknown) => thrown));
  expect(error).toBeInstanceOf(EspError);
  expect(error).toMatchObject({ code: ESP_FAIL, cause: { code: 'EACCES' } });
});

describe.runIf(LINUX)('close', () => {
  test.each([
    ['small', 10],
    ['large', 100_000],
  ])('a %s file is closed once: another that has its number meanwhile stays open', async (_name, size) => {
    const folder = testFolder();
    writeFileSync(join(folder, 'a'), 'x'.repeat(size));
    const open = (): number => openPaths(join(folder, 'a'));
    const file = await openFile(join(folder, 'a'));
    expect(open()).toBe(1);
    file?.close();
    await expect.poll(open, { interval: 2 }).toBe(0);
    const other = await openFile(join(folder, 'a'));
    file?.close();
    await new Promise(resolve => setImmediate(resolve));
    expect(await other?.read(Buffer.alloc(1), 1, 0)).toBe(1);
    other?.close();
    await expect.poll(open, { interval: 2 }).toBe(0);
  });

  test('behind it reading is ESP_FAIL', async () => {
    const path = join(testFolder(), 'a');
    writeFileSync(path, 'x');
    const file = await openFile(path);
    file?.close();
    const failure = expect.objectContaining({ name: 'ESP_FAIL' });
    await expect(Promise.resolve().then(() => file?.read(Buffer.alloc(1), 1, 0))).rejects.toThrow();
    expect(() => file?.readInPlace(Buffer.alloc(1), 1, 0)).toThrow(failure);
  });
});

test('what is open has the size that it had then', async () => {
  const path = join(testFolder(), 'a');
  writeFileSync(path, 'hello');
  const file = await openFile(path);
  truncateSync(path, 2);
  expect(file?.size).toBe(5);
  expect(await file?.read(Buffer.alloc(5), 5, 0)).toBe(2);
  file?.close();
});
