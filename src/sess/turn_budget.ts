/**
 * How much sessions may do before timers and other sessions get their turn.
 *
 * What a session has received at a time may be a thousand requests, and their handlers may take long. So it takes step
 * by step, a request or a frame each, until its share is used up; then it waits until all that waited before it have had
 * theirs. Handlers that are asynchronous and yet have nothing to wait for end in the turn in which they began, and so may
 * thousands that wait behind them, of all sessions in turns: for these the turn itself has an end.
 */

/** A session goes on for so many ms. */
const SHARE_MS = 2;
/** In one turn of the loop sessions go on for so many ms. */
const TURN_MS = 10;
/** The clock is looked at once in so many steps at first, then in up to so many where they are quick: in fewer where they take long. */
const STEPS_FIRST = 16;
const STEPS_MAX = 64;

export class TurnBudget<S> {
  /** Steps until the clock is looked at. */
  private left = STEPS_FIRST;
  private steps = STEPS_FIRST;
  /** When it was looked at in this turn; undefined: not yet. */
  private lookedAt: number | undefined;
  private turnEnd = 0;
  /** Who goes on, and until when. */
  private current: S | undefined;
  private shareEnd = 0;
  /** Those that wait, in their order. */
  private readonly waiting = new Set<S>();
  /** How many they are: asked for at each step. */
  private queued = 0;
  private planned = false;
  private waiters: { readonly fn: () => void; readonly last: S }[] = [];

  /**
   * @param now the time in ms
   * @param goOn lets a session go on that had to wait
   */
  constructor(
    private readonly now: () => number,
    private readonly goOn: (sess: S) => void,
  ) {}

  /** Does it wait for its turn? */
  waits(sess: S): boolean {
    return this.queued > 0 && this.waiting.has(sess);
  }

  /**
   * May `sess` take another step? If not, it goes on when those before it have done so.
   *
   * @param cost of the step, compared with a small request
   * @param due is it the session's due, however much others have done in this turn?
   */
  spend(sess: S, cost: number, due: boolean): boolean {
    if (this.waits(sess)) return false;
    this.left -= cost;
    return this.left > 0 || this.look(sess, due);
  }

  /** Calls `fn` when all that wait by now have gone on: at once if none does. */
  whenServed(fn: () => void): void {
    let last: S | undefined;
    for (const sess of this.waiting) last = sess;
    if (last === undefined) fn();
    else this.waiters.push({ fn, last });
  }

  private look(sess: S, due: boolean): boolean {
    const now = this.now();
    if (this.lookedAt === undefined) {
      this.turnEnd = now + TURN_MS;
      setImmediate(this.endTurn);
    } else {
      const took = now - this.lookedAt;
      this.steps = took < 1 ? Math.min(STEPS_MAX, 2 * this.steps) : Math.max(1, Math.floor(this.steps / (1 + took)));
    }
    this.lookedAt = now;
    this.left = this.steps;
    if (sess !== this.current) {
      this.current = sess;
      this.shareEnd = now + SHARE_MS;
    }
    if (now < this.shareEnd && (due || now < this.turnEnd)) return true;
    // where the turn is over, it is for the next one too
    this.left = 0;
    this.wait(sess);
    return false;
  }

  private readonly endTurn = (): void => {
    this.lookedAt = this.current = undefined;
  };

  private wait(sess: S): void {
    this.waiting.add(sess);
    this.queued = this.waiting.size;
    this.plan();
  }

  private plan(): void {
    if (this.planned) return;
    this.planned = true;
    setImmediate(this.next);
  }

  /** Those that wait go on, the first of them in any case. */
  private readonly next = (): void => {
    const { waiting } = this;
    this.planned = false;
    const end = this.now() + TURN_MS;
    this.turnEnd = end;
    // who comes meanwhile, or waits again, is for another turn
    let { size } = waiting;
    try {
      for (const sess of waiting) {
        this.current = undefined;
        waiting.delete(sess);
        this.queued = waiting.size;
        this.letGoOn(sess);
        size -= 1;
        if (size === 0 || this.now() >= end) break;
      }
    } finally {
      // what one throws is nobody else's
      if (waiting.size > 0) this.plan();
    }
  };

  private letGoOn(sess: S): void {
    try {
      this.goOn(sess);
    } finally {
      this.tell(sess);
    }
  }

  /** `sess` has gone on. */
  private tell(sess: S): void {
    if (this.waiters.length === 0) return;
    const { waiters } = this;
    this.waiters = waiters.filter(({ last }) => last !== sess);
    for (const { fn, last } of waiters) if (last === sess) fn();
  }
}
