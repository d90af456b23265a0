import { describe, expect, test } from 'vitest';
import { Stats, UNCOUNTED, UNTIMED } from '../../src/httpd/stats.js';

/** Statistics on a clock of the test. */
function make() {
  const clock = { ms: 100, reads: 0 };
  const stats = new Stats(() => {
    clock.reads += 1;
    return clock.ms;
  });
  const run = (ms: number) => {
    const began = stats.begin();
    clock.ms += ms;
    stats.end(began);
  };
  return { stats, clock, run };
}

describe('the times of handlers', () => {
  test('fall into buckets; a bound belongs to the one below it', () => {
    const { stats, run } = make();
    for (const ms of [0, 0.1, 0.11, 1, 30, 9_999, 10_000, 10_001]) run(ms);
    const { le, counts, count, sum } = stats.handlerTime();
    expect(le).toEqual([0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]);
    expect(counts).toEqual([2, 1, 1, 0, 0, 1, 0, 0, 0, 0, 2, 1]);
    expect(count).toBe(8);
    expect(sum).toBeCloseTo(30.03121, 6);
  });

  test('are read a few times in a turn; further handlers count like the last one', () => {
    const { stats, clock, run } = make();
    for (let i = 0; i < 8; i++) run(2);
    expect(clock.reads).toBe(16);
    for (let i = 0; i < 100; i++) run(500);
    expect(clock.reads).toBe(16);
    expect(stats.handlerTime()).toMatchObject({ count: 108, counts: [0, 0, 0, 108, 0, 0, 0, 0, 0, 0, 0, 0] });
    stats.turn();
    run(500);
    expect(stats.handlerTime().counts[8]).toBe(1);
    expect(stats.handlerTime().sum).toBeCloseTo(0.716, 6);
  });

  test('a request that has waited for something says nothing about those that are not timed', () => {
    const { stats, clock, run } = make();
    const long = stats.begin();
    stats.turn();
    clock.ms += 1;
    for (let i = 0; i < 8; i++) run(2);
    clock.ms += 3_600_000;
    stats.end(long);
    stats.turn();
    stats.end(UNTIMED);
    expect(stats.handlerTime()).toMatchObject({ counts: [0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1], count: 10 });
    stats.end(UNCOUNTED);
    expect(stats.handlerTime().count).toBe(10);
  });

  test('a clock that goes back counts as no time', () => {
    const { stats, run } = make();
    run(-5);
    expect(stats.handlerTime()).toMatchObject({ sum: 0, count: 1 });
  });

  test('an end without a begin counts', () => {
    const { stats } = make();
    stats.end(UNTIMED);
    expect(stats.handlerTime().count).toBe(1);
  });
});
