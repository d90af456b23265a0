/**
 * The received bytes that a session has not consumed yet.
 *
 * They stay where they were received as long as nobody else needs the room: a handler that is done soon costs no copy.
 * The receive buffer has room for several receives, one behind the other, since asynchronous handlers end only when all
 * sockets of the loop's turn have been read. When it is full, the bytes that still lie in it are moved to memory of
 * their sessions.
 */

/** The receive buffer of a thread, and whose bytes lie in it. */
export class ReceiveBuffer {
  /** Where the buffer that was claimed last begins. */
  at = 0;
  /** Whose bytes lie in the buffer, in the order of their places; some have consumed theirs by now. */
  private readonly holders: Input[] = [];
  private known: Buffer | undefined;
  private first: Buffer | undefined;

  /**
   * @param memory gives the buffer, which may move
   * @param share how many bytes one receive can deliver at most
   */
  constructor(
    private readonly memory: () => Buffer,
    private readonly share: number,
  ) {}

  /** The buffer as it lies now. */
  get buf(): Buffer {
    return this.memory();
  }

  /** Gives room for one receive, behind the bytes that wait. */
  readonly claim = (): Buffer => {
    const buf = this.memory();
    let top = this.top();
    if (top + this.share > buf.length) {
      for (const holder of this.holders) holder.evict();
      this.holders.length = top = 0;
    }
    this.at = top;
    if (top > 0) return buf.subarray(top, top + this.share);
    if (this.known !== buf || this.first === undefined) {
      this.known = buf;
      this.first = buf.subarray(0, this.share);
    }
    return this.first;
  };

  /** The bytes of `input` stay in the buffer. */
  hold(input: Input): void {
    this.holders.push(input);
  }

  /** Behind the last byte that waits. */
  private top(): number {
    const { holders } = this;
    while (holders.length > 0) {
      const last = holders[holders.length - 1] as Input;
      if (last.to > last.from) return last.to;
      holders.pop();
    }
    return 0;
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
    const { at } = this.receive;
    if (this.to === at && this.to > this.from && this.keptTo === this.keptFrom) {
      this.to += len;
    } else if (this.length > 0) {
      this.keep(this.buf, at, at + len);
    } else {
      this.from = at;
      this.to = at + len;
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
    this.from = this.receive.at;
    this.to = this.from + n;
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
