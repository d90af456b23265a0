/**
 * A session after its upgrade: what it receives to the URI handler, what it sends to the transmit queue, the closing
 * handshake, and the end of patience.
 */
import {
  clientGone,
  ESP_ERR_INVALID_SIZE,
  ESP_ERR_INVALID_STATE,
  ESP_ERR_TIMEOUT,
  ESP_FAIL,
  ESP_OK,
  EspError,
  invalidArg,
} from '../err.js';
import type { Input } from '../sess/input.js';
import type { CtxHolder, Protocol } from '../sess/protocol.js';
import type { Sess } from '../sess/sess.js';
import { isThenable } from '../thenable.js';
import {
  type CloseInfo,
  closePayload,
  FAIL,
  type Failure,
  parseClose,
  WS_CLOSE_ABNORMAL,
  WS_CLOSE_GOING_AWAY,
  WS_CLOSE_NO_STATUS,
} from './close.js';
import { closeCodec, type WsCodec } from './deflate.js';
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_PING, HTTPD_WS_TYPE_PONG, type HttpdWsFrame } from './frame_type.js';
import { giveInbox, type Inbox, RECV_MESSAGE, takeInbox } from './inbox.js';
import { Keepalive, PEER_DEAD, PING_DUE } from './keepalive.js';
import { RECV_LONG, RECV_MORE } from './recv.js';
import { tellAsked, tellRead } from './recv_story.js';
import type { EncodedMessage } from './send.js';
import type { WsHost } from './ws_host.js';
import { WsTx } from './ws_tx.js';

const RESOLVED = Promise.resolve();
/** So many bytes of a message that is joined, and perhaps inflated, take as long as a small request. */
const JOINED_PER_COST = 8 * 1024;

export class WsConn implements Protocol {
  readonly isWebsocket = true;
  readonly endsWithPeer = false;
  /** Does application code run? */
  busy = false;
  /** From the first byte of a frame to the end of its message, and as long as a handler may ask for it. */
  private inbox: Inbox | undefined;
  /** When the peer must have sent what is waited for; 0 is never. */
  private recvDue = 0;
  private readonly keepalive: Keepalive;
  private readonly tx: WsTx;
  /** What the peer's Close frame says. */
  private peerClose: CloseInfo | undefined;
  private continuations: { ok: (result: unknown) => void; failed: (thrown: unknown) => void } | undefined;

  /** @param req the request that its handler gets for each frame */
  constructor(
    private readonly sess: Sess,
    private readonly req: CtxHolder,
    private readonly host: WsHost,
    codec: WsCodec,
    /** The subprotocol that was agreed on. */
    readonly subprotocol: string | undefined,
  ) {
    const { now } = sess;
    this.tx = new WsTx(sess, host, codec);
    this.keepalive = new Keepalive(host.settings, now);
    sess.heardAt = now;
    this.plan();
  }

  get request(): CtxHolder | undefined {
    return this.busy ? this.req : undefined;
  }

  get blocked(): boolean {
    return this.busy && !this.inbox?.waiting;
  }

  get unfinished(): boolean {
    return this.inbox?.hasMore ?? false;
  }

  /** Has a Close frame gone either way? */
  get closing(): boolean {
    return this.tx.closeSent || this.peerClose !== undefined;
  }

  /** `uri` of its handler. */
  get uri(): string {
    return this.host.uri;
  }

  run(input: Input): void {
    const { host, sess } = this;
    while (sess.open && !sess.txFull && !this.blocked) {
      if (this.inbox === undefined && input.from === input.to) return;
      if (!sess.mayGoOn()) return;
      if (this.inbox?.waiting) {
        if (!this.feed(input, this.inbox)) return;
        continue;
      }
      this.inbox ??= takeInbox();
      const { inbox } = this;
      const got = inbox.next(input, host.settings, host.memory, this.tx.codec.inflaters);
      if (got === RECV_MORE) return this.moreNeeded(input, inbox);
      // a few bytes may inflate to very much, or to very many packets
      if (got === RECV_MESSAGE && !sess.mayGoOn(1 + inbox.messageLen / JOINED_PER_COST)) return;
      this.inTime();
      if (typeof got === 'number') this.deliver(input, inbox, got);
      else this.fail(got);
    }
  }

  onPeerEnd(): void {
    this.sess.end('the peer left without a Close frame');
  }

