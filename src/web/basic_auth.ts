/**
 * Basic authentication (RFC 7617): a hook for `server.before`.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { invalidArg } from '../err.js';
import { joinHeaders } from '../httpd/headers.js';
import { HTTPD_401_UNAUTHORIZED } from '../httpd/http_err.js';
import type { HttpdReq } from '../httpd/req.js';
import type { HandlerResult } from '../httpd/req_owner.js';
import type { UriHandler } from '../httpd/route.js';
import { isThenable } from '../thenable.js';

/** Who may pass: `users`, or whom `verify` knows; one of them is needed. */
export interface BasicAuthOptions {
  /** What the browser's dialog names; printable ASCII. */
  realm: string;
  /** Passwords by user. They are hashed at once: later changes have no effect. */
  users?: Readonly<Record<string, string>> | ReadonlyMap<string, string>;
  /**
   * Is asked for each request with well-formed credentials; neither `user` nor `password` is ever empty. Only `true`
   * lets it pass; a throw is a failed handler. It has to compare in constant time itself: `crypto.timingSafeEqual`.
   */
  verify?: (user: string, password: string, req: HttpdReq) => boolean | Promise<boolean>;
}

interface Credentials {
  readonly user: string;
  readonly password: string;
}

type Verify = (given: Credentials, req: HttpdReq) => boolean | PromiseLike<boolean>;

const OPTIONS = new Set<string>(['realm', 'users', 'verify'] satisfies (keyof BasicAuthOptions)[]);

/** CTL of RFC 5234 appendix B.1, which neither a user nor a password may have. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to refuse
const CTL = /[\x00-\x1f\x7f]/;
const PRINTABLE = /^[\x20-\x7e]*$/;
/** The scheme, without regard to case, and padded base64 (RFC 4648 section 4). */
const BASIC = /^basic +((?:[a-z0-9+/]{4})*(?:[a-z0-9+/]{4}|[a-z0-9+/]{3}=|[a-z0-9+/]{2}==))$/i;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Makes a hook that lets requests with the right user and password pass, and answers others with a 401.
 *
 * The whole of both is compared, as UTF-8 in NFC, in a time that tells neither whether the user exists nor how much of
 * the password is right; it grows with the number of `users`. An empty user or password never passes. Basic
 * authentication sends the password with each request, in the clear: use it over TLS, or in a network that is trusted.
 *
 * @returns for `server.before('/admin', hook)`
 * @throws EspError ESP_ERR_INVALID_ARG for options that are not as described, no user at all, a user or password that
 *   is empty or has control characters, a user with a colon
 */
export function basicAuth(options: BasicAuthOptions): UriHandler {
  const verify = checkOptions(options);
  const realm = options.realm.replace(/["\\]/g, '\\$&');
  const challenge = `Basic realm="${realm}", charset="UTF-8"`;
  const decide = (req: HttpdReq, passes: boolean): HandlerResult => {
    if (passes) return;
    req.respAddHdr('WWW-Authenticate', challenge);
    return req.respSendErr(HTTPD_401_UNAUTHORIZED);
  };
  return req => {
    const given = credentialsOf(req);
    const verdict = given !== undefined && verify(given, req);
    if (!isThenable(verdict)) return decide(req, verdict === true);
    return Promise.resolve(verdict).then(passes => decide(req, passes === true));
  };
}

/**
 * The user that a request names. Only behind a hook of `basicAuth` is it known to be so: alone this checks no password.
 *
 * @returns undefined without well-formed credentials
 */
export function basicAuthUser(req: HttpdReq): string | undefined {
  return credentialsOf(req)?.user;
}

/** What the one Authorization field says; undefined unless it is whole, well-formed, and empty in no part. */
function credentialsOf(req: HttpdReq): Credentials | undefined {
  const head = req.getRawReqData().toString('latin1');
  // several fields become a list, and that is no credentials
  const field = joinHeaders(head.slice(head.indexOf('\n') + 1), 'authorization');
  const encoded = BASIC.exec(field ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  // bits behind the last byte must be 0 (RFC 4648 section 3.5): one text for one pair
  if (bytes.toString('base64') !== encoded) return undefined;
  const text = decodeUtf8(bytes);
  if (text === undefined || CTL.test(text)) return undefined;
  const colon = text.indexOf(':');
  if (colon <= 0 || colon === text.length - 1) return undefined;
  return { user: text.slice(0, colon).normalize('NFC'), password: text.slice(colon + 1).normalize('NFC') };
}

function decodeUtf8(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function checkOptions(options: BasicAuthOptions): Verify {
  if (options === null || typeof options !== 'object') invalidArg('basicAuth needs an object; see BasicAuthOptions');
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name)) invalidArg(`basicAuth has no option '${name}'; see BasicAuthOptions`);
  }
  const { realm, users, verify } = options;
  if (typeof realm !== 'string' || !PRINTABLE.test(realm)) invalidArg('realm must be a string of printable ASCII');
  if ((users === undefined) === (verify === undefined)) invalidArg('basicAuth needs users or verify, and not both');
  if (verify === undefined) return verifyTable(users);
  if (typeof verify !== 'function') invalidArg('verify must be a function');
  return ({ user, password }, req) => verify(user, password, req);
}

/**
 * Compares with each user of the table, and whole digests only. A user has no colon, so user, colon and password joined
 * stand for one pair; keyed with a secret, a digest tells nothing about how near a guess was.
 */
function verifyTable(users: BasicAuthOptions['users']): Verify {
  if (users === null || typeof users !== 'object') invalidArg('users must be an object or a Map of passwords by user');
  const entries: [unknown, unknown][] = users instanceof Map ? [...users] : Object.entries(users);
  if (entries.length === 0) invalidArg('users is empty: nobody could sign in');
  const key = randomBytes(32);
  const digest = ({ user, password }: Credentials): Buffer =>
    createHmac('sha256', key).update(`${user}:${password}`).digest();
  const table = new Map(entries.map(checkUser).map(entry => [entry.user, digest(entry)]));
  if (table.size < entries.length) invalidArg('users names somebody twice, in different Unicode forms');
  const digests = [...table.values()];
  return given => {
    const wanted = digest(given);
    // no early end: which entry it is must not show
    return digests.reduce((found, known) => timingSafeEqual(known, wanted) || found, false);
  };
}

function checkUser([user, password]: readonly [unknown, unknown]): Credentials {
  if (typeof user !== 'string' || user === '' || user.includes(':') || CTL.test(user)) {
    invalidArg("each user must be a string that is not empty, without ':' and control characters (RFC 7617 section 2)");
  }
  if (typeof password !== 'string' || password === '' || CTL.test(password)) {
    invalidArg(`the password of '${user}' must be a string that is not empty, without control characters`);
  }
  return { user: user.normalize('NFC'), password: password.normalize('NFC') };
}
