import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Sess } from '../../src/sess/sess.js';
import { SessTable } from '../../src/sess/table.js';

/** What the table looks at, and nothing else of a session. */
function fake(fd: number, traits: { purgeable?: boolean; isWebsocket?: boolean } = {}): Sess {
  const { purgeable = true, isWebsocket = false } = traits;
  return { fd, purgeable, listed: false, protocol: { isWebsocket } } as unknown as Sess;
}

function filled(count: number, traits: (i: number) => Parameters<typeof fake>[1] = () => ({})) {
  const table = new SessTable(4);
  const all = Array.from({ length: count }, (_, i) => fake(table.nextFd(), traits(i)));
  for (const sess of all) table.add(sess);
  return { table, all };
}

describe('the session table', () => {
  test('gives out numbers from the first on, and never one again', () => {
    const table = new SessTable(54);
    expect(table.maxFd).toBe(53);
    const first = fake(table.nextFd());
    expect(first.fd).toBe(54);
    table.add(first);
    table.remove(first);
    expect([table.nextFd(), table.nextFd(), table.maxFd]).toEqual([55, 56, 56]);
  });

  test('finds a session by its number while it is there', () => {
    const { table, all } = filled(3);
    expect([table.size, table.fds()]).toEqual([3, [4, 5, 6]]);
    expect(table.get(5)).toBe(all[1]);
    table.remove(all[1] as Sess);
    expect([table.size, table.fds(), table.get(5)]).toEqual([2, [4, 6], undefined]);
    expect([...table]).toEqual([all[0], all[2]]);
  });

  test('removing twice changes nothing', () => {
    const { table, all } = filled(3);
    table.remove(all[0] as Sess);
    table.remove(all[0] as Sess);
    expect(table.fds()).toEqual([5, 6]);
    expect(table.purgeCandidate()).toBe(all[1]);
  });

  test('may lose sessions while it is walked', () => {
    const { table } = filled(10);
    const seen: number[] = [];
    for (const sess of table) {
      seen.push(sess.fd);
      if (sess.fd % 2 === 0) table.remove(sess);
    }
    expect(seen).toHaveLength(10);
    expect(table.size).toBe(5);
  });
});

describe('least recently used', () => {
  test('is the oldest that nothing has touched', () => {
    const { table, all } = filled(3);
    expect(table.purgeCandidate()).toBe(all[0]);
    table.touch(all[0] as Sess);
    expect(table.purgeCandidate()).toBe(all[1]);
    table.touch(all[1] as Sess);
    table.touch(all[1] as Sess);
    expect(table.purgeCandidate()).toBe(all[2]);
  });

  test('an empty table has none', () => {
    expect(new SessTable(0).purgeCandidate()).toBeUndefined();
  });

  test('one that is busy or has something to send is passed over', () => {
    const { table, all } = filled(3, i => ({ purgeable: i === 2 }));
    expect(table.purgeCandidate()).toBe(all[2]);
  });

  test('none, if all are busy', () => {
    const { table } = filled(3, () => ({ purgeable: false }));
    expect(table.purgeCandidate()).toBeUndefined();
  });

  test('an idle HTTP session goes before an older WebSocket', () => {
    const { table, all } = filled(3, i => ({ isWebsocket: i < 2 }));
    expect(table.purgeCandidate()).toBe(all[2]);
  });

  test('among WebSockets the oldest goes', () => {
    const { table, all } = filled(3, () => ({ isWebsocket: true }));
    table.touch(all[0] as Sess);
    expect(table.purgeCandidate()).toBe(all[1]);
  });

  test('touching a session that is not there does not bring it back', () => {
    const { table, all } = filled(2);
    table.remove(all[0] as Sess);
    table.touch(all[0] as Sess);
    expect(table.purgeCandidate()).toBe(all[1]);
    table.remove(all[1] as Sess);
    expect(table.purgeCandidate()).toBeUndefined();
  });

  test('is what a list says that is kept by hand, for any order of use', () => {
    const action = fc.record({ kind: fc.constantFrom('add', 'touch', 'remove'), which: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), actions => {
        const table = new SessTable(1);
        const order: Sess[] = [];
        for (const { kind, which } of actions) {
          if (kind === 'add') {
            const sess = fake(table.nextFd());
            table.add(sess);
            order.push(sess);
            continue;
          }
          const sess = order[which % Math.max(1, order.length)];
          if (sess === undefined) continue;
          order.splice(order.indexOf(sess), 1);
          if (kind === 'touch') {
            table.touch(sess);
            order.push(sess);
          } else {
            table.remove(sess);
          }
          expect(table.purgeCandidate()).toBe(order[0]);
        }
        while (order.length > 0) {
          expect(table.purgeCandidate()).toBe(order[0]);
          table.remove(order.shift() as Sess);
        }
        expect([table.size, table.purgeCandidate()]).toEqual([0, undefined]);
      }),
    );
  });
});
