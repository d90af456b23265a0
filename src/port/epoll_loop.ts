/**
 * The select loop itself: one epoll descriptor, which Node's own loop watches. Timers, promises and all other I/O go on
 * as usual, and an idle server uses no CPU.
 */
import { constants } from 'node:os';
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  type Libc,
  loadLibc,
  systemError,
} from './libc.js';

/** There is room for what so many descriptors report at first; it grows with their number. */
const EVENTS_MIN = 1024;
/** They are served for so many ms in one turn; the rest comes in the next, and first. */
const TURN_MS = 10;
/** The clock is looked at behind so many of them. */
const CLOCK_EVERY = 4;
/** `struct epoll_event`, which is packed on x86-64: events, and 64 bits of ours, here a descriptor and its generation. */
const EVENT_WORDS = 3;
const EVENT_SIZE = EVENT_WORDS * 4;

/** What is told when all that was ready has been served. */
interface Waiter {
  readonly fn: () => void;
  /** The batch that must have been served by then. */
  readonly batch: number;
}

/** Said of a descriptor that is not registered. */
const NOTHING = -1;

/** What is registered with the loop. */
export abstract class Watched {
  /** Tells this use of a descriptor's number from the one before. */
  generation = 0;
  /** The events that are waited for, or NOTHING. */
  mask = NOTHING;

  /** @param fd the descriptor, -1 when it has been closed */
  constructor(public fd: number) {}

  /** The descriptor was ready when it was asked; it need not be any more. */
  abstract onReady(readable: boolean, writable: boolean, broken: boolean): void;
  /** Something threw in `onReady`, or the loop itself has failed. */
  abstract onFault(thrown: unknown): void;
}

/** One for all servers of the process; exists while one listens or has a connection. */
export class EpollLoop {
  private static current: EpollLoop | undefined;

  /** The loop; whoever gets it calls `release`. */
  static acquire(): EpollLoop {
    EpollLoop.current ??= new EpollLoop(loadLibc());
    EpollLoop.current.users += 1;
    return EpollLoop.current;
  }

  /** As in `PortOf`. */
  static whenServed(fn: () => void): void {
    const { current } = EpollLoop;
    if (current === undefined || current.next === current.count) return fn();
    current.wait(fn);
  }

  private users = 0;
  private generation = 0;
  /** By descriptor. */
  private readonly watched: (Watched | undefined)[] = [];
  private readonly epollFd: number;
  private readonly stop: (onClosed: () => void) => void;
  /** The batch: all that were ready when the kernel was asked last. Those from `next` up to `count` are yet to be served. */
  private events = Buffer.alloc(EVENTS_MIN * EVENT_SIZE);
  private words = wordsOf(this.events);
  private next = 0;
  private count = 0;
  /** Batches so far. */
  private batch = 0;
  private waiters: Waiter[] = [];
  private readonly event = Buffer.alloc(EVENT_SIZE);

  private constructor(readonly libc: Libc) {
    this.epollFd = libc.epollCreate();
    if (this.epollFd < 0) throw systemError('epoll_create1', libc.errno());
    try {
      this.stop = libc.watch(this.epollFd, () => this.turn());
    } catch (error) {
      libc.close(this.epollFd);
      throw error;
    }
  }

  /** A listener or a socket lives on. */
  retain(): void {
    this.users += 1;
  }

  /** One that was retained, or acquired, has ended. Without users the loop ends. */
  release(): void {
    this.users -= 1;
    if (this.users > 0) return;
    EpollLoop.current = undefined;
    // libuv must let go of the descriptor before its number is free for another
    this.stop(() => this.libc.close(this.epollFd));
  }

  /**
   * Waits for data, for room to send, for both, or for a broken connection only, which is always waited for.
   *
   * @throws the system's error
   */
  watch(target: Watched, readable: boolean, writable: boolean): void {
    const mask = (readable ? EPOLLIN : 0) | (writable ? EPOLLOUT : 0);
    if (mask === target.mask) return;
    if (target.mask === NOTHING) {
      this.generation = (this.generation + 1) >>> 0;
      target.generation = this.generation;
      this.watched[target.fd] = target;
    }
    this.control(target.mask === NOTHING ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, target, mask);
    target.mask = mask;
  }

