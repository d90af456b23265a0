/** Messages into a session's transmit queue: compressed, cut into frames, or as bytes for many. */
import { invalidArg } from '../err.js';
import { RESERVE_MAX } from '../sess/tx.js';
import type { WsCodec } from './deflate.js';
import { RSV1, writeHeader } from './frame.js';
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_CONTINUE, type HttpdWsFrame, payloadOf } from './frame_type.js';

/** The longest header of an unmasked frame. */
const HEADER_ROOM = 10;

/** Where frames are written to: a session's transmit queue, or memory. */
export interface FrameSink {
  /** Where `reserve` made room. */
  readonly buf: Buffer;
  /** Makes room for `n` bytes, up to `RESERVE_MAX`. @returns where in `buf` */
  reserve(n: number): number;
  /** `n` bytes have been written there. */
  commit(n: number): void;
  /** Adds bytes that are somewhere else. */
  write(bytes: Uint8Array): void;
}

/** FIN of a frame that an application sends: only a frame marked as fragmented may lack it. */
export function isFinal(frame: HttpdWsFrame): boolean {
  return !frame.fragmented || frame.final || frame.type >= HTTPD_WS_TYPE_CLOSE;
}

/**
 * Queues one frame. The payload is copied, or sent before this returns.
 *
 * @param opcode perhaps with `RSV1`
 * @returns length of the payload
 */
export function writeFrame(tx: FrameSink, fin: boolean, opcode: number, payload: Uint8Array | string): number {
  const len = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length;
  const large = HEADER_ROOM + len > RESERVE_MAX;
  const at = tx.reserve(large ? HEADER_ROOM : HEADER_ROOM + len);
  const { buf } = tx;
  const end = writeHeader(buf, at, fin, opcode, len);
  if (large) {
    tx.commit(end - at);
    tx.write(typeof payload === 'string' ? Buffer.from(payload) : payload);
    return len;
  }
  if (typeof payload === 'string') buf.write(payload, end);
  else buf.set(payload, end);
  tx.commit(end + len - at);
  return len;
}

/** Queues a whole message as `codec` has it. @returns length of the payload */
export function writeMessage(tx: FrameSink, codec: WsCodec, type: number, payload: Uint8Array | string): number {
  if (type >= HTTPD_WS_TYPE_CLOSE) return writeFrame(tx, true, type, payload);
  const { deflater } = codec;
  if (deflater !== undefined) {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const deflated = deflater.wants(bytes.length) ? deflater.deflate(bytes) : undefined;
    if (deflated === undefined) return writeFragments(tx, codec, true, type, bytes);
    writeFragments(tx, codec, true, type | RSV1, deflated);
    return bytes.length;
  }
  return writeFragments(tx, codec, true, type, payload);
}

/** Queues a frame of the application, in several if it is longer than `codec` allows. @returns length of the payload */
export function writeFragments(
  tx: FrameSink,
  { fragmentLen }: WsCodec,
  fin: boolean,
  opcode: number,
  payload: Uint8Array | string,
): number {
  // no character has fewer than one byte, or more than three of them per unit of a string
  if (payload.length <= fragmentLen && (typeof payload !== 'string' || payload.length * 3 <= fragmentLen)) {
    return writeFrame(tx, fin, opcode, payload);
  }
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  for (let at = 0; at === 0 || at < bytes.length; at += fragmentLen) {
    const last = at + fragmentLen >= bytes.length;
    writeFrame(tx, fin && last, at === 0 ? opcode : HTTPD_WS_TYPE_CONTINUE, bytes.subarray(at, at + fragmentLen));
  }
  return bytes.length;
}

/** Frames as bytes of their own. */
export class FrameBytes implements FrameSink {
  buf: Buffer;
  private readonly parts: Buffer[] = [];
  /** Bytes of `buf` in use. */
  private used = 0;

  /** @param expected how many bytes there will be, about */
  constructor(expected = 0) {
    this.buf = Buffer.allocUnsafeSlow(expected);
  }

  reserve(n: number): number {
    if (this.buf.length - this.used < n) this.add(Buffer.allocUnsafeSlow(n));
    return this.used;
  }

  commit(n: number): void {
    this.used += n;
  }

  write(bytes: Uint8Array): void {
    if (this.buf.length - this.used < bytes.length) this.add(Buffer.from(bytes));
    else this.buf.set(bytes, this.used);
    this.used += bytes.length;
  }

  get bytes(): Buffer {
    this.add(Buffer.alloc(0));
    const { parts } = this;
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  /** Goes on in another buffer. */
  private add(buf: Buffer): void {
    if (this.used > 0) this.parts.push(this.buf.subarray(0, this.used));
    this.buf = buf;
    this.used = 0;
  }
}

/** A message that goes to many connections, or waits: it is made into bytes once for all that have it alike. */
export class EncodedMessage {
  /** Length of the payload. */
  readonly len: number;
  private readonly made = new Map<WsCodec, Buffer>();

  constructor(
    private readonly type: number,
    private readonly payload: Uint8Array | string,
  ) {
    this.len = Buffer.byteLength(payload);
  }

  /** Is it a Ping or Pong? */
  get isControl(): boolean {
    return this.type >= HTTPD_WS_TYPE_CLOSE;
  }

  /** Its frames as `codec` has them. They must not be changed. */
  bytes(codec: WsCodec): Buffer {
    let bytes = this.made.get(codec);
    if (bytes === undefined) {
      const frames = Math.ceil(this.len / codec.fragmentLen) || 1;
      // what is compressed gets as much memory as it needs: it may wait for long
      const compressed = codec.deflater?.wants(this.len);
      const sink = new FrameBytes(compressed ? 0 : this.len + frames * HEADER_ROOM);
      writeMessage(sink, codec, this.type, this.payload);
      bytes = sink.bytes;
      this.made.set(codec, bytes);
    }
    return bytes;
  }
}

/**
 * What is to be sent to many.
 *
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function broadcastOf(frame: HttpdWsFrame): EncodedMessage {
  const payload = payloadOf(frame);
  const { type } = frame;
  if (type === HTTPD_WS_TYPE_CLOSE) invalidArg('a Close frame goes to one peer: use wsClose');
  if (type === HTTPD_WS_TYPE_CONTINUE || (frame.fragmented && type < HTTPD_WS_TYPE_CLOSE)) {
    invalidArg('a fragment can not be broadcast: send whole messages, and set wsFragmentLen to have them cut');
  }
  return new EncodedMessage(type, payload);
}
