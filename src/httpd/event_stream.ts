/**
 * Server-Sent Events (WHATWG HTML section 9.2) on the response of one request.
 */
import { ESP_ERR_INVALID_STATE, EspError, invalidArg } from '../err.js';
import { rejected } from '../thenable.js';
import type { HttpdReq } from './req.js';
import type { LiveStream, ReqOwner } from './req_owner.js';

/** Options of `respStartEvents`. */
export interface EventStreamOptions {
  /** How long the client is to wait before it connects anew, in ms. Default: what the client takes, some seconds. */
  retry?: number;
  /** Seconds between comments that show client and proxies that the stream lives; 0 for none. Default 15. */
  keepAlive?: number;
}

/** One event. */
export interface ServerSentEvent {
  /** Text of the event; lines may end in LF, CRLF or CR. */
  data: string;
  /** Name of the event; the client takes 'message' without one. */
  event?: string;
  /** What the client tells as `Last-Event-ID` when it connects anew. */
  id?: string;
  /** How long the client is to wait before it connects anew, in ms. */
  retry?: number;
}

const KEEP_ALIVE = 15;
const COMMENT = ':\n\n';
const LINE_END = /\r\n|\r|\n/;

/** A stream of events, made by `req.respStartEvents()`. */
export class EventStream implements LiveStream {
  /** `Last-Event-ID` of the request: the last event that a client which connects anew has seen. */
  readonly lastEventId: string | undefined;
  /** Resolves when the stream has ended, whoever has ended it. */
  readonly closed: Promise<void>;
  private readonly req: HttpdReq;
  private resolve!: () => void;
  private ended = false;

  /** Streams are made by `req.respStartEvents()`. */
  constructor(req: HttpdReq, owner: ReqOwner, options: EventStreamOptions = {}) {
    const { retry, keepAlive = KEEP_ALIVE } = checkOptions(options);
    const id = req.getHdrValueStr('last-event-id');
    this.lastEventId = id === undefined ? undefined : Buffer.from(id, 'latin1').toString('utf8');
    this.closed = new Promise(resolve => {
      this.resolve = resolve;
    });
    req.respSetType('text/event-stream');
    req.respAddHdr('Cache-Control', 'no-store');
    // nginx, and what is built on it, would collect events until its buffer is full
    req.respAddHdr('X-Accel-Buffering', 'no');
    this.req = req.asyncHandlerBegin();
    // the first bytes tell the client that it is connected
    void this.req.respSendChunk(retry === undefined ? COMMENT : `retry: ${retry}\n\n`);
    owner.beginStream(this, keepAlive * 1000);
    // to a HEAD request
    if (owner.resp.silent) this.end();
  }

  /** Has the stream not ended? */
  get open(): boolean {
    return !this.ended;
  }

  /**
   * Sends an event.
   *
   * @returns resolves when the bytes are handed over; waits while the reader is too slow
   * @throws EspError ESP_ERR_INVALID_ARG, ESP_ERR_INVALID_STATE if the stream has ended, ESP_ERR_HTTPD_RESP_SEND if it
   *   ends meanwhile; all by rejection
   */
  send(event: ServerSentEvent): Promise<void> {
    try {
      return this.write(eventText(event));
    } catch (error) {
      return rejected(error);
    }
  }

  /** Sends a comment, which clients ignore. Fails as `send` does. */
  comment(text: string): Promise<void> {
    try {
      if (typeof text !== 'string') invalidArg('a comment must be a string');
      return this.write(`${lines(':', text)}\n`);
    } catch (error) {
      return rejected(error);
    }
  }

  /** Ends the stream. The client will connect anew; a 204 for its next request keeps it from that. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    void this.req.respSendChunk().catch(() => {});
    this.req.asyncHandlerComplete();
  }

  /** @internal */
  keepAlive(): void {
    void this.req.respSendChunk(COMMENT).catch(() => {});
  }

  /** @internal */
  onEnded(): void {
    this.ended = true;
    this.resolve();
  }

  private write(text: string): Promise<void> {
    if (this.ended) throw new EspError(ESP_ERR_INVALID_STATE, 'the stream of events has ended');
    return this.req.respSendChunk(text);
  }
}

function checkOptions(options: EventStreamOptions): EventStreamOptions {
  if (options === null || typeof options !== 'object')
    invalidArg('respStartEvents takes an object; see EventStreamOptions');
  for (const name of Object.keys(options)) {
    if (name !== 'retry' && name !== 'keepAlive') invalidArg(`respStartEvents has no option '${name}'`);
  }
  const { retry, keepAlive } = options;
  if (retry !== undefined) checkRetry(retry);
  if (keepAlive !== undefined && !(typeof keepAlive === 'number' && keepAlive >= 0 && keepAlive <= 86_400)) {
    invalidArg('keepAlive must be a number of seconds from 0 to 86400');
  }
  return options;
}

function eventText({ data, event, id, retry }: ServerSentEvent): string {
  if (typeof data !== 'string') invalidArg('data of an event must be a string; JSON.stringify what is not');
  let text = '';
  if (event !== undefined) text += field('event', event, /[\r\n]/);
  // a NUL would make the client ignore the id
  if (id !== undefined) text += field('id', id, /[\r\n\0]/);
  if (retry !== undefined) text += `retry: ${checkRetry(retry)}\n`;
  return `${text}${lines('data:', data)}\n`;
}

function field(name: string, value: unknown, forbidden: RegExp): string {
  if (typeof value !== 'string' || forbidden.test(value))
    invalidArg(`${name} of an event must be a string in one line`);
  return `${name}: ${value}\n`;
}

function lines(prefix: string, text: string): string {
  return text
    .split(LINE_END)
    .map(line => `${prefix} ${line}\n`)
    .join('');
}

function checkRetry(retry: unknown): number {
  if (!Number.isSafeInteger(retry) || (retry as number) < 0) invalidArg('retry must be a number of ms from 0');
  return retry as number;
}
