/**
 * The inside of a server: what its sessions, connections and WebSockets share, the accept policy, and the log of each
 * step in ESP-IDF's words. `server.ts` is its outside.
 */
import type { HttpdConfig } from '../config.js';
import { describeThrown, ESP_ERR_NOT_FOUND, ESP_OK, EspError } from '../err.js';
import { WsConn } from '../httpd_ws/ws_conn.js';
import { escapeForLog, type HttpdLogs, httpdLogs } from '../log.js';
import type { PortSocket, SocketHandler } from '../port/port.js';
import { releaseCtx } from '../sess/ctx.js';
import { type Clock, Deadlines } from '../sess/deadlines.js';
import { ReceiveBuffer } from '../sess/input.js';
import { type Protocol, Sess, type SessHost } from '../sess/sess.js';
import { SessTable } from '../sess/table.js';
import { Outbox } from '../sess/tx.js';
import { isThenable, watch } from '../thenable.js';
import { HttpConn } from './conn.js';
import { EventHub } from './events.js';
import { eachHeader } from './headers.js';
import { errorText, type HttpdErrCode } from './http_err.js';
import { RECV_SIZE, receiveBuffer } from './llhttp.js';
import { methodName } from './methods.js';
import type { ParseLimits, RequestHead } from './parse.js';
import type { HandlerResult, HttpdReq } from './req.js';
import type { Route } from './route.js';
import type { HttpdServer } from './server.js';
import { UriTable } from './uri.js';

/** Answers an error, after `httpd_err_handler_func_t`. `ESP_OK` keeps the connection where the error allows it. */
export type ErrHandler = (req: HttpdReq, error: HttpdErrCode) => HandlerResult;

/** The number of the listening socket, which sessions' numbers follow. */
const LISTEN_FD = 3;
/** Connections beyond `maxOpenSockets` that are told so at a time; further ones are reset. */
const REFUSALS_MAX = 64;
/** Without `enableSoLinger`: how long a closed session waits for the peer to take its last bytes. */
const LINGER_MS = 2000;
/** At so many bytes to send, a session's next request waits, and so does who awaits its sends. */
const TX_HIGH_WATER = 64 * 1024;

/** All servers of this thread receive into the same buffer. */
const receive = new ReceiveBuffer(receiveBuffer);

const FULL_PAGE = '<p>The server has no free connection. Try again soon.</p>';
const FULL = Buffer.from(
  `HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nContent-Length: ${FULL_PAGE.length}\r\n` +
    `Retry-After: 5\r\nConnection: close\r\n\r\n${FULL_PAGE}`,
);

export class HttpdCore implements SessHost {
  readonly logs: HttpdLogs;
  readonly events: EventHub;
  readonly uris: UriTable<Route>;
  readonly errHandlers: (ErrHandler | undefined)[] = [];
  readonly sessions = new SessTable(LISTEN_FD + 1);
  readonly outbox: Outbox;
  readonly deadlines: Deadlines;
  readonly receive = receive;
  readonly limits: ParseLimits;
  readonly recvWaitMs: number;
  readonly sendWaitMs: number;
  readonly idleMs: number;
  readonly handlerMs: number;
  readonly lingerMs: number;
  readonly txHighWater: number;
  readonly maxTxPending: number;
  readonly txOverflow: HttpdConfig['txOverflow'];
  stopping = false;
  /** Is called when the last session has ended. */
  onEmpty: (() => void) | undefined;
  private refusals = 0;
  private dateSecond = 0;
  private dateText = '';
  private dateStale = true;
  /** Is the loop about to wait? */
  private idle = true;

