import { describe, expect, test, vi } from 'vitest';
import { EPOLL_HERE } from '../support/epoll.js';
import { RawClient } from '../support/raw_client.js';
import { run } from './child.js';
import { keep } from './rig.js';
import type { Report } from './starved_child.js';

const CLIENTS = 100;
const PATIENCE = { timeout: 15_000, interval: 20 };

/** A client that asks at once, and may have to wait for its answer. */
async function ask(port: number) {
  const client = keep(await RawClient.connect(port, { patienceMs: 30_000 }));
  const state = { client, answers: 0 };
  const get = async () => {
    client.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const { text } = await client.readResponse();
    expect(text).toBe('ok');
    state.answers += 1;
  };
  const first = get().catch(() => {});
  return { state, get, first };
}

describe.skipIf(!EPOLL_HERE)('the epoll port without a free descriptor', () => {
  test('tells it once, sleeps, serves who is in, and lets others in when somebody leaves', {
    timeout: 60_000,
  }, async () => {
    const child = run('starved_child.ts', [], { maxFds: 64, ipc: true });
    await child.prints(/ready/);
    const report = (turns = 0) => child.ask<Report>({ turns });
    const { port } = await report();
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => ask(port)));
    const served = () => clients.filter(({ state }) => state.answers > 0);
    const told = (lines: string[]) => lines.filter(line => line.includes('accept EMFILE'));

    await vi.waitFor(async () => {
      const { lines, sessions } = await report();
      expect(told(lines)).toHaveLength(1);
      expect(served()).toHaveLength(sessions);
    }, PATIENCE);
    const inside = served();
    expect(inside.length).toBeGreaterThan(0);
    expect(inside.length).toBeLessThan(64);

    // a listener that is ready, and of no use, would be reported in each turn; it may be tried again meanwhile
    const before = (await report()).waits;
    const after = await report(1_000);
    expect(after.waits - before).toBeLessThanOrEqual(10);
    expect(told(after.lines)).toHaveLength(1);

    for (const { get } of inside) await get();
    expect(served()).toHaveLength(inside.length);

    // everybody comes in, as soon as those before have left
    const left = new Set<unknown>();
    await vi.waitFor(() => {
      for (const { state } of served()) {
        if (left.size < CLIENTS - 1 && !left.has(state)) state.client.destroy();
        left.add(state);
      }
      expect(served()).toHaveLength(CLIENTS);
    }, PATIENCE);
    const { lines } = await report();
    expect(lines.filter(line => line.includes('EMFILE'))).toHaveLength(1);
    const late = await ask(port);
    await late.first;
    expect(late.state.answers).toBe(1);
  });
});
