/**
 * The received bytes that a session has not consumed yet.
 *
 * They stay in the receive buffer as long as nobody else needs it: a handler that is done within the loop's turn costs
 * no copy. Whoever is about to receive claims the buffer, and the bytes of the session that still lie in it are moved
 * to memory of its own.
 */

/** The receive buffer of a thread, and whose bytes lie in it. */
export class ReceiveBuffer {
  private holder: Input | undefined;

  /** @param memory gives the buffer, which may move */
  constructor(private readonly memory: () => Buffer) {}

  /** The buffer as it lies now. */
  get buf(): Buffer {
    return this.memory();
  }

  /** Makes the buffer free to be written to. */
  readonly claim = (): Buffer => {
    const { holder } = this;
    if (holder !== undefined) {
      this.holder = undefined;
      holder.evict();
    }
    return this.memory();
  };

  /** The bytes of `input` stay in the buffer. */
  hold(input: Input): void {
    this.holder = input;
  }
}

export class Input {
  /** The window: waiting bytes in the receive buffer are `buf[from, to)`. */
  from = 0;
  to = 0;
  /** Waiting bytes elsewhere, behind those of the window, are `kept[keptFrom, keptTo)`. */
  private kept: Buffer | undefined;
  private keptFrom = 0;
  private keptTo = 0;

  constructor(private readonly receive: ReceiveBuffer) {}

  /** The receive buffer, in which the window lies. */
  get buf(): Buffer {
    return this.receive.buf;
  }

  /** How many bytes wait. */
  get length(): number {
    return this.to - this.from + this.keptTo - this.keptFrom;
  }

  /** The first byte that waits is `first[firstAt]`, and those behind it follow, as many as ever were in one window. */
  get first(): Buffer {
    return this.from < this.to ? this.buf : (this.kept as Buffer);
  }

  get firstAt(): number {
    return this.from < this.to ? this.from : this.keptFrom;
  }

  /** A chunk of `len` bytes has been received into the buffer, which had been claimed before. */
  arrive(len: number): void {
    if (this.keptTo > this.keptFrom) {
      this.keep(this.buf, 0, len);
    } else {
      this.from = 0;
      this.to = len;
      this.receive.hold(this);
    }
  }

  /** Makes the window show what waits. @returns false if nothing does */
  open(): boolean {
    return this.to > this.from || this.refill();
  }

  /** Makes the window show more of what waits, as far as the buffer has room. @returns whether it does */
  refill(): boolean {
    if (this.keptTo === this.keptFrom) return false;
    const shown = this.to - this.from;
    this.evict();
    const buf = this.receive.claim();
    const n = (this.kept as Buffer).copy(buf, 0, this.keptFrom, this.keptTo);
    this.from = 0;
    this.to = n;
    this.keptFrom += n;
    if (this.keptFrom === this.keptTo) this.release();
    this.receive.hold(this);
    return n > shown;
  }

  /** Consumes up to `n` bytes, be they in the window or kept. */
  skip(n: number): void {
    const inWindow = Math.min(n, this.to - this.from);
    this.from += inWindow;
    this.keptFrom = Math.min(this.keptTo, this.keptFrom + n - inWindow);
    if (this.keptFrom === this.keptTo) this.release();
  }

  /** Moves bytes that wait to `target`. @returns how many */
  take(target: Uint8Array): number {
    if (!this.open()) return 0;
    const n = Math.min(target.length, this.to - this.from);
    target.set(this.buf.subarray(this.from, this.from + n));
    this.from += n;
    return n;
  }

  /** The receive buffer is needed: moves the window's bytes out of it, to the front of what is kept. */
  evict(): void {
    const { from, to } = this;
    this.from = this.to = 0;
    if (to === from) return;
    const n = to - from;
    if (this.kept !== undefined && this.keptFrom >= n) {
      this.keptFrom -= this.buf.copy(this.kept, this.keptFrom - n, from, to);
      return;
    }
    const rest = this.kept?.subarray(this.keptFrom, this.keptTo);
    this.release();
    this.keep(this.buf, from, to);
    if (rest !== undefined) this.keep(rest, 0, rest.length);
  }

  /** Forgets everything. */
  clear(): void {
    this.from = this.to = 0;
    this.release();
  }

  private release(): void {
    this.kept = undefined;
    this.keptFrom = this.keptTo = 0;
  }

  private keep(source: Buffer, start: number, end: number): void {
    const waiting = this.keptTo - this.keptFrom;
    if (this.kept === undefined || this.kept.length - this.keptTo < end - start) {
      const need = waiting + end - start;
      // twice what is needed, so that a peer that sends byte by byte does not cost a copy of everything per byte
      const grown = Buffer.allocUnsafeSlow(waiting > 0 ? need * 2 : need);
      this.kept?.copy(grown, 0, this.keptFrom, this.keptTo);
      this.kept = grown;
      this.keptFrom = 0;
      this.keptTo = waiting;
    }
    this.keptTo += source.copy(this.kept, this.keptTo, start, end);
  }
}
