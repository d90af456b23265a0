/**
 * The select loop on raw sockets: Linux on x86-64, main thread, through koffi. Data is received straight into the
 * receive buffer and sent straight from the caller's.
 *
 * A socket that the kernel does not take all bytes of waits for room; until then, and again afterwards, it does not ask.
 * SO_LINGER is used for a reset only: with a time above 0 close(2) would block the whole loop, so whoever wants to
 * linger does it above, with `shutdown`.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { constants } from 'node:os';
import { EpollLoop, Watched } from './epoll_loop.js';
import {
  AF_INET6,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  type Libc,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  systemError,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from './libc.js';
import { asError, type Listener, type ListenOptions, type Port, type PortSocket, type SocketHandler } from './port.js';
import { ADDRESS_SIZE, type Address, decodeAddress, encodeAddress } from './sockaddr.js';

const { EAGAIN, EINTR, ENOBUFS, ENOMEM, ECONNABORTED, EPERM, EPROTO, ENOPROTOOPT } = constants.errno;
const { EOPNOTSUPP, ENETDOWN, ENETUNREACH, EHOSTUNREACH, EAFNOSUPPORT, EADDRNOTAVAIL, EINVAL } = constants.errno;

/** So many connections are accepted in one turn; the rest waits in the kernel for the next. */
const ACCEPT_MAX = 64;
/** Without a free descriptor: accepting is tried again after so many ms, and when a connection of ours ends. */
const RETRY_MS = 500;

/** Errors of one connection that accept(2) hands on; the next one may be fine. */
const ONE_CONNECTION = new Set<number>([
  ...[ECONNABORTED, EPERM, EPROTO, ENOPROTOOPT, EOPNOTSUPP],
  ...[ENETDOWN, ENETUNREACH, EHOSTUNREACH],
]);

const nameBuffer = Buffer.alloc(ADDRESS_SIZE);

class EpollSocket extends Watched implements PortSocket {
  private handler: SocketHandler | undefined;
  private paused = false;
  /** Has the kernel taken less than it was given? */
  private blocked = false;
  private peerEnded = false;
  private readonly peer: Address;

  constructor(
    fd: number,
    private readonly listener: EpollListener,
  ) {
    super(fd);
    const { libc } = listener.loop;
    // the kernel forgets it when the connection is gone
    this.peer = decodeAddress(libc, nameBuffer, libc.peerAddress(fd, nameBuffer));
  }

  get remoteAddress(): string {
    return this.peer.address;
  }

  get remotePort(): number {
    return this.peer.port;
  }

  get localAddress(): string {
    return this.local.address;
  }

  get localPort(): number {
    return this.local.port;
  }

  /** The kernel has all that `send` has taken. */
  get pending(): number {
    return 0;
  }

  /** From now on events reach `handler`. */
  attach(handler: SocketHandler): void {
    this.handler = handler;
    this.rewatch();
  }

  send(buf: Buffer, from: number, to: number): number {
    if (this.blocked || this.fd < 0 || to <= from) return 0;
    const { libc } = this.listener.loop;
    const n = libc.send(this.fd, buf.subarray(from, to));
    if (n === to - from) return n;
    this.blocked = true;
    const errno = n < 0 ? libc.errno() : EAGAIN;
    if (errno === EAGAIN || errno === ENOBUFS || errno === ENOMEM || errno === EINTR) {
      if (this.handler !== undefined) this.rewatch();
    } else {
      // nothing more of this socket is looked at, and its owner is never told from within this call
      this.release();
      setImmediate(() => this.lost(systemError('send', errno)));
    }
    return Math.max(n, 0);
  }

  pause(): void {
    this.paused = true;
    this.rewatch();
  }

  resume(): void {
    this.paused = false;
    this.rewatch();
  }

  shutdown(): void {
    if (this.fd >= 0) this.listener.loop.libc.shutdown(this.fd);
  }

  close(): void {
    this.handler = undefined;
    this.release();
  }

  reset(): void {
    if (this.fd >= 0) this.listener.loop.libc.setLinger(this.fd, 0);
    this.close();
  }

