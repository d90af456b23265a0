import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Input, ReceiveBuffer } from '../../src/sess/input.js';

const SIZE = 32;

/** An input over a small receive buffer, which is overwritten before each chunk that arrives. */
function setUp(receive = receiveBuffer()) {
  const input = new Input(receive);
  const arrive = (text: string) => {
    const buf = receive.claim();
    buf.fill('#');
    buf.write(text, 'latin1');
    input.arrive(text.length);
  };
  const window = () => input.buf.toString('latin1', input.from, input.to);
  return { receive, input, arrive, window };
}

function receiveBuffer(): ReceiveBuffer {
  const memory = Buffer.alloc(SIZE);
  return new ReceiveBuffer(() => memory, memory.length);
}

/** Somebody else receives. */
function disturb(receive: ReceiveBuffer): void {
  receive.claim().fill('#');
}

describe('input', () => {
  test('begins empty', () => {
    const { input } = setUp();
    expect([input.length, input.length > input.to - input.from, input.open(), input.refill()]).toEqual([
      0,
      false,
      false,
      false,
    ]);
  });

  test('shows a chunk where it lies, without a copy', () => {
    const { input, arrive, window, receive } = setUp();
    arrive('hello');
    expect(input.open()).toBe(true);
    expect([input.from, input.to, input.length, input.length > input.to - input.from, window()]).toEqual([
      0,
      5,
      5,
      false,
      'hello',
    ]);
    expect(input.buf).toBe(receive.buf);
    expect([input.first, input.firstAt]).toEqual([receive.buf, 0]);
  });

  test('what is left moves away when somebody else receives, and comes back', () => {
    const { input, arrive, window, receive } = setUp();
    arrive('hello');
    input.from += 2;
    disturb(receive);
    expect([input.length, input.length > input.to - input.from, window()]).toEqual([3, true, '']);
    expect(input.first.toString('latin1', input.firstAt, input.firstAt + 3)).toBe('llo');
    expect(input.open()).toBe(true);
    expect([window(), input.length > input.to - input.from]).toEqual(['llo', false]);
    input.from = input.to;
    disturb(receive);
    expect([input.length, input.open()]).toEqual([0, false]);
  });

  test('a new chunk comes behind what waits', () => {
    const { input, arrive, window } = setUp();
    arrive('one ');
    arrive('two ');
    arrive('three');
    expect(input.length).toBe(13);
    input.open();
    while (input.refill());
    expect(window()).toBe('one two three');
  });

  test('opening twice changes nothing', () => {
    const { input, arrive, window, receive } = setUp();
    arrive('abc');
    disturb(receive);
    input.open();
    input.from += 1;
    expect(input.open()).toBe(true);
    expect([window(), input.length]).toEqual(['bc', 2]);
  });

  test('refill lays what waits behind what the window shows, as far as there is room', () => {
    const { input, arrive, window } = setUp();
    for (const text of ['0', '1', '2', '3']) arrive(text.repeat(20));
    expect(input.length).toBe(80);
    input.open();
    while (input.refill());
    expect(window()).toBe('0'.repeat(20) + '1'.repeat(12));
    expect([input.length > input.to - input.from, input.length]).toEqual([true, 80]);
    input.from += 25;
    expect(input.refill()).toBe(true);
    expect(window()).toBe('1'.repeat(15) + '2'.repeat(17));
    input.from += 20;
    expect(input.refill()).toBe(true);
    expect([window(), input.length > input.to - input.from]).toEqual([`${'2'.repeat(15)}${'3'.repeat(17)}`, true]);
    input.from = input.to;
    input.open();
    expect([window(), input.length > input.to - input.from, input.refill()]).toEqual(['3'.repeat(3), false, false]);
  });

  test('refill of a full window shows no more', () => {
    const { input, arrive, window } = setUp();
    arrive('a'.repeat(SIZE));
    arrive('b');
    input.open();
    expect(input.refill()).toBe(false);
    expect([window(), input.length]).toEqual(['a'.repeat(SIZE), SIZE + 1]);
  });

  test('two inputs over one receive buffer do not disturb each other', () => {
    const receive = receiveBuffer();
    const first = setUp(receive);
    const second = setUp(receive);
    first.arrive('aaa');
    second.arrive('bb');
    first.arrive('AA');
    expect([first.input.length, second.input.length]).toEqual([5, 2]);
    first.input.open();
    while (first.input.refill());
    expect(first.window()).toBe('aaaAA');
    second.input.open();
    expect(second.window()).toBe('bb');
    first.input.open();
    expect(first.window()).toBe('aaaAA');
  });

  test('take moves bytes out, a part of the first only', () => {
    const { input, arrive, receive } = setUp();
    arrive('abcdef');
    disturb(receive);
    const buf = Buffer.alloc(4);
    expect([input.take(buf), buf.toString(), input.length]).toEqual([4, 'abcd', 2]);
    expect([input.take(buf), buf.toString()]).toEqual([2, 'efcd']);
    expect([input.take(buf), input.take(Buffer.alloc(0))]).toEqual([0, 0]);
  });

  test('skip consumes from the window, and from what is kept behind it', () => {
    const { input, arrive, window } = setUp();
    arrive('abc');
    arrive('def');
    input.skip(2);
    expect(input.length).toBe(4);
    input.skip(2);
    input.open();
    expect(window()).toBe('ef');
    input.skip(1);
    expect(window()).toBe('f');
    input.skip(100);
    expect([input.length, input.open()]).toEqual([0, false]);
  });

  test('clear forgets everything, in the window and kept', () => {
    const { input, arrive, receive } = setUp();
    arrive('abc');
    arrive('def');
    input.open();
    input.clear();
    expect([input.length, input.open(), input.from, input.to]).toEqual([0, false, 0, 0]);
    disturb(receive);
    expect(input.length).toBe(0);
  });

  test('memory of its own may move: it is asked for each time', () => {
    let memory = Buffer.alloc(SIZE);
    const { input, arrive, window } = setUp(new ReceiveBuffer(() => memory, memory.length));
    arrive('abc');
    memory = Buffer.from(memory);
    expect(window()).toBe('abc');
    expect(input.buf).toBe(memory);
  });

  test('whatever arrives, and however it is consumed, comes out once and in its order', () => {
    const step = fc.record({
      size: fc.integer({ min: 0, max: SIZE }),
      how: fc.constantFrom('window', 'refill', 'take', 'skip', 'first', 'disturb'),
      n: fc.integer({ min: 0, max: 50 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), steps => {
        const { receive, input } = setUp();
        let next = 0;
        const expected: number[] = [];
        const got: number[] = [];
        const eat = (n: number) => {
          const end = Math.min(input.to, input.from + n);
          got.push(...input.buf.subarray(input.from, end));
          input.from = end;
        };
        for (const { size, how, n } of steps) {
          const buf = receive.claim();
          buf.fill(0xa5);
          for (let i = 0; i < size; i++, next++) {
            buf[i] = next & 0x7f;
            expected.push(next & 0x7f);
          }
          input.arrive(size);
          if (how === 'window') {
            if (input.open()) eat(n);
          } else if (how === 'refill') {
            if (input.open()) eat(n >> 1);
            input.refill();
            eat(n >> 1);
          } else if (how === 'take') {
            const target = Buffer.alloc(n);
            got.push(...target.subarray(0, input.take(target)));
          } else if (how === 'skip') {
            const skipped = Math.min(n, input.length);
            got.push(...expected.slice(got.length, got.length + skipped));
            input.skip(n);
          } else if (how === 'first') {
            if (input.length > 0) expect(input.first[input.firstAt]).toBe(expected[got.length]);
          } else {
            disturb(receive);
          }
          expect(input.length).toBe(expected.length - got.length);
        }
        while (input.open()) eat(SIZE);
        expect(got).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});

describe('a receive buffer with room for several receives', () => {
  test('what waits stays where it is while others receive behind it', () => {
    const memory = Buffer.alloc(4 * SIZE);
    const receive = new ReceiveBuffer(() => memory, SIZE);
    const a = setUp(receive);
    const b = setUp(receive);
    a.arrive('first');
    b.arrive('second');
    expect([a.input.from, a.input.to, a.window()]).toEqual([0, 5, 'first']);
    expect([b.input.from, b.input.to, b.window()]).toEqual([5, 11, 'second']);
  });

  test('what arrives right behind what waits for the same session joins it without a copy', () => {
    const memory = Buffer.alloc(4 * SIZE);
    const a = setUp(new ReceiveBuffer(() => memory, SIZE));
    a.arrive('one');
    a.input.from += 1;
    a.arrive('two');
    expect([a.input.from, a.input.to, a.window()]).toEqual([1, 6, 'netwo']);
  });

  test('the room of what has been consumed is used again', () => {
    const memory = Buffer.alloc(4 * SIZE);
    const receive = new ReceiveBuffer(() => memory, SIZE);
    const a = setUp(receive);
    const b = setUp(receive);
    a.arrive('first');
    b.arrive('second');
    a.input.skip(5);
    b.input.skip(6);
    a.arrive('third');
    expect(a.input.from).toBe(0);
  });

  test('when it is full everybody moves out', () => {
    const memory = Buffer.alloc(2 * SIZE);
    const receive = new ReceiveBuffer(() => memory, SIZE);
    const a = setUp(receive);
    const b = setUp(receive);
    const c = setUp(receive);
    a.arrive('a'.repeat(SIZE));
    b.arrive('b');
    c.arrive('c');
    expect([c.input.from, c.window()]).toEqual([0, 'c']);
    expect([a.input.to, b.input.to]).toEqual([0, 0]);
    a.input.open();
    expect(a.window()).toBe('a'.repeat(SIZE));
    b.input.open();
    expect(b.window()).toBe('b');
  });

  test('its memory may move: offsets stay', () => {
    let memory = Buffer.alloc(4 * SIZE);
    const receive = new ReceiveBuffer(() => memory, SIZE);
    const a = setUp(receive);
    const b = setUp(receive);
    a.arrive('first');
    memory = Buffer.from(memory);
    b.arrive('second');
    expect([a.window(), b.window()]).toEqual(['first', 'second']);
    expect(receive.claim().buffer).toBe(memory.buffer);
  });

  test('property: no session loses, repeats or mixes up a byte, whatever the order of things', () => {
    type Step = { who: number; arrive?: number; take?: number; refill?: boolean };
    const step: fc.Arbitrary<Step> = fc.oneof(
      fc.record({ who: fc.nat(3), arrive: fc.integer({ min: 1, max: SIZE }) }),
      fc.record({ who: fc.nat(3), take: fc.integer({ min: 1, max: 2 * SIZE }) }),
      fc.record({ who: fc.nat(3), refill: fc.constant(true) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (steps, shares) => {
        const memory = Buffer.alloc(shares * SIZE);
        const receive = new ReceiveBuffer(() => memory, SIZE);
        const all = Array.from({ length: 4 }, () => ({ ...setUp(receive), sent: 0, got: 0 }));
        const letter = (i: number) => String.fromCharCode(0x21 + (i % 90));
        for (const { who, arrive, take, refill } of steps) {
          const one = all[who] as (typeof all)[number];
          if (arrive !== undefined) {
            const text = Array.from({ length: arrive }, (_, i) => letter(one.sent + i * 7 + who)).join('');
            one.arrive(text);
            one.sent += arrive * 7;
          } else if (refill) {
            one.input.refill();
          } else if (take !== undefined && one.input.open()) {
            const { input } = one;
            const n = Math.min(take, input.to - input.from);
            for (let i = 0; i < n; i++) {
              expect(String.fromCharCode(input.buf[input.from + i] as number)).toBe(letter(one.got + who));
              one.got += 7;
            }
            input.from += n;
          }
          for (const { input, sent, got } of all) expect(input.length * 7).toBe(sent - got);
        }
      }),
      { numRuns: 300 },
    );
  });
});

test('what was moved out comes back in pieces, not all at once', () => {
  const share = 64 * 1024;
  const memory = Buffer.alloc(share);
  const receive = new ReceiveBuffer(() => memory, share);
  const { input } = setUp(receive);
  receive.claim().fill(7);
  input.arrive(share);
  receive.claim();
  const shown: number[] = [];
  for (let i = 0; i < 4; i++) {
    input.refill();
    shown.push(input.to - input.from);
  }
  // each shows twice as much as the one before, if nothing of it is consumed
  expect(shown).toEqual([4096, 8192, 16_384, 32_768]);
  expect(input.length).toBe(share);
});
