/**
 * Looks at what is in it every so often, and runs no timer while nothing is.
 */
export class Patrol<T> {
  private readonly all = new Set<T>();
  private stop: (() => void) | undefined;

  /**
   * @param after calls back once, in so many ms, unless what it returns was called before
   * @param everyMs how often
   */
  constructor(
    private readonly after: (ms: number, callback: () => void) => () => void,
    private readonly everyMs: number,
    private readonly look: (one: T) => void,
  ) {}

  add(one: T): void {
    this.all.add(one);
    this.arm();
  }

  delete(one: T): void {
    this.all.delete(one);
    if (this.all.size > 0) return;
    this.stop?.();
    this.stop = undefined;
  }

  private arm(): void {
    this.stop ??= this.after(this.everyMs, () => {
      this.stop = undefined;
      for (const one of [...this.all]) this.look(one);
      if (this.all.size > 0) this.arm();
    });
  }
}