  onReady(readable: boolean, writable: boolean, broken: boolean): void {
    if (writable && !broken) this.unblock();
    if (this.handler === undefined) return;
    // asked anew: it may have been paused in this turn
    const reading = !this.paused && !this.peerEnded;
    // recv(2) also tells how a connection has broken, behind what came before
    if (reading && (readable || broken)) this.receive(this.handler);
    else if (broken) this.onBroken();
  }

  onFault(thrown: unknown): void {
    const { handler } = this;
    const error = asError(thrown);
    this.reset();
    this.listener.onError(error);
    this.tell(handler, error);
  }

  private get local(): Address {
    const { libc } = this.listener.loop;
    return decodeAddress(libc, nameBuffer, libc.localAddress(this.fd, nameBuffer));
  }

  private receive(handler: SocketHandler): void {
    const { libc } = this.listener.loop;
    const n = libc.recv(this.fd, this.listener.receiveBuffer());
    if (n > 0) {
      handler.onData(n);
    } else if (n === 0) {
      this.peerEnded = true;
      this.rewatch();
      handler.onEnd();
    } else {
      const errno = libc.errno();
      if (errno !== EAGAIN && errno !== EINTR) this.lost(systemError('recv', errno));
    }
  }

  private unblock(): void {
    if (!this.blocked) return;
    this.blocked = false;
    this.handler?.onWritable();
    // only now, so that a socket that is blocked again need not be registered again
    this.rewatch();
  }

  /** Nothing is read, so recv(2) does not tell what has happened. */
  private onBroken(): void {
    const { loop } = this.listener;
    const errno = loop.libc.getOption(this.fd, SOL_SOCKET, SO_ERROR) ?? 0;
    if (errno !== 0) this.lost(systemError('recv', errno));
    // both sides have ended, which would be reported again and again
    else loop.unwatch(this);
  }

  /** The connection is gone without our doing. */
  private lost(error: Error): void {
    const { handler } = this;
    this.close();
    this.tell(handler, error);
  }

  private tell(handler: SocketHandler | undefined, error: Error): void {
    try {
      handler?.onClose(error);
    } catch (thrown) {
      this.listener.onError(asError(thrown));
    }
  }

  private release(): void {
    if (this.fd < 0) return;
    this.listener.loop.close(this);
    this.listener.onSocketClosed();
  }

  private rewatch(): void {
    if (this.fd < 0 || this.handler === undefined) return;
    this.listener.loop.watch(this, !this.paused && !this.peerEnded, this.blocked);
  }
}

class EpollListener extends Watched implements Listener {
  readonly port: number;
  /** Is accepting off, until a descriptor comes free? */
  private starved = false;
  private retry: NodeJS.Timeout | undefined;

  constructor(
    fd: number,
    readonly loop: EpollLoop,
    readonly receiveBuffer: () => Buffer,
    private readonly accept: (socket: PortSocket) => SocketHandler | undefined,
    readonly onError: (error: Error) => void,
  ) {
    super(fd);
    const { libc } = loop;
    this.port = decodeAddress(libc, nameBuffer, libc.localAddress(fd, nameBuffer)).port;
  }

  start(): this {
    this.loop.watch(this, true, false);
    return this;
  }

  close(): Promise<void> {
    clearTimeout(this.retry);
    this.retry = undefined;
    if (this.fd >= 0) {
      this.loop.close(this);
      this.loop.release();
    }
    return Promise.resolve();
  }

  onReady(): void {
    const { libc } = this.loop;
    // `accept` may close this listener
    for (let i = 0; i < ACCEPT_MAX && this.fd >= 0; i++) {
      const fd = libc.accept(this.fd);
      if (fd >= 0) this.take(fd);
      else if (!this.goesOn(libc.errno())) return;
    }
  }

  onFault(thrown: unknown): void {
    this.onError(asError(thrown));
  }

  /** A descriptor has come free. */
  onSocketClosed(): void {
    if (this.starved) this.acceptAgain();
    this.loop.release();
  }

