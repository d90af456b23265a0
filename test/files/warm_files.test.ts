import { describe, expect, test } from 'vitest';
import { WarmFiles } from '../../src/files/warm_files.js';

/** Reads files by the name of their state, and says how: `disk` through a thread, `memory` in place. */
function rig() {
  let time = 1_000;
  let cost = 0;
  const warm = new WarmFiles(() => time);
  const read = async (key: string): Promise<string> => {
    let how = '';
    const inPlace = () => {
      how = 'memory';
      time += cost;
      return 7;
    };
    const inThread = async () => {
      how = 'disk';
      return 7;
    };
    expect(await warm.read(key, inPlace, inThread)).toBe(7);
    return how;
  };
  const later = (ms: number) => {
    time += ms;
  };
  const slowDown = (ms: number) => {
    cost = ms;
  };
  return { read, later, slowDown };
}

describe('a small file is read in place', () => {
  test('once it has been read', async () => {
    const { read } = rig();
    expect([await read('a'), await read('a'), await read('b'), await read('a')]).toEqual([
      'disk',
      'memory',
      'disk',
      'memory',
    ]);
  });

  test('for ten seconds, which each read begins anew', async () => {
    const { read, later } = rig();
    await read('a');
    for (let i = 0; i < 3; i++) {
      later(9_999);
      expect(await read('a')).toBe('memory');
    }
    later(10_000);
    expect(await read('a')).toBe('disk');
  });

  test('no file is, for ten seconds, when that was slow', async () => {
    const { read, later, slowDown } = rig();
    await read('a');
    await read('b');
    slowDown(20);
    expect(await read('a')).toBe('memory');
    expect(await read('b')).toBe('memory');
    slowDown(21);
    expect(await read('a')).toBe('memory');
    expect([await read('a'), await read('b')]).toEqual(['disk', 'disk']);
    slowDown(0);
    later(9_999);
    expect([await read('a'), await read('b')]).toEqual(['disk', 'disk']);
    later(1);
    expect([await read('a'), await read('b')]).toEqual(['memory', 'memory']);
  });

  test('if it is one of the last 1,024', async () => {
    const { read } = rig();
    for (let i = 0; i < 1_024; i++) await read(`${i}`);
    expect(await read('0')).toBe('memory');
    await read('one more');
    expect([await read('0'), await read('2'), await read('1')]).toEqual(['memory', 'memory', 'disk']);
  });

  test('not if reading it failed', async () => {
    const warm = new WarmFiles(() => 0);
    const fails = () => warm.read('a', expect.unreachable, () => Promise.reject(new Error('EIO')));
    await expect(fails()).rejects.toThrow('EIO');
    await expect(fails()).rejects.toThrow('EIO');
  });
});
