/**
 * A session after its upgrade: frames in, to the URI handler; frames out; the closing handshake.
 *
 * A frame of up to WHOLE_MAX bytes is received and checked before the handler is called, so that a handler waits for
 * nobody. A longer one is handed over as it arrives, straight into the handler's buffer.
 */
import {
  describeThrown,
  ESP_ERR_INVALID_SIZE,
  ESP_ERR_INVALID_STATE,
  ESP_ERR_TIMEOUT,
  ESP_FAIL,
  ESP_OK,
  EspError,
  invalidArg,
} from '../err.js';
import type { TagLog } from '../log.js';
import type { Input } from '../sess/input.js';
import type { CtxHolder, Protocol, Sess } from '../sess/sess.js';
import { closePayload, FAIL, type Failure, parseClose, WS_CLOSE_GOING_AWAY, WS_CLOSE_NO_STATUS } from './close.js';
import { FrameHeader } from './frame.js';
import {
  HTTPD_WS_TYPE_CLOSE,
  HTTPD_WS_TYPE_CONTINUE,
  HTTPD_WS_TYPE_PING,
  HTTPD_WS_TYPE_PONG,
  HTTPD_WS_TYPE_TEXT,
  type HttpdWsFrame,
  payloadOf,
} from './frame_type.js';
import { unmask } from './mask.js';
import { isFinal, writeFrame } from './send.js';
import { Utf8Check } from './utf8.js';

/** A longer frame reaches its handler before it has been received whole. */
const WHOLE_MAX = 16 * 1024;
/** Up to this length a loop copies faster than a view. */
const LOOP_MAX = 48;

/** What a WebSocket needs from the server. */
export interface WsHost {
  readonly log: TagLog;
  readonly recvWaitMs: number;
  readonly wantsControlFrames: boolean;
  readonly request: CtxHolder;
  /** Calls the URI handler for a frame. */
  callHandler(): unknown;
  /** The handler has ended: takes over the session's context. */
  onHandlerDone(): void;
  /** A frame of `len` bytes of payload begins; for the log. */
  onFrame(firstByte: number, len: number): void;
  onSentData(len: number): void;
}

/** A handler that waits for more of a long frame's payload: `target[at, end)` is still to be filled. */
interface Waiter {
  readonly target: Uint8Array;
  at: number;
  readonly end: number;
  readonly pkt: HttpdWsFrame;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Waits for the header of a frame. */
const HEADER = 0;
/** Collects the payload of a frame that the handler gets whole. */
const COLLECT = 1;
/** The frame is with the handler; its payload is complete. */
const WHOLE = 2;
/** The frame is with the handler; its payload arrives. */
const STREAM = 3;
/** The handler has ended without the whole payload: drops the rest. */
const DROP = 4;

const RESOLVED = Promise.resolve();
const NO_BYTES: Buffer = Buffer.alloc(0);

export class WsConn implements Protocol {
  readonly isWebsocket = true;
  /** Does a handler run? */
  busy = false;
  private state = HEADER;
  private readonly header = new FrameHeader();
  /** Bytes of the frame's payload that have been taken from the input. */
  private taken = 0;
  /** Opcode of the message that a fragment has begun; 0 if none has. */
  private message = 0;
  /** Is that message text, to be checked as it comes? */
  private checked = false;
  private utf8: Utf8Check | undefined;
  /** Bytes of the frame's payload that the handler has not received. */
  private unread = 0;
  /** The payload in COLLECT and WHOLE, if it came in pieces; else it is still the first that waits in the input. */
  private payload: Buffer | undefined;
  private waiter: Waiter | undefined;
  private timed = false;
  private closeSent = false;
  private closeRcvd = false;
  /** Code of the peer's Close frame. */
  private peerCode = WS_CLOSE_NO_STATUS;

  constructor(
    private readonly sess: Sess,
    private readonly host: WsHost,
  ) {}

  get request(): CtxHolder | undefined {
    return this.busy ? this.host.request : undefined;
  }

  /** Has a Close frame gone either way? */
  get closing(): boolean {
    return this.closeSent || this.closeRcvd;
  }

  get blocked(): boolean {
    return this.state === STREAM ? this.waiter === undefined : this.busy;
  }

  run(input: Input): void {
    while (this.sess.open && !this.sess.txFull && !this.blocked) {
      switch (this.state) {
        case HEADER:
          if (!this.readHeader(input)) return;
          break;
        case COLLECT:
          if (!this.collect(input)) return this.wait();
          this.deliver(input);
          break;
        case STREAM:
          if (this.waiter !== undefined && !this.feed(input, this.waiter)) return this.wait();
          break;
        default:
          if (!this.drop(input)) return this.wait();
      }
    }
  }

