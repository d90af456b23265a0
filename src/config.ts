/**
 * The server's configuration, after `httpd_config_t`: defaults, the limits of a device, validation.
 */
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import { invalidArg } from './err.js';
import type { HttpdServer } from './httpd/server.js';
import type { UriMatchFn } from './httpd/uri.js';
import type { HttpdTlsConfig } from './tls/tls_config.js';

/** A socket to listen on: a port, or a Unix socket, plain or encrypted. */
export interface HttpdListenerConfig {
  /** TCP port; 0 lets the system choose. Either this or `path`. */
  readonly port?: number | undefined;
  /**
   * Address or host name to bind. Default: every address, IPv6 and IPv4. An IPv6 address of one link has its zone, an
   * interface by name or number: `'fe80::1%eth0'`.
   */
  readonly host?: string | undefined;
  /**
   * A Unix socket to listen on (unix(7)), at most 107 bytes from the root (103 where it is not Linux). Its file is removed
   * when the server stops. Plain ones are served over node:net.
   */
  readonly path?: string | undefined;
  /** Certificates and so on, if its connections are encrypted. Default: they are not. */
  readonly tls?: HttpdTlsConfig | undefined;
}

/** Configuration of a server, after `httpd_config_t` (`esp_http_server.h`). All times are seconds; fractions are allowed. */
export interface HttpdConfig {
  /** TCP port to listen on; 0 lets the system choose. Default 80. */
  serverPort: number;
  /** Address or host name to bind. Default: every address, IPv6 and IPv4. */
  host: string | undefined;
  /**
   * Several sockets to listen on, which share sessions, limits and handlers; 1 to 64 of them, instead of `serverPort` and
   * `host`. Default: one plain one on `serverPort`.
   */
  listeners: readonly HttpdListenerConfig[] | undefined;
  /** Connections that the system holds until they are accepted, 1 to 65535. Default 511, ESP-IDF 5. */
  backlogConn: number;
  /** Sessions at a time, 1 to 1,000,000. Default 10,000, ESP-IDF 7. */
  maxOpenSockets: number;
  /**
   * Sessions that one address may have at a time, 0 to 1,000,000; a connection beyond gets 503. Of IPv6 a network of 64
   * bits counts as one address. 0 sets no limit: behind a proxy all have the same address. Default 0, as ESP-IDF has it.
   */
  maxSessPerIp: number;
  /** URI handlers, 1 to 1,000,000. Default 1,000, ESP-IDF 8. */
  maxUriHandlers: number;
  /** Headers that a handler may add to one response, 0 to 10,000. Default 64, ESP-IDF 8. */
  maxRespHeaders: number;
  /** Bytes of a request's header section, without the request line, 64 to 65,536. Default 16,384, ESP-IDF 1,024. */
  maxReqHdrLen: number;
  /** Bytes of a request's URI, query included, 1 to 32,768. Default 8,192, ESP-IDF 512. */
  maxUriLen: number;
  /** Bytes of a request's body; a longer one gets 413. 0 to 2^53 - 1. Default 16 MiB. */
  maxReqBodyLen: number;
  /** When all sockets are taken: end the least recently used idle session (true), or refuse the new one with 503. Default false. */
  lruPurgeEnable: boolean;
  /** How long a request's head may take in all, and how long `recv` and an unfinished WebSocket frame wait for more. Default 5. */
  recvWaitTimeout: number;
  /**
   * Bytes per second that a body has to arrive with while a handler waits for it; a slower one gets 408. Twice
   * `recvWaitTimeout` is free, and no more than that is saved up by what comes faster. 0 sets no limit, as ESP-IDF has
   * it. Default 240.
   */
  minBodyRate: number;
  /**
   * How long a send may make no progress before the session ends. Default 60, ESP-IDF 5. The system shows progress in
   * steps of up to some megabytes, so this is a floor on the speed of a reader too.
   */
  sendWaitTimeout: number;
  /**
   * How long a session may be open without a request; 0 is for ever, as ESP-IDF has it. Default 75: longer than proxies and
   * load balancers keep a connection that they may use again, by default 60, so that none is closed under a request.
   */
  idleTimeout: number;
  /** How long a handler may take to begin its response before the client gets a 500; 0 is for ever, as ESP-IDF has it. Default 120. */
  handlerTimeout: number;
  /** Turns on TCP keep-alive for sessions. Default false. */
  keepAliveEnable: boolean;
  /** Idle time before the first probe; 0 takes ESP-IDF's 5. */
  keepAliveIdle: number;
  /** Time between probes; 0 takes ESP-IDF's 5. With `port: 'net'` it is the system's. */
  keepAliveInterval: number;
  /** Probes without an answer before the connection is dropped; 0 takes ESP-IDF's 3. With `port: 'net'` it is the system's. */
  keepAliveCount: number;
  /** Apply `lingerTimeout` to sessions that the server closes. Default false. */
  enableSoLinger: boolean;
  /** How long a closed session waits for the peer to take its last bytes; 0 resets at once. Without `enableSoLinger`: 2. */
  lingerTimeout: number;
  /** Anything that belongs to the application; `server.getGlobalUserCtx()` returns it. */
  globalUserCtx: unknown;
  /** Frees `globalUserCtx` when the server has stopped. */
  globalUserCtxFreeFn: ((ctx: unknown) => void) | undefined;
  /** Anything that belongs to the transport; `server.getGlobalTransportCtx()` returns it. */
  globalTransportCtx: unknown;
  /** Frees `globalTransportCtx` when the server has stopped. */
  globalTransportCtxFreeFn: ((ctx: unknown) => void) | undefined;
  /** Is called for each new session. Anything but `undefined` and `ESP_OK`, or a throw, closes it. */
  // biome-ignore lint/suspicious/noConfusingVoidType: a callback that returns nothing is as welcome as one that returns ESP_OK
  openFn: ((server: HttpdServer, fd: number) => number | void) | undefined;
  /**
   * Is called when a session is over: its last answer is sent, or its client has left. Its fd, its contexts and its peer
   * are still there; right behind it `disconnected` is emitted, and then the contexts are freed. The server closes the
   * socket itself, unlike in ESP-IDF.
   */
  closeFn: ((server: HttpdServer, fd: number) => void) | undefined;
  /** Decides whether a URI fits a template; `uriMatchWildcard` is ESP-IDF's. Default: they must be equal. */
  uriMatchFn: UriMatchFn | undefined;
  /** Works that may wait in the queue, 1 to 1,000,000. Default 1,024, ESP-IDF 6 (lwIP's mailbox). */
  maxWorkQueue: number;
  /** Bytes that a slow reader may leave queued, 1,024 and up. A send is accepted while fewer are queued. Default 16 MiB. */
  maxTxPending: number;
  /** What happens to a send beyond `maxTxPending`: the session is closed, the message dropped, or the send rejected. Default 'close'. */
  txOverflow: 'close' | 'drop' | 'error';
  /**
   * Bytes of WebSocket messages that are being joined, of all sessions together, 1,024 and up; they cost up to twice
   * that. The message that goes beyond ends its connection with Close 1013. Default 256 MiB.
   */
  maxWsPending: number;
  /** Accepts a bare LF where the RFC asks for CRLF, as ESP-IDF does. Default false. */
  lenientLineEndings: boolean;
  /**
   * End the connection behind the default page of a 404 or 405, as ESP-IDF does (`httpd_req_handle_err`). Default false:
   * where the request has been read whole, the connection stays open for the next one. `httpdEsp32Config()` has true.
   */
  closeOnNotFound: boolean;
  /** The pino logger to write to. Default: one that prints ESP-IDF's form to standard output. */
  logger: Logger | undefined;
  /**
   * May several servers, of one process or of many, listen on the same port, so that the system spreads connections
   * over them (SO_REUSEPORT in socket(7))? The epoll port only. Default false.
   */
  reusePort: boolean;
  /**
   * The select loop: 'epoll' on raw sockets (Linux on x86-64, main thread, with the optional package koffi), or 'net'
   * over node:net. Default 'auto': epoll where it works, else net, with a line in the log that says why.
   */
  port: 'auto' | 'epoll' | 'net';
}

