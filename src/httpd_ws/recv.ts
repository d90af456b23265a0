/**
 * Frames from bytes: headers read, limits kept, payloads unmasked and checked. Knows no socket, timer or handler.
 *
 * A short frame is collected whole. As long as it came in one piece its payload stays in the input, at its first byte,
 * until `release()`. Of a long frame, and of a part of a message that is to be joined, only the header is awaited; its
 * payload is then moved on as it arrives.
 */
import type { Input } from '../sess/input.js';
import { FAIL, type Failure } from './close.js';
import { FrameHeader } from './frame.js';
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_CONTINUE, HTTPD_WS_TYPE_TEXT } from './frame_type.js';
import { unmask } from './mask.js';
import { Utf8Check } from './utf8.js';

/** More bytes are needed. */
export const RECV_MORE = 0;
/** A frame is complete: `payload()` and `copy()` give its payload. */
export const RECV_WHOLE = 1;
/** The header of a long frame is complete: `feed()` moves its payload. */
export const RECV_LONG = 2;
/** The header of a frame whose message is to be joined is complete: `feed()` moves its payload. */
export const RECV_PART = 3;

/**
 * A frame of up to so many bytes is received and checked before the handler is called, so that a handler waits for
 * nobody. A longer one is handed over as it arrives, straight into the handler's buffer.
 */
export const WHOLE_MAX = 16 * 1024;
/** Frames of one message. */
export const FRAGMENTS_MAX = 131_072;
/** What a compressed message may have beside twice its limit. */
const COMPRESSED_SLACK = 1024;
/** Up to this length a loop copies faster than a view. */
const LOOP_MAX = 48;

/** Waits for a header. */
const HEADER = 0;
/** Collects the payload of a short frame. */
const COLLECT = 1;
/** The frame is in use. */
const OUT = 2;
/** Drops the rest of a payload that nobody wants. */
const DROP = 3;

const NO_BYTES: Buffer = Buffer.alloc(0);

/** What is received on a connection. */
export interface RecvRules {
  /** Join messages of several frames? */
  readonly messageMode: boolean;
  readonly maxFrameLen: number;
  /** Of a message's frames together, or when inflated. */
  readonly maxMessageLen: number;
  readonly maxPacketLen: number;
  readonly checkUtf8: boolean;
}

export class FrameReceiver {
  /** Header of the frame that `next()` has found. */
  readonly header = new FrameHeader();
  /** Is the message that the frame belongs to compressed? */
  compressed = false;
  private state = HEADER;
  /** Bytes of the payload that have been taken from the input. */
  private taken = 0;
  /** Has a fragmented message begun and not ended? */
  private inMessage = false;
  /** Has a data frame begun? Who has seen it sets it back. */
  dataBegun = false;
  /** Frames of the message so far, and their length. */
  private fragments = 0;
  private messageLen = 0;
  /** Is the message text, to be checked as it comes? */
  private checked = false;
  private utf8: Utf8Check | undefined;
  /** Is the frame one that is collected? */
  private whole = false;
  /** Its payload, if it came in pieces. */
  private pieces: Buffer | undefined;

  /** @param masked must frames be masked (from a client), or must they not? */
  constructor(private readonly masked: boolean) {}

  /** Has a part of a frame's payload still to come? */
  get inFrame(): boolean {
    return this.state !== HEADER;
  }

  /** The same, of a data frame. */
  get inDataFrame(): boolean {
    return this.state !== HEADER && this.header.opcode < HTTPD_WS_TYPE_CLOSE;
  }

  /** Has a message begun of which a part has still to come? A control frame is none. */
  get inDataMessage(): boolean {
    return this.inMessage || this.inDataFrame;
  }

  /** Is there nothing to remember: no frame, and no message, has begun? */
  get idle(): boolean {
    return this.state === HEADER && !this.inMessage;
  }

  /** Has all of the frame's payload been taken? */
  get frameDone(): boolean {
    return this.taken === this.header.len;
  }

  /**
   * Looks for the next frame.
   *
   * @param deflate has permessage-deflate been agreed on?
   * @returns RECV_MORE, RECV_WHOLE, RECV_LONG, RECV_PART, or what the peer did wrong
   */
  next(input: Input, rules: RecvRules, deflate: boolean): number | Failure {
    if (this.state === DROP && !this.drop(input)) return RECV_MORE;
    if (this.state === HEADER) {
      const { header } = this;
      const read = header.read(input.buf, input.from, input.to, this.masked, this.inMessage, deflate);
      if (read === false) return RECV_MORE;
      if (read !== true) return read;
      const failure = this.begin(header, rules);
      if (failure !== undefined) return failure;
      input.from += header.size;
      if (this.isPart(header, rules)) {
        this.state = OUT;
        // without a payload `feed` is not called, and the text may end here
        return (header.len === 0 ? this.accept(input.buf, input.from, 0) : undefined) ?? RECV_PART;
      }
      if (header.len > WHOLE_MAX) {
        this.state = OUT;
        return RECV_LONG;
      }
      this.state = COLLECT;
    }
    return this.collect(input);
  }

