/**
 * What a URI handler may say about its WebSockets, checked, with defaults.
 */
import { invalidArg } from '../err.js';
import { asBrowsersWrite, isListed, isSameOrigin } from '../origin.js';
import { watch } from '../thenable.js';

/** Why and how a WebSocket has ended. */
export interface WsCloseInfo {
  /** The session. It is over: nothing can be sent any more. */
  readonly fd: number;
  /** Code of the peer's Close frame: 1005 if that had none, 1006 if none came (RFC 6455 section 7.1.5). */
  readonly code: number;
  /** The reason in the peer's Close frame; if none came, why the session ended, for a log. */
  readonly reason: string;
  /** Have Close frames gone both ways (RFC 6455 section 7.1.4)? */
  readonly wasClean: boolean;
}

/** May pages of this origin connect? `undefined`: the client says none, so it is no browser. Must decide at once. */
export type WsOriginCheck = (origin: string | undefined) => boolean;

/** Compression of messages (RFC 7692). */
export interface WsDeflateOptions {
  /** Shorter messages are sent as they are; bytes from 0, default 1,024. */
  threshold?: number;
  /** How hard zlib tries, from 1 (fast) to 9 (small), default 6; with 0 it packs, and makes nothing smaller. */
  level?: number;
  /** From 1 to 9, default 8: working memory of the compressor, some 2^(level + 9) bytes. */
  memLevel?: number;
  /**
   * Compress each message on its own (RFC 7692 section 7.1.1.1). Default true. With false a broadcast is compressed anew
   * for each connection, and each keeps a
   * compressor of some 240 KB, unless its client asks for true.
   */
  serverNoContextTakeover?: boolean;
  /** The same of the client (section 7.1.1.2). Default true. With false each connection keeps some 30 KB, up to 44. */
  clientNoContextTakeover?: boolean;
  /** The server's window is 2^n bytes (section 7.1.2.1), n from 8 to 15, default 15; a client may ask for less. */
  serverMaxWindowBits?: number;
  /** The same of the client (section 7.1.2.2). Below 15, clients that can't be told so get no compression. */
  clientMaxWindowBits?: number;
}

/**
 * Fields of `HttpdUri` for WebSockets that ESP-IDF does not have; libwebsockets and Appweb do. Times are in seconds and
 * lengths in bytes; 0 turns an option off where that is said.
 */
export interface WsOptions {
  /** Hand over whole messages, their fragments joined, instead of frames. Default false. */
  wsMessageMode?: boolean;
  /** A longer frame ends the connection with Close 1009, at its header. Default 16 MiB. */
  wsMaxFrameLen?: number;
  /**
   * A longer message, its fragments together and inflated, ends the connection with Close 1009, as soon as that shows.
   * Default 16 MiB.
   */
  wsMaxMessageLen?: number;
  /**
   * The most that one call of the handler hands over in message mode: a longer message comes in several calls, all of
   * them `fragmented`, the later ones of type `HTTPD_WS_TYPE_CONTINUE`, the last one `final`. Default 0: in one call.
   */
  wsMaxPacketLen?: number;
  /** So many WebSockets of this handler at a time; a further one gets a 503. Default 0: no limit but `maxOpenSockets`. */
  wsMaxSessions?: number;
  /** Longer messages are sent in frames of this length, at least 16. Default 0: in one frame. */
  wsFragmentLen?: number;
  /**
   * A peer that has sent nothing, and taken nothing of a queue, for so long is sent a Ping; 0 is never. Default 30: proxies
   * and load balancers cut a connection on which nothing has passed for, by default, 60.
   */
  wsPingInterval?: number;
  /** If it shows no life for so long behind that Ping either, the connection is reset. Default 20. */
  wsPongTimeout?: number;
  /**
   * A connection without a data frame in either direction for so long ends with Close 1008; Pings and Pongs don't count.
   * Default 0: never. A message that has begun and is not continued for so long, or for 60 seconds, ends it too.
   */
  wsInactivityTimeout?: number;
  /** A connection of that age ends with Close 1008. Default 0: never. */
  wsRequestTimeout?: number;
  /** Take text that is not UTF-8. Default false: it ends the connection with Close 1007. */
  wsIgnoreEncodingErrors?: boolean;
  /** Compress messages, if the client can: `true` for the defaults of `WsDeflateOptions`. Default false. */
  wsPerMessageDeflate?: boolean | WsDeflateOptions;
  /**
   * Pages of which origins may connect (RFC 6455 section 10.2): a list such as `['https://example.com']`, 'same-origin'
   * for those from the same host and port, or a function. Others get a 403, and a line in the log. Clients that send no Origin are no browsers,
   * and pass the first two. Only a list protects from DNS rebinding, by which an attacker's host name leads here, and
   * the page is of the same origin. Default: all may.
   */
  wsAllowedOrigins?: readonly string[] | 'same-origin' | WsOriginCheck;
  /**
   * Is called exactly once for each WebSocket that was opened, when its session has ended, in whatever way; before
   * `closeFn`. The session's context is still there.
   */
  wsCloseCb?: (info: WsCloseInfo) => unknown;
}

