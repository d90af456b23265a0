/**
 * One connection's life: connect, handshake, frames, closing handshake, end. It ends in one place, `over()`.
 */
import { ESP_ERR_TIMEOUT } from '../err.js';
import { type CloseInfo, type Failure, parseClose, WS_CLOSE_ABNORMAL, WS_CLOSE_NO_STATUS } from '../httpd_ws/close.js';
import { closeCodec } from '../httpd_ws/deflate.js';
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_PING, HTTPD_WS_TYPE_PONG } from '../httpd_ws/frame_type.js';
import { Input } from '../sess/input.js';
import { clientCodec } from './codec.js';
import type { ConnectionHost } from './connection_host.js';
import { Deadline } from './deadline.js';
import {
  type EspWebsocketError,
  handshakeError,
  internalError,
  lostError,
  pongError,
  protocolError,
  transportError,
} from './errors.js';
import { type HandshakeOffer, requestOf } from './handshake.js';
import { type Opened, Opening } from './opening.js';
import { Receiver, type Receives, whyOf } from './receiver.js';
import { Sender, TX_HIGH_WATER } from './sender.js';
import { type ClientSocket, receive, type SocketHandler, type SocketTarget } from './socket.js';
import { Tx } from './tx.js';

/** How long the server has to end the connection when there is nothing left to say. */
const LINGER_MS = 2_000;

const CONNECTING = 0;
/** The request has been sent. */
const HANDSHAKE = 1;
const OPEN = 2;
/** A Close frame has gone either way. */
const CLOSING = 3;
/** The server has broken a rule and been told so. */
const FAILED = 4;
const ENDED = 5;

export class Connection implements SocketHandler, Receives {
  /** Undefined until the connection is open. */
  sender: Sender | undefined;
  private state: number = CONNECTING;
  private wasOpen = false;
  private readonly input = new Input(receive);
  private readonly tx: Tx;
  private readonly socket: ClientSocket;
  private readonly opening: Opening;
  private receiver: Receiver | undefined;
  private closeCodec = (): void => {};
  private peerClose: CloseInfo | undefined;
  private error: EspWebsocketError | undefined;
  /** Does the application have enough for now? */
  private held = false;
  /** Does the socket not read? */
  private stopped = false;
  private pumping = false;
  /** Has the connection been opened in this turn of the loop? Then who waited for that has yet to begin to listen. */
  private settling = false;
  /** Has anything come since the deadline for the rest of a frame was set? */
  private heard = false;
  /** Bytes that the system had taken when the deadline for more was set. */
  private taken = 0;
  /** Payload of a Ping that is answered when the server reads again. */
  private owedPong: Buffer | undefined;
  /** Of what happens once: the handshake, the closing handshake, the end. */
  private readonly due: Deadline;
  private readonly ping: Deadline;
  private readonly pong: Deadline;
  private readonly progress: Deadline;
  private readonly rest: Deadline;

  constructor(
    private readonly host: ConnectionHost,
    target: SocketTarget,
    private readonly offer: HandshakeOffer,
  ) {
    const { clock, contexts, settings } = host;
    const deadline = (missed: () => void): Deadline => new Deadline(clock, () => contexts.run(missed, this, undefined));
    this.due = deadline(this.onDue);
    this.ping = deadline(this.onPingDue);
    this.pong = deadline(this.onPongDue);
    this.progress = deadline(this.onNoProgress);
    this.rest = deadline(this.onRestDue);
    this.opening = new Opening(offer);
    this.tx = new Tx(host.maskingKey, setImmediate, this.afterWrite);
    this.due.set(settings.networkMs);
    this.socket = host.dial(target, this);
    this.tx.open(this.socket);
  }

  get isOpen(): boolean {
    return this.state === OPEN;
  }

  /** Is it about to end? */
  get closing(): boolean {
    return this.state === CLOSING || this.state === FAILED;
  }

  get holds(): boolean {
    if (this.state === OPEN) return this.held || this.settling;
    return this.state !== CLOSING || this.peerClose !== undefined;
  }

  get ended(): boolean {
    return this.state !== OPEN;
  }

  /** Stops reading, or goes on. */
  hold(held: boolean): void {
    if (held === this.held || this.state !== OPEN) return;
    this.held = held;
    if (!this.pumping) this.host.contexts.run(this.goOn, this, undefined);
  }

  /** The ping interval has changed. */
  setPing(ms: number): void {
    if (this.state !== OPEN) return;
    if (ms > 0) this.ping.set(ms);
    else this.ping.clear();
  }

  /**
   * Begins the closing handshake; without one where the connection is not open yet.
   *
   * @param code undefined for a Close frame without one
   * @param timeoutMs for the server's answer
   */
  close(code: number | undefined, reason: string, timeoutMs: number): void {
    if (this.state < OPEN) this.over();
    if (this.state !== OPEN) return;
    this.sender?.close(code, reason);
    this.beginClosing(timeoutMs);
  }

