/**
 * How long a client waits before it connects again. Pure: random numbers are handed in.
 */

export interface BackoffRules {
  /** The first wait, in ms. */
  readonly firstMs: number;
  /** No wait is longer, unless the first one is. */
  readonly maxMs: number;
  /** How much of a wait is left to chance, from 0 to 1, so that clients that lost their server do not come back at once. */
  readonly jitter: number;
}

export class Backoff {
  private attempts = 0;

  /** @param random gives numbers from 0 up to, and without, 1 */
  constructor(private readonly random: () => number) {}

  /** The next wait, in ms: twice the one before, less up to `jitter` of it. */
  next({ firstMs, maxMs, jitter }: BackoffRules): number {
    // who does not want to wait at first does so later
    const grown = this.attempts === 0 ? firstMs : Math.max(firstMs, 1) * 2 ** this.attempts;
    const most = Math.max(firstMs, Math.min(maxMs, grown));
    if (most < maxMs) this.attempts += 1;
    return Math.round(most * (1 - jitter * this.random()));
  }

  /** A connection was good: the next wait is the first one again. */
  reset(): void {
    this.attempts = 0;
  }
}
