import { describe, expect, test, vi } from 'vitest';
import { Deadlines, systemClock, type Timed } from '../../src/sess/deadlines.js';
import { ManualClock } from '../support/clock.js';

/** Nothing is left over that has come. */
const AT_ONCE = (fn: () => void) => fn();

/** Something that is due once. */
class Due implements Timed {
  readonly hits: number[] = [];

  constructor(private at: number) {}

  sweep(now: number): boolean {
    if (this.at !== 0 && now >= this.at) {
      this.hits.push(now);
      this.at = 0;
    }
    return this.at !== 0;
  }
}

describe('deadlines', () => {
  test('no timer runs before something is armed', () => {
    const clock = new ManualClock();
    new Deadlines(clock, [5_000], [], AT_ONCE);
    expect(clock.running).toBe(0);
  });

  test('one timer serves any number of sessions', () => {
    const clock = new ManualClock();
    const all = Array.from({ length: 500 }, () => new Due(9_000));
    const deadlines = new Deadlines(clock, [5_000], [all], AT_ONCE);
    for (const _ of all) deadlines.arm();
    expect(clock.running).toBe(1);
  });

  test('what is due is told at the next sweep, never early', () => {
    const clock = new ManualClock(0);
    const due = new Due(5_000);
    const deadlines = new Deadlines(clock, [5_000], [[due]], AT_ONCE);
    deadlines.arm();
    clock.advance(4_999);
    expect(due.hits).toEqual([]);
    clock.advance(1);
    expect(due.hits).toEqual([5_000]);
  });

  test('when nothing is due any more the timer ends; a new deadline starts it again', () => {
    const clock = new ManualClock(0);
    const all = [new Due(100), new Due(2_500)];
    const deadlines = new Deadlines(clock, [4_000], [all], AT_ONCE);
    deadlines.arm();
    clock.advance(1_000);
    expect(clock.running).toBe(1);
    clock.advance(2_000);
    expect(clock.running).toBe(0);
    expect(all.map(due => due.hits.length)).toEqual([1, 1]);
    all.push(new Due(7_000));
    deadlines.arm();
    expect(clock.running).toBe(1);
    clock.advance(5_000);
    expect(all[2]?.hits).toHaveLength(1);
    expect(clock.running).toBe(0);
  });

  test('disarm ends the timer, and twice is fine', () => {
    const clock = new ManualClock();
    const due = new Due(1);
    const deadlines = new Deadlines(clock, [100], [[due]], AT_ONCE);
    deadlines.arm();
    deadlines.disarm();
    deadlines.disarm();
    clock.advance(10_000);
    expect([clock.running, due.hits.length]).toEqual([0, 0]);
  });

  test('a deadline that is set during a sweep keeps the timer', () => {
    const clock = new ManualClock(0);
    const all: Timed[] = [];
    const deadlines = new Deadlines(clock, [400], [all], AT_ONCE);
    let at = 100;
    let hits = 0;
    all.push({
      sweep(now) {
        if (now >= at && hits < 3) {
          hits += 1;
          at = now + 300;
          deadlines.arm();
        }
        return hits < 3;
      },
    });
    deadlines.arm();
    clock.advance(5_000);
    expect(hits).toBe(3);
    expect(clock.running).toBe(0);
  });

  test('a deadline that is set during a sweep for a session that the sweep has passed is kept', () => {
    const clock = new ManualClock(0);
    const hits: number[] = [];
    let firstDue = 0;
    const first: Timed = {
      sweep(now) {
        if (firstDue !== 0 && now >= firstDue) {
          hits.push(now);
          firstDue = 0;
        }
        return firstDue !== 0;
      },
    };
    let secondDue = true;
    const second: Timed = {
      sweep(now) {
        if (secondDue && now >= 1_000) {
          secondDue = false;
          firstDue = now + 2_000;
          deadlines.arm();
        }
        return secondDue;
      },
    };
    const deadlines = new Deadlines(clock, [4_000], [[first, second]], AT_ONCE);
    deadlines.arm();
    clock.advance(1_000);
    expect([secondDue, clock.running]).toEqual([false, 1]);
    clock.advance(10_000);
    expect(hits).toEqual([3_000]);
    expect(clock.running).toBe(0);
  });

  test.each([
    ['a quarter of the shortest timeout', [5_000, 800, 60_000], 200],
    ['20 ms at least', [5_000, 1], 20],
    ['a second at most', [60_000, 3_600_000], 1_000],
    ['timeouts of 0 do not count', [0, 2_000], 500],
    ['a second if there are none', [0, 0], 1_000],
    ['a second with an empty list', [], 1_000],
  ])('the pace is %s', (_name, timeouts, pace) => {
    const every = vi.fn(() => () => {});
    new Deadlines({ now: () => 0, after: () => () => {}, every }, timeouts, [], AT_ONCE).arm();
    expect(every).toHaveBeenCalledWith(pace, expect.any(Function));
  });
});

describe('the system clock', () => {
  test('never goes back', () => {
    let last = systemClock.now();
    for (let i = 0; i < 1_000; i++) {
      const now = systemClock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
    }
  });

  test('after() calls once, every() again and again until it is ended', async () => {
    const log: string[] = [];
    await new Promise<void>(resolve => {
      const cancel = systemClock.after(1, () => log.push('cancelled'));
      cancel();
      let n = 0;
      const stop = systemClock.every(1, () => {
        n += 1;
        log.push(`every ${n}`);
        if (n < 3) return;
        stop();
        systemClock.after(1, () => {
          log.push('after');
          resolve();
        });
      });
    });
    expect(log).toEqual(['every 1', 'every 2', 'every 3', 'after']);
  });
});

describe('the manual clock', () => {
  test('fires what falls due in its order, at its time', () => {
    const clock = new ManualClock(0);
    const log: string[] = [];
    clock.every(30, () => log.push(`every at ${clock.now()}`));
    clock.after(50, () => {
      log.push(`after at ${clock.now()}`);
      clock.after(5, () => log.push(`nested at ${clock.now()}`));
    });
    const cancel = clock.after(55, () => log.push('cancelled'));
    cancel();
    clock.advance(60);
    expect(log).toEqual(['every at 30', 'after at 50', 'nested at 55', 'every at 60']);
    expect(clock.now()).toBe(60);
    expect(clock.running).toBe(1);
  });
});
