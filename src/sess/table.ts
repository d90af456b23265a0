/**
 * All sessions of a server: by number, and in the order of their last use.
 */
import type { Sess } from './sess.js';

export class SessTable implements Iterable<Sess> {
  private readonly byFd = new Map<number, Sess>();
  private lastFd: number;
  /** Least recently used. */
  private oldest: Sess | undefined;
  private newest: Sess | undefined;

  /** @param firstFd the number of the first session */
  constructor(private readonly firstFd: number) {
    this.lastFd = firstFd - 1;
  }

  get size(): number {
    return this.byFd.size;
  }

  /** The highest number given out so far. */
  get maxFd(): number {
    return this.lastFd;
  }

  /** Has a session had this number? */
  wasGiven(fd: number): boolean {
    return Number.isInteger(fd) && fd >= this.firstFd && fd <= this.lastFd;
  }

  /** A number that has never been used. */
  nextFd(): number {
    this.lastFd += 1;
    return this.lastFd;
  }

  get(fd: number): Sess | undefined {
    return this.byFd.get(fd);
  }

  fds(): number[] {
    return [...this.byFd.keys()];
  }

  add(sess: Sess): void {
    this.byFd.set(sess.fd, sess);
    sess.listed = true;
    this.link(sess);
  }

  remove(sess: Sess): void {
    if (!this.byFd.delete(sess.fd)) return;
    sess.listed = false;
    this.unlink(sess);
  }

  /** Makes `sess` the most recently used, if it is one of these. */
  touch(sess: Sess): void {
    if (this.newest === sess || !sess.listed) return;
    this.unlink(sess);
    this.link(sess);
  }

  /**
   * The session to end for a new one: the least recently used that is idle, HTTP before WebSocket.
   *
   * @returns undefined if every session has a running handler or something to send
   */
  purgeCandidate(): Sess | undefined {
    let websocket: Sess | undefined;
    for (let sess = this.oldest; sess !== undefined; sess = sess.lruNext) {
      if (!sess.purgeable) continue;
      if (!sess.protocol.isWebsocket) return sess;
      websocket ??= sess;
    }
    return websocket;
  }

  /** The order in which sessions would be purged; those that would not be come last. */
  purgeOrder(): Sess[] {
    const order: Sess[] = [];
    for (let sess = this.oldest; sess !== undefined; sess = sess.lruNext) order.push(sess);
    const group = (sess: Sess): number => (sess.purgeable ? Number(sess.protocol.isWebsocket) : 2);
    return order.sort((a, b) => group(a) - group(b));
  }

  [Symbol.iterator](): IterableIterator<Sess> {
    return this.byFd.values();
  }

  private link(sess: Sess): void {
    sess.lruPrev = this.newest;
    sess.lruNext = undefined;
    if (this.newest === undefined) this.oldest = sess;
    else this.newest.lruNext = sess;
    this.newest = sess;
  }

  private unlink(sess: Sess): void {
    if (sess.lruPrev === undefined) this.oldest = sess.lruNext;
    else sess.lruPrev.lruNext = sess.lruNext;
    if (sess.lruNext === undefined) this.newest = sess.lruPrev;
    else sess.lruNext.lruPrev = sess.lruPrev;
    sess.lruPrev = sess.lruNext = undefined;
  }
}
