/**
 * The client's configuration, after `esp_websocket_client_config_t`: fields, defaults, validation.
 */
import type { Logger } from 'pino';
import { invalidArg } from '../err.js';
import { isToken } from '../httpd/headers.js';
import type { WsDeflateOptions, WsDeflateSettings } from '../httpd_ws/options.js';
import type { RecvRules } from '../httpd_ws/recv.js';
import { checkZlib } from '../httpd_ws/zlib_stream.js';
import { untrusted } from '../tls/trust.js';
import type { BackoffRules } from './backoff.js';
import { checkHeaders, type HeaderList, isHeaderValue } from './header_list.js';
import { checkZoneAndProxy, type ProxyTarget, proxyOf } from './proxy.js';
import { secureContext, type TlsRules } from './socket.js';
import { type Target, targetOf } from './target.js';

/** Plain TCP: `ws`. */
export const WEBSOCKET_TRANSPORT_OVER_TCP = 1;
/** TLS: `wss`. */
export const WEBSOCKET_TRANSPORT_OVER_SSL = 2;

/** PEM text, or its bytes. */
export type Pem = string | Buffer;

/**
 * Configuration of a client, after `esp_websocket_client_config_t`. Names that end in `Sec` are seconds, those in `Ms`
 * milliseconds, as in ESP-IDF; lengths are bytes. A `uri` or a `host` there must be.
 */
