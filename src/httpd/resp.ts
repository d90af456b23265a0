/**
 * The response to one request: its head, its framing, and what may be sent when.
 */
import { ESP_ERR_HTTPD_RESP_HDR, ESP_ERR_INVALID_SIZE, ESP_ERR_INVALID_STATE, EspError, invalidArg } from '../err.js';
import { latin1Write } from '../latin1.js';
import type { Sess } from '../sess/sess.js';
import { RESERVE_MAX, type TxQueue } from '../sess/tx.js';
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
  /** What the application writes of the response itself. */
  readonly later: { readonly begun: boolean; send(bytes: Buffer, by: 'request'): number };
}

/** Body of a response. */
export type Body = string | Uint8Array;

/** Nothing sent yet. */
const NONE = 0;
/** The head is out; chunks, or bytes up to the end of the connection, follow. */
const STREAMING = 1;
/** The head is out; as many bytes as it has announced follow. */
const ANNOUNCED = 2;
/** The application writes the bytes of the response itself, and has not written all. */
const OUTSIDE = 3;
const COMPLETE = 4;

const DEFAULT_STATUS = '200 OK';
const DEFAULT_TYPE = 'text/html';
const STATUS = /^[2-9]\d\d(?: .*)?$/;

/** Headers that are on whatever answers the request, be it an error. */
interface KeptHeaders {
  readonly headers: string;
  readonly headerCount: number;
  readonly hasDate: boolean;
}

const NO_HEADERS: KeptHeaders = { headers: '', headerCount: 0, hasDate: false };

/** A head, and what it was made of. */
interface PlainHead {
  readonly bytes: Buffer;
  readonly contentLen: number;
  readonly status: string;
  readonly type: string;
  readonly date: string;
}

let lastPlain: PlainHead = { bytes: Buffer.alloc(0), contentLen: -1, status: '', type: '', date: '' };
/** Up to this length a loop writes a string faster than a call. */
const LOOP_MAX = 24;

export class Response {
  private phase = NONE;
  private status = DEFAULT_STATUS;
  /** Has a response with this status content? */
  private hasContent = true;
  private type = DEFAULT_TYPE;
  private headers = '';
  private headerCount = 0;
  private hasDate = false;
  /** What stays when a handler's headers are discarded. */
  private kept: KeptHeaders | undefined;
  /** Has `sendHead` announced a body, and what of it has not been sent? */
  private announced = false;
  private left = 0;
  /** Headers, in lower case, that the library adds to the 101 that this may become. */
  handshake: ReadonlySet<string> | undefined;
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

  /** The first digit of the status. */
  get statusClass(): number {
    return this.status.charCodeAt(0) - 0x30;
  }

  /** Is there nothing more to send? */
  get complete(): boolean {
    return this.phase === COMPLETE;
  }

  /** Gets ready for the response to another request. */
  reset(isHead: boolean, http10: boolean): void {
    this.kept = undefined;
    this.discard();
    this.phase = NONE;
    this.announced = false;
    this.left = 0;
    this.closing = false;
    this.isHead = isHead;
    this.http10 = http10;
  }

  /** Forgets the status, type and headers that a handler has set, but for those that were kept. */
  discard(): void {
    const { headers, headerCount, hasDate } = this.kept ?? NO_HEADERS;
    this.status = DEFAULT_STATUS;
    this.hasContent = true;
    this.type = DEFAULT_TYPE;
    this.headers = headers;
    this.headerCount = headerCount;
    this.hasDate = hasDate;
    this.offersUpgrade = false;
    this.handshake = undefined;
  }

