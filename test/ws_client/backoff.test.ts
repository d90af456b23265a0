/** How long a client waits before it connects again. */
import { describe, expect, test, vi } from 'vitest';
import { Backoff } from '../../src/ws_client/backoff.js';
import { makeClient, rawServer, until } from './support.js';

const RULES = { firstMs: 1_000, maxMs: 8_000, jitter: 0.5 };

const waits = (rules: typeof RULES, random: () => number, count = 6) => {
  const backoff = new Backoff(random);
  return Array.from({ length: count }, () => backoff.next(rules));
};

describe('a wait', () => {
  test('is twice the one before, up to the longest', () => {
    expect(waits(RULES, () => 0)).toEqual([1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  });

  test('is shorter by a random part of it, up to jitter', () => {
    expect(waits(RULES, () => 0.5, 4)).toEqual([750, 1_500, 3_000, 6_000]);
    expect(waits({ ...RULES, jitter: 1 }, () => 0.75, 4)).toEqual([250, 500, 1_000, 2_000]);
    expect(waits({ ...RULES, jitter: 0 }, () => 0.999, 3)).toEqual([1_000, 2_000, 4_000]);
  });

  test('asks for a random number each time', () => {
    const randoms = [0, 0.9, 0.2];
    expect(waits({ ...RULES, maxMs: 1_000 }, () => randoms.shift() ?? 1, 3)).toEqual([1_000, 550, 900]);
  });

  test('of nothing grows too', () => {
    expect(waits({ ...RULES, firstMs: 0 }, () => 0, 4)).toEqual([0, 2, 4, 8]);
  });
});

test.each([
  // the default: half of it is left to chance
  [{}, 0, 10_000],
  [{}, 0.5, 7_500],
  [{ reconnectJitter: 0 }, 0.5, 10_000],
  [{ reconnectJitter: 1 }, 0.75, 2_500],
])('a client with %j, and a random number of %d, waits for %d ms', async (config, random, ms) => {
  const server = await rawServer();
  const { client, clock, events } = makeClient({ uri: server.uri, ...config }, { random: () => random });
  void client.start();
  (await server.next()).socket.destroy();
  await until(() => expect(events).toContain('disconnected'));
  clock.advance(ms - 1);
  expect(events.filter(name => name === 'beforeConnect')).toHaveLength(1);
  clock.advance(1);
  expect(events.filter(name => name === 'beforeConnect')).toHaveLength(2);
});

test('by default the numbers are random: clients that lost one server at once do not come back at once', async () => {
  const server = await rawServer();
  const made = Array.from({ length: 8 }, () => {
    const one = makeClient({ uri: server.uri }, { random: undefined as never });
    return { ...one, after: vi.spyOn(one.clock, 'after') };
  });
  for (const { client } of made) void client.start();
  for (let i = 0; i < made.length; i++) (await server.next()).socket.destroy();
  const waited = new Set<number>();
  for (const { after, events } of made) {
    await until(() => expect(events).toContain('disconnected'));
    waited.add(after.mock.lastCall?.[0] ?? -1);
  }
  expect(waited.size).toBeGreaterThan(1);
});