  constructor(
    readonly config: HttpdConfig,
    readonly clock: Clock,
    readonly server: HttpdServer,
  ) {
    const ms = (seconds: number) => seconds * 1000;
    this.logs = httpdLogs(config.logger);
    this.events = new EventHub(thrown => {
      this.logs.httpd.error(`esp_http_server_dispatch_event: a listener failed: ${describeThrown(thrown)}`);
    });
    this.uris = new UriTable(config.maxUriHandlers, config.uriMatchFn);
    this.limits = config;
    this.recvWaitMs = ms(config.recvWaitTimeout);
    this.sendWaitMs = ms(config.sendWaitTimeout);
    this.idleMs = ms(config.idleTimeout);
    this.handlerMs = ms(config.handlerTimeout);
    this.lingerMs = config.enableSoLinger ? ms(config.lingerTimeout) : LINGER_MS;
    this.maxTxPending = config.maxTxPending;
    this.txHighWater = Math.min(TX_HIGH_WATER, config.maxTxPending / 2);
    this.txOverflow = config.txOverflow;
    this.outbox = new Outbox(() => {
      this.dateStale = true;
      this.logWait();
    });
    const timeouts = [this.recvWaitMs, this.sendWaitMs, this.idleMs, this.handlerMs, this.lingerMs];
    this.deadlines = new Deadlines(clock, timeouts, this.sessions);
  }

  /** A connection has come: makes a session of it, or refuses it. */
  accept(sock: PortSocket): SocketHandler | undefined {
    try {
      return this.admit(sock);
    } catch (thrown) {
      this.logs.httpd.error(`httpd_accept_conn: session creation failed: ${describeThrown(thrown)}`);
      sock.reset();
      return undefined;
    }
  }

  private admit(sock: PortSocket): SocketHandler | undefined {
    const { httpd: log, sess: sessLog } = this.logs;
    if (log.debugOn) log.debug(`httpd_server: processing listen socket ${LISTEN_FD}`);
    if (this.stopping) {
      sock.reset();
      return undefined;
    }
    if (this.sessions.size - this.refusals >= this.config.maxOpenSockets && !this.purgeOne()) return this.refuse(sock);
    const sess = this.open(sock, session => new HttpConn(session, this));
    if (log.debugOn) {
      log.debug(`httpd_accept_conn: newfd = ${sess.fd}`);
      sessLog.debug(`httpd_sess_new: fd = ${sess.fd}`);
    }
    const { openFn } = this.config;
    if (openFn !== undefined) {
      const failure = this.tryOpenFn(openFn, sess.fd);
      if (failure !== undefined) {
        sessLog.warn(`httpd_sess_new: open_fn failed for fd = ${sess.fd}: ${failure}`);
        sess.end('openFn refused it');
        return undefined;
      }
    }
    this.events.emit('connected', sess.fd);
    if (log.debugOn) {
      log.debug('httpd_accept_conn: complete');
      this.logTurn();
    }
    return sess.ended ? undefined : sess;
  }

  onActive(sess: Sess): void {
    this.sessions.touch(sess);
  }

  onFault(sess: Sess, thrown: unknown): void {
    const stack = thrown instanceof Error ? thrown.stack : undefined;
    this.logs.sess.error(`httpd_sess_process: fault in fd = ${sess.fd}: ${stack ?? describeThrown(thrown)}`);
  }

  onEnded(sess: Sess, reason: string): void {
    const { sess: log } = this.logs;
    this.sessions.remove(sess);
    if (sess.protocol instanceof Refusal) this.refusals -= 1;
    if (log.debugOn) {
      log.debug(`httpd_sess_delete: fd = ${sess.fd}`);
      log.debug(`httpd_sess_delete: ${escapeForLog(reason)}; active sockets: ${this.sessions.size}`);
    }
    if (!(sess.protocol instanceof Refusal)) {
      const onFailure = (thrown: unknown) => log.error(`httpd_sess_delete: close_fn failed: ${describeThrown(thrown)}`);
      try {
        watch(this.config.closeFn?.(this.server, sess.fd), onFailure);
      } catch (thrown) {
        onFailure(thrown);
      }
      this.events.emit('disconnected', sess.fd);
    }
    releaseCtx(sess, this.onFreeFailure);
    if (this.sessions.size === 0) this.onEmpty?.();
  }

