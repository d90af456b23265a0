/**
 * The HTTP path: requests, good and bad, to handlers of every kind.
 *
 * The input's first two bytes are controls (`manner.ts`). The others are played whole, then cut, and both must give the
 * same.
 */

import type { HttpdConfig } from '../../src/config.js';
import { HTTP_HEAD, isMethod, methodName } from '../../src/httpd/methods.js';
import { uriMatchParams } from '../../src/httpd/uri_params.js';
import { markText } from '../coverage.js';
import { mutateHttp } from '../mutate/http.js';
import type { Random } from '../random.js';
import { HTTP_SEEDS } from '../seeds_http.js';
import { type Answers, readAnswers } from './answers.js';
import { demand, difference, Finding, shown } from './finding.js';
import { readFrames } from './frames.js';
import { HALF, registerHandlers, SAME_ORIGIN, WEBSOCKET } from './http_handlers.js';
import type { Ending, Lab, Played, SeenHead } from './lab.js';
import { kindOf } from './log.js';
import { controls } from './manner.js';
import { NodeHttp } from './node_http.js';
import { compare, Pair } from './pair.js';
import { RAW_OPEN, registerRawHandlers } from './raw_handlers.js';
import { checkHead, pageOfItsHost } from './strict_head.js';
import type { Target } from './target.js';
import { EVENTS, registerWebHandlers } from './web_handlers.js';
import { SECRET } from './www.js';

/** Limits that short inputs reach. */
const LIMITS: Partial<HttpdConfig> = {
  maxUriLen: 80,
  maxReqHdrLen: 500,
  maxReqBodyLen: 300,
  uriMatchFn: uriMatchParams,
};

/** The servers that the flags choose between: strict, strict with a log of each step, lenient, and short of everything. */
const SERVERS: readonly Partial<HttpdConfig>[] = [
  LIMITS,
  LIMITS,
  { ...LIMITS, lenientLineEndings: true },
  { ...LIMITS, maxTxPending: 1_024, maxRespHeaders: 1, maxWsPending: 1_024, txOverflow: 'drop' },
];
const DEBUG = 1;
const LENIENT = 2;
const SHORT = 3;

/** What the server answers with by itself, and what its handlers do. */
const STATUSES = new Set([
  100, 101, 200, 204, 206, 301, 304, 400, 401, 403, 404, 405, 408, 411, 412, 413, 414, 416, 417, 426, 431, 500, 501,
  503, 505,
]);

function registerAll(lab: Lab): void {
  registerHandlers(lab);
  registerWebHandlers(lab);
  registerRawHandlers(lab);
}

/** One input in so many is shown to node:http too, which takes longer than all else. */
const SECOND_OPINION = 8;

export class HttpTarget implements Target {
  readonly name = 'http';
  readonly controls = 2;
  readonly maxLen = 2_048;
  readonly seeds = HTTP_SEEDS;
  private readonly nodeHttp = new NodeHttp();
  private runs = 0;

  private constructor(private readonly pairs: readonly Pair[]) {}

  static async start(): Promise<HttpTarget> {
    return new HttpTarget(await Promise.all(SERVERS.map((config, i) => Pair.start(config, registerAll, i === DEBUG))));
  }

  async stop(): Promise<void> {
    for (const pair of this.pairs) await pair.stop();
  }

  drop(): void {
    for (const pair of this.pairs) pair.drop();
  }

  mutate(bytes: Buffer, other: Buffer, random: Random): Buffer {
    return mutateHttp(bytes, other, random);
  }

  async run(input: Buffer): Promise<void> {
    if (input.length < this.controls) return;
    const { cut, ending, server } = controls(input[0] as number, input[1] as number);
    const bytes = input.subarray(this.controls);
    const both = await (this.pairs[server] as Pair).play(bytes, cut, ending);
    const { whole } = both;
    this.check(whole, ending, server);
    this.check(both.cut, ending, server);
    // a WebSocket, and a stream of events, end with their peer, whatever there is still to say
    const live = whole.heads.some(({ uri }) => uri.startsWith(WEBSOCKET) || uri.startsWith(EVENTS));
    if (server !== SHORT && !(ending === 'half' && live)) compare(both, played => responses(played, ending));
    this.runs += 1;
    if (server !== LENIENT && this.runs % SECOND_OPINION === 0) await this.secondOpinion(bytes, whole);
  }

