/**
 * The select loop over node:tls: a connection that node:net accepts, and whose handshake is done, is one of ours.
 *
 * What a handshake may cost is bounded: there are as many at a time as the settings say, the oldest gives way to a new
 * one, and each has a deadline from its first byte to its last.
 */
import type { X509Certificate } from 'node:crypto';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { bind, NetListener } from './net.js';
import { NetSocket } from './net_socket.js';
import type { Listener, ListenOptions, Port, PortSocket, SocketHandler, TlsInfo } from './port.js';

/** How connections of one listener are encrypted. */
export interface TlsSettings {
  /** Certificates, versions and so on, for `tls.createServer`. */
  readonly options: tls.TlsOptions;
  /** How long a handshake may take in all, in ms. */
  readonly handshakeMs: number;
  /** So many handshakes may be under way. */
  readonly maxHandshakes: number;
  /** Calls back once, in `ms`, unless what it returns was called before. */
  after(ms: number, callback: () => void): () => void;
  /**
   * A handshake is to begin. May it?
   *
   * @returns what to call when it has ended, in whatever way; undefined refuses it
   */
  begin(remoteAddress: string): (() => void) | undefined;
  /** A handshake has failed. */
  onFailure(error: Error, remoteAddress: string): void;
}

/** A listener whose certificates can be replaced. */
export interface TlsListener extends Listener {
  /** New connections get these; those that are open, or in their handshake, go on. */
  setCertificate(options: tls.SecureContextOptions): void;
}

/** What is sent at a time: what node:tls has not encrypted yet it keeps. */
const SEND_MAX = 64 * 1024;

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
      authorized,
      authorizationError: peerCertificate === undefined ? undefined : codeOf(authorizationError),
      peerCertificate,
    };
  }

  override send(buf: Buffer, from: number, to: number): number {
    if (this.handler === undefined || to <= from) return 0;
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
    this.handler = undefined;
    setImmediate(() => secured.destroy());
  }

  override reset(): void {
    this.handler = undefined;
    this.blocked = false;
    this.tcp?.resetAndDestroy();
    // node:tls frees at once what is on a socket that is gone, and OpenSSL may be calling: `accept` is within a handshake
    setImmediate(() => this.secured.destroy());
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

/** A handshake that is under way. */
interface Handshake {
  /** Of the peer; a socket that has ended does not tell it any more. */
  readonly address: string;
  readonly done: () => void;
}

/** Handshakes that are under way, the oldest first. */
class Handshakes {
  private readonly under = new Map<net.Socket, Handshake>();

  constructor(private readonly settings: TlsSettings) {}

  /** @returns whether it may go on */
  begin(raw: net.Socket): boolean {
    const { settings, under } = this;
    const address = raw.remoteAddress ?? '';
    const release = settings.begin(address);
    if (release === undefined) return false;
    const [oldest] = under.keys();
    if (oldest !== undefined && under.size >= settings.maxHandshakes) {
      this.fail(oldest, new Error(`it made way for another: ${settings.maxHandshakes} may be under way`));
    }
    const stop = settings.after(settings.handshakeMs, () =>
      this.fail(raw, new Error(`it took longer than ${settings.handshakeMs} ms (tlsHandshakeTimeoutMs)`)),
    );
    const done = () => {
      stop();
      release();
    };
    under.set(raw, { address, done });
    // node:tls may know better why, and says it right behind this
    raw.once('close', () => setImmediate(() => this.fail(raw, new Error('the client left'))));
    return true;
  }

  /** @returns the address of the peer if it was under way */
  end(raw: net.Socket): string | undefined {
    const handshake = this.under.get(raw);
    this.under.delete(raw);
    handshake?.done();
    return handshake?.address;
  }

  /** It has failed, and so has the connection. */
  fail(raw: net.Socket, error: Error): void {
    const address = this.end(raw);
    if (address !== undefined) this.settings.onFailure(error, address);
    raw.destroy();
  }

  endAll(): void {
    for (const raw of [...this.under.keys()]) {
      this.end(raw);
      raw.destroy();
    }
  }
}

/** Why node:tls has given up; of a client whose certificate it has refused it says only that the connection has ended. */
function reasonOf(error: Error, socket: tls.TLSSocket): Error {
  const code = codeOf(socket.authorizationError);
  return code === undefined
    ? error
    : Object.assign(new Error(`the client's certificate was refused: ${code}`), { code });
}

/** The socket that a TLS one is on: node:tls does not document where it keeps it. */
function rawOf(socket: tls.TLSSocket): net.Socket | undefined {
  return (socket as { _parent?: net.Socket })._parent;
}

class NodeTlsListener extends NetListener implements TlsListener {
  constructor(
    server: net.Server,
    private readonly secure: tls.Server,
    private readonly handshakes: Handshakes,
  ) {
    super(server);
  }

  setCertificate(options: tls.SecureContextOptions): void {
    this.secure.setSecureContext(options);
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
  const handshakes = new Handshakes(settings);
  // it listens nowhere: connections are given to it once they may begin
  const secure = tls.createServer(settings.options);
  secure.on('secureConnection', socket => {
    const raw = rawOf(socket);
    if (raw !== undefined) handshakes.end(raw);
    // only from now on: who sends FIN within the handshake has nothing more to say
    socket.allowHalfOpen = true;
    const connection = new TlsSocket(socket, options.path === undefined ? raw : undefined, receiveBuffer, onError);
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
      if (handshakes.begin(raw)) secure.emit('connection', raw);
      else raw.destroy();
    },
  );
  await bind(server, options);
  server.on('error', onError);
  return new NodeTlsListener(server, secure, handshakes);
}