  readonly onFreeFailure = (thrown: unknown): void => {
    this.logs.sess.error(`httpd_sess_free_ctx: a free function failed: ${describeThrown(thrown)}`);
  };

  /**
   * The open session of an fd.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  session(fd: number): Sess {
    const sess = this.sessions.get(fd);
    if (sess === undefined || sess.protocol instanceof Refusal) {
      throw new EspError(ESP_ERR_NOT_FOUND, `no session has fd ${String(fd)}: it has ended, or never was`);
    }
    return sess;
  }

  /** The fds of all sessions. */
  clientList(): number[] {
    return this.sessions.fds().filter(fd => !(this.sessions.get(fd)?.protocol instanceof Refusal));
  }

  /** A Date header for now (RFC 9110 section 6.6.1), with its line ending; looked up once in a turn of the loop. */
  dateLine(): string {
    if (this.dateStale) {
      this.dateStale = false;
      const second = Math.floor(Date.now() / 1000);
      if (second !== this.dateSecond) this.dateText = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
      this.dateSecond = second;
    }
    return this.dateText;
  }

  findRoute(path: string, method: number): Route | undefined {
    const { uri: log } = this.logs;
    const route = this.uris.find(path, method);
    if (log.debugOn) {
      log.debug(`httpd_uri: request for ${escapeForLog(path)} with type ${method}`);
      if (route !== undefined) log.debug(`httpd_find_uri_handler: [${this.uris.list().indexOf(route)}] = ${route.uri}`);
    }
    if (route === undefined) log.warn(`httpd_uri: no handler for ${methodName(method)} '${escapeForLog(path)}'`);
    return route;
  }

  /** The first bytes of a request have come. */
  logNewRequest(fd: number, len: number): void {
    const { httpd, sess, parse } = this.logs;
    if (!httpd.debugOn) return;
    httpd.debug(`httpd_server: processing socket ${fd}`);
    sess.debug('httpd_sess_process: httpd_req_new');
    parse.debug('httpd_req_new: New request, has WS? No, sd->ws_handler valid? No, sd->ws_close? No');
    this.logReceived(len);
    parse.debug(`read_block: received HTTP request block size = ${len}`);
    this.logTurn();
  }

