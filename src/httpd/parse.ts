/**
 * The head of a request from its bytes: llhttp, the rules and limits around it, and the status that each failure gets.
 * Pure: bytes in, a head or a failure out, the same however the bytes are cut.
 */
import { latin1Slice } from '../latin1.js';
import type { Input } from '../sess/input.js';
import { eachHeader, findHeader, isToken, joinHeaders, valueAt } from './headers.js';
import {
  HTTPD_400_BAD_REQUEST,
  HTTPD_414_URI_TOO_LONG,
  HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
  HTTPD_501_METHOD_NOT_IMPLEMENTED,
  HTTPD_505_VERSION_NOT_SUPPORTED,
  type HttpdErrCode,
} from './http_err.js';
import { HPE_INVALID_METHOD, HPE_OK, HPE_PAUSED, HPE_PAUSED_H2_UPGRADE, Llhttp, record } from './llhttp.js';
import { HTTP_CONNECT, HTTP_HEAD } from './methods.js';
import {
  CODING_BROKEN,
  CODING_CHUNKED,
  isHost,
  readCodings,
  readConnection,
  readTarget,
  whyNoTarget,
  withHost,
} from './request_rules.js';

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
  /** Does it ask for an upgrade, by Connection and Upgrade headers, in HTTP/1.1? */
  upgrade: boolean;
  /** Length of the body; undefined if it is chunked. */
  contentLen: number | undefined;
  /** Does a Content-Length or Transfer-Encoding header announce a body? */
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

/** The same where the method is known to be HEAD: the answer has no content. */
export const NO_HEAD_OF_HEAD: RequestHead = { ...NO_HEAD, method: HTTP_HEAD };

/** What follows the URI in a request line. */
const USUAL_REST = ' HTTP/1.1\r\n';
const REST_OF_LINE = /^ HTTP\/(\d)\.(\d)\r?\n$/;
/** Blanks behind a Content-Length, which llhttp takes only if they are spaces. */
const BLANKS_BEHIND_LENGTH = /\ncontent-length:[ \t]*\d+[ \t]+$/i;
/** So many tabs it may have: each costs a look at all of the head. */
const MENDS_MAX = 8;

/** No method that llhttp knows, and no pair of empty lines before it, is longer. */
const METHOD_MAX = 64;
const HTAB = 0x09;
const LF = 0x0a;
const FF = 0x0c;
const CR = 0x0d;
const SP = 0x20;
const DIGIT_1 = 0x31;
const LETTER_H = 0x48;
/** What no target has in it: the space behind it, or a mistake, which llhttp may tell a byte late. */
const URI_ENDS = [SP, CR, LF, HTAB, FF];

export class RequestParser {
  private readonly llhttp: Llhttp;
  /** The head's bytes from earlier chunks; the URI lies at `[urlFrom, urlTo)` of the head. */
  private partial: Buffer | undefined;
  private partialLen = 0;
  private urlFrom = -1;
  private urlTo = -1;
  private used = false;
  /** Is the last byte the CR of an empty line before a request? */
  private inEmptyLine = false;
  private mends = 0;
  /** The last Host field that was found to be right: clients send the same one again and again. */
  private goodHost = '';
  /** The same of targets without an authority, for any method but CONNECT. */
  private goodUri = '';
  /** Has the request line of a head that came in pieces ended? Looked for when lenient. */
  private lineEnded = false;
  /** Of the head that is complete; -1 before. */
  private method = -1;
  /** Filled anew for each request, so that a head costs no object. */
  private readonly parsed: RequestHead = { ...NO_HEAD };
  /** Why the last failure was one. */
  reason = '';

  /** @param schemes of the targets in absolute form that are served, from `schemesOf` */
  constructor(
    private readonly limits: ParseLimits,
    private readonly schemes: readonly string[],
  ) {
    this.llhttp = new Llhttp(limits.lenientLineEndings);
  }

  /** Is it a HEAD request that has failed, as far as can be told? */
  get toHead(): boolean {
    const { partial } = this;
    return partial === undefined
      ? this.method === HTTP_HEAD
      : latin1Slice(partial, 0, this.partialLen).startsWith('HEAD ');
  }

  /** Has a part of a head arrived? */
  get inHead(): boolean {
    return this.partialLen > 0;
  }

