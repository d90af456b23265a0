/**
 * Responses as a strict client reads them (RFC 9112): each octet must have its place.
 */
import { Finding, shown } from './finding.js';

export interface Answer {
  readonly status: number;
  /** The header section: lines with their line endings. */
  readonly headers: string;
  readonly body: string;
  /** Is the connection to be closed behind it? */
  readonly closes: boolean;
  /** Does it end with the connection? */
  readonly untilClose: boolean;
}

/** What a server has sent on a connection. */
export interface Answers {
  /** Interim responses too; a 101 is the last one. */
  readonly answers: readonly Answer[];
  /** What stands behind a 101, or is not complete. */
  readonly rest: string;
}

const STATUS_LINE = /HTTP\/1\.1 (\d{3}) [\t\x20-\x7e\x80-\xff]*\r\n/y;
const FIELD =
  /([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t ]*([\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?[\t ]*\r\n/y;
/** The last coding of a list (RFC 9112 section 6.3). */
const CHUNKED = /(?:^|[\t ,])chunked$/i;
const CHUNK_SIZE = /([0-9A-Fa-f]+)\r\n/y;

/**
 * @param text all that was sent, as Latin-1
 * @param isHead tells of each final response, by its number, whether it answers a HEAD request; undefined: that is not
 *   known, since the request could not be read
 * @throws Finding
 */
export function readAnswers(text: string, isHead: (n: number) => boolean | undefined): Answers {
  const answers: Answer[] = [];
  let at = 0;
  let finals = 0;
  while (at < text.length) {
    if (answers.at(-1)?.closes) throw new Finding('bytes follow a response that closes', shown(text.slice(at)));
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd < 0) break;
    const { status, fields, headers } = readHead(text, at, headEnd + 4);
    const toHead = isHead(finals);
    const silent = toHead ?? headEnd + 4 === text.length;
    const read = readBody(text, headEnd + 4, status, fields, silent);
    if (read === undefined) break;
    const closes = has(fields.get('connection'), 'close');
    answers.push({ status, headers, body: read.body, closes, untilClose: read.untilClose });
    at = read.end;
    if (status === 101) break;
    if (status >= 200) finals += 1;
  }
  return { answers, rest: text.slice(at) };
}

interface Head {
  readonly status: number;
  readonly headers: string;
  /** Values by name in lower case. */
  readonly fields: ReadonlyMap<string, string>;
}

function readHead(text: string, from: number, to: number): Head {
  STATUS_LINE.lastIndex = from;
  const [line, code] = STATUS_LINE.exec(text) ?? [];
  if (line === undefined) throw new Finding('a malformed status line', shown(text.slice(from)));
  const fields = new Map<string, string>();
  const start = from + line.length;
  for (let at = start; at < to - 2; ) {
    FIELD.lastIndex = at;
    const [field, name = '', value = ''] = FIELD.exec(text) ?? [];
    if (field === undefined) throw new Finding('a malformed header field', shown(text.slice(at, to)));
    const known = name.toLowerCase();
    if (SINGLE.has(known) && fields.has(known))
      throw new Finding(`a second ${name} in a response`, shown(text.slice(from, to)));
    fields.set(known, value);
    at += field.length;
  }
  return { status: Number(code), headers: text.slice(start, to - 2), fields };
}

/** Fields whose value is no list. */
const SINGLE = new Set([
  'content-length',
  'transfer-encoding',
  'content-type',
  'date',
  'connection',
  'etag',
  'location',
]);

/** @returns undefined if it is not complete */
function readBody(
  text: string,
  from: number,
  status: number,
  fields: ReadonlyMap<string, string>,
  isHead: boolean,
): { body: string; end: number; untilClose: boolean } | undefined {
  const len = fields.get('content-length');
  const coding = fields.get('transfer-encoding');
  const silent = status < 200 || status === 204 || status === 304;
  // RFC 9110 section 8.6, RFC 9112 section 6.1
  if (silent && status !== 304 && (len ?? coding) !== undefined) throw new Finding(`a ${status} with a body's framing`);
  if (len !== undefined && coding !== undefined) throw new Finding('Content-Length beside Transfer-Encoding');
  if (len !== undefined && !/^\d+$/.test(len)) throw new Finding('a malformed Content-Length', len);
  if (silent || isHead) return { body: '', end: from, untilClose: false };
  if (coding !== undefined && !CHUNKED.test(coding)) throw new Finding('a coding whose end nothing tells', coding);
  if (coding !== undefined) return readChunks(text, from);
  if (len !== undefined) {
    const end = from + Number(len);
    return end > text.length ? undefined : { body: text.slice(from, end), end, untilClose: false };
  }
  if (!has(fields.get('connection'), 'close'))
    throw new Finding('a response whose end nothing tells', shown(text.slice(0, from)));
  return { body: text.slice(from), end: text.length, untilClose: true };
}

function readChunks(text: string, from: number): { body: string; end: number; untilClose: boolean } | undefined {
  let body = '';
  for (let at = from; ; ) {
    CHUNK_SIZE.lastIndex = at;
    const [line, size] = CHUNK_SIZE.exec(text) ?? [];
    if (line === undefined || size === undefined) {
      if (/^[0-9A-Fa-f]*\r?$/.test(text.slice(at))) return undefined;
      throw new Finding('a malformed chunk', shown(text.slice(at)));
    }
    const start = at + line.length;
    const end = start + Number.parseInt(size, 16);
    if (end + 2 > text.length) return undefined;
    if (text.slice(end, end + 2) !== '\r\n') throw new Finding('a chunk without its CRLF', shown(text.slice(at)));
    body += text.slice(start, end);
    at = end + 2;
    if (start === end) return { body, end: at, untilClose: false };
  }
}

function has(list: string | undefined, token: string): boolean {
  const elements = list?.toLowerCase().split(/[\t ]*,[\t ]*/);
  return elements?.includes(token) ?? false;
}