  /** The head of a request is complete. */
  onHead(fd: number, head: RequestHead): void {
    this.events.emit('header', fd);
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

  /** A WebSocket frame begins. */
  onFrame(fd: number, firstByte: number, len: number): void {
    this.events.emitData('data', fd, len);
    const { httpd, sess, parse, ws } = this.logs;
    if (!ws.debugOn) return;
    httpd.debug(`httpd_server: processing socket ${fd}`);
    sess.debug('httpd_sess_process: httpd_req_new');
    parse.debug('httpd_req_new: New request, has WS? Yes, sd->ws_handler valid? Yes, sd->ws_close? No');
    parse.debug('httpd_req_new: New WS request from existing socket');
    this.logReceived(len);
    ws.debug(
      `httpd_ws_get_frame_type: First byte received: 0x${firstByte.toString(16).toUpperCase().padStart(2, '0')}`,
    );
    this.logTurn();
  }

  /** A request, or a frame, has been handled. */
  logDone(): void {
    const { sess } = this.logs;
    if (!sess.debugOn) return;
    sess.debug('httpd_sess_process: httpd_req_delete');
    sess.debug('httpd_sess_process: success');
  }

  /** A handler has failed. */
  logFailure(req: HttpdReq, why: string, level: 'warn' | 'error'): void {
    const route = `${methodName(req.method)} '${escapeForLog(req.uri)}'`;
    this.logs.uri[level](`httpd_uri: uri handler execution failed: ${route}: ${escapeForLog(why)}`);
  }

  /** A request could not be read. */
  logRefusal(code: HttpdErrCode, reason: string): void {
    this.logs.parse.warn(`parse_block: ${errorText(code)[0]}: ${escapeForLog(reason)}`);
  }

  logStart(): void {
    const { httpd } = this.logs;
    if (!httpd.debugOn) return;
    httpd.debug('httpd_thread: web server started');
    this.idle = false;
    this.logWait();
  }

  /** A work of the queue is about to run. */
  logWork(): void {
    const { httpd } = this.logs;
    if (!httpd.debugOn) return;
    httpd.debug('httpd_server: processing ctrl message');
    httpd.debug('httpd_process_ctrl_msg: work');
    this.logTurn();
  }

  /** The server waits for its sockets; only the first time in a row is worth a line. */
  logWait(): void {
    const { httpd } = this.logs;
    if (!httpd.debugOn || this.idle) return;
    this.idle = true;
    httpd.debug(`httpd_server: doing select maxfd+1 = ${this.sessions.maxFd + 1}`);
  }

  /** Something happens in this turn of the loop: when it ends, the server waits again. */
  logTurn(): void {
    if (!this.idle) return;
    this.idle = false;
    setImmediate(() => this.logWait());
  }

  private logReceived(len: number): void {
    const { txrx } = this.logs;
    txrx.debug(`httpd_recv_with_opt: requested length = ${RECV_SIZE}`);
    txrx.debug(`httpd_recv_with_opt: received length = ${len}`);
  }

  private open(sock: PortSocket, protocol: (sess: Sess) => Protocol): Sess {
    const sess = new Sess(this.sessions.nextFd(), sock, this);
    sess.protocol = protocol(sess);
    this.sessions.add(sess);
    return sess;
  }

  /** Ends the least recently used idle session. @returns whether there was one */
  private purgeOne(): boolean {
    if (!this.config.lruPurgeEnable) return false;
    const victim = this.sessions.purgeCandidate();
    if (victim === undefined) return false;
    const { protocol, fd } = victim;
    this.logs.sess.info(
      `httpd_sess_close_lru: Closing session with fd ${fd}: least recently used of ${this.sessions.size}`,
    );
    if (protocol instanceof WsConn) protocol.leave('purged');
    // what is queued just now is at most a Close frame: it goes out before the socket is released
    victim.tx.flush();
    victim.end('purged: least recently used');
    return true;
  }

  private refuse(sock: PortSocket): SocketHandler | undefined {
    const { httpd: log } = this.logs;
    log.warn(`httpd_accept_conn: all ${this.config.maxOpenSockets} sockets are taken (maxOpenSockets)`);
    if (this.refusals >= REFUSALS_MAX) {
      sock.reset();
      return undefined;
    }
    this.refusals += 1;
    const sess = this.open(sock, () => new Refusal());
    sess.tx.write(FULL);
    sess.finish('no free socket');
    return sess;
  }

  private tryOpenFn(openFn: NonNullable<HttpdConfig['openFn']>, fd: number): string | undefined {
    try {
      const result: unknown = openFn(this.server, fd);
      // it has to decide at once: what comes later can only be logged
      if (isThenable(result)) {
        watch(result, thrown => this.logs.sess.error(`httpd_sess_new: open_fn failed: ${describeThrown(thrown)}`));
        return undefined;
      }
      return result === undefined || result === ESP_OK ? undefined : `it returned ${String(result)}`;
    } catch (thrown) {
      return describeThrown(thrown);
    }
  }
}

/** Stands for a protocol in a session that only says that there is no room. */
class Refusal implements Protocol {
  /** To end it would make no room. */
  readonly busy = true;
  readonly isWebsocket = false;
  readonly request = undefined;
  readonly blocked = true;

  run(): void {}
  onPeerEnd(): void {}
  onDeadline(): void {}
  onEnded(): void {}
}