export interface EspWebsocketClientConfig {
  /** Such as `'wss://user:password@example.com:8443/path?query'`. What it says goes before the next six fields. */
  uri?: string;
  host?: string;
  /** Default 80, or 443 over TLS. */
  port?: number;
  /** Path and query, default `/`. */
  path?: string;
  /** `WEBSOCKET_TRANSPORT_OVER_TCP` (default) or `WEBSOCKET_TRANSPORT_OVER_SSL`, where there is no `uri`. */
  transport?: number;
  /** For basic authentication (RFC 7617). */
  username?: string;
  password?: string;
  /** Offered to the server, the preferred one first: a list, or one text separated by commas. */
  subprotocol?: string | readonly string[];
  /** Value of User-Agent. Default: none is sent. */
  userAgent?: string;
  /** Further headers: an object, a list of pairs, or ESP-IDF's text of lines that end in CRLF. */
  headers?: HeaderList;
  /** Value of Origin. Default: none is sent. */
  origin?: string;
  /** Certificates of the authorities to trust, also intermediate ones. Default: those that Node.js knows. */
  certPem?: Pem | readonly Pem[];
  /** Our own certificate and its key, for servers that ask for one. */
  clientCert?: Pem;
  clientKey?: Pem;
  /** Take the certificate of any name (libwebsockets: LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK). Default false. */
  skipCertCommonNameCheck?: boolean;
  /** The name that the certificate must have. Default: the host. */
  certCommonName?: string;
  /** Take a certificate that is self-signed, and otherwise right (libwebsockets: LCCSCF_ALLOW_SELFSIGNED). Default false. */
  allowSelfSigned?: boolean;
  /** A Ping is sent so often; 0 is never. Default 10. */
  pingIntervalSec?: number;
  /** If nothing comes for so long behind a Ping, the connection is given up. Default 120. */
  pingpongTimeoutSec?: number;
  /** Do not give it up. Default false. */
  disablePingpongDiscon?: boolean;
  /** Do not connect again when the connection is lost or can't be made. Default false. */
  disableAutoReconnect?: boolean;
  /** Connect again when the server has closed with a Close frame, too. Default false. */
  enableCloseReconnect?: boolean;
  /** How long to wait before that, the first time. Default 10,000. */
  reconnectTimeoutMs?: number;
  /** Each wait is twice as long as the one before, up to this. Default 60,000; ESP-IDF never waits longer. */
  reconnectTimeoutMaxMs?: number;
  /** Each wait is shorter by a random part of it, up to this, from 0 to 1. Default 0.5; in ESP-IDF 0. */
  reconnectJitter?: number;
  /**
   * For a connection to be made, handshake included; for a closing handshake; for a send without progress; for the next
   * bytes of a frame. Default 10,000.
   */
  networkTimeoutMs?: number;
  /**
   * So many redirections are followed within an attempt, from 0 to 20. Default 0: they are errors. ESP-IDF follows all.
   * To another origin go no `headers`, username, password or certificate of ours, and none leads from `wss` to `ws`.
   */
  maxRedirects?: number;
  /**
   * An HTTP proxy to go through, by CONNECT: `'http://user:password@proxy.example:3128'`, or `https://` for one that is
   * spoken to over TLS. It also looks the host up. Default: none; no variables of the environment are read.
   */
  proxyUri?: string;
  /** Certificates of the authorities to trust for a proxy over TLS. Default: those that Node.js knows. */
  proxyCertPem?: Pem | readonly Pem[];
  /** TCP keep-alive. Default false. */
  keepAliveEnable?: boolean;
  /** Seconds before its first probe. Default 5. What comes behind it is the system's. */
  keepAliveIdle?: number;
  /** A frame, or a message, is handed over in pieces of up to so many bytes. Default 65,536; in ESP-IDF 1,024. */
  bufferSize?: number;
  /** 'data' tells of whole messages, their fragments joined, instead of frames. Default false. */
  messageMode?: boolean;
  /** 'data' tells of Ping, Pong and Close frames too, as ESP-IDF does. Default false. */
  controlFrameEvents?: boolean;
  /** A longer frame ends the connection with Close 1009, at its header. Default 16 MiB. */
  maxFrameLen?: number;
  /** A longer message, its fragments together and inflated, does so too. Default 16 MiB. */
  maxMessageLen?: number;
  /** With so many bytes of messages that a `for await` has not taken, reading stops. Default 1 MiB. */
  maxRxPending?: number;
  /** With so many bytes that the server has not read, further sends are refused. Default 16 MiB. */
  maxTxPending?: number;
  /** Longer messages are sent in frames of this length, at least 16. Default 0: in one frame. */
  fragmentLen?: number;
  /** Take text that is not UTF-8. Default false: it ends the connection with Close 1007. */
  ignoreEncodingErrors?: boolean;
  /** Offer compression (RFC 7692): `true` for the defaults below. Default false. */
  perMessageDeflate?: boolean | WsDeflateOptions;
  /** Stops the client when it is aborted. */
  signal?: AbortSignal;
  /** Anything of the application; `client.userContext` gives it. */
  userContext?: unknown;
  /** The pino logger to write to. Default: one that prints ESP-IDF's form to standard output. */
  logger?: Logger;
}

/** The configuration, checked, times in ms. */
export interface ClientSettings {
  readonly target: Target;
  readonly subprotocols: readonly string[];
  readonly userAgent: string | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly origin: string | undefined;
  /** Made when it is needed. @param ours with our certificate, if we have one */
  readonly tls: (ours: boolean) => Omit<TlsRules, 'name'>;
  readonly maxRedirects: number;
  readonly proxy: ProxyTarget | undefined;
  readonly proxyTls: () => TlsRules;
  readonly certName: string | undefined;
  /** What the log is to say of `certPem` or `proxyCertPem`. */
  readonly trustWarning: string | undefined;
  readonly pingMs: number;
  /** 0 is never. */
  readonly pongMs: number;
  readonly autoReconnect: boolean;
  readonly closeReconnect: boolean;
  readonly backoff: BackoffRules;
  readonly networkMs: number;
  readonly keepAliveMs: number | undefined;
  readonly bufferSize: number;
  readonly rules: RecvRules;
  readonly controlFrameEvents: boolean;
  readonly maxRxPending: number;
  readonly maxTxPending: number;
  /** Never 0. */
  readonly fragmentLen: number;
  readonly deflate: WsDeflateSettings | undefined;
  readonly signal: AbortSignal | undefined;
  readonly userContext: unknown;
  readonly logger: Logger | undefined;
}