  onDeadline(): void {
    const { now } = this.sess;
    if (this.recvDue !== 0 && now >= this.recvDue) {
      this.recvDue = 0;
      // what has come is not looked at while the peer does not read; sendWaitTimeout sees to that
      if (this.sess.txFull && !this.tx.closeSent) this.wait();
      else this.onRecvDue();
    } else {
      this.lookAfter(now);
    }
    this.plan();
  }

  onEnded(reason: string, unsent: number): void {
    this.inbox?.settle(clientGone(ESP_FAIL, `the session ended while its frame was received: ${reason}`));
    this.inbox?.close();
    closeCodec(this.tx.codec);
    this.host.onClosed({
      fd: this.sess.fd,
      code: this.peerClose?.code ?? WS_CLOSE_ABNORMAL,
      reason: this.peerClose?.reason ?? reason,
      wasClean: this.tx.closeSent && unsent === 0 && this.peerClose !== undefined,
    });
  }

  recvFrame(pkt: HttpdWsFrame, maxLen: number, how: 'whole' | 'part'): Promise<void> {
    if (pkt === null || typeof pkt !== 'object') invalidArg('the frame must be made with wsFrame()');
    if (!Number.isInteger(maxLen) || maxLen < 0) invalidArg('maxLen must be an integer from 0');
    const { inbox, sess } = this;
    if (!inbox?.hasOffer) {
      throw new EspError(ESP_ERR_INVALID_STATE, 'no frame to receive: the handler is called when one has come');
    }
    inbox.describe(pkt);
    tellAsked(this.host.log, pkt.len, maxLen, how);
    if (maxLen === 0) return RESOLVED;
    // all of it, or what earlier calls for a part have left
    const { leftLen } = pkt;
    if (leftLen > maxLen && how === 'whole') {
      throw new EspError(
        ESP_ERR_INVALID_SIZE,
        `the frame has ${leftLen} bytes to receive, more than maxLen ${maxLen}; call again with more`,
      );
    }
    if (!sess.open) throw clientGone(ESP_FAIL, 'the session has ended');
    const received = inbox.receive(sess.input, pkt, Math.min(leftLen, maxLen));
    tellRead(this.host.log, pkt.len, leftLen - pkt.leftLen);
    if (inbox.waiting) {
      sess.pump();
      if (inbox.waiting) this.wait();
    }
    return received;
  }

  sendFrame(pkt: HttpdWsFrame): Promise<void> {
    const sent = this.tx.sendFrame(pkt, this.peerClose !== undefined);
    if (this.tx.closeSent) this.awaitClose();
    else if (pkt.type < HTTPD_WS_TYPE_CLOSE) this.keepalive.dataAt = this.sess.nextSweep;
    return sent;
  }

  /** Queues a message that many get, if there is room for it. @returns whether there is */
  sendToMany(message: EncodedMessage): boolean {
    if (this.peerClose !== undefined || !this.tx.sendToMany(message)) return false;
    this.keepalive.dataAt = this.sess.nextSweep;
    return true;
  }

  /** Bytes that wait for the end of a message that the application sends in fragments. */
  get held(): number {
    return this.tx.heldBytes;
  }

  /** Begins the closing handshake, unless it has begun. */
  close(code: number, reason = ''): void {
    if (this.tx.closeSent || !this.sess.open) return;
    this.tx.control(HTTPD_WS_TYPE_CLOSE, closePayload(code, reason));
    this.awaitClose();
  }

  /** Says goodbye and ends the session without waiting for the peer's Close. */
  leave(why: string): void {
    this.close(WS_CLOSE_GOING_AWAY, why);
    this.sess.finish(why, this.host.recvWaitMs);
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
    if (result !== undefined && result !== ESP_OK) {
      this.host.onHandlerRefused(this.sess, result);
      this.fail(FAIL.HANDLER);
    }
    this.onCodeEnded();
  }

  private onThrow(thrown: unknown): void {
    this.host.onHandlerThrew(thrown);
    this.fail(thrown instanceof EspError && thrown.code === ESP_ERR_INVALID_SIZE ? FAIL.TOO_BIG : FAIL.HANDLER);
    this.onCodeEnded();
  }