  /** Ends it now. */
  stop(): void {
    this.over();
  }

  onConnect(): void {
    if (this.state !== CONNECTING) return;
    this.state = HANDSHAKE;
    this.tx.raw(requestOf(this.offer));
  }

  onData(len: number): void {
    if (this.state !== ENDED) this.host.contexts.run(this.received, this, len);
  }

  onEnd(): void {
    this.host.contexts.run(this.peerEnded, this, undefined);
  }

  onTaken(): void {
    this.tx.onTaken();
    this.afterWrite();
  }

  onClosed(cause: Error | undefined): void {
    this.host.contexts.run(this.lost, this, cause);
  }

  onPiece(opCode: number, data: Buffer, payloadLen: number, payloadOffset: number, fin: boolean): void {
    // what was under way when we closed is not wanted any more
    if (this.state === OPEN) this.host.onData(opCode, data, payloadLen, payloadOffset, fin);
  }

  onControl(opCode: number, payload: Buffer): Failure | undefined {
    const { host } = this;
    // before a Close is answered, so that its code can be looked at while the connection is open
    const kept = host.settings.controlFrameEvents && this.state === OPEN ? Buffer.from(payload) : undefined;
    if (opCode === HTTPD_WS_TYPE_PING) this.answerPing(payload);
    else if (opCode === HTTPD_WS_TYPE_CLOSE) {
      const info = parseClose(payload);
      if ('why' in info) return info;
      this.peerClose = info;
    }
    if (kept !== undefined) host.onData(opCode, kept, kept.length, 0, true);
    if (opCode === HTTPD_WS_TYPE_CLOSE) this.answerClose();
    return undefined;
  }

  private received(len: number): void {
    receive.claim();
    this.input.arrive(len);
    this.heard = true;
    if (this.pong.running) this.pong.clear();
    this.goOn();
  }

  /** Looks at what waits, as far as it is wanted, and stops or starts reading. */
  private goOn(): void {
    if (this.pumping) return;
    this.pump();
    this.input.evict();
    if (this.state === ENDED || this.held === this.stopped) return;
    this.stopped = this.held;
    this.socket.hold(this.held);
  }

  /** Looks at what has come. */
  private pump(): void {
    const { input } = this;
    this.pumping = true;
    try {
      while ((this.state === HANDSHAKE || !this.holds) && input.open()) {
        this.run(input);
        if (input.to > input.from && !this.holds && !input.refill()) break;
      }
    } catch (thrown) {
      this.over(internalError(thrown));
    } finally {
      this.pumping = false;
    }
    if (this.state > CLOSING || this.peerClose !== undefined) input.clear();
    else if (this.incomplete && !this.rest.running) {
      this.heard = false;
      this.rest.set(this.host.settings.networkMs);
    }
  }

  private run(input: Input): void {
    if (this.receiver === undefined) {
      const opened = this.opening.run(input);
      if (opened !== undefined) this.handshakeDone(opened);
      return;
    }
    const failure = this.receiver.run(input);
    if (failure !== undefined) this.fail(failure);
  }

  /** Has a frame begun that is not complete? */
  private get incomplete(): boolean {
    return this.state === OPEN && !this.held && (this.input.length > 0 || this.receiver?.inFrame === true);
  }

  private handshakeDone(opened: Opened): void {
    const { host } = this;
    this.due.clear();
    if (opened.response !== undefined) host.onResponse(opened.response);
    // a listener may have stopped the client
    if (this.state === ENDED) return;
    if ('why' in opened) {
      return this.over(handshakeError(opened.why, opened.response));
    }
    const { settings } = host;
    const { deflate, subprotocol } = opened.agreement;
    const codec = clientCodec(deflate, settings.deflate, settings.fragmentLen);
    this.closeCodec = () => closeCodec(codec);
    this.receiver = new Receiver(this, settings.rules, settings.bufferSize, codec.inflaters);
    this.sender = new Sender(this.tx, codec, settings.maxTxPending);
    this.state = OPEN;
    this.wasOpen = true;
    this.setPing(host.pingMs);
    this.settling = true;
    setImmediate(() => {
      this.settling = false;
      host.contexts.run(this.goOn, this, undefined);
    });
    host.onOpen({ subprotocol, compressed: deflate !== undefined, response: opened.response });
  }

  private answerPing(payload: Buffer): void {
    if (this.state !== OPEN) return;
    // to a server that does not read, one answer is owed, to its last Ping (RFC 6455 section 5.5.3)
    if (this.tx.pending > TX_HIGH_WATER) this.owedPong = Buffer.from(payload);
    else this.tx.frame(true, HTTPD_WS_TYPE_PONG, payload);
  }

