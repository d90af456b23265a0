/**
 * One HTTP connection: requests in, one after the other, each to its handler; responses out in the same order.
 */
import { clientGone, ESP_ERR_HTTPD_INVALID_REQ, ESP_FAIL, ESP_OK, EspError } from '../err.js';
import { lendCtx, returnCtx } from '../sess/ctx.js';
import type { Input } from '../sess/input.js';
import type { Protocol } from '../sess/protocol.js';
import type { Sess } from '../sess/sess.js';
import { isThenable } from '../thenable.js';
import { BodyReader } from './body.js';
import type { HttpdCore } from './core.js';
import { ErrorAnswer, type Failure, REFUSED } from './error_answer.js';
import {
  HTTPD_400_BAD_REQUEST,
  HTTPD_408_REQ_TIMEOUT,
  HTTPD_500_INTERNAL_SERVER_ERROR,
  type HttpdErrCode,
} from './http_err.js';
import { LaterAnswer } from './later_answer.js';
import { type HttpEvent, type HttpState, next } from './lifecycle.js';
import { handlerFailed } from './log_story.js';
import { HTTP_HEAD } from './methods.js';
import { NO_HEAD, NO_HEAD_OF_HEAD, PARSE_DONE, PARSE_MORE, type RequestHead, RequestParser } from './parse.js';
import { HttpdReq } from './req.js';
import type { HandlerResult, LiveStream, ReqOwner } from './req_owner.js';
import { RequestMemory } from './request_memory.js';
import { expectsContinue, schemesOf } from './request_rules.js';
import { Response, type ResponseHost } from './resp.js';
import { routeRequest } from './router.js';
import { UNCOUNTED, UNTIMED } from './stats.js';

/** A stream without keepAlive is tested so often while its client can't be heard. */
const HELD_KEEP_ALIVE_MS = 15_000;

/** What comes next when the handler has ended, and there is no response yet. */
interface NextStep {
  readonly go: () => void;
  /** The error to answer with if the handler refuses. */
  readonly refusal: HttpdErrCode;
}

export class HttpConn implements Protocol, ReqOwner, ResponseHost {
  readonly isWebsocket = false;
  readonly unfinished = false;
  current: HttpdReq | undefined;
  readonly resp: Response;
  readonly body: BodyReader;
  readonly errors: ErrorAnswer;
  readonly later: LaterAnswer;
  /** On a simulated device. */
  readonly memory: RequestMemory | undefined;
  private readonly parser: RequestParser;
  private state: HttpState = 'idle';
  private head = NO_HEAD;
  private mustClose = false;
  /** Has the request gone asynchronous? */
  private async = false;
  private nextStep: NextStep | undefined;
  private stream: LiveStream | undefined;
  private streamKeepAliveMs = 0;
  /** When the request's head had come, if the clock was looked at. */
  private began = UNTIMED;

  constructor(
    readonly sess: Sess,
    private readonly core: HttpdCore,
  ) {
    this.parser = new RequestParser(core.limits, schemesOf(sess.listener));
    if (core.heap !== undefined) this.memory = new RequestMemory(core.heap);
    this.resp = new Response(this);
    this.errors = new ErrorAnswer(this, core);
    this.later = new LaterAnswer(this, core);
    this.body = new BodyReader(core.bodyLimits, len => core.events.emitData('data', sess.fd, len));
    sess.setDeadline(core.idleMs);
  }

  get busy(): boolean {
    return this.state === 'handling';
  }

  /** What it does, for statistics; an upgraded one is no HTTP connection any more. */
  get phase(): Exclude<HttpState, 'upgraded' | 'closed'> {
    const { state } = this;
    return state === 'upgraded' || state === 'closed' ? 'idle' : state;
  }

  get request(): HttpdReq | undefined {
    return this.current;
  }

  get maxRespHeaders(): number {
    return this.core.config.maxRespHeaders;
  }

  dateLine(): string {
    return this.core.dateLine();
  }

  keepAlive(): boolean {
    return !this.mustClose && this.head.keepAlive && this.body.canBeSkipped && !this.core.stopping;
  }

