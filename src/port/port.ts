/**
 * The contract between a select loop and the sessions above it.
 *
 * The seam is bytes, not readiness: a loop that pushes (node:net, TLS), one that polls (epoll) and one that completes
 * (io_uring) can all stand behind it.
 *
 * Rules that every port keeps, and `test/port/contract.ts` checks:
 * - Received bytes lie at the start of the one receive buffer that the port was given. They are borrowed: whoever
 *   wants them after `onData` returns copies them.
 * - Callbacks come from the loop, never from within a call to the port.
 * - After `close()` or `reset()`, and after `onClose`, no callback comes any more.
 * - When both sides have sent FIN a port may release the socket by itself; `onClose(undefined)` then follows `onEnd`.
 * - What a callback throws is told to `onError` of `listen`, and ends its connection only, with RST and `onClose`.
 * - Who was found ready and could not be served in this turn is served in the next, before anybody else.
 * - A paused socket reads no more, and costs no CPU. What it has read already may still be delivered.
 */

import type { X509Certificate } from 'node:crypto';

/** What a port tells the owner of a socket. */
export interface SocketHandler {
  /** `len` bytes were received into the receive buffer, from its start. Borrowed until the call returns. */
  onData(len: number): void;
  /** The peer has sent FIN: no more data will come. Sending is still possible. */
  onEnd(): void;
  /** `send` took less than it was given; now it will take more. */
  onWritable(): void;
  /** The connection is gone without our doing: a reset, or an error. The socket is released. */
  onClose(error: Error | undefined): void;
}

/** What TLS has agreed on with a peer. */
export interface TlsInfo {
  /** `'TLSv1.2'` or `'TLSv1.3'`. */
  readonly protocol: string;
  /** OpenSSL's name of the cipher suite. */
  readonly cipher: string;
  /** The application protocol agreed on (ALPN, RFC 7301); undefined without one. */
  readonly alpnProtocol: string | undefined;
  /** The server name that the client has asked for (SNI, RFC 6066 section 3); undefined without one. */
  readonly servername: string | undefined;
  /** Was the session resumed, with a ticket? */
  readonly resumed: boolean;
  /** Has the peer shown a certificate that one of `cacertPem` has signed? */
  readonly authorized: boolean;
  /** Why it is not authorized, such as `'UNABLE_TO_GET_ISSUER_CERT'`; undefined if it is, or was not asked for one. */
  readonly authorizationError: string | undefined;
  /** The peer's certificate; undefined without one. */
  readonly peerCertificate: X509Certificate | undefined;
}

/** One connection. */
export interface PortSocket {
  /**
   * The peer's address, without brackets, IPv4 as such on a dual-stack socket too. It stays known when the connection is
   * gone; empty on a Unix socket, and of a peer that had left before it was accepted.
   */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Where it reached us. */
  readonly localAddress: string;
  readonly localPort: number;
  /** What TLS has agreed on; undefined on a plain connection. */
  readonly tls?: TlsInfo | undefined;
  /** Bytes that `send` has taken and the kernel not yet. `onWritable` follows when they are gone. */
  readonly pending: number;
  /**
   * Sends `buf[from, to)` without blocking, like send(2) with MSG_DONTWAIT. The bytes are borrowed for the call.
   *
   * @returns how many bytes were taken, 0 and up. Fewer than given: `onWritable` follows when there is room again.
   */
  send(buf: Buffer, from: number, to: number): number;
  /** Stops delivery of data until `resume()`. The kernel's window then holds the peer back. */
  pause(): void;
  resume(): void;
  /** Sends FIN behind what `send` has taken, like shutdown(2) with SHUT_WR. */
  shutdown(): void;
  /** Releases the socket, like close(2). Bytes that are still `pending` are lost. */
  close(): void;
  /** Releases the socket with RST. */
  reset(): void;
}

/** One that stands around another, as seen from above: who is connected is the same. */
export abstract class SocketAround {
  constructor(protected readonly inner: PortSocket) {}

  get remoteAddress(): string {
    return this.inner.remoteAddress;
  }

  get remotePort(): number {
    return this.inner.remotePort;
  }

  get localAddress(): string {
    return this.inner.localAddress;
  }

  get localPort(): number {
    return this.inner.localPort;
  }

  get tls(): TlsInfo | undefined {
    return this.inner.tls;
  }
}

export interface ListenOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  /** Address or name to bind; undefined binds every address, IPv6 and IPv4. */
  readonly host: string | undefined;
  /** A Unix socket to listen on instead (unix(7)). */
  readonly path?: string | undefined;
  readonly backlog: number;
  /** May others listen on the same port, so that the system spreads connections over all (SO_REUSEPORT)? */
  readonly reusePort: boolean;
  /** TCP keep-alive for accepted sockets, times in seconds; undefined turns it off. */
  readonly keepAlive: { readonly idle: number; readonly interval: number; readonly count: number } | undefined;
}

/** A socket that a server listens on. */
export interface HttpdListener {
  /** The bound port; 0 of a Unix socket. */
  readonly port: number;
  /** The path of a Unix socket; undefined of a port. */
  readonly path: string | undefined;
  /** Are its connections encrypted? */
  readonly encrypted: boolean;
}

/** A bound, listening socket. */
export interface Listener {
  /** The bound port; 0 of a Unix socket. */
  readonly port: number;
  /** Stops listening. Accepted sockets live on. Resolves when the port can be bound again. */
  close(): Promise<void>;
}

/** A select loop. */
export type Port = PortOf<Listener>;

/** One whose listeners can do more than others. */
export interface PortOf<L extends Listener> {
  readonly name: string;
  /**
   * Binds and listens.
   *
   * @param receiveBuffer gives the buffer that data is received into. Asked for anew at each read, since WebAssembly
   *   memory may move when it grows; its length never changes.
   * @param accept is called for each new connection and says who owns it; undefined means that `accept` has already
   *   closed or reset it
   * @param onError is told what no socket's handler can be told: `accept` has failed, or a callback has thrown
   * @throws the system's error (EADDRINUSE, EACCES, EADDRNOTAVAIL …), by rejection
   */
  listen(
    options: ListenOptions,
    receiveBuffer: () => Buffer,
    accept: (socket: PortSocket) => SocketHandler | undefined,
    onError: (error: Error) => void,
  ): Promise<L>;
  /**
   * Calls `fn` when everybody has been served whom the loop has found ready by now: at once if nobody is left over. Behind
   * the loop's poll (`setImmediate`), these are all whose data, FIN or reset the kernel had before it.
   */
  whenServed(fn: () => void): void;
}

/** What was thrown, which need not be an Error, as one. */
export function asError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  try {
    return new Error(String(thrown));
  } catch (cause) {
    return new Error('something was thrown that can not be shown', { cause });
  }
}
