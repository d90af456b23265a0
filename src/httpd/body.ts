/**
 * The body of the request being served: what its handler receives, and what is dropped of the rest.
 */
import {
  clientGone,
  ESP_ERR_HTTPD_INVALID_REQ,
  ESP_ERR_INVALID_SIZE,
  ESP_ERR_INVALID_STATE,
  ESP_ERR_TIMEOUT,
  ESP_FAIL,
  EspError,
  isClientGone,
} from '../err.js';
import type { Input } from '../sess/input.js';
import { BodyDecoder } from './body_decoder.js';
import { HTTPD_408_REQ_TIMEOUT, HTTPD_413_CONTENT_TOO_LARGE, type HttpdErrCode, withStatus } from './http_err.js';
import { PARSE_DONE, PARSE_MORE, type ParseLimits } from './parse.js';

/** So much of a body that a handler has left is read and dropped; with more the connection is closed. */
const PURGE_MAX = 64 * 1024;

/** Of how long a handler waits for each piece, a body that is slow may take so many before its rate counts. */
const GRACE = 2;

export interface BodyLimits extends ParseLimits {
  /** In ms; how long a handler waits for the next bytes. */
  readonly recvWaitMs: number;
  /** Bytes per second; 0 sets no limit. */
  readonly minBodyRate: number;
}

export class BodyReader {
  /** What was found wrong with the body. */
  fault: HttpdErrCode | undefined;
  /** The same once its handler has heard of it: what the client gets if the handler fails then. */
  toldFault: HttpdErrCode | undefined;
  /** Does the client wait for a 100 before it sends the body (RFC 9110 section 10.1.1)? */
  awaitsContinue = false;
  private failure: EspError | undefined;
  private readonly decoder: BodyDecoder;
  private contentLen = 0;
  private received = 0;
  private dropped = 0;
  /** How long its handler may yet wait for bytes of it, in ms: used up by waiting, and earned by what arrives. */
  private credit = 0;
  private waitsSince = 0;
  private tooSlow = false;
  private waiter: { buf: Uint8Array; resolve: (n: number) => void; reject: (error: Error) => void } | undefined;

  /** @param onData is called when the handler gets bytes */
  constructor(
    private readonly limits: BodyLimits,
    private readonly onData: (len: number) => void,
  ) {
    this.decoder = new BodyDecoder(limits);
  }

  /** A request begins. */
  begin(contentLen: number | undefined, awaitsContinue: boolean): void {
    this.decoder.begin(contentLen);
    this.contentLen = contentLen ?? 0;
    this.awaitsContinue = awaitsContinue;
    this.received = this.dropped = 0;
    this.credit = this.limits.recvWaitMs * GRACE;
    this.tooSlow = false;
    this.fault = this.toldFault = this.failure = undefined;
    const { maxReqBodyLen } = this.limits;
    if (this.contentLen > maxReqBodyLen) {
      this.fault = HTTPD_413_CONTENT_TOO_LARGE;
      this.failure = new EspError(
        ESP_ERR_INVALID_SIZE,
        `the body has ${this.contentLen} bytes; ${maxReqBodyLen} are allowed (maxReqBodyLen)`,
      );
    }
  }

  /** Is a part of it still to come? */
  get open(): boolean {
    return this.decoder.open;
  }

  /** Has the client left before its end? */
  get cutOff(): boolean {
    return isClientGone(this.failure);
  }

  /** What is wrong with it, for the client; empty if nothing is. */
  get reason(): string {
    if (this.fault === undefined) return '';
    return (this.failure ?? this.error(this.fault)).message;
  }

  /** Does the handler wait for more? */
  get waiting(): boolean {
    return this.waiter !== undefined;
  }

  /** Will the next request be found behind it, without reading too much? */
  get canBeSkipped(): boolean {
    if (!this.open) return true;
    // a client that waits for a 100 may send the body now, or not: there is no telling what its next byte will be
    return this.fault === undefined && !this.awaitsContinue && this.contentLen - this.received <= PURGE_MAX;
  }

