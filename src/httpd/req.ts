/**
 * A request as its handler sees it, after `httpd_req_t` and the `httpd_req_…`, `httpd_resp_…` and `httpd_ws_…` functions
 * that take one.
 */
import {
  clientGone,
  ESP_ERR_HTTPD_INVALID_REQ,
  ESP_ERR_INVALID_ARG,
  ESP_ERR_INVALID_STATE,
  ESP_ERR_NOT_FOUND,
  EspError,
  invalidArg,
} from '../err.js';
import { sendFile } from '../files/send_file.js';
import type { SendFileOptions } from '../files/send_options.js';
import type { HttpdWsFrame } from '../httpd_ws/frame_type.js';
import type { HttpdListener, TlsInfo } from '../port/port.js';
import type { FreeCtxFn } from '../sess/protocol.js';
import { harmless, rejected } from '../thenable.js';
import { type CookieOptions, setCookie } from './cookie.js';
import { EventStream, type EventStreamOptions } from './event_stream.js';
import { escapeHtml } from './html.js';
import {
  errorText,
  HTTPD_404_NOT_FOUND,
  HTTPD_408_REQ_TIMEOUT,
  HTTPD_500_INTERNAL_SERVER_ERROR,
  type HttpdErrCode,
  isErrCode,
  withStatus,
} from './http_err.js';
import { pieces, readJson, readText } from './req_body.js';
import { ReqHead } from './req_head.js';
import type { HandlerResult, ReqInit, ReqOwner, WsOps } from './req_owner.js';
import type { Body } from './resp.js';
import type { HttpdServer } from './server.js';

export class HttpdReq extends ReqHead {
  /** `userCtx` of the URI handler. */
  userCtx: unknown;
  /** The session's context. A handler may set it: it stays with the session for its later requests. */
  sessCtx: unknown;
  /** Frees `sessCtx` when it is replaced or the session ends. */
  freeCtx: FreeCtxFn | undefined;
  /** If set, a context that a handler replaces is not freed. */
  ignoreSessCtxChanges = false;

  private owner: ReqOwner | undefined;
  private ws: WsOps | undefined;
  private original: HttpdReq | undefined;

  /** Requests are made by the server. */
  constructor(handle: HttpdServer, fd: number, init: ReqInit, owner: ReqOwner | undefined) {
    super(handle, fd, init);
    this.owner = owner;
  }

  /**
   * Which of `handle.listeners` the request has come by. Not of ESP-IDF.
   *
   * @throws EspError ESP_ERR_NOT_FOUND if the session has ended
   */
  get listener(): HttpdListener {
    return this.handle.sessGetListener(this.fd);
  }

  /** Has the request come over TLS? Fails as `listener` does. */
  get encrypted(): boolean {
    return this.listener.encrypted;
  }

  /** What TLS has agreed on with the client, its certificate included; undefined without TLS. Fails as `listener` does. */
  get tls(): TlsInfo | undefined {
    return this.handle.sessGetTls(this.fd);
  }

  /**
   * The session's fd (`httpd_req_to_sockfd`). A handler that has asked for it may return without an answer: the request
   * then stays open for `handlerTimeout`, until a response to it has been written with `server.socketSend`.
   */
  override toSockfd(): number {
    this.owner?.later.onFdTaken(this);
    return this.fd;
  }

  /**
   * Reads from the body (`httpd_req_recv`), from a chunked one too. Waits at most `recvWaitTimeout` for the next bytes.
   *
   * @param buf is filled from its start
   * @returns how many bytes, at most `buf.length`; 0 at the end of the body
   * @throws EspError ESP_ERR_TIMEOUT if nothing came in time (calling again is allowed), ESP_ERR_INVALID_SIZE if the body
   *   is longer than `maxReqBodyLen`, ESP_ERR_HTTPD_INVALID_REQ if its framing is broken, ESP_FAIL if the client left
   */
  recv(buf: Uint8Array): Promise<number> {
    try {
      if (!(buf instanceof Uint8Array) || buf.length === 0) invalidArg('recv needs a Uint8Array with room for a byte');
      return this.live('recv').recvBody(buf);
    } catch (error) {
      return rejected(error);
    }
  }

  /** The whole body as UTF-8 text, at most `maxReqBodyLen` bytes. Fails as `recv` does. */
  text(): Promise<string> {
    return harmless(readText(this));
  }

  /** The whole body parsed as JSON, a byte order mark in front ignored. Fails as `recv` does, and with ESP_ERR_INVALID_ARG if it is not JSON. */
  json(): Promise<unknown> {
    return harmless(readJson(this));
  }

