/**
 * A client's socket: TCP or TLS, perhaps through a proxy. It is made here only.
 *
 * All sockets read into one buffer, one after the other, in which the bytes are looked at; `onread` spares the streams'
 * machinery. Bytes that are written are the system's at once, or the socket keeps them, and tells when it does not.
 */
import { X509Certificate } from 'node:crypto';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { ESP_ERR_INVALID_ARG, EspError } from '../err.js';
import { namedZone } from '../port/zone.js';
import { ReceiveBuffer } from '../sess/input.js';
import { ENCRYPTED } from '../tls/pem.js';
import { anchorOptions } from '../tls/trust.js';
import type { ProxyTarget } from './proxy.js';
import { openTunnel } from './tunnel.js';
import type { TxSocket } from './tx.js';

/** Where to connect to, and how. */
export interface SocketTarget {
  /** Name or address, perhaps with a zone. */
  readonly host: string;
  readonly port: number;
  /** In ms, for each of its addresses but the last one. */
  readonly attemptMs: number;
  /** In ms, before the first probe of TCP keep-alive; undefined without. */
  readonly keepAliveMs: number | undefined;
  /** Undefined without TLS. */
  readonly tls: TlsRules | undefined;
  /** Undefined without. The times, and TCP keep-alive, are those of the connection to it. */
  readonly proxy: (ProxyTarget & { readonly tls: TlsRules | undefined }) | undefined;
}

/** Whom to trust. */
export interface TlsRules {
  readonly context: tls.SecureContext;
  /** The name that the certificate must have, which the server is also told (SNI). */
  readonly name: string;
  readonly skipName: boolean;
  readonly allowSelfSigned: boolean;
}

/** Who is told what happens. Nothing is told after `onClosed`. */
export interface SocketHandler {
  onConnect(): void;
  /** `len` bytes have come, at the start of `receive.buf`. They are borrowed. */
  onData(len: number): void;
  /** The server has sent FIN. */
  onEnd(): void;
  /** What `write` kept is the system's. */
  onTaken(): void;
  /** The socket is gone. */
  onClosed(error: Error | undefined): void;
}

export interface ClientSocket extends TxSocket {
  /** Reads no more, or goes on. */
  hold(held: boolean): void;
  /** Sends FIN behind what has been written. */
  end(): void;
  /** Ends it now. */
  destroy(): void;
}

export type Dial = (target: SocketTarget, handler: SocketHandler) => ClientSocket;

const READ_SIZE = 64 * 1024;
const readBuffer = Buffer.allocUnsafeSlow(READ_SIZE);
/** What sockets receive into. Whoever leaves bytes there has to move them out before the call returns. */
export const receive = new ReceiveBuffer(() => readBuffer, READ_SIZE);

/** Codes of OpenSSL for a certificate, or a chain, that nobody but its owner vouches for. */
const SELF_SIGNED: ReadonlySet<string> = new Set(['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN']);

class NodeSocket implements ClientSocket {
  /** To the server; while a tunnel is asked for, to the proxy. */
  private sock: net.Socket;
  /** To the proxy. */
  private readonly carrier: net.Socket | undefined;
  private readonly secure: boolean;
  private over = false;
  private failure: Error | undefined;

  constructor(
    private readonly target: SocketTarget,
    private readonly handler: SocketHandler,
  ) {
    const { proxy, tls: rules } = target;
    this.secure = rules !== undefined;
    if (proxy === undefined) {
      this.sock = connect(target, target, rules, { buffer: readBuffer, callback: len => this.received(len) });
      this.sock.once(connectedEvent(rules), () => this.connected());
      this.listen();
    } else {
      this.carrier = this.sock = connect(target, proxy, proxy.tls);
      this.watch();
      openTunnel(this.carrier, connectedEvent(proxy.tls), proxy, target, () => this.tunnelOpen());
    }
  }

  write(bytes: Buffer): boolean {
    const { sock } = this;
    if (this.secure) {
      // TLS encrypts what it has got later; such a copy often comes from Node's pool
      sock.write(Buffer.from(bytes), this.taken);
      return false;
    }
    sock.write(bytes);
    if (sock.writableLength === 0) return true;
    sock.write('', this.taken);
    return false;
  }

  private readonly taken = (error: Error | null | undefined): void => {
    // if it failed, nothing was taken, and `onClosed` follows
    if (!error && !this.over) this.handler.onTaken();
  };

  hold(held: boolean): void {
    if (held) this.sock.pause();
    else this.sock.resume();
  }

  end(): void {
    this.sock.end();
  }

  destroy(): void {
    this.sock.destroy();
  }

  /** Takes what the socket tells. */
  private listen(): void {
    const { sock } = this;
    if (sock !== this.carrier) this.watch();
    sock.on('end', () => {
      if (!this.over) this.handler.onEnd();
    });
    // without a consumer the stream would never tell of its end
    sock.resume();
  }

