/**
 * A session after its upgrade: each frame to the URI handler, what it sends to the transmit queue, and the closing
 * handshake.
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
import { isThenable } from '../thenable.js';
import { closePayload, FAIL, type Failure, parseClose, WS_CLOSE_GOING_AWAY, WS_CLOSE_NO_STATUS } from './close.js';
import {
  HTTPD_WS_TYPE_CLOSE,
  HTTPD_WS_TYPE_CONTINUE,
  HTTPD_WS_TYPE_PING,
  HTTPD_WS_TYPE_PONG,
  type HttpdWsFrame,
  payloadOf,
} from './frame_type.js';
import { type FrameReceiver, RECV_LONG, RECV_MORE, RECV_WHOLE, ReceiverPool } from './recv.js';
import { isFinal, writeFrame } from './send.js';

/**
 * A frame of up to so many bytes is received and checked before the handler is called, so that a handler waits for
 * nobody. A longer one is handed over as it arrives, straight into the handler's buffer.
 */
const WHOLE_MAX = 16 * 1024;

/** What the WebSockets of one URI handler need from the server. */
export interface WsHost<Req extends CtxHolder = CtxHolder> {
  readonly log: TagLog;
  readonly recvWaitMs: number;
  readonly wantsControlFrames: boolean;
  /** Calls the URI handler for a frame. */
  callHandler(sess: Sess, req: Req): unknown;
  /** The handler has ended: takes over the session's context. */
  onHandlerDone(sess: Sess, req: Req): void;
  /** A frame has come. */
  onFrame(sess: Sess, firstByte: number, len: number): void;
  onSentData(sess: Sess, len: number): void;
}

/** A handler that waits for more of a long frame's payload: `target[at, end)` is still to be filled. */
interface Waiter {
  readonly target: Buffer;
  at: number;
  readonly end: number;
  readonly pkt: HttpdWsFrame;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const receivers = new ReceiverPool(true, WHOLE_MAX);
const RESOLVED = Promise.resolve();
const NO_BYTES: Buffer = Buffer.alloc(0);

export class WsConn implements Protocol {
  /** Does application code run? */
  busy = false;
  /** From a frame's first byte to the end of its message; else there is nothing to remember. */
  private receiver: FrameReceiver | undefined;
  /** Has the handler a frame to receive? */
  private hasFrame = false;
  /** Bytes of that frame's payload that the handler has not received. */
  private unread = 0;
  private waiter: Waiter | undefined;
  /** Does the session's deadline run for us? */
  private timed = false;
  private closeSent = false;
  private closeRcvd = false;
  /** Code of the peer's Close frame. */
  private peerCode = WS_CLOSE_NO_STATUS;

  private continuations: { ok: (result: unknown) => void; failed: (thrown: unknown) => void } | undefined;

  /** @param req the request that its handler gets for each frame */
  constructor(
    private readonly sess: Sess,
    private readonly req: CtxHolder,
    private readonly host: WsHost,
  ) {}

  get isWebsocket(): boolean {
    return true;
  }

  get request(): CtxHolder | undefined {
    return this.busy ? this.req : undefined;
  }

  get blocked(): boolean {
    return this.busy && this.waiter === undefined;
  }

  /** Has a Close frame gone either way? */
  get closing(): boolean {
    return this.closeSent || this.closeRcvd;
  }

