/**
 * Headers that an application adds to the handshake, checked. Pure.
 */
import { invalidArg } from '../err.js';
import { isFieldValue, isToken } from '../httpd/headers.js';

/** Headers by name, as pairs, or as ESP-IDF has them: one text of lines that end in CRLF. */
export type HeaderList =
  | Readonly<Record<string, string>>
  | readonly (readonly [name: string, value: string])[]
  | string;

export type Header = readonly [name: string, value: string];

/** Fields of which the handshake is made, or that would give the request a body. */
const OURS: ReadonlySet<string> = new Set([
  'upgrade',
  'connection',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
  'sec-websocket-accept',
  'content-length',
  'transfer-encoding',
  'trailer',
  'te',
  'expect',
]);
/** What the server must not see, and that the proxy would not. */
const OF_PROXY = 'proxy-authorization';
/** Of all of them together: servers take no more. */
const BYTES_MAX = 16 * 1024;

export function isHeaderValue(value: unknown): value is string {
  return isFieldValue(value);
}

/**
 * The headers as pairs.
 *
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function checkHeaders(given: HeaderList | undefined): Header[] {
  if (given === undefined) return [];
  const pairs = typeof given === 'string' ? pairsOf(given) : Array.isArray(given) ? given : Object.entries(given ?? {});
  const headers: Header[] = pairs.map(pair => checkHeader((pair as Header)?.[0], (pair as Header)?.[1]));
  checkSize(headers);
  return headers;
}

/** @throws EspError ESP_ERR_INVALID_ARG */
export function checkHeader(name: unknown, value: unknown): Header {
  if (!isToken(name)) invalidArg(`'${String(name).slice(0, 100)}' is no name of a header`);
  if (!isFieldValue(value)) {
    invalidArg(`header ${name} must have a string without CR, LF, NUL or characters beyond Latin-1`);
  }
  if (OURS.has(name.toLowerCase())) {
    invalidArg(`header ${name} belongs to the handshake: use subprotocol and perMessageDeflate where you mean those`);
  }
  if (name.toLowerCase() === OF_PROXY) invalidArg(`header ${name} would go to the server: use proxyUri`);
  return [name, value];
}

/** @throws EspError ESP_ERR_INVALID_ARG */
export function checkSize(headers: readonly Header[]): void {
  const size = headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0);
  if (size > BYTES_MAX) invalidArg(`the headers have ${size} bytes, more than ${BYTES_MAX}`);
}

function pairsOf(text: string): Header[] {
  const lines = text.split('\r\n');
  // what is behind the last CRLF
  const rest = lines.pop();
  if (rest !== '') lines.push(rest ?? '');
  return lines.map(line => {
    const colon = line.indexOf(':');
    if (colon < 0) invalidArg('headers as a text must be lines such as "Name: value", each ended by CRLF');
    return [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}
