/**
 * The server as applications see it, after `httpd_handle_t` and the functions that take one.
 */
import type { HttpdConfig } from '../config.js';
import { describeThrown, ESP_ERR_HTTPD_TASK, ESP_ERR_INVALID_STATE, ESP_OK, EspError, invalidArg } from '../err.js';
import { checkClose, WS_CLOSE_NORMAL } from '../httpd_ws/close.js';
import {
  HTTPD_WS_CLIENT_HTTP,
  HTTPD_WS_CLIENT_INVALID,
  HTTPD_WS_CLIENT_WEBSOCKET,
  type HttpdWsFrame,
  payloadOf,
} from '../httpd_ws/frame_type.js';
import { broadcastOf } from '../httpd_ws/send.js';
import { WsConn } from '../httpd_ws/ws_conn.js';
import type { Listener, Port } from '../port/port.js';
import { getCtx, setCtx, setTransportCtx } from '../sess/ctx.js';
import type { Clock } from '../sess/deadlines.js';
import { HTTPD_SOCK_ERR_TIMEOUT } from '../sess/overrides.js';
import type { FreeCtxFn } from '../sess/protocol.js';
import type { ErrHandler, HttpdPendingFn, HttpdRecvFn, HttpdSendFn, TransferCompleteCb } from './callbacks.js';
import { HttpConn } from './conn.js';
import { HttpdCore } from './core.js';
import type { HttpdEvents } from './events.js';
import { type HttpdErrCode, isErrCode } from './http_err.js';
import { isMethod } from './methods.js';
import { checkUri, type HttpdUri } from './route.js';
import { shutDown } from './shut_down.js';
import { type WorkFn, WorkQueue } from './work_queue.js';

/** The longest time, in ms, that a timer of Node.js can wait. */
const TIMER_MAX = 2 ** 31 - 1;
/** How long `stop` lets handlers go on, in seconds, unless it is told otherwise. */
const GRACE = 5;

export class HttpdServer {
  private readonly core: HttpdCore;
  private readonly works: WorkQueue;
  private listener: Listener | undefined;
  private stopped: Promise<void> | undefined;

  /** Servers are made by `httpdStart()`. */
  constructor(config: HttpdConfig, clock: Clock) {
    const core = new HttpdCore(config, clock, this);
    this.core = core;
    this.works = new WorkQueue(
      config.maxWorkQueue,
      () => core.story.work(),
      thrown => core.logs.httpd.error(`httpd_process_ctrl_msg: a work failed: ${describeThrown(thrown)}`),
    );
  }

  /** The port that the server is bound to. */
  get port(): number {
    return this.listener?.port ?? 0;
  }

  /** @internal */
  async listen(port: Port): Promise<void> {
    const { core } = this;
    const { config } = core;
    try {
      this.listener = await port.listen(
        {
          port: config.serverPort,
          host: config.host,
          backlog: config.backlogConn,
          reusePort: config.reusePort,
          keepAlive: config.keepAliveEnable
            ? {
                idle: config.keepAliveIdle || 5,
                interval: config.keepAliveInterval || 5,
                count: config.keepAliveCount || 3,
              }
            : undefined,
        },
        core.receive.claim,
        sock => core.accept(sock),
        error => core.onPortError(error),
      );
    } catch (cause) {
      const where = `${config.host ?? 'any address'} port ${config.serverPort}`;
      throw new EspError(ESP_ERR_HTTPD_TASK, `can't listen on ${where}: ${describeThrown(cause)}`, { cause });
    }
    core.story.start();
    core.events.emit('start');
  }

