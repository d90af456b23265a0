/**
 * What a server counts while it works, and what `getStats()` tells of it. Counting is adding to a number: no call, no
 * object, and the clock is read a few times in a turn of the loop.
 */
import type { Traffic } from '../sess/protocol.js';

/** A snapshot of a server, by `server.getStats()`. Counts are of all its life, bytes are those of the socket. */
export interface HttpdStats {
  /** Seconds since the server was started. */
  readonly uptime: number;
  readonly sessions: {
    /** Sessions now, by what they do. */
    readonly now: {
      /** Between requests. */
      readonly idle: number;
      /** A part of a request's head has come. */
      readonly head: number;
      /** A handler runs, or its response is not complete. */
      readonly handling: number;
      /** A body that the handler has left is read and dropped. */
      readonly purging: number;
      readonly websocket: number;
      /** What is queued is still sent, or the peer's FIN awaited. */
      readonly closing: number;
    };
    readonly opened: number;
    /** Ended to make room, by LRU. */
    readonly purged: number;
    /** Refused with 503, with a reset where too many are being refused, or in a handshake that failed. */
    readonly refused: {
      readonly maxOpenSockets: number;
      readonly maxSessPerIp: number;
      readonly openFn: number;
      readonly tlsHandshake: number;
    };
  };
  /** Requests whose head has come, and such as could not be read. */
  readonly requests: { readonly served: number; readonly malformed: number };
  /** Responses by the first digit of their status; what handlers send raw is not among them. */
  readonly responses: Readonly<Record<'1xx' | '2xx' | '3xx' | '4xx' | '5xx', number>>;
  readonly bytes: { readonly received: number; readonly sent: number };
  /** Frames that peers have sent, a joined message being one; and those that the application has sent. */
  readonly wsFrames: { readonly received: number; readonly sent: number };
  /** Waits that were too long, by what was waited for. */
  readonly timeouts: Readonly<Record<TimeoutKind, number>>;
  readonly queues: {
    /** Works that wait for `queueWork`. */
    readonly work: number;
    /** Bytes that wait for readers, of all sessions. */
    readonly tx: number;
    /** Bytes of WebSocket messages that are not complete. */
    readonly wsMessages: number;
  };
  /**
   * How long requests have taken, in seconds, from their head to the end of their handler and its response; streams of
   * events are not among them. Where more than a few end in the same turn of the loop, the others are taken to be as
   * long as the last one that was timed.
   */
  readonly handlerTime: {
    /** Upper bounds of the buckets, in seconds; a last one has none. */
    readonly le: readonly number[];
    /** How many fell into each bucket, one more than there are bounds. */
    readonly counts: readonly number[];
    readonly sum: number;
    readonly count: number;
  };
}

/** What was waited for in vain: head and body of a request, the next request, a handler, a reader, a WebSocket's peer. */
export type TimeoutKind = 'head' | 'body' | 'idle' | 'handler' | 'send' | 'websocket';

/** In seconds; each about three times the one before. */
const BOUNDS = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
/** So many handlers are timed in a turn of the loop. */
const TIMED_MAX = 8;
/** Instead of a time: it was not read. */
export const UNTIMED = -1;
/** The same: it is not to be counted, since it lasts as long as somebody wants. */
export const UNCOUNTED = -2;

export class Stats implements Traffic {
  received = 0;
  sent = 0;
  sendTimeouts = 0;
  opened = 0;
  purged = 0;
  refusedFull = 0;
  refusedPeer = 0;
  refusedByApp = 0;
  failedHandshakes = 0;
  requests = 0;
  malformed = 0;
  /** By the first digit of the status. */
  readonly responses = [0, 0, 0, 0, 0, 0];
  framesReceived = 0;
  framesSent = 0;
  readonly timeouts = { head: 0, body: 0, idle: 0, handler: 0, websocket: 0 };
  private readonly buckets = new Array<number>(BOUNDS.length + 1).fill(0);
  private seconds = 0;
  private timed = 0;
  /** When the clock was looked at first in this turn; 0 if it was not. */
  private turnBegan = 0;
  /** What the last handler that began and ended in one turn has taken, in seconds, and its bucket. */
  private last = 0;
  private lastBucket = 0;

  /** @param now time in ms, with fractions */
  constructor(readonly now: () => number = () => performance.now()) {}

  /** A turn of the loop is over. */
  turn(): void {
    this.timed = this.turnBegan = 0;
  }

  /** A handler begins. @returns the time, or UNTIMED */
  begin(): number {
    if (this.timed >= TIMED_MAX) return UNTIMED;
    const now = this.now();
    if (this.turnBegan === 0) this.turnBegan = now;
    return now;
  }

  /** A handler that began then has ended. */
  end(began: number): void {
    if (began === UNCOUNTED) return;
    if (began === UNTIMED) return this.count(this.last, this.lastBucket);
    this.timed += 1;
    const seconds = Math.max(0, this.now() - began) / 1000;
    const found = BOUNDS.findIndex(bound => seconds <= bound);
    const bucket = found < 0 ? BOUNDS.length : found;
    this.count(seconds, bucket);
    // what has waited for something says nothing about those that end in the turn in which they began
    if (this.turnBegan === 0 || began < this.turnBegan) return;
    this.last = seconds;
    this.lastBucket = bucket;
  }

  private count(seconds: number, bucket: number): void {
    this.buckets[bucket] = (this.buckets[bucket] as number) + 1;
    this.seconds += seconds;
  }

  /** The histogram so far. */
  handlerTime(): HttpdStats['handlerTime'] {
    const counts = [...this.buckets];
    return { le: BOUNDS, counts, sum: this.seconds, count: counts.reduce((sum, n) => sum + n, 0) };
  }
}
