/**
 * Frame headers from and to bytes (RFC 6455 section 5.2). Pure.
 */
import { FAIL, type Failure } from './close.js';
import {
  HTTPD_WS_TYPE_BINARY,
  HTTPD_WS_TYPE_CLOSE,
  HTTPD_WS_TYPE_CONTINUE,
  HTTPD_WS_TYPE_TEXT,
  isWsType,
} from './frame_type.js';

const FIN = 0x80;
const RSV = 0x70;
/** The first frame of a compressed message has it (RFC 7692 section 6). */
export const RSV1 = 0x40;
const OPCODE = 0x0f;
const MASK = 0x80;
const LENGTH = 0x7f;

/** A frame's header. One object serves a connection for all its frames. */
export class FrameHeader {
  fin = false;
  /** Does it begin a compressed message? */
  rsv1 = false;
  opcode = 0;
  /** Length of the payload. */
  len = 0;
  /** The masking key as a little-endian number, 0 without one. */
  key = 0;
  /** Length of the header itself. */
  size = 0;

  /**
   * Reads a header from `buf[from, to)`.
   *
   * @param masked must the frame be masked (from a client), or must it not (from a server)?
   * @param inMessage has a fragmented message begun and not ended?
   * @param deflate has permessage-deflate been agreed on?
   * @returns true: read; false: more bytes are needed; else the violation, found at the earliest byte that shows it
   */
  read(buf: Buffer, from: number, to: number, masked: boolean, inMessage: boolean, deflate = false): boolean | Failure {
    if (to === from) return false;
    const first = buf[from] as number;
    const opcode = first & OPCODE;
    if ((first & RSV) !== 0) {
      const begins = opcode === HTTPD_WS_TYPE_TEXT || opcode === HTTPD_WS_TYPE_BINARY;
      if (!deflate || !begins || (first & RSV) !== RSV1) return FAIL.RSV;
    }
    if (!isWsType(opcode)) return FAIL.OPCODE;
    if (opcode >= HTTPD_WS_TYPE_CLOSE) {
      if ((first & FIN) === 0) return FAIL.CONTROL_FRAGMENTED;
    } else if (inMessage !== (opcode === HTTPD_WS_TYPE_CONTINUE)) {
      return inMessage ? FAIL.NOT_CONTINUED : FAIL.NOTHING_TO_CONTINUE;
    }
    if (to - from < 2) return false;
    const second = buf[from + 1] as number;
    if (((second & MASK) !== 0) !== masked) return masked ? FAIL.UNMASKED : FAIL.MASKED;
    let len = second & LENGTH;
    let size = 2;
    if (len > 125) {
      if (opcode >= HTTPD_WS_TYPE_CLOSE) return FAIL.CONTROL_LENGTH;
      if (len === 126) {
        if (to - from < 4) return false;
        len = buf.readUInt16BE(from + 2);
        if (len < 126) return FAIL.NOT_MINIMAL;
        size = 4;
      } else {
        if (to - from < 10) return false;
        const high = buf.readUInt32BE(from + 2);
        if (high > 0x7fff_ffff) return FAIL.LENGTH_SIGN;
        if (high > 0x1f_ffff) return FAIL.LENGTH_HUGE;
        len = high * 0x1_0000_0000 + buf.readUInt32BE(from + 6);
        if (len < 65_536) return FAIL.NOT_MINIMAL;
        size = 10;
      }
    }
    if (masked) {
      if (to - from < size + 4) return false;
      this.key = buf.readInt32LE(from + size);
      size += 4;
    }
    this.fin = (first & FIN) !== 0;
    this.rsv1 = (first & RSV1) !== 0;
    this.opcode = opcode;
    this.len = len;
    this.size = size;
    return true;
  }
}

/**
 * Writes the header of an unmasked frame.
 *
 * @param opcode with `RSV1` for the first frame of a compressed message
 * @returns the offset behind it
 */
export function writeHeader(buf: Buffer, at: number, fin: boolean, opcode: number, len: number): number {
  buf[at] = (fin ? FIN : 0) | opcode;
  if (len < 126) {
    buf[at + 1] = len;
    return at + 2;
  }
  if (len < 65_536) {
    buf[at + 1] = 126;
    return buf.writeUInt16BE(len, at + 2);
  }
  buf[at + 1] = 127;
  buf.writeUInt32BE(Math.floor(len / 0x1_0000_0000), at + 2);
  return buf.writeUInt32BE(len % 0x1_0000_0000, at + 6);
}