/**
 * The default configuration, after `HTTPD_DEFAULT_CONFIG()`: ESP-IDF's fields, with limits fit for a server machine.
 *
 * @returns a new object each time
 */
export function httpdDefaultConfig(): HttpdConfig {
  return {
    serverPort: 80,
    host: undefined,
    listeners: undefined,
    backlogConn: 511,
    maxOpenSockets: 10_000,
    maxSessPerIp: 0,
    maxUriHandlers: 1_000,
    maxRespHeaders: 64,
    maxReqHdrLen: 16_384,
    maxUriLen: 8_192,
    maxReqBodyLen: 16 * 1024 * 1024,
    lruPurgeEnable: false,
    recvWaitTimeout: 5,
    minBodyRate: 240,
    sendWaitTimeout: 60,
    idleTimeout: 75,
    handlerTimeout: 120,
    keepAliveEnable: false,
    keepAliveIdle: 0,
    keepAliveInterval: 0,
    keepAliveCount: 0,
    enableSoLinger: false,
    lingerTimeout: 0,
    globalUserCtx: undefined,
    globalUserCtxFreeFn: undefined,
    globalTransportCtx: undefined,
    globalTransportCtxFreeFn: undefined,
    openFn: undefined,
    closeFn: undefined,
    uriMatchFn: undefined,
    maxWorkQueue: 1_024,
    maxTxPending: 16 * 1024 * 1024,
    txOverflow: 'close',
    maxWsPending: 256 * 1024 * 1024,
    lenientLineEndings: false,
    closeOnNotFound: false,
    logger: undefined,
    reusePort: false,
    port: 'auto',
  };
}

