/**
 * Sessions that are over, and whose sockets wait behind our FIN for the peer's. They are no open sessions any more, and
 * have a bound of their own.
 */
import type { Sess } from './sess.js';

export class Lingering implements Iterable<Sess> {
  private readonly all = new Set<Sess>();

  /** @param max so many may wait; the oldest makes way */
  constructor(private readonly max: number) {}

  get size(): number {
    return this.all.size;
  }

  add(sess: Sess): void {
    const [oldest] = this.all;
    if (this.all.size >= this.max) oldest?.end('another lingers');
    this.all.add(sess);
  }

  /** Its socket has been released. */
  delete(sess: Sess): void {
    this.all.delete(sess);
  }

  [Symbol.iterator](): IterableIterator<Sess> {
    return this.all.values();
  }
}
