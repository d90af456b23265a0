/** What holds for every conversation on a port with faults. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { choosePort } from '../../src/port/choose.js';
import { type Faults, randomFaults, type Strike } from './fault_port.js';
import { type Conversation, FaultyServer, type Outcome } from './fault_runs.js';
import { SELECT_LOOP } from './server.js';

/** Each send is refused once, and then takes so many bytes. */
function refused(bytes: number): NonNullable<Faults['send']> {
  let again = false;
  return n => {
    again = !again;
    return again ? 0 : Math.min(n, bytes);
  };
}

/** Makes the faults of a run; pieces of one byte have `one` bytes where much is said. */
type MakeFaults = (one: number) => Faults;

/** Faults that a client must not notice. */
const HARMLESS: readonly [string, MakeFaults][] = [
  ['receives of one byte, each in a turn of its own', one => ({ receive: () => one, piecePerTurn: true })],
  ['receives of one byte in one turn', one => ({ receive: () => one })],
  ['sends of one byte', one => ({ send: () => one })],
  ['EAGAIN at every send', () => ({ send: refused(Number.POSITIVE_INFINITY) })],
  ['EAGAIN, and then one byte', one => ({ send: refused(one), writableAfter: () => 2 })],
  ['all of that', one => ({ receive: () => one, piecePerTurn: true, send: refused(one) })],
];

const RANDOM = 5;

/** Pieces that make each run some ten to a hundred operations long. */
const STRUCK: readonly [string, MakeFaults][] = [
  ['whole pieces', () => ({})],
  ['small pieces', one => ({ receive: () => 47 * one, piecePerTurn: true, send: refused(97 * one) })],
];

/** Dates must not differ between two runs. */
export function stopDate(): void {
  beforeAll(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: 0 });
  });
  afterAll(() => {
    vi.useRealTimers();
  });
}

/** Under faults that a client must not notice, it gets the same bytes as without. */
export function sameBytes(conversation: Conversation): void {
  test(`${conversation.name}: the same bytes, whatever the port does`, async () => {
    const faulty = await FaultyServer.start(conversation);
    const plain = await faulty.run({});
    checkRun('no faults', plain, plain);
    for (const [name, faults] of HARMLESS) checkRun(name, await faulty.run(faults(conversation.scale ?? 1)), plain);
    for (let seed = 1; seed <= RANDOM; seed++) {
      checkRun(`seed ${seed}`, await faulty.run(randomFaults(seed, conversation.scale)(0)), plain);
    }
    checkRun('a kernel that holds what it takes', await faulty.run({}, { holds: true }), plain);
    expect(await faulty.stop()).toEqual([]);
  });
}

/** At each operation in turn the connection breaks, or ends: nothing is left behind. */
export function struckEverywhere(conversation: Conversation): void {
  test.each<Strike>(['reset', 'fin'])(
    `${conversation.name}: a %s at every step leaves nothing behind`,
    async strike => {
      const faulty = await FaultyServer.start(conversation);
      const plain = await faulty.run({});
      for (const [name, faults] of STRUCK) {
        for (let n = 1; ; n++) {
          const at = {
            ...faults(conversation.scale ?? 1),
            strike: (operation: number) => (operation === n ? strike : undefined),
          };
          const outcome = await faulty.run(at);
          const context = `${strike} at operation ${n}, ${name}`;
          expect(outcome.problems, context).toEqual([]);
          const { received } = outcome;
          // behind a FIN there may be an answer to what was cut off
          if (strike === 'reset') expect(plain.received.slice(0, received.length), context).toBe(received);
          if (outcome.operations < n) break;
        }
      }
      expect(await faulty.stop()).toEqual([]);
    },
  );
}

/** The server is stopped at each operation in turn: it stops, and nothing is left behind. */
export function stoppedEverywhere(conversation: Conversation): void {
  test(`${conversation.name}: stop() at every step leaves nothing behind`, async () => {
    const faults = STRUCK[1]?.[1](conversation.scale ?? 1) ?? {};
    for (let n = 1, operations = n; operations >= n; n++) {
      const faulty = await FaultyServer.start(conversation);
      const outcome = await faulty.run(faults, { stopAt: n });
      expect(outcome.problems, `stop at operation ${n}`).toEqual([]);
      expect(await faulty.stop(), `stop at operation ${n}`).toEqual([]);
      operations = outcome.operations;
    }
  });
}

/** Some of that over TCP, with a kernel's own faults beside those that are injected. */
export function overTcp(conversation: Conversation): void {
  test(`${conversation.name}: over TCP`, async () => {
    const scale = conversation.scale ?? 1;
    const faulty = await FaultyServer.start(conversation, choosePort(SELECT_LOOP, false).port);
    const plain = await faulty.run({});
    checkRun('no faults', plain, plain);
    const small: Faults = { receive: () => 29 * scale, send: refused(53 * scale) };
    checkRun('small pieces', await faulty.run(small), plain);
    for (let n = 1; n <= plain.operations; n++) {
      const outcome = await faulty.run({ strike: operation => (operation === n ? 'reset' : undefined) });
      expect(outcome.problems, `reset at operation ${n}`).toEqual([]);
    }
    expect(await faulty.stop()).toEqual([]);
  });
}

function checkRun(name: string, outcome: Outcome, plain: Outcome): void {
  const { received, complete, problems } = outcome;
  expect(problems, name).toEqual([]);
  expect(received, name).toBe(plain.received);
  expect(complete, name).toBe(true);
}
