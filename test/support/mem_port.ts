import {
  asError,
  type Listener,
  type ListenOptions,
  type Port,
  type PortSocket,
  type SocketHandler,
} from '../../src/port/port.js';

/** Ports that are taken. */
const bound = new Set<number>();

/** What the receive buffer holds between two calls: whoever kept a borrowed chunk finds this. */
const GARBAGE = 0xa5;

type Arrival = { kind: 'data'; bytes: Buffer } | { kind: 'end' } | { kind: 'close'; error: Error | undefined };

/**
 * The peer of one connection, as a test plays it.
 *
 * Nothing happens by itself: what arrives reaches the server within the test's call, never within the server's.
 */
export class MemConn {
  /** How many bytes the kernel still takes. A test lowers it to play a reader that does not read. */
  room = Number.POSITIVE_INFINITY;
  /** Does the kernel leave what it takes pending until `drain`? */
  holds = false;
  /** Has the server sent FIN? */
  finSent = false;
  /** How the server's socket was released; undefined while it is open. */
  ended: 'close' | 'reset' | 'peer' | undefined;
  /** Does the server hold back what arrives? */
  paused = false;
  /** Is the receive buffer overwritten right behind each chunk, or only when the next one comes? */
  spoilsAtOnce = true;
  /** What the server should not do: send after FIN, release twice, throw and the like. */
  readonly misuse: string[] = [];
  /** What the server holds. */
  readonly socket: PortSocket;
  private readonly out: Buffer[] = [];
  private readonly arrivals: Arrival[] = [];
  private readonly receiveBuffer: () => Buffer;
  private readonly onError: (error: Error) => void;
  private handler: SocketHandler | undefined;
  private held = 0;
  private wantsWritable = false;
  private writable = false;
  private delivering = false;

  constructor(receiveBuffer: () => Buffer, onError: (error: Error) => void, remoteAddress: string, remotePort: number) {
    this.receiveBuffer = receiveBuffer;
    this.onError = onError;
    const conn = this;
    this.socket = {
      remoteAddress,
      remotePort,
      localAddress: '192.0.2.80',
      localPort: 80,
      get pending(): number {
        return conn.held;
      },
      send: (buf, from, to) => this.take(buf, from, to),
      pause: () => {
        this.paused = true;
      },
      resume: () => {
        this.paused = false;
      },
      shutdown: () => {
        this.note('shutdown');
        this.finSent = true;
      },
      close: () => this.release('close'),
      reset: () => this.release('reset'),
    };
  }

  /** All that the server has sent. */
  get sent(): Buffer {
    return Buffer.concat(this.out);
  }

  /** Bytes that wait because the server has paused. */
  get waiting(): number {
    return this.arrivals.reduce((n, arrival) => n + (arrival.kind === 'data' ? arrival.bytes.length : 0), 0);
  }