  /** Parses the window of `input` up to the end of a head; `take()` gives it. */
  head(input: Input): ParseResult {
    this.method = -1;
    if (this.partialLen === 0 && !this.skipEmptyLines(input)) {
      return this.fail(HTTPD_400_BAD_REQUEST, 'a bare CR or LF before the request line (RFC 9112 section 2.2)');
    }
    const { from, to } = input;
    if (from === to) return this.partialLen > 0 ? this.checkPartial(false) : PARSE_MORE;
    if (this.used && this.partialLen === 0) this.llhttp.reset();
    this.used = true;
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
      input.from = this.llhttp.errorPos;
      return this.complete(input.buf, from, input.from);
    }
    if (errno === HPE_OK) {
      this.keep(input.buf, from, to);
      input.from = to;
      return this.checkPartial(false);
    }
    const stop = Math.min(to, this.llhttp.errorPos + 1);
    this.keep(input.buf, from, stop);
    input.from = stop;
    if (this.mend()) return this.head(input);
    input.from = to;
    if (errno === HPE_INVALID_METHOD) return this.failed(errno);
    const verdict = this.checkPartial(true);
    return verdict !== PARSE_MORE ? verdict : this.failed(errno);
  }

  /** RFC 9112 section 2.2: empty lines before a request are ignored. @returns false if their line endings are wrong */
  private skipEmptyLines(input: Input): boolean {
    const { buf } = input;
    for (; input.from < input.to; input.from++) {
      const code = buf[input.from];
      if (this.inEmptyLine && code !== LF) return false;
      if (code === LF && !this.inEmptyLine && !this.limits.lenientLineEndings) return false;
      if (code !== CR && code !== LF) return true;
      this.inEmptyLine = code === CR;
    }
    return true;
  }

  /**
   * llhttp has stumbled over the last byte that is kept. If it is a tab behind a Content-Length, which is no mistake
   * (RFC 9112 section 5), llhttp gets the head again with spaces instead.
   */
  private mend(): boolean {
    const { partial, partialLen } = this;
    if (partial === undefined || partial[partialLen - 1] !== HTAB || this.mends === MENDS_MAX) return false;
    const text = latin1Slice(partial, 0, partialLen);
    const [blanks] = BLANKS_BEHIND_LENGTH.exec(text) ?? [];
    if (blanks === undefined) return false;
    this.mends += 1;
    // a bare LF behind the request line was given to llhttp as CRLF
    const head = text.slice(0, -blanks.length).replace(/(?<!\r)\n/, '\r\n');
    return this.llhttp.replay(head + blanks.replaceAll('\t', ' ')) === HPE_OK;
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
    const inPieces = this.partial !== undefined;
    let text: string;
    if (this.partial === undefined) {
      text = latin1Slice(buf, from, end);
    } else {
      this.keep(buf, from, end);
      text = latin1Slice(this.partial, 0, this.partialLen);
    }
    this.method = record.method;
    this.partial = undefined;
    this.partialLen = this.mends = 0;
    this.urlFrom = this.urlTo = -1;
    this.lineEnded = false;
    if (text.indexOf(' ') !== urlFrom - 1) return this.badRequestLine();
    if (urlTo - urlFrom > limits.maxUriLen) return this.uriTooLong();
    const headersFrom = text.indexOf('\n', urlTo) + 1;
    const version =
      headersFrom - urlTo === USUAL_REST.length && isUsual(text, urlTo)
        ? undefined
        : REST_OF_LINE.exec(text.slice(urlTo, headersFrom));
    if (version === null) return this.badRequestLine();
    const emptyLine = text.charCodeAt(text.length - 2) === CR ? 2 : 1;
    if (text.length - headersFrom - emptyLine > limits.maxReqHdrLen) return this.headersTooLong();
    if (version !== undefined && version[1] !== '1') {
      return this.fail(HTTPD_505_VERSION_NOT_SUPPORTED, 'a version that is not 1.x');
    }
    const { parsed } = this;
    parsed.method = record.method;
    parsed.uri = text.slice(urlFrom, urlTo);
    parsed.raw = text;
    parsed.headers = text.slice(headersFrom);
    parsed.http10 = version?.[2] === '0';
    parsed.contentLen = record.contentLength;
    parsed.hasBody = record.contentLength !== 0;
    // what llhttp has recorded of the fields covers the last piece only
    const whole = !inPieces && !limits.lenientLineEndings;
    const hosts = whole ? record.hosts : countHeader(parsed.headers, 'host');
    if (!this.checkHost(hosts, whole ? record.hostFrom - from : -1)) {
      return this.fail(HTTPD_400_BAD_REQUEST, 'not one valid Host header (RFC 9112 section 3.2)');
    }
    const uriIsGood = parsed.uri === this.goodUri && parsed.method !== HTTP_CONNECT;
    if (!uriIsGood && !this.checkTarget(parsed.uri)) {
      return this.fail(HTTPD_400_BAD_REQUEST, whyNoTarget(parsed.uri, this.schemes));
    }
    this.readOptions(whole, record.connectionFrom - from);
    return record.codings || !whole ? this.checkCodings() : PARSE_DONE;
  }

  /** @param at where in the head its value lies, if it is known */
  private checkHost(hosts: number, at: number): boolean {
    const { raw, headers, http10 } = this.parsed;
    if (hosts === 0) return http10;
    if (hosts > 1) return false;
    const { goodHost } = this;
    if (at > 0 && goodHost !== '' && raw.startsWith(goodHost, at) && raw.charCodeAt(at + goodHost.length) === CR) {
      return true;
    }
    const host = findHeader(headers, 'host') ?? '';
    if (!isHost(host)) return false;
    this.goodHost = host;
    return true;
  }

  private checkTarget(uri: string): boolean {
    const { parsed } = this;
    const target = readTarget(parsed.method, uri, this.schemes);
    if (target === undefined) return false;
    if (target.authority !== undefined) parsed.headers = withHost(parsed.headers, target.authority);
    else if (uri !== '*') this.goodUri = uri;
    return true;
  }

  /**
   * What the Connection fields say.
   *
   * @param at where in the head the value lies if there is one field, and the head came whole
   */
  private readOptions(whole: boolean, at: number): void {
    const { parsed } = this;
    const { raw, headers, http10 } = parsed;
    parsed.keepAlive = !http10;
    parsed.upgrade = false;
    if (whole && record.connections === 0) return;
    const alone = whole && record.connections === 1 && at > 0;
    const { close, keepAlive, upgrade } = readConnection(
      alone ? valueAt(raw, at, raw.indexOf('\r', at)) : joinHeaders(headers, 'connection'),
    );
    parsed.keepAlive = !close && (!http10 || keepAlive);
    // an Upgrade field of HTTP/1.0 is ignored (RFC 9110 section 7.8)
    parsed.upgrade = upgrade && !http10 && findHeader(headers, 'upgrade') !== undefined;
  }

  private checkCodings(): ParseResult {
    const { parsed } = this;
    const { headers, http10 } = parsed;
    if (findHeader(headers, 'transfer-encoding') === undefined) return PARSE_DONE;
    const codings = readCodings(headers);
    if (codings === CODING_BROKEN || http10) {
      return this.fail(HTTPD_400_BAD_REQUEST, 'Transfer-Encoding that is not chunked at its end, or with HTTP/1.0');
    }
    if (codings !== CODING_CHUNKED) return this.fail(HTTPD_501_METHOD_NOT_IMPLEMENTED, 'an unknown transfer coding');
    parsed.contentLen = undefined;
    parsed.hasBody = true;
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
    const uriEnd = Math.min(...URI_ENDS.map(code => find(code, uriFrom)));
    if (uriEnd - uriFrom > limits.maxUriLen) return this.uriTooLong();
    const ended = uriEnd < end;
    if (ended && (uriEnd === uriFrom || partial[uriEnd] !== SP)) return this.badRequestLine();
    if (ended && uriEnd + 1 < n && partial[uriEnd + 1] !== LETTER_H) return this.badRequestLine();
    // the empty line does not count, and may have come already
    return n - uriEnd - USUAL_REST.length > limits.maxReqHdrLen + 2 ? this.headersTooLong() : PARSE_MORE;
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
    if (errno === HPE_PAUSED_H2_UPGRADE) return this.fail(HTTPD_505_VERSION_NOT_SUPPORTED, errorReason);
    const target = text.slice(blank + 1);
    if (blank <= 0 || /[ \r\n]/.test(target)) return this.fail(HTTPD_400_BAD_REQUEST, errorReason);
    // in pieces a tab has ended the target already
    return /[\t\f]/.test(target)
      ? this.badRequestLine()
      : this.fail(HTTPD_400_BAD_REQUEST, whyNoTarget(target, this.schemes));
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

/** Does ` HTTP/1.1` stand there? llhttp has seen that it is of this form. */
function isUsual(text: string, at: number): boolean {
  return (
    text.charCodeAt(at + 1) === LETTER_H && text.charCodeAt(at + 6) === DIGIT_1 && text.charCodeAt(at + 8) === DIGIT_1
  );
}

function countHeader(headers: string, name: string): number {
  let count = 0;
  for (const [field] of eachHeader(headers)) if (field.toLowerCase() === name) count += 1;
  return count;
}
