/**
 * The select loop over node:net: works everywhere.
 *
 * A socket's own buffer is copied once into the receive buffer. node:net makes a Buffer and runs its stream machinery
 * for each read, unless a socket is made with `onread`, which it offers for clients only; `adopt` makes such a socket
 * of an accepted one, and does without where that is not possible.
 *
 * TCP keep-alive's interval and count are the system's: node:net sets the idle time only.
 */
import * as net from 'node:net';
import type { Listener, ListenOptions, Port, PortSocket, SocketHandler } from './port.js';

/** The most that waits in node:net for the kernel, so that the progress of a slow reader shows. */
const SEND_MAX = 64 * 1024;

/** Up to this length a Latin-1 string, which node:net copies on its stack, is cheaper than another Buffer. */
const STRING_MAX = 2048;
/** What a read takes at most. */
const READ_SIZE = 64 * 1024;
/** All sockets receive into this, one after the other. */
const readBuffer = Buffer.allocUnsafeSlow(READ_SIZE);

const owner = Symbol('NetSocket');
type Owned = net.Socket & { [owner]: NetSocket };

class NetSocket implements PortSocket {
  private handler: SocketHandler | undefined;
  private blocked = false;
  private readonly sock: net.Socket;
  /** Does data come through `onread`, and not as events? */
  private readonly adopted: boolean;

  constructor(
    accepted: net.Socket,
    private readonly receiveBuffer: () => Buffer,
  ) {
    this.sock = adopt(accepted);
    this.adopted = this.sock !== accepted;
    (this.sock as Owned)[owner] = this;
    this.sock.on('error', onError);
  }

  get remoteAddress(): string {
    return this.sock.remoteAddress ?? '';
  }

  get remotePort(): number {
    return this.sock.remotePort ?? 0;
  }

  get pending(): number {
    return this.blocked ? this.sock.writableLength : 0;
  }

  /** From now on events reach `handler`. */
  attach(handler: SocketHandler): void {
    this.handler = handler;
    const { sock } = this;
    sock.on('end', onEnd);
    sock.on('close', onClose);
    if (!this.adopted) sock.on('data', onData);
    sock.resume();
  }

  send(buf: Buffer, from: number, to: number): number {
    if (this.blocked || this.handler === undefined) return 0;
    let end = from;
    while (end < to && !this.blocked) {
      const start = end;
      end = Math.min(to, start + SEND_MAX);
      // libuv keeps a reference to what the kernel does not take at once, and these bytes are only borrowed
      if (end - start <= STRING_MAX) {
        this.sock.write(buf.toString('latin1', start, end), 'latin1');
      } else {
        const copy = Buffer.allocUnsafeSlow(end - start);
        buf.copy(copy, 0, start, end);
        this.sock.write(copy);
      }
      if (this.sock.writableLength > 0) {
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
    this.handler?.onWritable();
  }

  onRead(chunk: Buffer, len: number): void {
    for (let from = 0; from < len && this.handler !== undefined; ) {
      const n = chunk.copy(this.receiveBuffer(), 0, from, len);
      from += n;
      this.handler.onData(n);
    }
  }

  onEnd(): void {
    this.handler?.onEnd();
  }

  onClose(): void {
    const { handler } = this;
    this.handler = undefined;
    handler?.onClose(this.sock.errored ?? undefined);
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

/** 'close' follows and carries the error; without a listener an 'error' event would end the process. */
function onError(): void {}

/** Calls its callback with the socket as `this`. */
const onread = {
  buffer: readBuffer,
  callback(this: unknown, len: number): boolean {
    (this as Owned)[owner].onRead(readBuffer, len);
    return true;
  },
};

/** The same connection as a socket that reads into `readBuffer`; the accepted one itself if that can't be had. */
function adopt(accepted: net.Socket): net.Socket {
  const { _handle: handle } = accepted as { _handle?: object };
  return handle === undefined || handle === null
    ? accepted
    : new net.Socket({ handle, allowHalfOpen: true, onread } as net.SocketConstructorOpts);
}

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
    const server = net.createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: options.keepAlive !== undefined,
      keepAliveInitialDelay: (options.keepAlive?.idle ?? 0) * 1000,
    });
    server.on('connection', (accepted: net.Socket) => {
      if (accepted.destroyed) return;
      const socket = new NetSocket(accepted, receiveBuffer);
      const handler = accept(socket);
      if (handler !== undefined) socket.attach(handler);
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: options.port, host: options.host, backlog: options.backlog }, () => {
        server.off('error', reject);
        server.on('error', onError);
        resolve(new NetListener(server));
      });
    });
  },
};
