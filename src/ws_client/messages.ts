/**
 * `for await (const message of client)`: whole messages, and a bound on those that nobody has taken yet.
 */

import { HTTPD_WS_TYPE_CONTINUE, HTTPD_WS_TYPE_TEXT } from '../httpd_ws/frame_type.js';
import { ByteQueue } from '../sess/byte_queue.js';
import { harmless, rejected } from '../thenable.js';
import type { WsDataEvent } from './events.js';

/** What a message that waits costs beside its bytes. */
const MESSAGE_COST = 256;

/** A whole message. */
export class WsMessage {
  /** @param opCode WS_TRANSPORT_OPCODES_TEXT or WS_TRANSPORT_OPCODES_BINARY */
  constructor(
    readonly opCode: number,
    readonly data: Buffer,
  ) {}

  get isText(): boolean {
    return this.opCode === HTTPD_WS_TYPE_TEXT;
  }

  /** The message as text (UTF-8). */
  get text(): string {
    return this.data.toString();
  }

  toString(): string {
    return this.text;
  }

  /** @throws SyntaxError if it is not JSON */
  json(): unknown {
    return JSON.parse(this.text);
  }
}

interface Waiting {
  readonly resolve: (result: IteratorResult<WsMessage, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

export class MessageStream implements AsyncIterableIterator<WsMessage, undefined> {
  private readonly messages: WsMessage[] = [];
  private cost = 0;
  /** Of the message that is coming: its type, undefined if its beginning was missed, and its pieces if there are more. */
  private type: number | undefined;
  private pieces: ByteQueue | undefined;
  private len = 0;
  private waiting: Waiting[] = [];
  private over = false;
  private error: unknown;

  /**
   * @param max bytes that may wait, until `full`
   * @param onRoom is called when it is no longer full
   * @param onLeft is called when nobody iterates any more
   */
  constructor(
    private readonly max: number,
    private readonly onRoom: () => void,
    private readonly onLeft: (stream: MessageStream) => void,
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  get full(): boolean {
    return this.cost >= this.max;
  }

  next(): Promise<IteratorResult<WsMessage, undefined>> {
    const message = this.messages.shift();
    if (message !== undefined) {
      const wasFull = this.full;
      this.cost -= MESSAGE_COST + message.data.length;
      if (wasFull && !this.full) this.onRoom();
      return Promise.resolve({ done: false, value: message });
    }
    if (this.over) {
      const { error } = this;
      this.error = undefined;
      return error === undefined ? Promise.resolve({ done: true, value: undefined }) : rejected(error);
    }
    // who is busy when the server leaves hears of it when it is awaited
    return harmless(new Promise((resolve, reject) => this.waiting.push({ resolve, reject })));
  }

  /** The loop was left. */
  return(): Promise<IteratorResult<WsMessage, undefined>> {
    const wasFull = this.full;
    this.messages.length = this.cost = 0;
    this.end(undefined);
    this.onLeft(this);
    if (wasFull) this.onRoom();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** A piece has come. */
  push({ opCode, data, payloadLen, payloadOffset, fin }: WsDataEvent): void {
    if (this.over) return;
    if (opCode !== HTTPD_WS_TYPE_CONTINUE && payloadOffset === 0) this.type = opCode;
    const { type } = this;
    // the loop began within a message
    if (type === undefined) return;
    const ends = fin && payloadOffset + data.length === payloadLen;
    if (ends && this.pieces === undefined) {
      this.drop();
      return this.add(type, data);
    }
    this.pieces ??= new ByteQueue();
    this.pieces.copy(data, 0, data.length);
    this.len += data.length;
    if (!ends) return;
    const whole = Buffer.allocUnsafeSlow(this.len);
    this.pieces.take(this.len, whole);
    this.drop();
    this.add(type, whole);
  }

  /** The connection has ended: what has come of a message will not be continued. */
  drop(): void {
    this.type = this.pieces = undefined;
    this.len = 0;
  }

  /** There will be no more messages. @param error why, if it is to be thrown */
  end(error: unknown): void {
    if (this.over) return;
    this.over = true;
    this.drop();
    const [first, ...others] = this.waiting.splice(0);
    if (first === undefined) this.error = error;
    else if (error === undefined) first.resolve({ done: true, value: undefined });
    else first.reject(error);
    for (const { resolve } of others) resolve({ done: true, value: undefined });
  }

  private add(type: number, data: Buffer): void {
    const message = new WsMessage(type, data);
    const next = this.waiting.shift();
    if (next !== undefined) {
      next.resolve({ done: false, value: message });
      return;
    }
    this.messages.push(message);
    this.cost += MESSAGE_COST + data.length;
  }
}
