/**
 * A server on a port in memory that streams of bytes are played to, one session at a time, and what must hold behind
 * each of them whatever its bytes.
 */
import { setImmediate as immediate } from 'node:timers/promises';
import type { HttpdConfig } from '../../src/config.js';
import type { HttpdCore } from '../../src/httpd/core.js';
import type { RequestHead } from '../../src/httpd/parse.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { startWith } from '../../src/httpd/start.js';
import type { HttpdStats } from '../../src/httpd/stats.js';
import type { Listener, ListenOptions, PortSocket, SocketHandler } from '../../src/port/port.js';
import { ManualClock } from '../../test/support/clock.js';
import { pieces } from '../../test/support/feed.js';
import { type MemConn, MemPort } from '../../test/support/mem_port.js';
import { demand } from './finding.js';
import { inside } from './inside.js';
import { FuzzLog } from './log.js';

/** How bytes reach the server, and how its answers leave. */
export interface Manner {
  /** Sizes of the pieces, again and again; none: all at once. */
  readonly sizes: readonly number[];
  /** Does the loop turn between two pieces? */
  readonly turns: boolean;
  readonly spoilsAtOnce: boolean;
  /** How many bytes the kernel takes at a time. */
  readonly room: number;
}

/** All bytes at once, and a reader that keeps up. */
export const WHOLE: Manner = { sizes: [], turns: false, spoilsAtOnce: true, room: Number.POSITIVE_INFINITY };

/** What is sent ahead of a stream, in one piece and in a turn of its own. */
export interface Ahead {
  readonly bytes: Buffer;
  /** Nothing comes for so long behind it, in ms. */
  readonly quietMs: number;
}

/**
 * What the peer does when it has sent all: a FIN when it has been answered, a FIN right behind its bytes, a reset, or
 * nothing, so that the server's patience ends.
 */
export type Ending = 'fin' | 'half' | 'reset' | 'time';

/** A request that the server has read. */
export interface SeenHead {
  readonly method: number;
  readonly uri: string;
  /** Request line and header section as they came. */
  readonly raw: string;
  /** All of its body, if its handler has received it. */
  body?: string;
}

/** What came of a stream. */
export interface Played {
  /** What the handlers were called with. */
  readonly calls: readonly string[];
  readonly heads: readonly SeenHead[];
  /** Requests that could not be read: 0 or 1. */
  readonly refusals: number;
  readonly sent: Buffer;
  /** Warnings and errors. */
  readonly log: readonly string[];
}

/** More turns than any stream of these lengths needs. */
const TURNS_MAX = 5_000;
/** In so many turns in a row nothing happens: nothing will. */
const QUIET = 2;
/** The longest piece that arrives at once, so that filling the receive buffer costs little. */
const PIECE_MAX = 4_096;
/** Behind every timeout of the configuration, one after the other, in ms. */
const PATIENCE = 300_000;

/** The port of the tests, which gives out no more of the receive buffer than is needed: it fills it for each piece. */
class ShortPort extends MemPort {
  share = PIECE_MAX;

  override listen(
    options: ListenOptions,
    receiveBuffer: () => Buffer,
    accept: (socket: PortSocket) => SocketHandler | undefined,
    onError: (error: Error) => void,
  ): Promise<Listener> {
    return super.listen(options, () => receiveBuffer().subarray(0, this.share), accept, onError);
  }
}

export class Lab {
  calls: string[] = [];
  heads: SeenHead[] = [];
  private refusals = 0;
  private running = 0;
  /** How often a handler has gone on. */
  private steps = 0;
  /** Is the response one that lives as long as its client? */
  endless = false;
  /** Has the application left a request that it will never answer in full? Then only time ends it. */
  unanswered = false;
  /** Handlers that wait for something beside the peer, for any number of turns. */
  private waiting = 0;
  private opened = 0;
  private closed = 0;
  /** A rule that was broken where the server would catch what is thrown. */
  private broken: unknown;
  /** Session contexts that wait to be freed. */
  contexts = 0;
  readonly core: HttpdCore;
  /** The statistics when the session began. */
  private before: HttpdStats;
  private readonly requests = new WeakSet<HttpdReq>();

