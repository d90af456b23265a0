/** The arithmetic of a link. Times are reckoned by hand: 1,000 bytes take 1 ms to send, and 10 ms to arrive. */
import { describe, expect, test } from 'vitest';
import type { Ending } from '../../src/device/flow.js';
import type { LinkSettings } from '../../src/device/profile.js';
import { Rig } from './flow_rig.js';

describe('a flow', () => {
  test('sends segment by segment: each takes its time to send, and then its latency', () => {
    const rig = new Rig();
    const up = rig.flow();
    expect(up.offer(2_500)).toBe(2_500);
    expect(up.flow.length).toBe(2_500);
    rig.clock.advance(100);
    expect(up.seen).toEqual([
      [11, 1_000],
      [12, 1_000],
      [12.5, 500],
    ]);
    expect(up.flow.length).toBe(0);
    expect([rig.air.bytesUp, rig.air.bytesDown, rig.clock.running]).toEqual([2_500, 0, 0]);
  });

  test('takes a part of a buffer, by copying it', () => {
    const rig = new Rig();
    const up = rig.flow();
    const buf = Buffer.from('0123456789');
    expect(up.flow.offer(buf, 2, 7)).toBe(5);
    buf.fill('x');
    rig.clock.advance(100);
    expect(Buffer.concat(up.bytes).toString()).toBe('23456');
  });

  test.each([
    ['bandwidthUp', 'up', { bandwidthUp: 2e6 }, 14],
    ['bandwidthDown', 'down', { bandwidthDown: 16e6 }, 10.5],
    ['latencyMs', 'up', { latencyMs: 70 }, 71],
    ['no latency', 'down', { latencyMs: 0 }, 1],
  ] as const)('%s: 1,000 bytes arrive when they are to', (_what, way, link, time) => {
    const rig = new Rig(link);
    const sink = rig.flow(way);
    sink.offer(1_000);
    rig.clock.advance(100);
    expect(sink.seen).toEqual([[time, 1_000]]);
  });

  test('has a segment size of the link, and a shorter one for the rest', () => {
    const rig = new Rig({ segmentSize: 1_436, transmitWindow: 5_760 });
    const up = rig.flow();
    up.offer(5_760);
    rig.clock.advance(100);
    expect(up.seen.map(([, len]) => len)).toEqual([1_436, 1_436, 1_436, 1_436, 16]);
    expect(up.times.at(-1)).toBeCloseTo(15.76);
  });

  test('both ways at once: up does not wait for down', () => {
    const rig = new Rig();
    const [up, down] = [rig.flow('up'), rig.flow('down')];
    up.offer(3_000);
    down.offer(1_000);
    rig.clock.advance(100);
    expect([up.times, down.times]).toEqual([[11, 12, 13], [11]]);
    expect([rig.air.bytesUp, rig.air.bytesDown]).toEqual([3_000, 1_000]);
  });

  test('connections share the radio: who comes first is sent first', () => {
    const rig = new Rig();
    const [a, b] = [rig.flow(), rig.flow()];
    a.offer(2_000);
    b.offer(1_000);
    a.offer(1_000);
    rig.clock.advance(100);
    expect([a.times, b.times]).toEqual([[11, 12, 14], [13]]);
  });

  test('the radio rests in between, and what comes later begins then', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.offer(1_000);
    rig.clock.advance(50);
    up.offer(1_000);
    rig.clock.advance(50);
    expect(up.times).toEqual([11, 61]);
  });
});

describe('small writes', () => {
  const offer = (rig: Rig, up: ReturnType<Rig['flow']>, text: string): void => {
    expect(up.flow.offer(Buffer.from(text), 0, text.length)).toBe(text.length);
    rig.clock.advance(0);
  };

  test('join the segment that waits for the transmitter, up to its size', () => {
    const rig = new Rig({ segmentSize: 4 });
    const up = rig.flow();
    for (const text of ['ab', 'c', 'defgh', 'i']) offer(rig, up, text);
    expect(up.flow.length).toBe(9);
    up.flow.finish('fin');
    rig.clock.advance(100);
    expect(up.bytes.map(String)).toEqual(['abcd', 'efgh', 'i']);
    expect(up.seen.at(-1)?.[1]).toBe('fin');
    // two numbers for each segment, and for the end
    expect([up.drawn, rig.air.bytesUp, up.flow.length]).toEqual([8, 9, 0]);
  });

  test('do not join one that has left, nor one of another connection', () => {
    const rig = new Rig();
    const [a, b] = [rig.flow(), rig.flow()];
    a.offer(500);
    b.offer(100);
    rig.clock.advance(0.5);
    a.offer(100);
    rig.clock.advance(100);
    expect([a.seen.map(([, len]) => len), b.seen.map(([, len]) => len)]).toEqual([[500, 100], [100]]);
  });

  test('take their time of the radio all the same', () => {
    const rig = new Rig();
    const [a, b] = [rig.flow(), rig.flow()];
    a.offer(300);
    a.offer(600);
    b.offer(1_000);
    rig.clock.advance(100);
    expect([a.seen.length, b.times]).toEqual([1, [11.9]]);
  });
});