  private take(fd: number): void {
    this.loop.retain();
    const socket = new EpollSocket(fd, this);
    try {
      const handler = this.accept(socket);
      if (handler !== undefined) socket.attach(handler);
    } catch (thrown) {
      socket.onFault(thrown);
    }
  }

  /** What to do about an error of accept4(2). @returns whether to go on */
  private goesOn(errno: number): boolean {
    if (errno === EAGAIN) {
      this.starved = false;
      return false;
    }
    if (errno === EINTR || ONE_CONNECTION.has(errno)) return true;
    this.starve(systemError('accept', errno));
    return false;
  }

  /** Out of descriptors or memory: connections wait in the kernel, and asking for them now would only spin. */
  private starve(error: Error): void {
    if (!this.starved) this.onError(error);
    this.starved = true;
    this.loop.unwatch(this);
    this.retry ??= setTimeout(() => this.acceptAgain(), RETRY_MS);
  }

  private acceptAgain(): void {
    clearTimeout(this.retry);
    this.retry = undefined;
    if (this.fd >= 0) this.loop.watch(this, true, false);
  }
}

/** Where to bind: in this order, until one can be. */
async function candidates(libc: Libc, { host, port }: ListenOptions): Promise<Buffer[]> {
  if (host === undefined) return [encodeAddress(libc, '::', port), encodeAddress(libc, '0.0.0.0', port)];
  if (isIP(host) !== 0) return [encodeAddress(libc, host, port)];
  const { address } = await lookup(host);
  return [encodeAddress(libc, address, port)];
}

/** Is this machine without IPv6? */
const NO_IPV6 = new Set<number | undefined>([-EAFNOSUPPORT, -EADDRNOTAVAIL, -EINVAL]);

/** @throws the system's error */
function bindAndListen(libc: Libc, address: Buffer, options: ListenOptions): number {
  const family = address.readUInt16LE();
  const fd = libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) throw systemError('socket', libc.errno());
  const check = (syscall: string, result: number): void => {
    if (result >= 0) return;
    const errno = libc.errno();
    const { address: host, port } = decodeAddress(libc, address, address.length);
    const error = systemError(syscall, errno, family === AF_INET6 ? `[${host}]:${port}` : `${host}:${port}`);
    libc.close(fd);
    throw error;
  };
  const set = (level: number, option: number, value: number): void => {
    check('setsockopt', libc.setOption(fd, level, option, value));
  };
  set(SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reusePort) set(SOL_SOCKET, SO_REUSEPORT, 1);
  if (family === AF_INET6) set(IPPROTO_IPV6, IPV6_V6ONLY, 0);
  // on Linux an accepted socket begins with the options of its listener
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keepAlive !== undefined) {
    set(SOL_SOCKET, SO_KEEPALIVE, 1);
    set(IPPROTO_TCP, TCP_KEEPIDLE, options.keepAlive.idle);
    set(IPPROTO_TCP, TCP_KEEPINTVL, options.keepAlive.interval);
    set(IPPROTO_TCP, TCP_KEEPCNT, options.keepAlive.count);
  }
  check('bind', libc.bind(fd, address));
  check('listen', libc.listen(fd, options.backlog));
  return fd;
}

export const epollPort: Port = {
  name: 'epoll',
  async listen(options, receiveBuffer, accept, onError): Promise<Listener> {
    const loop = EpollLoop.acquire();
    try {
      const { libc } = loop;
      const addresses = await candidates(libc, options);
      let fd = -1;
      for (const [i, address] of addresses.entries()) {
        try {
          fd = bindAndListen(libc, address, options);
          break;
        } catch (error) {
          const next = i + 1 < addresses.length && NO_IPV6.has((error as NodeJS.ErrnoException).errno);
          if (!next) throw error;
        }
      }
      const listener = new EpollListener(fd, loop, receiveBuffer, accept, onError);
      try {
        return listener.start();
      } catch (error) {
        loop.close(listener);
        throw error;
      }
    } catch (error) {
      loop.release();
      throw error;
    }
  },
  whenServed(fn) {
    EpollLoop.whenServed(fn);
  },
};
