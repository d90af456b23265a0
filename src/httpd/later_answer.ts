/**
 * Responses whose bytes the application writes itself, with `req.send` or `socketSend`, and the classic deferred answer: a
 * handler takes its fd (`httpd_req_to_sockfd`), or queues work, and returns; the response is written later with
 * `socketSend`. The request stays open until that is whole, so that no other answer gets before it, or into it.
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
  /** Has the handler begun it with `req.send`? Then the end of the handler is its end too. */
  private ofHandler = false;

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
    this.ofHandler = false;
  }

  /** Other code begins to run for it. */
  reset(): void {
    this.expected = this.awaited = false;
  }

  /** Has a part of it been sent? */
  get begun(): boolean {
    return this.raw?.begun === true;
  }

  /** Has a part of it been sent, and is somebody to send the rest behind the end of the handler? */
  get incomplete(): boolean {
    return this.raw?.begun === true && !this.raw.complete && (this.expected || !this.ofHandler);
  }

  /** Is it one that the end of the connection ends? */
  get endsWithConnection(): boolean {
    return this.raw?.endsWithConnection === true;
  }

  /** The application has the fd of a request, or has queued work for it. */
  onFdTaken(req: HttpdReq): void {
    if (this.conn.current?.standsFor(req)) this.expected = true;
  }

  /**
   * The application sends bytes: on the session, or for the request that its handler serves. What stands behind the end of a
   * response is not sent: it would be taken for the next one.
   *
   * @returns how many are sent
   */
  send(bytes: Buffer, by: 'session' | 'request'): number {
    const { conn } = this;
    const { current, resp, sess } = conn;
    const raw = current === undefined ? undefined : this.answerIn(bytes, by);
    const n = raw === undefined ? bytes.length : raw.push(bytes);
    if (n > 0) sess.tx.write(bytes.subarray(0, n));
    if (current === undefined || raw === undefined) return n;
    if (n < bytes.length) this.refuseRest(current, bytes.length - n, by);
    if (!raw.begun) return n;
    resp.writtenOutside(raw.complete);
    if (raw.closes || raw.endsWithConnection) conn.closeBehind();
    if (!this.awaited) return n;
    if (raw.complete) conn.completeAsync(current);
    else sess.setDeadline(this.core.handlerMs);
    return n;
  }

  /** The response that these bytes belong to, or begin. */
  private answerIn(bytes: Buffer, by: 'session' | 'request'): RawAnswer | undefined {
    const { current, resp } = this.conn;
    // behind interim responses it may have come otherwise
    if (resp.begun && !this.begun) return undefined;
    if (this.raw === undefined) {
      this.ofHandler = by === 'request';
      const begins = this.awaited || this.ofHandler || bytes.toString('latin1', 0, VERSION.length) === VERSION;
      if (begins) this.raw = new RawAnswer(current?.method === HTTP_HEAD);
    }
    return this.raw;
  }

  private refuseRest(req: HttpdReq, len: number, by: 'session' | 'request'): void {
    this.conn.closeBehind();
    if (req.method === HTTP_HEAD) return;
    const what = by === 'request' ? 'send' : 'socketSend';
    this.core.story.failure(req, `${what} got ${len} bytes behind the end of its response: not sent`, 'warn');
  }
}
