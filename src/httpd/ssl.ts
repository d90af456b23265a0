/**
 * A server whose connections are encrypted, after ESP-IDF's `esp_https_server.h`.
 */
import type { HttpdConfig, HttpdListenerConfig } from '../config.js';
import { invalidArg } from '../err.js';
import { espLog, logThrown } from '../log.js';
import type { TlsInfo } from '../port/port.js';
import { watch } from '../thenable.js';
import type { HttpdTlsConfig } from '../tls/tls_config.js';
import type { HttpdServer } from './server.js';
import { type ServerParts, startWith } from './start.js';

/** Connections are encrypted (`httpd_ssl_transport_mode_t`). */
export const HTTPD_SSL_TRANSPORT_SECURE = 0;
/** They are not: a server of `esp_http_server` on `portInsecure`. */
export const HTTPD_SSL_TRANSPORT_INSECURE = 1;

/** A session has begun (`httpd_ssl_user_cb_state_t`). */
export const HTTPD_SSL_USER_CB_SESS_CREATE = 0;
/** A session has ended. */
export const HTTPD_SSL_USER_CB_SESS_CLOSE = 1;
/** A handshake has failed. */
export const HTTPD_SSL_USER_CB_SESS_ERROR = 2;
/** @deprecated Its name was another before ESP-IDF had one: `HTTPD_SSL_USER_CB_SESS_ERROR`. */
export const HTTPD_SSL_USER_CB_ERROR = HTTPD_SSL_USER_CB_SESS_ERROR;

/** What `userCb` is told, after `esp_https_server_user_cb_arg_t`. */
export type HttpdSslUserCbArg =
  | { readonly state: typeof HTTPD_SSL_USER_CB_SESS_CREATE; readonly fd: number; readonly tls: TlsInfo }
  | { readonly state: typeof HTTPD_SSL_USER_CB_SESS_CLOSE; readonly fd: number }
  /** `remoteAddress` is empty if the peer has left. */
  | { readonly state: typeof HTTPD_SSL_USER_CB_SESS_ERROR; readonly error: Error; readonly remoteAddress: string };

/** Configuration of an encrypted server, after `httpd_ssl_config_t`. What is left out has its default. */
export interface HttpdSslConfig extends HttpdTlsConfig {
  /** `HTTPD_SSL_TRANSPORT_SECURE` or `HTTPD_SSL_TRANSPORT_INSECURE`. Default secure. */
  readonly transportMode?: number | undefined;
  /** TCP port if it is secure; 0 lets the system choose. Default 443. */
  readonly portSecure?: number | undefined;
  /** TCP port if it is not. Default 80. */
  readonly portInsecure?: number | undefined;
  /** Is called when a session has begun or ended, and when a handshake has failed. What it throws is logged. */
  readonly userCb?: ((arg: HttpdSslUserCbArg) => void) | undefined;
  /** The rest of the configuration; `serverPort` and `listeners` are not taken. Default: that of `httpdDefaultConfig()`. */
  readonly httpd?: Partial<Omit<HttpdConfig, 'serverPort' | 'listeners'>> | undefined;
}

/**
 * Starts an encrypted server (`httpd_ssl_start`). All that a server can do it does over TLS too.
 *
 * @throws EspError ESP_ERR_INVALID_ARG, which says which option or file is wrong and why; and as `httpdStart` does; all by
 *   rejection
 */
export async function httpdSslStart(config: HttpdSslConfig): Promise<HttpdServer> {
  return sslStartWith(config, {});
}

/** The same on other parts: for tests. */
export async function sslStartWith(config: HttpdSslConfig, parts: ServerParts): Promise<HttpdServer> {
  if (config === null || typeof config !== 'object')
    invalidArg('httpdSslStart needs a configuration; see HttpdSslConfig');
  const {
    transportMode = HTTPD_SSL_TRANSPORT_SECURE,
    portSecure = 443,
    portInsecure = 80,
    userCb,
    httpd,
    ...tls
  } = config;
  if (transportMode !== HTTPD_SSL_TRANSPORT_SECURE && transportMode !== HTTPD_SSL_TRANSPORT_INSECURE) {
    invalidArg('transportMode must be HTTPD_SSL_TRANSPORT_SECURE or HTTPD_SSL_TRANSPORT_INSECURE');
  }
  for (const [name, port] of Object.entries({ portSecure, portInsecure })) {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) invalidArg(`${name} must be an integer from 0 to 65535`);
  }
  if (userCb !== undefined && typeof userCb !== 'function') invalidArg('userCb must be a function');
  if (httpd !== undefined && (httpd === null || typeof httpd !== 'object'))
    invalidArg('httpd must be an object; see HttpdConfig');
  for (const name of ['serverPort', 'listeners'] as const) {
    if ((httpd as Partial<HttpdConfig> | undefined)?.[name] !== undefined) {
      invalidArg(`httpd.${name} is not taken here: use portSecure and portInsecure, or httpdStart with listeners`);
    }
  }
  const { host, ...rest } = httpd ?? {};
  const listener: HttpdListenerConfig =
    transportMode === HTTPD_SSL_TRANSPORT_SECURE ? { port: portSecure, host, tls } : { port: portInsecure, host };
  const server = await startWith({ ...rest, listeners: [listener] }, parts);
  if (userCb !== undefined) tell(server, userCb, rest.logger);
  return server;
}

/** Tells an application of sessions and handshakes. */
function tell(
  server: HttpdServer,
  userCb: (arg: HttpdSslUserCbArg) => void,
  logger: HttpdConfig['logger'] | undefined,
): void {
  const log = espLog('esp_https_server', logger);
  const onFailure = (thrown: unknown) => logThrown(log, 'userCb failed', thrown);
  const call = (arg: HttpdSslUserCbArg): void => {
    try {
      watch(userCb(arg), onFailure);
    } catch (thrown) {
      onFailure(thrown);
    }
  };
  /** Sessions that it has been told of. */
  const known = new Set<number>();
  server.on('connected', fd => {
    const tls = server.sessGetTls(fd);
    if (tls === undefined) return;
    known.add(fd);
    call({ state: HTTPD_SSL_USER_CB_SESS_CREATE, fd, tls });
  });
  server.on('disconnected', fd => {
    if (known.delete(fd)) call({ state: HTTPD_SSL_USER_CB_SESS_CLOSE, fd });
  });
  server.onTlsError((error, remoteAddress) => call({ state: HTTPD_SSL_USER_CB_SESS_ERROR, error, remoteAddress }));
}