const NO_LIMIT = Number.MAX_SAFE_INTEGER;
const MIB = 1024 * 1024;
const FRAGMENT_MIN = 16;
/** As browsers (Fetch standard, HTTP-redirect fetch). */
const REDIRECTS_MAX = 20;
/** The longest that a timer of Node.js can be. */
const MS_MAX = 2 ** 31 - 1;
const SEC_MAX = Math.floor(MS_MAX / 1000);

const FIELDS = new Set<string>([
  'uri',
  'host',
  'port',
  'path',
  'transport',
  'username',
  'password',
  'subprotocol',
  'userAgent',
  'headers',
  'origin',
  'certPem',
  'clientCert',
  'clientKey',
  'skipCertCommonNameCheck',
  'certCommonName',
  'allowSelfSigned',
  'pingIntervalSec',
  'pingpongTimeoutSec',
  'disablePingpongDiscon',
  'disableAutoReconnect',
  'enableCloseReconnect',
  'reconnectTimeoutMs',
  'reconnectTimeoutMaxMs',
  'reconnectJitter',
  'networkTimeoutMs',
  'maxRedirects',
  'proxyUri',
  'proxyCertPem',
  'keepAliveEnable',
  'keepAliveIdle',
  'bufferSize',
  'messageMode',
  'controlFrameEvents',
  'maxFrameLen',
  'maxMessageLen',
  'maxRxPending',
  'maxTxPending',
  'fragmentLen',
  'ignoreEncodingErrors',
  'perMessageDeflate',
  'signal',
  'userContext',
  'logger',
] satisfies (keyof EspWebsocketClientConfig)[]);

