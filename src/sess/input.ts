/**
 * The received bytes that a session has not looked at yet.
 *
 * During a call they lie in the receive buffer, in the window `[from, to)`. What the protocol leaves there is copied
 * when the call ends, and laid back into the receive buffer, in front of what came since, when the protocol goes on.
 */
export class Input {
  /** The window: bytes of the receive buffer that are still to be consumed. */
  from = 0;
  to = 0;
  /** Bytes kept from earlier calls are `kept[keptFrom, keptTo)`. */
  private kept: Buffer | undefined;
  private keptFrom = 0;
  private keptTo = 0;
  /** How many bytes of `kept` the window shows; 0 if the window shows a new chunk. */
  private shown = 0;

  constructor(private readonly receiveBuffer: () => Buffer) {}

  /** The receive buffer. It may move when WebAssembly memory grows: ask again after anything that may allocate. */
  get buf(): Buffer {
    return this.receiveBuffer();
  }

  /** All bytes that wait. */
  get length(): number {
    return this.keptTo - this.keptFrom + (this.shown > 0 ? 0 : this.to - this.from);
  }

  /** Do more bytes wait than the window shows? */
  get more(): boolean {
    return this.keptTo - this.keptFrom > this.shown;
  }

  /** A chunk of `len` bytes has been received. If older bytes wait, it is kept behind them. */
  arrive(len: number): void {
    if (this.keptTo > this.keptFrom) {
      this.append(this.buf, 0, len);
    } else {
      this.from = 0;
      this.to = len;
    }
  }

  /**
   * Makes the window show all bytes that wait, as far as the receive buffer holds them.
   *
   * @returns false if none wait
   */
  open(): boolean {
    if (this.to > this.from) return true;
    if (this.keptTo === this.keptFrom) return false;
    this.from = 0;
    this.shown = this.to = this.kept?.copy(this.buf, 0, this.keptFrom, this.keptTo) ?? 0;
    return true;
  }

  /** Ends the call: what is left of the window is kept. */
  close(): void {
    if (this.shown > 0) {
      this.keptFrom += this.shown - (this.to - this.from);
      this.shown = 0;
      if (this.keptFrom === this.keptTo) this.release();
    } else if (this.to > this.from) {
      this.append(this.buf, this.from, this.to);
    }
    this.from = this.to = 0;
  }

  /** Moves bytes that wait to `buf`. @returns how many */
  take(buf: Uint8Array): number {
    const opened = this.to > this.from;
    if (!this.open()) return 0;
    const n = Math.min(buf.length, this.to - this.from);
    buf.set(this.buf.subarray(this.from, this.from + n));
    this.from += n;
    if (!opened) this.close();
    return n;
  }

  /** Forgets everything. */
  clear(): void {
    this.from = this.to = this.shown = 0;
    this.release();
  }

  private release(): void {
    this.kept = undefined;
    this.keptFrom = this.keptTo = 0;
  }

  private append(from: Buffer, start: number, end: number): void {
    const waiting = this.keptTo - this.keptFrom;
    const need = waiting + end - start;
    if (this.kept === undefined || this.kept.length - this.keptTo < end - start) {
      // twice what is needed, so that a peer that sends byte by byte does not cost a copy of everything per byte
      const grown = Buffer.allocUnsafeSlow(waiting > 0 ? need * 2 : need);
      this.kept?.copy(grown, 0, this.keptFrom, this.keptTo);
      this.kept = grown;
      this.keptFrom = 0;
      this.keptTo = waiting;
    }
    this.keptTo += from.copy(this.kept, this.keptTo, start, end);
  }
}
