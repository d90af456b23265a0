/**
 * The error that a request is answered with: by its registered handler, or with the default page.
 */
import { ESP_FAIL, ESP_OK, errorOf, faultOf } from '../err.js';
import type { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';
import {
  HTTPD_400_BAD_REQUEST,
  HTTPD_404_NOT_FOUND,
  HTTPD_405_METHOD_NOT_ALLOWED,
  HTTPD_500_INTERNAL_SERVER_ERROR,
  type HttpdErrCode,
  statusOf,
} from './http_err.js';
import type { HttpdReq } from './req.js';
import type { HandlerResult } from './req_owner.js';

/** Why a request is answered with an error. */
export interface ErrorCause {
  /** For the handler of errors and for who listens for 'error'. */
  readonly error?: Error | undefined;
  /** For the client; shown on the default page. */
  readonly reason?: string;
  /** Has it been told to who listens for 'error'? */
  readonly told?: boolean;
}

/** A handler has failed: by what it has thrown, or by what it has returned. */
export type Failure = { readonly thrown: unknown } | typeof REFUSED;
export const REFUSED = {} as const;

const NO_CAUSE: ErrorCause = {};

export class ErrorAnswer {
  /** Is an error being answered? If its handler fails, the default page is sent; if that can't be, nothing is. */
  by: 'nobody' | 'handler' | 'page' = 'nobody';
  private cause = NO_CAUSE;

  constructor(
    private readonly conn: HttpConn,
    private readonly core: HttpdCore,
  ) {}

  /** A request begins. */
  reset(): void {
    this.by = 'nobody';
    this.cause = NO_CAUSE;
  }

  get reason(): string {
    return this.cause.reason ?? '';
  }

  /** Answers a request with an error, through its handler. */
  send(req: HttpdReq, code: HttpdErrCode, cause: ErrorCause = NO_CAUSE): void {
    const dressed = this.by === 'nobody' && this.core.errHandlers[code] !== undefined;
    this.by = dressed ? 'handler' : 'page';
    this.cause = cause;
    this.conn.invoke(req, () => {
      if (dressed) return this.handle(req, code);
      // closing the connection behind the default page is no failure to speak of
      if (!this.keepsOpen(code)) this.conn.closeBehind();
      void req.respSendErr(code);
      return ESP_OK;
    });
  }

  /**
   * Answers a request whose handler has ended without an answer.
   *
   * @param failure undefined if it has not failed either
   * @param refusal the error for a handler that has refused what was to come next
   */
  sendFor(failure: Failure | undefined, req: HttpdReq, refusal: HttpdErrCode | undefined): void {
    const threw = failure !== undefined && 'thrown' in failure;
    this.conn.closeBehind();
    this.conn.resp.discard();
    if (refusal !== undefined && !threw) return this.send(req, refusal);
    const { body } = this.conn;
    const error = threw ? errorOf(failure.thrown) : undefined;
    const status = threw ? statusOf(failure.thrown) : undefined;
    // a failure of its own has nothing to do with a body that it has not heard of
    const fault = this.by === 'nobody' ? (status ?? body.toldFault) : undefined;
    const told = threw && faultOf(failure.thrown) !== undefined;
    // what an application has thrown is not for its clients
    let reason = '';
    if (fault === HTTPD_400_BAD_REQUEST) reason = status === undefined ? body.reason : (error?.message ?? '');
    this.send(req, fault ?? HTTPD_500_INTERNAL_SERVER_ERROR, { error, reason, told });
  }

  /** Is it plain where the next request begins, and the error none that leaves doubts about the client? */
  private keepsOpen(code: HttpdErrCode): boolean {
    const harmless = code === HTTPD_404_NOT_FOUND || code === HTTPD_405_METHOD_NOT_ALLOWED;
    return harmless && !this.conn.body.open && !this.core.config.closeOnNotFound;
  }

  /** What `httpd_req_handle_err` does. */
  handle(req: HttpdReq, code: HttpdErrCode): HandlerResult {
    const handler = this.core.errHandlers[code];
    if (code === HTTPD_500_INTERNAL_SERVER_ERROR || handler === undefined) this.conn.closeBehind();
    if (handler !== undefined) return handler(req, code, this.cause.error);
    void req.respSendErr(code);
    return ESP_FAIL;
  }

  /** The page has been sent. */
  onPage(code: HttpdErrCode): void {
    const { error, told } = this.cause;
    if (told !== true) this.core.events.emit('error', code, error);
  }
}
