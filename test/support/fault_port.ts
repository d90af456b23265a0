/**
 * A port with faults: a wrapper around any other that keeps the contract of src/port/port.ts and does, within it, the
 * worst. What is received comes in pieces, sends take less than they are given or nothing, room to send comes late, and
 * at a chosen operation the connection breaks or the peer ends.
 *
 * The operations of a connection are counted from 1: each callback, and each `send` and `shutdown` while it is open.
 */
import {
  asError,
  type Listener,
  type ListenOptions,
  type Port,
  type PortSocket,
  SocketAround,
  type SocketHandler,
} from '../../src/port/port.js';

/** What is injected into one connection; nothing by default. */
export interface Faults {
  /** Of `n` bytes that have come, how many does the next receive deliver? At least 1 is. */
  receive?(n: number): number;
  /** Does each piece wait for a turn of the loop of its own? Default: all come in the same turn. */
  readonly piecePerTurn?: boolean;
  /** Of `n` bytes, how many does this send take? 0 plays EAGAIN. */
  send?(n: number): number;
  /** Turns of the loop between a send that took too little and `onWritable`. Default 1, and no less. */
  writableAfter?(): number;
  /** Is told of each operation before it happens; what it returns happens instead. */
  strike?(operation: number): Strike | undefined;
}

/** The connection breaks with ECONNRESET, or the peer's FIN comes and nothing behind it. */
export type Strike = 'reset' | 'fin';

/** The faults of the n-th connection, from 0. */
export type FaultPlan = (connection: number) => Faults;

/** What a receive buffer holds between two calls: whoever kept a borrowed chunk finds this. */
const GARBAGE = 0x5a;
/** The inner port receives into this much. */
const INNER_SIZE = 64 * 1024;

export class FaultPort implements Port {
  readonly name: string;
  /** All connections so far. */
  readonly sockets: FaultSocket[] = [];

  constructor(
    private readonly inner: Port,
    private readonly plan: FaultPlan,
  ) {
    this.name = `faulty ${inner.name}`;
  }

  listen(
    options: ListenOptions,
    receiveBuffer: () => Buffer,
    accept: (socket: PortSocket) => SocketHandler | undefined,
    onError: (error: Error) => void,
  ): Promise<Listener> {
    const own = Buffer.alloc(INNER_SIZE);
    const take = (inner: PortSocket): SocketHandler | undefined => {
      const faults = this.plan(this.sockets.length);
      const socket = new FaultSocket(inner, faults, own, receiveBuffer, onError);
      this.sockets.push(socket);
      const handler = accept(socket);
      if (handler === undefined) return undefined;
      socket.attach(handler);
      return socket;
    };
    return this.inner.listen(options, () => own, take, onError);
  }

  whenServed(fn: () => void): void {
    this.inner.whenServed(fn);
  }
}

/** What has come and is not delivered yet: bytes, the peer's FIN, or the release of a socket that both sides have ended. */
type Arrival = Buffer | 'fin' | 'released';

/** Stands between the inner port's socket and its owner, as the owner of the one and the socket of the other. */
export class FaultSocket extends SocketAround implements PortSocket, SocketHandler {
  /** Operations so far. */
  operations = 0;
  private handler: SocketHandler | undefined;
  private arrivals: Arrival[] = [];
  private paused = false;
  /** Has a send taken less than it was given? */
  private blocked = false;
  /** Has the peer's FIN been delivered, or has it been played? */
  private ended = false;
  /** Does nothing pass any more? */
  private broken = false;
  private released = false;
  private delivering = false;
  private planned = false;

  constructor(
    inner: PortSocket,
    private readonly faults: Faults,
    private readonly received: Buffer,
    private readonly receiveBuffer: () => Buffer,
    private readonly onError: (error: Error) => void,
  ) {
    super(inner);
  }

  get pending(): number {
    return this.inner.pending;
  }

  /** From now on what arrives reaches `handler`. */
  attach(handler: SocketHandler): void {
    this.handler = handler;
  }

  send(buf: Buffer, from: number, to: number): number {
    if (this.broken) return 0;
    const struck = this.count();
    if (struck === 'reset') {
      this.breakLater();
      return 0;
    }
    if (struck === 'fin') this.playFin();
    if (this.blocked || to <= from) return 0;
    const take = Math.min(to - from, Math.max(0, this.faults.send?.(to - from) ?? to - from));
    const taken = take === 0 ? 0 : this.inner.send(buf, from, from + take);
    this.blocked = taken < to - from || this.inner.pending > 0;
    // where the inner port has not taken all that it was given, it tells when it takes more
    const ours = taken === take && this.inner.pending === 0;
    if (this.blocked && ours) this.unblockIn(this.turnsUntilWritable());
    return taken;
  }

  pause(): void {
    this.paused = true;
    this.inner.pause();
  }

  resume(): void {
    this.paused = false;
    if (this.arrivals.length > 0) this.deliverLater();
    else this.inner.resume();
  }

  shutdown(): void {
    if (this.broken) return;
    const struck = this.count();
    if (struck === 'reset') return this.breakLater();
    if (struck === 'fin') this.playFin();
    this.inner.shutdown();
  }

  /** Has its owner released it, or has it broken? */
  get over(): boolean {
    return this.released;
  }

  close(): void {
    this.release('close');
  }

  reset(): void {
    this.release('reset');
  }

  onData(len: number): void {
    this.arrive(Buffer.from(this.received.subarray(0, len)));
    this.received.fill(GARBAGE, 0, len);
  }

  onEnd(): void {
    this.arrive('fin');
  }

