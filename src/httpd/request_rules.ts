/**
 * What RFC 9110 and RFC 9112 ask of a request's head beyond what llhttp checks. Pure.
 *
 * Each function takes text that llhttp has let through, and says what it means, or why it is refused.
 */
import { findHeader, joinHeaders, listHas, trimBlanks } from './headers.js';
import { HTTP_CONNECT, HTTP_OPTIONS } from './methods.js';

const PORT_MAX = 65_535;
/** uri-host of RFC 9110 section 7.2, and a port; an address in brackets is looked at apart. */
const HOST =
  /^(?:(\[[0-9A-Fa-f:.]+\])|\[v[0-9A-Fa-f]+\.[!$&-.0-;=A-Z_a-z~]+\]|(?:[!$&-.0-9;=A-Z_a-z~]|%[0-9A-Fa-f]{2})+)(?::(\d*))?$/;

/** Is it a host, and perhaps a port, as a Host field or a URI's authority has it (RFC 9110 section 4.2.1: not empty)? */
export function isAuthority(text: string): boolean {
  const match = HOST.exec(text);
  if (match === null) return false;
  const [, address, port] = match;
  if (port !== undefined && Number(port) > PORT_MAX) return false;
  return address === undefined || URL.canParse(`http://${address}/`);
}

/** May it be the value of a Host field? An empty one is for targets without an authority (RFC 9112 section 3.2). */
export function isHost(value: string): boolean {
  return value === '' || isAuthority(value);
}

/**
 * origin-form (RFC 9112 section 3.2.1). In the query stands what browsers leave as it is (WHATWG URL), though RFC 3986 asks
 * for it to be encoded; in the path that is `[`, `]`, `^` and `|`.
 */
const ORIGIN_FORM = /^\/(?:[!$&-;=@-[\]^_a-z|~]|%[0-9A-Fa-f]{2})*(?:\?[!$-;=?-~]*)?$/;
const ABSOLUTE_FORM = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)(.*)$/;
const AUTHORITY_FORM = /^(.*):([1-9]\d*)$/;

/** What a request target says besides the path. */
export interface Target {
  /** The authority, which counts instead of the Host field; undefined where the target has none. */
  readonly authority: string | undefined;
}

/** Of the forms of RFC 9112 section 3.2. */
const NO_FORM = "the target is no path that begins with '/', and no other form that fits (RFC 9112 section 3.2)";

const NO_AUTHORITY: Target = { authority: undefined };

const HTTP: readonly string[] = ['http'];
const HTTPS: readonly string[] = ['https'];
const EITHER: readonly string[] = ['http', 'https'];

/** What of a listener counts here. */
export interface ListenerKind {
  readonly encrypted: boolean;
  /** Of a Unix socket. */
  readonly path: string | undefined;
}

/**
 * The schemes of the URIs that are served on a listener (RFC 9110 sections 4.2 and 7.4). By a Unix socket comes what a
 * gateway on this machine passes on, which may have done the TLS.
 */
export function schemesOf(listener: ListenerKind): readonly string[] {
  if (listener.path !== undefined) return EITHER;
  return listener.encrypted ? HTTPS : HTTP;
}

/**
 * @param schemes of targets in absolute form, from `schemesOf`
 * @returns undefined if `uri` is no target for a request of this method (RFC 9112 section 3.2)
 */
export function readTarget(method: number, uri: string, schemes: readonly string[]): Target | undefined {
  if (method === HTTP_CONNECT) {
    return AUTHORITY_FORM.test(uri) && isAuthority(uri) ? { authority: uri } : undefined;
  }
  if (ORIGIN_FORM.test(uri)) return NO_AUTHORITY;
  if (uri === '*') return method === HTTP_OPTIONS ? NO_AUTHORITY : undefined;
  const [, scheme = '', authority = '', rest = ''] = ABSOLUTE_FORM.exec(uri) ?? [];
  // a URI of another scheme is no resource of this server (RFC 9110 section 7.4)
  if (!schemes.includes(scheme.toLowerCase()) || !isAuthority(authority)) return undefined;
  return ORIGIN_FORM.test(rest.startsWith('/') ? rest : `/${rest}`) ? { authority } : undefined;
}

/**
 * Why a target is refused: the first character that can't stand in one, if there is any; else its scheme, or its form.
 *
 * @param schemes as `readTarget` takes them
 */
