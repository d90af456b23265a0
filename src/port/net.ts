/**
 * The select loop over node:net: works everywhere.
 *
 * For each read node:net makes a Buffer and runs its stream machinery, unless a socket is made with `onread`, which it
 * offers for clients only. So the listening handle's `onconnection`, which node:net does not document, is taken over,
 * and sockets are made here; where it is not there, the server's own 'connection' event does the same at more cost.
 *
 * What is read is copied once, into the receive buffer. TCP keep-alive's interval and count are the system's: node:net
 * sets the idle time only.
 */

import * as net from 'node:net';
import { getSystemErrorName } from 'node:util';
import { asError, type Listener, type ListenOptions, type Port, type PortSocket, type SocketHandler } from './port.js';

/** The most that waits in node:net for the kernel, so that the progress of a slow reader shows. */
const SEND_MAX = 64 * 1024;

/** Up to this length a Latin-1 string, which node:net copies on its stack, is cheaper than another Buffer. */
const STRING_MAX = 2048;
/** What is being sent, as long as libuv has not kept it: memory of its own for each send costs more than the send. */
let scratch = Buffer.allocUnsafeSlow(SEND_MAX);
/** What a read takes at most. */
const READ_SIZE = 64 * 1024;
/** All sockets receive into this, one after the other. */
const readBuffer = Buffer.allocUnsafeSlow(READ_SIZE);

const owner = Symbol('NetSocket');
type Owned = net.Socket & { [owner]: NetSocket };

class NetSocket implements PortSocket {
  private handler: SocketHandler | undefined;
  private blocked = false;
  constructor(
    private readonly sock: net.Socket,
    private readonly receiveBuffer: () => Buffer,
    private readonly onError: (error: Error) => void,
  ) {
    (sock as Owned)[owner] = this;
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
    if (this.blocked || this.handler === undefined) return 0;
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
    this.handler = undefined;
    this.sock.destroy();
  }

  reset(): void {
    this.handler = undefined;
    this.sock.resetAndDestroy();
    // that alone would wait for what the peer has not taken
    this.sock.destroy();
  }

  private unblock(error: Error | null | undefined): void {
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
    this.handler = undefined;
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
function plain(address: string | undefined): string {
  return address?.replace(/^::ffff:(?=\d+\.)/, '') ?? '';
}

/** 'close' follows and carries the error; without a listener an 'error' event would end the process. */
function ignore(): void {}

/** Calls its callback with the socket as `this`. */
const onread = {
  buffer: readBuffer,
  callback(this: unknown, len: number): boolean {
    (this as Owned)[owner].onRead(readBuffer, len);
    return true;
  },
};

/** What node:net's servers have inside. */
type Handle = { onconnection?: (status: number, client: object | undefined) => void };

class NetListener implements Listener {
  constructor(private readonly server: net.Server) {}

  get port(): number {
    const address = this.server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  close(): Promise<void> {
    // close() waits for the connections too, but 'listening' is false and the port free at once
    this.server.close();
    return Promise.resolve();
  }
}

export const netPort: Port = {
  name: 'net',
  listen(options: ListenOptions, receiveBuffer, accept, onError): Promise<Listener> {
    // Node.js 20 would pass over its own option without a word
    if (options.reusePort) return Promise.reject(new Error('reusePort needs the epoll port'));
    const keepAliveMs = (options.keepAlive?.idle ?? 0) * 1000;
    const server = net.createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: options.keepAlive !== undefined,
      keepAliveInitialDelay: keepAliveMs,
    });
    const take = (sock: net.Socket, events: boolean): void => {
      const socket = new NetSocket(sock, receiveBuffer, onError);
      try {
        const handler = accept(socket);
        if (handler !== undefined) socket.attach(handler, events);
      } catch (thrown) {
        socket.onFault(thrown);
      }
    };
    server.on('connection', (sock: net.Socket) => {
      if (!sock.destroyed) take(sock, true);
    });
    const takeOver = (): void => {
      const { _handle: handle } = server as { _handle?: Handle };
      if (typeof handle?.onconnection !== 'function') return;
      handle.onconnection = (status, client) => {
        if (client === undefined) {
          const code = getSystemErrorName(status);
          return onError(Object.assign(new Error(`accept ${code}`), { code, errno: status, syscall: 'accept' }));
        }
        const sock = new net.Socket({ handle: client, allowHalfOpen: true, onread } as net.SocketConstructorOpts);
        sock.setNoDelay(true);
        if (options.keepAlive !== undefined) sock.setKeepAlive(true, keepAliveMs);
        take(sock, false);
      };
    };
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: options.port, host: options.host, backlog: options.backlog }, () => {
        takeOver();
        server.off('error', reject);
        server.on('error', onError);
        resolve(new NetListener(server));
      });
    });
  },
};
