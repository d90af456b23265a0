/**
 * Look-ups in a request's header section, query and cookies. Pure.
 *
 * The section is kept as the text it came as, which the parser has checked: a look-up costs a scan and no object.
 */

import { invalidArg } from '../err.js';

/** OWS of RFC 9110 section 5.6.3 is SP and HTAB. */
function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Do `text.slice(at, at + name.length)` and `name` agree but for the case of letters? `name` is lower-case. */
function sameName(text: string, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = text.charCodeAt(at + i);
    const lower = code >= 0x41 && code <= 0x5a ? code | 0x20 : code;
    if (lower !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** The text without the SP and HTAB around it: `trim()` would take a NBSP, which is no blank in HTTP, with it. */
export function trimBlanks(text: string): string {
  return valueAt(text, 0, text.length);
}

/** What stands in `section[from, lineEnd)`, without the blanks around it and a CR at its end. */
export function valueAt(section: string, from: number, lineEnd: number): string {
  let start = from;
  let end = lineEnd;
  while (end > start && (section.charCodeAt(end - 1) === 0x0d || isBlank(section.charCodeAt(end - 1)))) end -= 1;
  while (start < end && isBlank(section.charCodeAt(start))) start += 1;
  return section.slice(start, end);
}

/** Where the next line with a field of this name begins, at `from` or behind it; -1 if there is none. */
function lineOf(section: string, name: string, from: number): number {
  for (let at = from; at < section.length; ) {
    const lineEnd = section.indexOf('\n', at);
    if (lineEnd < 0) return -1;
    const colon = at + name.length;
    if (section.charCodeAt(colon) === 0x3a && colon < lineEnd && sameName(section, at, name)) return at;
    at = lineEnd + 1;
  }
  return -1;
}

/**
 * The value of the first field of this name.
 *
 * @param section lines `Name: value`, each ended by LF or CRLF
 * @param name in lower case
 */
export function findHeader(section: string, name: string): string | undefined {
  const at = lineOf(section, name, 0);
  return at < 0 ? undefined : valueAt(section, at + name.length + 1, section.indexOf('\n', at));
}

/** All fields in their order. */
export function* eachHeader(section: string): Generator<readonly [name: string, value: string]> {
  for (let at = 0; at < section.length; ) {
    const lineEnd = section.indexOf('\n', at);
    if (lineEnd < 0) return;
    const colon = section.indexOf(':', at);
    if (colon >= 0 && colon < lineEnd) yield [section.slice(at, colon), valueAt(section, colon + 1, lineEnd)];
    at = lineEnd + 1;
  }
}

/** The values of all fields of this name, as the one list that RFC 9110 section 5.3 makes of them. */
export function joinHeaders(section: string, name: string): string | undefined {
  let joined: string | undefined;
  for (let at = lineOf(section, name, 0); at >= 0; ) {
    const lineEnd = section.indexOf('\n', at);
    const value = valueAt(section, at + name.length + 1, lineEnd);
    joined = joined === undefined ? value : `${joined}, ${value}`;
    at = lineOf(section, name, lineEnd + 1);
  }
  return joined;
}

/** Does the list `value`, separated by commas, have the element `token`, whatever the case of its letters? */
export function listHas(value: string | undefined, token: string): boolean {
  const elements = value?.split(',') ?? [];
  return elements.some(element => trimBlanks(element).toLowerCase() === token);
}

/** What stands behind the `?` of a URI, up to a `#`. */
export function queryOf(uri: string): string {
  const mark = uri.indexOf('?');
  if (mark < 0) return '';
  const hash = uri.indexOf('#', mark);
  return hash < 0 ? uri.slice(mark + 1) : uri.slice(mark + 1, hash);
}

/**
 * The path of a request target in origin form or absolute form (RFC 9112 section 3.2); others are returned as they are.
 */
export function pathOf(uri: string): string {
  let from = 0;
  if (uri.charCodeAt(0) !== 0x2f) {
    const authority = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i.exec(uri);
    if (authority !== null) from = authority[0].length;
  }
  let to = uri.length;
  const query = uri.indexOf('?', from);
  if (query >= 0) to = query;
  const hash = uri.indexOf('#', from);
  if (hash >= 0 && hash < to) to = hash;
  if (from === 0 && to === uri.length) return uri;
  return from === to && from > 0 ? '/' : uri.slice(from, to);
}

/**
 * The value of a key in a query, or in a form's urlencoded body, after `httpd_query_key_value()`.
 *
 * @param query `a=1&b=2`, without the question mark
 * @param key compared without regard to case, as ESP-IDF does
 * @throws EspError ESP_ERR_INVALID_ARG
 * @returns the first such value as it stands there, not decoded; undefined if the key is absent
 */
export function queryKeyValue(query: string, key: string): string | undefined {
  if (typeof query !== 'string' || typeof key !== 'string') invalidArg('queryKeyValue takes two strings');
  const wanted = key.toLowerCase();
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    if (equals >= 0 && pair.slice(0, equals).toLowerCase() === wanted) return pair.slice(equals + 1);
  }
  return undefined;
}

/** The value of a cookie in the Cookie fields of a header section (RFC 6265 section 4.2). The name's case counts. */
export function cookieValue(section: string, name: string): string | undefined {
  for (const [field, header] of eachHeader(section)) {
    if (field.toLowerCase() !== 'cookie') continue;
    for (const pair of header.split(';')) {
      const equals = pair.indexOf('=');
      if (equals < 0 || trimBlanks(pair.slice(0, equals)) !== name) continue;
      const value = trimBlanks(pair.slice(equals + 1));
      return value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value;
    }
  }
  return undefined;
}

/** field-value of RFC 9110 section 5.5: no CR, LF, NUL or other control character. */
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** token of RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export function isFieldValue(text: unknown): text is string {
  return typeof text === 'string' && FIELD_VALUE.test(text);
}

export function isToken(text: unknown): text is string {
  return typeof text === 'string' && TOKEN.test(text);
}

/** Which bytes a token may have, and which a field value: for what is looked at byte by byte. */
const TOKEN_CODES = codesOf(TOKEN);
const VALUE_CODES = codesOf(FIELD_VALUE);

function codesOf(allowed: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (allowed.test(String.fromCharCode(code)) ? 1 : 0));
}

export function isTokenCode(code: number): boolean {
  return TOKEN_CODES[code] === 1;
}

export function isValueCode(code: number): boolean {
  return VALUE_CODES[code] === 1;
}