  onPeerEnd(): void {
    this.sess.end('the peer left without a Close frame');
  }

  onDeadline(): void {
    this.timed = false;
    if (this.closeSent) {
      this.sess.finish('the peer did not answer the Close frame');
    } else if (this.waiter !== undefined) {
      this.settle(new EspError(ESP_ERR_TIMEOUT, 'the rest of the frame did not arrive within recvWaitTimeout'));
    } else {
      this.fail(FAIL.TOO_SLOW);
    }
  }

  onEnded(reason: string): void {
    this.settle(new EspError(ESP_FAIL, `the session ended while its frame was received: ${reason}`));
  }

  recvFrame(pkt: HttpdWsFrame, maxLen: number): Promise<void> {
    this.describe(pkt, maxLen);
    if (maxLen === 0) return RESOLVED;
    const { len } = this.header;
    if (len > maxLen) {
      throw new EspError(
        ESP_ERR_INVALID_SIZE,
        `the frame has ${len} bytes, more than maxLen ${maxLen}; call again with more`,
      );
    }
    return this.receive(pkt, len, maxLen);
  }

  recvFramePart(pkt: HttpdWsFrame, maxLen: number): Promise<void> {
    this.describe(pkt, maxLen);
    return maxLen === 0 ? RESOLVED : this.receive(pkt, Math.min(pkt.leftLen, maxLen), maxLen);
  }

  sendFrame(pkt: HttpdWsFrame): Promise<void> {
    const payload = payloadOf(pkt);
    const isClose = pkt.type === HTTPD_WS_TYPE_CLOSE;
    if (this.closeSent || (this.closeRcvd && !isClose)) {
      throw new EspError(
        ESP_ERR_INVALID_STATE,
        'a Close frame has gone; nothing may follow it (RFC 6455 section 5.5.1)',
      );
    }
    // a Close must not wait behind what a slow reader has left
    if (!isClose && !this.sess.admit(!pkt.fragmented)) return RESOLVED;
    writeFrame(this.sess.tx, isFinal(pkt), pkt.type, payload);
    this.host.onSentData(payload.length);
    if (isClose) this.closeIsOut();
    return this.sess.sent();
  }

  /** Begins the closing handshake, unless it has begun. */
  close(code: number, reason = ''): void {
    if (this.closing) return;
    writeFrame(this.sess.tx, true, HTTPD_WS_TYPE_CLOSE, closePayload(code, reason));
    this.closeIsOut();
  }

  /** Says goodbye and ends the session without waiting for the peer's Close. */
  leave(why: string): void {
    this.close(WS_CLOSE_GOING_AWAY, why);
    this.sess.finish(why);
  }

  /** Runs application code for this WebSocket; frames wait until it has ended. */
  call(fn: () => unknown): void {
    this.busy = true;
    try {
      const result = fn();
      if (isThenable(result)) result.then(this.onResult, this.onThrow);
      else this.onResult(result);
    } catch (thrown) {
      this.onThrow(thrown);
    }
  }

  private readonly onResult = (result: unknown): void => {
    if (result !== undefined && result !== ESP_OK) {
      this.host.log.warn(`uri handler execution failed: it returned ${String(result)}`);
      this.fail(FAIL.HANDLER);
    }
    this.ended();
  };

  private readonly onThrow = (thrown: unknown): void => {
    this.host.log.warn(`uri handler execution failed: ${describeThrown(thrown)}`);
    const tooBig = thrown instanceof EspError && thrown.code === ESP_ERR_INVALID_SIZE;
    this.fail(tooBig ? FAIL.TOO_BIG : FAIL.HANDLER);
    this.ended();
  };

  /** The handler has ended. */
  private ended(): void {
    this.busy = false;
    this.host.onHandlerDone();
    if (this.sess.ended) return;
    if (this.state === WHOLE) {
      this.forget(this.sess.input);
    } else if (this.state === STREAM) {
      this.state = this.taken < this.header.len ? DROP : HEADER;
      if (this.state === DROP) this.checked = false;
    }
    // a handler that asked for control frames may leave the answer to a Close to us
    if (this.closeRcvd) this.answerClose();
    this.sess.pump();
  }

  /** @returns whether a header was read */
  private readHeader(input: Input): boolean {
    const { header } = this;
    const read = header.read(input.buf, input.from, input.to, true, this.message !== 0);
    if (read === false) {
      if (input.to > input.from) this.wait();
      return false;
    }
    if (read !== true) {
      this.fail(read);
      return false;
    }
    const isControl = header.opcode >= HTTPD_WS_TYPE_CLOSE;
    this.host.onFrame(input.buf[input.from] as number, header.len);
    input.from += header.size;
    this.taken = 0;
    if (!isControl) this.beginData(header);
    if (header.len <= WHOLE_MAX || this.closeSent) {
      this.state = this.closeSent && !isControl ? DROP : COLLECT;
    } else {
      this.state = STREAM;
      this.callHandler();
    }
    return true;
  }