/**
 * The limits of a device: the values of `HTTPD_DEFAULT_CONFIG()` and of ESP-IDF's Kconfig defaults.
 *
 * Limits that ESP-IDF does not have (`idleTimeout`, `handlerTimeout`, `minBodyRate`) are off.
 */
export function httpdEsp32Config(): HttpdConfig {
  return {
    ...httpdDefaultConfig(),
    backlogConn: 5,
    maxOpenSockets: 7,
    maxUriHandlers: 8,
    maxRespHeaders: 8,
    maxReqHdrLen: 1_024,
    maxUriLen: 512,
    sendWaitTimeout: 5,
    minBodyRate: 0,
    idleTimeout: 0,
    handlerTimeout: 0,
    maxWorkQueue: 6,
    closeOnNotFound: true,
  };
}

type Check = (value: unknown) => string | undefined;

const int =
  (min: number, max: number): Check =>
  value =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? undefined
      : `must be an integer from ${min} to ${max}`;
const seconds =
  (min: number): Check =>
  value =>
    typeof value === 'number' && value >= min && value <= 86_400
      ? undefined
      : `must be a number of seconds from ${min} to 86400`;
const bool: Check = value => (typeof value === 'boolean' ? undefined : 'must be true or false');
const fn: Check = value => (value === undefined || typeof value === 'function' ? undefined : 'must be a function');
const oneOf =
  (...allowed: string[]): Check =>
  value =>
    allowed.includes(value as string) ? undefined : `must be one of ${allowed.map(name => `'${name}'`).join(', ')}`;
const any: Check = () => undefined;
const host: Check = value =>
  value === undefined || (typeof value === 'string' && value !== '') ? undefined : 'must be an address or a host name';
const LISTENERS_MAX = 64;
/** What a Unix socket's address holds; what is longer would be cut without a word. */
const PATH_MAX = process.platform === 'linux' ? 107 : 103;
const LISTENER_FIELDS = new Set<string>(['port', 'host', 'path', 'tls'] satisfies (keyof HttpdListenerConfig)[]);
const listeners: Check = value => {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length < 1 || value.length > LISTENERS_MAX) {
    return `must be a list of 1 to ${LISTENERS_MAX} listeners`;
  }
  for (const [i, one] of value.entries()) {
    const problem = listenerProblem(one);
    if (problem !== undefined) return `[${i}]${problem}`;
  }
  return undefined;
};

