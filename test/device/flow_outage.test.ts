/** A link that is down for a while, and timers that are late. Times are reckoned by hand, as in `flow.test.ts`. */
import { describe, expect, test } from 'vitest';
import { Rig } from './flow_rig.js';

describe('an outage', () => {
  test('what is sent meanwhile leaves when it is over', () => {
    const rig = new Rig();
    const up = rig.flow();
    rig.air.lose(100);
    expect(rig.air.down).toBe(true);
    up.offer(2_000);
    rig.clock.advance(200);
    expect(up.times).toEqual([111, 112]);
    expect(rig.air.down).toBe(false);
  });

  test('what travels arrives when it is over, in its order', () => {
    const rig = new Rig();
    const [a, b] = [rig.flow(), rig.flow()];
    a.offer(2_000);
    b.offer(1_000);
    a.flow.finish('fin');
    rig.clock.advance(11);
    rig.air.lose(29);
    rig.clock.advance(20);
    // it lasts longer, and not shorter again
    rig.air.lose(69);
    rig.air.lose(1);
    rig.clock.advance(200);
    expect(a.seen).toEqual([
      [11, 1_000],
      [100, 1_000],
      [100, 'fin'],
    ]);
    expect(b.times).toEqual([100]);
  });

  test('what would have arrived just when it ends stays behind what waited', () => {
    const rig = new Rig();
    const up = rig.flow();
    for (const byte of [1, 2, 3]) up.flow.offer(Buffer.alloc(1_000, byte), 0, 1_000);
    rig.air.lose(13);
    rig.clock.advance(100);
    expect(up.bytes.map(([byte]) => byte)).toEqual([1, 2, 3]);
  });

  test('an end that is sent meanwhile stays behind what waits, without latency too', () => {
    const rig = new Rig({ latencyMs: 0 });
    const up = rig.flow();
    up.offer(1_000);
    rig.air.lose(50);
    up.flow.finish('fin');
    rig.clock.advance(100);
    expect(up.seen).toEqual([
      [50, 1_000],
      [50, 'fin'],
    ]);
  });

  test('tells since when it lasts, and until when', () => {
    const { air, clock } = new Rig();
    expect(air.lose(50)).toEqual({ since: 0, until: 50 });
    clock.advance(20);
    expect(air.lose(10)).toEqual({ since: 0, until: 50 });
    expect(air.lose(60)).toEqual({ since: 0, until: 80 });
    clock.advance(60);
    expect(air.down).toBe(false);
    expect(air.lose(5)).toEqual({ since: 80, until: 85 });
  });

  test('ends at once when it is restored', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.offer(1_000);
    rig.air.lose(10_000);
    rig.clock.advance(30);
    rig.air.restore();
    rig.clock.advance(0);
    expect([up.times, rig.air.down]).toEqual([[30], false]);
  });
});

describe('a late timer', () => {
  test('changes no time of the link: what it brings about is reckoned from when it was due', () => {
    const onTime = new Rig();
    const first = onTime.flow();
    first.sendAll(20_000);
    onTime.clock.advance(500);
    const late = new Rig();
    const second = late.flow();
    second.sendAll(20_000);
    for (let i = 0; i < 5; i++) {
      late.clock.hold(37);
      late.clock.advance(0);
    }
    expect(second.times).toEqual(first.times);
    // five windows, and 21 ms from one to the next
    expect(first.times.at(-1)).toBe(14 + 4 * 21);
  });
});