  /**
   * Stops the server (`httpd_stop`): accepts no more, lets running handlers end, says goodbye to WebSockets with
   * Close 1001, ends all sessions, frees the global contexts. Calling it again returns the same promise.
   *
   * @param options.grace how long running handlers and closing handshakes may take, in seconds, default 5
   */
  stop(options: { grace?: number } = {}): Promise<void> {
    const { grace = GRACE } = options ?? {};
    if (typeof options !== 'object') invalidArg('stop takes an object such as { grace: 5 }');
    if (typeof grace !== 'number' || !(grace >= 0)) invalidArg('grace must be a number of seconds from 0');
    this.stopped ??= this.shutDown(Math.min(grace * 1000, TIMER_MAX));
    return this.stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Registers a URI handler (`httpd_register_uri_handler`). The first registered that fits a request serves it.
   *
   * @throws EspError ESP_ERR_INVALID_ARG, ESP_ERR_HTTPD_HANDLER_EXISTS, ESP_ERR_HTTPD_HANDLERS_FULL,
   *   ESP_ERR_NOT_SUPPORTED for `wsPerMessageDeflate`, if this version of Node.js can't do it
   */
  registerUriHandler(uri: HttpdUri): void {
    const route = checkUri(uri);
    const place = this.core.uris.register(route);
    const { uri: log } = this.core.logs;
    if (log.debugOn) log.debug(`httpd_register_uri_handler: [${place}] installed ${route.uri}`);
  }

  /**
   * Removes the handler of a URI and method (`httpd_unregister_uri_handler`). Its WebSockets live on.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  unregisterUriHandler(uri: string, method: number): void {
    if (typeof uri !== 'string') invalidArg('uri must be a string');
    if (!isMethod(method)) invalidArg('the method must be HTTP_GET, another HTTP_… number, or HTTP_ANY');
    this.core.uris.unregister(uri, method);
  }

  /**
   * Removes all handlers of a URI (`httpd_unregister_uri`).
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  unregisterUri(uri: string): void {
    if (typeof uri !== 'string') invalidArg('uri must be a string');
    this.core.uris.unregisterAll(uri);
  }

  /**
   * Sets who answers an error (`httpd_register_err_handler`); undefined brings back the default page. If the handler
   * returns `ESP_OK` the connection stays open, where the error allows it.
   */
  registerErrHandler(code: HttpdErrCode, handler: ErrHandler | undefined): void {
    if (!isErrCode(code)) invalidArg(`${String(code)} is not one of HTTPD_4xx_… and HTTPD_5xx_…`);
    checkFunction(handler, 'the error handler');
    this.core.errHandlers[code] = handler;
  }

  /**
   * Queues work for the server's loop (`httpd_queue_work`): first in, first out, after the sockets that are ready now.
   * What it throws, or rejects with, is logged and harms no other.
   *
   * @throws EspError ESP_FAIL if `maxWorkQueue` works wait, ESP_ERR_INVALID_STATE if the server has stopped
   */
  queueWork<Arg>(fn: (arg: Arg) => unknown, arg?: Arg): void {
    if (typeof fn !== 'function') invalidArg('the work must be a function');
    if (this.listener === undefined) throw new EspError(ESP_ERR_INVALID_STATE, 'the server has stopped');
    this.works.add(fn as WorkFn, arg);
  }

  /**
   * Ends a session (`httpd_sess_trigger_close`): a WebSocket with Close 1000, HTTP when the handler that runs has ended,
   * but without waiting for a request that has gone asynchronous.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessTriggerClose(fd: number): void {
    const { protocol } = this.core.session(fd);
    if (protocol instanceof WsConn) protocol.close(WS_CLOSE_NORMAL);
    else if (protocol instanceof HttpConn) protocol.closeSoon('sessTriggerClose', true);
  }

  /**
   * Makes a session the most recently used (`httpd_sess_update_lru_counter`).
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessUpdateLruCounter(fd: number): void {
    this.core.onActive(this.core.session(fd));
  }

  /** The fds of all sessions (`httpd_get_client_list`). */
  getClientList(): number[] {
    return this.core.clientList();
  }

  /** The session's context (`httpd_sess_get_ctx`). @throws EspError ESP_ERR_NOT_FOUND */
  sessGetCtx(fd: number): unknown {
    return getCtx(this.core.session(fd));
  }

  /** Sets it (`httpd_sess_set_ctx`); the one before is freed. @throws EspError ESP_ERR_NOT_FOUND */
  sessSetCtx(fd: number, ctx: unknown, freeFn?: FreeCtxFn): void {
    checkFunction(freeFn, 'freeFn');
    setCtx(this.core.session(fd), ctx, freeFn, this.core.onFreeFailure);
  }

  /** The session's transport context (`httpd_sess_get_transport_ctx`). @throws EspError ESP_ERR_NOT_FOUND */
  sessGetTransportCtx(fd: number): unknown {
    return this.core.session(fd).transport?.ctx;
  }

  /** Sets it (`httpd_sess_set_transport_ctx`); the one before is freed. @throws EspError ESP_ERR_NOT_FOUND */
  sessSetTransportCtx(fd: number, ctx: unknown, freeFn?: FreeCtxFn): void {
    checkFunction(freeFn, 'freeFn');
    setTransportCtx(this.core.session(fd), ctx, freeFn, this.core.onFreeFailure);
  }

  /** `config.globalUserCtx` (`httpd_get_global_user_ctx`). */
  getGlobalUserCtx(): unknown {
    return this.core.config.globalUserCtx;
  }

  /** `config.globalTransportCtx` (`httpd_get_global_transport_ctx`). */
  getGlobalTransportCtx(): unknown {
    return this.core.config.globalTransportCtx;
  }

  /**
   * Puts a function between a session's socket and its protocol (`httpd_sess_set_recv_override`). It is called when
   * bytes have arrived, until it returns 0 or less; it gets them with `socketRecv`. undefined takes it away.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessSetRecvOverride(fd: number, fn: HttpdRecvFn | undefined): void {
    const sess = this.core.session(fd);
    checkFunction(fn, 'an override');
    sess.override().recv = fn && (buf => fn(this, fd, buf, 0));
  }

  /**
   * The same for sending (`httpd_sess_set_send_override`); it sends with `socketSend`.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessSetSendOverride(fd: number, fn: HttpdSendFn | undefined): void {
    const sess = this.core.session(fd);
    checkFunction(fn, 'an override');
    const overrides = sess.override();
    overrides.send = fn && (buf => fn(this, fd, buf, 0));
    if (fn === undefined) sess.tx.sendThrough(sess.sock, false);
    else sess.tx.sendThrough(overrides.sink, true);
  }

  /**
   * Tells what a receive override still holds (`httpd_sess_set_pending_override`): while it is above 0 the override is
   * called again.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessSetPendingOverride(fd: number, fn: HttpdPendingFn | undefined): void {
    const sess = this.core.session(fd);
    checkFunction(fn, 'an override');
    sess.override().pending = fn && (() => fn(this, fd));
  }

  /**
   * Sends bytes on a session's socket (`httpd_socket_send`), behind what is queued. In a send override: on the socket
   * itself, at once.
   *
   * @returns how many bytes were taken: all, outside of an override
   * @throws EspError ESP_ERR_NOT_FOUND, ESP_ERR_HTTPD_RESP_SEND
   */
  socketSend(fd: number, bytes: Uint8Array): number {
    const sess = this.core.session(fd);
    if (!(bytes instanceof Uint8Array)) invalidArg('socketSend takes a Uint8Array');
    const buf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (sess.overrides?.active) return sess.sock.send(buf, 0, buf.length);
    sess.admit(false);
    sess.tx.write(bytes);
    return bytes.length;
  }

  /**
   * Takes bytes that a session has received and not looked at (`httpd_socket_recv` with MSG_DONTWAIT): in a receive
   * override those that have just arrived, in an HTTP handler those behind its request; the session is then closed
   * behind the response.
   *
   * @returns how many, 0 if the peer has ended, `HTTPD_SOCK_ERR_TIMEOUT` if there are none now
   * @throws EspError ESP_ERR_NOT_FOUND, ESP_ERR_INVALID_STATE for a WebSocket
   */
  socketRecv(fd: number, buf: Uint8Array): number {
    const sess = this.core.session(fd);
    if (!(buf instanceof Uint8Array)) invalidArg('socketRecv takes a Uint8Array');
    const raw = sess.overrides?.active ? sess.overrides.raw : undefined;
    const { protocol } = sess;
    if (raw === undefined && !(protocol instanceof HttpConn)) {
      throw new EspError(ESP_ERR_INVALID_STATE, `the session with fd ${fd} is a WebSocket; use wsRecvFrame`);
    }
    const n = (raw ?? sess.input).take(buf);
    if (n > 0 && raw === undefined && protocol instanceof HttpConn) protocol.loseFraming();
    if (n > 0) return n;
    return sess.peerEnded ? 0 : HTTPD_SOCK_ERR_TIMEOUT;
  }

  /**
   * Sends a frame on a WebSocket (`httpd_ws_send_frame_async`). The payload is copied. While another message is being
   * sent in fragments it is kept for that one's end; the promise does not wait for that.
   *
   * @returns resolves when the bytes are handed over; waits while the reader is too slow
   * @throws EspError ESP_ERR_NOT_FOUND for an fd whose session has ended, ESP_ERR_INVALID_STATE if it is no WebSocket
   *   or is closing, ESP_ERR_INVALID_ARG; at once. ESP_ERR_HTTPD_RESP_SEND if it ends while the send waits; by rejection
   */
  wsSendFrameAsync(fd: number, frame: HttpdWsFrame): Promise<void> {
    return this.webSocket(fd).sendFrame(frame);
  }

  /** Sends a frame on a WebSocket (`httpd_ws_send_data`); fails as `wsSendFrameAsync` does, by rejection. */
  async wsSendData(fd: number, frame: HttpdWsFrame): Promise<void> {
    await this.webSocket(fd).sendFrame(frame);
  }

  /**
   * Queues a frame to be sent on a WebSocket (`httpd_ws_send_data_async`); `cb` is called exactly once, from the loop.
   *
   * @throws EspError ESP_FAIL if the work queue is full; then `cb` is not called
   */
  wsSendDataAsync(fd: number, frame: HttpdWsFrame, cb?: TransferCompleteCb, arg?: unknown): void {
    checkFunction(cb, 'cb');
    const payload = payloadOf(frame);
    const kept = { ...frame, len: 0, payload: typeof payload === 'string' ? payload : Uint8Array.from(payload) };
    this.queueWork(async () => {
      let code = ESP_OK;
      try {
        await this.webSocket(fd).sendFrame(kept);
      } catch (error) {
        code = error instanceof EspError ? error.code : ESP_ERR_INVALID_STATE;
      }
      cb?.(code, fd, arg);
    });
  }

  /**
   * Sends a message to all open WebSockets, or to those that `filter` picks: it is made into bytes once, and queued as
   * it is everywhere, but compressed anew where a context is kept (`serverNoContextTakeover`). Waits for nobody: `sessGetTxPending` and the event `drain` tell who is slow.
   *
   * @param frame a whole message, or a Ping or Pong
   * @param filter is given the fd of each WebSocket and the `uri` of its handler; one that throws ends the broadcast
   * @returns how many have taken it; not those that are closing, or have `maxTxPending` bytes to read, unless it is a Ping
   *   or Pong (`txOverflow` says whether they are closed then)
   * @throws EspError ESP_ERR_INVALID_ARG
   */
  wsBroadcast(frame: HttpdWsFrame, filter?: (fd: number, uri: string) => boolean): number {
    checkFunction(filter, 'the filter');
    const message = broadcastOf(frame);
    let taken = 0;
    for (const { fd, protocol } of this.core.sessions) {
      // a promise is not true
      if (!(protocol instanceof WsConn) || (filter !== undefined && filter(fd, protocol.uri) !== true)) continue;
      if (protocol.sendToMany(message)) taken += 1;
    }
    return taken;
  }

  /**
   * Closes a WebSocket (`httpd_ws_close_session`): sends a Close frame behind what is queued and waits for the peer's, in
   * all no longer than `recvWaitTimeout`. One that is closing already is left as it is.
   *
   * @param code 1000 to 1014 without 1004, 1005 and 1006, or 3000 to 4999 (RFC 6455 section 7.4); default 1000
   * @param reason up to 123 bytes of UTF-8
   * @throws EspError ESP_ERR_INVALID_ARG, ESP_ERR_NOT_FOUND, ESP_ERR_INVALID_STATE if the session is no WebSocket
   */
  wsClose(fd: number, code: number = WS_CLOSE_NORMAL, reason = ''): void {
    checkClose(code, reason);
    this.webSocket(fd).close(code, reason);
  }

  /**
   * Bytes queued for a session that the system has not taken; at `maxTxPending` only control frames still are.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessGetTxPending(fd: number): number {
    const { protocol, tx } = this.core.session(fd);
    return tx.pending + (protocol instanceof WsConn ? protocol.held : 0);
  }

  /**
   * The subprotocol that a WebSocket's handshake has agreed on; undefined without one.
   *
   * @throws EspError ESP_ERR_NOT_FOUND, ESP_ERR_INVALID_STATE if the session is no WebSocket, or not yet
   */
  wsGetSubprotocol(fd: number): string | undefined {
    return this.webSocket(fd).subprotocol;
  }

  /**
   * Address and port of a session's peer (`getpeername`): IPv4 as such, IPv6 without brackets. The address is empty if
   * the peer has left.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessGetPeer(fd: number): { address: string; port: number } {
    const { sock } = this.core.session(fd);
    return { address: sock.remoteAddress, port: sock.remotePort };
  }

  /** What an fd stands for (`httpd_ws_get_fd_info`): `HTTPD_WS_CLIENT_INVALID`, `_HTTP` or `_WEBSOCKET`. */
  wsGetFdInfo(fd: number): number {
    const sess = this.core.find(fd);
    if (sess === undefined) return HTTPD_WS_CLIENT_INVALID;
    const { protocol } = sess;
    const open = protocol instanceof WsConn && sess.open && !protocol.closing;
    return open ? HTTPD_WS_CLIENT_WEBSOCKET : HTTPD_WS_CLIENT_HTTP;
  }

  /** The last event's number (`httpd_get_server_state`), `HTTP_SERVER_EVENT_…`. */
  getServerState(): number {
    return this.core.events.state;
  }

  /** Calls `listener` at each event of this name (`ESP_HTTP_SERVER_EVENT`). */
  on<Name extends keyof HttpdEvents>(name: Name, listener: (...args: HttpdEvents[Name]) => void): this {
    this.core.events.on(name, listener);
    return this;
  }

  /** The same, for the next event only. */
  once<Name extends keyof HttpdEvents>(name: Name, listener: (...args: HttpdEvents[Name]) => void): this {
    this.core.events.once(name, listener);
    return this;
  }

  off<Name extends keyof HttpdEvents>(name: Name, listener: (...args: HttpdEvents[Name]) => void): this {
    this.core.events.off(name, listener);
    return this;
  }

  private webSocket(fd: number): WsConn {
    const { protocol } = this.core.session(fd);
    if (protocol instanceof WsConn) return protocol;
    throw new EspError(ESP_ERR_INVALID_STATE, `the session with fd ${fd} is no WebSocket`);
  }

  private async shutDown(graceMs: number): Promise<void> {
    await shutDown(this.core, this.listener, graceMs);
    this.listener = undefined;
  }
}

function checkFunction(fn: unknown, what: string): void {
  if (fn !== undefined && typeof fn !== 'function') invalidArg(`${what} must be a function, or undefined`);
}
