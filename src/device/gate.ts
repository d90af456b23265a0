/** What things wait at while they can't go on, and pass in their order: the radio that is down, the task that is busy. */
import type { Agenda } from './agenda.js';

export class Gate {
  /** Until then it is shut, on the agenda's clock. */
  private until = Number.NEGATIVE_INFINITY;
  private waiting: (() => void)[] = [];
  /** When it is looked at next. */
  private plannedFor = Number.POSITIVE_INFINITY;
  private passing = false;

  constructor(private readonly agenda: Agenda) {}

  get shut(): boolean {
    return this.agenda.now < this.until;
  }

  /** When it opens; in the past, if it is open. */
  get opensAt(): number {
    return this.until;
  }

  /** Shuts it until `time`, if it would be open before. */
  shutUntil(time: number): void {
    this.until = Math.max(this.until, time);
  }

  /** Calls `act` when it is open, and those that wait have passed: now, if so. */
  pass(act: () => void): void {
    if (!this.shut && this.waiting.length === 0) return act();
    this.waiting.push(act);
    this.plan();
  }

  /** The same, in front of those that wait. */
  passFirst(act: () => void): void {
    if (!this.shut) return act();
    this.waiting.unshift(act);
    this.plan();
  }

  /** Opens it now. */
  open(): void {
    this.until = Number.NEGATIVE_INFINITY;
    this.plan();
  }

  /** Opens it, and those that wait never pass. */
  reset(): void {
    this.until = Number.NEGATIVE_INFINITY;
    this.waiting = [];
  }

  private plan(): void {
    const time = Math.max(this.until, this.agenda.now);
    if (this.waiting.length === 0 || time >= this.plannedFor) return;
    this.plannedFor = time;
    this.agenda.at(time, () => {
      // else it was planned for an earlier time since
      if (this.plannedFor === time) this.plannedFor = Number.POSITIVE_INFINITY;
      this.letPass();
    });
  }

  private letPass(): void {
    if (this.passing) return;
    this.passing = true;
    try {
      while (!this.shut) {
        const act = this.waiting.shift();
        if (act === undefined) break;
        act();
      }
    } finally {
      this.passing = false;
      this.plan();
    }
  }
}
