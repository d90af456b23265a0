/**
 * Cross-origin requests (CORS, section 3.3 of the Fetch standard): a hook for `server.before`.
 */
import { ESP_OK, invalidArg } from '../err.js';
import { runsFirst } from '../httpd/before.js';
import { isToken } from '../httpd/headers.js';
import {
  HTTP_ANY,
  HTTP_DELETE,
  HTTP_GET,
  HTTP_HEAD,
  HTTP_OPTIONS,
  HTTP_PATCH,
  HTTP_POST,
  HTTP_PUT,
  isMethod,
  methodName,
} from '../httpd/methods.js';
import type { HttpdReq } from '../httpd/req.js';
import type { UriHandler } from '../httpd/route.js';
import { HTTPD_204 } from '../httpd/status.js';
import { asBrowsersWrite, isListed } from '../origin.js';
import { isThenable, watch } from '../thenable.js';

/** What pages of other origins may do. */
export interface CorsOptions {
  /**
   * Pages of which origins may read responses: `'*'` for all, a list such as `['https://example.com']`, or a function
   * that must decide at once. `'null'`, the origin of files and sandboxes, must be in the list, or allowed by the
   * function, which has to know that anybody's page can have it.
   */
  origins: '*' | readonly string[] | ((origin: string) => boolean);
  /** `HTTP_GET` and so on. Default: GET, HEAD, POST, PUT, PATCH and DELETE. */
  methods?: readonly number[];
  /** Request headers that pages may set beyond the harmless ones. Default: `['Content-Type']`. */
  allowedHeaders?: readonly string[];
  /** Response headers that pages may read beyond the harmless ones. Default: none. */
  exposedHeaders?: readonly string[];
  /** May browsers send cookies and passwords along? Not with origins `'*'`. Default false. */
  credentials?: boolean;
  /** For how many seconds browsers may remember the answer to a preflight; a whole number from 0. Default: they choose. */
  maxAge?: number;
  /** May pages of public addresses reach this server in a private network? Default false. */
  privateNetwork?: boolean;
}

const OPTIONS = new Set<string>([
  'origins',
  'methods',
  'allowedHeaders',
  'exposedHeaders',
  'credentials',
  'maxAge',
  'privateNetwork',
] satisfies (keyof CorsOptions)[]);

const DEFAULT_METHODS = [HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE];

/** Headers, by name. */
type Fields = readonly (readonly [name: string, value: string])[];

/**
 * Makes a hook that adds what browsers want to see before they let a page of another origin read a response, and that
 * answers their preflights. It refuses no request: who is no browser is not bound by any of this, so it replaces neither
 * authentication nor `wsAllowedOrigins`.
 *
 * Responses get `Access-Control-Allow-Origin` with `*` or the origin that asks, if it is allowed, and then
 * `-Allow-Credentials` and `-Expose-Headers`; unless the origins are `'*'` they get `Vary: Origin` too, so that no cache
 * shows one origin's response to another. An OPTIONS request with `Origin` and `Access-Control-Request-Method` is a
 * preflight: it is answered with a 204 here and reaches no handler.
 *
 * The hook runs before those that are not of `cors`, in whatever order they are registered: browsers send no password with
 * a preflight, so that no guard could let one pass, and a page can read a guard's refusal only if it has these headers.
 *
 * @returns for `server.before('/api', hook)`
 * @throws EspError ESP_ERR_INVALID_ARG for options that are not as described, for `credentials` together with `'*'`,
 *   and for an origin that is not as browsers write it: `https://example.com`, in lower case, without a path, and
 *   without a port that is the scheme's own
 */
export function cors(options: CorsOptions): UriHandler {
  checkOptions(options);
  const { origins, privateNetwork } = options;
  const allow = originRule(origins);
  const { onAnswer, onPreflight } = fixedFields(options);
  return runsFirst(req => {
    const origin = req.getHdrValueStr('origin');
    const allowed = allow(origin);
    const preflight = isPreflight(req);
    if (origins !== '*') req.respAddHdr('Vary', 'Origin');
    if (allowed !== undefined) {
      req.respAddHdr('Access-Control-Allow-Origin', allowed);
      for (const [name, value] of preflight ? onPreflight : onAnswer) req.respAddHdr(name, value);
      if (preflight && privateNetwork && req.getHdrValueStr('access-control-request-private-network') === 'true') {
        req.respAddHdr('Access-Control-Allow-Private-Network', 'true');
      }
    }
    if (!preflight) return ESP_OK;
    req.respSetStatus(HTTPD_204);
    return req.respSend();
  });
}

