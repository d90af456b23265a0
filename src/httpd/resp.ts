/**
 * The response to one request: its head, its framing, and what may be sent when.
 */
import { ESP_ERR_HTTPD_RESP_HDR, ESP_ERR_INVALID_STATE, EspError, invalidArg } from '../err.js';
import { latin1Write } from '../latin1.js';
import type { Sess } from '../sess/sess.js';
import { isFieldValue, isToken, listHas } from './headers.js';

/** What a response needs from its connection. */
export interface ResponseHost {
  readonly sess: Sess;
  readonly maxRespHeaders: number;
  /** A Date header for now, with its line ending. */
  dateLine(): string;
  /** Will the connection be used again after this response? Asked when the head is sent. */
  keepAlive(): boolean;
  onHeadersSent(): void;
  onSentData(len: number): void;
}

/** Body of a response. */
export type Body = string | Uint8Array;

/** Nothing sent yet. */
const NONE = 0;
/** The head is out; chunks, or bytes up to the end of the connection, follow. */
const STREAMING = 1;
/** The application writes the bytes of the response itself. */
const RAW = 2;
const COMPLETE = 3;

const DEFAULT_STATUS = '200 OK';
const DEFAULT_TYPE = 'text/html';
const STATUS = /^[2-9]\d\d(?: .*)?$/;

export class Response {
  private phase = NONE;
  private status = DEFAULT_STATUS;
  private type = DEFAULT_TYPE;
  private headers = '';
  private headerCount = 0;
  private hasDate = false;
  private offersUpgrade = false;
  private isHead = false;
  private http10 = false;
  /** Must the connection be closed behind this response? */
  closing = false;

  constructor(private readonly host: ResponseHost) {}

  /** Has anything been sent? */
  get begun(): boolean {
    return this.phase !== NONE;
  }

  /** Is there nothing more to send? What the application framed itself counts as complete. */
  get complete(): boolean {
    return this.phase >= RAW;
  }

  /** Gets ready for the response to another request. */
  reset(isHead: boolean, http10: boolean): void {
    this.discard();
    this.phase = NONE;
    this.closing = false;
    this.isHead = isHead;
    this.http10 = http10;
  }

  /** Forgets the status, type and headers that a handler has set. */
  discard(): void {
    this.status = DEFAULT_STATUS;
    this.type = DEFAULT_TYPE;
    this.headers = '';
    this.headerCount = 0;
    this.hasDate = this.offersUpgrade = false;
  }

  setStatus(status: string): void {
    if (!isFieldValue(status) || !STATUS.test(status)) {
      invalidArg(
        "the status must be three digits from 200 and a reason, such as '404 Not Found', without CR, LF or NUL",
      );
    }
    this.mustNotHaveBegun('set the status');
    // the space is there even without a reason (RFC 9112 section 4)
    this.status = status.length === 3 ? `${status} ` : status;
  }

  setType(type: string): void {
    if (!isFieldValue(type)) invalidArg('the type must be a string without CR, LF or NUL');
    this.mustNotHaveBegun('set the type');
    this.type = type;
  }

  setHeader(name: string, value: string): void {
    if (!isToken(name)) invalidArg('the name of a header must be a token (RFC 9110 section 5.6.2)');
    if (!isFieldValue(value)) invalidArg(`the value of header '${name}' must be a string without CR, LF or NUL`);
    this.mustNotHaveBegun('add a header');
    switch (name.toLowerCase()) {
      case 'content-type':
        this.type = value;
        return;
      case 'content-length':
      case 'transfer-encoding':
        return invalidArg(`'${name}' is set by the library: use respSend or respSendChunk`);
      case 'connection':
        // the library says it; what it can't know is whether to close, and whether an Upgrade header is among ours
        if (listHas(value, 'close')) this.closing = true;
        if (listHas(value, 'upgrade')) this.offersUpgrade = true;
        return;
      case 'date':
        this.hasDate = true;
    }
    if (this.headerCount >= this.host.maxRespHeaders) {
      throw new EspError(
        ESP_ERR_HTTPD_RESP_HDR,
        `a response may have ${this.host.maxRespHeaders} headers (config.maxRespHeaders); '${name}' is one too many`,
      );
    }
    this.headerCount += 1;
    this.headers += `${name}: ${value}\r\n`;
  }

