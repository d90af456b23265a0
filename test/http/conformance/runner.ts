/** Sends the cases of the table, and says where the answers are others than expected. */
import * as net from 'node:net';
import { OVER_TLS, secure } from '../../support/raw_client.js';
import type { Answer, Case } from './case.js';

/** A response as it came. */
export interface Response {
  readonly status: number;
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

/** What came back for a case. */
export interface Outcome {
  readonly received: string;
  /** How the connection ended. */
  readonly end: 'fin' | 'reset' | 'not within the time';
}

export interface RunOptions {
  /** In which pieces the bytes are sent. Default: all at once. */
  readonly cut?: (bytes: Buffer) => readonly Buffer[];
  /** How long a connection may take; only a failure ever takes that long. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 4_000;
/** So many connections at a time. */
const AT_ONCE = 64;

/** Runs the cases. @returns a line for each that failed */
export async function failuresOf(port: number, cases: readonly Case[], options: RunOptions = {}): Promise<string[]> {
  const failures: string[] = [];
  const waiting = [...cases];
  const worker = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      const fault = faultOf(item, await exchange(port, item, options));
      if (fault !== undefined) failures.push(`${item.level} ${item.section}: ${item.name}: ${fault}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return failures;
}

/** Sends a case on a new connection, and reads until the connection ends. */
export function exchange(port: number, item: Case, options: RunOptions = {}): Promise<Outcome> {
  const tcp = net.connect({ port, host: '127.0.0.1', allowHalfOpen: item.fin === true, noDelay: true });
  const socket = OVER_TLS ? secure(tcp) : tcp;
  const chunks: Buffer[] = [];
  let { later } = item;
  let failed = false;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    socket.destroy();
  }, options.patienceMs ?? PATIENCE_MS);
  socket.on('data', chunk => {
    chunks.push(chunk);
    if (later !== undefined) socket.write(later, 'latin1');
    later = undefined;
  });
  // what the server does not read any more, it may refuse with a reset
  socket.on('error', () => {
    failed = true;
  });
  socket.on(OVER_TLS ? 'secureConnect' : 'connect', () => void send(socket, item, options));
  socket.on('end', () => socket.end());
  return new Promise(resolve => {
    socket.on('close', () => {
      clearTimeout(timer);
      const end = late ? 'not within the time' : failed ? 'reset' : 'fin';
      resolve({ received: Buffer.concat(chunks).toString('latin1'), end });
    });
  });
}

async function send(socket: net.Socket, item: Case, { cut }: RunOptions): Promise<void> {
  const all = Buffer.from(item.raw, 'latin1');
  for (const piece of cut?.(all) ?? [all]) {
    if (!socket.writable) return;
    // the next piece when this one has left, so that each makes a segment
    await new Promise<void>(resolve => socket.write(piece, () => setImmediate(resolve)));
  }
  if (item.fin === true) socket.end();
}

/** What is wrong with the outcome of a case; undefined if nothing is. */
export function faultOf(item: Case, outcome: Outcome): string | undefined {
  const verdicts = [item.expect, ...(item.or ?? [])].map(answers => compare(item, answers, outcome));
  return verdicts.includes(undefined) ? undefined : `${verdicts[0]}; received ${JSON.stringify(shorten(outcome))}`;
}

function shorten({ received }: Outcome): string {
  return received.length > 400 ? `${received.slice(0, 400)}…` : received;
}

function compare(item: Case, expected: readonly Answer[], { received, end }: Outcome): string | undefined {
  let responses: Response[];
  try {
    responses = parseResponses(received, expected);
  } catch (error) {
    return (error as Error).message;
  }
  const interim = responses.filter(response => response.status === 100).length;
  if (item.interim !== undefined && interim !== Number(item.interim)) return `${interim} interim responses`;
  const finals = responses.filter(response => response.status !== 100);
  const seen = finals.map(response => response.status).join(', ');
  if (finals.length !== expected.length) return `wanted ${expected.length} responses, got ${finals.length} (${seen})`;
  for (const [i, answer] of expected.entries()) {
    const fault = wrongAnswer(answer, finals[i] as Response);
    if (fault !== undefined) return `response ${i + 1}: ${fault}`;
  }
  if (end !== 'fin') return end === 'reset' ? 'the connection was reset' : 'the connection was not closed';
  const last = finals.at(-1);
  if (item.fin === true || item.quiet === true || last === undefined || last.status === 101) return undefined;
  const says = /\bclose\b/i.test(last.headers.get('connection')?.join() ?? '');
  return says ? undefined : 'the last response does not say that the connection ends (RFC 9112 section 9.6)';
}

function wrongAnswer(answer: Answer, { status, headers, body }: Response): string | undefined {
  if (!answer.status.includes(status)) return `status ${status}, not ${answer.status.join(' or ')}`;
  for (const [name, wanted] of Object.entries(answer.headers ?? {})) {
    const value = headers.get(name)?.join(', ');
    if (wanted === null ? value !== undefined : value === undefined || !wanted.test(value)) {
      return `${name} is ${JSON.stringify(value)}`;
    }
  }
  const wanted = Object.entries({ ...answer, status: undefined, headers: undefined, toHead: undefined });
  const seen = wanted.some(([, value]) => value !== undefined) ? echoed(body) : {};
  for (const [key, value] of wanted) {
    if (value !== undefined && seen[key] !== value) return `${key} is ${JSON.stringify(seen[key])}, not ${value}`;
  }
  return undefined;
}

function echoed(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return {};
  }
}

const DATE = /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/**
 * The responses in `text`, each of them checked for what holds of every response.
 *
 * @throws Error saying what is wrong with them
 */
export function parseResponses(text: string, expected: readonly Answer[]): Response[] {
  const responses: Response[] = [];
  let finals = 0;
  for (let rest = text; rest !== ''; ) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) throw new Error('a response is cut off in its head');
    const response = parseHead(rest.slice(0, end));
    rest = rest.slice(end + 4);
    const { status, headers } = response;
    if (status === 101) return [...responses, { ...response, body: rest }];
    const toHead = status >= 200 && expected[finals++]?.toHead === true;
    checkFraming(status, headers);
    const [body, next] = takeBody(rest, headers, toHead || status < 200 || status === 204 || status === 304);
    if (status === 205 && body !== '') throw new Error('a 205 with content (RFC 9110 section 15.3.6)');
    responses.push({ ...response, body });
    rest = next;
  }
  return responses;
}

function parseHead(text: string): Omit<Response, 'body'> {
  const [line = '', ...lines] = text.split('\r\n');
  const status = Number(/^HTTP\/1\.1 ([1-9]\d\d) [\t\x20-\x7e]*$/.exec(line)?.[1]);
  if (Number.isNaN(status)) throw new Error(`not a status line: ${JSON.stringify(line)}`);
  const headers = new Map<string, string[]>();
  for (const field of lines) {
    const parts = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/.exec(field);
    if (parts === null) throw new Error(`not a field line: ${JSON.stringify(field)}`);
    const [, name = '', value = ''] = parts;
    const key = name.toLowerCase();
    headers.set(key, [...(headers.get(key) ?? []), value]);
  }
  return { status, headers };
}

function checkFraming(status: number, headers: Response['headers']): void {
  const lengths = headers.get('content-length') ?? [];
  const codings = headers.get('transfer-encoding') ?? [];
  const bare = status < 200 || status === 204;
  if (bare && lengths.length + codings.length > 0) throw new Error(`a ${status} says how long its content is`);
  if (lengths.length > 1 || (lengths.length > 0 && codings.length > 0)) throw new Error('two lengths in a response');
  if (!/^\d*$/.test(lengths[0] ?? '')) throw new Error('a Content-Length that is no number');
  const dates = headers.get('date') ?? [];
  if (status >= 200 && !(dates.length === 1 && DATE.test(dates[0] ?? ''))) {
    throw new Error(`Date is ${JSON.stringify(dates)} (RFC 9110 section 6.6.1)`);
  }
}

function takeBody(rest: string, headers: Response['headers'], none: boolean): [body: string, next: string] {
  if (none) return ['', rest];
  if (headers.has('transfer-encoding')) return takeChunks(rest);
  const length = headers.get('content-length')?.[0];
  if (length === undefined) return [rest, ''];
  if (rest.length < Number(length)) throw new Error('a response is cut off in its content');
  return [rest.slice(0, Number(length)), rest.slice(Number(length))];
}

function takeChunks(text: string): [body: string, next: string] {
  let body = '';
  for (let rest = text; ; ) {
    const line = /^([0-9a-fA-F]+)\r\n/.exec(rest);
    if (line === null) throw new Error(`not a chunk: ${JSON.stringify(rest.slice(0, 40))}`);
    const from = line[0].length;
    const to = from + Number.parseInt(line[1] as string, 16);
    if (rest.slice(to, to + 2) !== '\r\n') throw new Error('a chunk does not end in CRLF');
    body += rest.slice(from, to);
    rest = rest.slice(to + 2);
    if (from === to) return [body, rest];
  }
}