  /** The same with the second opinion every time. */
  async replay(input: Buffer): Promise<void> {
    this.runs = SECOND_OPINION - 1;
    await this.run(input);
  }

  private check(played: Played, ending: Ending, server: number): void {
    const { calls, heads, refusals, sent, log } = played;
    for (const line of log) markText(kindOf(line));
    if (server !== LENIENT) for (const { raw } of heads) checkHead(raw);
    const text = sent.toString('latin1');
    const { answers, rest } = readAnswers(text, n => (n < heads.length ? heads[n]?.method === HTTP_HEAD : undefined));
    for (const { status } of answers) {
      markText(`status ${status}`);
      demand(STATUSES.has(status), 'a status that is not documented', () => String(status));
    }
    const finals = answers.filter(({ status }) => status >= 200 || status === 101).length;
    const asked = heads.length + refusals;
    const upgraded = answers.at(-1)?.status === 101;
    demand(!text.includes(SECRET), 'a file is served that must not be');
    const lastUri = heads.at(-1)?.uri ?? '';
    // a WebSocket whose peer leaves without a Close ends at once
    const mayBreakOff =
      ending === 'reset' ||
      server === SHORT ||
      lastUri.startsWith(HALF) ||
      RAW_OPEN.test(lastUri) ||
      lastUri.startsWith(EVENTS) ||
      (ending === 'half' && lastUri.startsWith(WEBSOCKET));
    demand(calls.filter(call => /^\d+ /.test(call)).length <= heads.length, 'a handler is called without a request');
    demand(finals <= asked, 'more responses than requests', () => `${finals} for ${asked}: ${shown(text)}`);
    demand(
      finals === asked || mayBreakOff,
      'a request without a response',
      () => `${finals} for ${asked}: ${shown(text)}`,
    );
    if (upgraded && lastUri.startsWith(SAME_ORIGIN)) {
      demand(pageOfItsHost(heads.at(-1)?.raw ?? ''), 'a page of another origin gets a WebSocket', () => shown(text));
    }
    if (upgraded) readFrames(sent.subarray(sent.length - rest.length), hasDeflate({ answers, rest }), false);
    else demand(rest === '' || mayBreakOff, 'a response is cut off', () => shown(rest));
    demand(refusals === 0 || mayBreakOff || answers.at(-1)?.closes === true, 'a connection goes on behind a refusal');
  }

  private async secondOpinion(bytes: Buffer, { heads }: Played): Promise<void> {
    const others = await this.nodeHttp.read(bytes);
    for (let i = 0; i < Math.min(heads.length, others.length); i++) {
      const ours = heads[i] as SeenHead;
      const theirs = others[i];
      const method = methodName(ours.method);
      if (theirs === undefined) return;
      demand(
        (method === theirs.method || !isMethod(ours.method)) && ours.uri === theirs.url,
        'node:http reads another request',
        () => `#${i}: ${shown(`${method} ${ours.uri}`)} and ${shown(`${theirs.method} ${theirs.url}`)}`,
      );
      const differs = ours.body !== undefined && theirs.body !== undefined && ours.body !== theirs.body;
      if (differs)
        throw new Finding(
          'node:http reads another body',
          `#${i}: ${difference([ours.body ?? ''], [theirs.body ?? ''])}`,
        );
    }
  }
}

/** Of several ranges, which is another one each time. */
const BOUNDARY = /\b[0-9a-f]{32}\b/g;

function responses({ sent }: Played, ending: Ending): string[] {
  let text = sent
    .toString('latin1')
    .replace(/\r\nDate: [^\r]*/g, '')
    .replace(BOUNDARY, 'boundary');
  // where the end of a peer is seen with its last request, or before, the connection closes behind that one
  if (ending === 'half') text = text.replace(/\r\nConnection: [^\r]*/g, '');
  return text.split(/(?=HTTP\/1\.1 )/);
}

function hasDeflate({ answers }: Answers): boolean {
  return /permessage-deflate/.test(answers.at(-1)?.headers ?? '');
}
