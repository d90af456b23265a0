import { afterEach, expect, test, vi } from 'vitest';
import { TurnBudget } from '../../src/sess/turn_budget.js';

afterEach(() => vi.useRealTimers());

const turn = () => new Promise<void>(resolve => setImmediate(resolve));

/** A budget with time of its own, and those that it let go on. */
class Trial {
  readonly went: string[] = [];
  time = 0;
  readonly budget: TurnBudget<string>;

  /** @param ms how long the steps last of those that had to wait; they have had enough some time */
  constructor(ms = 0) {
    this.budget = new TurnBudget<string>(
      () => this.time,
      who => {
        if (this.went.push(who) < 60 && ms > 0) this.taken.push(this.goOn(who, ms));
      },
    );
  }

  /** How many steps each of them has taken. */
  readonly taken: number[] = [];

  /** Takes steps that last so many ms each. @returns how many */
  goOn(who: string, ms: number, due = false): number {
    let steps = 0;
    for (; steps < 10_000 && this.budget.spend(who, 1, due); steps++) this.time += ms;
    return steps;
  }
}

test('a share ends by its time: steps that take long are few, and those that take no time are many', () => {
  expect(new Trial().goOn('a', 0.001)).toBeGreaterThan(1_000);
  expect(new Trial().goOn('a', 0.1)).toBeLessThan(60);
  expect(new Trial().goOn('a', 5)).toBeLessThan(32);
});

test('once steps have taken long the clock is looked at behind each', async () => {
  const trial = new Trial(5);
  trial.goOn('a', 5);
  for (let i = 0; i < 6; i++) await turn();
  expect(trial.taken.slice(3, 6)).toEqual([1, 1, 1]);
});

test('who has used up its share goes on in the next turn, once, and in the order of asking', async () => {
  const trial = new Trial();
  const { budget, went } = trial;
  for (const who of ['a', 'b', 'c']) trial.goOn(who, 1);
  expect([budget.waits('a'), budget.waits('b'), budget.waits('c'), budget.waits('d')]).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect([budget.spend('b', 1, false), budget.spend('b', 1, true)]).toEqual([false, false]);
  expect(went).toEqual([]);
  await turn();
  expect(went).toEqual(['a', 'b', 'c']);
  await turn();
  expect(went).toEqual(['a', 'b', 'c']);
});

test('who waits again goes behind those that have waited, and one turn of the loop has an end', async () => {
  const trial = new Trial(4);
  const { went } = trial;
  const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
  for (const who of all) trial.goOn(who, 4);
  await turn();
  expect(went.length).toBeLessThan(all.length);
  for (let i = 0; i < 20; i++) await turn();
  expect(went.slice(0, 16)).toEqual([...all, ...all]);
});

test('where sessions take turns, the turn of the loop ends for all of them, but not for what is due', () => {
  const trial = new Trial();
  let steps = 0;
  while (trial.budget.spend(`${steps % 50}`, 1, false)) {
    steps += 1;
    trial.time += 0.1;
  }
  expect(steps).toBeGreaterThan(50);
  expect(steps).toBeLessThan(200);
  expect(trial.goOn('late', 0, true)).toBe(10_000);
});

test('a step that costs much is followed by a look at the clock', () => {
  const trial = new Trial();
  const { budget } = trial;
  expect(budget.spend('a', 1_000, false)).toBe(true);
  trial.time += 3;
  expect(budget.spend('a', 1_000, false)).toBe(false);
});

test('another turn of the loop is another share', async () => {
  const trial = new Trial();
  const { budget } = trial;
  expect(budget.spend('a', 1_000, false)).toBe(true);
  trial.time += 3;
  await turn();
  expect(budget.spend('a', 1_000, false)).toBe(true);
});

test('whenServed comes when all that wait have gone on, and at once if none does', async () => {
  const trial = new Trial(4);
  const { budget, went } = trial;
  budget.whenServed(() => went.push('at once'));
  for (const who of ['a', 'b', 'c', 'd', 'e', 'f']) trial.goOn(who, 4);
  budget.whenServed(() => went.push('served'));
  trial.goOn('g', 4);
  for (let i = 0; i < 10; i++) await turn();
  expect(went.slice(0, 9)).toEqual(['at once', 'a', 'b', 'c', 'd', 'e', 'f', 'served', 'g']);
});

test('one that throws when it goes on leaves nobody waiting, and no one that waits to be served untold', () => {
  vi.useFakeTimers({ toFake: ['setImmediate'] });
  const went: string[] = [];
  let time = 0;
  const budget = new TurnBudget<string>(
    () => time,
    who => {
      went.push(who);
      if (who === 'a') throw new Error('a logger fails');
    },
  );
  for (const who of ['a', 'b']) {
    while (budget.spend(who, 1, false)) time += 4;
    budget.whenServed(() => went.push(`behind ${who}`));
  }
  const turnOver = () => {
    for (let i = 0; i < 4; i++) vi.runOnlyPendingTimers();
  };
  expect(turnOver).toThrow('a logger fails');
  turnOver();
  expect(went).toEqual(['a', 'behind a', 'b', 'behind b']);
});