  /** These bytes arrive, each chunk by itself. */
  deliver(...chunks: (Uint8Array | string)[]): this {
    for (const chunk of chunks) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : Buffer.from(chunk);
      if (bytes.length > 0) this.arrivals.push({ kind: 'data', bytes });
    }
    return this.pump();
  }

  /** The peer sends FIN. */
  fin(): this {
    this.arrivals.push({ kind: 'end' });
    return this.pump();
  }

  /** The connection breaks, whatever waits. */
  reset(error = new Error('ECONNRESET')): this {
    this.arrivals.length = 0;
    this.arrivals.push({ kind: 'close', error });
    return this.pump();
  }

  /** The kernel has got rid of what it held, and takes `n` bytes more. */
  drain(n = Number.POSITIVE_INFINITY): this {
    this.room += n;
    this.held = 0;
    if (this.wantsWritable) {
      this.wantsWritable = false;
      this.writable = true;
    }
    return this.pump();
  }

  /** Lets the loop turn: delivers what waits, unless the server has paused. */
  pump(): this {
    if (this.delivering) return this;
    this.delivering = true;
    try {
      while (this.handler !== undefined && this.step(this.handler));
    } catch (thrown) {
      this.onFault(thrown);
    } finally {
      this.delivering = false;
    }
    return this;
  }

  /** From now on what arrives reaches `handler`. */
  attach(handler: SocketHandler | undefined): void {
    if (this.ended !== undefined) return;
    if (handler === undefined) throw new Error('accept() gave no owner, but has not released the socket either');
    this.handler = handler;
  }

  /** A callback has thrown. */
  onFault(thrown: unknown): void {
    const { handler } = this;
    const error = asError(thrown);
    this.misuse.push(`a callback has thrown: ${error.message}`);
    if (this.ended === undefined) this.release('reset');
    this.onError(error);
    try {
      handler?.onClose(error);
    } catch (again) {
      this.onError(asError(again));
    }
  }

  private step(handler: SocketHandler): boolean {
    if (this.writable) {
      this.writable = false;
      handler.onWritable();
      return true;
    }
    const arrival = this.arrivals[0];
    if (arrival === undefined || (this.paused && arrival.kind !== 'close')) return false;
    if (arrival.kind === 'data') {
      this.deliverData(handler, arrival);
      return true;
    }
    this.arrivals.shift();
    if (arrival.kind === 'end') {
      handler.onEnd();
    } else {
      this.handler = undefined;
      this.ended = 'peer';
      handler.onClose(arrival.error);
    }
    return true;
  }

  private deliverData(handler: SocketHandler, arrival: { bytes: Buffer }): void {
    const buf = this.receiveBuffer().fill(GARBAGE);
    const n = arrival.bytes.copy(buf);
    if (n === arrival.bytes.length) this.arrivals.shift();
    else arrival.bytes = arrival.bytes.subarray(n);
    handler.onData(n);
    // now or before the next chunk: both happen with real sockets
    if (this.spoilsAtOnce) this.receiveBuffer().fill(GARBAGE);
  }

  private take(buf: Buffer, from: number, to: number): number {
    this.note('send');
    if (this.ended !== undefined || this.held > 0) {
      this.wantsWritable = this.ended === undefined;
      return 0;
    }
    const n = Math.min(to - from, this.room);
    if (n > 0) this.out.push(Buffer.from(buf.subarray(from, from + n)));
    this.room -= n;
    if (this.holds) this.held = n;
    if (n < to - from || this.held > 0) this.wantsWritable = true;
    return n;
  }

  private release(how: 'close' | 'reset'): void {
    this.note(how);
    this.handler = undefined;
    this.arrivals.length = 0;
    this.held = 0;
    this.ended ??= how;
  }

  private note(call: string): void {
    if (this.ended !== undefined) this.misuse.push(`${call} on a socket that has ended`);
    else if (this.finSent && (call === 'send' || call === 'shutdown')) this.misuse.push(`${call} after shutdown`);
  }
}

/** A select loop without a kernel: tests open the connections and play the peers. */
export class MemPort implements Port {
  readonly name = 'mem';
  /** All connections so far. */
  readonly conns: MemConn[] = [];
  /** What the server asked for. */
  options: ListenOptions | undefined;
  private parts:
    | {
        receiveBuffer: () => Buffer;
        accept: (socket: PortSocket) => SocketHandler | undefined;
        onError: (error: Error) => void;
      }
    | undefined;

  listen(
    options: ListenOptions,
    receiveBuffer: () => Buffer,
    accept: (socket: PortSocket) => SocketHandler | undefined,
    onError: (error: Error) => void,
  ): Promise<Listener> {
    if (bound.has(options.port)) {
      return Promise.reject(Object.assign(new Error(`listen EADDRINUSE: ${options.port}`), { code: 'EADDRINUSE' }));
    }
    let port = options.port;
    while (port === 0 || bound.has(port)) port = port === 0 ? 49_152 : port + 1;
    bound.add(port);
    this.options = options;
    this.parts = { receiveBuffer, accept, onError };
    return Promise.resolve({
      port,
      close: () => {
        bound.delete(port);
        this.parts = undefined;
        return Promise.resolve();
      },
    });
  }

  whenServed(fn: () => void): void {
    fn();
  }

  /** Connections that are open on the server's side. */
  get open(): MemConn[] {
    return this.conns.filter(conn => conn.ended === undefined);
  }

  /** A peer connects. */
  connect(options: { address?: string; port?: number; room?: number; holds?: boolean } = {}): MemConn {
    if (this.parts === undefined) throw new Error('nobody listens');
    const { receiveBuffer, accept, onError } = this.parts;
    const port = options.port ?? 40_000 + this.conns.length;
    const conn = new MemConn(receiveBuffer, onError, options.address ?? '192.0.2.1', port);
    conn.room = options.room ?? Number.POSITIVE_INFINITY;
    conn.holds = options.holds ?? false;
    this.conns.push(conn);
    let handler: SocketHandler | undefined;
    try {
      handler = accept(conn.socket);
    } catch (thrown) {
      conn.onFault(thrown);
      return conn;
    }
    conn.attach(handler);
    return conn;
  }
}
