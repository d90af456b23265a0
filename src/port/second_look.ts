/** So much waits for it; what comes then is to be decided at once. */
const WAITING_MAX = 1_024;

/**
 * Puts off what is to be decided until the loop has looked at all sockets once more: who has left by then counts no more.
 *
 * The turn that is under way may have asked the kernel before somebody left, so only the end of the next one will do.
 */
export class SecondLook<T> {
  /** What waits, the oldest first. Who leaves meanwhile is deleted. */
  readonly waiting = new Set<T>();

  /**
   * @param whenServed calls back when all have been served whom the loop has found ready
   * @param decide is called from the loop, and must not throw
   */
  constructor(
    private readonly whenServed: (fn: () => void) => void,
    private readonly decide: (one: T) => void,
  ) {}

  /** @returns false if too much waits already: what is to be decided is to be decided now */
  wait(one: T): boolean {
    if (this.waiting.size >= WAITING_MAX) return false;
    this.waiting.add(one);
    // an immediate runs behind the poll of its turn
    setImmediate(() => setImmediate(() => this.whenServed(() => this.end(one))));
    return true;
  }

  private end(one: T): void {
    if (this.waiting.delete(one)) this.decide(one);
  }
}