  onHeadersSent(): void {
    const { responses } = this.core.stats;
    const { statusClass } = this.resp;
    responses[statusClass] = (responses[statusClass] as number) + 1;
    this.core.events.emit('headersSent', this.sess.fd);
    // from now on the client is not kept waiting for a first byte
    if (!this.body.waiting) this.sess.setDeadline(0);
  }

  onSentData(len: number): void {
    this.core.events.emitData('sentData', this.sess.fd, len);
  }

  get over(): boolean {
    return !this.sess.open;
  }

  get blocked(): boolean {
    return this.state === 'handling' ? !this.body.waiting : this.state === 'closed' || this.state === 'upgraded';
  }

  get endsWithPeer(): boolean {
    return this.stream !== undefined;
  }

  run(input: Input): void {
    const { sess } = this;
    while (input.from < input.to && sess.open && !sess.txFull && !this.blocked && sess.mayGoOn()) {
      switch (this.state) {
        case 'idle':
          this.core.story.newRequest(sess.fd, input.to - input.from);
          this.parseHead(input);
          break;
        case 'head':
          this.parseHead(input);
          break;
        case 'handling':
          this.body.feed(input, sess.now);
          if (!this.body.waiting) this.waitForHandler();
          break;
        case 'purging':
          if (!this.body.drop(input)) this.close('more of the body is left than is worth reading');
          else if (!this.body.open) this.becomeIdle();
          break;
        default:
          return;
      }
    }
  }

  onPeerEnd(): void {
    if (this.state !== 'handling' || this.resp.complete) return this.close('closed by the peer');
    this.mustClose = true;
    // nobody listens to a stream any more; another answer may still be wanted
    if (this.stream !== undefined) return this.stream.end();
    if (this.body.open) this.body.abort('the client left before the end of the body', HTTPD_400_BAD_REQUEST);
  }

  onHeldBack(): void {
    // what a stream sends shows whether its client is still there
    if (this.stream === undefined || this.streamKeepAliveMs !== 0) return;
    this.streamKeepAliveMs = HELD_KEEP_ALIVE_MS;
    this.sess.setDeadline(HELD_KEEP_ALIVE_MS);
  }

  onDeadline(): void {
    const { timeouts } = this.core.stats;
    if (this.state === 'head') {
      timeouts.head += 1;
      this.refuse(HTTPD_408_REQ_TIMEOUT, 'the head of the request did not arrive within recvWaitTimeout');
    } else if (this.state === 'idle') {
      timeouts.idle += 1;
      this.close('idle for idleTimeout');
    } else if (this.state !== 'handling') {
      timeouts.body += 1;
      this.close('the body did not arrive within recvWaitTimeout');
    } else if (this.body.waiting) {
      timeouts.body += 1;
      this.body.timeOut(this.sess.now);
      this.waitForHandler();
    } else if (this.stream !== undefined) {
      this.sess.setDeadline(this.streamKeepAliveMs);
      this.stream.keepAlive();
    } else if (this.later.awaited && this.resp.begun) {
      this.abandon();
      this.close('the rest of a response that was left for later has not come within handlerTimeout');
    } else if (this.current !== undefined && !this.resp.begun) {
      timeouts.handler += 1;
      this.core.story.failure(this.current, 'it has not begun to answer within handlerTimeout', 'error');
      this.mustClose = true;
      this.resp.discard();
      this.errors.send(this.replaceRequest(this.current), HTTPD_500_INTERNAL_SERVER_ERROR);
    }
  }

  onEnded(reason: string): void {
    this.step('close');
    this.nextStep = undefined;
    this.parser.free();
    // nobody else completes the request of a stream, or one that is answered later
    if (this.endStream() || this.later.awaited) this.abandon();
    this.body.abort(`the session ended: ${reason}`);
  }

  recvBody(buf: Uint8Array): Promise<number> {
    if (!this.sess.open) throw clientGone(ESP_FAIL, 'the session has ended');
    if (!this.body.open && this.body.fault === undefined) return Promise.resolve(0);
    const promise = this.body.recv(buf);
    if (this.body.awaitsContinue && !this.resp.begun) this.resp.sendContinue();
    this.body.awaitsContinue = false;
    this.sess.setDeadline(this.body.patience(this.sess.now));
    this.sess.pump();
    return promise;
  }

