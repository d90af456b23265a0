/** The task that a device's server runs in: one thing at a time, and while it is busy everything else waits. */
import type { Clock } from '../sess/deadlines.js';
import type { Agenda } from './agenda.js';

export class ServerTask {
  private busyUntil = Number.NEGATIVE_INFINITY;
  /** What waits for the application to have booted; undefined when it has. */
  private booting: (() => void)[] | undefined;

  constructor(private readonly agenda: Agenda) {}

  get busy(): boolean {
    return this.booting !== undefined || this.agenda.now < this.busyUntil;
  }

  /** It is busy for so many ms, behind what it is busy with already. @returns when it is free again */
  occupy(ms: number): number {
    this.busyUntil = Math.max(this.agenda.now, this.busyUntil) + ms;
    return this.busyUntil;
  }

  /** Calls `act` as soon as the task is free: now, if it is. */
  run(act: () => void): void {
    if (this.booting !== undefined) this.booting.push(act);
    else if (this.busy) this.agenda.at(this.busyUntil, () => this.run(act));
    else act();
  }

  /** The device starts anew: nothing that was to be done is. */
  boot(): void {
    this.booting = [];
    this.busyUntil = Number.NEGATIVE_INFINITY;
  }

  /** The application has booted. */
  booted(): void {
    const waiting = this.booting ?? [];
    this.booting = undefined;
    for (const act of waiting) this.agenda.at(this.agenda.now, () => this.run(act));
  }

  /** It is free now. */
  restore(): void {
    this.busyUntil = Number.NEGATIVE_INFINITY;
  }

  /** Queued works wait for the task. */
  readonly schedule = (act: () => void): void => {
    setImmediate(() => this.run(act));
  };

  /** The clock of the server: its deadlines are looked at by the task too. */
  clock(inner: Clock): Clock {
    return {
      now: () => inner.now(),
      every: (ms, fn) =>
        inner.every(ms, () => {
          if (!this.busy) fn();
        }),
      after: (ms, fn) => inner.after(ms, fn),
    };
  }
}