  /** The handler wants the next bytes: `feed` will bring them. */
  recv(buf: Uint8Array): Promise<number> {
    if (this.waiter !== undefined)
      throw new EspError(ESP_ERR_INVALID_STATE, 'another recv waits for this body: await it');
    // a timeout is no end: the rest may still come
    if (this.fault === HTTPD_408_REQ_TIMEOUT && !this.tooSlow) this.fault = undefined;
    if (this.fault !== undefined) throw this.tell(this.failure ?? this.error(this.fault), this.fault);
    const promise = new Promise<number>((resolve, reject) => {
      this.waiter = { buf, resolve, reject };
    });
    // a handler that has stopped waiting must not end the process
    promise.catch(() => {});
    return promise;
  }

  /** The handler begins to wait. @returns for how long it may, in ms */
  patience(now: number): number {
    const { recvWaitMs, minBodyRate } = this.limits;
    this.waitsSince = now;
    // 0 would be for ever
    return minBodyRate === 0 ? recvWaitMs : Math.max(1, Math.min(recvWaitMs, this.credit));
  }

  /** It has got `n` bytes, or none in time. */
  private account(now: number, n: number): void {
    const { recvWaitMs, minBodyRate } = this.limits;
    if (minBodyRate === 0) return;
    const earned = (n * 1000) / minBodyRate;
    this.credit = Math.min(this.credit - (now - this.waitsSince) + earned, recvWaitMs * GRACE);
    this.tooSlow = this.credit <= 0;
  }

  /** Moves what the window of `input` has to the handler that waits. */
  feed(input: Input, now: number): void {
    while (this.waiter !== undefined && input.from < input.to) {
      const { buf, resolve } = this.waiter;
      const result = this.decoder.decode(input, buf);
      const n = this.decoder.found;
      const broken = result !== PARSE_MORE && result !== PARSE_DONE;
      if (broken && n === 0) return this.fail(result, this.error(result));
      if (n === 0 && result === PARSE_MORE) continue;
      // the handler gets what was right, and the error with its next call
      if (broken) this.fault = result;
      this.received += n;
      this.account(now, n);
      this.waiter = undefined;
      this.onData(n);
      resolve(n);
    }
  }

  /** Drops what the window of `input` has. @returns false if that is too much, or broken */
  drop(input: Input): boolean {
    const { from } = input;
    const result = this.decoder.decode(input, undefined);
    this.dropped += input.from - from;
    return (result === PARSE_MORE || result === PARSE_DONE) && this.dropped <= PURGE_MAX;
  }

  /** The handler has ended: nobody waits any more. */
  release(): void {
    const { waiter } = this;
    this.waiter = undefined;
    waiter?.reject(new EspError(ESP_ERR_INVALID_STATE, 'the handler has ended without awaiting this recv'));
  }

  /** Nothing has come in time. */
  timeOut(now: number): void {
    this.account(now, 0);
    const why = this.tooSlow
      ? `the body arrives more slowly than ${this.limits.minBodyRate} bytes per second (minBodyRate)`
      : 'no more of the body arrived within recvWaitTimeout';
    this.fail(HTTPD_408_REQ_TIMEOUT, new EspError(ESP_ERR_TIMEOUT, why));
    // C code receives again after a timeout: it must not do so for ever, without a turn of the loop
    if (this.tooSlow) this.failure = new EspError(ESP_FAIL, `the body was given up: ${why}`);
  }

  /**
   * Nothing will come any more.
   *
   * @param fault what is wrong with the body then, unless something was before
   */
  abort(why: string, fault?: HttpdErrCode): void {
    this.fail(this.fault ?? fault, clientGone(ESP_FAIL, why));
  }

  private fail(fault: HttpdErrCode | undefined, error: EspError): void {
    const { waiter } = this;
    this.fault = fault;
    this.failure = error;
    this.waiter = undefined;
    waiter?.reject(this.tell(error, fault));
  }

  /** The handler hears of it: if it fails because of that, the client is told so too. */
  private tell(error: EspError, fault: HttpdErrCode | undefined): EspError {
    this.toldFault = fault;
    return fault === undefined ? error : withStatus(error, fault);
  }

  private error(fault: HttpdErrCode): EspError {
    const code = fault === HTTPD_413_CONTENT_TOO_LARGE ? ESP_ERR_INVALID_SIZE : ESP_ERR_HTTPD_INVALID_REQ;
    return new EspError(code, `the body cannot be received: ${this.decoder.reason}`);
  }
}