  /** The body in pieces, each a Buffer of its own. Fails as `recv` does. */
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    return pieces(this);
  }

  /**
   * Answers with an error through its registered handler, or with the default page (`httpd_req_handle_err`).
   *
   * @returns what the handler is to return in turn
   */
  handleErr(code: HttpdErrCode): HandlerResult {
    if (!isErrCode(code)) throw notAnErrCode(code);
    return this.live('handleErr').errors.handle(this, code);
  }

  /**
   * Lets the handler return without an answer (`httpd_req_async_handler_begin`): the copy answers later, and must be
   * ended with `asyncHandlerComplete()`. From now on only the copy can answer, and hold the session's context.
   */
  asyncHandlerBegin(): HttpdReq {
    return this.live('asyncHandlerBegin').beginAsync(this);
  }

  /** Ends what `asyncHandlerBegin()` began (`httpd_req_async_handler_complete`). */
  asyncHandlerComplete(): void {
    this.live('asyncHandlerComplete').completeAsync(this);
  }

  /** Status line of the response, such as `'404 Not Found'`; by default `'200 OK'` (`httpd_resp_set_status`). */
  respSetStatus(status: string): void {
    this.live('respSetStatus').resp.setStatus(status);
  }

  /** Content-Type of the response; by default `'text/html'` (`httpd_resp_set_type`). */
  respSetType(type: string): void {
    this.live('respSetType').resp.setType(type);
  }

  /**
   * Adds a header to the response (`httpd_resp_set_hdr`); the same name may be added again. `Content-Type` sets the
   * type, `Connection: close` ends the connection behind the response.
   *
   * @throws EspError ESP_ERR_INVALID_ARG for a name or value that can't be sent, or that the library sets itself;
   *   ESP_ERR_HTTPD_RESP_HDR beyond `maxRespHeaders`
   */
  respSetHdr(name: string, value: string): void {
    this.live('respSetHdr').resp.setHeader(name, value);
  }

  /**
   * Sends the whole response (`httpd_resp_send`). The bytes are copied: `body` may be changed afterwards.
   *
   * @returns resolves when the bytes are handed over; waits while the reader is too slow
   * @throws EspError ESP_ERR_INVALID_STATE if the request is answered, ESP_ERR_HTTPD_INVALID_REQ if it is over,
   *   ESP_ERR_HTTPD_RESP_SEND if the session ends; all by rejection, and none ends the process if nobody awaits
   */
  respSend(body: Body = ''): Promise<void> {
    try {
      checkBody('respSend', body);
      return this.live('respSend').resp.send(body);
    } catch (error) {
      return rejected(error);
    }
  }

  /** The same as `respSend` (`httpd_resp_sendstr`). */
  respSendstr(body: Body = ''): Promise<void> {
    return this.respSend(body);
  }

  /** Sends a piece of the response, with chunked coding (`httpd_resp_send_chunk`); an empty piece, or none, ends it. */
  respSendChunk(piece: Body = ''): Promise<void> {
    try {
      checkBody('respSendChunk', piece);
      return this.live('respSendChunk').resp.sendChunk(piece);
    } catch (error) {
      return rejected(error);
    }
  }

  /** The same as `respSendChunk` (`httpd_resp_sendstr_chunk`). */
  respSendstrChunk(piece: Body = ''): Promise<void> {
    return this.respSendChunk(piece);
  }

  /**
   * Begins a response whose body has a known length and is sent piece by piece with `respSendPart`. Not of ESP-IDF.
   *
   * @param contentLen bytes of the body
   * @throws EspError ESP_ERR_INVALID_ARG, and what `respSend` rejects with
   */
  respSendHead(contentLen: number): void {
    if (!Number.isSafeInteger(contentLen) || contentLen < 0) invalidArg('respSendHead needs a number of bytes from 0');
    this.live('respSendHead').resp.sendHead(contentLen);
  }

  /**
   * Sends the next piece of the body that `respSendHead` has announced. Nothing goes out where a response has no body:
   * to a HEAD request, with status 204, 205 or 304.
   *
   * @returns resolves when the bytes are handed over; waits while the reader is too slow
   * @throws EspError ESP_ERR_INVALID_SIZE beyond the announced length, and as `respSend` does; all by rejection
   */
  respSendPart(bytes: Uint8Array): Promise<void> {
    try {
      if (!(bytes instanceof Uint8Array)) invalidArg('respSendPart takes a Uint8Array');
      return this.live('respSendPart').resp.sendPart(bytes);
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Answers with a file: type by its extension, `ETag`, conditional and range requests, variants that were compressed
   * beforehand (RFC 9110 sections 8 and 12 to 14). Not of ESP-IDF. For a folder of files see `staticUriHandler`.
   *
   * @param path of the file. It must not be made from a request without checks
   * @returns resolves when the bytes are handed over
   * @throws EspError ESP_ERR_NOT_FOUND if there is no regular file at this path (the client gets a 404 if the handler
   *   lets it through), ESP_ERR_INVALID_ARG, ESP_FAIL if it can't be read or becomes shorter meanwhile, and as `respSend`
   *   does; all by rejection
   */
  respSendFile(path: string, options?: SendFileOptions): Promise<void> {
    return harmless(this.sendFile(path, options));
  }

  private async sendFile(path: string, options: SendFileOptions | undefined): Promise<void> {
    this.live('respSendFile');
    try {
      await sendFile(this, path, options);
    } catch (error) {
      const absent = error instanceof EspError && error.code === ESP_ERR_NOT_FOUND;
      throw absent ? withStatus(error, HTTPD_404_NOT_FOUND) : error;
    }
  }

  /**
   * Adds a `Set-Cookie` header to the response (RFC 6265 section 4.1). Not of ESP-IDF.
   *
   * @param value text without blanks, commas, semicolons and the like: `encodeURIComponent` makes it so
   * @throws EspError as `respSetHdr` does, and ESP_ERR_INVALID_ARG for attributes that browsers would ignore or refuse
   */
  respSetCookie(name: string, value: string, options?: CookieOptions): void {
    this.live('respSetCookie').resp.setHeader('Set-Cookie', setCookie(name, value, options));
  }

  /**
   * Begins a stream of Server-Sent Events (WHATWG HTML section 9.2). The handler may return at once: the stream lives
   * until `end()` is called, the client goes, or the server stops.
   *
   * @throws EspError ESP_ERR_INVALID_ARG, ESP_ERR_INVALID_STATE if the request is answered
   */
  respStartEvents(options?: EventStreamOptions): EventStream {
    return new EventStream(this, this.live('respStartEvents'), options);
  }

  /** Answers with an error page (`httpd_resp_send_err`); `message` replaces its body and is sent as HTML. */
  respSendErr(code: HttpdErrCode, message?: string): Promise<void> {
    if (!isErrCode(code)) return rejected(notAnErrCode(code));
    const [status, sentence] = errorText(code);
    return this.sendErrorPage(status, sentence, message, code);
  }

  /** Answers with an error of any status (`httpd_resp_send_custom_err`). */
  respSendCustomErr(status: string, message?: string): Promise<void> {
    return this.sendErrorPage(status, '', message, undefined);
  }

  respSend404(): Promise<void> {
    return this.respSendErr(HTTPD_404_NOT_FOUND);
  }

  respSend408(): Promise<void> {
    return this.respSendErr(HTTPD_408_REQ_TIMEOUT);
  }

  respSend500(): Promise<void> {
    return this.respSendErr(HTTPD_500_INTERNAL_SERVER_ERROR);
  }

  /**
   * Sends bytes as they are (`httpd_send`): the handler writes status line and framing itself. What stands behind the end that
   * these tell is not sent, nor is content behind a response to HEAD, and the connection is closed; so it is where the
   * handler ends before its response.
   */
  send(bytes: Body): Promise<void> {
    try {
      checkBody('send', bytes);
      return this.live('send').resp.sendRaw(
        typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length),
      );
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Receives the frame that the handler was called for (`httpd_ws_recv_frame`).
   *
   * - `pkt.payload` set: the payload is copied to its start; `maxLen` is its size.
   * - `maxLen` 0: only `type`, `final`, `fragmented`, `len` and `leftLen` are set. Call again with a buffer.
   * - `pkt.payload` unset and `maxLen` above 0: a buffer is allocated.
   *
   * When the frame has been received, the next one comes with the handler's next call.
   *
   * @throws EspError ESP_ERR_INVALID_SIZE if the payload is longer than `maxLen` (the frame can still be received),
   *   ESP_ERR_INVALID_STATE if there is no frame to receive, ESP_ERR_TIMEOUT, ESP_FAIL if the session ends
   */
  wsRecvFrame(pkt: HttpdWsFrame, maxLen: number): Promise<void> {
    try {
      return this.socket('wsRecvFrame').recvFrame(pkt, maxLen, 'whole');
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Receives the next part of the frame's payload (`httpd_ws_recv_frame_part`): `maxLen` bytes or what is left, to the
   * start of `pkt.payload`. `pkt.len` is the whole length, `pkt.leftLen` counts down to 0. `maxLen` 0 as in `wsRecvFrame`.
   */
  wsRecvFramePart(pkt: HttpdWsFrame, maxLen: number): Promise<void> {
    try {
      return this.socket('wsRecvFramePart').recvFrame(pkt, maxLen, 'part');
    } catch (error) {
      return rejected(error);
    }
  }

  /**
   * Sends a frame (`httpd_ws_send_frame`). The payload is copied. In the handler's call for the handshake the frame
   * leaves right behind the 101.
   *
   * @returns resolves when the bytes are handed over; waits while the reader is too slow
   * @throws EspError ESP_ERR_INVALID_ARG, ESP_ERR_INVALID_STATE if the session is no WebSocket or is closing,
   *   ESP_ERR_HTTPD_RESP_SEND if it ends; by rejection
   */
  wsSendFrame(pkt: HttpdWsFrame): Promise<void> {
    try {
      return this.socket('wsSendFrame').sendFrame(pkt);
    } catch (error) {
      return rejected(error);
    }
  }

  /** @internal Adds a header of the library's own, which `maxRespHeaders` does not count. */
  respAddHdr(name: string, value: string): void {
    this.live('respAddHdr').resp.addHeader(name, value);
  }

  /** @internal The connection becomes a WebSocket, or is about to. */
  attachWs(ws: WsOps): void {
    this.ws = ws;
  }

  /** @internal HTTP is over for this request. `uri` is shared if it is the same. */
  detachHttp(method: number, uri: string): void {
    this.owner = undefined;
    this.method = method;
    this.raw = this.headers = '';
    // a slice of the head would keep all of it in memory
    this.uri = this.uri === uri ? uri : Buffer.from(this.uri, 'latin1').toString('latin1');
  }

  /** @internal A request that takes the place of this one. */
  copy(owner: ReqOwner): HttpdReq {
    const { method, uri, contentLen, raw, headers } = this;
    const copy = new HttpdReq(this.handle, this.fd, { method, uri, contentLen, raw, headers }, owner);
    copy.uriTemplate = this.uriTemplate;
    copy.userCtx = this.userCtx;
    copy.sessCtx = this.sessCtx;
    copy.freeCtx = this.freeCtx;
    copy.ignoreSessCtxChanges = this.ignoreSessCtxChanges;
    copy.ws = this.ws;
    copy.original = this.original ?? this;
    return copy;
  }

  /** @internal Is this `req`, or a copy of it? */
  standsFor(req: HttpdReq): boolean {
    return this === req || (this.original !== undefined && this.original === (req.original ?? req));
  }

  private live(what: string): ReqOwner {
    const { owner } = this;
    if (owner === undefined) {
      throw new EspError(ESP_ERR_INVALID_STATE, `${what}: '${this.uri}' is a WebSocket; use the ws… functions`);
    }
    if (owner.current !== this) {
      const why = `${what}: the request for '${this.uri}' is over, or its session has ended; asyncHandlerBegin() lets one answer later`;
      throw owner.over ? clientGone(ESP_ERR_HTTPD_INVALID_REQ, why) : new EspError(ESP_ERR_HTTPD_INVALID_REQ, why);
    }
    return owner;
  }

  private socket(what: string): WsOps {
    if (this.ws === undefined) {
      throw new EspError(ESP_ERR_INVALID_STATE, `${what}: the session of '${this.uri}' is no WebSocket`);
    }
    return this.ws;
  }

  /** @param message replaces the page */
  private sendErrorPage(
    status: string,
    sentence: string,
    message: string | undefined,
    code: HttpdErrCode | undefined,
  ): Promise<void> {
    try {
      if (message !== undefined && typeof message !== 'string') invalidArg('the message must be a string');
      const owner = this.live('respSendErr');
      const { resp } = owner;
      resp.setStatus(status);
      resp.setType('text/html');
      const sent = resp.send(message ?? errorPage(status, sentence, owner.errors.reason));
      if (code !== undefined) owner.errors.onPage(code);
      return sent;
    } catch (error) {
      return rejected(error);
    }
  }
}

function checkBody(what: string, body: unknown): void {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) invalidArg(`${what} takes a string or a Uint8Array`);
}

function notAnErrCode(code: unknown): EspError {
  return new EspError(ESP_ERR_INVALID_ARG, `${String(code)} is not one of HTTPD_4xx_… and HTTPD_5xx_…`);
}

function errorPage(status: string, sentence: string, reason: string): string {
  const why = reason === '' ? '' : `<p>The reason: ${escapeHtml(reason)}.</p>\n`;
  return `<!DOCTYPE html>\n<title>${status}</title>\n<h1>${status}</h1>\n<p>${sentence}</p>\n${why}`;
}
