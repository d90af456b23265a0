/**
 * One connection's life: connect, handshake, frames, closing handshake, end. It ends in one place, `end()`.
 */
import { ESP_ERR_TIMEOUT } from '../err.js';
import {
  type CloseInfo,
  type Failure,
  parseClose,
  WS_CLOSE_ABNORMAL,
  WS_CLOSE_INTERNAL_ERROR,
  WS_CLOSE_NO_STATUS,
} from '../httpd_ws/close.js';
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_PING, HTTPD_WS_TYPE_PONG } from '../httpd_ws/frame_type.js';
import { Input } from '../sess/input.js';
import { clientCodec, closeClientCodec } from './codec.js';
import type { ConnectionHost, Journey } from './connection_host.js';
import { Deadline } from './deadline.js';
import {
  appError,
  type EspWebsocketError,
  handshakeError,
  internalError,
  lateError,
  lostError,
  protocolError,
  proxyError,
  transportError,
} from './errors.js';
import { requestOf } from './handshake.js';
import { Liveness, type Watched } from './liveness.js';
import { type Opened, Opening } from './opening.js';
import { ProxyRefusal } from './proxy.js';
import { Receiver, type Receives, whyOf } from './receiver.js';
import type { Hop } from './redirect.js';
import { Sender, TX_HIGH_WATER } from './sender.js';
import { type ClientSocket, receive, type SocketHandler } from './socket.js';
import { uriOf } from './target.js';
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

export class Connection implements SocketHandler, Receives, Watched {
  /** Undefined until the connection is open. */
  sender: Sender | undefined;
  private state: number = CONNECTING;
  private wasOpen = false;
  private readonly input = new Input(receive);
  readonly tx: Tx;
  private readonly socket: ClientSocket;
  private readonly opening: Opening;
  private receiver: Receiver | undefined;
  private closeCodec = (): void => {};
  private peerClose: CloseInfo | undefined;
  private error: EspWebsocketError | undefined;
  /** Does the application have enough for now? */
  held = false;
  /** Does the socket not read? */
  private stopped = false;
  private pumping = false;
  /** Has the connection been opened in this turn of the loop? Then who waited for that has yet to begin to listen. */
  private settling = false;
  /** Answers what the server has said last, or done wrong, when who iterates over messages has had a turn. */
  private lastAnswer: (() => void) | undefined;
  /** Payload of a Ping that is answered when the server reads again. */
  private owedPong: Buffer | undefined;
  /** Of what happens once: the handshake, the closing handshake, the end. */
  private readonly due: Deadline;
  private readonly liveness: Liveness;

  constructor(
    private readonly host: ConnectionHost,
    private readonly journey: Journey,
  ) {
    const { contexts } = host;
    const { clock } = host.client;
    const { target, offer, hop, withinMs } = journey;
    this.due = new Deadline(clock, () => contexts.run(this.onDue, this, undefined));
    this.liveness = new Liveness(host, this);
    this.opening = new Opening(offer, hop);
    this.tx = new Tx(host.client.maskingKey, setImmediate, this.afterWrite);
    this.socket = host.client.dial(target, this);
    this.due.set(withinMs);
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
    if (this.lastAnswer !== undefined) return true;
    if (this.state === OPEN) return this.held || this.settling;
    return this.state !== CLOSING || this.peerClose !== undefined;
  }

  /** Stops reading, or goes on. */
  hold(held: boolean): void {
    if (held === this.held || this.state !== OPEN) return;
    this.held = held;
    if (!this.pumping) this.host.contexts.run(this.goOn, this, undefined);
  }

  /** The ping interval has changed. */
  setPing(ms: number): void {
    if (this.state === OPEN) this.liveness.setPing(ms);
  }

  /**
   * Begins the closing handshake; without one where the connection is not open yet.
   *
   * @param code undefined for a Close frame without one
   * @param timeoutMs for the server's answer
   */
  close(code: number | undefined, reason: string, timeoutMs: number): void {
    if (this.state < OPEN) this.end();
    if (this.state !== OPEN) return;
    this.sender?.close(code, reason);
    this.beginClosing(timeoutMs);
  }

  /** Closes because the application can't go on with what it has begun to send. */
  abandon(why: string): void {
    if (this.state === OPEN) this.failWith(WS_CLOSE_INTERNAL_ERROR, appError(why));
  }

  sendPing(): void {
    this.tx.frame(true, HTTPD_WS_TYPE_PING, '');
  }

  onConnect(): void {
    if (this.state !== CONNECTING) return;
    this.state = HANDSHAKE;
    this.tx.raw(requestOf(this.journey.offer));
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
    const kept = host.client.settings.controlFrameEvents && this.state === OPEN ? Buffer.from(payload) : undefined;
    if (opCode === HTTPD_WS_TYPE_PING) this.answerPing(payload);
    else if (opCode === HTTPD_WS_TYPE_CLOSE) {
      const info = parseClose(payload);
      if ('why' in info) return info;
      this.peerClose = info;
    }
    if (kept !== undefined) host.onData(opCode, kept, kept.length, 0, true);
    if (opCode === HTTPD_WS_TYPE_CLOSE) this.answerLast(() => this.answerClose());
    return undefined;
  }

