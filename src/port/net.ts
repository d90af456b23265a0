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
import { resolve } from 'node:path';
import { getSystemErrorName } from 'node:util';
import { NetSocket, type Owned, owner } from './net_socket.js';
import type { Listener, ListenOptions, Port } from './port.js';
import { standIn } from './stand_in.js';
import { explained, replaceStale, UnixFile } from './unix_file.js';
import { namedZone } from './zone.js';

/** What a read takes at most. */
const READ_SIZE = 64 * 1024;
/** All sockets receive into this, one after the other. */
const readBuffer = Buffer.allocUnsafeSlow(READ_SIZE);

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

/**
 * Binds and listens.
 *
 * @returns the file of a Unix socket
 * @throws the system's error, by rejection
 */
export async function bind(server: net.Server, options: ListenOptions): Promise<UnixFile | undefined> {
  const { port, host, backlog } = options;
  if (options.path === undefined) {
    await listening(server, { port, host: host && namedZone(host), backlog });
    return undefined;
  }
  // the process may be in another folder when it is closed
  const path = resolve(options.path);
  const listen = () => listening(server, { path, backlog });
  try {
    await listen();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE' || !(await replaceStale(path, listen))) throw explained(error, path);
  }
  return new UnixFile(path);
}

function listening(server: net.Server, options: net.ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

export class NetListener implements Listener {
  constructor(
    private readonly server: net.Server,
    private readonly file: UnixFile | undefined,
  ) {}

  get port(): number {
    const address = this.server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  close(): Promise<void> {
    // close() waits for the connections too, but 'listening' is false and the port free at once
    const close = () => void this.server.close();
    if (this.file === undefined) close();
    else this.file.keepOthers(close);
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
    const isTcp = options.path === undefined;
    const take = (sock: net.Socket, events: boolean): void => {
      const socket = new NetSocket(sock, isTcp ? sock : undefined, receiveBuffer, onError);
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
      // theirs have an `onconnection` too, which is called with something else
      if (standIn() !== undefined) return;
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
    return bind(server, options).then(file => {
      takeOver();
      server.on('error', onError);
      return new NetListener(server, file);
    });
  },
  // libuv serves all that it finds ready in the same turn
  whenServed: fn => fn(),
};
