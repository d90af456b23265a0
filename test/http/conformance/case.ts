/** What a case of the conformance table is, and what cases are built of. */

/** How strongly the RFC wants it (RFC 2119); a rule of grammar counts as the RFC counts breaking it. */
export type Level = 'MUST' | 'SHOULD';

/** What the echo handler has to have seen. */
export interface Seen {
  readonly method?: string;
  readonly uri?: string;
  /** The value of the Host field. */
  readonly host?: string;
  readonly body?: string;
  /** The value of the X-Probe field. */
  readonly probe?: string;
}

/** What one response has to be. */
export interface Answer extends Seen {
  /** Any of these. */
  readonly status: readonly number[];
  /** Fields by lower-case name: what the value has to fit; null: the field must be absent. */
  readonly headers?: Readonly<Record<string, RegExp | null>>;
  /** Does it answer a HEAD request, and so has no content? */
  readonly toHead?: boolean;
}

/** Bytes on a new connection, and all that may come back before the server closes it. */
export interface Case {
  readonly name: string;
  /** Such as `RFC 9112 section 6.1`. */
  readonly section: string;
  readonly level: Level;
  /** Latin-1: a character is a byte. */
  readonly raw: string;
  /** What is sent when the first bytes of the server have come. */
  readonly later?: string;
  /** Does the client close its side behind the bytes? */
  readonly fin?: boolean;
  /** May the connection end though the last response has not said so? */
  readonly quiet?: boolean;
  /** Is a 100 demanded (true) or forbidden (false)? */
  readonly interim?: boolean;
  /** The final responses in their order. */
  readonly expect: readonly Answer[];
  /** What they may be as well. */
  readonly or?: readonly (readonly Answer[])[];
}

/** A rule of an RFC, and how strongly it is meant. */
export type Rule = Pick<Case, 'section' | 'level'>;

export function must(rfc: number, section: string): Rule {
  return { section: `RFC ${rfc} section ${section}`, level: 'MUST' };
}

export function should(rfc: number, section: string): Rule {
  return { section: `RFC ${rfc} section ${section}`, level: 'SHOULD' };
}

/** Goes behind bytes that must leave the connection open; its answer shows that they did. */
export const LAST = 'GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
/** Goes behind bytes after which the connection must be closed. */
export const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';

const LAST_ANSWER: Answer = { status: [200], uri: '/last' };

/** A 200 of the echo handler. */
export function ok(seen: Omit<Answer, 'status'> = {}): Answer {
  return { status: [200], ...seen };
}

/** An answer of this status. */
export function status(...codes: number[]): Answer {
  return { status: codes };
}

/** The head of a request to `line`, such as `'GET /echo'`, with a Host field and these. */
export function head(line: string, ...fields: string[]): string {
  return [`${line} HTTP/1.1`, 'Host: a', ...fields, '', ''].join('\r\n');
}

/** A POST to the echo handler with these fields, and what follows them. */
export function post(body: string, ...fields: string[]): string {
  return head('POST /echo', ...fields) + body;
}

/** The bytes are a request, or several, answered so, and the connection stays open. */
export function served(rule: Rule, name: string, raw: string, ...expect: Answer[]): Case {
  return { ...rule, name, raw: raw + LAST, expect: [...(expect.length > 0 ? expect : [ok()]), LAST_ANSWER] };
}

/** The bytes are answered so, and then the connection is closed: nothing behind them is looked at. */
export function closed(rule: Rule, name: string, raw: string, ...expect: Answer[]): Case {
  return { ...rule, name, raw: raw + SMUGGLED, expect };
}

/** The bytes are refused with 400, or one of `codes`, and then the connection is closed. */
export function refused(rule: Rule, name: string, raw: string, codes: readonly number[] = [400]): Case {
  return closed(rule, name, raw, { status: codes });
}

/** The bytes may be refused with 400, but if they are served then so. */
export function servedOr400(rule: Rule, name: string, raw: string, ...expect: Answer[]): Case {
  return { ...served(rule, name, raw, ...expect), or: [[status(400)]] };
}

/** Bytes as they are shown in the name of a case. */
export function show(bytes: string): string {
  const text = bytes.length > 60 ? `${bytes.slice(0, 40)}…(${bytes.length})` : bytes;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be shown
  return text.replace(/[\x00-\x1f\x7f-\xff]/g, byte => `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** Each byte value from `from` to `to`, as characters. */
export function bytes(from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => String.fromCharCode(from + i));
}

/** Control characters other than HTAB, LF and CR. */
export const CONTROLS = [...bytes(0x00, 0x08), '\x0b', '\x0c', ...bytes(0x0e, 0x1f), '\x7f'];
/** What token (RFC 9110 section 5.6.2) does not allow, of the visible characters; and bytes beyond ASCII. */
export const DELIMITERS = [...'"(),/:;<=>?@[\\]{}'];
export const BEYOND_ASCII = ['\x80', '\x85', '\xa0', '\xc3\xa9', '\xff'];
/** The characters of a token that are neither letters nor digits. */
export const TOKEN_SIGNS = [..."!#$%&'*+-.^_`|~"];