  /** The payload of a short frame. Borrowed. */
  payload(input: Input): Buffer {
    const { len } = this.header;
    if (len === 0) return NO_BYTES;
    if (this.pieces !== undefined) return this.pieces;
    const at = input.firstAt;
    return input.first.subarray(at, at + len);
  }

  /** Copies `n` bytes of a short frame's payload, from byte `skip` on, to the start of `target`. */
  copy(input: Input, skip: number, n: number, target: Uint8Array): void {
    if (n === 0) return;
    if (this.pieces === undefined && input.length < skip + n)
      throw new Error('internal error: a frame is not where it was');
    const source = this.pieces ?? input.first;
    const from = skip + (this.pieces === undefined ? input.firstAt : 0);
    if (n > LOOP_MAX) target.set(source.subarray(from, from + n));
    else for (let i = 0; i < n; i++) target[i] = source[from + i] as number;
  }

  /**
   * Takes up to `max` bytes of the payload out of the input; they lie in its buffer just before `input.from`.
   *
   * @returns how many, or what is wrong with them
   */
  feed(input: Input, max: number): number | Failure {
    const n = Math.min(input.to - input.from, this.header.len - this.taken, max);
    const failure = this.accept(input.buf, input.from, n);
    input.from += n;
    return failure ?? n;
  }

  /** The frame is done with, whether all of it was wanted or not. */
  release(input: Input): void {
    const { len } = this.header;
    if (this.taken < len) {
      this.checked = false;
      this.state = DROP;
      return;
    }
    // a short frame that came in one piece still lies in the input
    if (this.whole && this.pieces === undefined) input.skip(len);
    this.pieces = undefined;
    this.whole = false;
    this.state = HEADER;
  }

  private begin({ opcode, fin, rsv1, len }: FrameHeader, rules: RecvRules): Failure | undefined {
    this.taken = 0;
    if (opcode >= HTTPD_WS_TYPE_CLOSE) return undefined;
    this.dataBegun = true;
    if (len > rules.maxFrameLen) return FAIL.FRAME_LENGTH;
    if (opcode !== HTTPD_WS_TYPE_CONTINUE) {
      this.fragments = this.messageLen = 0;
      this.compressed = rsv1;
      // compressed text is checked when it has been inflated
      this.checked = opcode === HTTPD_WS_TYPE_TEXT && rules.checkUtf8 && !rsv1;
      if (this.checked) {
        this.utf8 ??= new Utf8Check();
        this.utf8.end();
      }
    }
    this.inMessage = !fin;
    this.fragments += 1;
    this.messageLen += len;
    // what a compressed one comes to shows when it is inflated; this many bytes it has only if it is made of nothing
    const max = this.compressed ? 2 * rules.maxMessageLen + COMPRESSED_SLACK : rules.maxMessageLen;
    if (this.messageLen > max) return FAIL.MESSAGE_LENGTH;
    return this.fragments > FRAGMENTS_MAX ? FAIL.FRAGMENTS : undefined;
  }

  /** Does the frame belong to a message that is to be joined? */
  private isPart({ opcode, fin, len }: FrameHeader, rules: RecvRules): boolean {
    if (opcode >= HTTPD_WS_TYPE_CLOSE) return false;
    if (this.compressed) return true;
    if (!rules.messageMode) return false;
    return !fin || opcode === HTTPD_WS_TYPE_CONTINUE || len > WHOLE_MAX || len > rules.maxPacketLen;
  }

  private collect(input: Input): number | Failure {
    const { len } = this.header;
    const n = Math.min(input.to - input.from, len - this.taken);
    let failure: Failure | undefined;
    if (n === len) {
      failure = this.accept(input.buf, input.from, n);
    } else if (n > 0) {
      this.pieces ??= Buffer.allocUnsafeSlow(len);
      input.buf.copy(this.pieces, this.taken, input.from, input.from + n);
      input.from += n;
      failure = this.accept(this.pieces, this.taken, n);
    }
    if (failure !== undefined) return failure;
    if (this.taken < len) return RECV_MORE;
    this.state = OUT;
    this.whole = true;
    return RECV_WHOLE;
  }

  /** Unmasks and checks the next `n` bytes of the payload. */
  private accept(bytes: Buffer, from: number, n: number): Failure | undefined {
    const { header, utf8 } = this;
    if (this.masked) unmask(bytes, from, from + n, header.key, this.taken);
    this.taken += n;
    if (!this.checked || utf8 === undefined || header.opcode >= HTTPD_WS_TYPE_CLOSE) return undefined;
    const ends = header.fin && this.taken === header.len;
    return utf8.push(bytes, from, from + n) && (!ends || utf8.end()) ? undefined : FAIL.UTF8;
  }

  /** @returns whether all is dropped */
  private drop(input: Input): boolean {
    const n = Math.min(input.to - input.from, this.header.len - this.taken);
    input.from += n;
    this.taken += n;
    if (this.taken < this.header.len) return false;
    this.state = HEADER;
    return true;
  }
}
