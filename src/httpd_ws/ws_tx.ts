/**
 * What a WebSocket sends: frames and messages of its handler, of others who know its fd, and of those who send to many;
 * up to the Close frame, behind which nothing leaves (RFC 6455 section 5.5.1).
 */
import { ESP_ERR_INVALID_STATE, EspError, invalidArg } from '../err.js';
import type { Sess } from '../sess/sess.js';
import { parseClose } from './close.js';
import type { WsCodec } from './deflate.js';
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_CONTINUE, type HttpdWsFrame, payloadOf } from './frame_type.js';
import { EncodedMessage, isFinal, writeFragments, writeFrame, writeMessage } from './send.js';
import type { WsHost } from './ws_host.js';

/** Messages that wait for the end of another one, which the application sends in fragments. */
interface Held {
  readonly messages: EncodedMessage[];
  /** What they have to send. */
  bytes: number;
}

const RESOLVED = Promise.resolve();

export class WsTx {
  closeSent = false;
  /** Has the application begun a message in fragments, and not ended it? */
  private held: Held | undefined;

  constructor(
    private readonly sess: Sess,
    private readonly host: WsHost,
    readonly codec: WsCodec,
  ) {}

  /**
   * Sends what an application calls a frame.
   *
   * @param peerClosed has the peer sent a Close? Then only ours may follow
   * @throws EspError ESP_ERR_INVALID_ARG, ESP_ERR_INVALID_STATE, ESP_ERR_HTTPD_RESP_SEND
   */
  sendFrame(pkt: HttpdWsFrame, peerClosed: boolean): Promise<void> {
    const payload = payloadOf(pkt);
    const { type } = pkt;
    if (this.closeSent || (peerClosed && type !== HTTPD_WS_TYPE_CLOSE)) {
      throw closeHasGone();
    }
    if (type >= HTTPD_WS_TYPE_CLOSE) return this.sendControl(type, payload);
    const { sess, codec } = this;
    const isFragment = pkt.fragmented || type === HTTPD_WS_TYPE_CONTINUE;
    if (isFragment) checkFragment(type, this.held !== undefined);
    if (!sess.admit(!isFragment, isFragment ? 0 : this.heldBytes)) return RESOLVED;
    if (isFragment) this.sendFragment(isFinal(pkt), type, payload);
    else if (this.held !== undefined) this.hold(this.held, new EncodedMessage(type, payload));
    else this.host.onSentData(sess, writeMessage(sess.tx, codec, type, payload));
    return sess.sent();
  }

  /** Bytes that wait for the end of a message in fragments. */
  get heldBytes(): number {
    return this.held === undefined ? 0 : this.held.bytes;
  }

  /** Sends a message that many get, if there is room for it. @returns whether there is */
  sendToMany(message: EncodedMessage): boolean {
    const { sess, held } = this;
    if (this.closeSent || !sess.open || !(message.isControl || sess.hasRoom(this.heldBytes))) return false;
    if (held === undefined || message.isControl) this.toMany(message);
    else this.hold(held, message);
    return true;
  }

  /** Sends a control frame of the library's, which nothing holds back. */
  control(type: number, payload: Uint8Array | string): void {
    writeFrame(this.sess.tx, true, type, payload);
    if (type === HTTPD_WS_TYPE_CLOSE) this.closeSent = true;
  }

  private sendControl(type: number, payload: Uint8Array | string): Promise<void> {
    const { sess } = this;
    sess.checkOpen();
    if (type === HTTPD_WS_TYPE_CLOSE) checkClosePayload(payload);
    this.control(type, payload);
    this.host.onSentData(sess, Buffer.byteLength(payload));
    return sess.sent();
  }

  private sendFragment(final: boolean, type: number, payload: Uint8Array | string): void {
    const { held, host, sess } = this;
    const len = writeFragments(sess.tx, this.codec, final, type, payload);
    const waiting = final && held !== undefined ? held.messages : [];
    // in the order in which they were compressed
    for (const message of waiting) sess.sendToMany(message.bytes(this.codec));
    this.held = final ? undefined : (held ?? { messages: [], bytes: 0 });
    // listeners, who may send in turn, come last
    host.onSentData(sess, len);
    for (const message of waiting) host.onSentData(sess, message.len);
  }

  private toMany(message: EncodedMessage): void {
    this.sess.sendToMany(message.bytes(this.codec));
    this.host.onSentData(this.sess, message.len);
  }

  /** Keeps a message back until the one under way has ended. */
  private hold(held: Held, message: EncodedMessage): void {
    // now, since the payload is the application's
    held.bytes += message.bytes(this.codec).length;
    held.messages.push(message);
  }
}

/** Why nothing can be sent any more. */
export function closeHasGone(): EspError {
  return new EspError(ESP_ERR_INVALID_STATE, 'a Close frame has gone; nothing may follow it (RFC 6455 section 5.5.1)');
}

/**
 * May a fragment of this type be sent now (RFC 6455 section 5.4)?
 *
 * @param inMessage has a message been begun in fragments, and not ended?
 * @throws EspError ESP_ERR_INVALID_STATE
 */
export function checkFragment(type: number, inMessage: boolean): void {
  const continues = type === HTTPD_WS_TYPE_CONTINUE;
  if (continues === inMessage) return;
  throw new EspError(
    ESP_ERR_INVALID_STATE,
    continues
      ? 'no fragmented message has been begun that this frame could continue'
      : 'a fragmented message has been begun: end it, with a frame of type CONTINUE that is final',
  );
}

/** @throws EspError ESP_ERR_INVALID_ARG if this can't be in a Close frame */
export function checkClosePayload(payload: Uint8Array | string): void {
  const info = parseClose(Buffer.from(payload as Uint8Array));
  if ('why' in info) invalidArg(`the frame would be ${info.why}`);
}
