/**
 * How long files may keep a turn of the loop busy: the kernel takes the bytes of many downloads only as fast as it finds
 * memory for them, and until the turn ends nobody else is served and no connection accepted.
 */

/** Of a turn, in ms. */
export const SHARE_MS = 0.25;

export class LoopShare {
  /** Since the loop was last given a turn, in ms. */
  private spent = 0;
  private readonly waiting: (() => void)[] = [];

  /**
   * @param now a clock that never goes back, in ms
   * @param nextTurn calls back when the loop has looked for what else there is to do
   */
  constructor(
    private readonly now: () => number,
    private readonly nextTurn: (callback: () => void) => void,
  ) {}

  /**
   * Runs `send` once there is time for it in a turn, in the order of the calls. Rejects with what it throws.
   *
   * @returns how long it took, in ms
   */
  async run(send: () => void): Promise<number> {
    if (this.spent >= SHARE_MS || this.waiting.length > 0) await this.wait();
    const begun = this.now();
    let took = 0;
    try {
      send();
    } finally {
      took = this.now() - begun;
      this.spent += took;
      this.goOn();
    }
    return took;
  }

  private wait(): Promise<void> {
    return new Promise(resolve => {
      this.waiting.push(resolve);
      if (this.waiting.length === 1) this.nextTurn(this.begin);
    });
  }

  private readonly begin = (): void => {
    this.spent = 0;
    this.waiting.shift()?.();
  };

  /** Lets the next one run, now or in another turn. */
  private goOn(): void {
    if (this.waiting.length === 0) return;
    if (this.spent < SHARE_MS) this.waiting.shift()?.();
    else this.nextTurn(this.begin);
  }
}

/** What all servers of the process share. */
export const loopShare = new LoopShare(() => performance.now(), setImmediate);