export function whyNoTarget(uri: string, schemes: readonly string[]): string {
  const [char] = /[^!$-;=?-[\]^_a-z|~]|%(?![0-9A-Fa-f]{2})/.exec(uri) ?? [];
  if (char === undefined) return otherScheme(uri, schemes) ?? NO_FORM;
  if (char === '%') return "a '%' in the target that no two hexadecimal digits follow (RFC 3986 section 2.1)";
  if (char === '#') return "a '#' in the target: a fragment is not sent (RFC 9110 section 7.1)";
  const code = char.charCodeAt(0);
  if (code > 0x7f) return 'a byte above 127 in the target: UTF-8 has to be percent-encoded (RFC 3986 section 2.5)';
  const encoded = `%${code.toString(16).toUpperCase().padStart(2, '0')}`;
  const shown = code < 0x21 || code === 0x7f ? 'a control character' : `the character ${char}`;
  return `${shown} in the target: it has to be written as ${encoded} (RFC 3986 section 2.1)`;
}

function otherScheme(uri: string, schemes: readonly string[]): string | undefined {
  const scheme = ABSOLUTE_FORM.exec(uri)?.[1]?.toLowerCase() ?? '';
  if (!EITHER.includes(scheme) || schemes.includes(scheme)) return undefined;
  const how = scheme === 'https' ? 'is not encrypted' : 'is encrypted';
  return `the target is an ${scheme} URI, and the connection ${how} (RFC 9110 section 7.4)`;
}

/** The header section with its Host field as the target has it (RFC 9112 section 3.2.2). */
export function withHost(headers: string, authority: string): string {
  const line = `Host: ${authority}\r\n`;
  return /^host:/im.test(headers) ? headers.replace(/^host:.*\r?\n/im, () => line) : line + headers;
}

/** The body's length is told by the last coding: it is chunked. */
export const CODING_CHUNKED = 0;
/** A coding that this server does not know (RFC 9112 section 6.1). */
export const CODING_UNKNOWN = 1;
/** Where the body ends would be a guess, and guesses differ (RFC 9112 section 6.3). */
export const CODING_BROKEN = 2;

/** transfer-coding of RFC 9112 section 7, in lower case: a token, and parameters; chunked has none. */
const CODING =
  /^([\w!#$%&'*+\-.^`|~]+)(?:[ \t]*;[ \t]*[\w!#$%&'*+\-.^`|~]+[ \t]*=[ \t]*(?:[\w!#$%&'*+\-.^`|~]+|"[^"\\]*"))*$/;

/** What the Transfer-Encoding fields of a header section say. */
export function readCodings(headers: string): number {
  const codings = (joinHeaders(headers, 'transfer-encoding') ?? '').split(',').map(element);
  const last = codings.pop();
  const names = codings.map(coding => CODING.exec(coding)?.[1]);
  if (last !== 'chunked' || names.includes(undefined) || names.includes('chunked')) return CODING_BROKEN;
  return codings.length === 0 ? CODING_CHUNKED : CODING_UNKNOWN;
}

/** Does the client wait for a 100 (RFC 9110 section 10.1.1)? The expectation of an HTTP/1.0 request is ignored. */
export function expectsContinue({ headers, http10 }: { readonly headers: string; readonly http10: boolean }): boolean {
  return !http10 && listHas(findHeader(headers, 'expect'), '100-continue');
}

/** What Connection fields ask for (RFC 9110 section 7.6.1). */
export interface ConnectionOptions {
  readonly close: boolean;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
}

const KEEP_ALIVE: ConnectionOptions = { close: false, keepAlive: true, upgrade: false };
const NO_OPTIONS: ConnectionOptions = { close: false, keepAlive: false, upgrade: false };

/** @param value of all the fields, as one list */
export function readConnection(value: string | undefined): ConnectionOptions {
  if (value === undefined) return NO_OPTIONS;
  // what most clients say, as they write it
  if (value === 'keep-alive') return KEEP_ALIVE;
  const options = value.split(',').map(element);
  return {
    close: options.includes('close'),
    keepAlive: options.includes('keep-alive'),
    upgrade: options.includes('upgrade'),
  };
}

/** An element of a list, as it is compared. */
function element(text: string): string {
  return trimBlanks(text).toLowerCase();
}
