import { readdirSync } from 'node:fs';
import { expect, vi } from 'vitest';
import { loadLibc } from '../../src/port/libc.js';
import { EPOLL_HERE } from './epoll.js';
import { turn } from './server.js';

/** What this process holds: open descriptors, and callbacks that C may call. Zeros where nobody tells. */
export interface Held {
  readonly fds: number;
  readonly callbacks: number;
}

const PATIENCE = { timeout: 8_000, interval: 5 };

export function heldNow(): Held {
  if (!EPOLL_HERE) return { fds: 0, callbacks: 0 };
  return { fds: readdirSync('/proc/self/fd').length, callbacks: loadLibc().callbacks() };
}

/** The same, once all that earlier tests have let go of is gone. */
export async function heldAtRest(): Promise<Held> {
  await vi.waitFor(() => expect(heldNow().callbacks).toBe(0), PATIENCE);
  for (let i = 0; i < 10; i++) await turn();
  return heldNow();
}

/** Waits until no more is held than before. What tests before this one have left to be closed may be gone by now. */
export async function backTo(before: Held): Promise<void> {
  const check = (): void => {
    const { fds, callbacks } = heldNow();
    expect(fds).toBeLessThanOrEqual(before.fds);
    expect(callbacks).toBeLessThanOrEqual(before.callbacks);
  };
  await vi.waitFor(check, PATIENCE);
}