describe('the window', () => {
  test('takes no more than may be under way, and more when that is acknowledged, a latency behind its arrival', () => {
    const rig = new Rig();
    const up = rig.flow();
    expect(up.offer(10_000)).toBe(4_000);
    expect(up.offer(1)).toBe(0);
    rig.clock.advance(20);
    expect([up.times, up.rooms]).toEqual([[11, 12, 13, 14], []]);
    rig.clock.advance(1);
    expect(up.rooms).toEqual([21]);
    expect(up.offer(6_000)).toBe(1_000);
    rig.clock.advance(100);
    // told once: it did not ask again
    expect(up.rooms).toEqual([21, 22]);
  });

  test('so a connection alone has a window in a round trip: 10,000 bytes', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.sendAll(10_000);
    rig.clock.advance(200);
    // sent at 0; as each of 21 to 24 is acknowledged; and then at 42 and 43
    expect(up.times).toEqual([11, 12, 13, 14, 32, 33, 34, 35, 53, 54]);
    expect(up.rooms).toEqual([21, 22, 23, 24, 42, 43]);
  });

  test('of the other way is the receive window', () => {
    const rig = new Rig({ receiveWindow: 1_500 });
    const down = rig.flow('down');
    expect(down.offer(4_000)).toBe(1_500);
    expect(rig.flow('up').offer(4_000)).toBe(4_000);
  });

  test('who waits is woken for a whole segment', () => {
    const rig = new Rig();
    const up = rig.flow();
    // each leaves before the next one comes, so that they do not join
    for (let i = 0; i < 8; i++) {
      up.offer(500);
      rig.clock.advance(1);
    }
    expect(up.offer(500)).toBe(0);
    rig.clock.advance(100);
    // acknowledged at 20.5, and at 21.5
    expect(up.rooms).toEqual([21.5]);
  });

  test('or when nothing is under way any more', () => {
    const rig = new Rig({ transmitWindow: 300 });
    const up = rig.flow();
    up.sendAll(700);
    rig.clock.advance(200);
    expect(up.seen).toEqual([
      [10.3, 300],
      [30.6, 300],
      [50.7, 100],
    ]);
  });

  test('who was not refused is not woken', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.offer(4_000);
    rig.clock.advance(100);
    expect(up.rooms).toEqual([]);
  });

  test('may become smaller than what is under way, and larger again', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.offer(4_000);
    rig.air.link = { ...rig.air.link, transmitWindow: 1_000 };
    expect(up.offer(1_000)).toBe(0);
    rig.clock.advance(23);
    expect(up.rooms).toEqual([]);
    rig.clock.advance(1);
    expect(up.rooms).toEqual([24]);
    rig.air.link = { ...rig.air.link, transmitWindow: 2_000 };
    expect(up.offer(9_000)).toBe(2_000);
  });
});

describe('chance', () => {
  test('the jitter is a part of jitterMs, for each segment', () => {
    const rig = new Rig({ jitterMs: 8 });
    const up = rig.flow('up', [0.25, 1, 0.5, 1, 1, 1]);
    up.offer(3_000);
    rig.clock.advance(100);
    expect(up.times).toEqual([13, 16, 21]);
  });

  test('none overtakes: neither on its connection, nor on another', () => {
    const rig = new Rig({ jitterMs: 50 });
    const [a, b] = [rig.flow('up', [1, 1, 0, 1]), rig.flow('up', [0.1, 1])];
    a.offer(2_000);
    b.offer(1_000);
    rig.clock.advance(100);
    expect([a.times, b.times]).toEqual([[61, 61], [61]]);
  });

  test('a stall holds its connection, and no other', () => {
    const rig = new Rig({ stallChance: 0.3, stallMs: 100 });
    const [a, b] = [rig.flow('up', [0, 0.29, 0, 0.3]), rig.flow('up', [0, 0.3])];
    a.offer(2_000);
    b.offer(1_000);
    rig.clock.advance(200);
    expect([a.times, b.times]).toEqual([[111, 111], [13]]);
  });

  test.each([
    [0, 0, 11],
    [1, 0.999, 111],
  ])('stallChance %d', (stallChance, chance, time) => {
    const rig = new Rig({ stallChance });
    const up = rig.flow('up', [0, chance]);
    up.offer(1_000);
    rig.clock.advance(200);
    expect(up.times).toEqual([time]);
  });

  test.each<Partial<LinkSettings>>([
    { jitterMs: 0, stallChance: 0 },
    { jitterMs: 20, stallChance: 0.5 },
  ])('two numbers are drawn for each segment and for the end, with %o too', link => {
    const rig = new Rig(link);
    const up = rig.flow('up', [0.5]);
    up.offer(2_500);
    up.flow.finish('fin');
    rig.clock.advance(500);
    expect([up.seen.length, up.drawn]).toEqual([4, 8]);
  });
});

