import * as net from 'node:net';
import * as tls from 'node:tls';
import { certificates } from './certificates.js';

/** A response as it came over the wire. */
export interface RawResponse {
  /** Such as `HTTP/1.1 200 OK`. */
  readonly statusLine: string;
  readonly status: number;
  /** Names in lower case; the values of repeated fields joined by a comma and a space. */
  readonly headers: Readonly<Record<string, string>>;
  /** All header lines in their order, as they came. */
  readonly headerLines: readonly string[];
  /** Decoded, if it came in chunks. */
  readonly body: Buffer;
  readonly text: string;
}

/** How long a read waits before it says what it has got instead. Only a test that fails ever waits that long. */
const PATIENCE_MS = 8_000;

/**
 * How much of the bytes that have come is wanted: a count, a text up to whose end to read, or a function that returns
 * the count, or a negative number for "not yet".
 */
export type Wanted = number | string | ((bytes: Buffer) => number);

/** Do the servers of this run encrypt? */
export const OVER_TLS = process.env.OVER_TLS === '1';
/** The scheme of what a server has then. */
export const SCHEME = OVER_TLS ? 'https' : 'http';

let trusting: tls.SecureContext | undefined;

/** Begins a handshake on a socket, with one who trusts the test authority unless the options say other. */
export function secure(socket: net.Socket, options?: tls.ConnectionOptions): tls.TLSSocket {
  const ca = certificates().ca.cert;
  const common = { socket, servername: 'localhost' };
  if (options !== undefined) return tls.connect({ ...common, ca, ...options });
  // to make one takes longer than all the rest
  trusting ??= tls.createSecureContext({ ca });
  return tls.connect({ ...common, secureContext: trusting });
}

/** @throws what the handshake has failed with, by rejection */
function shaken(secured: tls.TLSSocket): Promise<tls.TLSSocket> {
  return new Promise((resolve, reject) => {
    secured.once('secureConnect', () => resolve(secured));
    secured.once('error', reject);
  });
}

/** The client's side of a TLS 1.3 handshake is done first: a server that has accepted sends a ticket, or ends at once. */
function accepted(secured: tls.TLSSocket): Promise<void> {
  return new Promise(resolve => {
    // what is written within the event for a ticket would never leave
    for (const event of ['session', 'end', 'close']) secured.once(event, () => setImmediate(resolve));
  });
}

/** Over TLS a server learns a turn later that what it has sent is sent. */
export async function settled(): Promise<void> {
  for (let i = 0; OVER_TLS && i < 4; i++) await new Promise(resolve => setImmediate(resolve));
}

/** A TCP client that sends what it is told and shows what it gets. */
export class RawClient {
  /** What has come and is unread is `store[from, to)`; bytes are only ever added behind it, so that slices stay good. */
  private store = Buffer.alloc(1024);
  private from = 0;
  private to = 0;
  private fin = false;
  private error: Error | undefined;
  private wake: (() => void)[] = [];