  run(input: Input): void {
    while (this.sess.open && !this.sess.txFull && !this.blocked) {
      if (this.waiter !== undefined) {
        if (!this.feed(input, this.waiter)) return;
        continue;
      }
      if (this.receiver === undefined && input.from === input.to) return;
      const got = this.recv.next(input);
      if (got === RECV_MORE) {
        if (this.recv.inFrame || input.from < input.to) this.wait();
        else this.inTime();
        this.rest();
        return;
      }
      this.inTime();
      if (got === RECV_WHOLE || got === RECV_LONG) this.deliver(input, got);
      else this.fail(got as Failure);
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
    // all of it, or what wsRecvFramePart has left
    const { leftLen } = pkt;
    if (leftLen > maxLen) {
      throw new EspError(
        ESP_ERR_INVALID_SIZE,
        `the frame has ${leftLen} bytes to receive, more than maxLen ${maxLen}; call again with more`,
      );
    }
    return this.receive(pkt, leftLen);
  }

  recvFramePart(pkt: HttpdWsFrame, maxLen: number): Promise<void> {
    this.describe(pkt, maxLen);
    return maxLen === 0 ? RESOLVED : this.receive(pkt, Math.min(this.unread, maxLen));
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
    // a Close does not depend on what a slow reader has left
    if ((!isClose || !this.sess.open) && !this.sess.admit(!pkt.fragmented)) return RESOLVED;
    writeFrame(this.sess.tx, isFinal(pkt), pkt.type, payload);
    this.host.onSentData(this.sess, payload.length);
    if (isClose) this.closeIsOut();
    return this.sess.sent();
  }

  /** Begins the closing handshake, unless it has begun. */
  close(code: number, reason = ''): void {
    if (this.closeSent || !this.sess.open) return;
    writeFrame(this.sess.tx, true, HTTPD_WS_TYPE_CLOSE, closePayload(code, reason));
    this.closeIsOut();
  }

  /** Says goodbye and ends the session without waiting for the peer's Close. */
  leave(why: string): void {
    this.close(WS_CLOSE_GOING_AWAY, why);
    this.sess.finish(why);
  }

  /** Runs application code for this WebSocket, by default its handler; frames wait until it has ended. */
  call(code?: () => unknown): void {
    this.busy = true;
    let result: unknown;
    try {
      result = code === undefined ? this.host.callHandler(this.sess, this.req) : code();
    } catch (thrown) {
      return this.onThrow(thrown);
    }
    if (!isThenable(result)) return this.onResult(result);
    // made once, and only where a handler is asynchronous
    this.continuations ??= {
      ok: value => this.goOn(value),
      failed: thrown => this.sess.guard(() => this.onThrow(thrown)),
    };
    result.then(this.continuations.ok, this.continuations.failed);
  }

  /** An asynchronous handler has ended well; without a closure, since this runs for each frame. */
  private goOn(result: unknown): void {
    try {
      this.onResult(result);
    } catch (thrown) {
      this.sess.fault(thrown);
    }
  }

  private onResult(result: unknown): void {
    if (result !== undefined && result !== ESP_OK) this.handlerFailed(`it returned ${String(result)}`, FAIL.HANDLER);
    this.onCodeEnded();
  }

  private onThrow(thrown: unknown): void {
    const tooBig = thrown instanceof EspError && thrown.code === ESP_ERR_INVALID_SIZE;
    this.handlerFailed(describeThrown(thrown), tooBig ? FAIL.TOO_BIG : FAIL.HANDLER);
    this.onCodeEnded();
  }

  private handlerFailed(why: string, failure: Failure): void {
    this.host.log.warn(`httpd_sess_process: uri handler execution failed: ${why}`);
    this.fail(failure);
  }

  /** The handler has ended. */
  private onCodeEnded(): void {
    this.busy = false;
    if (this.waiter !== undefined) {
      this.settle(new EspError(ESP_ERR_INVALID_STATE, 'the handler has ended without awaiting this call'));
    }
    this.host.onHandlerDone(this.sess, this.req);
    if (this.hasFrame) this.recv.release(this.sess.input);
    this.hasFrame = false;
    this.rest();
    if (!this.sess.open) return;
    // a handler that asked for control frames may leave the answer to a Close to us
    if (this.closeRcvd) this.answerClose();
    this.sess.pump();
  }

  private get recv(): FrameReceiver {
    this.receiver ??= receivers.take();
    return this.receiver;
  }

  /** Gives the receiver back if nothing has begun that it must remember. */
  private rest(): void {
    if (this.receiver?.idle) {
      receivers.give(this.receiver);
      this.receiver = undefined;
    }
  }

  /** A frame is there. */
  private deliver(input: Input, got: number): void {
    const { opcode, len, fin } = this.recv.header;
    this.host.onFrame(this.sess, (fin ? 0x80 : 0) | opcode, len);
    const isControl = opcode >= HTTPD_WS_TYPE_CLOSE;
    if (opcode === HTTPD_WS_TYPE_CLOSE && !this.checkClose(this.recv.payload(input))) return;
    if (isControl && !this.host.wantsControlFrames) {
      this.onControl(opcode, this.recv.payload(input));
      this.recv.release(input);
    } else if (this.closeSent && !isControl) {
      // what was under way when we closed
      this.recv.release(input);
    } else {
      this.hasFrame = true;
      this.unread = len;
      this.call();
      // a long frame's deadline begins when somebody waits for it
      if (got === RECV_LONG && this.waiter !== undefined) this.wait();
    }
  }

  private onControl(opcode: number, payload: Buffer): void {
    const { log } = this.host;
    if (opcode === HTTPD_WS_TYPE_PING) {
      if (log.debugOn) log.debug('httpd_ws_get_frame_type: Got a WS PING frame, Replying PONG...');
      if (!this.closing) writeFrame(this.sess.tx, true, HTTPD_WS_TYPE_PONG, payload);
    } else if (opcode === HTTPD_WS_TYPE_CLOSE) {
      if (log.debugOn) log.debug('httpd_ws_get_frame_type: Got a WS CLOSE frame, Replying CLOSE...');
      this.answerClose();
    }
  }

  /** Looks at a Close frame of the peer. @returns whether it is a right one */
  private checkClose(payload: Buffer): boolean {
    const info = parseClose(payload);
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
    if (!this.closeSent) {
      const payload = this.peerCode === WS_CLOSE_NO_STATUS ? NO_BYTES : closePayload(this.peerCode);
      writeFrame(this.sess.tx, true, HTTPD_WS_TYPE_CLOSE, payload);
      this.closeSent = true;
    }
    this.sess.finish('closed with a Close frame');
  }

  /** The connection can't go on (RFC 6455 section 7.1.7). */
  private fail(failure: Failure): void {
    if (!this.sess.open) return;
    this.host.log.warn(`httpd_ws_fail_connection: fd = ${this.sess.fd}, code = ${failure.close}: ${failure.why}`);
    this.close(failure.close);
    this.settle(new EspError(ESP_FAIL, failure.why));
    this.sess.finish(failure.why);
  }

  /** A Close frame has been sent, perhaps before the handshake was complete. */
  closeIsOut(): void {
    this.closeSent = true;
    // the peer's Close must come in time too
    if (!this.closeRcvd) this.setTimed(true);
  }

  /** Fills in what is known of the frame that the handler was called for. */
  private describe(pkt: HttpdWsFrame, maxLen: number): void {
    if (pkt === null || typeof pkt !== 'object') invalidArg('the frame must be made with wsFrame()');
    if (!Number.isInteger(maxLen) || maxLen < 0) invalidArg('maxLen must be an integer from 0');
    if (!this.hasFrame) {
      throw new EspError(ESP_ERR_INVALID_STATE, 'no frame to receive: the handler is called when one has come');
    }
    const { fin, opcode, len } = this.recv.header;
    pkt.type = opcode;
    pkt.final = fin;
    pkt.fragmented = !fin || opcode === HTTPD_WS_TYPE_CONTINUE;
    pkt.len = len;
    pkt.leftLen = this.unread;
  }

  /** Gives the handler the next `n` bytes of the payload. */
  private receive(pkt: HttpdWsFrame, n: number): Promise<void> {
    const { len } = pkt;
    if (!this.sess.open) throw new EspError(ESP_FAIL, 'the session has ended');
    if (this.waiter !== undefined) {
      throw new EspError(ESP_ERR_INVALID_STATE, 'another call waits for this frame: await it');
    }
    if (this.unread === 0 && len > 0) {
      throw new EspError(
        ESP_ERR_INVALID_STATE,
        'the frame has been received; the handler is called again for the next one',
      );
    }
    // what is filled at once may come from Node's pool
    pkt.payload ??= len <= WHOLE_MAX ? Buffer.allocUnsafe(n) : new Uint8Array(n);
    const { payload: target } = pkt;
    if (!(target instanceof Uint8Array)) invalidArg('frame.payload must be a Uint8Array to receive into, or undefined');
    if (target.length < n)
      invalidArg(`frame.payload has room for ${target.length} bytes, fewer than the ${n} to receive`);
    if (len <= WHOLE_MAX) {
      this.recv.copy(this.sess.input, len - this.unread, n, target);
      this.unread -= n;
      pkt.leftLen = this.unread;
      return RESOLVED;
    }
    const promise = new Promise<void>((resolve, reject) => {
      const bytes = Buffer.from(target.buffer, target.byteOffset, target.length);
      this.waiter = { target: bytes, at: 0, end: n, pkt, resolve, reject };
    });
    // a handler that has stopped waiting must not end the process
    promise.catch(() => {});
    this.sess.pump();
    if (this.waiter !== undefined) this.wait();
    return promise;
  }

  /** Moves payload from the input to a waiting handler. @returns whether it has all that it asked for */
  private feed(input: Input, waiter: Waiter): boolean {
    const n = this.recv.feed(input, waiter.target, waiter.at, waiter.end - waiter.at);
    if (typeof n !== 'number') {
      this.fail(n);
      return false;
    }
    waiter.at += n;
    this.unread -= n;
    waiter.pkt.leftLen = this.unread;
    if (waiter.at < waiter.end) {
      if (n > 0) this.wait();
      return false;
    }
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
