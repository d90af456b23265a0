/**
 * What a server sends, frame by frame or message by message, and in pieces of a bounded length. Knows no socket.
 */
import { FAIL, type Failure } from '../httpd_ws/close.js';
import type { Inflaters } from '../httpd_ws/deflate.js';
import { HTTPD_WS_TYPE_CLOSE } from '../httpd_ws/frame_type.js';
import { Message, MessageMemory } from '../httpd_ws/message.js';
import { FrameReceiver, RECV_LONG, RECV_MORE, RECV_PART, RECV_WHOLE, type RecvRules } from '../httpd_ws/recv.js';
import type { Input } from '../sess/input.js';

/** Who gets it. */
export interface Receives {
  /** Is nothing to be received now, or any more? */
  readonly holds: boolean;
  /**
   * A piece of a frame, or of a message. `data` is the receiver's to keep.
   *
   * @param fin the frame's FIN bit; a message that was joined has it
   */
  onPiece(opCode: number, data: Buffer, payloadLen: number, payloadOffset: number, fin: boolean): void;
  /** A Ping, Pong or Close. `payload` is borrowed. @returns what is wrong with it */
  onControl(opCode: number, payload: Buffer): Failure | undefined;
}

/** The limits by the names that a client has for them. */
const WHY = new Map<Failure, string>([
  [FAIL.FRAME_LENGTH, 'a frame is longer than maxFrameLen'],
  [FAIL.MESSAGE_LENGTH, 'a message is longer than maxMessageLen'],
]);

/** A failure, in the words of a client. */
export function whyOf(failure: Failure): string {
  return WHY.get(failure) ?? failure.why;
}

export class Receiver {
  private readonly frames = new FrameReceiver(false);
  // its limit is that of the one message that there can be
  private readonly memory = new MessageMemory(Number.MAX_SAFE_INTEGER);
  private message: Message | undefined;
  /** Does the payload of a frame of that message come? */
  private joining = false;
  /** Of a long frame: the piece that is being filled, how much of it is, and where in the payload it begins. */
  private piece: Buffer | undefined;
  private filled = 0;
  private offset = 0;

  /** @param bufferSize the longest piece */
  constructor(
    private readonly owner: Receives,
    private readonly rules: RecvRules,
    private readonly bufferSize: number,
    private readonly inflaters: Inflaters | undefined,
  ) {}

  /** Has a frame begun, of which a part has still to come? */
  get inFrame(): boolean {
    return this.frames.inFrame;
  }

  /** Takes what it can of the window. @returns what the server did wrong */
  run(input: Input): Failure | undefined {
    while (!this.owner.holds) {
      const got = this.step(input);
      if (got === RECV_MORE) return undefined;
      if (typeof got !== 'number') return got;
    }
    return undefined;
  }

  /** Nothing is received any more. */
  close(): void {
    this.message?.close();
    this.message = undefined;
    this.piece = undefined;
  }

  private step(input: Input): number | Failure {
    if (this.piece !== undefined) return this.feedLong(input, this.piece);
    if (this.joining && this.message !== undefined) return this.join(input, this.message);
    const got = this.frames.next(input, this.rules, this.inflaters !== undefined);
    if (got === RECV_WHOLE) return this.whole(input);
    if (got === RECV_LONG) {
      this.offset = this.filled = 0;
      this.nextPiece();
    } else if (got === RECV_PART) {
      const { header, compressed } = this.frames;
      this.message ??= new Message(header.opcode, this.rules, this.memory, compressed ? this.inflaters : undefined);
      this.joining = true;
    }
    return got;
  }

  /** A short frame has come. */
  private whole(input: Input): number | Failure {
    const { frames } = this;
    const { opcode, fin, len } = frames.header;
    const payload = frames.payload(input);
    if (opcode >= HTTPD_WS_TYPE_CLOSE) {
      const failure = this.owner.onControl(opcode, payload);
      frames.release(input);
      return failure ?? RECV_WHOLE;
    }
    const data = Buffer.from(payload);
    // before the application runs, which may end it all
    frames.release(input);
    this.pieces(opcode, data, len, fin);
    return RECV_WHOLE;
  }

  private pieces(opcode: number, data: Buffer, len: number, fin: boolean): void {
    const { owner, bufferSize } = this;
    if (len <= bufferSize) return owner.onPiece(opcode, data, len, 0, fin);
    for (let at = 0; at < len; at += bufferSize) {
      owner.onPiece(opcode, data.subarray(at, at + bufferSize), len, at, fin);
    }
  }

  private nextPiece(): void {
    this.piece = Buffer.allocUnsafeSlow(Math.min(this.bufferSize, this.frames.header.len - this.offset));
    this.filled = 0;
  }

  private feedLong(input: Input, piece: Buffer): number | Failure {
    const { frames, owner } = this;
    const { opcode, fin, len } = frames.header;
    const n = frames.feed(input, piece.length - this.filled);
    if (typeof n !== 'number') return n;
    if (n === 0) return RECV_MORE;
    input.buf.copy(piece, this.filled, input.from - n, input.from);
    this.filled += n;
    if (this.filled < piece.length) return RECV_MORE;
    const at = this.offset;
    this.offset += piece.length;
    this.piece = undefined;
    if (this.offset < len) this.nextPiece();
    else frames.release(input);
    owner.onPiece(opcode, piece, len, at, fin);
    return RECV_LONG;
  }

  /** Moves payload of a frame to its message. */
  private join(input: Input, message: Message): number | Failure {
    const { frames } = this;
    while (!frames.frameDone) {
      const n = frames.feed(input, message.room);
      if (typeof n !== 'number') return n;
      if (n === 0) return RECV_MORE;
      const failure = message.push(input.buf, input.from - n, input.from);
      if (failure !== undefined) return failure;
    }
    this.joining = false;
    const { fin } = frames.header;
    const failure = fin ? message.end() : undefined;
    frames.release(input);
    if (failure !== undefined) return failure;
    if (fin) this.deliver(message);
    return RECV_PART;
  }

  private deliver(message: Message): void {
    const { type, len } = message;
    const data = Buffer.allocUnsafe(len);
    message.beginPacket();
    message.read(data, len);
    message.close();
    this.message = undefined;
    this.pieces(type, data, len, true);
  }
}
