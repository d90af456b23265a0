import { BodyDecoder } from '../../src/httpd/body_decoder.js';
import { RECV_SHARE, receiveBuffer } from '../../src/httpd/llhttp.js';
import { PARSE_DONE, PARSE_MORE, type ParseLimits, type RequestHead, RequestParser } from '../../src/httpd/parse.js';
import { Input, ReceiveBuffer } from '../../src/sess/input.js';

export const LIMITS: ParseLimits = {
  maxUriLen: 8_192,
  maxReqHdrLen: 16_384,
  maxReqBodyLen: 1_000_000,
  lenientLineEndings: false,
};

export const PLAIN = ['http'];

/** What a stream of requests says. */
export interface Outcome {
  readonly requests: { readonly head: RequestHead; readonly body: string; readonly complete: boolean }[];
  /** The error that ended it: an `HTTPD_4xx_…` or `HTTPD_5xx_…` number. */
  readonly error: number | undefined;
}

/** Parses what arrives in these chunks, the receive buffer being overwritten between them. */
export function parse(chunks: Iterable<Uint8Array | string>, limits: Partial<ParseLimits> = {}, bite = 1_000): Outcome {
  const receive = new ReceiveBuffer(receiveBuffer, RECV_SHARE);
  const input = new Input(receive);
  const parser = new RequestParser({ ...LIMITS, ...limits }, PLAIN);
  const body = new BodyDecoder({ ...LIMITS, ...limits });
  const outcome: { requests: { head: RequestHead; body: string; complete: boolean }[]; error: number | undefined } = {
    requests: [],
    error: undefined,
  };
  const step = (): boolean => {
    if (!body.open) {
      const result = parser.head(input);
      if (result === PARSE_DONE) {
        const head = { ...parser.take() };
        body.begin(head.contentLen);
        outcome.requests.push({ head, body: '', complete: !body.open });
      } else if (result !== PARSE_MORE) outcome.error = result;
      return result === PARSE_DONE;
    }
    const request = outcome.requests.at(-1);
    const target = Buffer.alloc(bite);
    const result = body.decode(input, target);
    if (request !== undefined) request.body += target.toString('latin1', 0, body.found);
    if (result === PARSE_DONE && request !== undefined) request.complete = true;
    else if (result !== PARSE_MORE) outcome.error = result;
    return result === PARSE_DONE || (result === PARSE_MORE && input.from < input.to);
  };
  for (const given of chunks) {
    const chunk = typeof given === 'string' ? Buffer.from(given, 'latin1') : Buffer.from(given);
    const buf = receive.claim();
    buf.fill(0xa5);
    chunk.copy(buf);
    input.arrive(chunk.length);
    while (outcome.error === undefined && input.open() && step());
    if (outcome.error === undefined) continue;
    // how much of a broken body comes out before the error depends on the pieces
    for (const request of outcome.requests) if (!request.complete) request.body = '';
    break;
  }
  parser.free();
  return outcome;
}

/** The only request in `text`. */
export function parseOne(text: string | Uint8Array, limits: Partial<ParseLimits> = {}): RequestHead {
  const { requests, error } = parse([text], limits);
  if (error !== undefined || requests.length !== 1) throw new Error(`got ${requests.length} requests, error ${error}`);
  return requests[0]?.head as RequestHead;
}