  /** The headers set so far stay on whatever answers the request; status and type do not. */
  keepHeaders(): void {
    const { headers, headerCount, hasDate } = this;
    if (headers !== '') this.kept = { headers, headerCount, hasDate };
    this.discard();
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
    this.hasContent = hasContent(status);
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
    const known = name.toLowerCase();
    if (this.handshake?.has(known)) invalidArg(`'${name}' of a WebSocket's handshake is set by the library`);
    switch (known) {
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

  /** Has a header of this name been set, other than its type, length or coding? @param name in lower case */
  hasHeader(name: string): boolean {
    return `\r\n${this.headers}`.toLowerCase().includes(`\r\n${name}:`);
  }

  /** Adds a header of the library's own, which `maxRespHeaders` does not count. */
  addHeader(name: string, value: string): void {
    this.mustNotHaveBegun('add a header');
    this.headers += `${name}: ${value}\r\n`;
  }

  /** Sends the whole response. */
  send(body: Body): Promise<void> {
    this.mustNotHaveBegun('answer');
    const { sess } = this.host;
    sess.admit(false);
    const len = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    if (!this.host.keepAlive()) this.closing = true;
    const head = this.isPlain ? this.plainHead(len) : this.head(len);
    if (this.silent) writeParts(sess.tx, head, '', 0);
    else writeParts(sess.tx, head, body, len);
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
    const begun = this.phase === STREAMING;
    if (!begun && (this.http10 || !this.host.keepAlive())) this.closing = true;
    const head = begun ? '' : this.head(undefined);
    const len = typeof piece === 'string' ? Buffer.byteLength(piece) : piece.length;
    this.phase = len === 0 ? COMPLETE : STREAMING;
    if (this.silent) writeParts(sess.tx, head, '', 0);
    else if (this.http10) writeParts(sess.tx, head, piece, len);
    else writeParts(sess.tx, `${head}${len.toString(16)}\r\n`, piece, len, '\r\n');
    if (!begun) this.host.onHeadersSent();
    this.host.onSentData(len);
    return sess.sent();
  }

  /** Sends the head of a response whose body, `contentLen` bytes, is given to `sendPart`. */
  sendHead(contentLen: number): void {
    this.mustNotHaveBegun('answer');
    const { sess } = this.host;
    sess.admit(false);
    if (!this.host.keepAlive()) this.closing = true;
    writeParts(sess.tx, this.isPlain ? this.plainHead(contentLen) : this.head(contentLen), '', 0);
    this.left = contentLen;
    this.announced = true;
    this.phase = this.silent || contentLen === 0 ? COMPLETE : ANNOUNCED;
    this.host.onHeadersSent();
  }

  /** Sends a piece of the body that `sendHead` has announced. */
  sendPart(bytes: Uint8Array): Promise<void> {
    const { sess } = this.host;
    if (!this.announced) {
      throw new EspError(ESP_ERR_INVALID_STATE, "can't send a part: no respSendHead has announced one");
    }
    if (bytes.length > this.left) {
      throw new EspError(
        ESP_ERR_INVALID_SIZE,
        `${bytes.length} bytes are too many: ${this.left} are left of the length that respSendHead has announced`,
      );
    }
    sess.admit(false);
    this.left -= bytes.length;
    if (this.phase === ANNOUNCED) {
      sess.tx.write(bytes);
      if (this.left === 0) this.phase = COMPLETE;
      this.host.onSentData(bytes.length);
    }
    return sess.sent();
  }

  /** Sends bytes as they are. */
  sendRaw(bytes: Buffer): Promise<void> {
    const { host } = this;
    // raw bytes inside a body that the library frames would break its framing
    if (!host.later.begun) this.mustNotHaveBegun('send');
    host.sess.admit(false);
    host.onSentData(host.later.send(bytes, 'request'));
    return host.sess.sent();
  }

  /** The application has written the response itself, or a part of it. */
  writtenOutside(complete: boolean): void {
    this.phase = complete ? COMPLETE : OUTSIDE;
  }

  /** Sends the 101 that ends HTTP on this connection, `lines` being its headers. */
  switchProtocols(lines: string): void {
    const text = `HTTP/1.1 101 Switching Protocols\r\n${lines}${this.headers}\r\n`;
    writeParts(this.host.sess.tx, text, '', 0);
    this.phase = COMPLETE;
    this.status = '101';
    this.host.onHeadersSent();
  }

  /** Sends the interim response 100 (RFC 9110 section 15.2.1). */
  sendContinue(): void {
    this.host.sess.tx.write(CONTINUE);
  }

  /** Asked when it is known whether the connection is closed behind the response. */
  private head(contentLen: number | undefined): string {
    let text = `${this.firstLines(contentLen)}${this.headers}`;
    if (!this.hasDate) text += this.host.dateLine();
    if (this.offersUpgrade) return `${text}Connection: ${this.closing ? 'Upgrade, close' : 'Upgrade'}\r\n\r\n`;
    if (this.closing) return `${text}Connection: close\r\n\r\n`;
    return this.http10 ? `${text}Connection: keep-alive\r\n\r\n` : `${text}\r\n`;
  }

  /** Does the response have no body, whatever the handler gives? */
  get silent(): boolean {
    return this.isHead || !this.hasContent;
  }

  /** Is there nothing in the head but what every response has? */
  private get isPlain(): boolean {
    return this.headers === '' && !this.closing && !this.http10 && !this.offersUpgrade;
  }

  /** The head of a response that is plain: mostly the same as the last one. */
  private plainHead(contentLen: number): Buffer {
    const { status, type } = this;
    const date = this.host.dateLine();
    const last = lastPlain;
    if (contentLen === last.contentLen && status === last.status && type === last.type && date === last.date)
      return last.bytes;
    const bytes = Buffer.from(`${this.firstLines(contentLen)}${date}\r\n`, 'latin1');
    lastPlain = { bytes, contentLen, status, type, date };
    return bytes;
  }

  private firstLines(contentLen: number | undefined): string {
    const { status, type } = this;
    const line = `HTTP/1.1 ${status}\r\n`;
    if (!this.hasContent) return status.startsWith('205') ? `${line}Content-Length: 0\r\n` : line;
    if (contentLen !== undefined) return `${line}Content-Type: ${type}\r\nContent-Length: ${contentLen}\r\n`;
    return `${line}Content-Type: ${type}\r\n${this.http10 ? '' : 'Transfer-Encoding: chunked\r\n'}`;
  }

  private mustNotHaveBegun(what: string): void {
    if (this.phase !== NONE) {
      throw new EspError(ESP_ERR_INVALID_STATE, `can't ${what}: the request has been answered already`);
    }
  }
}

const CONTINUE = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

/** A 204, a 205 and a 304 have no content (RFC 9110 sections 6.4.1 and 15.3.6). */
function hasContent(status: string): boolean {
  return !status.startsWith('204') && !status.startsWith('205') && !status.startsWith('304');
}

/** Queues a head, which is bytes or Latin-1 text, a body of `len` bytes, and Latin-1 text behind it. */
function writeParts(tx: TxQueue, head: string | Buffer, body: Body, len: number, tail = ''): void {
  const size = head.length + len + tail.length;
  if (size > RESERVE_MAX) {
    tx.write(typeof head === 'string' ? Buffer.from(head, 'latin1') : head);
    tx.write(typeof body === 'string' ? Buffer.from(body) : body);
    tx.write(Buffer.from(tail, 'latin1'));
    return;
  }
  const at = tx.reserve(size);
  const { buf } = tx;
  if (typeof head === 'string') latin1Write(buf, head, at);
  else buf.set(head, at);
  writeBody(buf, body, len, at + head.length);
  if (tail !== '') latin1Write(buf, tail, at + head.length + len);
  tx.commit(size);
}

function writeBody(buf: Buffer, body: Body, len: number, at: number): void {
  if (typeof body !== 'string') buf.set(body, at);
  else if (len !== body.length) buf.write(body, at);
  else if (len > LOOP_MAX) latin1Write(buf, body, at);
  else for (let i = 0; i < len; i++) buf[at + i] = body.charCodeAt(i);
}
