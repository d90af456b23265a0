/** The task that a device's server runs in: one thing at a time, and while it is busy everything else waits. */
import type { Clock } from '../sess/deadlines.js';
import type { Agenda } from './agenda.js';
import { Gate } from './gate.js';

export class ServerTask {
  private readonly gate: Gate;
  private boots = 0;

  constructor(private readonly agenda: Agenda) {
    this.gate = new Gate(agenda);
  }

  get busy(): boolean {
    return this.gate.shut;
  }

  /** It is busy for so many ms, behind what it is busy with already. */
  occupy(ms: number): void {
    this.gate.shutUntil(Math.max(this.agenda.now, this.gate.opensAt) + ms);
  }

  /** Calls `act` as soon as the task is free: now, if it is. */
  run(act: () => void): void {
    this.gate.pass(act);
  }

  /** The same behind what it is just busy with, in front of all else. */
  runNext(act: () => void): void {
    this.gate.passFirst(act);
  }

  /** The device starts anew: nothing that was to be done is, and all waits for the application to have booted. */
  boot(): void {
    this.boots += 1;
    this.gate.reset();
    this.gate.shutUntil(Number.POSITIVE_INFINITY);
  }

  /** It is free now. */
  free(): void {
    this.gate.open();
  }

  /** How the works of this boot's server come to their turn. */
  scheduler(): (act: () => void) => void {
    const boot = this.boots;
    return act => {
      setImmediate(() => {
        if (this.boots === boot) this.run(act);
      });
    };
  }

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