/** The names of all `WsOptions`. */
export const WS_OPTIONS = [
  'wsMessageMode',
  'wsMaxFrameLen',
  'wsMaxMessageLen',
  'wsMaxPacketLen',
  'wsMaxSessions',
  'wsFragmentLen',
  'wsPingInterval',
  'wsPongTimeout',
  'wsInactivityTimeout',
  'wsRequestTimeout',
  'wsIgnoreEncodingErrors',
  'wsPerMessageDeflate',
  'wsAllowedOrigins',
  'wsCloseCb',
] as const satisfies readonly (keyof WsOptions)[];

/** `WsDeflateOptions`, checked. */
export type WsDeflateSettings = Readonly<Required<WsDeflateOptions>>;

/** `WsOptions`, checked, times in ms. */
export interface WsSettings {
  readonly messageMode: boolean;
  readonly maxFrameLen: number;
  readonly maxMessageLen: number;
  /** Never 0; no limit unless in message mode. */
  readonly maxPacketLen: number;
  /** Never 0. */
  readonly maxSessions: number;
  /** Never 0. */
  readonly fragmentLen: number;
  readonly pingMs: number;
  readonly pongMs: number;
  readonly inactivityMs: number;
  /** How long a message may be without a further frame. */
  readonly messageMs: number;
  readonly lifeMs: number;
  readonly checkUtf8: boolean;
  readonly deflate: WsDeflateSettings | undefined;
  readonly allowedOrigins: ReadonlySet<string> | 'same-origin' | WsOriginCheck | undefined;
  readonly closeCb: ((info: WsCloseInfo) => unknown) | undefined;
}

const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const SECONDS_MAX = 86_400 * 365;
/** A frame cut shorter than this would be more header than payload. */
const FRAGMENT_MIN = 16;
const MIB_16 = 16 * 1024 * 1024;
/** How long a message may be without a further frame, unless `wsInactivityTimeout` says it. */
const MESSAGE_SECONDS = 60;

const QUOTED_MAX = 270;

