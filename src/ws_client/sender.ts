/**
 * What an application sends on one connection: messages, fragments, control frames, in the order that RFC 6455 asks for,
 * and no faster than the server reads.
 */
import { ESP_ERR_INVALID_STATE, ESP_ERR_NO_MEM, EspError } from '../err.js';
import { closePayload } from '../httpd_ws/close.js';
import type { WsCodec } from '../httpd_ws/deflate.js';
import { RSV1 } from '../httpd_ws/frame.js';
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_CONTINUE } from '../httpd_ws/frame_type.js';
import { Deferred, rejected } from '../thenable.js';
import type { Tx } from './tx.js';

/** From so many bytes on a send is waited for, until half of them have left. */
export const TX_HIGH_WATER = 64 * 1024;
/** What a message that waits costs beside its bytes. */
const HELD_COST = 128;

const RESOLVED = Promise.resolve();

interface Held {
  readonly type: number;
  readonly payload: Uint8Array | string;
}

export class Sender {
  closeSent = false;
  /** Has a message been begun in fragments, and not ended? */
  inFragments = false;
  /** Messages that wait for its end, and what they cost. */
  private held: Held[] = [];
  private heldBytes = 0;
  /** Who waits for frames to leave, and who for messages behind the one in fragments, too. */
  private frames: Deferred | undefined;
  private messages: Deferred | undefined;

  constructor(
    private readonly tx: Tx,
    private readonly codec: WsCodec,
    private readonly maxPending: number,
  ) {}

  /** Bytes that the system has not taken. */
  get pending(): number {
    return this.tx.pending + this.heldBytes;
  }

  /** A whole message; behind the one that is being sent in fragments, if there is one. */
  message(type: number, payload: Uint8Array | string): Promise<void> {
    const refusal = this.refusal(this.pending);
    if (refusal !== undefined) return refusal;
    if (this.inFragments) this.hold(type, payload);
    else this.writeMessage(type, payload);
    if (this.pending <= TX_HIGH_WATER) return RESOLVED;
    this.messages ??= new Deferred();
    return this.messages.promise;
  }

  /** A fragment. @param type CONTINUE unless it is the first one */
  fragment(fin: boolean, type: number, payload: Uint8Array | string): Promise<void> {
    const continues = type === HTTPD_WS_TYPE_CONTINUE;
    if (continues !== this.inFragments) {
      return rejected(
        new EspError(
          ESP_ERR_INVALID_STATE,
          continues
            ? 'no message has been begun in fragments on this connection'
            : 'a message has been begun in fragments: end it with sendFin()',
        ),
      );
    }
    const refusal = this.refusal(this.tx.pending);
    if (refusal !== undefined) return refusal;
    this.writeFragments(fin, type, payload);
    this.inFragments = !fin;
    if (fin) this.release();
    return this.left();
  }

  /** A Ping or Pong. */
  control(type: number, payload: Uint8Array | string): Promise<void> {
    const refusal = this.refusal(this.tx.pending);
    if (refusal !== undefined) return refusal;
    this.tx.frame(true, type, payload);
    return this.left();
  }

  /** The Close frame, behind which nothing leaves. @param code undefined for one without */
  close(code: number | undefined, reason = ''): void {
    if (this.closeSent) return;
    this.closeSent = true;
    this.tx.frame(true, HTTPD_WS_TYPE_CLOSE, code === undefined ? '' : closePayload(code, reason));
    if (this.held.length > 0) this.drop(closingError());
  }

  /** Some of what was queued has left. */
  onProgress(): void {
    if (this.tx.pending * 2 > TX_HIGH_WATER) return;
    this.frames?.resolve();
    this.frames = undefined;
    if (this.pending * 2 > TX_HIGH_WATER) return;
    this.messages?.resolve();
    this.messages = undefined;
  }

  /** The connection has ended. */
  end(error: Error): void {
    this.closeSent = true;
    this.drop(error);
  }

  /** What waits will not be sent. */
  private drop(error: Error): void {
    this.held = [];
    this.heldBytes = 0;
    this.frames?.reject(error);
    this.messages?.reject(error);
    this.frames = this.messages = undefined;
  }

  /**
   * Resolves when the server has kept up with what leaves now. What is held back does not count: it waits for the frames
   * that are to follow.
   */
  private left(): Promise<void> {
    if (this.tx.pending <= TX_HIGH_WATER) return RESOLVED;
    this.frames ??= new Deferred();
    return this.frames.promise;
  }

  /** @param pending bytes in front of what is to be sent */
  private refusal(pending: number): Promise<never> | undefined {
    if (this.closeSent) return rejected(closingError());
    if (pending < this.maxPending) return undefined;
    return rejected(
      new EspError(
        ESP_ERR_NO_MEM,
        `${pending} bytes wait for a server that does not read (maxTxPending): await each send`,
      ),
    );
  }

  private hold(type: number, payload: Uint8Array | string): void {
    // now, since the payload is the application's
    const kept = typeof payload === 'string' ? payload : Buffer.from(payload);
    this.held.push({ type, payload: kept });
    this.heldBytes += HELD_COST + Buffer.byteLength(kept);
  }

  private release(): void {
    const { held } = this;
    this.held = [];
    this.heldBytes = 0;
    for (const { type, payload } of held) this.writeMessage(type, payload);
  }

  private writeMessage(type: number, payload: Uint8Array | string): void {
    const { deflater } = this.codec;
    if (deflater === undefined) return this.writeFragments(true, type, payload);
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const deflated = deflater.wants(bytes.length) ? deflater.deflate(bytes) : undefined;
    if (deflated === undefined) this.writeFragments(true, type, bytes);
    else this.writeFragments(true, type | RSV1, deflated);
  }

  /** Cut into frames of `fragmentLen`. */
  private writeFragments(fin: boolean, type: number, payload: Uint8Array | string): void {
    const { tx } = this;
    const { fragmentLen } = this.codec;
    // a string has up to three bytes for each of its units
    if (payload.length <= fragmentLen && (typeof payload !== 'string' || payload.length * 3 <= fragmentLen)) {
      return tx.frame(fin, type, payload);
    }
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    for (let at = 0; at === 0 || at < bytes.length; at += fragmentLen) {
      const last = at + fragmentLen >= bytes.length;
      tx.frame(fin && last, at === 0 ? type : HTTPD_WS_TYPE_CONTINUE, bytes.subarray(at, at + fragmentLen));
    }
  }
}

function closingError(): EspError {
  return new EspError(ESP_ERR_INVALID_STATE, 'the connection is closing: nothing may follow a Close frame');
}
