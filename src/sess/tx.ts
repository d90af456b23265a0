/**
 * What a server has to send.
 *
 * All sessions write into one slab, each into a region of its own, and at the end of the loop's turn each session's
 * bytes leave in one send. Then the slab is empty again: while readers keep up, sending allocates nothing. Only what a
 * socket does not take is copied to memory of its session. A region has room for some small writes more than the one
 * that it was made for, since asynchronous handlers take turns.
 */
import type { PortSocket } from '../port/port.js';
import { ByteQueue } from './byte_queue.js';

const SLAB = 1024 * 1024;
/** What `reserve` makes room for at most. More than this goes to the socket at once, from where it is. */
export const RESERVE_MAX = SLAB / 4;
/** Room for later writes in a session's region; an odd number of cache lines, so that regions don't share places in the cache. */
const SLACK = 1024 + 64;
/** Up to here a copy costs less than to keep a reference. */
const SHARE_MIN = 512;

/** The slab of a server, and the queues that have been written to since the last turn. */
export class Outbox {
  readonly slab = Buffer.allocUnsafeSlow(SLAB);
  /** Bytes of the slab in use, as regions. */
  top = 0;
  private dirty: TxQueue[] = [];
  /** Those being flushed, some of which still have their bytes in the slab. */
  private flushing: TxQueue[] = [];
  private readonly flushAll = (): void => this.flush();

  /** @param onTurnEnd is called after each flush */
  constructor(private readonly onTurnEnd: () => void) {}

  /** Remembers to flush `tx` at the end of the turn. */
  add(tx: TxQueue): void {
    // setImmediate runs when all sockets that were ready have been served, and their microtasks too
    if (this.dirty.push(tx) === 1) setImmediate(this.flushAll);
  }

  /** Is there room for `n` bytes in the slab? */
  has(n: number): boolean {
    return SLAB - this.top >= n;
  }

  /** Makes room for `n` bytes in the slab. */
  ensure(n: number): void {
    if (this.has(n)) return;
    for (const tx of this.dirty) tx.spill();
    for (const tx of this.flushing) tx.spill();
    this.top = 0;
  }

  private flush(): void {
    this.flushing = this.dirty;
    this.dirty = [];
    for (const tx of this.flushing) tx.flushSafely();
    this.flushing = [];
    // what was written meanwhile lies behind
    if (this.dirty.length === 0) this.top = 0;
    this.onTurnEnd();
  }
}

/** What a transmit queue tells its session. */
export interface TxOwner {
  /**
   * Bytes have left.
   *
   * @param blocked has the socket taken less than it was given?
   * @param inCall is a send of the application under way? Then none of its code may run; this is called again later.
   */
  onTxProgress(sent: number, blocked: boolean, inCall: boolean): void;
  /** Something threw while the queue was flushed at the end of the turn. */
  onTxFault(thrown: unknown): void;
}

/** The bytes that one session has to send. */
export class TxQueue {
  /** Bytes written that the socket has not taken. */
  queued = 0;
  /** This turn's bytes: `slab[from, to)` of the outbox. */
  private from = 0;
  private to = 0;
  /** End of its region in the slab; 0 without one. */
  private limit = 0;
  /** Bytes that go out before them. */
  private backlog: ByteQueue | undefined;
  private dirty = false;
  private blocked = false;
  private cleared = false;
  /** Do bytes go through application code, which may send in turn? */
  private diverted = false;
  private sending = false;

  constructor(
    /** Where the bytes go. */
    private sock: Pick<PortSocket, 'send' | 'pending'>,
    private readonly outbox: Outbox,
    private readonly owner: TxOwner,
  ) {}

  /** Where `reserve` made room. */
  get buf(): Buffer {
    return this.outbox.slab;
  }

  /** All bytes that the kernel has not taken yet. */
  get pending(): number {
    return this.queued + this.sock.pending;
  }

  /** Has the socket taken less than it was given, so that the reader must take something first? */
  get stuck(): boolean {
    return this.blocked;
  }

  /**
   * Makes room for up to `n` bytes in `buf`; `commit` must follow before anything else is sent.
   *
   * @param n at most RESERVE_MAX
   * @returns the offset in `buf` to write at
   */
  reserve(n: number): number {
    if (this.limit - this.to < n) this.makeRegion(n);
    return this.to;
  }

  /** `n` bytes have been written where `reserve` said. */
  commit(n: number): void {
    this.queued += n;
    this.to += n;
    if (!this.dirty) this.flushLater();
  }

  /** Room for `n` bytes and some more in the slab, behind what has been written if nobody has come in between. */
  private makeRegion(n: number): void {
    const { outbox } = this;
    // where very many sessions are sent to, there is room for what they get, and not for more
    const size = outbox.top < SLAB / 2 ? n + SLACK : n;
    if (this.limit === 0 || this.limit !== outbox.top || !outbox.has(size)) {
      this.spill();
      outbox.ensure(size);
      this.from = this.to = outbox.top;
    }
    this.limit = outbox.top = this.to + size;
  }

