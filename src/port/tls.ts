/**
 * The select loop over node:tls: a connection that node:net accepts, and whose handshake is done, is one of ours.
 */
import type { X509Certificate } from 'node:crypto';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { type HandshakeSettings, Handshakes } from './handshakes.js';
import { bind, NetListener, netPort } from './net.js';
import { NetSocket } from './net_socket.js';
import { Patrol } from './patrol.js';
import type { Listener, ListenOptions, Port, PortSocket, SocketHandler, TlsInfo } from './port.js';
import type { UnixFile } from './unix_file.js';

/** How connections of one listener are encrypted. */
export interface TlsSettings extends HandshakeSettings {
  /** Certificates, versions and so on, for `tls.createServer`. */
  readonly options: tls.TlsOptions;
  /** As `after`, for a look at open connections: no deadline of theirs. */
  readonly later: HandshakeSettings['after'];
}

/** A listener whose certificates can be replaced. */
export interface TlsListener extends Listener {
  /** New connections get these; those that are open, or in their handshake, go on. */
  setCertificate(options: tls.SecureContextOptions): void;
}

/** What is sent at a time: what node:tls has not encrypted yet it keeps. */
const SEND_MAX = 64 * 1024;
/** Encrypted bytes that wait: more than are sent at a time are answers to a peer that asks for them and does not read. */
const ANSWERS_MAX = 2 * SEND_MAX;
/** How often it is looked at, in ms. */
const LOOK_MS = 1000;

class TlsSocket extends NetSocket {
  /** Has node:tls yet to say that it is done with what it was given? It takes one thing at a time. */
  private writing = false;
  /** Does `handler` wait for `onWritable`? */
  private owed = false;

  constructor(
    private readonly secured: tls.TLSSocket,
    tcp: net.Socket | undefined,
    receiveBuffer: () => Buffer,
    onError: (error: Error) => void,
  ) {
    super(secured, tcp, receiveBuffer, onError);
  }

  get tls(): TlsInfo {
    const { secured } = this;
    const { authorized, authorizationError } = secured;
    const peerCertificate: X509Certificate | undefined = secured.getPeerX509Certificate();
    return {
      protocol: secured.getProtocol() ?? '',
      cipher: secured.getCipher()?.name ?? '',
      alpnProtocol: secured.alpnProtocol || undefined,
      servername: servernameOf(secured),
      resumed: secured.isSessionReused(),
      // a client without a certificate that resumes its session is authorized too, says node:tls of TLS 1.3
      authorized: authorized && peerCertificate !== undefined,
      authorizationError: peerCertificate === undefined ? undefined : codeOf(authorizationError),
      peerCertificate,
    };
  }

  override send(buf: Buffer, from: number, to: number): number {
    if (this.released || to <= from) return 0;
    if (this.writing) {
      this.owed = true;
      return 0;
    }
    const { secured } = this;
    const end = Math.min(to, from + SEND_MAX);
    const idle = queueOf(secured) === 0;
    this.writing = true;
    // node:tls encrypts it at once, or copies it
    secured.write(buf.subarray(from, end), this.onWritten);
    // it tells a turn later that the kernel has taken it, which need not be a peer's doing
    const taken = idle && queueOf(secured) > 0 && queueOf(rawOf(secured)) === 0;
    this.blocked = !taken;
    this.owed = end < to || !taken;
    return end - from;
  }

  override close(): void {
    const { secured } = this;
    if (!this.writing || this.blocked || !secured.writableEnded) return super.close();
    // FIN is to go out behind what node:tls is about to be done with
    this.release();
    setImmediate(() => secured.destroy());
  }

  override reset(): void {
    this.release();
    this.blocked = false;
    if (!this.isShutting) this.tcp?.resetAndDestroy();
    // node:tls frees at once what is on a socket that is gone, and OpenSSL may be calling: `accept` is within a handshake
    setImmediate(() => this.secured.destroy());
  }

  override onEnd(): void {
    // where TLS itself was writing, node:tls takes a reset for FIN and is done with nothing any more
    if (!this.secured.writableFinished && isReset(this.tcp))
      this.lose(Object.assign(new Error('write ECONNRESET'), { code: 'ECONNRESET' }));
    else super.onEnd();
  }

  /** What TLS answers by itself, as to a KeyUpdate (RFC 8446 section 4.6.3) or a renegotiation, has no other bound. */
  checkAnswers(): void {
    if (queueOf(this.secured) > ANSWERS_MAX) this.lose(new Error('the peer asks for answers and does not read them'));
  }

  private readonly onWritten = (error?: Error | null): void => {
    this.writing = false;
    if (this.owed) this.unblock(error);
  };
}

/**
 * So many bytes wait below this socket: those that node:tls has encrypted and does not know to be sent, or those that
 * the kernel has not taken. Node.js does not document where they are counted.
 */
function queueOf(socket: net.Socket | undefined): number {
  const { _handle } = (socket ?? {}) as { _handle?: { writeQueueSize?: number } | null };
  return _handle?.writeQueueSize ?? Number.NaN;
}