  private beginData(header: FrameHeader): void {
    if (header.opcode !== HTTPD_WS_TYPE_CONTINUE) {
      this.message = header.opcode;
      this.checked = header.opcode === HTTPD_WS_TYPE_TEXT && !this.closeSent;
      if (this.checked) {
        this.utf8 ??= new Utf8Check();
        this.utf8.end();
      }
    }
    if (header.fin) this.message = 0;
  }

  /** Gets the payload of a frame that is handed over whole. @returns whether it is complete */
  private collect(input: Input): boolean {
    const { header } = this;
    const n = Math.min(input.to - input.from, header.len - this.taken);
    if (n === header.len) {
      // the common case: it stays where it was received until the handler has ended
      this.payload = undefined;
      return this.accept(input.buf, input.from, n);
    }
    if (n === 0) return false;
    this.payload ??= Buffer.allocUnsafeSlow(header.len);
    input.buf.copy(this.payload, this.taken, input.from, input.from + n);
    input.from += n;
    return this.accept(this.payload, this.taken, n);
  }

  /** Unmasks and checks the next `n` bytes of the payload. @returns whether the payload is complete and right */
  private accept(bytes: Buffer, from: number, n: number): boolean {
    const { header } = this;
    unmask(bytes, from, from + n, header.key, this.taken);
    this.taken += n;
    const complete = this.taken === header.len;
    if (this.checked && header.opcode < HTTPD_WS_TYPE_CLOSE) {
      const { utf8 } = this;
      if (!utf8?.push(bytes, from, from + n) || (complete && header.fin && !utf8.end())) {
        this.fail(FAIL.UTF8);
        return false;
      }
    }
    if (complete) this.inTime();
    return complete;
  }

  /** Hands over a frame that is complete. */
  private deliver(input: Input): void {
    const { opcode } = this.header;
    if (opcode >= HTTPD_WS_TYPE_CLOSE && !this.host.wantsControlFrames) {
      this.onControl(opcode, this.wholePayload());
      this.forget(input);
    } else if (opcode !== HTTPD_WS_TYPE_CLOSE || this.checkClose()) {
      this.state = WHOLE;
      this.callHandler();
    }
  }

  /** The frame that was handed over whole is done with. */
  private forget(input: Input): void {
    if (this.payload === undefined) input.skip(this.header.len);
    this.payload = undefined;
    this.state = HEADER;
  }

  /** The payload of a frame that is complete. Borrowed. */
  private wholePayload(): Buffer {
    if (this.payload !== undefined) return this.payload;
    const { first, firstAt } = this.sess.input;
    return first?.subarray(firstAt, firstAt + this.header.len) ?? NO_BYTES;
  }

  /** Drops what the handler has left of a frame. @returns whether that was all */
  private drop(input: Input): boolean {
    const n = Math.min(input.to - input.from, this.header.len - this.taken);
    input.from += n;
    this.taken += n;
    if (this.taken < this.header.len) return false;
    this.state = HEADER;
    return true;
  }

  private callHandler(): void {
    this.unread = this.header.len;
    this.call(() => this.host.callHandler());
  }

  private onControl(opcode: number, payload: Buffer): void {
    const { log } = this.host;
    if (opcode === HTTPD_WS_TYPE_PING) {
      if (log.debugOn) log.debug('httpd_ws_get_frame_type: Got a WS PING frame, Replying PONG...');
      // a peer that pings and does not read gets no more answers than it may leave queued; the last one is owed only
      if (!this.closing && !this.sess.txFull) writeFrame(this.sess.tx, true, HTTPD_WS_TYPE_PONG, payload);
    } else if (opcode === HTTPD_WS_TYPE_CLOSE) {
      if (log.debugOn) log.debug('httpd_ws_get_frame_type: Got a WS CLOSE frame, Replying CLOSE...');
      if (this.checkClose()) this.answerClose();
    }
  }

  /** Looks at a Close frame of the peer. @returns whether it is a right one */
  private checkClose(): boolean {
    const info = parseClose(this.wholePayload());
    if ('why' in info) {
      this.fail(info);
      return false;
    }
    this.closeRcvd = true;
    this.peerCode = info.code;
    return true;
  }

  /** The peer's Close has come: answers it with the same code, unless ours was first, and ends. */
  private answerClose(): void {
    if (!this.closeSent && this.sess.open) {
      const payload = this.peerCode === WS_CLOSE_NO_STATUS ? NO_BYTES : closePayload(this.peerCode);
      writeFrame(this.sess.tx, true, HTTPD_WS_TYPE_CLOSE, payload);
      this.closeSent = true;
    }
    this.sess.finish('closed with a Close frame');
  }

