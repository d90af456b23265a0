/**
 * Functions that an application hands to a server.
 */
import type { HttpdErrCode } from './http_err.js';
import type { HttpdReq } from './req.js';
import type { HandlerResult } from './req_owner.js';
import type { HttpdServer } from './server.js';

/**
 * Answers an error, after `httpd_err_handler_func_t`. `ESP_OK` keeps the connection where the error allows it.
 *
 * @param cause what a handler has thrown, or why the request could not be read; undefined where there is no more to tell
 */
export type ErrHandler = (req: HttpdReq, error: HttpdErrCode, cause: Error | undefined) => HandlerResult;
/** Called once when an asynchronous send has ended (`transfer_complete_cb`); `err` is ESP_OK or an error's number. */
export type TransferCompleteCb = (err: number, fd: number, arg: unknown) => void;
/** Receives for a session (`httpd_recv_func_t`): fills `buf`, returns how many bytes, or `HTTPD_SOCK_ERR_…`. */
export type HttpdRecvFn = (server: HttpdServer, fd: number, buf: Uint8Array, flags: number) => number;
/** Sends for a session (`httpd_send_func_t`): returns how many bytes of `buf` it took, or `HTTPD_SOCK_ERR_…`. */
export type HttpdSendFn = (server: HttpdServer, fd: number, buf: Uint8Array, flags: number) => number;
/** Tells how many bytes can be received without waiting for the socket (`httpd_pending_func_t`). */
export type HttpdPendingFn = (server: HttpdServer, fd: number) => number;