  beginAsync(req: HttpdReq): HttpdReq {
    if (this.sess.open) this.memory?.takeForCopy();
    if (!this.body.waiting) this.waitForHandler();
    this.takesLong();
    this.async = true;
    return this.replaceRequest(req);
  }

  completeAsync(req: HttpdReq): void {
    this.settle(req, undefined);
  }

  beginStream(stream: LiveStream, keepAliveMs: number): void {
    this.stream = stream;
    this.began = UNCOUNTED;
    this.streamKeepAliveMs = keepAliveMs;
    this.sess.setDeadline(keepAliveMs);
    if (this.sess.peerEnded) stream.end();
  }

  /**
   * Runs application code for a request.
   *
   * @param nextStep what comes when it has ended well without a response; undefined: it must have answered
   */
  invoke(req: HttpdReq, code: (req: HttpdReq) => HandlerResult, nextStep?: NextStep): void {
    const { worksQueued } = this.core;
    this.nextStep = nextStep;
    this.async = false;
    if (this.later.used) this.later.reset();
    let result: unknown;
    try {
      result = this.core.runFor(this.sess, code, req);
      if (this.core.worksQueued !== worksQueued) this.later.onFdTaken(req);
    } catch (thrown) {
      return this.threw(req, thrown);
    }
    if (!isThenable(result)) return this.returned(req, result);
    // else what has taken its place, or comes next, has its own patience
    if (this.current === req) {
      if (!this.body.waiting) this.waitForHandler();
      this.takesLong();
    }
    result.then(
      value => this.sess.guard(() => this.returned(req, value)),
      thrown => this.sess.guard(() => this.threw(req, thrown)),
    );
  }

  /**
   * Ends the session: now if it is idle, else when the handler has ended.
   *
   * @param evenAsync do not wait for a request that has gone asynchronous
   */
  closeSoon(reason: string, evenAsync: boolean): void {
    this.mustClose = true;
    if (this.stream !== undefined) this.stream.end();
    // a handler that goes on behind its answer, such as one that awaits the server's stop, holds nobody up
    else if (this.state !== 'handling' || this.resp.complete || (evenAsync && this.async)) this.close(reason);
  }

  /** The connection is not used again behind the response. */
  closeBehind(): void {
    this.mustClose = true;
  }

  /** The application has taken bytes past the parser: where the next request begins is lost. */
  loseFraming(): void {
    if (this.state === 'handling') this.mustClose = true;
    else this.close('bytes were taken past the parser');
  }

  /** The session has ended before its request did. */
  abandon(): void {
    const { current } = this;
    this.current = undefined;
    if (current !== undefined) returnCtx(this.sess, current, this.core.onFreeFailure);
  }

  /** Another protocol goes on with this connection. @returns whether the session was to be closed soon */
  handOver(): boolean {
    this.step('upgrade');
    this.current = undefined;
    this.sess.setDeadline(0);
    this.parser.free();
    return this.mustClose;
  }

  /** @returns whether there was one */
  private endStream(): boolean {
    const { stream } = this;
    this.stream = undefined;
    stream?.onEnded();
    return stream !== undefined;
  }

  private step(event: HttpEvent): void {
    this.state = next(this.state, event);
    if (this.memory !== undefined && this.state !== 'handling') this.memory.release();
  }

  private close(reason: string): void {
    this.step('close');
    this.sess.finish(reason);
  }

  private becomeIdle(): void {
    this.step('done');
    this.sess.setDeadline(this.core.idleMs);
  }

  /** The handler ends in another turn of the loop: it is worth a look at the clock. */
  private takesLong(): void {
    if (this.began === UNTIMED) this.began = this.core.stats.now();
  }

  /** The handler's turn: how long it may take. */
  private waitForHandler(): void {
    this.sess.setDeadline(this.resp.begun ? 0 : this.core.handlerMs);
  }

  private parseHead(input: Input): void {
    const result = this.parser.head(input);
    if (result === PARSE_DONE) {
      this.dispatch(this.parser.take());
    } else if (result !== PARSE_MORE) {
      this.refuse(result, this.parser.reason);
    } else if (this.state === 'idle' && this.parser.inHead) {
      this.step('head');
      this.sess.setDeadline(this.core.recvWaitMs);
    }
  }

