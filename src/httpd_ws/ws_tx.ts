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
      throw new EspError(
        ESP_ERR_INVALID_STATE,
        'a Close frame has gone; nothing may follow it (RFC 6455 section 5.5.1)',
      );
    }
    if (type >= HTTPD_WS_TYPE_CLOSE) return this.sendControl(type, payload);
    const { sess, codec } = this;
    const isFragment = pkt.fragmented || type === HTTPD_WS_TYPE_CONTINUE;
    if (isFragment) this.checkFragment(type);
    if (!sess.admit(!isFragment, this.held?.bytes)) return RESOLVED;
    if (isFragment) {
      const final = isFinal(pkt);
      this.host.onSentData(sess, writeFragments(sess.tx, codec, final, type, payload));
      if (final) this.letGo();
      else this.held ??= { messages: [], bytes: 0 };
    } else if (this.held !== undefined) {
      this.hold(this.held, new EncodedMessage(type, payload));
    } else {
      this.host.onSentData(sess, writeMessage(sess.tx, codec, type, payload));
    }
    return sess.sent();
  }

  /** Sends a message that many get, if there is room for it. @returns whether there is */
  sendToMany(message: EncodedMessage): boolean {
    const { sess, held } = this;
    if (this.closeSent || !sess.open || !(message.isControl || sess.hasRoom(held?.bytes))) return false;
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
    if (type === HTTPD_WS_TYPE_CLOSE) {
      const info = parseClose(Buffer.from(payload as Uint8Array));
      if ('why' in info) invalidArg(`the frame would be ${info.why}`);
    }
    this.control(type, payload);
    this.host.onSentData(sess, Buffer.byteLength(payload));
    return sess.sent();
  }

  /** May a fragment of this type be sent now (RFC 6455 section 5.4)? */
  private checkFragment(type: number): void {
    const continues = type === HTTPD_WS_TYPE_CONTINUE;
    if (continues === (this.held !== undefined)) return;
    throw new EspError(
      ESP_ERR_INVALID_STATE,
      continues
        ? 'no fragmented message has been begun that this frame could continue'
        : 'a fragmented message has been begun: end it, with a frame of type CONTINUE that is final',
    );
  }

  /** The application's fragmented message has ended: what waited for that is sent. */
  private letGo(): void {
    const { held } = this;
    this.held = undefined;
    for (const message of held?.messages ?? []) this.toMany(message);
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