  /** Sends the whole response. */
  send(body: Body): Promise<void> {
    this.mustNotHaveBegun('answer');
    const { sess } = this.host;
    sess.admit(false);
    const len = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const head = this.head(len);
    const silent = this.isHead || !hasContent(this.status);
    const { tx } = sess;
    const at = tx.reserve(head.length + len);
    let end: number;
    if (typeof body === 'string' && len === body.length && !silent) {
      // all of it is ASCII: one write
      end = at + latin1Write(tx.buf, head + body, at);
    } else {
      end = at + latin1Write(tx.buf, head, at);
      if (!silent) end += put(tx.buf, body, end);
    }
    tx.commit(end - at);
    this.phase = COMPLETE;
    this.host.onHeadersSent();
    this.host.onSentData(len);
    return sess.sent();
  }

  /** Sends a piece of the response; an empty one ends it. */
  sendChunk(piece: Body): Promise<void> {
    if (this.phase !== STREAMING) this.mustNotHaveBegun('send a chunk');
    const { sess } = this.host;
    sess.admit(false);
    const { tx } = sess;
    const begun = this.phase === STREAMING;
    const head = begun ? '' : this.head(undefined);
    const len = typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
    const silent = this.isHead || !hasContent(this.status);
    const size = silent || this.http10 ? '' : `${len.toString(16)}\r\n`;
    const at = tx.reserve(head.length + size.length + len + 2);
    let end = at + latin1Write(tx.buf, head + size, at);
    if (!silent) end += put(tx.buf, piece, end);
    if (size !== '') end += latin1Write(tx.buf, '\r\n', end);
    tx.commit(end - at);
    this.phase = len === 0 ? COMPLETE : STREAMING;
    if (!begun) this.host.onHeadersSent();
    this.host.onSentData(len);
    return sess.sent();
  }

  /** Sends bytes as they are. */
  sendRaw(bytes: Uint8Array): Promise<void> {
    if (this.phase === COMPLETE) this.mustNotHaveBegun('send');
    const { sess } = this.host;
    sess.admit(false);
    sess.tx.write(bytes);
    if (this.phase === NONE) this.phase = RAW;
    this.host.onSentData(bytes.length);
    return sess.sent();
  }

  /** Sends the 101 that ends HTTP on this connection, `lines` being its headers. */
  switchProtocols(lines: string): void {
    const text = `HTTP/1.1 101 Switching Protocols\r\n${lines}${this.headers}\r\n`;
    const { tx } = this.host.sess;
    const at = tx.reserve(text.length);
    tx.commit(latin1Write(tx.buf, text, at));
    this.phase = COMPLETE;
    this.host.onHeadersSent();
  }

  /** Sends the interim response 100 (RFC 9110 section 15.2.1). */
  sendContinue(): void {
    this.host.sess.tx.write(CONTINUE);
  }

  private head(contentLen: number | undefined): string {
    const { status } = this;
    const toEnd = contentLen === undefined && this.http10;
    if (toEnd || !this.host.keepAlive()) this.closing = true;
    let text: string;
    if (!hasContent(status)) text = `HTTP/1.1 ${status}\r\n`;
    else if (contentLen !== undefined)
      text = `HTTP/1.1 ${status}\r\nContent-Type: ${this.type}\r\nContent-Length: ${contentLen}\r\n`;
    else text = `HTTP/1.1 ${status}\r\nContent-Type: ${this.type}\r\n${toEnd ? '' : 'Transfer-Encoding: chunked\r\n'}`;
    text += this.headers;
    if (!this.hasDate) text += this.host.dateLine();
    if (this.offersUpgrade) return `${text}Connection: ${this.closing ? 'Upgrade, close' : 'Upgrade'}\r\n\r\n`;
    if (this.closing) return `${text}Connection: close\r\n\r\n`;
    return this.http10 ? `${text}Connection: keep-alive\r\n\r\n` : `${text}\r\n`;
  }

  private mustNotHaveBegun(what: string): void {
    if (this.phase !== NONE) {
      throw new EspError(ESP_ERR_INVALID_STATE, `can't ${what}: the request has been answered already`);
    }
  }
}

const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

/** A 204 and a 304 have no content (RFC 9110 section 6.4.1). */
function hasContent(status: string): boolean {
  return !status.startsWith('204') && !status.startsWith('304');
}

function put(buf: Buffer, body: Body, at: number): number {
  if (typeof body === 'string') return buf.write(body, at);
  buf.set(body, at);
  return body.length;
}
