/**
 * A request from its bytes: llhttp, the limits around it, and the status that each failure gets.
 * Pure: bytes in, a head or a failure out, the same however the bytes are cut.
 */
import type { Input } from '../sess/input.js';
import { eachHeader } from './headers.js';
import {
  HTTPD_400_BAD_REQUEST,
  HTTPD_413_CONTENT_TOO_LARGE,
  HTTPD_414_URI_TOO_LONG,
  HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
  HTTPD_501_METHOD_NOT_IMPLEMENTED,
  HTTPD_505_VERSION_NOT_SUPPORTED,
  type HttpdErrCode,
} from './http_err.js';
import {
  HPE_INVALID_METHOD,
  HPE_INVALID_VERSION,
  HPE_OK,
  HPE_PAUSED,
  HPE_PAUSED_H2_UPGRADE,
  Llhttp,
  record,
} from './llhttp.js';

/** The parser has taken all bytes and wants more. */
export const PARSE_MORE = -1;
/** The head, or the body, is complete. */
export const PARSE_DONE = -2;
/** `PARSE_MORE`, `PARSE_DONE`, or the error to answer with. */
export type ParseResult = number;

export interface ParseLimits {
  readonly maxUriLen: number;
  readonly maxReqHdrLen: number;
  readonly maxReqBodyLen: number;
  readonly lenientLineEndings: boolean;
}

/** What a request says before its body. */
export interface RequestHead {
  /** `HTTP_GET` and so on. */
  method: number;
  /** The request target as sent. */
  uri: string;
  /** All of it, as it came. */
  raw: string;
  /** The header section: lines `Name: value`, each with its line ending, and the empty line. */
  headers: string;
  /** Is it HTTP/1.0? */
  http10: boolean;
  /** May the connection be used again, by version and Connection header? */
  keepAlive: boolean;
  /** Does it ask for an upgrade, by Connection and Upgrade headers? */
  upgrade: boolean;
  /** Length of the body; undefined if it is chunked. */
  contentLen: number | undefined;
  /** Does a Content-Length or Transfer-Encoding header announce a body, be it an empty one? */
  hasBody: boolean;
}

/** Stands for the head of a request that could not be read. */
export const NO_HEAD: RequestHead = {
  method: -1,
  uri: '',
  raw: '',
  headers: '',
  http10: false,
  keepAlive: false,
  upgrade: false,
  contentLen: 0,
  hasBody: false,
};

