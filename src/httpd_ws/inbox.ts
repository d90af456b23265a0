/**
 * What a WebSocket has received: frames and messages for its handler, and the handler's calls for them.
 *
 * A connection on which nothing is under way holds no inbox; they are pooled.
 */
import { ESP_ERR_INVALID_STATE, EspError, invalidArg } from '../err.js';
import type { Input } from '../sess/input.js';
import type { Failure } from './close.js';
import type { Inflaters } from './deflate.js';
import { HTTPD_WS_TYPE_CONTINUE, type HttpdWsFrame } from './frame_type.js';
import { Message, type MessageMemory } from './message.js';
import { FrameReceiver, RECV_LONG, RECV_MORE, RECV_PART, type RecvRules } from './recv.js';

/** A packet of a joined message is ready; beside RECV_MORE, RECV_WHOLE and RECV_LONG. */
export const RECV_MESSAGE = 4;

/** So many inboxes that nobody needs are kept. */
const POOL_MAX = 1000;
const RESOLVED = Promise.resolve();

/** A handler that waits for more of a long frame's payload: `target[at, end)` is still to be filled. */
interface Waiter {
  readonly target: Buffer;
  at: number;
  readonly end: number;
  readonly pkt: HttpdWsFrame;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Inbox {
  readonly frames = new FrameReceiver(true);
  /** Type, FIN and length of what was offered, and how much of it the handler has not received. */
  type = 0;
  len = 0;
  private final = false;
  private unread = 0;
  private message: Message | undefined;
  /** Does the payload of a frame of that message come? */
  private joining = false;
  /** What the handler was called for: RECV_WHOLE, RECV_LONG, RECV_MESSAGE, or RECV_MORE for nothing. */
  private offered = RECV_MORE;
  private waiter: Waiter | undefined;

  /** Has nothing begun that must be remembered? */
  get idle(): boolean {
    return this.offered === RECV_MORE && this.message === undefined && this.frames.idle;
  }

  /** Is a message incomplete? */
  get inMessage(): boolean {
    return this.message !== undefined || this.frames.inDataMessage;
  }

  /** Does the handler wait for payload? */
  get waiting(): boolean {
    return this.waiter !== undefined;
  }

  /** How many bytes of what it waits for it has. */
  get filled(): number {
    return this.waiter?.at ?? 0;
  }

  /** Has the handler something to receive? */
  get hasOffer(): boolean {
    return this.offered !== RECV_MORE;
  }

  /** The offered frame's first byte, or what it would be. */
  get firstByte(): number {
    return (this.final ? 0x80 : 0) | this.type;
  }

  /** Length of the packet of a joined message that is ready. */
  get messageLen(): number {
    return this.message?.len ?? 0;
  }

  /** Will there be more for the handler, without further input? */
  get hasMore(): boolean {
    const { message } = this;
    return message !== undefined && (message.hasMore || (message.ready && !this.hasOffer));
  }

  /** Takes what it can of the input. @returns RECV_…, or what the peer did wrong */
  next(input: Input, rules: RecvRules, memory: MessageMemory, inflaters: Inflaters | undefined): number | Failure {
    for (;;) {
      if (this.joining && this.message !== undefined) {
        const got = this.join(input, this.message);
        if (got !== RECV_PART) return got;
      } else if (this.message?.ready) {
        return RECV_MESSAGE;
      }
      const got = this.frames.next(input, rules, inflaters !== undefined);
      if (got !== RECV_PART) return got;
      const { header, compressed } = this.frames;
      this.message ??= new Message(header.opcode, rules, memory, compressed ? inflaters : undefined);
      this.joining = true;
    }
  }

  /** The handler is called for what `next` has found. */
  offer(got: number): void {
    this.offered = got;
    const { header } = this.frames;
    if (got === RECV_MESSAGE && this.message !== undefined) {
      this.type = this.message.type;
      this.final = this.message.complete;
      this.len = this.message.len;
      this.message.beginPacket();
    } else {
      this.type = header.opcode;
      this.final = header.fin;
      this.len = header.len;
    }
    this.unread = this.len;
  }

  /** Fills in what is known of what was offered. */
  describe(pkt: HttpdWsFrame): void {
    pkt.type = this.type;
    pkt.final = this.final;
    pkt.fragmented = !this.final || this.type === HTTPD_WS_TYPE_CONTINUE;
    pkt.len = this.len;
    pkt.leftLen = this.unread;
  }

  /**
   * Gives the handler the next `n` bytes of the payload.
   *
   * @throws EspError ESP_ERR_INVALID_STATE, ESP_ERR_INVALID_ARG
   */
  receive(input: Input, pkt: HttpdWsFrame, n: number): Promise<void> {
    if (this.waiter !== undefined) {
      throw new EspError(ESP_ERR_INVALID_STATE, 'another call waits for this frame: await it');
    }
    if (this.unread === 0 && pkt.len > 0) {
      throw new EspError(
        ESP_ERR_INVALID_STATE,
        'the frame has been received; the handler is called again for the next one',
      );
    }
    const long = this.offered === RECV_LONG;
    // what is filled at once may come from Node's pool
    pkt.payload ??= long ? new Uint8Array(n) : Buffer.allocUnsafe(n);
    const { payload: target } = pkt;
    if (!(target instanceof Uint8Array)) invalidArg('frame.payload must be a Uint8Array to receive into, or undefined');
    if (target.length < n)
      invalidArg(`frame.payload has room for ${target.length} bytes, fewer than the ${n} to receive`);
    if (long) return this.waitFor(target, n, pkt);
    if (this.offered === RECV_MESSAGE) (this.message as Message).read(target, n);
    else this.frames.copy(input, pkt.len - this.unread, n, target);
    this.unread -= n;
    pkt.leftLen = this.unread;
    return RESOLVED;
  }

  /** Moves payload from the input to the handler that waits. @returns how many bytes, or what is wrong with them */
  feed(input: Input): number | Failure {
    const { waiter } = this;
    if (waiter === undefined) return 0;
    const n = this.frames.feed(input, waiter.end - waiter.at);
    if (typeof n !== 'number') return n;
    input.buf.copy(waiter.target, waiter.at, input.from - n, input.from);
    waiter.at += n;
    this.unread -= n;
    waiter.pkt.leftLen = this.unread;
    if (waiter.at === waiter.end) this.settle(undefined);
    return n;
  }

  /** The handler need not wait any more. */
  settle(error: Error | undefined): void {
    const { waiter } = this;
    if (waiter === undefined) return;
    this.waiter = undefined;
    if (error === undefined) waiter.resolve();
    else waiter.reject(error);
  }

  /** The handler has ended; or the frame was for the library itself. @returns what is wrong with the rest of a message */
  release(input: Input): Failure | undefined {
    const { offered, message } = this;
    this.offered = RECV_MORE;
    this.unread = 0;
    if (offered !== RECV_MESSAGE || message === undefined) {
      this.frames.release(input);
      return undefined;
    }
    if (message.complete) {
      message.close();
      this.message = undefined;
      return undefined;
    }
    message.endPacket();
    return message.goOn();
  }

  /** The session has ended. */
  close(): void {
    this.message?.close();
    this.message = undefined;
    this.joining = false;
  }

  /** The payload has not all come: the handler waits while `feed` moves it. */
  private waitFor(target: Uint8Array, n: number, pkt: HttpdWsFrame): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const bytes = Buffer.from(target.buffer, target.byteOffset, target.length);
      this.waiter = { target: bytes, at: 0, end: n, pkt, resolve, reject };
    });
    // a handler that has stopped waiting must not end the process
    promise.catch(() => {});
    return promise;
  }

  /** Moves payload of a frame to its message. @returns as `next` does; RECV_PART: the frame is done, and not the last */
  private join(input: Input, message: Message): number | Failure {
    const { frames } = this;
    for (;;) {
      if (frames.frameDone) {
        this.joining = false;
        const failure = frames.header.fin ? message.end() : undefined;
        frames.release(input);
        if (failure !== undefined) return failure;
        return message.ready ? RECV_MESSAGE : RECV_PART;
      }
      if (message.ready) return RECV_MESSAGE;
      const n = frames.feed(input, message.room);
      if (typeof n !== 'number') return n;
      if (n === 0) return RECV_MORE;
      const failure = message.push(input.buf, input.from - n, input.from);
      if (failure !== undefined) return failure;
    }
  }
}

const free: Inbox[] = [];

/** An inbox for a connection on which something arrives. */
export function takeInbox(): Inbox {
  return free.pop() ?? new Inbox();
}

/** @param inbox is `idle` */
export function giveInbox(inbox: Inbox): void {
  if (free.length < POOL_MAX) free.push(inbox);
}
