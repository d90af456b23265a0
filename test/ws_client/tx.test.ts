import { describe, expect, test } from 'vitest';
import { Backoff } from '../../src/ws_client/backoff.js';
import { maskingKey } from '../../src/ws_client/masking_keys.js';
import { Tx } from '../../src/ws_client/tx.js';
import { BINARY, parseFrames, TEXT } from '../support/ws_frames.js';

function rig() {
  const writes: Buffer[] = [];
  const later: (() => void)[] = [];
  const state = { takes: true, kept: [] as Buffer[] };
  const tx = new Tx(
    () => 0x3d21fa37,
    fn => later.push(fn),
    () => {},
  );
  tx.open({
    write(bytes) {
      writes.push(Buffer.from(bytes));
      // what is taken may be written over, what is kept must not
      if (state.takes) bytes.fill(0xee);
      else state.kept.push(bytes);
      return state.takes;
    },
  });
  const turn = () => {
    for (const fn of later.splice(0)) fn();
  };
  return { tx, writes, turn, state };
}

describe('what is to be sent', () => {
  test('is masked as RFC 6455 section 5.7 shows it', () => {
    const { tx, writes, turn } = rig();
    tx.frame(true, TEXT, 'Hello');
    turn();
    expect(writes).toEqual([Buffer.from('818537fa213d7f9f4d5158', 'hex')]);
  });

  test('no large block of memory is kept behind a large frame', () => {
    const sizes: number[] = [];
    const later: (() => void)[] = [];
    const tx = new Tx(
      () => 0,
      fn => later.push(fn),
      () => {},
    );
    tx.open({ write: bytes => sizes.push(bytes.buffer.byteLength) > 0 });
    for (const len of [1_000_000, 10, 10]) {
      tx.frame(true, BINARY, Buffer.alloc(len));
      for (const fn of later.splice(0)) fn();
    }
    expect(sizes[0]).toBeGreaterThan(1_000_000);
    expect(Math.max(...sizes.slice(-2))).toBeLessThanOrEqual(64 * 1024);
  });

  test('leaves in one write for each turn', () => {
    const { tx, writes, turn } = rig();
    for (let i = 0; i < 100; i++) tx.frame(true, BINARY, Buffer.alloc(i, i));
    expect(writes).toHaveLength(0);
    // the first block is 2 KiB
    turn();
    expect(writes.length).toBeLessThan(4);
    writes.length = 0;
    for (let i = 0; i < 100; i++) tx.frame(true, TEXT, 'x');
    turn();
    expect(writes).toHaveLength(1);
    expect([tx.pending, tx.blocked]).toEqual([0, false]);
  });

  test.each([125, 126, 65_535, 65_536, 300_000])(
    'a payload of %i bytes arrives, and the application keeps its own',
    len => {
      const { tx, writes, turn } = rig();
      const payload = Buffer.alloc(len, 'abcdefg');
      const before = Buffer.from(payload);
      tx.frame(false, BINARY, payload);
      tx.frame(true, TEXT, payload.toString());
      turn();
      expect(payload.equals(before)).toBe(true);
      expect(Math.max(...writes.map(bytes => bytes.length))).toBeLessThanOrEqual(64 * 1024);
      const { frames, rest } = parseFrames(Buffer.concat(writes));
      expect(rest).toHaveLength(0);
      expect(frames.map(({ fin, masked, payload: got }) => [fin, masked, got.equals(before)])).toEqual([
        [false, true, true],
        [true, true, true],
      ]);
    },
  );

  test('waits while the socket keeps something, whose memory nobody touches', () => {
    const { tx, writes, turn, state } = rig();
    state.takes = false;
    for (let i = 0; i < 3; i++) tx.frame(true, BINARY, Buffer.alloc(100_000, i));
    turn();
    expect([writes.length, tx.blocked]).toEqual([1, true]);
    for (let i = 3; i < 50; i++) {
      tx.frame(true, BINARY, Buffer.alloc(1_000, i));
      if (i % 5 === 0) turn();
    }
    expect(tx.pending).toBeGreaterThan(340_000);
    for (let n = 0; tx.pending > 0 && n < 100; n++) {
      state.takes = n % 3 === 0;
      tx.onTaken();
    }
    expect([tx.pending, tx.blocked]).toEqual([0, false]);
    const { frames, rest } = parseFrames(Buffer.concat(writes));
    expect([frames.length, rest.length]).toEqual([50, 0]);
    for (const [i, { payload }] of frames.entries()) {
      expect(payload.equals(Buffer.alloc(i < 3 ? 100_000 : 1_000, i))).toBe(true);
    }
    for (const bytes of state.kept) expect(writes.some(write => write.equals(bytes))).toBe(true);
  });
});

test('a short block that the socket keeps is not written to again', () => {
  const { tx, writes, turn, state } = rig();
  state.takes = false;
  tx.frame(true, TEXT, 'one');
  turn();
  tx.frame(true, TEXT, 'two');
  turn();
  expect(state.kept.map(bytes => bytes.toString('hex'))).toEqual(writes.map(bytes => bytes.toString('hex')));
  tx.onTaken();
  expect([state.kept.length, writes.length]).toEqual([2, 2]);
  expect(state.kept.every((bytes, i) => bytes.equals(writes[i] as Buffer))).toBe(true);
});

test('masking keys do not repeat', () => {
  expect(new Set(Array.from({ length: 5_000 }, maskingKey)).size).toBeGreaterThan(4_990);
});

describe('the wait before a client connects again', () => {
  const rules = { firstMs: 1_000, maxMs: 10_000, jitter: 0.5 };

  test('doubles up to its maximum, and begins anew', () => {
    const backoff = new Backoff(() => 0);
    const waits = Array.from({ length: 6 }, () => backoff.next(rules));
    expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    backoff.reset();
    expect(backoff.next(rules)).toBe(1_000);
  });

  test('is shorter by chance', () => {
    let random = 0.5;
    const backoff = new Backoff(() => random);
    expect(backoff.next(rules)).toBe(750);
    random = 0.999;
    expect(backoff.next(rules)).toBe(1_001);
  });

  test('is never shorter than without a maximum below the first', () => {
    const backoff = new Backoff(() => 0);
    const small = { ...rules, maxMs: 10 };
    expect([backoff.next(small), backoff.next(small)]).toEqual([1_000, 1_000]);
    expect(backoff.next({ ...rules, firstMs: 0 })).toBe(0);
  });

  test('grows from nothing, too', () => {
    const backoff = new Backoff(() => 0);
    const waits = Array.from({ length: 2_000 }, () => backoff.next({ firstMs: 0, maxMs: 10, jitter: 0 }));
    expect([...waits.slice(0, 5), waits.at(-1)]).toEqual([0, 2, 4, 8, 10, 10]);
  });
});