  /** The handler has ended. */
  private onCodeEnded(): void {
    this.busy = false;
    const { inbox, sess } = this;
    if (inbox?.waiting) {
      this.inTime();
      inbox.settle(new EspError(ESP_ERR_INVALID_STATE, 'the handler has ended without awaiting this call'));
    }
    this.host.onHandlerDone(sess, this.req, this.peerClose !== undefined);
    let failure: Failure | undefined;
    const wasData = inbox?.hasOffer && inbox.type < HTTPD_WS_TYPE_CLOSE;
    if (inbox?.hasOffer) failure = inbox.release(sess.input);
    this.rest();
    // for a message that goes on not from the clock of the deadlines, which may not have run
    if (wasData) this.keepalive.data(this.inbox === undefined ? sess.nextSweep : sess.now);
    if (!sess.open) return;
    if (failure !== undefined) this.fail(failure);
    // a handler that asked for control frames may leave the answer to a Close to us
    if (this.peerClose !== undefined) this.answerClose(this.peerClose);
    // the peer's turn: nothing else would set the deadline for what it has begun
    if (this.inbox !== undefined && sess.input.length === 0) this.moreNeeded(sess.input, this.inbox);
    sess.pump();
  }

  /** Gives the inbox back if nothing has begun that it must remember. */
  private rest(): void {
    if (this.inbox?.idle) {
      giveInbox(this.inbox);
      this.inbox = undefined;
    }
  }

  /** A frame is there, or a packet of a message. */
  private deliver(input: Input, inbox: Inbox, got: number): void {
    const { host, sess } = this;
    inbox.offer(got);
    host.onFrame(sess, inbox.firstByte, inbox.len);
    // of a long one only the header has come
    if (got !== RECV_LONG) host.onData(sess, inbox.len);
    if (inbox.type >= HTTPD_WS_TYPE_CLOSE) {
      const payload = inbox.frames.payload(input);
      if (inbox.type === HTTPD_WS_TYPE_CLOSE && !this.checkClose(payload)) return;
      if (!host.wantsControlFrames && !this.isUnasked(inbox.type, payload)) {
        this.onControl(inbox.type, payload);
        host.onControl(sess, inbox.type, inbox.len);
        inbox.release(input);
        return;
      }
    } else {
      inbox.frames.dataBegun = false;
      if (this.tx.closeSent) {
        // what was under way when we closed
        inbox.release(input);
        return;
      }
    }
    this.call();
    // a long frame's deadline begins when somebody waits for it
    if (this.inbox?.waiting) this.wait();
  }

  /** Is it a Pong that answers no Ping of ours? In frame mode the handler gets it, as in ESP-IDF since 5dbab1d3957. */
  private isUnasked(type: number, { length }: Buffer): boolean {
    if (type !== HTTPD_WS_TYPE_PONG || (length === 0 && this.keepalive.ponged())) return false;
    return !this.host.settings.messageMode && !this.closing;
  }

  private onControl(type: number, payload: Buffer): void {
    if (type !== HTTPD_WS_TYPE_PING) {
      if (this.peerClose !== undefined) this.answerClose(this.peerClose);
    } else if (!this.closing) {
      this.tx.control(HTTPD_WS_TYPE_PONG, payload);
    }
  }

  /** Looks at a Close frame of the peer. @returns whether it is a right one */
  private checkClose(payload: Buffer): boolean {
    const info = parseClose(payload);
    if ('why' in info) {
      this.fail(info);
      return false;
    }
    this.peerClose = info;
    return true;
  }

  /** The peer's Close has come: answers it with the same code, unless ours was first, and ends. */
  private answerClose({ code }: CloseInfo): void {
    if (!this.tx.closeSent) {
      this.tx.control(HTTPD_WS_TYPE_CLOSE, code === WS_CLOSE_NO_STATUS ? '' : closePayload(code));
    }
    this.sess.finish('closed with a Close frame', this.host.recvWaitMs);
  }

  /** The connection can't go on (RFC 6455 section 7.1.7). */
  private fail(failure: Failure): void {
    if (!this.sess.open) return;
    this.host.log.warn(`httpd_ws_fail_connection: fd = ${this.sess.fd}, code = ${failure.close}: ${failure.why}`);
    this.close(failure.close);
    this.inbox?.settle(new EspError(ESP_FAIL, failure.why));
    this.sess.finish(failure.why, this.host.recvWaitMs);
    // what has been joined is of no use any more
    if (!this.busy) this.inbox?.close();
  }

