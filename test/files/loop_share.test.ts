import { describe, expect, test } from 'vitest';
import { LoopShare } from '../../src/files/loop_share.js';

/** A loop whose turns are made by hand, and sends that take as long as they say. */
class Loop {
  time = 0;
  readonly done: string[] = [];
  private next: (() => void)[] = [];
  readonly share = new LoopShare(
    () => this.time,
    callback => this.next.push(callback),
  );

  send(name: string, ms: number): Promise<number> {
    return this.share.run(() => {
      this.time += ms;
      this.done.push(name);
      if (name.startsWith('bad')) throw new Error(name);
    });
  }

  /** What has been sent, after so many turns. */
  async turn(): Promise<string> {
    const callbacks = this.next;
    this.next = [];
    for (const callback of callbacks) callback();
    for (let i = 0; i < 20; i++) await Promise.resolve();
    return this.done.splice(0).join(' ');
  }
}

describe('what files take of a turn of the loop', () => {
  test('is bounded; the rest goes on in turns that follow, in order', async () => {
    const loop = new Loop();
    const all = ['a', 'b', 'c', 'd', 'e', 'f'].map(name => loop.send(name, 0.125));
    expect(loop.done.splice(0)).toEqual(['a', 'b']);
    expect(await loop.turn()).toBe('c d');
    const late = loop.send('g', 0.1);
    expect(loop.done).toEqual([]);
    expect(await loop.turn()).toBe('e f');
    expect(await loop.turn()).toBe('g');
    await Promise.all([...all, late]);
    expect(await loop.send('h', 5)).toBe(5);
    expect(await loop.turn()).toBe('h');
  });

  test('one that throws holds nobody up, and gets what it threw', async () => {
    const loop = new Loop();
    const all = [loop.send('a', 2), loop.send('bad', 2), loop.send('b', 2)];
    const failed = expect(all[1]).rejects.toThrow('bad');
    expect([await loop.turn(), await loop.turn(), await loop.turn()]).toEqual(['a bad', 'b', '']);
    await failed;
    await Promise.all([all[0], all[2]]);
  });
});
