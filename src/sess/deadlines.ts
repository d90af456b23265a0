/**
 * One clock and one sweep for the deadlines of all sessions.
 *
 * A session only writes down the time at which something is due. While any session has a deadline, one timer looks at
 * all of them at a steady pace; when none has, no timer runs and a quiet server uses no CPU.
 */

/** Time and its timer, so that tests can bring their own. Milliseconds. */
export interface Clock {
  /** Never goes back. */
  now(): number;
  /** Calls `fn` every `ms` until the returned function is called. */
  every(ms: number, fn: () => void): () => void;
  /** Calls `fn` once after `ms` unless the returned function is called before. */
  after(ms: number, fn: () => void): () => void;
}

export const systemClock: Clock = {
  // whole numbers are kept without an object of their own
  now: () => Math.floor(performance.now()),
  every(ms, fn) {
    // behind the loop's poll: what the kernel has received by then has been read
    const timer = setInterval(() => setImmediate(fn), ms);
    return () => clearInterval(timer);
  },
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
};

/** Something with deadlines. */
export interface Timed {
  /** Is anything due at `now`? Acts if so. Returns whether any deadline remains. */
  sweep(now: number): boolean;
}

/** Between two sweeps: a quarter of the shortest timeout, within these bounds. */
const TICK_MIN = 20;
const TICK_MAX = 1000;

export class Deadlines {
  /** The time of the next sweep, while any deadline is set. */
  nextSweep = 0;
  private stop: (() => void) | undefined;
  private tick: number;
  /** Was the last sweep left out? */
  private skipped = false;
  /** Is a sweep to come, behind what is yet to be looked at? */
  private waiting = false;
  /** Has a deadline been set since the sweep began? It may belong to a session that the sweep has passed. */
  private armed = false;

  /**
   * @param timeouts all timeouts in use, in ms; they set the pace
   * @param groups the sessions to look at
   * @param whenServed calls back when what has come by now has been looked at: nothing of that is late
   */
  constructor(
    readonly clock: Clock,
    timeouts: readonly number[],
    private readonly groups: readonly Iterable<Timed>[],
    private readonly whenServed: (fn: () => void) => void,
  ) {
    this.tick = TICK_MAX;
    this.expect(timeouts);
  }

  /** Further timeouts will be in use. */
  expect(timeouts: readonly number[]): void {
    const shortest = Math.min(...timeouts.filter(ms => ms > 0), this.tick * 4);
    const tick = Math.max(TICK_MIN, shortest / 4);
    if (tick === this.tick) return;
    this.tick = tick;
    if (this.stop === undefined) return;
    this.disarm();
    this.arm();
  }

  /** Is called whenever a session sets a deadline. */
  arm(): void {
    this.armed = true;
    if (this.stop !== undefined) return;
    this.nextSweep = this.clock.now() + this.tick;
    this.stop = this.clock.every(this.tick, () => this.onTick());
  }

  /** Ends the timer, if one runs. */
  disarm(): void {
    this.stop?.();
    this.stop = undefined;
  }

  private onTick(): void {
    const now = this.clock.now();
    // the loop was held up: peers get a tick in which what they have sent meanwhile is read
    this.skipped = !this.skipped && now > this.nextSweep + this.tick;
    this.nextSweep = now + this.tick;
    if (this.skipped || this.waiting) return;
    this.waiting = true;
    this.whenServed(() => {
      this.waiting = false;
      if (this.stop !== undefined) this.sweep(now);
    });
  }

  /** @param now when the tick was: what has come due since may have come in time */
  private sweep(now: number): void {
    let remaining = false;
    this.armed = false;
    for (const group of this.groups) for (const timed of group) if (timed.sweep(now)) remaining = true;
    if (!remaining && !this.armed) this.disarm();
  }
}
