/**
 * What cuts the bytes of a form into parts, in whichever way they are encoded.
 */
import { ESP_ERR_HTTPD_INVALID_REQ, EspError } from '../err.js';

/** A part, as soon as it is known what it is. */
export interface RawPart {
  readonly name: string;
  /** Undefined for a field. */
  readonly filename: string | undefined;
  readonly type: string;
  /** Content that has come since it was asked last; undefined if there is none. */
  take(): Buffer | undefined;
  /** Has all of it been taken? */
  readonly ended: boolean;
}

/** Bytes in, parts out. What is wrong comes in its order too, behind the parts in front of it, and is the last. */
export interface Splitter {
  /** @param bytes may be kept */
  write(bytes: Buffer): void;
  /** The body is over. */
  end(): void;
  /** The next part, or what is wrong with it; undefined if more bytes are needed, or there is none. */
  shift(): RawPart | EspError | undefined;
  /** Nobody wants the rest. */
  destroy(): void;
}

export function malformed(what: string): EspError {
  return new EspError(ESP_ERR_HTTPD_INVALID_REQ, `the form is malformed: ${what}`);
}

/** The body ends too soon, wherever that is. */
export function truncated(): EspError {
  return malformed('it ends before its closing boundary');
}

/** Bytes that come in pieces of any size. The room doubles, so that it is never much more than what is in it. */
export class GrowingBuffer {
  private buf = Buffer.alloc(0);
  private len = 0;

  get length(): number {
    return this.len;
  }

  append(bytes: Uint8Array): void {
    const needed = this.len + bytes.length;
    if (needed > this.buf.length) {
      const roomier = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.buf.length));
      this.buf.copy(roomier, 0, 0, this.len);
      this.buf = roomier;
    }
    this.buf.set(bytes, this.len);
    this.len = needed;
  }

  /** What is in it; from now on it is empty. */
  take(): Buffer {
    const bytes = this.buf.subarray(0, this.len);
    this.buf = Buffer.alloc(0);
    this.len = 0;
    return bytes;
  }
}