  /** Waits for nothing more on this descriptor. */
  unwatch(target: Watched): void {
    if (target.mask === NOTHING) return;
    this.control(EPOLL_CTL_DEL, target, 0);
    target.mask = NOTHING;
    this.watched[target.fd] = undefined;
  }

  /** Closes the descriptor; from now on its number belongs to somebody else. */
  close(target: Watched): void {
    const { fd } = target;
    if (fd < 0) return;
    target.fd = -1;
    target.mask = NOTHING;
    if (this.watched[fd] === target) this.watched[fd] = undefined;
    // that takes it out of the epoll set too
    this.libc.close(fd);
  }

  private wait(fn: () => void): void {
    // this batch may be older than what the caller has in mind
    if (this.waiters.push({ fn, batch: this.batch + 1 }) === 1) setImmediate(this.serveOn);
  }

  private control(operation: number, target: Watched, mask: number): void {
    const { event, libc } = this;
    event.writeUInt32LE(mask, 0);
    event.writeUInt32LE(target.fd, 4);
    event.writeUInt32LE(target.generation, 8);
    if (libc.epollCtl(this.epollFd, operation, target.fd, event) < 0) throw systemError('epoll_ctl', libc.errno());
  }

  /**
   * Called by libuv, which loses what is thrown. What is left of the batch before is served first: the kernel would name
   * those who are always ready first, again and again.
   */
  private turn(): void {
    const end = this.next < this.count ? performance.now() + TURN_MS : 0;
    // only a turn that has asked the kernel itself knows that nobody is left
    if (this.serve(end) && this.ask()) this.serve(end);
  }

  /** Asks the kernel who is ready. @returns whether anybody is */
  private ask(): boolean {
    const { libc } = this;
    if (this.users > this.events.length / EVENT_SIZE) {
      this.events = Buffer.alloc(2 * this.users * EVENT_SIZE);
      this.words = wordsOf(this.events);
    }
    this.next = this.count = 0;
    const count = libc.epollWait(this.epollFd, this.events, this.events.length / EVENT_SIZE);
    if (count < 0) {
      const errno = libc.errno();
      if (errno === constants.errno.EINTR) return false;
      this.batch += 1;
      this.fail(systemError('epoll_wait', errno));
      return false;
    }
    this.batch += 1;
    this.count = count;
    return count > 0;
  }

  /**
   * Serves the batch.
   *
   * @param end when to stop, at the latest; 0: TURN_MS from now
   * @returns whether all of it has been served
   */
  private serve(end: number): boolean {
    const { words, count } = this;
    const from = this.next;
    let until = end;
    if (until === 0) until = count - from > CLOCK_EVERY ? performance.now() + TURN_MS : Number.POSITIVE_INFINITY;
    while (this.next < count) {
      const at = this.next * EVENT_WORDS;
      this.next += 1;
      const mask = words[at] as number;
      const target = this.watched[words[at + 1] as number];
      // an entry of somebody who has been closed since, whose number may be in use again
      if (target === undefined || target.generation !== words[at + 2]) continue;
      const broken = (mask & (EPOLLERR | EPOLLHUP)) !== 0;
      try {
        target.onReady((mask & EPOLLIN) !== 0, (mask & EPOLLOUT) !== 0, broken);
      } catch (thrown) {
        guarded(target, thrown);
      }
      if ((this.next - from) % CLOCK_EVERY === 0 && performance.now() > until) break;
    }
    return this.next === count;
  }

  /** Goes on with the batch while somebody waits for its end, since the kernel may have nobody to tell of. */
  private readonly serveOn = (): void => {
    if (this.users > 0) this.turn();
    const served = this.next === this.count ? this.batch : this.batch - 1;
    const { waiters } = this;
    this.waiters = waiters.filter(({ batch }) => this.users > 0 && batch > served);
    if (this.waiters.length > 0) setImmediate(this.serveOn);
    for (const { fn, batch } of waiters) if (this.users <= 0 || batch <= served) fn();
  };

  /** Nothing can be waited for any more: everybody is told. */
  private fail(error: Error): void {
    for (const target of this.watched) if (target !== undefined) guarded(target, error);
  }
}

function wordsOf({ buffer, byteOffset, length }: Buffer): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length / 4);
}

/** Tells of a fault; if that fails too, the process learns of it in the usual way. */
function guarded(target: Watched, thrown: unknown): void {
  try {
    target.onFault(thrown);
  } catch (again) {
    setImmediate(() => {
      throw again;
    });
  }
}
