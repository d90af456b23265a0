/**
 * The functions of a server that take a session, by its fd: contexts, overrides, raw bytes, WebSocket frames.
 */
import { ESP_ERR_INVALID_STATE, ESP_OK, EspError, invalidArg } from '../err.js';
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
import type { HttpdListener, TlsInfo } from '../port/port.js';
import { getCtx, setCtx, setTransportCtx } from '../sess/ctx.js';
import { allocate } from '../sess/heap.js';
import { HTTPD_SOCK_ERR_TIMEOUT } from '../sess/overrides.js';
import type { FreeCtxFn } from '../sess/protocol.js';
import type { HttpdPendingFn, HttpdRecvFn, HttpdSendFn, TransferCompleteCb } from './callbacks.js';
import { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';
import type { WorkFn } from './work_queue.js';

export abstract class ServerSess {
  protected abstract readonly core: HttpdCore;

  /** Queues a work of the library's own. Fails as `queueWork` does. */
  protected abstract addWork(fn: WorkFn): void;

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
    return this.core.sessions.fds();
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

  /**
   * Puts a function between a session's socket and its protocol (`httpd_sess_set_recv_override`). It is called when
   * bytes have arrived, until it returns 0 or less; it gets them with `socketRecv`. undefined takes it away.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessSetRecvOverride(fd: number, fn: HttpdRecvFn | undefined): void {
    const sess = this.core.session(fd);
    checkFunction(fn, 'an override');
    sess.override().recv = fn && (buf => fn(this.core.server, fd, buf, 0));
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
    overrides.send = fn && (buf => fn(this.core.server, fd, buf, 0));
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
    sess.override().pending = fn && (() => fn(this.core.server, fd));
  }

  /**
   * Sends bytes on a session's socket (`httpd_socket_send`), behind what is queued. In a send override: on the socket
   * itself, at once. A response that is written so to a request which its handler has left open ends that request, where
   * its own framing ends: a length, chunks, or the end of the connection. What stands behind that end is not sent, nor is
   * the content of a response to HEAD, and the connection is closed.
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
    if (sess.protocol instanceof HttpConn) sess.protocol.later.send(buf, 'session');
    else sess.tx.write(buf);
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
   * @throws EspError ESP_FAIL if the work queue is full, ESP_ERR_NO_MEM on a simulated device without memory for the
   *   frame; then `cb` is not called
   */
  wsSendDataAsync(fd: number, frame: HttpdWsFrame, cb?: TransferCompleteCb, arg?: unknown): void {
    checkFunction(cb, 'cb');
    const payload = payloadOf(frame);
    const kept = { ...frame, len: 0, payload: typeof payload === 'string' ? payload : Uint8Array.from(payload) };
    const { heap } = this.core;
    const bytes = Buffer.byteLength(kept.payload);
    if (heap !== undefined) allocate(heap, bytes, 'a frame that waits');
    const work = async (): Promise<void> => {
      heap?.give(bytes);
      let code = ESP_OK;
      try {
        await this.webSocket(fd).sendFrame(kept);
      } catch (error) {
        code = error instanceof EspError ? error.code : ESP_ERR_INVALID_STATE;
      }
      cb?.(code, fd, arg);
    };
    try {
      this.addWork(work);
    } catch (error) {
      heap?.give(bytes);
      throw error;
    }
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
   * Address and port of a session's peer (`getpeername`): IPv4 as such, IPv6 without brackets. The address is empty on a
   * Unix socket, and if the peer had left before its connection was accepted.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessGetPeer(fd: number): { address: string; port: number } {
    const { sock } = this.core.session(fd);
    return { address: sock.remoteAddress, port: sock.remotePort };
  }

  /**
   * Which of `server.listeners` a session's connection has come by. Not of ESP-IDF.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessGetListener(fd: number): HttpdListener {
    return this.core.session(fd).listener;
  }

  /**
   * What TLS has agreed on with a session's peer, its certificate included (`httpd_sess_get_transport_ctx` of an encrypted
   * server); undefined on a plain connection.
   *
   * @throws EspError ESP_ERR_NOT_FOUND
   */
  sessGetTls(fd: number): TlsInfo | undefined {
    return this.core.session(fd).sock.tls;
  }

  /** What an fd stands for (`httpd_ws_get_fd_info`): `HTTPD_WS_CLIENT_INVALID`, `_HTTP` or `_WEBSOCKET`. */
  wsGetFdInfo(fd: number): number {
    const sess = this.core.sessions.get(fd);
    if (sess === undefined) return HTTPD_WS_CLIENT_INVALID;
    const { protocol } = sess;
    const open = protocol instanceof WsConn && sess.open && !protocol.closing;
    return open ? HTTPD_WS_CLIENT_WEBSOCKET : HTTPD_WS_CLIENT_HTTP;
  }

  private webSocket(fd: number): WsConn {
    const { protocol } = this.core.session(fd);
    if (protocol instanceof WsConn) return protocol;
    throw new EspError(ESP_ERR_INVALID_STATE, `the session with fd ${fd} is no WebSocket`);
  }
}

/** @throws EspError ESP_ERR_INVALID_ARG */
export function checkFunction(fn: unknown, what: string): void {
  if (fn !== undefined && typeof fn !== 'function') invalidArg(`${what} must be a function, or undefined`);
}
