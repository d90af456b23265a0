/** Pseudo-random numbers that a seed determines: xorshift128 (Marsaglia, 2003). */
export class Random {
  private readonly state: Uint32Array;

  /** @param seed an integer from 0 to 2^32 - 1 */
  constructor(seed: number) {
    // far apart for seeds that are close, and never all zero
    this.state = Uint32Array.from([seed ^ 0x9e3779b9, Math.imul(seed + 1, 0x85ebca6b), 0xc2b2ae35, 0x27d4eb2f]);
    for (let i = 0; i < 16; i++) this.next();
  }

  /** From 0 to 2^32 - 1. */
  next(): number {
    const { state } = this;
    const last = state[3] as number;
    const t = last ^ (last << 11);
    state.copyWithin(1, 0, 3);
    const first = state[1] as number;
    state[0] = first ^ (first >>> 19) ^ t ^ (t >>> 8);
    return state[0] as number;
  }

  /** From 0 to `n - 1`. */
  below(n: number): number {
    return this.next() % n;
  }

  /** From `min` to `max`. */
  from(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  byte(): number {
    return this.next() & 0xff;
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}
