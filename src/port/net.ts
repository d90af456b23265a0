/**
 * The select loop over node:net: works everywhere, and under TLS.
 *
 * node:net delivers each read in a Buffer of its own; it is copied once into the receive buffer.
 * TCP keep-alive's interval and count are the system's: node:net sets the idle time only.
 */
import * as net from 'node:net';
import type { Listener, ListenOptions, Port, PortSocket, SocketHandler } from './port.js';

/** The most that waits in node:net for the kernel, so that the progress of a slow reader shows. */
const SEND_MAX = 64 * 1024;

const owner = Symbol('NetSocket');
type OwnedSocket = net.Socket & { [owner]: NetSocket };

class NetSocket implements PortSocket {
  handler: SocketHandler | undefined;
  private blocked = false;

  constructor(
    private readonly sock: OwnedSocket,
    readonly receiveBuffer: () => Buffer,
  ) {
    sock[owner] = this;
  }

  get remoteAddress(): string {
    return this.sock.remoteAddress ?? '';
  }

  get remotePort(): number {
    return this.sock.remotePort ?? 0;
  }

  get pending(): number {
    return this.sock.writableLength;
  }

  /** From now on events reach `handler`. Listeners are shared functions, so that an idle socket holds no closure. */
  attach(handler: SocketHandler): void {
    this.handler = handler;
    this.sock.on('data', onSocketData);
    this.sock.on('end', onSocketEnd);
    this.sock.on('close', onSocketClose);
  }

  send(buf: Buffer, from: number, to: number): number {
    if (this.blocked || this.handler === undefined) return 0;
    let end = from;
    while (end < to && !this.blocked) {
      const start = end;
      end = Math.min(to, start + SEND_MAX);
      // libuv keeps a reference to what the kernel does not take at once, and these bytes are only borrowed
      this.sock.write(Buffer.from(buf.subarray(start, end)));
      if (this.sock.writableLength > 0) {
        this.blocked = true;
        this.sock.write('', () => this.unblock());
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
  }

  private unblock(): void {
    this.blocked = false;
    this.handler?.onWritable();
  }
}

function onSocketData(this: net.Socket, chunk: Buffer): void {
  const socket = (this as OwnedSocket)[owner];
  for (let from = 0; from < chunk.length && socket.handler !== undefined; ) {
    const buf = socket.receiveBuffer();
    const len = chunk.copy(buf, 0, from);
    from += len;
    socket.handler.onData(len);
  }
}

function onSocketEnd(this: net.Socket): void {
  (this as OwnedSocket)[owner].handler?.onEnd();
}

function onSocketClose(this: net.Socket): void {
  const socket = (this as OwnedSocket)[owner];
  const { handler } = socket;
  socket.handler = undefined;
  handler?.onClose(this.errored ?? undefined);
}

/** 'close' follows and carries the error; without a listener an 'error' event would end the process. */
function onSocketError(): void {}

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
      noDelay: true,
      keepAlive: options.keepAlive !== undefined,
      keepAliveInitialDelay: (options.keepAlive?.idle ?? 0) * 1000,
    });
    server.on('connection', (sock: net.Socket) => {
      sock.on('error', onSocketError);
      const socket = new NetSocket(sock as OwnedSocket, receiveBuffer);
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