describe('a receiver that does not take', () => {
  test('gets the same segment again, and what is behind it afterwards', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.takes = false;
    up.sendAll(5_000);
    rig.clock.advance(50);
    expect([up.seen, up.rooms, up.flow.length]).toEqual([[], [], 4_000]);
    up.takes = true;
    up.flow.goOn();
    expect(up.times).toEqual([50, 50, 50, 50]);
    rig.clock.advance(50);
    // acknowledged only now
    expect([up.rooms, up.times.at(-1)]).toEqual([[60], 71]);
  });

  test('an ending waits behind it', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.takes = false;
    up.offer(1_000);
    up.flow.finish('fin');
    rig.clock.advance(50);
    expect(up.seen).toEqual([]);
    up.takes = true;
    up.flow.goOn();
    expect(up.seen).toEqual([
      [50, 1_000],
      [50, 'fin'],
    ]);
  });

  test('nor an ending: it comes again', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.flow.finish('fin');
    up.takes = false;
    rig.clock.advance(50);
    expect(up.seen).toEqual([]);
    up.takes = true;
    up.flow.goOn();
    up.flow.goOn();
    expect(up.seen).toEqual([[50, 'fin']]);
  });

  test('may call goOn within onSegment: nothing comes twice', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.onSegment = () => up.flow.goOn();
    up.offer(2_000);
    rig.clock.advance(50);
    expect(up.times).toEqual([11, 12]);
  });

  test('one that throws gets it again', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.onSegment = () => {
      throw new Error('mine');
    };
    up.offer(1_000);
    rig.clock.advance(50);
    expect([up.seen, rig.faults]).toEqual([[], [new Error('mine')]]);
    up.onSegment = () => {};
    up.flow.goOn();
    expect(up.times).toEqual([50]);
  });
});

describe('an end', () => {
  const error = new Error('ECONNRESET');

  test.each<Ending>(['fin', 'released', error])('%s comes behind all bytes', ending => {
    const rig = new Rig();
    const up = rig.flow();
    up.offer(1_500);
    up.flow.finish(ending);
    rig.clock.advance(100);
    expect(up.seen).toEqual([
      [11, 1_000],
      [11.5, 500],
      [11.5, ending],
    ]);
  });

  test('has the latency alone, when nothing is in front of it', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.flow.finish('fin');
    up.flow.finish('released');
    rig.clock.advance(100);
    expect(up.seen).toEqual([
      [10, 'fin'],
      [10, 'released'],
    ]);
    expect(rig.air.bytesUp).toBe(0);
  });

  test('cut: nothing comes any more, and nobody is told of room', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.sendAll(9_000);
    up.flow.finish('fin');
    rig.clock.advance(12);
    up.flow.cut();
    rig.clock.advance(200);
    expect([up.times, up.rooms]).toEqual([[11, 12], []]);
  });

  test('cut within onSegment: that one is the last', () => {
    const rig = new Rig();
    const up = rig.flow();
    up.takes = false;
    up.offer(3_000);
    rig.clock.advance(50);
    up.takes = true;
    up.onSegment = () => up.flow.cut();
    up.flow.goOn();
    rig.clock.advance(50);
    expect(up.times).toEqual([50]);
  });
});

test('a change of the link holds for what is sent from then on', () => {
  const rig = new Rig();
  const up = rig.flow();
  up.offer(1_000);
  rig.air.link = { ...rig.air.link, bandwidthUp: 1e6, latencyMs: 100, segmentSize: 500 };
  up.offer(1_000);
  rig.clock.advance(500);
  expect(up.seen).toEqual([
    [11, 1_000],
    [105, 500],
    [109, 500],
  ]);
});