  private constructor(
    readonly server: HttpdServer,
    private readonly log: FuzzLog,
    private readonly port: ShortPort,
    private readonly clock: ManualClock,
  ) {
    this.core = inside<HttpdCore>(server, 'core');
    this.before = server.getStats();
    this.watchStory();
  }

  /** @param debug makes the lines of the debug level too */
  static async start(config: Partial<HttpdConfig>, debug = false): Promise<Lab> {
    const log = new FuzzLog(debug);
    const parts = { port: new ShortPort(), clock: new ManualClock() };
    let lab: Lab | undefined;
    const closeFn = () => {
      if (lab !== undefined) lab.closed += 1;
    };
    const server = await startWith({ serverPort: 0, logger: log.logger, closeFn, ...config }, parts);
    lab = new Lab(server, log, parts.port, parts.clock);
    return lab;
  }

  async stop(): Promise<void> {
    const stopped = this.server.stop({ grace: 0 });
    this.clock.advance(1);
    await stopped;
  }

  /**
   * Plays a stream to a new session.
   *
   * @throws Finding
   */
  async play(bytes: Buffer, manner: Manner, ending: Ending, ahead?: Ahead): Promise<Played> {
    this.begin();
    const { port } = this;
    const { sizes, turns, room } = manner;
    port.share = PIECE_MAX;
    const conn = port.connect({ room });
    this.opened += 1;
    conn.spoilsAtOnce = manner.spoilsAtOnce;
    if (ahead !== undefined) {
      conn.deliver(ahead.bytes);
      await immediate();
      if (ahead.quietMs > 0) {
        // a reader that is slow is not quiet
        await this.rest(conn, room);
        this.clock.advance(ahead.quietMs);
        await this.rest(conn, room);
      }
    }
    if (sizes.length > 0) port.share = Math.min(PIECE_MAX, Math.max(...sizes));
    for (const piece of pieces(bytes, sizes.length === 0 ? [PIECE_MAX] : sizes)) {
      conn.deliver(piece);
      if (turns) await immediate();
    }
    if (ending === 'half') conn.fin();
    await this.rest(conn, room);
    await this.end(conn, ending, room);
    this.check(conn);
    port.conns.length = 0;
    const { calls, heads, refusals, log } = this;
    return { calls, heads, refusals, sent: conn.sent, log: [...log.lines] };
  }

  /** Ends what a broken rule has left, since servers share the receive buffer. */
  drop(): void {
    for (const conn of this.port.open) conn.reset();
  }

  /** Runs a handler, and knows when it has ended. */
  watch(req: HttpdReq, once: boolean, handler: () => unknown): unknown {
    try {
      demand(!once || !this.requests.has(req), 'a handler is called twice for a request');
      demand(this.running === 0, 'two handlers of a session run at a time');
    } catch (finding) {
      this.broken ??= finding;
    }
    if (once) this.requests.add(req);
    this.running += 1;
    let result: unknown;
    try {
      result = handler();
    } catch (thrown) {
      this.running -= 1;
      throw thrown;
    }
    if (!(result instanceof Promise)) {
      this.running -= 1;
      return result;
    }
    return result.finally(() => {
      this.running -= 1;
    });
  }

  /** For handlers that let the loop turn before they go on. */
  async later(): Promise<void> {
    await immediate();
    this.steps += 1;
  }

  /** For handlers that wait for something beside the peer. */
  async waitFor<T>(something: T | PromiseLike<T>): Promise<T> {
    this.waiting += 1;
    try {
      return await something;
    } finally {
      this.waiting -= 1;
      this.steps += 1;
    }
  }

  /** Something that goes on when its handler has returned. @returns to be called when it has ended */
  goesOn(): () => void {
    this.running += 1;
    return () => {
      this.running -= 1;
      this.steps += 1;
    };
  }

