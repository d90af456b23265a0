/**
 * How much sessions may do in one turn of the loop before timers and other sockets get theirs.
 *
 * A handler that is asynchronous and yet has nothing to wait for ends in the same turn, and so may the next one, and
 * the next: with enough pipelined requests in memory the loop would not turn for seconds.
 */

/** Times that sessions go on in one turn: some milliseconds. */
const GO_ON_MAX = 2000;

export class TurnBudget<S> {
  private left = GO_ON_MAX;
  private readonly waiting = new Set<S>();

  /** @param goOn lets a session go on that had to wait */
  constructor(private readonly goOn: (sess: S) => void) {}

  /**
   * May `sess` go on? If not, it will in the next turn.
   *
   * @param cost of what it does, compared with a small request
   */
  spend(sess: S, cost = 1): boolean {
    if (this.left > 0) {
      this.left -= cost;
      return true;
    }
    if (this.waiting.size === 0) setImmediate(this.next);
    this.waiting.add(sess);
    return false;
  }

  /** A turn is over. */
  reset(): void {
    this.left = GO_ON_MAX;
  }

  private readonly next = (): void => {
    const sessions = [...this.waiting];
    this.waiting.clear();
    this.reset();
    for (const sess of sessions) this.goOn(sess);
  };
}