  onWritable(): void {
    this.unblockIn(this.turnsUntilWritable() - 1);
  }

  onClose(error: Error | undefined): void {
    if (error === undefined) return this.arrive('released');
    const { handler } = this;
    this.release('close');
    this.tell(handler, error);
  }

  private arrive(arrival: Arrival): void {
    if (this.broken || (this.ended && arrival !== 'released')) return;
    this.arrivals.push(arrival);
    if (!this.planned) this.deliver();
  }

  /** One operation more. @returns what happens instead of it */
  private count(): Strike | undefined {
    this.operations += 1;
    return this.faults.strike?.(this.operations);
  }

  /** Delivers what has come, as far as this turn goes. */
  private deliver(): void {
    if (this.delivering) return;
    this.delivering = true;
    try {
      while (this.deliverOne());
    } finally {
      this.delivering = false;
    }
    // nothing more is read while pieces wait
    if (this.broken) return;
    if (this.arrivals.length > 0) this.inner.pause();
    else if (!this.paused) this.inner.resume();
  }

  /** @returns whether to go on in this turn */
  private deliverOne(): boolean {
    const { handler } = this;
    const [arrival] = this.arrivals;
    if (handler === undefined || arrival === undefined) return false;
    if (arrival === 'released') {
      this.release('close');
      this.tell(handler, undefined);
      return false;
    }
    if (this.paused) return false;
    const struck = this.count();
    if (struck === 'reset') {
      this.breakNow();
      return false;
    }
    if (struck === 'fin' || arrival === 'fin') this.guard(() => this.deliverFin(handler));
    else this.guard(() => this.deliverPiece(handler, arrival));
    if (this.faults.piecePerTurn !== true || this.arrivals.length === 0) return true;
    this.deliverLater();
    return false;
  }

  private deliverPiece(handler: SocketHandler, bytes: Buffer): void {
    const buf = this.receiveBuffer();
    const max = Math.min(bytes.length, buf.length);
    const n = bytes.copy(buf, 0, 0, Math.min(max, Math.max(1, this.faults.receive?.(max) ?? max)));
    if (n === bytes.length) this.arrivals.shift();
    else this.arrivals[0] = bytes.subarray(n);
    handler.onData(n);
    this.receiveBuffer().fill(GARBAGE, 0, n);
  }

  private deliverFin(handler: SocketHandler): void {
    this.ended = true;
    this.arrivals = this.arrivals.filter(arrival => arrival === 'released');
    handler.onEnd();
  }

  /** The peer's FIN is played, behind the call that is under way. */
  private playFin(): void {
    if (this.ended) return;
    this.arrivals = ['fin'];
    this.deliverLater();
  }

  private deliverLater(): void {
    if (this.planned) return;
    this.planned = true;
    setImmediate(() => {
      this.planned = false;
      this.deliver();
    });
  }

  private turnsUntilWritable(): number {
    return Math.max(1, this.faults.writableAfter?.() ?? 1);
  }

  private unblockIn(turns: number): void {
    if (turns > 0) setImmediate(() => this.unblockIn(turns - 1));
    else this.unblock();
  }

  private unblock(): void {
    const { handler } = this;
    if (handler === undefined || !this.blocked) return;
    const struck = this.count();
    if (struck === 'reset') return this.breakNow();
    if (struck === 'fin') this.playFin();
    this.blocked = false;
    this.guard(() => handler.onWritable());
  }

  /** The connection breaks, and its owner is not told from within its own call. */
  private breakLater(): void {
    this.broken = true;
    this.arrivals = [];
    setImmediate(() => this.breakNow());
  }

  private breakNow(): void {
    const { handler } = this;
    if (handler === undefined) return;
    this.reset();
    this.tell(handler, Object.assign(new Error('recv ECONNRESET'), { code: 'ECONNRESET', syscall: 'recv' }));
  }

  /** No callback comes any more. */
  private release(how: 'close' | 'reset'): void {
    const again = this.released;
    this.handler = undefined;
    this.broken = this.released = true;
    this.arrivals = [];
    if (!again) this.inner[how]();
  }

  private guard(callback: () => void): void {
    const { handler } = this;
    try {
      callback();
    } catch (thrown) {
      const error = asError(thrown);
      // it may have closed its socket and then thrown
      const told = this.released ? undefined : handler;
      this.reset();
      this.onError(error);
      this.tell(told, error);
    }
  }

  private tell(handler: SocketHandler | undefined, error: Error | undefined): void {
    try {
      handler?.onClose(error);
    } catch (thrown) {
      this.onError(asError(thrown));
    }
  }
}

/**
 * Faults that follow from a seed: the same for the same seed, whatever the loop does.
 *
 * @param scale pieces are so many times as long
 */
export function randomFaults(seed: number, scale = 1): FaultPlan {
  return connection => {
    const random = mulberry32((Math.imul(seed, 0x9e37_79b1) + connection) >>> 0);
    const upTo = (n: number) => Math.floor(random() * (n + 1));
    const pieceMax = 1 + upTo(1) * upTo(99);
    const sendMax = 1 + upTo(1) * upTo(199);
    const refusals = upTo(2) / 3;
    const patience = upTo(3);
    return {
      piecePerTurn: random() < 0.5,
      receive: n => Math.min(n, scale * (1 + upTo(pieceMax - 1))),
      send: n => (random() < refusals ? 0 : Math.min(n, scale * (1 + upTo(sendMax - 1)))),
      writableAfter: () => 1 + upTo(patience),
    };
  };
}

/** A generator of numbers from 0 to 1, by Tommy Ettinger's algorithm of that name. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
