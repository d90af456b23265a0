/**
 * Bytes that wait, in blocks: they cost no more than twice their number, and are never moved to make room for others.
 */
import type { PortSocket } from '../port/port.js';

/** Bytes are collected in blocks of this size, then of twice the size, up to the largest. */
const BLOCK_MIN = 1024;
const BLOCK_MAX = 64 * 1024;
/** Blocks of up to this many bytes in all are joined before they are sent. */
const GATHER_MAX = 64 * 1024;

export class ByteQueue {
  private readonly blocks: Buffer[] = [];
  /** Bytes of the first block that have left, and of the last one that are used. */
  private left = 0;
  private used = 0;

  get empty(): boolean {
    return this.blocks.length === 0;
  }

  /** Adds a copy of `source[from, to)`. */
  copy(source: Buffer, from: number, to: number): void {
    const n = to - from;
    let last = this.blocks.at(-1);
    if (last === undefined || last.length - this.used < n) {
      const size = Math.max(n, Math.min(BLOCK_MAX, 2 * (last?.length ?? BLOCK_MIN / 2)));
      last = Buffer.allocUnsafeSlow(size);
      this.add(last, 0);
    }
    this.used += source.copy(last, this.used, from, to);
  }

  /** Adds a block of which `used` bytes are used. If that is not all of it, it is ours from now on. */
  add(block: Buffer, used: number): void {
    const { blocks } = this;
    const last = blocks.length - 1;
    if (last >= 0) blocks[last] = (blocks[last] as Buffer).subarray(0, this.used);
    blocks.push(block);
    this.used = used;
  }

  /** Puts what came later behind. */
  append(later: ByteQueue): void {
    const last = later.blocks.length - 1;
    for (const [i, block] of later.blocks.entries()) this.add(block, i === last ? later.used : block.length);
  }

  /** Moves the first `n` bytes, of which there must be so many, to the start of `target`. */
  read(target: Uint8Array, n: number): void {
    const { blocks } = this;
    for (let at = 0; at < n; ) {
      const block = blocks[0] as Buffer;
      const end = Math.min(blocks.length === 1 ? this.used : block.length, this.left + n - at);
      target.set(block.subarray(this.left, end), at);
      at += end - this.left;
      this.left = end;
      this.shift();
    }
  }

  /** Drops everything. */
  clear(): void {
    this.blocks.length = this.left = this.used = 0;
  }

  /** Sends as much as `sock` takes. @returns how much; all of it if `empty` */
  sendTo(sock: Pick<PortSocket, 'send'>, total: number): number {
    const { blocks } = this;
    if (blocks.length > 1 && total <= GATHER_MAX) this.join();
    let sum = 0;
    while (blocks.length > 0) {
      const end = blocks.length === 1 ? this.used : (blocks[0] as Buffer).length;
      const n = sock.send(blocks[0] as Buffer, this.left, end);
      sum += n;
      this.left += n;
      if (this.left < end) break;
      this.shift();
    }
    return sum;
  }

  /** Forgets the first block if all of it has left. */
  private shift(): void {
    const { blocks } = this;
    if (this.left < (blocks.length === 1 ? this.used : (blocks[0] as Buffer).length)) return;
    blocks.shift();
    this.left = 0;
  }

  private join(): void {
    const { blocks } = this;
    const last = blocks.length - 1;
    blocks[last] = (blocks[last] as Buffer).subarray(0, this.used);
    const joined = Buffer.concat(blocks).subarray(this.left);
    blocks.length = 0;
    blocks.push(joined);
    this.left = 0;
    this.used = joined.length;
  }
}