  private constructor(
    readonly socket: net.Socket,
    private readonly tcp: net.Socket,
    readonly patienceMs: number,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.append(chunk);
      this.notify();
    });
    socket.on('end', () => {
      this.fin = true;
      this.notify();
    });
    socket.on('error', error => {
      this.error = error;
    });
    socket.on('close', () => this.notify());
  }

  static async connect(port: number, options: { host?: string; patienceMs?: number } = {}): Promise<RawClient> {
    const socket = net.connect({ port, host: options.host ?? '127.0.0.1', allowHalfOpen: true });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const patienceMs = options.patienceMs ?? PATIENCE_MS;
    if (!OVER_TLS) return new RawClient(socket, socket, patienceMs);
    const secured = secure(socket);
    const acceptance = accepted(secured);
    const client = new RawClient(await shaken(secured), socket, patienceMs);
    await acceptance;
    return client;
  }

  /** The local port: how the server sees this client. */
  get localPort(): number {
    return this.socket.localPort ?? 0;
  }

  /** What has come and has not been read. */
  get received(): Buffer {
    return this.store.subarray(this.from, this.to);
  }

  /** Has the server's FIN, or a reset, come? */
  get over(): boolean {
    return this.fin || this.socket.destroyed;
  }

  send(data: string | Uint8Array): this {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
    return this;
  }

  /** Sends each piece by itself: the next one when the kernel has taken the one before and the loop has turned. */
  async sendPieces(pieces: Iterable<string | Uint8Array>): Promise<void> {
    for (const piece of pieces) {
      const bytes = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece;
      await new Promise<void>(resolve => this.socket.write(bytes, () => setImmediate(resolve)));
    }
  }

  /** Reads and takes away what is wanted. */
  async readUntil(wanted: Wanted): Promise<Buffer> {
    const count = typeof wanted === 'function' ? wanted : counter(wanted);
    for (;;) {
      const { received } = this;
      const n = count(received);
      if (n >= 0 && n <= received.length) return this.take(n);
      if (this.over) throw new Error(`the connection ended (${this.howOver()}) with ${this.shown()} unread`);
      await this.change(() => `waited for more than ${this.shown()}`);
    }
  }

  /** Everything until the server's FIN or a reset. */
  async readAll(): Promise<Buffer> {
    await this.closed();
    return this.take(this.to - this.from);
  }

  /** The next response; `toHead` for an answer to HEAD, which has no body. */
  async readResponse(options: { toHead?: boolean } = {}): Promise<RawResponse> {
    const head = (await this.readUntil('\r\n\r\n')).toString('latin1');
    const [statusLine = '', ...headerLines] = head.slice(0, -4).split('\r\n');
    const headers: Record<string, string> = {};
    for (const line of headerLines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
    }
    const status = Number(/^HTTP\/1\.[01] (\d{3})( |$)/.exec(statusLine)?.[1]);
    const body = await this.readBody(status, headers, options.toHead ?? false);
    return { statusLine, status, headers, headerLines, body, text: body.toString() };
  }

  /** Resolves at the server's FIN or at a reset, whichever is first. */
  async closed(): Promise<'fin' | 'reset'> {
    while (!this.over) await this.change(() => 'waited for the end of the connection');
    return this.fin ? 'fin' : 'reset';
  }

  /** From now on what comes is thrown away. */
  discard(): this {
    this.socket.removeAllListeners('data').on('data', () => {});
    return this;
  }

  /** Stops reading: the kernel's window fills up. */
  pause(): this {
    this.socket.pause();
    return this;
  }

  resume(): this {
    this.socket.resume();
    return this;
  }

  /** Sends FIN. */
  end(): this {
    this.socket.end();
    return this;
  }

  /** Sends RST. */
  reset(): this {
    this.tcp.resetAndDestroy();
    return this;
  }

  destroy(): void {
    this.socket.destroy();
  }

  private async readBody(status: number, headers: Record<string, string>, toHead: boolean): Promise<Buffer> {
    if (toHead || status < 200 || status === 204 || status === 304) return Buffer.alloc(0);
    if (headers['transfer-encoding']?.toLowerCase() === 'chunked') return this.readChunked();
    const length = headers['content-length'];
    if (length !== undefined) return this.readUntil(Number(length));
    return this.readAll();
  }

  private async readChunked(): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (;;) {
      const line = (await this.readUntil('\r\n')).toString('latin1');
      if (!/^[0-9a-fA-F]+\r\n$/.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
      const size = Number.parseInt(line, 16);
      const data = await this.readUntil(size + 2);
      if (data.toString('latin1', size) !== '\r\n') throw new Error('a chunk does not end in CRLF');
      if (size === 0) return Buffer.concat(pieces);
      pieces.push(data.subarray(0, size));
    }
  }

  private take(n: number): Buffer {
    this.from += n;
    return this.store.subarray(this.from - n, this.from);
  }

  private append(chunk: Buffer): void {
    if (this.store.length - this.to < chunk.length) {
      const unread = this.received;
      this.store = Buffer.allocUnsafeSlow(2 * (unread.length + chunk.length));
      unread.copy(this.store);
      this.to = unread.length;
      this.from = 0;
    }
    this.to += chunk.copy(this.store, this.to);
  }

  private notify(): void {
    const { wake } = this;
    this.wake = [];
    for (const fn of wake) fn();
  }

  private change(what: () => string): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what()} in vain; unread: ${this.shown()}`)), this.patienceMs);
      this.wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private howOver(): string {
    return this.fin ? 'FIN' : `reset: ${this.error?.message ?? 'by this client'}`;
  }

  private shown(): string {
    return `${this.received.length} bytes ${JSON.stringify(this.received.toString('latin1', 0, 300))}`;
  }
}

function counter(wanted: number | string): (bytes: Buffer) => number {
  if (typeof wanted === 'number') return bytes => (bytes.length >= wanted ? wanted : -1);
  return bytes => {
    const at = bytes.indexOf(wanted, 0, 'latin1');
    return at < 0 ? -1 : at + wanted.length;
  };
}
