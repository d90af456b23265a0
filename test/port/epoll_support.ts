/** What tests of the epoll port look into: descriptors, and the calls that the loop makes. */
import { readFileSync } from 'node:fs';
import { type MockInstance, vi } from 'vitest';
import { Watched } from '../../src/port/epoll_loop.js';
import { type Libc, loadLibc } from '../../src/port/libc.js';
import type { Listener, PortSocket } from '../../src/port/port.js';

/** `struct epoll_event` on x86-64: events, descriptor, generation. */
const EVENT_SIZE = 12;

/** The descriptor of a socket or listener of the epoll port. */
export function fdOf(of: PortSocket | Listener): number {
  if (!(of instanceof Watched)) throw new Error('this is not of the epoll port');
  return of.fd;
}

/** What open(2) and fcntl(2) call flags, as the kernel shows them. */
export function flagsOf(fd: number): number {
  const octal = /^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
  return Number.parseInt(octal ?? '', 8);
}

/** Lets Node's loop turn `n` times; each time it asks whether the epoll descriptor is readable. */
export async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise(resolve => setImmediate(resolve));
}

/** How often epoll_wait(2) returns in `n` turns. */
export async function waitsIn(n: number): Promise<number> {
  const spy = vi.spyOn(loadLibc(), 'epollWait');
  await turns(n);
  const { length } = spy.mock.calls;
  spy.mockRestore();
  return length;
}

/** Holds all events back. @returns lets them come again */
export function holdEvents(): () => void {
  const spy = vi.spyOn(loadLibc(), 'epollWait').mockReturnValue(0);
  return () => spy.mockRestore();
}

/** An event that is waited for: a descriptor, and bits of which one must be set. */
export type Awaited = readonly [fd: number, mask: number];

/**
 * Holds all events back until these are there; then delivers them in one turn, in this order, and nothing else. All
 * later ones come as usual.
 */
export function inOneTurn(wanted: readonly Awaited[]): { readonly done: boolean } {
  const libc = loadLibc();
  const wait = libc.epollWait;
  const state = { done: false };
  const spy: MockInstance<Libc['epollWait']> = vi
    .spyOn(libc, 'epollWait')
    .mockImplementation((epollFd, events, max) => {
      const count = wait(epollFd, events, max);
      const found = new Map<number, Buffer>();
      for (let at = 0; at < count * EVENT_SIZE; at += EVENT_SIZE) {
        found.set(events.readUInt32LE(at + 4), Buffer.from(events.subarray(at, at + EVENT_SIZE)));
      }
      const batch = wanted.map(([fd, mask]) => {
        const event = found.get(fd);
        return event !== undefined && (event.readUInt32LE() & mask) !== 0 ? event : undefined;
      });
      if (batch.includes(undefined)) return 0;
      for (const [i, event] of batch.entries()) event?.copy(events, i * EVENT_SIZE);
      spy.mockRestore();
      state.done = true;
      return batch.length;
    });
  return state;
}
