import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ByteQueue } from '../../src/sess/byte_queue.js';

/** `n` bytes that differ from those before and behind them. */
function bytesFrom(start: number, n: number): Buffer {
  const bytes = Buffer.allocUnsafe(n);
  for (let i = 0; i < n; i++) bytes[i] = (start + i) % 251;
  return bytes;
}

/** A socket that takes so many bytes at each call, then none. */
function taking(...amounts: number[]) {
  const got: Buffer[] = [];
  const given: number[] = [];
  return {
    got: () => Buffer.concat(got),
    given,
    send: (buf: Buffer, from: number, to: number) => {
      const n = Math.min(to - from, amounts.shift() ?? 0);
      given.push(to - from);
      got.push(Buffer.from(buf.subarray(from, from + n)));
      return n;
    },
  };
}

const ALL = Number.POSITIVE_INFINITY;

describe('bytes that wait', () => {
  test('are none at first', () => {
    const queue = new ByteQueue();
    expect(queue.empty).toBe(true);
    const sock = taking(ALL);
    expect(queue.sendTo(sock)).toBe(0);
    expect(sock.given).toEqual([]);
    queue.take(0);
    expect(queue.empty).toBe(true);
  });

  test('are copies of what was given', () => {
    const queue = new ByteQueue();
    const source = bytesFrom(1, 100);
    queue.copy(source, 10, 60);
    source.fill(0);
    const target = Buffer.alloc(52, 0xee);
    queue.take(50, target);
    expect(target).toEqual(Buffer.concat([bytesFrom(11, 50), Buffer.from([0xee, 0xee])]));
    expect(queue.empty).toBe(true);
  });

  test('of no bytes are nothing', () => {
    const queue = new ByteQueue();
    queue.copy(Buffer.alloc(5), 3, 3);
    expect(queue.empty).toBe(true);
    queue.copy(bytesFrom(1, 3), 0, 3);
    queue.copy(Buffer.alloc(5), 5, 5);
    const sock = taking(ALL, ALL);
    expect(queue.sendTo(sock)).toBe(3);
    expect(sock.given).toEqual([3]);
  });

  test('are taken in any portions, or dropped', () => {
    const queue = new ByteQueue();
    const all = bytesFrom(0, 5000);
    queue.copy(all, 0, 5000);
    const target = Buffer.alloc(2000);
    queue.take(1000, target);
    queue.take(2000);
    queue.take(1500, target);
    expect(target.subarray(0, 1500)).toEqual(all.subarray(3000, 4500));
    queue.take(500, target);
    expect(target.subarray(0, 500)).toEqual(all.subarray(4500));
    expect(queue.empty).toBe(true);
  });

  test('that many queues have are neither copied nor written to', () => {
    const queue = new ByteQueue();
    const shared = bytesFrom(0, 2000);
    const kept = Buffer.from(shared);
    queue.copy(bytesFrom(7, 10), 0, 10);
    queue.add(shared, shared.length);
    queue.copy(bytesFrom(9, 3000), 0, 3000);
    queue.add(shared, shared.length);
    queue.copy(bytesFrom(9, 5), 0, 5);
    const sock = taking(...Array.from({ length: 10 }, () => ALL));
    expect(queue.sendTo(sock)).toBe(7015);
    expect(sock.got()).toEqual(Buffer.concat([bytesFrom(7, 10), kept, bytesFrom(9, 3000), kept, bytesFrom(9, 5)]));
    expect(shared).toEqual(kept);
  });

  test('of a block that is added with room left are followed by what is copied into that room', () => {
    const queue = new ByteQueue();
    const block = Buffer.alloc(100);
    bytesFrom(0, 40).copy(block);
    queue.add(block, 40);
    queue.copy(bytesFrom(40, 60), 0, 60);
    const sock = taking(ALL, ALL);
    expect(queue.sendTo(sock)).toBe(100);
    expect(sock.got()).toEqual(bytesFrom(0, 100));
    expect(block).toEqual(bytesFrom(0, 100));
  });
});

describe('sending', () => {
  test('joins small blocks, and gives large ones as they are', () => {
    const queue = new ByteQueue();
    const parts = [600, 600, 600, 70_000, 600, 600].map((n, i) => bytesFrom(i, n));
    for (const part of parts) queue.add(part, part.length);
    const sock = taking(ALL, ALL, ALL, ALL, ALL, ALL);
    expect(queue.sendTo(sock)).toBe(73_000);
    expect(sock.given).toEqual([1800, 70_000, 1200]);
    expect(sock.got()).toEqual(Buffer.concat(parts));
  });

  test('stops where the socket does, and goes on there', () => {
    const all = bytesFrom(0, 10_000);
    for (const first of [0, 1, 1023, 1024, 1025, 9_999]) {
      const queue = new ByteQueue();
      for (let at = 0; at < all.length; at += 500) queue.copy(all, at, at + 500);
      const sock = taking(first, 0, ALL, ALL, ALL);
      expect(queue.sendTo(sock)).toBe(first);
      expect(sock.given).toHaveLength(1);
      expect(queue.sendTo(sock)).toBe(0);
      queue.copy(bytesFrom(1, 10), 0, 10);
      expect(queue.sendTo(sock)).toBe(10_010 - first);
      expect(sock.got()).toEqual(Buffer.concat([all, bytesFrom(1, 10)]));
      expect(queue.empty).toBe(true);
    }
  });

  test('of a great many small blocks needs few calls', () => {
    const queue = new ByteQueue();
    const block = bytesFrom(0, 600);
    for (let i = 0; i < 10_000; i++) queue.add(block, block.length);
    const sock = taking(...Array.from({ length: 10_000 }, () => ALL));
    expect(queue.sendTo(sock)).toBe(6_000_000);
    // 64 KiB at a time
    expect(sock.given.length).toBeLessThanOrEqual(100);
    expect(sock.got().equals(Buffer.alloc(6_000_000, block))).toBe(true);
  });
});