  private watch(): void {
    const { sock } = this;
    sock.on('error', error => {
      this.failure ??= error;
    });
    sock.on('close', () => this.closed());
  }

  private tunnelOpen(): void {
    const { carrier, target } = this;
    if (this.over || carrier === undefined) return;
    if (target.tls === undefined) {
      this.connected();
    } else {
      this.sock = tls.connect({ socket: carrier, ...tlsOptions(target.tls) }, () => this.connected());
    }
    // node:tls has no `onread` on a socket that is there already
    this.sock.on('data', chunk => this.copied(chunk));
    this.listen();
  }

  private connected(): void {
    const { sock, target } = this;
    if (this.over) return;
    const { keepAliveMs, tls: rules } = target;
    const tcp = this.carrier ?? sock;
    tcp.setNoDelay(true);
    if (keepAliveMs !== undefined) tcp.setKeepAlive(true, keepAliveMs);
    const refusal = rules?.allowSelfSigned ? selfSignedProblem(sock as tls.TLSSocket, rules) : undefined;
    if (refusal !== undefined) sock.destroy(refusal);
    else this.handler.onConnect();
  }

  private received(len: number): boolean {
    if (!this.over) this.handler.onData(len);
    return true;
  }

  private copied(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += READ_SIZE) this.received(chunk.copy(readBuffer, 0, at, at + READ_SIZE));
  }

  private closed(): void {
    if (this.over) return;
    this.over = true;
    this.destroy();
    this.handler.onClosed(this.failure);
  }
}

function connectedEvent(rules: TlsRules | undefined): 'connect' | 'secureConnect' {
  return rules === undefined ? 'connect' : 'secureConnect';
}

/** @param onread undefined for a socket that is read by events */
function connect(
  { attemptMs }: SocketTarget,
  { host, port }: { readonly host: string; readonly port: number },
  rules: TlsRules | undefined,
  onread?: net.OnReadOpts,
): net.Socket {
  // Node.js gives up an attempt, and does not go back to it, when the next address gets its turn: by default after
  // 250 ms, less than a lost SYN costs
  const options = {
    host: namedZone(host),
    port,
    ...(onread !== undefined && { onread }),
    allowHalfOpen: true,
    autoSelectFamilyAttemptTimeout: attemptMs,
  };
  return rules === undefined ? net.connect(options) : tls.connect({ ...options, ...tlsOptions(rules) });
}

/**
 * Whom to trust, and who we are.
 *
 * @param ca certificates of authorities, in PEM; undefined for those that Node.js knows
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function secureContext(ca: unknown, cert?: unknown, key?: unknown): tls.SecureContext {
  try {
    // OpenSSL would pass over what is none, and then trust nobody
    for (const one of ca === undefined ? [] : [ca].flat()) new X509Certificate(one as string | Buffer);
    return tls.createSecureContext({
      ca,
      cert,
      key,
      ...(ca !== undefined && anchorOptions()),
    } as tls.SecureContextOptions);
  } catch (cause) {
    const why = ENCRYPTED.test(String(key))
      ? 'clientKey is encrypted, and there is no option for its password: give it decrypted'
      : 'certPem, proxyCertPem, clientCert or clientKey is no PEM that OpenSSL can read';
    throw new EspError(ESP_ERR_INVALID_ARG, why, { cause });
  }
}

function tlsOptions({ context, name, skipName, allowSelfSigned }: TlsRules): tls.ConnectionOptions {
  return {
    secureContext: context,
    // an address is no server name (RFC 6066 section 3)
    servername: net.isIP(name) === 0 ? name : '',
    checkServerIdentity: (_host, peer) => (skipName ? undefined : tls.checkServerIdentity(name, peer)),
    // if not here, then in `selfSignedProblem`
    rejectUnauthorized: !allowSelfSigned,
    ALPNProtocols: ['http/1.1'],
  };
}

/** @returns why the server's certificate is not good enough even where it may be self-signed */
function selfSignedProblem(sock: tls.TLSSocket, { name, skipName }: TlsRules): Error | undefined {
  if (sock.authorized) return undefined;
  const why: unknown = sock.authorizationError;
  const code = why instanceof Error ? ((why as NodeJS.ErrnoException).code ?? why.message) : String(why);
  if (!SELF_SIGNED.has(code)) {
    return Object.assign(new Error(`the server's certificate was refused: ${code}`), { code });
  }
  // Node.js asks for the name of those only that it trusts
  return skipName ? undefined : tls.checkServerIdentity(name, sock.getPeerCertificate());
}

/** Connects. Nothing is told before this returns. */
export const dial: Dial = (target, handler) => new NodeSocket(target, handler);
