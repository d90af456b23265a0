/**
 * Bytes that wait, in blocks: they cost no more than twice their number, and are never moved to make room for others.
 */
import type { PortSocket } from '../port/port.js';

/** Bytes are collected in blocks of at least this size, and as long as all that waits, up to the largest. */
const BLOCK_MIN = 1024;
const BLOCK_MAX = 64 * 1024;
/** Blocks of up to this many bytes together are joined before they are sent. */
const GATHER_MAX = 64 * 1024;

export class ByteQueue {
  private readonly blocks: Buffer[] = [];
  /** Bytes of the first block that have left, and of the last one that are used. */
  private left = 0;
  private used = 0;
  private total = 0;

  get empty(): boolean {
    return this.blocks.length === 0;
  }

  /** Adds a copy of `source[from, to)`. */
  copy(source: Buffer, from: number, to: number): void {
    let last = this.blocks.at(-1);
    // to the last byte of the last block, so that no other has room that is not used
    let at = from;
    if (last !== undefined) {
      const n = source.copy(last, this.used, from, to);
      this.used += n;
      this.total += n;
      at += n;
    }
    if (at === to) return;
    // as long as all that waits
    const size = Math.max(to - at, Math.min(BLOCK_MAX, Math.max(BLOCK_MIN, this.total)));
    last = Buffer.allocUnsafeSlow(size);
    this.add(last, source.copy(last, 0, at, to));
  }

  /** Adds a block of which `used` bytes are used. If that is not all of it, it is ours from now on. */
  add(block: Buffer, used: number): void {
    const { blocks } = this;
    const last = blocks.length - 1;
    if (last >= 0) blocks[last] = (blocks[last] as Buffer).subarray(0, this.used);
    blocks.push(block);
    this.used = used;
    this.total += used;
  }

  /** Puts what came later behind. */
  append(later: ByteQueue): void {
    const last = later.blocks.length - 1;
    for (const [i, block] of later.blocks.entries()) this.add(block, i === last ? later.used : block.length);
  }

  /** Takes the first `n` bytes, of which there must be so many, and copies them to the start of `target` if there is one. */
  take(n: number, target?: Uint8Array): void {
    for (let at = 0; at < n; ) {
      const end = Math.min(this.firstEnd, this.left + n - at);
      target?.set((this.blocks[0] as Buffer).subarray(this.left, end), at);
      at += end - this.left;
      this.total -= end - this.left;
      this.left = end;
      if (end === this.firstEnd) this.shift();
    }
  }

  /** Sends as much as `sock` takes. @returns how much; all of it if `empty` */
  sendTo(sock: Pick<PortSocket, 'send'>): number {
    const { blocks } = this;
    let sum = 0;
    while (blocks.length > 0) {
      if (blocks.length > 1) this.joinFirst();
      const n = sock.send(blocks[0] as Buffer, this.left, this.firstEnd);
      sum += n;
      this.total -= n;
      this.left += n;
      if (this.left < this.firstEnd) break;
      this.shift();
    }
    return sum;
  }

  /** Where the first block's bytes end. */
  private get firstEnd(): number {
    return this.blocks.length === 1 ? this.used : (this.blocks[0] as Buffer).length;
  }

  /** Forgets the first block. */
  private shift(): void {
    this.blocks.shift();
    this.left = 0;
  }

  /** Makes one block of the first ones, as many as have up to GATHER_MAX bytes together. */
  private joinFirst(): void {
    const { blocks } = this;
    let count = 0;
    let sum = -this.left;
    for (const [i, block] of blocks.entries()) {
      sum += i === blocks.length - 1 ? this.used : block.length;
      if (sum > GATHER_MAX) break;
      count += 1;
    }
    if (count < 2) return;
    const all = count === blocks.length;
    if (all) blocks[count - 1] = (blocks[count - 1] as Buffer).subarray(0, this.used);
    const joined = Buffer.concat(blocks.slice(0, count)).subarray(this.left);
    blocks.splice(0, count, joined);
    this.left = 0;
    if (all) this.used = joined.length;
  }
}