  /** Queues `bytes`. Many of them are sent at once, and only what the socket does not take is copied. */
  write(bytes: Uint8Array): void {
    if (bytes.length > RESERVE_MAX) {
      this.writeMany(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      return;
    }
    const at = this.reserve(bytes.length);
    this.buf.set(bytes, at);
    this.commit(bytes.length);
  }

  /** Queues `bytes` that are in many queues, and never change: more than a few are not copied. */
  share(bytes: Buffer): void {
    if (bytes.length <= SHARE_MIN) {
      this.write(bytes);
      return;
    }
    this.queued += bytes.length;
    this.spill();
    this.backlog ??= new ByteQueue();
    this.backlog.add(bytes, bytes.length);
    if (!this.dirty) this.flushLater();
  }

  private writeMany(bytes: Buffer): void {
    const before = this.queued;
    this.queued += bytes.length;
    let sent = 0;
    const now = !this.blocked && !this.sending && !this.diverted;
    if (now) {
      if (before > 0) sent = this.push();
      if (sent === before && this.sock.pending === 0) sent += this.sock.send(bytes, 0, bytes.length);
    }
    this.keep(bytes, Math.max(0, sent - before));
    if (now) this.progress(sent, before + bytes.length, true);
    if (!this.dirty) this.flushLater();
  }

  /** `flush()` at the end of the turn: what goes wrong with one session is no matter of the others. */
  flushSafely(): void {
    try {
      this.flush();
    } catch (thrown) {
      this.owner.onTxFault(thrown);
    }
  }

  /** Sends as much as the socket takes; the rest waits for `onWritable`. */
  flush(): void {
    this.dirty = false;
    if (this.blocked || this.sending) {
      this.spill();
      return;
    }
    // more may be queued while the bytes go through application code
    const total = this.queued;
    const sent = total > 0 ? this.push() : 0;
    this.spill();
    this.progress(sent, total, false);
  }

  /** The same while a send of the application is under way. */
  flushInCall(): void {
    if (this.blocked || this.sending || this.queued === 0) return;
    const total = this.queued;
    this.progress(this.push(), total, true);
    if (!this.dirty) this.flushLater();
  }

  private flushLater(): void {
    this.dirty = true;
    this.outbox.add(this);
  }

  /** Gives what is queued to the socket. @returns how much it took */
  private push(): number {
    // the slab may be used anew while application code looks at the bytes
    if (this.backlog !== undefined || this.diverted) this.spill();
    if (this.backlog !== undefined) return this.sendBacklog(this.backlog);
    const sent = this.sock.send(this.outbox.slab, this.from, this.to);
    this.from += sent;
    this.spill();
    return sent;
  }

  /** The socket has taken `sent` bytes of the `total` that it was given. */
  private progress(sent: number, total: number, inCall: boolean): void {
    if (this.cleared) return;
    this.queued -= sent;
    this.blocked = sent < total || this.sock.pending > 0;
    this.owner.onTxProgress(sent, this.blocked, inCall);
  }

  /** From now on bytes go through `sock`; `diverted` if that is application code. */
  sendThrough(sock: Pick<PortSocket, 'send' | 'pending'>, diverted: boolean): void {
    this.sock = sock;
    this.diverted = diverted;
  }

  private sendBacklog(backlog: ByteQueue): number {
    this.backlog = undefined;
    this.sending = true;
    try {
      return backlog.sendTo(this.sock);
    } finally {
      this.sending = false;
      if (!backlog.empty && !this.cleared) {
        if (this.backlog !== undefined) backlog.append(this.backlog);
        this.backlog = backlog;
      }
    }
  }

  /** The socket takes bytes again. */
  onWritable(): void {
    this.blocked = false;
    this.flush();
  }

  /** Drops everything. */
  clear(): void {
    this.backlog = undefined;
    this.from = this.to = this.limit = this.queued = 0;
    this.blocked = this.cleared = true;
  }

  /** Moves this turn's bytes from the slab to memory of their own, so that the slab can be used anew. */
  spill(): void {
    const { from, to } = this;
    this.from = this.to = this.limit = 0;
    if (to > from) this.copy(this.outbox.slab, from, to);
  }

  /** Keeps what of `bytes` the socket has not taken, behind all else. */
  private keep(bytes: Buffer, taken: number): void {
    this.spill();
    if (taken < bytes.length) this.copy(bytes, taken, bytes.length);
  }

  private copy(bytes: Buffer, from: number, to: number): void {
    this.backlog ??= new ByteQueue();
    this.backlog.copy(bytes, from, to);
  }
}