/** CORS-preflight request of the Fetch standard. */
function isPreflight(req: HttpdReq): boolean {
  return (
    req.method === HTTP_OPTIONS &&
    req.getHdrValueStr('origin') !== undefined &&
    req.getHdrValueStr('access-control-request-method') !== undefined
  );
}

/** What `Access-Control-Allow-Origin` is to say; undefined: nothing. */
function originRule(origins: CorsOptions['origins']): (origin: string | undefined) => string | undefined {
  if (origins === '*') return () => '*';
  const allows = typeof origins === 'function' ? origins : inList(origins);
  return origin => {
    if (origin === undefined) return undefined;
    const verdict: unknown = allows(origin);
    if (isThenable(verdict)) {
      watch(verdict, () => {});
      invalidArg('the function for origins must decide at once, and not return a promise');
    }
    return verdict === true ? origin : undefined;
  };
}

function inList(origins: readonly string[]): (origin: string) => boolean {
  const list = new Set(origins);
  return origin => isListed(list, origin);
}

/** The headers that are the same each time. */
function fixedFields(options: CorsOptions): { onAnswer: Fields; onPreflight: Fields } {
  const { methods = DEFAULT_METHODS, allowedHeaders = ['Content-Type'], exposedHeaders = [], maxAge } = options;
  const credentials: Fields = options.credentials ? [['Access-Control-Allow-Credentials', 'true']] : [];
  return {
    onAnswer: [...credentials, ...listField('Access-Control-Expose-Headers', exposedHeaders)],
    onPreflight: [
      ...credentials,
      ...listField('Access-Control-Allow-Methods', methods.map(methodName)),
      ...listField('Access-Control-Allow-Headers', allowedHeaders),
      ...listField('Access-Control-Max-Age', maxAge === undefined ? [] : [String(maxAge)]),
    ],
  };
}

function listField(name: string, values: readonly string[]): Fields {
  return values.length === 0 ? [] : [[name, values.join(', ')]];
}

function checkOptions(options: CorsOptions): void {
  if (options === null || typeof options !== 'object') invalidArg('cors needs an object; see CorsOptions');
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name)) invalidArg(`cors has no option '${name}'; see CorsOptions`);
  }
  const { origins, methods, maxAge } = options;
  for (const name of ['credentials', 'privateNetwork'] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'boolean') invalidArg(`${name} must be true or false`);
  }
  if (origins === '*') {
    if (options.credentials) invalidArg("credentials are for certain origins: name them instead of '*'");
  } else if (typeof origins !== 'function') {
    if (!Array.isArray(origins) || origins.length === 0) invalidArg("origins must be '*', a list, or a function");
    origins.forEach(checkOrigin);
  }
  if (methods !== undefined && !(Array.isArray(methods) && methods.every(one => isMethod(one) && one !== HTTP_ANY))) {
    invalidArg('methods must be a list of HTTP_GET and so on, without HTTP_ANY');
  }
  for (const name of ['allowedHeaders', 'exposedHeaders'] as const) {
    const list = options[name];
    if (list === undefined) continue;
    if (!Array.isArray(list) || !list.every(isToken)) invalidArg(`${name} must be a list of header names`);
    // with credentials browsers take it for a header of that name
    if (options.credentials && list.includes('*')) invalidArg(`with credentials, ${name} must name the headers`);
  }
  if (maxAge !== undefined && !(Number.isSafeInteger(maxAge) && maxAge >= 0)) {
    invalidArg('maxAge must be a whole number of seconds from 0');
  }
}

/** What is written otherwise than browsers do would never be equal to what they send. */
function checkOrigin(origin: unknown): void {
  const canonical = typeof origin === 'string' ? asBrowsersWrite(origin) : undefined;
  if (canonical === undefined) {
    invalidArg(`the origin '${String(origin)}' must be as 'https://example.com': with a scheme, no path`);
  }
  if (canonical !== origin) invalidArg(`browsers write the origin '${String(origin)}' as '${canonical}'`);
}