  private received(len: number): void {
    receive.claim();
    this.input.arrive(len);
    this.liveness.received();
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
      this.end(internalError(thrown));
    } finally {
      this.pumping = false;
    }
    if (this.state > CLOSING || this.peerClose !== undefined) input.clear();
    else this.liveness.looked();
  }

  private run(input: Input): void {
    if (this.receiver === undefined) {
      const opened = this.opening.run(input);
      if (opened !== undefined) this.handshakeDone(opened);
      return;
    }
    const failure = this.receiver.run(input);
    if (failure !== undefined) this.answerLast(() => this.fail(failure));
  }

  /** Behind this answer nothing can be sent. Messages that came before it, in the same bytes, can be answered until then. */
  private answerLast(answer: () => void): void {
    if (!this.host.client.iterated) return answer();
    this.lastAnswer = answer;
    setImmediate(() => this.host.contexts.run(this.answerNow, this, undefined));
  }

  private answerNow(): void {
    const { lastAnswer } = this;
    this.lastAnswer = undefined;
    lastAnswer?.();
  }

  /** Has a frame begun that is not complete? */
  get incomplete(): boolean {
    return this.state === OPEN && !this.held && (this.input.length > 0 || this.receiver?.inFrame === true);
  }

  private handshakeDone(opened: Opened): void {
    const { host } = this;
    this.due.clear();
    if (opened.response !== undefined) host.onResponse(opened.response);
    // a listener may have stopped the client
    if (this.state === ENDED) return;
    if ('why' in opened) return this.end(handshakeError(opened.why, opened.response));
    if ('next' in opened) return this.end(undefined, opened.next);
    const { settings } = host.client;
    const { deflate, subprotocol } = opened.agreement;
    const codec = clientCodec(deflate, settings.deflate, settings.fragmentLen);
    this.closeCodec = () => closeClientCodec(codec);
    this.receiver = new Receiver(this, settings.rules, settings.bufferSize, codec.inflaters);
    this.sender = new Sender(this.tx, codec, settings.maxTxPending);
    this.state = OPEN;
    this.wasOpen = true;
    this.setPing(host.client.pingMs);
    this.settling = true;
    setImmediate(() => {
      this.settling = false;
      host.contexts.run(this.goOn, this, undefined);
    });
    const uri = uriOf(this.journey.hop.target);
    host.onOpen({ subprotocol, compressed: deflate !== undefined, response: opened.response, uri });
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
    this.liveness.closing();
    this.due.set(timeoutMs);
    // reading goes on, for the server's Close
    if (!this.held) return;
    this.held = false;
    if (!this.pumping) this.host.contexts.run(this.goOn, this, undefined);
  }

  /** The server has broken a rule (RFC 6455 section 7.1.7). */
  private fail(failure: Failure): void {
    this.failWith(failure.close, protocolError(`${whyOf(failure)}: closed with ${failure.close}`));
  }

  private failWith(code: number, error: EspWebsocketError): void {
    this.error ??= error;
    if (this.state !== OPEN && this.state !== CLOSING) return;
    this.sender?.close(code);
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
    const { tx } = this;
    if (this.state === ENDED) return;
    this.liveness.written();
    if (this.owedPong !== undefined && tx.pending <= TX_HIGH_WATER && this.state === OPEN) {
      const payload = this.owedPong;
      this.owedPong = undefined;
      tx.frame(true, HTTPD_WS_TYPE_PONG, payload);
    }
    this.sender?.onProgress();
    if (this.state === FAILED && tx.pending === 0) this.socket.end();
  };

  private peerEnded(): void {
    this.answerNow();
    if (this.state === CONNECTING) {
      // within the handshake of TLS
      this.lost(undefined);
    } else if (this.state === HANDSHAKE) {
      this.handshakeDone(this.opening.end('the server ended the connection without an answer to the handshake'));
    } else if (this.state === OPEN) {
      this.end(transportError('the server ended the connection without a Close frame'));
    } else {
      this.end();
    }
  }

  private lost(cause: Error | undefined): void {
    this.answerNow();
    if (this.state >= CLOSING) return this.end();
    if (cause instanceof ProxyRefusal) return this.end(proxyError(cause));
    this.end(lostError(this.state === CONNECTING ? this.noConnection : 'the connection was lost', cause));
  }

  private get noConnection(): string {
    return this.journey.target.proxy === undefined ? 'no connection' : 'no connection through the proxy';
  }

  private onDue(): void {
    const { networkMs } = this.host.client.settings;
    if (this.state >= CLOSING) return this.end();
    if (this.state === CONNECTING) return this.end(lateError(this.noConnection, networkMs));
    const opened = this.opening.end(`no response to the handshake within ${networkMs} ms (networkTimeoutMs)`);
    if (opened.response !== undefined || !('why' in opened)) this.handshakeDone(opened);
    else this.end(handshakeError(opened.why, undefined, ESP_ERR_TIMEOUT));
  }

  /** Ends it now, and for good. @param next where to go on */
  end(error?: EspWebsocketError, next?: Hop): void {
    if (this.state === ENDED) return;
    this.state = ENDED;
    this.error ??= error;
    this.due.clear();
    this.liveness.end();
    const close = this.peerClose ?? { code: WS_CLOSE_ABNORMAL, reason: '' };
    const wasClean = this.peerClose !== undefined && this.error === undefined;
    this.receiver?.close();
    this.closeCodec();
    this.input.clear();
    this.tx.close();
    this.socket.destroy();
    this.sender?.end(this.error ?? transportError('the connection has ended'));
    this.host.onEnded({ error: this.error, close, wasClean, wasOpen: this.wasOpen, next });
  }
}