  private begin(): void {
    this.calls = [];
    this.heads = [];
    this.refusals = 0;
    this.running = 0;
    this.endless = this.unanswered = false;
    this.before = this.server.getStats();
    this.broken = undefined;
    this.log.clear();
  }

  /** The server knows best which requests it has read; what a client sees is compared with that. */
  private watchStory(): void {
    const { story } = this.core;
    const { head, refusal } = story;
    story.head = (given: RequestHead) => {
      this.heads.push({ method: given.method, uri: given.uri, raw: given.raw });
      head.call(story, given);
    };
    story.refusal = (code, reason) => {
      this.refusals += 1;
      refusal.call(story, code, reason);
    };
  }

  /** Lets the loop turn until nothing happens any more. */
  private async rest(conn: MemConn, room: number): Promise<void> {
    let last = -1;
    for (let turns = 0, quiet = 0; quiet < QUIET || this.waiting > 0; ) {
      demand(turns < TURNS_MAX, 'the server does not come to rest');
      if (this.waiting === 0) turns += 1;
      await immediate();
      if (room !== Number.POSITIVE_INFINITY && conn.ended === undefined) conn.drain(room - Math.max(0, conn.room));
      const now = inside<Buffer[]>(conn, 'out').length + this.calls.length + this.steps;
      quiet = now === last ? quiet + 1 : 0;
      last = now;
    }
  }

  private async end(conn: MemConn, ending: Ending, room: number): Promise<void> {
    if (ending === 'fin') conn.fin();
    if (ending === 'reset') conn.reset();
    if (this.unanswered) await this.rest(conn, room);
    if (ending === 'time' || this.unanswered) {
      for (let ms = 0; ms < PATIENCE && conn.ended === undefined; ms += 5_000) {
        this.clock.advance(5_000);
        await this.rest(conn, room);
      }
      if (conn.ended === undefined && this.endless) {
        conn.fin();
        await this.rest(conn, room);
      }
      this.clock.advance(5_000);
      demand(conn.ended === undefined || this.clock.running === 0, 'a timer runs without a session');
    }
    await this.rest(conn, room);
    demand(conn.ended !== undefined, 'the session outlives its peer', () => `ending: ${ending}`);
  }

  private check(conn: MemConn): void {
    const { broken, core } = this;
    if (broken !== undefined) throw broken;
    this.log.checkAll();
    // who is told of a reset releases the socket all the same
    const misuse = conn.misuse.filter(call => conn.ended !== 'peer' || call !== 'close on a socket that has ended');
    demand(misuse.length === 0, 'the socket is misused', () => misuse.join('; '));
    demand(this.running === 0, 'a handler never ends');
    demand(core.sessions.size === 0, 'a session is left behind');
    demand(this.closed === this.opened, 'closeFn is not called once for each session');
    demand(this.contexts === 0, 'a session context is not freed once', () => `${this.contexts} left`);
    const used = inside<number>(core.messageMemory, 'used');
    demand(used === 0, 'memory of messages is not given back', () => String(used));
    demand(core.outbox.top === 0, 'bytes to send are left behind');
    this.checkStats(conn);
  }

  /** What the server says of itself is what has happened. */
  private checkStats(conn: MemConn): void {
    const { before, heads, refusals } = this;
    const { sessions, requests, bytes, queues } = this.server.getStats();
    const rest = [...Object.values(sessions.now), ...Object.values(queues)];
    demand(
      rest.every(n => n === 0),
      'statistics tell of what is over',
      () => rest.join(),
    );
    const counted = [
      requests.served - before.requests.served,
      requests.malformed - before.requests.malformed,
      bytes.sent - before.bytes.sent,
    ];
    const happened = [heads.length, refusals, conn.sent.length];
    demand(
      counted.join() === happened.join(),
      'statistics are wrong',
      () => `${counted.join()} for ${happened.join()}`,
    );
  }
}
