/**
 * Which small files are likely to be in the system's page cache, since they were read a moment ago.
 *
 * To read one of those takes a microsecond or two; the way to a thread of libuv and back takes ten times as long. So
 * they are read in place. If the system has dropped one meanwhile the loop waits for the disk: once, and then there is
 * no such trust for a while.
 */

/** For so long a file that was read counts as warm, in ms. */
const TRUST_MS = 10_000;
/** A read in place that takes longer has waited for something, in ms. */
const SLOW_MS = 20;
/** So many files are remembered. */
const MAX_FILES = 1024;

export class WarmFiles {
  /** When each was read last, the one longest ago first. */
  private readonly readAt = new Map<string, number>();
  private distrustUntil = 0;

  /** @param now a clock that never goes back, in ms */
  constructor(private readonly now: () => number) {}

  /**
   * Reads a small file.
   *
   * @param key tells one state of a file from others
   * @param inPlace reads it at once, if it is warm
   * @param inThread reads it without holding up the loop
   * @returns what they return
   */
  async read(key: string, inPlace: () => number, inThread: () => Promise<number>): Promise<number> {
    const begun = this.now();
    if (this.isWarm(key, begun)) {
      const count = inPlace();
      const ended = this.now();
      if (ended - begun > SLOW_MS) this.distrustUntil = ended + TRUST_MS;
      this.remember(key, ended);
      return count;
    }
    const count = await inThread();
    this.remember(key, this.now());
    return count;
  }

  private isWarm(key: string, now: number): boolean {
    const readAt = this.readAt.get(key);
    return readAt !== undefined && now - readAt < TRUST_MS && now >= this.distrustUntil;
  }

  private remember(key: string, now: number): void {
    this.readAt.delete(key);
    this.readAt.set(key, now);
    if (this.readAt.size <= MAX_FILES) return;
    const [oldest] = this.readAt.keys();
    this.readAt.delete(oldest as string);
  }
}

/** What all servers of the process share. */
export const warmFiles = new WarmFiles(() => performance.now());