  private answerClose(): void {
    const { peerClose, sender } = this;
    if (peerClose === undefined || this.state > CLOSING) return;
    sender?.close(peerClose.code === WS_CLOSE_NO_STATUS ? undefined : peerClose.code);
    this.beginClosing(LINGER_MS);
  }

  private beginClosing(timeoutMs: number): void {
    this.state = CLOSING;
    this.ping.clear();
    this.pong.clear();
    this.rest.clear();
    this.due.set(timeoutMs);
    // reading goes on, for the server's Close
    if (!this.held) return;
    this.held = false;
    if (!this.pumping) this.host.contexts.run(this.goOn, this, undefined);
  }

  /** The server has broken a rule (RFC 6455 section 7.1.7). */
  private fail(failure: Failure): void {
    this.error ??= protocolError(`${whyOf(failure)}: closed with ${failure.close}`);
    if (this.state !== OPEN && this.state !== CLOSING) return;
    this.sender?.close(failure.close);
    this.beginClosing(LINGER_MS);
    this.state = FAILED;
    this.sayGoodbye();
  }

  /** FIN behind what is queued. */
  private sayGoodbye(): void {
    if (this.state !== FAILED) return;
    this.tx.flush();
    if (this.tx.pending === 0) this.socket.end();
  }

  private readonly afterWrite = (): void => {
    const { host, tx } = this;
    if (this.state === ENDED) return;
    if (!tx.blocked) {
      this.progress.clear();
    } else if (!this.progress.running || tx.taken > this.taken) {
      this.taken = tx.taken;
      this.progress.set(host.settings.networkMs);
    }
    if (this.owedPong !== undefined && tx.pending <= TX_HIGH_WATER && this.state === OPEN) {
      const payload = this.owedPong;
      this.owedPong = undefined;
      tx.frame(true, HTTPD_WS_TYPE_PONG, payload);
    }
    this.sender?.onProgress();
    if (this.state === FAILED && tx.pending === 0) this.socket.end();
  };

  private peerEnded(): void {
    if (this.state < OPEN) {
      this.handshakeDone(this.opening.end('the server ended the connection without an answer to the handshake'));
    } else if (this.state === OPEN) {
      this.over(transportError('the server ended the connection without a Close frame'));
    } else {
      this.over();
    }
  }

  private lost(cause: Error | undefined): void {
    if (this.state >= CLOSING) return this.over();
    const what = this.state === CONNECTING ? 'no connection' : 'the connection was lost';
    this.over(lostError(what, cause));
  }

  private onDue(): void {
    const { networkMs } = this.host.settings;
    if (this.state >= CLOSING) return this.over();
    if (this.state === CONNECTING) return this.overLate('no connection');
    const opened = this.opening.end(`no response to the handshake within ${networkMs} ms (networkTimeoutMs)`);
    if (opened.response !== undefined || !('why' in opened)) this.handshakeDone(opened);
    else this.over(handshakeError(opened.why, undefined, ESP_ERR_TIMEOUT));
  }

  private onPingDue(): void {
    const { host, tx } = this;
    // one that waits behind other data says nothing; progress() looks after that
    if (!tx.blocked) {
      tx.frame(true, HTTPD_WS_TYPE_PING, '');
      if (host.settings.pongMs > 0 && !this.pong.running) this.pong.set(host.settings.pongMs);
    }
    this.setPing(host.pingMs);
  }

  private onPongDue(): void {
    const { pongMs } = this.host.settings;
    // while reading is stopped nothing can be heard
    if (this.held) return this.pong.set(pongMs);
    this.over(pongError(`nothing came for ${pongMs / 1000} s behind a Ping (pingpongTimeoutSec)`));
  }

  private onNoProgress(): void {
    this.overLate('nothing of what was sent has been taken');
  }

  private onRestDue(): void {
    if (!this.incomplete) return;
    if (!this.heard) return this.overLate('no more of a frame');
    this.heard = false;
    this.rest.set(this.host.settings.networkMs);
  }

  private overLate(what: string): void {
    const why = `${what} within ${this.host.settings.networkMs} ms (networkTimeoutMs)`;
    this.over(transportError(why, ESP_ERR_TIMEOUT));
  }

  /** It has ended, for good. */
  private over(error?: EspWebsocketError): void {
    if (this.state === ENDED) return;
    this.state = ENDED;
    this.error ??= error;
    for (const deadline of [this.due, this.ping, this.pong, this.progress, this.rest]) deadline.clear();
    const close = this.peerClose ?? { code: WS_CLOSE_ABNORMAL, reason: '' };
    const wasClean = this.peerClose !== undefined && this.error === undefined;
    this.receiver?.close();
    this.closeCodec();
    this.input.clear();
    this.tx.close();
    this.socket.destroy();
    this.sender?.end(this.error ?? transportError('the connection has ended'));
    this.host.onEnded({ error: this.error, close, wasClean, wasOpen: this.wasOpen });
  }
}