const DEFLATE_DEFAULTS: WsDeflateSettings = {
  threshold: 1024,
  level: 6,
  memLevel: 8,
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** Checks options one by one. */
class Checks<Options extends object> {
  /**
   * @param uri of the handler, for messages
   * @param prefix of the options' names in messages
   */
  constructor(
    private readonly given: Options,
    private readonly uri: string,
    private readonly prefix = '',
  ) {}

  flag(name: keyof Options & string, byDefault: boolean): boolean {
    const value: unknown = this.given[name] === undefined ? byDefault : this.given[name];
    return typeof value === 'boolean' ? value : this.refuse(name, 'must be true or false');
  }

  int(name: keyof Options & string, byDefault: number, min: number, max: number): number {
    const value: unknown = this.given[name] === undefined ? byDefault : this.given[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    return this.refuse(name, `must be an integer from ${min} to ${max}`);
  }

  /** Seconds, as ms. */
  seconds(name: keyof Options & string, byDefault: number, min: number): number {
    const value: unknown = this.given[name] === undefined ? byDefault : this.given[name];
    if (typeof value === 'number' && value >= min && value <= SECONDS_MAX) return value * 1000;
    return this.refuse(name, `must be a number of seconds from ${min} to ${SECONDS_MAX}`);
  }

  refuse(name: string, rule: string): never {
    return invalidArg(`${this.prefix}${name} of '${this.uri}' ${rule}`);
  }
}

/**
 * @param uri names the handler in messages
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function checkWsOptions(given: WsOptions, uri: string): WsSettings {
  const check = new Checks(given, uri);
  const { wsAllowedOrigins: origins, wsCloseCb: closeCb } = given;
  if (closeCb !== undefined && typeof closeCb !== 'function') check.refuse('wsCloseCb', 'must be a function');
  const fragmentLen = check.int('wsFragmentLen', 0, 0, NO_LIMIT);
  if (fragmentLen > 0 && fragmentLen < FRAGMENT_MIN) {
    check.refuse('wsFragmentLen', `must be 0, or at least ${FRAGMENT_MIN}`);
  }
  const messageMode = check.flag('wsMessageMode', false);
  const maxPacketLen = check.int('wsMaxPacketLen', 0, 0, NO_LIMIT);
  const inactivityMs = check.seconds('wsInactivityTimeout', 0, 0);
  return {
    messageMode,
    maxFrameLen: check.int('wsMaxFrameLen', MIB_16, 1, NO_LIMIT),
    maxMessageLen: check.int('wsMaxMessageLen', MIB_16, 1, NO_LIMIT),
    maxPacketLen: (messageMode && maxPacketLen) || NO_LIMIT,
    maxSessions: check.int('wsMaxSessions', 0, 0, NO_LIMIT) || NO_LIMIT,
    fragmentLen: fragmentLen || NO_LIMIT,
    pingMs: check.seconds('wsPingInterval', 30, 0),
    pongMs: check.seconds('wsPongTimeout', 20, 0.001),
    inactivityMs,
    messageMs: inactivityMs || MESSAGE_SECONDS * 1000,
    lifeMs: check.seconds('wsRequestTimeout', 0, 0),
    checkUtf8: !check.flag('wsIgnoreEncodingErrors', false),
    deflate: checkDeflate(given.wsPerMessageDeflate, uri, check),
    allowedOrigins: checkOrigins(origins, check),
    closeCb,
  };
}

function checkDeflate(given: unknown, uri: string, check: Checks<WsOptions>): WsDeflateSettings | undefined {
  if (given === undefined || given === false) return undefined;
  if (given === true) return DEFLATE_DEFAULTS;
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    check.refuse('wsPerMessageDeflate', 'must be true, false or an object; see WsDeflateOptions');
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(DEFLATE_DEFAULTS, name)) check.refuse('wsPerMessageDeflate', `has no field '${name}'`);
  }
  const options: WsDeflateOptions = given;
  const checks = new Checks(options, uri, 'wsPerMessageDeflate.');
  const int = (name: keyof WsDeflateOptions, min: number, max: number): number =>
    checks.int(name, DEFLATE_DEFAULTS[name] as number, min, max);
  return {
    threshold: int('threshold', 0, NO_LIMIT),
    level: int('level', 0, 9),
    memLevel: int('memLevel', 1, 9),
    serverNoContextTakeover: checks.flag('serverNoContextTakeover', true),
    clientNoContextTakeover: checks.flag('clientNoContextTakeover', true),
    serverMaxWindowBits: int('serverMaxWindowBits', 8, 15),
    clientMaxWindowBits: int('clientMaxWindowBits', 8, 15),
  };
}

function checkOrigins(given: WsOptions['wsAllowedOrigins'], check: Checks<WsOptions>): WsSettings['allowedOrigins'] {
  if (given === undefined || given === 'same-origin' || typeof given === 'function') return given;
  if (!Array.isArray(given) || !given.every(origin => typeof origin === 'string')) {
    check.refuse('wsAllowedOrigins', "must be a list of origins, 'same-origin' or a function");
  }
  for (const origin of given) {
    const canonical = asBrowsersWrite(origin);
    if (canonical === undefined) check.refuse('wsAllowedOrigins', `has '${origin}', which is no origin`);
    if (canonical === origin.toLowerCase()) continue;
    check.refuse('wsAllowedOrigins', `has '${origin}': browsers write that origin as '${canonical}'`);
  }
  return new Set(given.map(origin => origin.toLowerCase()));
}

/**
 * May a page of this origin connect?
 *
 * @param origin value of the Origin header
 * @param host value of the Host header
 * @param onLateFailure is told what a function rejects with that should have decided at once
 * @returns undefined if it may; else why not
 */
export function whyNotAllowed(
  { allowedOrigins }: WsSettings,
  origin: string | undefined,
  host: string | undefined,
  onLateFailure: (thrown: unknown) => void,
): string | undefined {
  if (allowedOrigins === undefined) return undefined;
  if (typeof allowedOrigins === 'function') {
    const answer = allowedOrigins(origin);
    // a promise is not true
    watch(answer, onLateFailure);
    return answer === true ? undefined : `wsAllowedOrigins does not allow ${quoted(origin)} as an Origin`;
  }
  // no browser: it could say what it likes, and has nobody's cookies
  if (origin === undefined) return undefined;
  if (allowedOrigins !== 'same-origin') {
    return isListed(allowedOrigins, origin) ? undefined : `the Origin ${quoted(origin)} is not in wsAllowedOrigins`;
  }
  if (host !== undefined && isSameOrigin(origin, host)) return undefined;
  return `the Origin ${quoted(origin)} is not that of the Host ${quoted(host)} (wsAllowedOrigins: 'same-origin')`;
}

/** A peer's text in a message: not more than an origin with a name as long as DNS has them. */
function quoted(text: string | undefined): string {
  if (text === undefined) return 'none';
  return text.length > QUOTED_MAX ? `'${text.slice(0, QUOTED_MAX)}…'` : `'${text}'`;
}
