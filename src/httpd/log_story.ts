/**
 * The log of each step, in the words of ESP-IDF's server, so that a log of one reads like a log of the other.
 */
import { HTTPD_WS_TYPE_CLOSE, HTTPD_WS_TYPE_PING, HTTPD_WS_TYPE_PONG } from '../httpd_ws/frame_type.js';
import { acceptKey, keyWithGuid } from '../httpd_ws/handshake.js';
import { escapeForLog, type HttpdLogs } from '../log.js';
import { eachHeader } from './headers.js';
import { errorText, type HttpdErrCode } from './http_err.js';
import { RECV_SHARE } from './llhttp.js';
import { methodName } from './methods.js';
import type { RequestHead } from './parse.js';
import type { HttpdReq } from './req.js';
import type { Route } from './route.js';
import type { UriTable } from './uri.js';

/** How ESP-IDF begins to tell of a handler that has failed. */
export function handlerFailed({ method, uri }: HttpdReq): string {
  return `httpd_uri: uri handler execution failed: ${methodName(method)} '${escapeForLog(uri)}'`;
}

/** So much of a list of subprotocols is shown: a stranger chooses its length. */
const PROTOCOLS_MAX = 128;

export class LogStory {
  /** Does the server wait for its sockets, as far as the log has told? */
  private idle = true;

  /** @param maxFd the highest fd so far */
  constructor(
    private readonly logs: HttpdLogs,
    private readonly maxFd: () => number,
  ) {}

  /** The first bytes of a request have come. */
  newRequest(fd: number, len: number): void {
    const { httpd, sess, parse } = this.logs;
    if (!httpd.debugOn) return;
    httpd.debug(`httpd_server: processing socket ${fd}`);
    sess.debug('httpd_sess_process: httpd_req_new');
    parse.debug('httpd_req_new: New request, has WS? No, sd->ws_handler valid? No, sd->ws_close? No');
    this.received(len);
    parse.debug(`read_block: received HTTP request block size = ${len}`);
    this.turn();
  }

  /** The head of a request is complete. */
  head(head: RequestHead): void {
    const { parse: log } = this.logs;
    if (!log.debugOn) return;
    const uri = escapeForLog(head.uri);
    log.debug('cb_url: message begin');
    log.debug(`cb_url: processing url = ${uri}`);
    log.debug(`verify_url: received URI = ${uri}`);
    log.debug('cb_header_field: headers begin');
    for (const [name, value] of eachHeader(head.headers)) {
      log.debug(`cb_header_field: processing field = ${escapeForLog(name)}`);
      log.debug(`cb_header_value: processing value = ${escapeForLog(value)}`);
    }
    log.debug(`cb_headers_complete: bytes read     = ${head.raw.length}`);
    log.debug(`cb_headers_complete: content length = ${head.contentLen ?? 'chunked'}`);
    if (head.upgrade) log.debug('cb_headers_complete: Got an upgrade request');
    log.debug('pause_parsing: paused');
    if (!head.hasBody) log.debug('cb_no_body: message complete');
    log.debug('httpd_parse_req: parsing complete');
  }

  /** A request becomes a WebSocket. */
  handshake(fd: number, key: string): void {
    const { uri, ws } = this.logs;
    if (!ws.debugOn) return;
    uri.debug(`httpd_uri: Responding WS handshake to sock ${fd}`);
    ws.debug(`httpd_ws_respond_server_handshake: Server key before encoding: ${keyWithGuid(key)}`);
    ws.debug(`httpd_ws_respond_server_handshake: Generated server key: ${acceptKey(key)}`);
  }

  /** A client has offered subprotocols. @param chosen undefined: none of them is among the `supported` */
  subprotocol(offered: string, chosen: string | undefined, supported: readonly string[]): void {
    const { ws } = this.logs;
    if (chosen !== undefined) {
      ws.debug(`Requested subprotocol supported: ${chosen}`);
      ws.debug(`subprotocol: ${chosen}`);
      return;
    }
    const shown = escapeForLog(offered.length > PROTOCOLS_MAX ? `${offered.slice(0, PROTOCOLS_MAX)}...` : offered);
    const why =
      supported.length === 0
        ? 'URI do not support any subprotocols'
        : `supported subprotocol is ${supported.map(escapeForLog).join(', ')}`;
    ws.warn(`Sec-WebSocket-Protocol ${shown} not supported, ${why}`);
  }

