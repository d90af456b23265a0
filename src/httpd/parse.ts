/**
 * A request from its bytes: llhttp, the limits around it, and the status that each failure gets.
 * Pure: bytes in, a head or a failure out, the same however the bytes are cut.
 */
import { latin1Slice } from '../latin1.js';
import type { Input } from '../sess/input.js';
import { eachHeader, isToken } from './headers.js';
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

/** What follows the URI in a request line, then come the minor version and a line ending. */
const VERSION = ' HTTP/1.';
const VERSION_LEN = VERSION.length + 3;
const USUAL_REST = ' HTTP/1.1\r\n';
const REST_OF_LINE = /^ HTTP\/\d\.\d\r?\n$/;

/** No method that llhttp knows, and no pair of empty lines before it, is longer. */
const METHOD_MAX = 64;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;

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
  /** Filled anew for each request, so that a head costs no object. */
  private readonly parsed: RequestHead = { ...NO_HEAD };
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
    if (this.partialLen === 0) skipEmptyLines(input);
    const { from, to } = input;
    if (from === to) return PARSE_MORE;
    if (this.used && this.partialLen === 0) this.llhttp.resume();
    let errno = HPE_OK;
    let at = from;
    if (this.limits.lenientLineEndings) {
      const bareLf = this.findBareLf(input);
      if (bareLf >= 0) {
        errno = this.execute(from, bareLf, from);
        if (errno === HPE_OK && this.llhttp.executeLineEnd() !== HPE_OK) {
          this.keep(input.buf, from, bareLf + 1);
          const verdict = this.checkPartial(true);
          return verdict === PARSE_MORE ? this.fail(HTTPD_400_BAD_REQUEST, this.llhttp.errorReason) : verdict;
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
    this.keep(input.buf, from, errno === HPE_OK ? to : Math.min(to, this.llhttp.errorPos + 1));
    input.from = to;
    if (errno === HPE_INVALID_METHOD) return this.failed(errno);
    const verdict = this.checkPartial(errno !== HPE_OK);
    return errno === HPE_OK || verdict !== PARSE_MORE ? verdict : this.failed(errno);
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
    const tooLong = this.countBody(from, input.from);
    if (tooLong !== PARSE_MORE) return tooLong;
    if (errno === HPE_PAUSED && record.messageComplete) {
      this.bodyOpen = false;
      return PARSE_DONE;
    }
    return errno === HPE_OK ? PARSE_MORE : this.fail(HTTPD_400_BAD_REQUEST, this.llhttp.errorReason);
  }

  /** Adds up content and framing of `[from, to)`, piece by piece, so that the verdict does not depend on the cut. */
  private countBody(from: number, to: number): ParseResult {
    const { maxReqBodyLen, maxReqHdrLen } = this.limits;
    let end = from;
    for (let i = 0; i <= record.bodyCount; i++) {
      const last = i === record.bodyCount;
      const pieceFrom = last ? to : (record.bodyFrom[i] as number);
      this.framing += pieceFrom - end;
      if (this.framing > maxReqHdrLen) {
        return this.fail(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE, 'chunk extensions or trailers too long (maxReqHdrLen)');
      }
      if (last) break;
      end = record.bodyTo[i] as number;
      this.framing = 0;
      this.bodyLen += end - pieceFrom;
      if (this.bodyLen > maxReqBodyLen) {
        return this.fail(HTTPD_413_CONTENT_TOO_LARGE, `body longer than ${maxReqBodyLen} bytes (maxReqBodyLen)`);
      }
    }
    return PARSE_MORE;
  }

  free(): void {
    this.partial = undefined;
    this.llhttp.free();
  }

  /** The head that `head()` has completed; valid until it begins the next one. */
  take(): RequestHead {
    return this.parsed;
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
      text = latin1Slice(buf, from, end);
    } else {
      this.keep(buf, from, end);
      text = latin1Slice(this.partial, 0, this.partialLen);
    }
    const inPieces = this.partial !== undefined;
    this.partial = undefined;
    this.partialLen = this.bodyLen = this.framing = 0;
    this.urlFrom = this.urlTo = -1;
    this.lineEnded = false;
    if (text.indexOf(' ') !== urlFrom - 1) return this.badRequestLine();
    if (urlTo - urlFrom > limits.maxUriLen) return this.uriTooLong();
    const { minor, chunked, transferEncoding } = record;
    const headersFrom = text.indexOf('\n', urlTo) + 1;
    const usual = text.startsWith(USUAL_REST, urlTo);
    if (!usual && !REST_OF_LINE.test(text.slice(urlTo, headersFrom))) return this.badRequestLine();
    const emptyLine = text.charCodeAt(text.length - 2) === CR ? 2 : 1;
    if (text.length - headersFrom - emptyLine > limits.maxReqHdrLen) return this.headersTooLong();
    if (!usual && !text.startsWith(VERSION, urlTo)) {
      return this.fail(HTTPD_505_VERSION_NOT_SUPPORTED, 'a version that is not 1.x');
    }
    if (minor > 1) return this.fail(HTTPD_505_VERSION_NOT_SUPPORTED, `HTTP/1.${minor}`);
    if (inPieces || this.limits.lenientLineEndings) hosts = countHeader(text, headersFrom, 'host');
    if (minor === 1 && hosts !== 1) {
      return this.fail(HTTPD_400_BAD_REQUEST, 'HTTP/1.1 needs one Host header (RFC 9112 section 3.2)');
    }
    // RFC 9112 sections 6.1 and 6.3: where the body ends would be a guess, and guesses differ
    if (transferEncoding && (!chunked || minor === 0)) {
      return this.fail(HTTPD_400_BAD_REQUEST, 'Transfer-Encoding with HTTP/1.0, or not ending in chunked');
    }
    const { parsed } = this;
    parsed.method = record.method;
    parsed.uri = text.slice(urlFrom, urlTo);
    parsed.raw = text;
    parsed.headers = text.slice(headersFrom);
    parsed.http10 = minor === 0;
    parsed.keepAlive = record.keepAlive;
    parsed.upgrade = record.upgrade;
    parsed.contentLen = chunked ? undefined : record.contentLength;
    parsed.hasBody = this.bodyOpen;
    return PARSE_DONE;
  }

  /**
   * Can what has come of the head, and is kept, still become a request within the limits?
   *
   * @param failed is the last byte one that llhttp has stumbled over?
   */
  private checkPartial(failed: boolean): ParseResult {
    const { partialLen: n, limits } = this;
    const partial = this.partial as Buffer;
    const end = failed ? n - 1 : n;
    const find = (code: number, from: number): number => {
      const at = partial.indexOf(code, from);
      return at >= 0 && at < end ? at : end;
    };
    const uriFrom = find(SP, 0) + 1;
    if (uriFrom > Math.min(end, METHOD_MAX)) {
      return n > METHOD_MAX ? this.fail(HTTPD_400_BAD_REQUEST, 'no request line') : PARSE_MORE;
    }
    const uriEnd = Math.min(find(SP, uriFrom), find(CR, uriFrom), find(LF, uriFrom));
    if (uriEnd - uriFrom > limits.maxUriLen) return this.uriTooLong();
    const ended = uriEnd < end;
    if (ended && (uriEnd === uriFrom || partial[uriEnd] !== SP)) return this.badRequestLine();
    if (ended && uriEnd + 1 < n && partial[uriEnd + 1] !== VERSION.charCodeAt(1)) return this.badRequestLine();
    // the empty line does not count, and may have come already
    return n - uriEnd - VERSION_LEN > limits.maxReqHdrLen + 2 ? this.headersTooLong() : PARSE_MORE;
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
    // up to the byte that llhttp stumbled over
    const text = this.partial?.toString('latin1', 0, this.partialLen) ?? '';
    const blank = text.indexOf(' ');
    if (errno === HPE_INVALID_METHOD || errorReason.startsWith('Invalid method')) {
      const known = isToken(blank < 0 ? text : text.slice(0, blank));
      return this.fail(known ? HTTPD_501_METHOD_NOT_IMPLEMENTED : HTTPD_400_BAD_REQUEST, errorReason);
    }
    if ((errno === HPE_INVALID_VERSION && errorReason === 'Invalid HTTP version') || errno === HPE_PAUSED_H2_UPGRADE) {
      return this.fail(HTTPD_505_VERSION_NOT_SUPPORTED, errorReason);
    }
    return this.fail(HTTPD_400_BAD_REQUEST, errorReason);
  }

  private badRequestLine(): ParseResult {
    return this.fail(
      HTTPD_400_BAD_REQUEST,
      'the request line is not a method, a URI and HTTP/1.x (RFC 9112 section 3)',
    );
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

/** RFC 9112 section 2.2: empty lines before a request are ignored. */
function skipEmptyLines(input: Input): void {
  const { buf } = input;
  while (input.from < input.to && (buf[input.from] === CR || buf[input.from] === LF)) input.from += 1;
}
