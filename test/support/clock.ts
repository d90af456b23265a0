import type { Clock } from '../../src/sess/deadlines.js';

interface Timer {
  due: number;
  readonly every: number | undefined;
  readonly fn: () => void;
}

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  private time: number;
  private timers: Timer[] = [];

  constructor(start = 1_000) {
    this.time = start;
  }

  /** How many timers run: 0 means that the server would sleep. */
  get running(): number {
    return this.timers.length;
  }

  now(): number {
    return this.time;
  }

  every(ms: number, fn: () => void): () => void {
    return this.add({ due: this.time + ms, every: ms, fn });
  }

  after(ms: number, fn: () => void): () => void {
    return this.add({ due: this.time + ms, every: undefined, fn });
  }

  /** Moves the time on and runs what falls due on the way, in its order. */
  advance(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const next = this.timers.reduce<Timer | undefined>(
        (first, timer) => (timer.due <= end && (first === undefined || timer.due < first.due) ? timer : first),
        undefined,
      );
      if (next === undefined) break;
      this.time = Math.max(this.time, next.due);
      if (next.every === undefined) this.remove(next);
      // one that is late runs once, like those of Node.js
      else next.due = this.time + Math.max(next.every, 1);
      next.fn();
    }
    this.time = end;
  }

  /** The loop is held up: time goes on and no timer runs. */
  hold(ms: number): void {
    this.time += ms;
  }

  private add(timer: Timer): () => void {
    this.timers.push(timer);
    return () => this.remove(timer);
  }

  private remove(timer: Timer): void {
    this.timers = this.timers.filter(other => other !== timer);
  }
}