  /** A WebSocket frame begins. @param wantsControl does its handler ask for control frames? */
  frame(fd: number, firstByte: number, len: number, wantsControl: boolean): void {
    const { httpd, sess, parse, ws } = this.logs;
    if (!ws.debugOn) return;
    httpd.debug(`httpd_server: processing socket ${fd}`);
    sess.debug('httpd_sess_process: httpd_req_new');
    parse.debug('httpd_req_new: New request, has WS? Yes, sd->ws_handler valid? Yes, sd->ws_close? No');
    this.received(len);
    ws.debug(
      `httpd_ws_get_frame_type: First byte received: 0x${firstByte.toString(16).toUpperCase().padStart(2, '0')}`,
    );
    if (!wantsControl) ws.debug('httpd_ws_get_frame_type: Handler not requests control frames');
    const type = firstByte & 0x0f;
    // what the library answers is told of when it has been answered
    if (wantsControl || !isAnswered(type)) this.frameType(type);
    this.turn();
  }

  /** A control frame that no handler gets has been answered, if it is one that is. */
  control(fd: number, type: number, len: number): void {
    const { ws } = this.logs;
    if (!ws.debugOn) return;
    if (isAnswered(type)) {
      if (len > 0) ws.debug(`Frame length: ${len}, Bytes Read: ${len}`);
      ws.debug(
        type === HTTPD_WS_TYPE_PING
          ? 'httpd_ws_get_frame_type: Got a WS PING frame, Replying PONG...'
          : 'httpd_ws_get_frame_type: Got a WS CLOSE frame, Replying CLOSE...',
      );
      this.frameType(type);
    }
    this.done(type === HTTPD_WS_TYPE_CLOSE ? fd : undefined);
  }

  private frameType(type: number): void {
    const { parse } = this.logs;
    parse.debug(`httpd_req_new: New WS request from existing socket, ws_type=${type}`);
    if (type === HTTPD_WS_TYPE_PONG) parse.debug('httpd_req_new: Received PONG frame');
  }

  /** A request, or a frame, has been handled. @param closing the fd of a WebSocket whose peer has sent a Close frame */
  done(closing?: number): void {
    const { parse, sess } = this.logs;
    if (!sess.debugOn) return;
    sess.debug('httpd_sess_process: httpd_req_delete');
    if (closing !== undefined) parse.debug(`httpd_req_cleanup: Try closing WS connection at FD: ${closing}`);
    sess.debug('httpd_sess_process: success');
  }

  /** A handler has failed. */
  failure(req: HttpdReq, why: string, level: 'debug' | 'warn' | 'error'): void {
    this.logs.uri[level](`${handlerFailed(req)}: ${escapeForLog(why)}`);
  }

  /** A request could not be read. */
  refusal(code: HttpdErrCode, reason: string): void {
    this.logs.parse.warn(`parse_block: ${errorText(code)[0]}: ${escapeForLog(reason)}`);
  }

  start(): void {
    const { httpd } = this.logs;
    if (!httpd.debugOn) return;
    httpd.debug('httpd_thread: web server started');
    this.idle = false;
    this.wait();
  }

  /** A work of the queue is about to run. */
  work(): void {
    const { httpd } = this.logs;
    if (!httpd.debugOn) return;
    httpd.debug('httpd_server: processing ctrl message');
    httpd.debug('httpd_process_ctrl_msg: work');
    this.turn();
  }

  /** The server waits for its sockets; only the first time in a row is worth a line. */
  wait(): void {
    const { httpd } = this.logs;
    if (!httpd.debugOn || this.idle) return;
    this.idle = true;
    httpd.debug(`httpd_server: doing select maxfd+1 = ${this.maxFd() + 1}`);
  }

  /** Something happens in this turn of the loop: when it ends, the server waits again. */
  turn(): void {
    if (!this.idle) return;
    this.idle = false;
    setImmediate(() => this.wait());
  }

  private received(len: number): void {
    const { txrx } = this.logs;
    txrx.debug(`httpd_recv_with_opt: requested length = ${RECV_SHARE}`);
    txrx.debug(`httpd_recv_with_opt: received length = ${len}`);
  }

  /** A handler has been looked for. */
  found(path: string, method: number, route: Route | undefined, table: UriTable<Route>): void {
    const { uri: log } = this.logs;
    if (log.debugOn) {
      log.debug(`httpd_uri: request for ${escapeForLog(path)} with type ${method}`);
      if (route !== undefined) log.debug(`httpd_find_uri_handler: [${table.list().indexOf(route)}] = ${route.uri}`);
    }
  }

  /** No handler has this path. Its query is not shown: it may have secrets. */
  notFound(path: string): void {
    this.logs.uri.warn(`httpd_uri: URI '${escapeForLog(path)}' not found`);
  }

  /** One has, but none of this method. */
  notAllowed(path: string, method: number): void {
    this.logs.uri.warn(`httpd_uri: Method '${method}' not allowed for URI '${escapeForLog(path)}'`);
  }
}

/** Does the library answer control frames of this type, where no handler asks for them? */
function isAnswered(type: number): boolean {
  return type === HTTPD_WS_TYPE_PING || type === HTTPD_WS_TYPE_CLOSE;
}
