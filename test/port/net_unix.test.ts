import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { netPort } from '../../src/port/net.js';
import type { Listener } from '../../src/port/port.js';
import { listenOn } from './rig.js';

// The file of a Unix socket: whose is it?

let folder = '';
let listeners: Listener[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'esp-httpd-'));
});

afterEach(async () => {
  for (const listener of listeners) await listener.close();
  listeners = [];
  rmSync(folder, { recursive: true });
});

async function listen(path: string): Promise<Listener> {
  const { listener } = await listenOn(netPort, { path });
  listeners.push(listener);
  return listener;
}

/** Does anybody listen there? */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(path, () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('close', () => socket.destroy());
    socket.on('connect', () => socket.destroy());
  });
}

/** A file that a process has left behind that was killed. */
function stale(path: string): void {
  const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', code]);
  expect(statSync(path).isSocket()).toBe(true);
}

describe('of several who start at a time', () => {
  test('on one that is left behind, one has it and the others are told', async () => {
    const path = join(folder, 'a.sock');
    stale(path);
    const results = await Promise.allSettled([listen(path), listen(path), listen(path)]);
    const failed = results.flatMap(result => (result.status === 'rejected' ? [result.reason] : []));
    expect(failed).toEqual(Array(2).fill(expect.objectContaining({ code: 'EADDRINUSE' })));
    expect(await answers(path)).toBe(true);
    expect(readdirSync(folder)).toEqual(['a.sock']);
    await listeners[0]?.close();
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('one that is served', () => {
  test('keeps its file though it can take no further connection just now', async () => {
    const path = join(folder, 'a.sock');
    // it listens, and accepts nothing
    const code = `require('node:net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => {
      require('node:fs').writeSync(1, 'listens');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
    })`;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
    const waiting: net.Socket[] = [];
    try {
      await once(child.stdout, 'data');
      for (let code = ''; code === ''; ) {
        expect(waiting.length).toBeLessThan(100);
        const socket = net.connect(path);
        waiting.push(socket);
        code = await new Promise<string>(resolve => {
          socket.on('connect', () => resolve(''));
          socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
        });
        if (code !== '') expect(code).toBe('EAGAIN');
      }
      const inode = statSync(path).ino;
      await expect(listen(path)).rejects.toMatchObject({ code: 'EADDRINUSE' });
      expect([readdirSync(folder), statSync(path).ino]).toEqual([['a.sock'], inode]);
    } finally {
      for (const socket of waiting) socket.destroy();
      const gone = once(child, 'close');
      child.kill('SIGKILL');
      await gone;
    }
  });
});

describe('a listener that is closed', () => {
  test('leaves the file to another one that has taken its place', async () => {
    const path = join(folder, 'a.sock');
    const first = await listen(path);
    unlinkSync(path);
    const second = await listen(path);
    await first.close();
    expect(await answers(path)).toBe(true);
    expect(readdirSync(folder)).toEqual(['a.sock']);
    await second.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('removes nothing that is no socket of its own', async () => {
    const path = join(folder, 'a.sock');
    const first = await listen(path);
    unlinkSync(path);
    writeFileSync(path, 'precious');
    await first.close();
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  test('finds its file gone', async () => {
    const path = join(folder, 'a.sock');
    const first = await listen(path);
    unlinkSync(path);
    await first.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('removes its file from where it was, though the process is in another folder now', async () => {
    const before = process.cwd();
    try {
      process.chdir(folder);
      const first = await listen('a.sock');
      process.chdir(before);
      expect(existsSync(join(folder, 'a.sock'))).toBe(true);
      await first.close();
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      process.chdir(before);
    }
  });
});

describe('what is wrong with a path is said', () => {
  test('a folder that is not there', async () => {
    const path = join(folder, 'none', 'a.sock');
    await expect(listen(path)).rejects.toMatchObject({
      code: 'ENOENT',
      message: `the folder '${join(folder, 'none')}' does not exist`,
    });
  });

  test.each([
    ['a file', (path: string) => writeFileSync(path, 'precious')],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a symbolic link', (path: string) => symlinkSync('b.sock', path)],
  ])('%s in its place', async (_what, make) => {
    const path = join(folder, 'a.sock');
    make(path);
    await expect(listen(path)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: 'what is there is no Unix socket',
    });
    expect(readdirSync(folder)).toEqual(['a.sock']);
  });
});
