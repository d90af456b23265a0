import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Outbox, TxQueue } from '../../src/sess/tx.js';

/** A socket that takes `room` bytes, and perhaps holds them. */
class Sink {
  room = Number.POSITIVE_INFINITY;
  pending = 0;
  holds = false;
  calls = 0;
  readonly out: Buffer[] = [];

  send(buf: Buffer, from: number, to: number): number {
    this.calls += 1;
    const n = Math.min(this.room, to - from);
    this.room -= n;
    this.out.push(Buffer.from(buf.subarray(from, from + n)));
    if (this.holds) this.pending += n;
    return n;
  }

  get sent(): Buffer {
    return Buffer.concat(this.out);
  }
}

function onTxFault(thrown: unknown): void {
  throw thrown;
}

function setUp(outbox = new Outbox(() => {})) {
  const sink = new Sink();
  const progress: (readonly [sent: number, blocked: boolean])[] = [];
  const tx = new TxQueue(sink, outbox, { onTxProgress: (sent, blocked) => progress.push([sent, blocked]), onTxFault });
  return { sink, progress, tx, outbox };
}

const turn = () => new Promise<void>(resolve => setImmediate(resolve));
const SLAB = 1024 * 1024;

describe('the transmit queue', () => {
  test('what one turn of the loop queues leaves in one send', async () => {
    const { sink, tx, progress } = setUp();
    for (const text of ['one', 'two', 'three']) tx.write(Buffer.from(text));
    expect([sink.calls, tx.queued, tx.pending]).toEqual([0, 11, 11]);
    await turn();
    expect([sink.calls, tx.queued, sink.sent.toString()]).toEqual([1, 0, 'onetwothree']);
    expect(progress).toEqual([[11, false]]);
  });

  test('reserve makes room, and commit may use less of it', async () => {
    const { sink, tx } = setUp();
    const at = tx.reserve(100);
    tx.commit(tx.buf.write('short', at));
    await turn();
    expect(sink.sent.toString()).toBe('short');
  });

  test('the bytes of sessions that write in turns do not mix', async () => {
    const outbox = new Outbox(() => {});
    const all = [setUp(outbox), setUp(outbox), setUp(outbox)];
    for (let round = 0; round < 5; round++) {
      for (const [i, { tx }] of all.entries()) tx.write(Buffer.from(`${i}${round} `));
    }
    await turn();
    expect(all.map(({ sink }) => sink.sent.toString())).toEqual(
      [0, 1, 2].map(i => [0, 1, 2, 3, 4].map(round => `${i}${round} `).join('')),
    );
  });

  test('sessions that write in turns send once each, and nothing is copied aside', async () => {
    const outbox = new Outbox(() => {});
    const all = Array.from({ length: 50 }, () => setUp(outbox));
    for (let round = 0; round < 16; round++) for (const { tx } of all) tx.write(Buffer.alloc(34, round));
    await turn();
    for (const { sink } of all) expect([sink.calls, sink.sent.length]).toEqual([1, 16 * 34]);
  });

  test('five thousand sessions that are sent a hundred bytes each fit into one turn', async () => {
    const outbox = new Outbox(() => {});
    const all = Array.from({ length: 5_000 }, () => setUp(outbox));
    for (const { tx } of all) tx.write(Buffer.alloc(100, 7));
    // had it not been enough, the slab would have begun anew
    expect(outbox.top).toBeGreaterThan(SLAB / 2 + 400_000);
    await turn();
    for (const { sink } of all) expect([sink.calls, sink.sent.length]).toEqual([1, 100]);
  });

  test('what is more than a quarter of the slab goes to the socket at once, behind what is queued', () => {
    const { tx, sink, progress } = setUp();
    tx.write(Buffer.from('head'));
    const body = Buffer.alloc(SLAB / 4 + 1, 1);
    tx.write(body);
    expect(sink.sent.equals(Buffer.concat([Buffer.from('head'), body]))).toBe(true);
    expect([tx.queued, progress]).toEqual([0, [[4 + body.length, false]]]);
  });

  test('of such a write only what the socket does not take is kept, and it may be changed afterwards', () => {
    const { tx, sink } = setUp();
    sink.room = 100_000;
    const body = Buffer.alloc(SLAB / 4 + 1, 1);
    tx.write(body);
    body.fill(2);
    expect([sink.sent.length, tx.queued]).toEqual([100_000, body.length - 100_000]);
    sink.room = Number.POSITIVE_INFINITY;
    tx.onWritable();
    expect(sink.sent.equals(Buffer.alloc(body.length, 1))).toBe(true);
  });

  test('what application code writes while bytes go through it goes out too, and blocks nobody', async () => {
    const { tx, sink, progress } = setUp();
    const diverted = {
      pending: 0,
      send(buf: Buffer, from: number, to: number): number {
        if (sink.calls === 0) tx.write(Buffer.from('behind'));
        return sink.send(buf, from, to);
      },
    };
    tx.sendThrough(diverted, true);
    tx.write(Buffer.from('first '));
    await turn();
    await turn();
    expect(sink.sent.toString()).toBe('first behind');
    expect(progress).toEqual([
      [6, false],
      [6, false],
    ]);
    expect([tx.stuck, tx.queued, tx.pending]).toEqual([false, 0, 0]);
  });

  test.each([
    ['little, which is copied', 10],
    ['more, which is shared', 600],
  ])(
    'what is queued for a session while application code takes a part of its bytes stays behind the rest: %s',
    async (_what, n) => {
      const { tx, sink } = setUp();
      const broadcast = Buffer.alloc(n, 'b');
      tx.sendThrough(
        {
          pending: 0,
          send(buf: Buffer, from: number, to: number): number {
            if (sink.calls === 0) tx.share(broadcast);
            return sink.send(buf, from, to);
          },
        },
        true,
      );
      sink.room = 3;
      tx.write(Buffer.from('first '));
      await turn();
      expect([sink.sent.toString(), tx.queued]).toEqual(['fir', 3 + n]);
      sink.room = Number.POSITIVE_INFINITY;
      tx.onWritable();
      expect([sink.sent.toString(), tx.queued]).toEqual([`first ${broadcast}`, 0]);
    },
  );

  test('sessions that have not been flushed yet keep their bytes when one that is flushed fills the slab', async () => {
    const outbox = new Outbox(() => {});
    const [first, waiting, target] = [setUp(outbox), setUp(outbox), setUp(outbox)];
    const many = Buffer.alloc(200_000, 'Z');
    first.tx.sendThrough(
      {
        pending: 0,
        send(buf: Buffer, from: number, to: number): number {
          for (let i = 0; i < 6 && first.sink.calls === 0; i++) target.tx.write(many);
          return first.sink.send(buf, from, to);
        },
      },
      true,
    );
    first.tx.write(Buffer.from('first'));
    waiting.tx.write(Buffer.from('a secret of another client'));
    await turn();
    await turn();
    expect(first.sink.sent.toString()).toBe('first');
    expect(waiting.sink.sent.toString()).toBe('a secret of another client');
    expect(target.sink.sent.equals(Buffer.alloc(1_200_000, 'Z'))).toBe(true);
  });

  test('the slab is used anew in each turn', async () => {
    const { tx, outbox } = setUp();
    const slab = outbox.slab;
    for (let i = 0; i < 20; i++) {
      tx.write(Buffer.alloc(200_000));
      await turn();
      expect([outbox.top, outbox.slab === slab]).toEqual([0, true]);
    }
  });

  test('what the socket does not take waits for onWritable', async () => {
    const { sink, tx, progress } = setUp();
    sink.room = 4;
    tx.write(Buffer.from('hello world'));
    await turn();
    expect([sink.sent.toString(), tx.queued]).toEqual(['hell', 7]);
    tx.write(Buffer.from('!'));
    await turn();
    expect(sink.calls).toBe(1);
    sink.room = 100;
    tx.onWritable();
    expect([sink.sent.toString(), tx.queued]).toEqual(['hello world!', 0]);
    expect(progress).toEqual(
      [
        [4, true],
        [0, true],
        [8, false],
      ].filter(([sent]) => sent !== 0),
    );
  });

  test('bytes that the socket holds count as pending, and the next wait for onWritable', async () => {
    const { sink, tx, progress } = setUp();
    sink.holds = true;
    tx.write(Buffer.from('abc'));
    await turn();
    expect([tx.queued, tx.pending]).toEqual([0, 3]);
    tx.write(Buffer.from('def'));
    await turn();
    expect([sink.sent.toString(), tx.pending]).toEqual(['abc', 6]);
    sink.pending = 0;
    sink.holds = false;
    tx.onWritable();
    expect([sink.sent.toString(), tx.pending]).toEqual(['abcdef', 0]);
    expect(progress.at(-1)).toEqual([3, false]);
  });

  test('onWritable with nothing to send says that nothing blocks any more', async () => {
    const { sink, tx, progress } = setUp();
    sink.holds = true;
    tx.write(Buffer.from('abc'));
    await turn();
    sink.pending = 0;
    tx.onWritable();
    expect(progress).toEqual([
      [3, true],
      [0, false],
    ]);
  });

  test('bytes that wait are copied: the slab is free for others', async () => {
    const outbox = new Outbox(() => {});
    const slow = setUp(outbox);
    const fast = setUp(outbox);
    slow.sink.room = 0;
    slow.tx.write(Buffer.from('kept'));
    await turn();
    fast.tx.write(Buffer.alloc(1_000, 'x'));
    await turn();
    slow.sink.room = 100;
    slow.tx.onWritable();
    expect(slow.sink.sent.toString()).toBe('kept');
  });

  test.each([SLAB / 4, SLAB / 4 + 1, SLAB, 3 * SLAB])('a message of %i bytes goes out whole', async n => {
    const { sink, tx } = setUp();
    const bytes = Buffer.alloc(n, 'abcdefg');
    tx.write(Buffer.from('before '));
    tx.write(bytes);
    tx.write(Buffer.from(' after'));
    await turn();
    expect(sink.sent.equals(Buffer.concat([Buffer.from('before '), bytes, Buffer.from(' after')]))).toBe(true);
    expect(tx.pending).toBe(0);
  });

  test('more than the slab holds in one turn goes out too, in its order', async () => {
    const outbox = new Outbox(() => {});
    const all = [setUp(outbox), setUp(outbox)];
    const expected = [Buffer.alloc(0), Buffer.alloc(0)];
    for (let i = 0; i < 12; i++) {
      for (const [j, { tx }] of all.entries()) {
        const bytes = Buffer.alloc(150_000, `${j}:${i};`);
        tx.write(bytes);
        expected[j] = Buffer.concat([expected[j] as Buffer, bytes]);
      }
    }
    await turn();
    expect(all.map(({ sink }, j) => sink.sent.equals(expected[j] as Buffer))).toEqual([true, true]);
    expect(outbox.top).toBe(0);
  });

  test('flush sends before the turn ends', () => {
    const { sink, tx } = setUp();
    tx.write(Buffer.from('now'));
    tx.flush();
    expect(sink.sent.toString()).toBe('now');
  });

  test('clear drops everything, also what comes later', async () => {
    const { sink, tx, progress } = setUp();
    tx.write(Buffer.from('lost'));
    tx.clear();
    expect(tx.pending).toBe(0);
    tx.write(Buffer.from('too late'));
    tx.share(Buffer.alloc(600));
    tx.write(Buffer.alloc(SLAB / 4 + 1));
    await turn();
    tx.flush();
    expect([sink.calls, progress]).toEqual([0, []]);
  });

  test('what is written while the outbox flushes goes out in the next turn', async () => {
    const outbox = new Outbox(() => {});
    const sink = new Sink();
    let echoes = 0;
    const tx: TxQueue = new TxQueue(sink, outbox, {
      onTxFault,
      onTxProgress: () => {
        if (echoes++ < 3) tx.write(Buffer.from(`echo ${echoes} `));
      },
    });
    tx.write(Buffer.from('first '));
    const after: string[] = [];
    for (let i = 0; i < 5; i++) {
      await turn();
      after.push(sink.sent.toString());
    }
    // one more in each turn, so that others come in between
    expect(after).toEqual([
      'first ',
      'first echo 1 ',
      'first echo 1 echo 2 ',
      'first echo 1 echo 2 echo 3 ',
      'first echo 1 echo 2 echo 3 ',
    ]);
    expect([sink.calls, tx.queued, outbox.top]).toEqual([4, 0, 0]);
  });

  test('the end of each flush is told', async () => {
    let turns = 0;
    const { tx } = setUp(new Outbox(() => turns++));
    await turn();
    expect(turns).toBe(0);
    tx.write(Buffer.from('x'));
    tx.write(Buffer.from('y'));
    await turn();
    expect(turns).toBe(1);
  });

  test('any writes of any sessions to sockets of any moods come out whole and in order', async () => {
    const write = fc.record({
      who: fc.integer({ min: 0, max: 2 }),
      size: fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.constantFrom(1_024, 65_536, 262_144, 262_145, 700_000)),
    });
    const mood = fc.record({ room: fc.constantFrom(0, 1, 1_000, 70_000, 1e9), flush: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.array(write, { maxLength: 6 }), mood), { maxLength: 8 }), async turns => {
        const outbox = new Outbox(() => {});
        const all = [setUp(outbox), setUp(outbox), setUp(outbox)];
        const expected = all.map(() => [] as Buffer[]);
        let fill = 0;
        for (const [writes, { room, flush }] of turns) {
          for (const { sink } of all) sink.room = room;
          for (const { who, size } of writes) {
            const bytes = Buffer.alloc(size, (fill++ % 255) + 1);
            expected[who]?.push(bytes);
            all[who]?.tx.write(bytes);
          }
          if (flush) for (const { tx } of all) tx.flush();
          await turn();
          for (const [i, { tx, sink }] of all.entries()) {
            const total = expected[i]?.reduce((n, bytes) => n + bytes.length, 0) ?? 0;
            expect(tx.queued).toBe(total - sink.sent.length);
            sink.room = 10_000;
            tx.onWritable();
          }
        }
        for (const [i, { tx, sink }] of all.entries()) {
          sink.room = Number.POSITIVE_INFINITY;
          tx.onWritable();
          expect(tx.pending).toBe(0);
          expect(sink.sent.equals(Buffer.concat(expected[i] ?? []))).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });
});
