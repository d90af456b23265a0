/**
 * The received bytes that a session has not consumed yet.
 *
 * They stay where they were received as long as nobody else needs the room: a handler that is done soon costs no copy.
 * The receive buffer has room for several receives, one behind the other, since asynchronous handlers end only when all
 * sockets of the loop's turn have been read. When it is full, the bytes that still lie in it are moved to memory of
 * their sessions.
 */

/** What waits elsewhere comes back in pieces of this size, or twice what was there. */
const REFILL_MIN = 4096;

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
    readonly share: number,
  ) {}

  /** The buffer as it lies now. */
  get buf(): Buffer {
    return this.memory();
  }

  /** Gives room for one receive, behind the bytes that wait. */
  readonly claim = (): Buffer => {
    const buf = this.makeRoom(this.share);
    const { at } = this;
    if (at > 0) return buf.subarray(at, at + this.share);
    if (this.known !== buf || this.first === undefined) {
      this.known = buf;
      this.first = buf.subarray(0, this.share);
    }
    return this.first;
  };

  /** Makes room for up to a share at `at`. @returns the whole buffer */
  makeRoom(size: number): Buffer {
    const buf = this.memory();
    this.at = this.top();
    if (this.at + size > buf.length) {
      for (const holder of this.holders) holder.evict();
      this.holders.length = this.at = 0;
    }
    return buf;
  }

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

/** Bytes that wait outside of the receive buffer: `buf[from, to)`, never none. */
interface Kept {
  buf: Buffer;
  from: number;
  to: number;
}

export class Input {
  /** The window: waiting bytes in the receive buffer are `buf[from, to)`. */
  from = 0;
  to = 0;
  /** Waiting bytes elsewhere, behind those of the window. */
  private kept: Kept | undefined;

  constructor(private readonly receive: ReceiveBuffer) {}

  /** The receive buffer, in which the window lies. */
  get buf(): Buffer {
    return this.receive.buf;
  }

  /** How many bytes wait. */
  get length(): number {
    const shown = this.to - this.from;
    return this.kept === undefined ? shown : shown + this.kept.to - this.kept.from;
  }

  /** The first byte that waits is `first[firstAt]`, and those behind it follow, as many as ever were in one window. */
  get first(): Buffer {
    return this.from < this.to || this.kept === undefined ? this.buf : this.kept.buf;
  }

  get firstAt(): number {
    return this.from < this.to || this.kept === undefined ? this.from : this.kept.from;
  }

  /** A chunk of `len` bytes has been received into the buffer, which had been claimed before. */
  arrive(len: number): void {
    const { at } = this.receive;
    if (this.from === this.to && this.kept === undefined) {
      this.from = at;
      this.to = at + len;
      this.receive.hold(this);
    } else if (this.kept === undefined && this.to === at) {
      this.to += len;
    } else {
      this.keep(this.buf, at, at + len);
    }
  }

  /** Makes the window show what waits. @returns false if nothing does */
  open(): boolean {
    return this.to > this.from || this.refill();
  }

  /**
   * Makes the window show more of what waits, up to a share of the buffer; not much more, since sessions that take
   * turns move each other out.
   *
   * @returns whether it does
   */
  refill(): boolean {
    if (this.kept === undefined) return false;
    const { receive } = this;
    const shown = this.to - this.from;
    this.evict();
    const { kept } = this;
    const n = Math.min(kept.to - kept.from, receive.share, Math.max(REFILL_MIN, 2 * shown));
    const buf = receive.makeRoom(n);
    kept.buf.copy(buf, receive.at, kept.from, kept.from + n);
    this.from = receive.at;
    this.to = this.from + n;
    this.drop(n);
    this.receive.hold(this);
    return n > shown;
  }

  /** Consumes up to `n` bytes, be they in the window or kept. */
  skip(n: number): void {
    const inWindow = Math.min(n, this.to - this.from);
    this.from += inWindow;
    if (n > inWindow) this.drop(n - inWindow);
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
    const { from, to, kept } = this;
    this.from = this.to = 0;
    if (to === from) return;
    const n = to - from;
    if (kept !== undefined && kept.from >= n) {
      kept.from -= n;
      this.buf.copy(kept.buf, kept.from, from, to);
      return;
    }
    this.kept = undefined;
    this.keep(this.buf, from, to);
    if (kept !== undefined) this.keep(kept.buf, kept.from, kept.to);
  }

  /** Forgets everything. */
  clear(): void {
    this.from = this.to = 0;
    this.kept = undefined;
  }

  /** Forgets the first `n` bytes of what is kept. */
  private drop(n: number): void {
    const { kept } = this;
    if (kept === undefined) return;
    kept.from += n;
    if (kept.from >= kept.to) this.kept = undefined;
  }

  /** Keeps `source[start, end)` behind all else. */
  private keep(source: Buffer, start: number, end: number): void {
    const size = end - start;
    const { kept } = this;
    if (kept === undefined) {
      const buf = Buffer.allocUnsafeSlow(size);
      source.copy(buf, 0, start, end);
      this.kept = { buf, from: 0, to: size };
      return;
    }
    if (kept.buf.length - kept.to < size) {
      const waiting = kept.to - kept.from;
      // twice what is needed, so that a peer that sends byte by byte does not cost a copy of everything per byte
      const grown = Buffer.allocUnsafeSlow((waiting + size) * 2);
      kept.buf.copy(grown, 0, kept.from, kept.to);
      kept.buf = grown;
      kept.from = 0;
      kept.to = waiting;
    }
    source.copy(kept.buf, kept.to, start, end);
    kept.to += size;
  }
}
