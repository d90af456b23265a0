/**
 * The classic deferred answer: a handler takes its fd (`httpd_req_to_sockfd`), or queues work, and returns; the response is
 * written later with `socketSend`. The request stays open until that is whole, so that no other answer gets before it, or
 * into it.
 */
import type { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';
import { HTTP_HEAD } from './methods.js';
import { RawAnswer } from './raw_answer.js';
import type { HttpdReq } from './req.js';

const VERSION = 'HTTP/';

export class LaterAnswer {
  /** Has the handler what it takes to answer later? */
  expected = false;
  /** Is it waited for, since the handler has ended? */
  awaited = false;
  private raw: RawAnswer | undefined;

  constructor(
    private readonly conn: HttpConn,
    private readonly core: HttpdCore,
  ) {}

  /** Does it know anything of this request, or of the one before? */
  get used(): boolean {
    return this.expected || this.raw !== undefined;
  }

  /** A request begins. */
  begin(): void {
    this.expected = this.awaited = false;
    this.raw = undefined;
  }

  /** Other code begins to run for it. */
  reset(): void {
    this.expected = this.awaited = false;
  }

  /** Has a part of it been sent, and not all? */
  get incomplete(): boolean {
    return this.raw?.begun === true && !this.raw.complete;
  }

  /** The application has the fd of a request, or has queued work for it. */
  onFdTaken(req: HttpdReq): void {
    if (this.conn.current?.standsFor(req)) this.expected = true;
  }

  /** The application sends bytes on the session. What stands behind the end of a response would be taken for the next one. */
  send(bytes: Buffer): void {
    const { conn } = this;
    const { current, resp, sess } = conn;
    const raw = current === undefined ? undefined : this.answerIn(bytes);
    if (current === undefined || raw === undefined) return sess.tx.write(bytes);
    const n = raw.push(bytes);
    if (n > 0) sess.tx.write(bytes.subarray(0, n));
    if (n < bytes.length) this.refuseRest(current, bytes.length - n);
    if (!raw.begun) return;
    resp.writtenOutside(raw.complete);
    if (raw.closes) conn.closeBehind();
    if (!this.awaited) return;
    if (raw.complete) conn.completeAsync(current);
    else sess.setDeadline(this.core.handlerMs);
  }

  /** The response that these bytes belong to, or begin. */
  private answerIn(bytes: Buffer): RawAnswer | undefined {
    const { current, resp } = this.conn;
    // behind interim responses it may have come otherwise
    if (resp.begun && this.raw?.begun !== true) return undefined;
    if (this.raw === undefined) {
      const begins = this.awaited || bytes.toString('latin1', 0, VERSION.length) === VERSION;
      if (begins) this.raw = new RawAnswer(current?.method === HTTP_HEAD);
    }
    return this.raw;
  }

  private refuseRest(req: HttpdReq, len: number): void {
    this.conn.closeBehind();
    if (req.method === HTTP_HEAD) return;
    this.core.story.failure(req, `socketSend got ${len} bytes behind the end of its response: not sent`, 'warn');
  }
}
