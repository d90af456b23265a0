import { expect, test } from 'vitest';
import { TurnBudget } from '../../src/sess/turn_budget.js';
import { connectTo } from '../support/server.js';
import { request, serve } from './support.js';

const turn = () => new Promise<void>(resolve => setImmediate(resolve));

/** Spends until it may not; returns how often it might. */
function spendAll(budget: TurnBudget<string>, who: string): number {
  let n = 0;
  while (budget.spend(who)) n += 1;
  return n;
}

test('who has spent the budget of a turn goes on in the next, once, and in the order of asking', async () => {
  const went: string[] = [];
  const budget = new TurnBudget<string>(who => went.push(who));
  const all = spendAll(budget, 'a');
  expect(all).toBeGreaterThan(100);
  expect([budget.spend('b'), budget.spend('a'), budget.spend('b')]).toEqual([false, false, false]);
  expect(went).toEqual([]);
  await turn();
  expect(went).toEqual(['a', 'b']);
  expect(spendAll(budget, 'c')).toBe(all);
  await turn();
  expect(went).toEqual(['a', 'b', 'c']);
});

test('the end of a turn gives all of it back', () => {
  const budget = new TurnBudget<string>(() => {});
  const all = spendAll(budget, 'a');
  budget.reset();
  expect(spendAll(budget, 'a')).toBe(all);
});

test('the loop turns while thousands of pipelined requests are answered by asynchronous handlers', async () => {
  let answered = 0;
  const server = await serve({
    'GET /': async req => {
      answered += 1;
      await req.respSend('x');
    },
  });
  const each = 1_500;
  const clients = await Promise.all(Array.from({ length: 16 }, () => connectTo(server)));
  for (const client of clients) client.send(request('GET /').repeat(each));
  let turns = 0;
  let most = 0;
  while (answered < each * clients.length) {
    const before = answered;
    await turn();
    turns += 1;
    most = Math.max(most, answered - before);
  }
  expect(turns).toBeGreaterThan(4);
  expect(most).toBeLessThan(10_000);
});