  private dispatch(head: RequestHead): void {
    const { core } = this;
    core.stats.requests += 1;
    this.begin(head);
    core.events.emit('header', this.sess.fd);
    core.story.head(head);
    routeRequest(this, core, head);
  }

  private begin(head: RequestHead): HttpdReq {
    this.step('dispatch');
    this.began = this.core.stats.begin();
    this.head = head;
    this.mustClose = this.async = false;
    if (this.later.used) this.later.begin();
    if (this.errors.by !== 'nobody') this.errors.reset();
    this.body.begin(head.contentLen, head.hasBody && expectsContinue(head));
    this.resp.reset(head.method === HTTP_HEAD, head.http10);
    const req = new HttpdReq(this.core.server, this.sess.fd, head, this);
    lendCtx(this.sess, req);
    this.current = req;
    return req;
  }

  /** The request can't be read: answers, and closes whatever the error's handler says. */
  private refuse(code: HttpdErrCode, reason: string): void {
    this.core.stats.malformed += 1;
    this.core.story.refusal(code, reason);
    const req = this.begin(this.parser.toHead ? NO_HEAD_OF_HEAD : NO_HEAD);
    this.mustClose = true;
    this.errors.send(req, code, { error: new EspError(ESP_ERR_HTTPD_INVALID_REQ, reason), reason });
  }

  /** A copy takes the place of the request: the original can't answer any more. */
  private replaceRequest(req: HttpdReq): HttpdReq {
    this.current = req.copy(this);
    return this.current;
  }

  /** The handler has ended well, and somebody else sends the answer, or its rest, with `socketSend`. */
  private answerLater(req: HttpdReq): void {
    this.later.awaited = true;
    this.async = true;
    this.takesLong();
    this.replaceRequest(req);
    this.sess.setDeadline(this.core.handlerMs);
  }

  private returned(req: HttpdReq, result: unknown): void {
    if (result !== undefined && result !== ESP_OK) {
      const gone = this.over || this.body.cutOff;
      this.core.story.failure(req, `it returned ${String(result)}`, gone ? 'debug' : 'warn');
      this.settle(req, REFUSED);
    }
    // else it answers later, or would have been too late: a copy has taken its place
    else if (this.current === req) this.settle(req, undefined);
  }

  /** Application code has thrown while it served a request. */
  threw(req: HttpdReq, thrown: unknown): void {
    this.core.failures.tell(this.core.logs.uri, handlerFailed(req), thrown, 'warn');
    this.settle(req, { thrown });
  }

  /** A handler has ended, well or not: makes sure that the client gets an answer, and goes on. */
  private settle(req: HttpdReq, failure: Failure | undefined): void {
    const { current, resp, nextStep } = this;
    if (!current?.standsFor(req)) return;
    this.body.release();
    if (!this.sess.open) return this.abandon();
    returnCtx(this.sess, current, this.core.onFreeFailure);
    this.nextStep = undefined;
    if (!resp.begun && this.errors.by === 'page') return this.close('its error page could not be sent');
    if (!resp.begun) {
      if (failure === undefined) {
        if (nextStep !== undefined) return nextStep.go();
        if (this.later.expected) return this.answerLater(current);
        this.core.story.failure(req, 'it has not answered: call respSend, or asyncHandlerBegin', 'error');
      }
      return this.errors.sendFor(failure, this.replaceRequest(current), nextStep?.refusal);
    }
    if (failure === undefined && this.later.incomplete) return this.answerLater(current);
    this.current = undefined;
    this.core.stats.end(this.began);
    this.endStream();
    if (!resp.complete && !this.later.endsWithConnection) {
      this.core.story.failure(req, 'it ended before its response did', 'error');
      return this.close('a response was left incomplete');
    }
    if (failure !== undefined || resp.closing || !this.keepAlive()) return this.close('closed behind a response');
    if (this.body.open) {
      this.step('answered');
      this.sess.setDeadline(this.core.recvWaitMs);
    } else {
      this.becomeIdle();
    }
    this.core.story.done();
    this.sess.pump();
  }
}