/** What a client keeps of its windows: its memory is spent once, and not for each of many clients. */
const DEFLATE_DEFAULTS: WsDeflateSettings = {
  threshold: 1024,
  level: 6,
  memLevel: 8,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** Fields of one object, checked one by one. */
class Fields<T extends object> {
  constructor(
    private readonly given: T,
    private readonly prefix = '',
  ) {}

  flag(name: keyof T & string, byDefault: boolean): boolean {
    const value: unknown = this.given[name] ?? byDefault;
    return typeof value === 'boolean' ? value : this.refuse(name, 'must be true or false');
  }

  int(name: keyof T & string, byDefault: number, min: number, max: number): number {
    const value: unknown = this.given[name] ?? byDefault;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    return this.refuse(name, `must be an integer from ${min} to ${max}`);
  }

  number(name: keyof T & string, byDefault: number, min: number, max: number): number {
    const value: unknown = this.given[name] ?? byDefault;
    if (typeof value === 'number' && value >= min && value <= max) return value;
    return this.refuse(name, `must be a number from ${min} to ${max}`);
  }

  /** A header's value. */
  text(name: keyof T & string): string | undefined {
    const value: unknown = this.given[name];
    if (value === undefined || isHeaderValue(value)) return value;
    return this.refuse(name, 'must be a string that a header can have: no CR, LF, NUL or character beyond Latin-1');
  }

  pem(name: keyof T & string): Pem | undefined {
    const value: unknown = this.given[name];
    if (value === undefined || typeof value === 'string' || Buffer.isBuffer(value)) return value;
    return this.refuse(name, 'must be PEM, as a string or a Buffer');
  }

  refuse(name: string, rule: string): never {
    return invalidArg(`${this.prefix}${name} ${rule}`);
  }
}

/** @throws EspError ESP_ERR_INVALID_ARG; ESP_ERR_NOT_SUPPORTED if zlib can't be used */
export function checkClientConfig(config: EspWebsocketClientConfig): ClientSettings {
  if (config === null || typeof config !== 'object') invalidArg('espWebsocketClientInit takes a configuration');
  for (const name of Object.keys(config))
    if (!FIELDS.has(name)) invalidArg(`there is no field '${name}' in the configuration`);
  const check = new Fields(config);
  const fragmentLen = check.int('fragmentLen', 0, 0, NO_LIMIT);
  if (fragmentLen > 0 && fragmentLen < FRAGMENT_MIN)
    check.refuse('fragmentLen', `must be 0, or at least ${FRAGMENT_MIN}`);
  const pongMs = check.number('pingpongTimeoutSec', 120, 0.001, SEC_MAX) * 1000;
  const { certCommonName, signal, logger } = config;
  if (certCommonName !== undefined && (typeof certCommonName !== 'string' || certCommonName === '')) {
    check.refuse('certCommonName', 'must be a host name');
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) check.refuse('signal', 'must be an AbortSignal');
  if (logger !== undefined && typeof logger?.child !== 'function') check.refuse('logger', 'must be a pino logger');
  const deflate = checkDeflate(config.perMessageDeflate, check);
  if (deflate !== undefined) checkZlib();
  const keepAliveMs = check.number('keepAliveIdle', 5, 1, SEC_MAX) * 1000;
  const target = targetOf(config);
  const proxy = config.proxyUri === undefined ? undefined : proxyOf(config.proxyUri);
  checkZoneAndProxy(target, proxy);
  return {
    target,
    subprotocols: checkSubprotocols(config.subprotocol, check),
    userAgent: check.text('userAgent'),
    headers: checkHeaders(config.headers),
    origin: check.text('origin'),
    tls: checkTls(config, check),
    certName: certCommonName,
    maxRedirects: check.int('maxRedirects', 0, 0, REDIRECTS_MAX),
    proxy,
    proxyTls: checkProxyTls(config, proxy, check),
    trustWarning:
      untrusted('certPem', [config.certPem ?? []].flat().map(String)) ??
      untrusted('proxyCertPem', [config.proxyCertPem ?? []].flat().map(String)),
    pingMs: check.number('pingIntervalSec', 10, 0, SEC_MAX) * 1000,
    pongMs: check.flag('disablePingpongDiscon', false) ? 0 : pongMs,
    autoReconnect: !check.flag('disableAutoReconnect', false),
    closeReconnect: check.flag('enableCloseReconnect', false),
    backoff: {
      firstMs: check.int('reconnectTimeoutMs', 10_000, 0, MS_MAX),
      maxMs: check.int('reconnectTimeoutMaxMs', 60_000, 0, MS_MAX),
      jitter: check.number('reconnectJitter', 0.5, 0, 1),
    },
    networkMs: check.int('networkTimeoutMs', 10_000, 1, MS_MAX),
    keepAliveMs: check.flag('keepAliveEnable', false) ? keepAliveMs : undefined,
    bufferSize: check.int('bufferSize', 64 * 1024, 1, NO_LIMIT),
    rules: {
      messageMode: check.flag('messageMode', false),
      maxFrameLen: check.int('maxFrameLen', 16 * MIB, 1, NO_LIMIT),
      maxMessageLen: check.int('maxMessageLen', 16 * MIB, 1, NO_LIMIT),
      maxPacketLen: NO_LIMIT,
      checkUtf8: !check.flag('ignoreEncodingErrors', false),
    },
    controlFrameEvents: check.flag('controlFrameEvents', false),
    maxRxPending: check.int('maxRxPending', MIB, 1, NO_LIMIT),
    maxTxPending: check.int('maxTxPending', 16 * MIB, 1024, NO_LIMIT),
    fragmentLen: fragmentLen || NO_LIMIT,
    deflate,
    signal,
    userContext: config.userContext,
    logger,
  };
}

/** A new value for `pingIntervalSec`. @returns ms */
export function checkPingInterval(seconds: number): number {
  return new Fields({ seconds }).number('seconds', Number.NaN, 0, SEC_MAX) * 1000;
}

/** A new value for `reconnectTimeoutMs`. */
export function checkReconnectTimeout(ms: number): number {
  return new Fields({ ms }).int('ms', Number.NaN, 0, MS_MAX);
}

function checkSubprotocols(given: unknown, check: Fields<EspWebsocketClientConfig>): readonly string[] {
  if (given === undefined) return [];
  const list: unknown[] =
    typeof given === 'string' ? given.split(',').map(name => name.trim()) : Array.isArray(given) ? given : [0];
  if (!list.every(isToken) || new Set(list).size !== list.length) {
    check.refuse('subprotocol', 'must be a list of distinct tokens (RFC 6455 section 4.1)');
  }
  return list;
}

function checkTls(config: EspWebsocketClientConfig, check: Fields<EspWebsocketClientConfig>): ClientSettings['tls'] {
  const { certPem } = config;
  const cert = check.pem('clientCert');
  const key = check.pem('clientKey');
  if ((cert === undefined) !== (key === undefined)) check.refuse('clientCert', 'and clientKey must be given together');
  checkPems('certPem', certPem);
  const skipName = check.flag('skipCertCommonNameCheck', false);
  const allowSelfSigned = check.flag('allowSelfSigned', false);
  const made = (who: readonly [Pem?, Pem?]) =>
    lazily(() => ({ context: secureContext(certPem, ...who), skipName, allowSelfSigned }));
  const withOurs = made([cert, key]);
  const without = cert === undefined ? withOurs : made([]);
  // what is given is looked at now
  if (certPem !== undefined || cert !== undefined) withOurs();
  return ours => (ours ? withOurs() : without());
}

function checkProxyTls(
  { proxyCertPem }: EspWebsocketClientConfig,
  proxy: ProxyTarget | undefined,
  check: Fields<EspWebsocketClientConfig>,
): ClientSettings['proxyTls'] {
  checkPems('proxyCertPem', proxyCertPem);
  if (proxyCertPem !== undefined && !proxy?.secure)
    check.refuse('proxyCertPem', 'is for a proxyUri that begins with https://');
  const rules = lazily(() => ({
    context: secureContext(proxyCertPem),
    name: proxy?.name ?? '',
    skipName: false,
    allowSelfSigned: false,
  }));
  if (proxyCertPem !== undefined) rules();
  return rules;
}

function checkPems(name: 'certPem' | 'proxyCertPem', given: Pem | readonly Pem[] | undefined): void {
  for (const ca of Array.isArray(given) ? given : [given]) new Fields({ [name]: ca }).pem(name);
}

function lazily<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function checkDeflate(given: unknown, check: Fields<EspWebsocketClientConfig>): WsDeflateSettings | undefined {
  if (given === undefined || given === false) return undefined;
  if (given === true) return DEFLATE_DEFAULTS;
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    check.refuse('perMessageDeflate', 'must be true, false or an object; see WsDeflateOptions');
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(DEFLATE_DEFAULTS, name)) check.refuse('perMessageDeflate', `has no field '${name}'`);
  }
  const fields = new Fields<WsDeflateOptions>(given, 'perMessageDeflate.');
  return {
    threshold: fields.int('threshold', DEFLATE_DEFAULTS.threshold, 0, NO_LIMIT),
    level: fields.int('level', DEFLATE_DEFAULTS.level, 0, 9),
    memLevel: fields.int('memLevel', DEFLATE_DEFAULTS.memLevel, 1, 9),
    serverNoContextTakeover: fields.flag('serverNoContextTakeover', false),
    clientNoContextTakeover: fields.flag('clientNoContextTakeover', false),
    serverMaxWindowBits: fields.int('serverMaxWindowBits', 15, 8, 15),
    clientMaxWindowBits: fields.int('clientMaxWindowBits', 15, 8, 15),
  };
}
