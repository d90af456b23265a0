/** What all clients share: where the servers are, what was seen, and whether it is time to end. */
import { mulberry32 } from '../../test/support/fault_port.js';
import { RawClient } from '../../test/support/raw_client.js';
import type { Ports, Report } from '../messages.js';

/** Failures that are kept; more of them say nothing new. */
const FAILURES_MAX = 20;

/** One way to use the server, well or badly; `run` is one conversation. */
export interface Actor {
  readonly name: string;
  /** How many of them are there at a time? */
  readonly count: number;
  run(me: Me): Promise<void>;
}

export class World {
  stopping = false;
  /** How often each of them has been seen. */
  private readonly failed = new Map<string, number>();
  private readonly answered = new Map<string, number>();
  private readonly conversations = new Map<string, number>();
  private readonly wake = new Set<() => void>();
  private ids = 0;
  /** Answers that quiet clients have got, and the longest that one of them has waited for one, in ms. */
  private answers = 0;
  private worstMs = 0;

  constructor(
    readonly ports: Ports,
    private readonly seed: number,
  ) {}

  /** Lets actors converse until it is time to end. */
  async play(actors: readonly Actor[]): Promise<void> {
    const all = actors.flatMap(actor => Array.from({ length: actor.count }, () => actor));
    await Promise.all(all.map((actor, i) => this.playOne(actor, new Me(this, this.seed + i * 7919))));
  }

  finish(): void {
    this.stopping = true;
    for (const fn of this.wake) fn();
  }

  fail(who: string, thrown: unknown): void {
    const text = `${who}: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
    const times = this.failed.get(text) ?? 0;
    if (times > 0 || this.failed.size < FAILURES_MAX) this.failed.set(text, times + 1);
  }

  /** An id that no other request has. */
  id(kind: string): string {
    this.ids += 1;
    return `${kind}.${this.ids}`;
  }

  /** A request or message of this kind was answered as it should be. */
  got(kind: string): void {
    this.answered.set(kind, (this.answered.get(kind) ?? 0) + 1);
  }

  /** A quiet client has waited so long for an answer, in ms. */
  waited(ms: number): void {
    this.answers += 1;
    this.worstMs = Math.max(this.worstMs, ms);
  }

  /** Waits, but not beyond the end. */
  pause(ms: number): Promise<void> {
    if (this.stopping) return Promise.resolve();
    return new Promise(resolve => {
      const done = (): void => {
        clearTimeout(timer);
        this.wake.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.wake.add(done);
    });
  }

  get report(): Report {
    return {
      failures: [...this.failed].map(([text, times]) => (times === 1 ? text : `${text} (${times} times)`)),
      answered: Object.fromEntries(this.answered),
      conversations: Object.fromEntries(this.conversations),
      quiet: { answers: this.answers, worstMs: this.worstMs },
    };
  }

  private async playOne(actor: Actor, me: Me): Promise<void> {
    while (!this.stopping) {
      try {
        await actor.run(me);
        this.conversations.set(actor.name, (this.conversations.get(actor.name) ?? 0) + 1);
      } catch (thrown) {
        this.fail(actor.name, thrown);
      }
      me.leave();
      await this.pause(me.int(1, 30));
    }
  }
}

/** One client: what it chooses follows from a seed. */
export class Me {
  private readonly random: () => number;
  private clients: RawClient[] = [];

  constructor(
    readonly world: World,
    seed: number,
  ) {
    this.random = mulberry32(seed);
  }

  /** From `min` to `max`, both of them included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.random() * (max - min + 1));
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(0, from.length - 1)] as T;
  }

  /** Bytes without a pattern. */
  bytes(n: number): Buffer {
    const bytes = Buffer.allocUnsafe(n);
    for (let i = 0; i < n; i++) bytes[i] = this.int(0, 255);
    return bytes;
  }

  /** Printable text. */
  text(n: number): string {
    let text = '';
    while (text.length < n) text += `${this.int(0, 1e9).toString(36)} `;
    return text.slice(0, n);
  }

  /** Cuts `bytes` at random. */
  cut(bytes: Uint8Array | string, most = 10): Buffer[] {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes);
    const pieces: Buffer[] = [];
    const size = Math.max(1, Math.ceil(all.length / this.int(1, most)));
    for (let at = 0; at < all.length; at += size) pieces.push(all.subarray(at, at + size));
    return pieces;
  }

  /** A connection, which is destroyed behind the conversation. */
  async connect(to: keyof Ports = 'main'): Promise<RawClient> {
    const client = await RawClient.connect(this.world.ports[to]);
    this.clients.push(client);
    return client;
  }

  /** Ends what the conversation has left open. */
  leave(): void {
    for (const client of this.clients.splice(0)) client.destroy();
  }
}

/** Throws unless `condition` holds. */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}