  /** A Close frame of ours has been sent: the peer's must come in time too, unless it was first. */
  private awaitClose(): void {
    if (this.peerClose === undefined) this.setRecvDue(this.sess.now + this.host.recvWaitMs);
    else this.sess.finish('closed with a Close frame', this.host.recvWaitMs);
  }

  /** Moves payload to a handler that waits for it. @returns whether it has all that it asked for */
  private feed(input: Input, inbox: Inbox): boolean {
    const { filled } = inbox;
    const n = inbox.feed(input);
    if (typeof n !== 'number') {
      this.fail(n);
      return false;
    }
    tellRead(this.host.log, inbox.len, n && filled + n);
    if (n > 0) this.host.onData(this.sess, n);
    if (!inbox.waiting) this.inTime();
    else if (n > 0) this.wait();
    return !inbox.waiting;
  }

  /** The peer has not sent all of what it has begun. */
  private moreNeeded(input: Input, inbox: Inbox): void {
    if (inbox.frames.dataBegun) this.keepalive.data(this.sess.now);
    inbox.frames.dataBegun = false;
    if (inbox.frames.inFrame || input.from < input.to) {
      this.wait();
    } else {
      this.setRecvDue(this.tx.closeSent ? this.recvDue : 0);
      this.rest();
    }
  }

  private onRecvDue(): void {
    const { inbox, sess } = this;
    if (this.tx.closeSent) {
      if (sess.tx.pending > 0) sess.end('the peer did not take the Close frame', 'reset');
      else sess.finish('the peer did not answer the Close frame');
    } else if (inbox?.waiting) {
      inbox.settle(new EspError(ESP_ERR_TIMEOUT, 'the rest of the frame did not arrive within recvWaitTimeout'));
    } else {
      this.host.onTimeout();
      this.fail(FAIL.TOO_SLOW);
    }
  }

  /** Pings a quiet peer, and ends a connection that has been quiet, or open, for too long. */
  private lookAfter(now: number): void {
    const { sess, keepalive } = this;
    if (this.tx.closeSent) return;
    // it is the handler's turn, or a data frame is on its way, for which there are other deadlines
    if (this.busy || sess.txFull || sess.tx.stuck || this.inbox?.frames.inDataFrame) keepalive.data(now);
    // while reading is stopped nothing can be heard
    const due = keepalive.look(now, sess.heldBack ? now : sess.heardAt, this.inMessage);
    if (typeof due !== 'number') {
      this.host.log.info(`httpd_ws_close: fd = ${sess.fd}, code = ${due.close}: ${due.why}`);
      this.host.onTimeout();
      this.close(due.close);
    } else if (this.peerClose !== undefined) {
      // who has said goodbye answers no Ping
    } else if (due === PING_DUE) {
      this.tx.control(HTTPD_WS_TYPE_PING, '');
      keepalive.pinged(now);
    } else if (due === PEER_DEAD) {
      // a reader that is slow has not got the Ping yet: sendWaitTimeout sees to that
      if (sess.tx.stuck) return keepalive.pingWaits(now);
      this.host.onTimeout();
      sess.end('the peer did not answer a Ping within wsPongTimeout', 'reset');
    }
  }

  /** Must the peer go on with a message that it has begun? */
  private get inMessage(): boolean {
    return !this.busy && this.inbox !== undefined && this.inbox.inMessage;
  }

  /** More bytes are needed: gives the peer until the deadline. */
  private wait(): void {
    if (this.sess.open && !this.tx.closeSent) this.setRecvDue(this.sess.now + this.host.recvWaitMs);
  }

  /** What was waited for has come. The deadline for the peer's Close goes on. */
  private inTime(): void {
    if (this.recvDue !== 0 && !this.tx.closeSent) this.setRecvDue(0);
  }

  private setRecvDue(time: number): void {
    this.recvDue = time;
    this.plan();
  }

  /** Sets the session's deadline to what is due first. */
  private plan(): void {
    const { recvDue, sess } = this;
    const due = this.tx.closeSent ? 0 : this.keepalive.next(sess.heardAt, this.inMessage);
    sess.setDeadlineAt(recvDue === 0 || (due !== 0 && due < recvDue) ? due : recvDue);
  }
}
