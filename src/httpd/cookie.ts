/**
 * The value of a Set-Cookie field (RFC 6265 section 4.1), with what its successor, draft-ietf-httpbis-rfc6265bis, adds.
 */
import { invalidArg } from '../err.js';
import { isToken } from './headers.js';
import { pathInPattern } from './plain_path.js';

/** Attributes of a cookie; by default none of them is sent. */
export interface CookieOptions {
  /** For how many seconds it is kept, a whole number from 0; 0 deletes it. Counts more than `expires`. */
  maxAge?: number;
  /** Until when it is kept, in the years 1601 to 9999. Without this and `maxAge` it goes when the browser is closed. */
  expires?: Date;
  /** Which host it is sent to, and all below it. By default the one that has set it, and none below. */
  domain?: string;
  /** Below which path it is sent, as it stands in a URI; begins with `/`, and is no pattern. By default the folder of the request. */
  path?: string;
  /** Send it over TLS only. */
  secure?: boolean;
  /** Keep it from scripts. */
  httpOnly?: boolean;
  /** Is it sent with requests that pages of other sites make? 'none', always, needs `secure`. */
  sameSite?: 'strict' | 'lax' | 'none';
  /** Keep it apart for each site that embeds this one (CHIPS). Needs `secure`. */
  partitioned?: boolean;
}

const OPTIONS = new Set<string>([
  'maxAge',
  'expires',
  'domain',
  'path',
  'secure',
  'httpOnly',
  'sameSite',
  'partitioned',
] satisfies (keyof CookieOptions)[]);

/** cookie-value of RFC 6265 section 4.1.1. */
const VALUE = /^(?:[!#-+\--:<-[\]-~]*|"[!#-+\--:<-[\]-~]*")$/;
/** av-octets of a path, which begins with a slash: any other is ignored by browsers (RFC 6265 section 5.2.4). */
const PATH = /^\/[ -:<-~]*$/;
/** A host name (RFC 1123 section 2.1); a dot in front is ignored (RFC 6265 section 5.2.3). */
const DOMAIN = /^\.?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** Browsers drop a cookie with a longer name and value, and an attribute with a longer value (rfc6265bis section 5.6). */
const PAIR_MAX = 4096;
const ATTRIBUTE_MAX = 1024;

const SAME_SITE = new Map([
  ['strict', 'Strict'],
  ['lax', 'Lax'],
  ['none', 'None'],
]);

/**
 * The value of a Set-Cookie field that sets a cookie.
 *
 * @param name a token
 * @param value without blanks, control characters, double quotes, commas, semicolons, backslashes and whatever is not
 *   ASCII: pass other text through `encodeURIComponent`. It may stand in double quotes
 * @throws EspError ESP_ERR_INVALID_ARG if the name, the value or an option is not as said here, if browsers would ignore
 *   the cookie (`sameSite: 'none'` or `partitioned` without `secure`, the prefixes `__Secure-` and `__Host-` without what
 *   they promise), or if name and value have more than 4,096 bytes
 */
export function setCookie(name: string, value: string, options: CookieOptions = {}): string {
  if (!isToken(name)) invalidArg('the name of a cookie must be a token (RFC 6265 section 4.1.1)');
  if (typeof value !== 'string' || !VALUE.test(value)) {
    invalidArg(`the value of the cookie '${name}' has characters that a cookie can't have; use encodeURIComponent`);
  }
  if (name.length + value.length > PAIR_MAX) {
    invalidArg(`name and value of the cookie '${name.slice(0, 40)}' have more than ${PAIR_MAX} bytes`);
  }
  checkOptions(name, options);
  checkPrefix(name, options);
  const { maxAge, expires, domain, path, secure, httpOnly, sameSite, partitioned } = options;
  let field = `${name}=${value}`;
  if (maxAge !== undefined) field += `; Max-Age=${maxAge}`;
  if (expires !== undefined) field += `; Expires=${expires.toUTCString()}`;
  if (domain !== undefined) field += `; Domain=${domain}`;
  if (path !== undefined) field += `; Path=${path}`;
  if (secure) field += '; Secure';
  if (httpOnly) field += '; HttpOnly';
  if (sameSite !== undefined) field += `; SameSite=${SAME_SITE.get(sameSite)}`;
  if (partitioned) field += '; Partitioned';
  return field;
}

function checkOptions(name: string, options: CookieOptions): void {
  const wrong = (what: string): never => invalidArg(`${what} (cookie '${name}')`);
  if (options === null || typeof options !== 'object') wrong('the options must be an object; see CookieOptions');
  for (const option of Object.keys(options)) {
    if (!OPTIONS.has(option)) wrong(`a cookie has no option '${option}'; see CookieOptions`);
  }
  for (const option of ['secure', 'httpOnly', 'partitioned'] as const) {
    const value = options[option];
    if (value !== undefined && typeof value !== 'boolean') wrong(`${option} must be true or false`);
  }
  const { maxAge, expires, domain, path, sameSite } = options;
  if (maxAge !== undefined && !(Number.isSafeInteger(maxAge) && maxAge >= 0)) {
    wrong('maxAge must be a whole number of seconds from 0');
  }
  if (expires !== undefined && !isCookieDate(expires)) wrong('expires must be a Date in the years 1601 to 9999');
  if (domain !== undefined && !isShortText(domain, DOMAIN)) wrong('domain must be a host name');
  const prefix = typeof path === 'string' && path.startsWith('/') ? pathInPattern(path) : undefined;
  if (prefix !== undefined)
    wrong(`path is a prefix: write ${prefix}, for that path and all below it, and not '${path}'`);
  if (path !== undefined && !isShortText(path, PATH)) {
    wrong(`path must begin with a slash, and have printable ASCII, no semicolon and at most ${ATTRIBUTE_MAX} bytes`);
  }
  if (sameSite !== undefined && !SAME_SITE.has(sameSite)) wrong("sameSite must be 'strict', 'lax' or 'none'");
  if (sameSite === 'none' && !options.secure) wrong("sameSite: 'none' needs secure: true");
  if (options.partitioned && !options.secure) wrong('partitioned needs secure: true');
}

/** The promises that a name makes (rfc6265bis section 4.1.3). Browsers look at it whatever the case of its letters. */
function checkPrefix(name: string, { secure, path, domain }: CookieOptions): void {
  const lower = name.toLowerCase();
  const host = lower.startsWith('__host-');
  if ((host || lower.startsWith('__secure-')) && !secure) invalidArg(`the cookie '${name}' needs secure: true`);
  if (host && (path !== '/' || domain !== undefined)) invalidArg(`the cookie '${name}' needs path: '/' and no domain`);
}

function isShortText(text: unknown, pattern: RegExp): boolean {
  return typeof text === 'string' && text.length <= ATTRIBUTE_MAX && pattern.test(text);
}

function isCookieDate(date: unknown): boolean {
  if (!(date instanceof Date)) return false;
  const year = date.getUTCFullYear();
  return year >= 1601 && year <= 9999;
}