function listenerProblem(one: unknown): string | undefined {
  if (typeof one !== 'object' || one === null) return ' must be an object such as { port: 8080 }';
  for (const name of Object.keys(one)) if (!LISTENER_FIELDS.has(name)) return ` has no field '${name}'`;
  const { port, path, host: bind } = one as HttpdListenerConfig;
  if ((port === undefined) === (path === undefined)) return ' must have a port or a path';
  if (path !== undefined && (typeof path !== 'string' || path === '' || bind !== undefined)) {
    return ' must have a path that is a string, and no host with it';
  }
  if (path !== undefined && (path.includes('\0') || Buffer.byteLength(resolve(path)) > PATH_MAX)) {
    return ` must have a path of at most ${PATH_MAX} bytes, counted from the root, and without NUL (unix(7))`;
  }
  const problem = port === undefined ? undefined : int(0, 65_535)(port);
  if (problem !== undefined) return `.port ${problem}`;
  const wrongHost = host(bind);
  return wrongHost && `.host ${wrongHost}`;
}

const logger: Check = value =>
  value === undefined || typeof (value as Logger | null)?.child === 'function' ? undefined : 'must be a pino logger';

const CHECKS: { readonly [Name in keyof HttpdConfig]: Check } = {
  serverPort: int(0, 65_535),
  host,
  listeners,
  backlogConn: int(1, 65_535),
  maxOpenSockets: int(1, 1_000_000),
  maxSessPerIp: int(0, 1_000_000),
  maxUriHandlers: int(1, 1_000_000),
  maxRespHeaders: int(0, 10_000),
  maxReqHdrLen: int(64, 65_536),
  maxUriLen: int(1, 32_768),
  maxReqBodyLen: int(0, Number.MAX_SAFE_INTEGER),
  lruPurgeEnable: bool,
  recvWaitTimeout: seconds(0.001),
  minBodyRate: int(0, Number.MAX_SAFE_INTEGER),
  sendWaitTimeout: seconds(0.001),
  idleTimeout: seconds(0),
  handlerTimeout: seconds(0),
  keepAliveEnable: bool,
  keepAliveIdle: int(0, 32_767),
  keepAliveInterval: int(0, 32_767),
  keepAliveCount: int(0, 127),
  enableSoLinger: bool,
  lingerTimeout: seconds(0),
  globalUserCtx: any,
  globalUserCtxFreeFn: fn,
  globalTransportCtx: any,
  globalTransportCtxFreeFn: fn,
  openFn: fn,
  closeFn: fn,
  uriMatchFn: fn,
  maxWorkQueue: int(1, 1_000_000),
  maxTxPending: int(1_024, Number.MAX_SAFE_INTEGER),
  txOverflow: oneOf('close', 'drop', 'error'),
  maxWsPending: int(1_024, Number.MAX_SAFE_INTEGER),
  lenientLineEndings: bool,
  closeOnNotFound: bool,
  logger,
  reusePort: bool,
  port: oneOf('auto', 'epoll', 'net'),
};

/**
 * Fills in the defaults and checks every field.
 *
 * @throws EspError ESP_ERR_INVALID_ARG for a field that does not exist, or has a wrong type or range
 */
export function checkConfig(given: Partial<HttpdConfig> | undefined): HttpdConfig {
  if (given !== undefined && (given === null || typeof given !== 'object' || Array.isArray(given))) {
    invalidArg('the configuration must be an object; start from httpdDefaultConfig()');
  }
  for (const name of Object.keys(given ?? {})) {
    if (!Object.hasOwn(CHECKS, name)) invalidArg(`the configuration has no field '${name}'; see HttpdConfig`);
  }
  const config: HttpdConfig = { ...httpdDefaultConfig(), ...definedOf(given ?? {}) };
  if (config.listeners !== undefined && (given?.serverPort !== undefined || given?.host !== undefined)) {
    invalidArg('config.listeners takes the place of serverPort and host: leave those out');
  }
  for (const [name, check] of Object.entries(CHECKS)) {
    const problem = check(config[name as keyof HttpdConfig]);
    // that of a part of it begins with the part's place
    if (problem !== undefined) invalidArg(`config.${name}${problem.startsWith('[') ? '' : ' '}${problem}`);
  }
  return config;
}

/** Its fields that are not undefined. */
export function definedOf<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}
