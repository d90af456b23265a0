/**
 * The buffers that files are read into: a few for all, since no more reads than libuv has threads run at a time.
 */

/** Size of a buffer. Memory that is never written to costs nothing, so small reads may have a large one. */
export const BUFFER_SIZE = 512 * 1024;

export class BufferPool {
  private readonly free: Buffer[] = [];
  private readonly waiting: ((buf: Buffer) => void)[] = [];
  private made = 0;

  /** @param max how many buffers there are at most */
  constructor(private readonly max: number) {}

  /** A buffer, as soon as there is one; `give` must follow. */
  take(): Buffer | Promise<Buffer> {
    const buf = this.free.pop();
    if (buf !== undefined) return buf;
    if (this.made === this.max) return new Promise(resolve => this.waiting.push(resolve));
    this.made += 1;
    return Buffer.allocUnsafeSlow(BUFFER_SIZE);
  }

  /** Gives a buffer back. */
  give(buf: Buffer): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free.push(buf);
    else next(buf);
  }
}

/** What all servers of the process share. */
export const buffers = new BufferPool(8);