  /** The connection can't go on (RFC 6455 section 7.1.7). */
  private fail(failure: Failure): void {
    if (!this.sess.open) return;
    this.host.log.warn(`closing fd = ${this.sess.fd} with ${failure.close}: ${failure.why}`);
    this.close(failure.close);
    this.settle(new EspError(ESP_FAIL, failure.why));
    this.sess.finish(failure.why);
  }

  private closeIsOut(): void {
    this.closeSent = true;
    // the peer's Close must come in time too
    if (!this.closeRcvd) this.setTimed(true);
  }

  /** Fills in what is known of the frame that the handler was called for. */
  private describe(pkt: HttpdWsFrame, maxLen: number): void {
    if (pkt === null || typeof pkt !== 'object') invalidArg('the frame must be made with wsFrame()');
    if (typeof maxLen !== 'number' || !(maxLen >= 0)) invalidArg('maxLen must be a number from 0');
    if (!this.busy || (this.state !== WHOLE && this.state !== STREAM)) {
      throw new EspError(ESP_ERR_INVALID_STATE, 'no frame to receive: the handler is called when one has come');
    }
    const { header } = this;
    pkt.type = header.opcode;
    pkt.final = header.fin;
    pkt.fragmented = !header.fin || header.opcode === HTTPD_WS_TYPE_CONTINUE;
    pkt.len = header.len;
    pkt.leftLen = this.unread;
  }

  /** Gives the handler the next `n` bytes of the payload. */
  private receive(pkt: HttpdWsFrame, n: number, room: number): Promise<void> {
    if (!this.sess.open) throw new EspError(ESP_FAIL, 'the session has ended');
    if (this.waiter !== undefined)
      throw new EspError(ESP_ERR_INVALID_STATE, 'another call waits for this frame: await it');
    if (this.unread === 0 && this.header.len > 0) {
      throw new EspError(
        ESP_ERR_INVALID_STATE,
        'the frame has been received already; the next one comes with the next call',
      );
    }
    pkt.payload ??= new Uint8Array(n);
    const target = pkt.payload;
    if (!(target instanceof Uint8Array)) invalidArg('frame.payload must be a Uint8Array to receive into, or undefined');
    if (target.length < n) invalidArg(`frame.payload has ${target.length} bytes, fewer than maxLen ${room}`);
    if (this.state === WHOLE) {
      this.copyWhole(n, target);
      this.unread -= n;
      pkt.leftLen = this.unread;
      return RESOLVED;
    }
    const promise = new Promise<void>((resolve, reject) => {
      this.waiter = { target, at: 0, end: n, pkt, resolve, reject };
    });
    promise.catch(() => {});
    this.sess.pump();
    if (this.waiter !== undefined) this.wait();
    return promise;
  }

  private copyWhole(n: number, target: Uint8Array): void {
    const done = this.header.len - this.unread;
    const { payload } = this;
    if (payload !== undefined) copy(payload, done, n, target);
    else if (n > 0) copy(this.sess.input.first, this.sess.input.firstAt + done, n, target);
  }

  /** Moves payload from the input to a waiting handler. @returns whether it has all it asked for */
  private feed(input: Input, waiter: Waiter): boolean {
    const n = Math.min(input.to - input.from, waiter.end - waiter.at);
    const target = Buffer.from(waiter.target.buffer, waiter.target.byteOffset, waiter.target.length);
    input.buf.copy(target, waiter.at, input.from, input.from + n);
    input.from += n;
    this.accept(target, waiter.at, n);
    waiter.at += n;
    this.unread -= n;
    waiter.pkt.leftLen = this.unread;
    if (waiter.at < waiter.end) return false;
    this.settle(undefined);
    return true;
  }

  private settle(error: Error | undefined): void {
    const { waiter } = this;
    if (waiter === undefined) return;
    this.waiter = undefined;
    this.inTime();
    if (error === undefined) waiter.resolve();
    else waiter.reject(error);
  }

  /** More bytes are needed: gives the peer until the deadline. */
  private wait(): void {
    if (this.sess.open && !this.closeSent) this.setTimed(true);
  }

  /** What was waited for has come. The deadline for the peer's Close goes on. */
  private inTime(): void {
    if (this.timed && !this.closeSent) this.setTimed(false);
  }

  private setTimed(on: boolean): void {
    this.timed = on;
    this.sess.setDeadline(on ? this.host.recvWaitMs : 0);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';
}

function copy(source: Buffer, from: number, n: number, target: Uint8Array): void {
  if (n > LOOP_MAX) {
    target.set(source.subarray(from, from + n));
    return;
  }
  for (let i = 0; i < n; i++) target[i] = source[from + i] as number;
}
