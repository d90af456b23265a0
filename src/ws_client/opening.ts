/**
 * From the first byte of a server's response to a connection that is open, or to what is known of a refusal. Knows no
 * socket.
 */
import { ChunkedDecoder } from '../httpd/chunked.js';
import { joinHeaders } from '../httpd/headers.js';
import { escapeForLog } from '../log.js';
import type { Input } from '../sess/input.js';
import type { WsResponse } from './errors.js';
import { type Agreement, checkResponse, type HandshakeOffer } from './handshake.js';
import { type Hop, redirected } from './redirect.js';
import { INTERIM_MAX, responseOf, statusOf } from './response.js';
import { ResponseHead } from './response_head.js';

/** Bytes of a refusal's body that are kept. */
export const REFUSAL_BODY_MAX = 64 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** How the handshake has ended. */
export type Opened =
  | { readonly agreement: Agreement; readonly response: WsResponse }
  | { readonly next: Hop; readonly response: WsResponse }
  | { readonly why: string; readonly response: WsResponse | undefined };

export class Opening {
  private readonly head = new ResponseHead();
  private interims = 0;
  /** Reads the body of a refusal. */
  private body: RefusalBody | undefined;
  private why = '';

  constructor(
    private readonly offer: HandshakeOffer,
    private readonly hop: Hop,
  ) {}

  /** Takes what belongs to the response. @returns undefined if more of it is needed */
  run(input: Input): Opened | undefined {
    const { head } = this;
    while (this.body === undefined) {
      input.from = head.push(input.buf, input.from, input.to);
      if (head.failure !== undefined)
        return { why: `no valid response to the handshake: ${head.failure}`, response: undefined };
      if (!head.complete) return undefined;
      if (head.status < 200 && head.status !== 101) {
        this.interims += 1;
        if (this.interims > INTERIM_MAX) return { why: 'too many interim responses', response: undefined };
        head.again();
        continue;
      }
      if (head.status === 101) return this.check();
      const next = redirected(this.hop, head);
      if (typeof next === 'object') return { next, response: responseOf(head, NO_BYTES) };
      this.why = whyRefused(head, next);
      this.body = new RefusalBody(head);
    }
    return this.body.run(input) ? this.refused(this.body.bytes) : undefined;
  }

  /** No more will come: the server has ended the connection, or its time is over. */
  end(why: string): Opened {
    if (this.body !== undefined) return this.refused(this.body.bytes);
    return { why, response: undefined };
  }

  private check(): Opened {
    const checked = checkResponse(this.head, this.offer);
    if (typeof checked !== 'string') return { agreement: checked, response: responseOf(this.head, NO_BYTES) };
    this.why = `the response to the handshake is wrong: ${checked}`;
    return this.refused(NO_BYTES);
  }

  private refused(body: Buffer): Opened {
    return { why: this.why, response: responseOf(this.head, body) };
  }
}

/** @param notFollowed why it is no redirection that is followed */
function whyRefused(head: ResponseHead, notFollowed: string | undefined): string {
  const said = `the server answered ${statusOf(head)}`;
  const location = joinHeaders(head.section, 'location');
  if (notFollowed === undefined || location === undefined) return said;
  return `${said} and points to '${escapeForLog(location.slice(0, 200))}': ${notFollowed}`;
}

/** The body of a refusal, as far as it is kept. Whatever is wrong with its framing ends it. */
class RefusalBody {
  private readonly parts: Buffer[] = [];
  private room = REFUSAL_BODY_MAX;
  /** Bytes of framing that are still looked at. */
  private framing = REFUSAL_BODY_MAX;
  private readonly chunks: ChunkedDecoder | undefined;

  constructor({ status, section }: ResponseHead) {
    const coding = joinHeaders(section, 'transfer-encoding');
    const length = joinHeaders(section, 'content-length');
    if (status === 204 || status === 304) {
      this.room = 0;
    } else if (coding !== undefined) {
      // another coding can't be read, so its bytes are kept as they are, up to the end of the connection
      if (coding.toLowerCase() === 'chunked') this.chunks = new ChunkedDecoder(false);
      this.chunks?.begin();
    } else if (length !== undefined && /^\d{1,15}$/.test(length)) {
      this.room = Math.min(this.room, Number(length));
    }
  }

  get bytes(): Buffer {
    return Buffer.concat(this.parts);
  }

  /** @returns whether all that is kept has come */
  run(input: Input): boolean {
    const { chunks } = this;
    while (this.room > 0 && input.from < input.to) {
      if (chunks !== undefined && !chunks.inData) {
        const at = chunks.framing(input.buf, input.from, input.to);
        if (at < 0 || chunks.done) return true;
        this.framing -= at - input.from;
        input.from = at;
        if (this.framing < 0) return true;
        continue;
      }
      const n = Math.min(input.to - input.from, this.room, chunks?.left ?? this.room);
      this.parts.push(Buffer.from(input.buf.subarray(input.from, input.from + n)));
      this.room -= n;
      input.from += n;
      chunks?.take(n);
    }
    return this.room === 0;
  }
}