describe('memory', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Copies chunks of these sizes into a queue. @returns bytes copied, and allocated for them */
  function fill(sizes: Iterable<number>): { queue: ByteQueue; copied: number; allocated: number } {
    let allocated = 0;
    const { allocUnsafeSlow } = Buffer;
    const spy = vi.spyOn(Buffer, 'allocUnsafeSlow').mockImplementation(size => {
      allocated += size;
      return allocUnsafeSlow(size);
    });
    const source = Buffer.alloc(200_000);
    const queue = new ByteQueue();
    let copied = 0;
    for (const size of sizes) {
      queue.copy(source, 0, size);
      copied += size;
    }
    spy.mockRestore();
    return { queue, copied, allocated };
  }

  const times = (n: number, size: number) => Array.from({ length: n }, () => size);

  test.each([1, 2, 10, 511, 1023, 1024, 1025, 3000, 100_000, 1_000_000])(
    'for %i bytes that come one by one is no more than twice that, and a block',
    n => {
      const { allocated, copied } = fill(times(n, 1));
      expect(copied).toBe(n);
      expect(allocated).toBeGreaterThanOrEqual(n);
      expect(allocated).toBeLessThanOrEqual(2 * n + 1024);
    },
  );

  test('for chunks that just do not fit is no more than that', () => {
    // each of them leaves as much as it can of a block of twice the size of the one before
    const sizes = [1, 1024, 1025, 3072, 5121, 11_264, 21_505, 44_032, 40_000, 30_000];
    const { allocated, copied } = fill(sizes);
    expect(allocated).toBeLessThanOrEqual(2 * copied + 1024);
  });

  test('for any chunks is no more than that', () => {
    const size = fc.oneof(fc.nat(3), fc.nat(3000), fc.nat(200_000));
    fc.assert(
      fc.property(fc.array(size, { maxLength: 60 }), sizes => {
        const { allocated, copied } = fill(sizes);
        expect(allocated).toBeLessThanOrEqual(2 * copied + 1024);
      }),
      { numRuns: 50 },
    );
  });

  test('is let go of as bytes are taken', () => {
    const { queue } = fill(times(300, 1024));
    const blocks = () => Reflect.get(queue, 'blocks') as Buffer[];
    const held = () => blocks().reduce((sum, block) => sum + block.buffer.byteLength, 0);
    for (let left = 300 * 1024; left >= 0; left -= 1024) {
      // the first block may have one byte left, and the last one little in it
      expect(held()).toBeLessThanOrEqual(left + 2 * 64 * 1024);
      if (left > 0) queue.take(1024);
    }
    expect(held()).toBe(0);
  });
});

test('whatever is done with it, its bytes come out in their order, each once', () => {
  const n = fc.oneof(fc.nat(5), fc.nat(1500), fc.nat(70_000));
  const command = fc.oneof(
    fc.record({ do: fc.constant('copy' as const), n }),
    fc.record({ do: fc.constant('add' as const), n: n.map(size => size + 1) }),
    fc.record({ do: fc.constant('take' as const), n }),
    fc.record({ do: fc.constant('drop' as const), n }),
    fc.record({ do: fc.constant('send' as const), n }),
    fc.record({ do: fc.constant('append' as const), n }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 30 }), commands => {
      const queue = new ByteQueue();
      const model: { bytes: Buffer[]; next: number } = { bytes: [], next: 0 };
      const waiting = () => Buffer.concat(model.bytes);
      const fresh = (size: number) => {
        const bytes = bytesFrom(model.next, size);
        model.next += size;
        return bytes;
      };
      for (const { do: what, n: size } of commands) {
        const all = waiting();
        const some = Math.min(size, all.length);
        if (what === 'copy' || what === 'add' || what === 'append') {
          const bytes = fresh(size);
          if (what === 'copy') queue.copy(bytes, 0, size);
          else if (what === 'add') queue.add(bytes, size);
          else {
            const later = new ByteQueue();
            later.copy(bytes, 0, size >> 1);
            later.copy(bytes, size >> 1, size);
            queue.append(later);
          }
          model.bytes = [all, bytes];
        } else if (what === 'send') {
          const sock = taking(some, 0);
          expect(queue.sendTo(sock)).toBe(sock.got().length);
          const sent = sock.got();
          expect(sent.equals(all.subarray(0, sent.length))).toBe(true);
          model.bytes = [all.subarray(sent.length)];
        } else {
          const target = Buffer.alloc(some);
          queue.take(some, what === 'take' ? target : undefined);
          if (what === 'take') expect(target.equals(all.subarray(0, some))).toBe(true);
          model.bytes = [all.subarray(some)];
        }
        expect(queue.empty).toBe(waiting().length === 0);
      }
      const all = waiting();
      const target = Buffer.alloc(all.length);
      queue.take(all.length, target);
      expect(target.equals(all)).toBe(true);
    }),
    { numRuns: 150 },
  );
});
