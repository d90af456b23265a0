/**
 * The driver's two clients: the `ws` package, and a raw socket for what `ws` can't send or does not show.
 */
import { randomBytes } from 'node:crypto';
import * as net from 'node:net';
import { WebSocket } from 'ws';

export interface Target {
  readonly host: string;
  readonly port: number;
  /** How long each step may take. */
  readonly timeoutMs: number;
}

export const OPCODES: Readonly<Record<number, string>> = {
  0: 'CONTINUE',
  1: 'TEXT',
  2: 'BIN',
  8: 'CLOSE',
  9: 'PING',
  10: 'PONG',
};
export const CONTINUE = 0;
export const TEXT = 1;
export const BIN = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** What came from the server: a message or a control frame (`ws`), or a frame (raw socket). */
export interface Came {
  readonly opcode: number;
  readonly data: Buffer;
  readonly fin: boolean;
}

/** Such as `TEXT "Espressif"`, in the words of the report. */
export function show({ opcode, data, fin }: Came): string {
  const name = OPCODES[opcode] ?? `opcode ${opcode}`;
  const text = opcode === CLOSE ? showClose(data) : showBytes(data);
  return `${name}${text === '' ? '' : ` ${text}`}${fin ? '' : ' (more follows)'}`;
}

function showClose(data: Buffer): string {
  if (data.length < 2) return 'without a code';
  return `${data.readUInt16BE(0)}${data.length > 2 ? ` ${showBytes(data.subarray(2))}` : ''}`;
}

function showBytes(data: Buffer): string {
  if (data.length > 60) return `of ${data.length} bytes`;
  if (data.length === 0) return '';
  // JSON escapes line ends and the like; the rest of what a terminal might obey is escaped too
  return JSON.stringify(data.toString()).replace(
    /[\p{C}\u2028\u2029]/gu,
    char => `\\u{${char.codePointAt(0)?.toString(16)}}`,
  );
}

/** What came and has not been looked at, in order. */
class Inbox<T> {
  private readonly items: T[] = [];
  private readonly waiting: { resolve: (item: T) => void; reject: (error: Error) => void }[] = [];
  private failure: Error | undefined;

  push(item: T): void {
    const waiter = this.waiting.shift();
    if (waiter === undefined) this.items.push(item);
    else waiter.resolve(item);
  }

  /** Nothing more will come. */
  fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.waiting.splice(0)) reject(this.failure);
  }

  next(): Promise<T> {
    const item = this.items.shift();
    if (item !== undefined) return Promise.resolve(item);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
}

/** A connection by the `ws` package: it joins fragments and shows messages, pings and pongs. */
export class WsPeer {
  private readonly inbox = new Inbox<Came>();
  /** Code and reason, when the connection has ended. */
  readonly closed: Promise<string>;

  private constructor(readonly socket: WebSocket) {
    const push = (opcode: number) => (data: Buffer) => this.inbox.push({ opcode, data, fin: true });
    socket.on('message', (data: Buffer, isBinary) => push(isBinary ? BIN : TEXT)(data));
    socket.on('ping', push(PING));
    socket.on('pong', push(PONG));
    this.closed = new Promise(resolve => {
      socket.on('close', (code, reason) => {
        resolve(`CLOSE ${code}${reason.length > 0 ? ` ${showBytes(reason)}` : ''}`);
        this.inbox.fail(new Error(`the connection ended with code ${code}`));
      });
    });
  }

  static open(target: Target, path: string, protocols: string[], onDone: (close: () => void) => void): Promise<WsPeer> {
    const host = target.host.includes(':') ? `[${target.host}]` : target.host;
    const socket = new WebSocket(`ws://${host}:${target.port}${path}`, protocols, { perMessageDeflate: false });
    onDone(() => socket.terminate());
    // listens before the handshake ends: a frame may come right behind it
    const peer = new WsPeer(socket);
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve(peer));
      socket.on('unexpected-response', (_request, response) => {
        response.resume();
        reject(new Error(`HTTP ${response.statusCode} in place of a WebSocket`));
      });
      socket.on('error', error => {
        peer.inbox.fail(error);
        reject(error);
      });
    });
  }

  next(): Promise<Came> {
    return this.inbox.next();
  }
}

