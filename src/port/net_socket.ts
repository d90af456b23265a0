/**
 * One connection on a socket of node:net: what this port and the TLS one have in common.
 */
import type * as net from 'node:net';
import { asError, type PortSocket, type SocketHandler } from './port.js';

/** The most that waits in node:net for the kernel, so that the progress of a slow reader shows. */
const SEND_MAX = 64 * 1024;

/** Up to this length a Latin-1 string, which node:net copies on its stack, is cheaper than another Buffer. */
const STRING_MAX = 2048;
/** What is being sent, as long as libuv has not kept it: memory of its own for each send costs more than the send. */
let scratch = Buffer.allocUnsafeSlow(SEND_MAX);
export const owner = Symbol('NetSocket');
export type Owned = net.Socket & { [owner]: NetSocket };

export class NetSocket implements PortSocket {
  protected handler: SocketHandler | undefined;
  protected blocked = false;
  /** Is it ours no more? */
  protected released = false;

  /** @param tcp what RST is sent on; undefined if there is none, as on a Unix socket */
  constructor(
    protected readonly sock: net.Socket,
    protected readonly tcp: net.Socket | undefined,
    private readonly receiveBuffer: () => Buffer,
    private readonly onError: (error: Error) => void,
  ) {
    (sock as Owned)[owner] = this;
    // the kernel forgets it when the connection is gone; node:net keeps it once it has been asked
    void sock.remoteAddress;
    sock.on('error', ignore);
  }

  get remoteAddress(): string {
    return plain(this.sock.remoteAddress);
  }

  get remotePort(): number {
    return this.sock.remotePort ?? 0;
  }

  get localAddress(): string {
    return plain(this.sock.localAddress);
  }

  get localPort(): number {
    return this.sock.localPort ?? 0;
  }

  get pending(): number {
    return this.blocked ? this.sock.writableLength : 0;
  }

  /**
   * From now on events reach `handler`.
   *
   * @param events does data come as events, and not through `onread`?
   */
  attach(handler: SocketHandler, events: boolean): void {
    this.handler = handler;
    const { sock } = this;
    sock.on('end', onEnd);
    sock.on('close', onClose);
    if (events) sock.on('data', onData);
    sock.resume();
  }

  send(buf: Buffer, from: number, to: number): number {
    if (this.blocked || this.released) return 0;
    let end = from;
    while (end < to && !this.blocked) {
      const start = end;
      end = Math.min(to, start + SEND_MAX);
      // libuv keeps a reference to what the kernel does not take at once, and only then: these bytes are borrowed
      if (end - start <= STRING_MAX) {
        this.sock.write(buf.toString('latin1', start, end), 'latin1');
      } else {
        buf.copy(scratch, 0, start, end);
        this.sock.write(scratch.subarray(0, end - start));
      }
      if (this.sock.writableLength > 0) {
        scratch = Buffer.allocUnsafeSlow(SEND_MAX);
        this.blocked = true;
        this.sock.write('', error => this.unblock(error));
      }
    }
    return end - from;
  }

  pause(): void {
    this.sock.pause();
  }

  resume(): void {
    this.sock.resume();
  }

  shutdown(): void {
    this.sock.end();
  }

  close(): void {
    this.release();
    this.sock.destroy();
  }

  reset(): void {
    this.release();
    const { sock, tcp } = this;
    if (tcp === undefined) sock.destroy();
    else if (this.isShutting) sock.once('finish', () => tcp.resetAndDestroy());
    else tcp.resetAndDestroy();
  }

  protected unblock(error: Error | null | undefined): void {
    if (error || this.sock.destroyed) return;
    this.blocked = false;
    try {
      this.handler?.onWritable();
    } catch (thrown) {
      this.onFault(thrown);
    }
  }

  onRead(chunk: Buffer, len: number): void {
    try {
      for (let from = 0; from < len && this.handler !== undefined; ) {
        const n = chunk.copy(this.receiveBuffer(), 0, from, len);
        from += n;
        this.handler.onData(n);
      }
    } catch (thrown) {
      this.onFault(thrown);
    }
  }

  onEnd(): void {
    try {
      this.handler?.onEnd();
    } catch (thrown) {
      this.onFault(thrown);
    }
  }

  onClose(): void {
    const { handler } = this;
    this.release();
    this.tell(handler, this.sock.errored ?? undefined);
  }

  /** A callback has thrown. */
  onFault(thrown: unknown): void {
    const { handler } = this;
    const error = asError(thrown);
    this.reset();
    this.onError(error);
    this.tell(handler, error);
  }

  /** The connection is of no use any more. */
  protected lose(error: Error): void {
    const { handler } = this;
    this.reset();
    this.tell(handler, error);
  }

  /**
   * Will FIN leave in the loop's next turn? Until then libuv refuses to reset a socket (EINVAL), and Node.js would let go of
   * it without closing it.
   */
  protected get isShutting(): boolean {
    const { writableEnded, writableLength, writableFinished } = this.sock;
    return writableEnded && writableLength === 0 && !writableFinished;
  }

  protected release(): void {
    this.handler = undefined;
    this.released = true;
  }

  private tell(handler: SocketHandler | undefined, error: Error | undefined): void {
    try {
      handler?.onClose(error);
    } catch (thrown) {
      this.onError(asError(thrown));
    }
  }
}

// Listeners are shared, so that an idle socket holds no closures.

function onData(this: net.Socket, chunk: Buffer): void {
  (this as Owned)[owner].onRead(chunk, chunk.length);
}

function onEnd(this: net.Socket): void {
  (this as Owned)[owner].onEnd();
}

function onClose(this: net.Socket): void {
  (this as Owned)[owner].onClose();
}

/** An IPv4 peer of a dual-stack socket by its IPv4 address. */
export function plain(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/, '') ?? '';
}

/** 'close' follows and carries the error; without a listener an 'error' event would end the process. */
function ignore(): void {}