/** ` HTTP/1.1` and CRLF, which follow the URI in a request line. */
const VERSION_LEN = 11;
/** No method that llhttp knows, and no pair of empty lines before it, is longer. */
const METHOD_MAX = 64;
const LF = 0x0a;
const CR = 0x0d;
/** tchar of RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export class RequestParser {
  private readonly llhttp: Llhttp;
  /** The head's bytes from earlier chunks; the URI lies at `[urlFrom, urlTo)` of the head. */
  private partial: Buffer | undefined;
  private partialLen = 0;
  private urlFrom = -1;
  private urlTo = -1;
  /** Bytes of chunk sizes, extensions and trailers since the last byte of content. */
  private framing = 0;
  private bodyLen = 0;
  private bodyOpen = false;
  private used = false;
  /** Has the request line of a head that came in pieces ended? Looked for when lenient. */
  private lineEnded = false;
  private parsed: RequestHead | undefined;
  /** Why the last failure was one. */
  reason = '';

  constructor(private readonly limits: ParseLimits) {
    this.llhttp = new Llhttp(limits.lenientLineEndings);
  }

  /** Has a part of a head arrived? */
  get inHead(): boolean {
    return this.partialLen > 0;
  }

  /** Is a part of the body still to come? */
  get inBody(): boolean {
    return this.bodyOpen;
  }

  /** Parses the window of `input` up to the end of a head; `take()` gives it. */
  head(input: Input): ParseResult {
    const { from, to } = input;
    if (this.used && this.partialLen === 0) this.llhttp.resume();
    let errno = HPE_OK;
    let at = from;
    if (this.limits.lenientLineEndings) {
      const bareLf = this.findBareLf(input);
      if (bareLf >= 0) {
        errno = this.execute(from, bareLf, from);
        if (errno === HPE_OK && this.llhttp.executeLineEnd() !== HPE_OK) {
          return this.fail(HTTPD_400_BAD_REQUEST, this.llhttp.errorReason);
        }
        at = bareLf + 1;
      }
    }
    if (errno === HPE_OK) errno = this.execute(at, to, from);
    if (errno === HPE_PAUSED && record.headersComplete) {
      this.used = true;
      this.bodyOpen = !record.messageComplete;
      input.from = this.llhttp.errorPos;
      return this.complete(input.buf, from, input.from);
    }
    const stop = errno === HPE_OK ? to : this.llhttp.errorPos + 1;
    const tooLong = this.checkLength(this.partialLen + stop - from);
    if (tooLong !== PARSE_MORE) return tooLong;
    this.keep(input.buf, from, Math.min(stop, to));
    input.from = to;
    return errno === HPE_OK ? PARSE_MORE : this.failed(errno);
  }

  /**
   * Parses at most `max` bytes of the window as body. The content found lies at the places in `record`.
   *
   * @returns PARSE_DONE behind the last byte of the message
   */
  body(input: Input, max: number): ParseResult {
    const { from } = input;
    const to = Math.min(input.to, from + max);
    this.llhttp.resume();
    const errno = this.llhttp.execute(from, to);
    input.from = errno === HPE_OK ? to : Math.min(this.llhttp.errorPos, to);
    let content = 0;
    for (let i = 0; i < record.bodyCount; i++) content += (record.bodyTo[i] ?? 0) - (record.bodyFrom[i] ?? 0);
    this.framing = content > 0 ? 0 : this.framing + input.from - from;
    this.bodyLen += content;
    if (this.bodyLen > this.limits.maxReqBodyLen) {
      return this.fail(HTTPD_413_CONTENT_TOO_LARGE, `body longer than ${this.limits.maxReqBodyLen} bytes`);
    }
    if (this.framing > this.limits.maxReqHdrLen) {
      return this.fail(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE, 'chunk extensions or trailers too long');
    }
    if (errno === HPE_PAUSED && record.messageComplete) {
      this.bodyOpen = false;
      return PARSE_DONE;
    }
    return errno === HPE_OK ? PARSE_MORE : this.fail(HTTPD_400_BAD_REQUEST, this.llhttp.errorReason);
  }

  free(): void {
    this.partial = undefined;
    this.llhttp.free();
  }

  /** The head that `head()` has completed. */
  take(): RequestHead {
    const head = this.parsed as RequestHead;
    this.parsed = undefined;
    return head;
  }

  private execute(at: number, to: number, from: number): number {
    const errno = this.llhttp.execute(at, to);
    if (record.urlFrom >= 0) {
      if (this.urlFrom < 0) this.urlFrom = this.partialLen + record.urlFrom - from;
      this.urlTo = this.partialLen + record.urlTo - from;
    }
    return errno;
  }

  /** The LF that ends a request line without a CR, which llhttp does not accept even when lenient; -1 if there is none. */
  private findBareLf({ buf, from, to }: Input): number {
    if (this.lineEnded) return -1;
    for (let i = from; i < to; i++) {
      if (buf[i] !== LF) continue;
      const before = i > from ? buf[i - 1] : this.partial?.[this.partialLen - 1];
      // an empty line before the request is no request line
      if (before === undefined || before === LF || (before === CR && this.urlFrom < 0 && i < from + 2)) continue;
      this.lineEnded = true;
      return before === CR ? -1 : i;
    }
    return -1;
  }

  private complete(buf: Buffer, from: number, end: number): ParseResult {
    const { limits, urlFrom, urlTo } = this;
    let text: string;
    let { hosts } = record;
    if (this.partial === undefined) {
      text = buf.toString('latin1', from, end);
    } else {
      this.keep(buf, from, end);
      text = this.partial.toString('latin1', 0, this.partialLen);
    }
    const inPieces = this.partial !== undefined;
    this.partial = undefined;
    this.partialLen = this.bodyLen = this.framing = 0;
    this.urlFrom = this.urlTo = -1;
    this.lineEnded = false;
    if (urlTo - urlFrom > limits.maxUriLen) return this.uriTooLong();
    const headersFrom = text.indexOf('\n', urlTo) + 1;
    const emptyLine = text.charCodeAt(text.length - 2) === 13 ? 2 : 1;
    if (text.length - headersFrom - emptyLine > limits.maxReqHdrLen) return this.headersTooLong();
    const { major, minor, chunked } = record;
    if (major !== 1 || minor > 1) return this.fail(HTTPD_505_VERSION_NOT_SUPPORTED, `HTTP/${major}.${minor}`);
    if (inPieces || this.limits.lenientLineEndings) hosts = countHeader(text, headersFrom, 'host');
    if (minor === 1 && hosts !== 1)
      return this.fail(HTTPD_400_BAD_REQUEST, 'HTTP/1.1 needs one Host header (RFC 9112 section 3.2)');
    if (record.transferEncoding && !chunked)
      return this.fail(HTTPD_400_BAD_REQUEST, 'Transfer-Encoding does not end in chunked');
    this.parsed = {
      method: record.method,
      uri: text.slice(urlFrom, urlTo),
      raw: text,
      headers: text.slice(headersFrom),
      http10: minor === 0,
      keepAlive: record.keepAlive,
      upgrade: record.upgrade,
      contentLen: chunked ? undefined : record.contentLength,
      hasBody: this.bodyOpen,
    };
    return PARSE_DONE;
  }

  /** Is the head, of which `n` bytes have come and more will, too long already? */
  private checkLength(n: number): ParseResult {
    const { maxUriLen, maxReqHdrLen } = this.limits;
    if (this.urlFrom < 0) return n > METHOD_MAX ? this.fail(HTTPD_400_BAD_REQUEST, 'no request line') : PARSE_MORE;
    if (this.urlTo - this.urlFrom > maxUriLen) return this.uriTooLong();
    // the empty line does not count, and may have come already
    return n - this.urlTo - VERSION_LEN > maxReqHdrLen + 2 ? this.headersTooLong() : PARSE_MORE;
  }

  private keep(buf: Buffer, from: number, to: number): void {
    const need = this.partialLen + to - from;
    if (this.partial === undefined || this.partial.length < need) {
      const grown = Buffer.allocUnsafeSlow(this.partial === undefined ? need : need * 2);
      this.partial?.copy(grown, 0, 0, this.partialLen);
      this.partial = grown;
    }
    buf.copy(this.partial, this.partialLen, from, to);
    this.partialLen = need;
  }

  private failed(errno: number): ParseResult {
    const { errorReason } = this.llhttp;
    if (errno === HPE_INVALID_METHOD) {
      // llhttp stops at the first byte that no known method has there
      const token = this.partial?.toString('latin1', 0, this.partialLen).replace(/^[\r\n]+/, '') ?? '';
      return this.fail(TOKEN.test(token) ? HTTPD_501_METHOD_NOT_IMPLEMENTED : HTTPD_400_BAD_REQUEST, errorReason);
    }
    if ((errno === HPE_INVALID_VERSION && errorReason === 'Invalid HTTP version') || errno === HPE_PAUSED_H2_UPGRADE) {
      return this.fail(HTTPD_505_VERSION_NOT_SUPPORTED, errorReason);
    }
    return this.fail(HTTPD_400_BAD_REQUEST, errorReason);
  }

  private uriTooLong(): ParseResult {
    return this.fail(HTTPD_414_URI_TOO_LONG, `URI longer than ${this.limits.maxUriLen} bytes (maxUriLen)`);
  }

  private headersTooLong(): ParseResult {
    return this.fail(
      HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
      `header section longer than ${this.limits.maxReqHdrLen} bytes (maxReqHdrLen)`,
    );
  }

  private fail(code: HttpdErrCode, reason: string): ParseResult {
    this.reason = reason;
    return code;
  }
}

function countHeader(text: string, from: number, name: string): number {
  let count = 0;
  for (const [field] of eachHeader(text.slice(from))) if (field.toLowerCase() === name) count += 1;
  return count;
}