/** One masked frame, as a client sends it. */
export function frame(
  opcode: number,
  payload: string | Buffer,
  options: { fin?: boolean; masked?: boolean } = {},
): Buffer {
  const { fin = true, masked = true } = options;
  const data = Buffer.from(payload as string);
  const mask = masked ? 0x80 : 0;
  const head = [(fin ? 0x80 : 0) | opcode];
  if (data.length < 126) head.push(mask | data.length);
  else if (data.length < 65_536) head.push(mask | 126, data.length >> 8, data.length & 0xff);
  else throw new RangeError('the driver builds frames of up to 65535 bytes');
  if (!masked) return Buffer.concat([Buffer.from(head), data]);
  const key = randomBytes(4);
  return Buffer.concat([Buffer.from(head), key, data.map((byte, i) => byte ^ (key[i & 3] as number))]);
}

/** A connection by a raw socket: sends any bytes, shows each frame. */
export class RawPeer {
  private readonly inbox = new Inbox<Came>();
  private received: Buffer = Buffer.alloc(0);
  private head: string | undefined;
  private readonly headCame = new Inbox<string>();
  /** When the server has ended the connection. */
  readonly ended: Promise<void>;

  private constructor(
    readonly socket: net.Socket,
    path: string,
  ) {
    socket.setNoDelay(true);
    socket.on('data', chunk => this.onData(chunk));
    this.ended = new Promise(resolve => socket.on('close', () => resolve()));
    socket.on('error', error => this.fail(error));
    socket.on('close', () => this.fail(new Error(`the server ended the connection to ${path}`)));
  }

  /**
   * Connects and sends a handshake.
   *
   * @param headers more lines of the request; `upgrade: false` leaves those of a WebSocket out
   * @param behind bytes that are sent with the handshake, in one piece
   */
  static open(
    target: Target,
    path: string,
    options: { upgrade?: boolean; headers?: string[]; behind?: Buffer },
    onDone: (close: () => void) => void,
  ): RawPeer {
    const { upgrade = true, headers = [], behind = Buffer.alloc(0) } = options;
    const socket = net.connect({ host: target.host, port: target.port });
    onDone(() => socket.destroy());
    const peer = new RawPeer(socket, path);
    const lines = [`GET ${path} HTTP/1.1`, `Host: ${target.host}:${target.port}`, ...headers];
    if (upgrade) {
      const key = randomBytes(16).toString('base64');
      lines.push('Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Key: ${key}`, 'Sec-WebSocket-Version: 13');
    }
    socket.write(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), behind]));
    return peer;
  }

  /** The head of the server's answer. */
  response(): Promise<string> {
    return this.headCame.next();
  }

  /** Waits for the 101. */
  async opened(): Promise<this> {
    const status = statusOf(await this.response());
    if (status !== 101) throw new Error(`HTTP ${status} in place of a WebSocket`);
    return this;
  }

  next(): Promise<Came> {
    return this.inbox.next();
  }

  send(bytes: Buffer): Promise<void> {
    return new Promise((resolve, reject) => this.socket.write(bytes, error => (error ? reject(error) : resolve())));
  }

  private fail(error: Error): void {
    this.headCame.fail(error);
    this.inbox.fail(error);
  }

  private onData(chunk: Buffer): void {
    this.received = Buffer.concat([this.received, chunk]);
    if (this.head === undefined) {
      const end = this.received.indexOf('\r\n\r\n');
      if (end === -1) return;
      this.head = this.received.toString('latin1', 0, end);
      this.received = this.received.subarray(end + 4);
      this.headCame.push(this.head);
    }
    if (statusOf(this.head) === 101) while (this.readFrame());
  }

  private readFrame(): boolean {
    const { received } = this;
    if (received.length < 2) return false;
    const [first, second] = received as unknown as [number, number];
    let at = 2;
    let len = second & 0x7f;
    if (len === 126) {
      if (received.length < 4) return false;
      len = received.readUInt16BE(2);
      at = 4;
    } else if (len === 127) {
      if (received.length < 10) return false;
      len = Number(received.readBigUInt64BE(2));
      at = 10;
    }
    if ((second & 0x80) !== 0) this.fail(new Error('the server sent a masked frame (RFC 6455 section 5.1)'));
    if (received.length < at + len) return false;
    this.inbox.push({ opcode: first & 0x0f, fin: (first & 0x80) !== 0, data: received.subarray(at, at + len) });
    this.received = received.subarray(at + len);
    return true;
  }
}

export function statusOf(head: string): number {
  return Number(head.split(' ', 2)[1]);
}

/** The value of a header field, '' without it. */
export function headerOf(head: string, name: string): string {
  const line = head.split('\r\n').find(each => each.toLowerCase().startsWith(`${name.toLowerCase()}:`));
  return line?.slice(name.length + 1).trim() ?? '';
}
