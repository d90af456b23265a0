/**
 * What a client has to send: masked frames, collected until the loop has turned, and then handed to the socket at once.
 */
import { writeHeader } from '../httpd_ws/frame.js';
import { unmask } from '../httpd_ws/mask.js';

/** Where the bytes go. */
export interface TxSocket {
  /**
   * @returns true: the system has them, and the memory may be used again; false: they are kept, nothing more is to be
   * written until `Tx.onTaken`, and the memory is not ours any more
   */
  write(bytes: Buffer): boolean;
}

/** A header with 64-bit length and masking key. */
const HEADER_ROOM = 14;
const MASK = 0x80;
/** Frames are collected in blocks: the first one is small, those behind it grow. */
const BLOCK_MIN = 2 * 1024;
const BLOCK_MAX = 64 * 1024;
/** The most that is given to the socket at a time, so that the progress of a slow reader shows. */
const WRITE_MAX = 64 * 1024;

const NO_BYTES = Buffer.alloc(0);

export class Tx {
  /** Bytes that the system has not taken yet. */
  pending = 0;
  /** Bytes that it has taken, in all. */
  taken = 0;
  /** Does the socket keep bytes that the system has not taken? */
  blocked = false;
  private socket: TxSocket | undefined;
  private block = NO_BYTES;
  private used = 0;
  private nextBlock = BLOCK_MIN;
  /** Full blocks, in front of `block`. */
  private readonly full: Buffer[] = [];
  /** Bytes of `full[0]` that have been written. */
  private written = 0;
  /** Bytes that the socket keeps. */
  private kept = 0;
  private scheduled = false;

  /**
   * @param key gives masking keys
   * @param later calls a function when the loop has turned
   * @param onWritten is told when something has been written then
   */
  constructor(
    private readonly key: () => number,
    private readonly later: (fn: () => void) => void,
    private readonly onWritten: () => void,
  ) {}

  /** There is a socket from now on. */
  open(socket: TxSocket): void {
    this.socket = socket;
  }

  /** Nothing is sent any more. */
  close(): void {
    this.socket = undefined;
    this.block = NO_BYTES;
    this.full.length = this.used = this.written = this.pending = this.kept = 0;
  }

  /** Queues bytes that are no frame. */
  raw(bytes: Buffer): void {
    const at = this.reserve(bytes.length);
    bytes.copy(this.block, at);
    this.commit(bytes.length);
  }

  /**
   * Queues a frame; the payload is copied.
   *
   * @param opcode perhaps with RSV1
   */
  frame(fin: boolean, opcode: number, payload: Uint8Array | string): void {
    const len = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
    const at = this.reserve(HEADER_ROOM + len);
    const { block } = this;
    const key = this.key();
    const behind = writeHeader(block, at, fin, opcode, len);
    block[at + 1] = (block[at + 1] as number) | MASK;
    const body = block.writeInt32LE(key, behind);
    if (typeof payload === 'string') block.write(payload, body);
    else block.set(payload, body);
    unmask(block, body, body + len, key, 0);
    this.commit(body + len - at);
  }

  /** Hands over what is queued. */
  flush(): void {
    const { socket } = this;
    if (socket === undefined || this.blocked) return;
    while (!this.blocked && this.pending > 0) {
      const inFull = this.full.length > 0;
      const block = inFull ? (this.full[0] as Buffer) : this.block.subarray(0, this.used);
      const end = Math.min(block.length, this.written + WRITE_MAX);
      const bytes = block.subarray(this.written, end);
      const taken = socket.write(bytes);
      if (taken) this.left(bytes.length);
      else this.kept = bytes.length;
      this.blocked = !taken;
      this.written = end;
      if (end === block.length) this.blockDone(inFull, taken);
    }
  }

  /** The system has taken what the socket kept. */
  onTaken(): void {
    this.left(this.kept);
    this.kept = 0;
    this.blocked = false;
    this.flush();
  }

  private left(n: number): void {
    this.pending -= n;
    this.taken += n;
  }

  private blockDone(inFull: boolean, taken: boolean): void {
    this.written = 0;
    if (inFull) {
      this.full.shift();
      return;
    }
    this.used = 0;
    if (!taken || this.block.length > BLOCK_MAX) this.block = NO_BYTES;
  }

  /** Makes room for `n` bytes. @returns where in `block` */
  private reserve(n: number): number {
    if (this.block.length - this.used < n) {
      if (this.used > 0) this.seal();
      const size = Math.max(n, this.nextBlock);
      this.nextBlock = Math.min(BLOCK_MAX, 2 * this.nextBlock);
      this.block = Buffer.allocUnsafeSlow(size);
    }
    return this.used;
  }

  private seal(): void {
    this.full.push(this.block.subarray(0, this.used));
    this.block = NO_BYTES;
    this.used = 0;
  }

  private commit(n: number): void {
    this.used += n;
    this.pending += n;
    if (this.scheduled) return;
    this.scheduled = true;
    this.later(() => {
      this.scheduled = false;
      this.flush();
      this.onWritten();
    });
  }
}
