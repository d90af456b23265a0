/**
 * What a server has to send.
 *
 * All sessions write into one slab, one behind the other, and at the end of the loop's turn each session's bytes leave
 * in one send. Then the slab is empty again: while readers keep up, sending allocates nothing. Only what a socket does
 * not take is copied into a queue of its session.
 */
import type { PortSocket } from '../port/port.js';

const SLAB = 1024 * 1024;
/** More than this at once gets a buffer of its own. */
const SLAB_SHARE = SLAB / 4;
/** Pieces up to this many bytes in all are joined before they are sent. */
const GATHER_MAX = 64 * 1024;
/** Bytes that wait are collected in blocks of this size, then of twice the size, up to the largest. */
const BLOCK_MIN = 1024;
const BLOCK_MAX = 64 * 1024;

/** The slab of a server, and the sessions that have written since the last turn. */
export class Outbox {
  slab = Buffer.allocUnsafeSlow(SLAB);
  /** Bytes of the slab in use. */
  top = 0;
  private dirty: TxQueue[] = [];
  private readonly flushAll = (): void => this.flush();

  /** @param onTurnEnd is called after each flush */
  constructor(private readonly onTurnEnd: () => void) {}

  /** Remembers to flush `tx` at the end of the turn. */
  add(tx: TxQueue): void {
    // setImmediate runs when all sockets that were ready have been served, and their microtasks too
    if (this.dirty.push(tx) === 1) setImmediate(this.flushAll);
  }

  /** Makes room for `n` bytes in the slab. */
  ensure(n: number): void {
    if (SLAB - this.top >= n) return;
    // the queues that still hold bytes in the old slab keep it alive until they are flushed
    this.slab = Buffer.allocUnsafeSlow(SLAB);
    this.top = 0;
  }

  private flush(): void {
    const { dirty } = this;
    this.dirty = [];
    for (const tx of dirty) tx.flush();
    if (this.dirty.length === 0) this.top = 0;
    this.onTurnEnd();
  }
}

/** What a transmit queue tells its session. */
export interface TxOwner {
  /** Bytes have left; `blocked` tells whether the socket took less than it was given. */
  onTxProgress(sent: number, blocked: boolean): void;
}

/** The bytes that one session has to send. */
export class TxQueue {
  /** Where `reserve` made room. */
  buf: Buffer;
  /** Bytes written that the socket has not taken. */
  queued = 0;
  private at = 0;
  /** This turn's bytes: `slab[from, to)`. */
  private slab: Buffer;
  private from = 0;
  private to = 0;
  /** What was too large for the slab, or has waited longer than its turn; goes out before `slab[from, to)`. */
  private queue: Buffer[] | undefined;
  private sentOfFirst = 0;
  /** The block that waiting bytes are collected in, behind `queue`: `tail[0, tailEnd)`. */
  private tail: Buffer | undefined;
  private tailEnd = 0;
  private dirty = false;
  private blocked = false;

  constructor(
    /** Where the bytes go. */
    public sock: Pick<PortSocket, 'send' | 'pending'>,
    private readonly outbox: Outbox,
    private readonly owner: TxOwner,
  ) {
    this.buf = this.slab = outbox.slab;
  }

  /** All bytes that the kernel has not taken yet. */
  get pending(): number {
    return this.queued + this.sock.pending;
  }

  /**
   * Makes room for up to `n` bytes in `buf`; `commit` must follow before anything else is sent.
   *
   * @returns the offset in `buf` to write at
   */
  reserve(n: number): number {
    const { outbox } = this;
    if (n > SLAB_SHARE) {
      this.spill();
      this.buf = Buffer.allocUnsafeSlow(n);
      this.at = 0;
      return 0;
    }
    outbox.ensure(n);
    // another session has written since: our bytes can't go on where they ended
    if (this.to !== outbox.top || this.slab !== outbox.slab) this.spill();
    this.buf = this.slab = outbox.slab;
    this.at = outbox.top;
    return this.at;
  }

  /** `n` bytes have been written where `reserve` said. */
  commit(n: number): void {
    const { outbox } = this;
    this.queued += n;
    if (this.buf !== outbox.slab) {
      this.enqueue(this.buf.subarray(0, n));
    } else {
      if (this.to === this.from) this.from = this.at;
      this.to = outbox.top = this.at + n;
    }
    if (!this.dirty) {
      this.dirty = true;
      outbox.add(this);
    }
  }

  /** Queues a copy of `bytes`. */
  write(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.buf.set(bytes, at);
    this.commit(bytes.length);
  }

  /** Sends as much as the socket takes; the rest waits for `onWritable`. */
  flush(): void {
    this.dirty = false;
    if (this.blocked || this.queued === 0) {
      this.spill();
      return;
    }
    const before = this.queued;
    if (this.queue !== undefined || this.tail !== undefined) {
      this.spill();
      this.sendQueue();
    } else {
      const sent = this.sock.send(this.slab, this.from, this.to);
      this.from += sent;
      this.queued -= sent;
      if (this.from < this.to) this.blocked = true;
      this.spill();
    }
    if (this.sock.pending > 0) this.blocked = true;
    this.owner.onTxProgress(before - this.queued, this.blocked);
  }

  /** The socket takes bytes again. */
  onWritable(): void {
    this.blocked = false;
    if (this.queued > 0) this.flush();
    else this.owner.onTxProgress(0, false);
  }

  /** Drops everything. */
  clear(): void {
    this.queue = this.tail = undefined;
    this.from = this.to = this.queued = 0;
    this.blocked = true;
  }

  private sendQueue(): void {
    this.closeTail();
    const queue = this.gather();
    while (queue.length > 0) {
      const first = queue[0] as Buffer;
      const sent = this.sock.send(first, this.sentOfFirst, first.length);
      this.queued -= sent;
      this.sentOfFirst += sent;
      if (this.sentOfFirst < first.length) {
        this.blocked = true;
        return;
      }
      queue.shift();
      this.sentOfFirst = 0;
    }
    this.queue = undefined;
  }

  private gather(): Buffer[] {
    const queue = this.queue ?? [];
    if (queue.length < 2 || this.queued > GATHER_MAX) return queue;
    this.queue = [Buffer.concat(queue).subarray(this.sentOfFirst)];
    this.sentOfFirst = 0;
    return this.queue;
  }

  private enqueue(bytes: Buffer): void {
    this.closeTail();
    if (this.queue === undefined) this.queue = [bytes];
    else this.queue.push(bytes);
  }

  private closeTail(): void {
    const { tail } = this;
    if (tail === undefined) return;
    this.tail = undefined;
    this.enqueue(tail.subarray(0, this.tailEnd));
  }

  /** Moves this turn's bytes from the slab to the queue, so that the slab can be used anew. */
  private spill(): void {
    const n = this.to - this.from;
    if (n > 0) {
      if (this.tail === undefined || this.tail.length - this.tailEnd < n) {
        const size = Math.max(n, Math.min(BLOCK_MAX, 2 * (this.tail?.length ?? BLOCK_MIN / 2)));
        this.closeTail();
        this.tail = Buffer.allocUnsafeSlow(size);
        this.tailEnd = 0;
      }
      this.tailEnd += this.slab.copy(this.tail, this.tailEnd, this.from, this.to);
    }
    this.from = this.to = 0;
  }
}
