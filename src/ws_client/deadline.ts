/**
 * Times by which something must have happened, on a clock that is handed in.
 */
import type { Clock } from '../sess/deadlines.js';

/** A timer that is later than this was held up by the application, and not the peer. */
const LATE_MS = 500;
/** Then the peer gets so long, in which what it has sent meanwhile is read. */
const GRACE_MS = 50;

export class Deadline {
  private cancel: (() => void) | undefined;

  /** @param missed is called when the time has gone */
  constructor(
    private readonly clock: Clock,
    private readonly missed: () => void,
  ) {}

  get running(): boolean {
    return this.cancel !== undefined;
  }

  /** From now on in `ms`. One that ran before is forgotten. */
  set(ms: number): void {
    this.arm(ms, true);
  }

  clear(): void {
    this.cancel?.();
    this.cancel = undefined;
  }

  private arm(ms: number, patient: boolean): void {
    this.clear();
    const due = this.clock.now() + ms;
    this.cancel = this.clock.after(ms, () => {
      this.cancel = undefined;
      if (patient && this.clock.now() > due + LATE_MS) this.arm(GRACE_MS, false);
      else this.missed();
    });
  }
}