/** Has the peer reset a connection that we have not ended? Node.js keeps what it has told once, so its handle is asked. */
function isReset(tcp: net.Socket | undefined): boolean {
  const { _handle } = (tcp ?? {}) as { _handle?: { getpeername?: (out: object) => number } | null };
  return (_handle?.getpeername?.({}) ?? 0) < 0;
}

/** A client that has sent no name has one of `false`. */
function servernameOf(socket: tls.TLSSocket): string | undefined {
  const { servername } = socket as { servername?: string | false | null };
  return servername || undefined;
}

/** node:tls says that it is an Error; it is a code, or null. */
function codeOf(error: unknown): string | undefined {
  if (error instanceof Error) return (error as NodeJS.ErrnoException).code ?? error.message;
  return typeof error === 'string' ? error : undefined;
}

/**
 * Why node:tls has given up. Of a client whose certificate it has refused it says only that the connection has ended, and
 * OpenSSL's message has addresses and names of its source in it.
 */
function reasonOf(error: NodeJS.ErrnoException & { reason?: string }, socket: tls.TLSSocket): Error {
  const refused = codeOf(socket.authorizationError);
  const { reason, code } = error;
  if (refused !== undefined) {
    return Object.assign(new Error(`the client's certificate was refused: ${refused}`), { code: refused });
  }
  return reason === undefined ? error : Object.assign(new Error(reason, { cause: error }), { code });
}

/** The socket that a TLS one is on: node:tls does not document where it keeps it. */
function rawOf(socket: tls.TLSSocket): net.Socket | undefined {
  return (socket as { _parent?: net.Socket })._parent;
}

/** Up to 26 Node.js does not pass this option of a server on to its context, nor does it document where that is kept. */
function completeContext(secure: tls.Server, { allowPartialTrustChain }: tls.SecureContextOptions): void {
  const { _sharedCreds } = secure as {
    _sharedCreds?: { readonly context: { setAllowPartialTrustChain?: () => void } };
  };
  if (allowPartialTrustChain) _sharedCreds?.context.setAllowPartialTrustChain?.();
}

class NodeTlsListener extends NetListener implements TlsListener {
  constructor(
    server: net.Server,
    file: UnixFile | undefined,
    private readonly secure: tls.Server,
    private readonly handshakes: Handshakes,
  ) {
    super(server, file);
  }

  setCertificate(options: tls.SecureContextOptions): void {
    this.secure.setSecureContext(options);
    completeContext(this.secure, options);
  }

  override close(): Promise<void> {
    this.handshakes.endAll();
    return super.close();
  }
}

/** A select loop whose connections are encrypted. */
export interface TlsPort extends Port {
  listen(...args: Parameters<Port['listen']>): Promise<TlsListener>;
}

export function tlsPort(settings: TlsSettings): TlsPort {
  return {
    name: 'tls',
    listen: (options, receiveBuffer, accept, onError) => listen(settings, options, receiveBuffer, accept, onError),
    whenServed: fn => netPort.whenServed(fn),
  };
}

async function listen(
  settings: TlsSettings,
  options: ListenOptions,
  receiveBuffer: () => Buffer,
  accept: (socket: PortSocket) => SocketHandler | undefined,
  onError: (error: Error) => void,
): Promise<TlsListener> {
  if (options.reusePort) throw new Error('reusePort needs the epoll port');
  const handshakes = new Handshakes(settings, settings.options.SNICallback !== undefined);
  // it listens nowhere: connections are given to it once they may begin
  const secure = tls.createServer(settings.options);
  completeContext(secure, settings.options);
  const patrol = new Patrol<TlsSocket>(settings.later, LOOK_MS, socket => socket.checkAnswers());
  secure.on('secureConnection', socket => {
    const raw = rawOf(socket);
    if (raw !== undefined) handshakes.end(raw);
    // only from now on: who sends FIN within the handshake has nothing more to say
    socket.allowHalfOpen = true;
    const connection = new TlsSocket(socket, options.path === undefined ? raw : undefined, receiveBuffer, onError);
    patrol.add(connection);
    socket.once('close', () => patrol.delete(connection));
    try {
      const handler = accept(connection);
      if (handler !== undefined) connection.attach(handler, true);
    } catch (thrown) {
      connection.onFault(thrown);
    }
  });
  secure.on('tlsClientError', (error, socket) => {
    const raw = rawOf(socket);
    socket.destroy();
    if (raw !== undefined) handshakes.fail(raw, reasonOf(error, socket));
  });
  const server = net.createServer(
    {
      noDelay: true,
      keepAlive: options.keepAlive !== undefined,
      keepAliveInitialDelay: (options.keepAlive?.idle ?? 0) * 1000,
    },
    raw => {
      raw.on('error', () => {});
      handshakes.admit(raw, () => secure.emit('connection', raw));
    },
  );
  const file = await bind(server, options);
  server.on('error', onError);
  return new NodeTlsListener(server, file, secure, handshakes);
}
