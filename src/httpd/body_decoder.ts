/**
 * The content of a request's body from its bytes: as many as Content-Length says, or in chunks (RFC 9112 section 6).
 * Pure.
 */
import type { Input } from '../sess/input.js';
import { ChunkedDecoder } from './chunked.js';
import {
  HTTPD_400_BAD_REQUEST,
  HTTPD_413_CONTENT_TOO_LARGE,
  HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
  type HttpdErrCode,
} from './http_err.js';
import { PARSE_DONE, PARSE_MORE, type ParseLimits, type ParseResult } from './parse.js';

/** So much framing a byte of content may cost, on average: a chunk of one byte takes five. */
const FRAMING_PER_BYTE = 16;

export class BodyDecoder {
  /** Bytes of content that the last `decode` has found. */
  found = 0;
  /** Why the last failure was one. */
  reason = '';
  private readonly chunks: ChunkedDecoder;
  /** Undefined while the body comes in chunks. */
  private left: number | undefined = 0;
  /** Bytes of chunk sizes, extensions and trailers, and of content, so far. */
  private framing = 0;
  private content = 0;

  constructor(private readonly limits: ParseLimits) {
    this.chunks = new ChunkedDecoder(limits.lenientLineEndings);
  }

  /** A body begins. @param contentLen undefined if it comes in chunks */
  begin(contentLen: number | undefined): void {
    this.left = contentLen;
    this.content = this.framing = 0;
    if (contentLen === undefined) this.chunks.begin();
  }

  /** Is a part of it still to come? */
  get open(): boolean {
    return this.left === undefined ? !this.chunks.done : this.left > 0;
  }

  /**
   * Takes content from the window of `input`, `target.length` bytes at most, and the framing around it.
   *
   * @param target gets the content; without one it is dropped, all that the window has
   * @returns PARSE_DONE behind the last byte of the body, else PARSE_MORE, or the error to answer with
   */
  decode(input: Input, target: Uint8Array | undefined): ParseResult {
    this.found = 0;
    return this.left === undefined ? this.decodeChunks(input, target) : this.decodeLength(input, target, this.left);
  }

  private decodeLength(input: Input, target: Uint8Array | undefined, left: number): ParseResult {
    const n = this.move(input, target, left);
    this.left = left - n;
    return this.left === 0 ? PARSE_DONE : PARSE_MORE;
  }

  private decodeChunks(input: Input, target: Uint8Array | undefined): ParseResult {
    const { chunks, limits } = this;
    for (;;) {
      if (!chunks.inData) {
        const allowed = limits.maxReqHdrLen + this.content * FRAMING_PER_BYTE - this.framing;
        const at = chunks.framing(input.buf, input.from, Math.min(input.to, input.from + allowed + 1));
        if (at < 0) return this.fail(HTTPD_400_BAD_REQUEST, 'the chunked coding is broken (RFC 9112 section 7.1)');
        const n = at - input.from;
        this.framing += n;
        input.from = at;
        if (n > allowed) {
          return this.fail(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE, 'chunk extensions or trailers too long (maxReqHdrLen)');
        }
        if (chunks.done) return PARSE_DONE;
        if (!chunks.inData) return PARSE_MORE;
        if (this.content + chunks.left > limits.maxReqBodyLen) {
          return this.fail(
            HTTPD_413_CONTENT_TOO_LARGE,
            `body longer than ${limits.maxReqBodyLen} bytes (maxReqBodyLen)`,
          );
        }
      }
      const n = this.move(input, target, chunks.left);
      if (n === 0) return PARSE_MORE;
      this.content += n;
      chunks.take(n);
    }
  }

  /** Moves up to `max` bytes from the window to `target`, behind those found before. @returns how many */
  private move(input: Input, target: Uint8Array | undefined, max: number): number {
    const { from, to, buf } = input;
    const n = Math.min(max, to - from, target === undefined ? Number.MAX_SAFE_INTEGER : target.length - this.found);
    if (target !== undefined && n > 0) target.set(buf.subarray(from, from + n), this.found);
    input.from += n;
    this.found += n;
    return n;
  }

  private fail(code: HttpdErrCode, reason: string): ParseResult {
    this.reason = reason;
    return code;
  }
}
