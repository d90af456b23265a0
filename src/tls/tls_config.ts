/**
 * How a listener encrypts, after `httpd_ssl_config_t`: the options, their checks, and what node:tls is given.
 */
import { constants } from 'node:crypto';
import {
  createSecureContext,
  getCiphers,
  type SecureContext,
  type SecureContextOptions,
  type TlsOptions,
} from 'node:tls';
import { describeThrown, ESP_ERR_INVALID_ARG, EspError, invalidArg } from '../err.js';
import { isThenable } from '../thenable.js';
import { type Credentials, type KeyPair, loadAuthorities, loadKeyPair, type PemSource } from './credentials.js';
import { anchorOptions, untrusted } from './trust.js';

/** Any version that is not known to be broken. */
export const ESP_TLS_VER_ANY = 0;
/** TLS 1.2 only (RFC 5246). */
export const ESP_TLS_VER_TLS_1_2 = 1;
/** TLS 1.3 only (RFC 8446). */
export const ESP_TLS_VER_TLS_1_3 = 2;

/** How a listener encrypts, after `httpd_ssl_config_t`. */
export interface HttpdTlsConfig extends Credentials {
  /**
   * Certificates of the authorities that sign the certificates of clients. With it a client is asked for one. Default:
   * none is asked for.
   */
  readonly cacertPem?: PemSource | undefined;
  /**
   * With `cacertPem`: is a client without a certificate that one of them has signed refused, or may the handlers decide
   * by `req.tls`? Default `'required'`, as ESP-IDF has it.
   */
  readonly clientCert?: 'required' | 'optional' | undefined;
  /** May a client resume its session with a ticket, which saves most of a handshake (RFC 5077)? Default false. */
  readonly sessionTickets?: boolean | undefined;
  /** Application protocols, the preferred one first (ALPN, RFC 7301). A client that offers others only is refused. Default: none. */
  readonly alpnProtos?: readonly string[] | undefined;
  /** How long a handshake may take in all, in ms, 1 to 600,000. Default 10,000, as ESP-IDF has it. */
  readonly tlsHandshakeTimeoutMs?: number | undefined;
  /** `ESP_TLS_VER_ANY` (TLS 1.2 and 1.3), `ESP_TLS_VER_TLS_1_2` or `ESP_TLS_VER_TLS_1_3`. Default any. */
  readonly tlsVersion?: number | undefined;
  /**
   * Cipher suites, after `ciphersuites_list`: OpenSSL's names, separated by colons, the preferred one first, such as
   * `'ECDHE-ECDSA-AES128-GCM-SHA256:TLS_AES_128_GCM_SHA256'`. Those of TLS 1.3 begin with `TLS_`; a version of which none is
   * named is not spoken. The server's order decides. Default: those of Node.js.
   */
  readonly ciphers?: string | undefined;
  /**
   * Chooses a certificate by the server name that a client asks for, in lower case (SNI, RFC 6066 section 3); undefined
   * takes `servercert`. It is not asked where the client names none. Credentials are checked when they are first chosen, and
   * the same object is not checked again. What it throws, or rejects with, ends that connection only.
   */
  readonly certSelectCb?: CertSelectFn | undefined;
}

/** See `HttpdTlsConfig.certSelectCb`. */
export type CertSelectFn = (servername: string) => Credentials | undefined | Promise<Credentials | undefined>;

const NAMES = new Set<string>([
  'servercert',
  'prvtkeyPem',
  'prvtkeyPassword',
  'cacertPem',
  'clientCert',
  'sessionTickets',
  'alpnProtos',
  'tlsHandshakeTimeoutMs',
  'tlsVersion',
  'ciphers',
  'certSelectCb',
] satisfies (keyof HttpdTlsConfig)[]);

const HANDSHAKE_MS = 10_000;
const HANDSHAKE_MS_MAX = 600_000;

/** A client may not ask for handshake after handshake on one connection (RFC 5246 section 7.4.1.1). */
const NO_RENEGOTIATION = constants.SSL_OP_NO_RENEGOTIATION;

/** What a TLS listener starts with. */
export interface LoadedTls {
  readonly options: TlsOptions;
  readonly handshakeMs: number;
  /** What the log is to say of it. */
  readonly warning: string | undefined;
  /**
   * What a certificate that takes the place of this one is used with.
   *
   * @throws EspError ESP_ERR_INVALID_ARG if it can't be used, such as for its key that is too short
   */
  contextWith(pair: KeyPair): SecureContextOptions;
}

/**
 * Checks the options, and reads what they name.
 *
 * @param where the listener stands in the configuration, for messages
 * @throws EspError ESP_ERR_INVALID_ARG that says which option or file is wrong and why, by rejection
 */
export async function loadTls(given: HttpdTlsConfig, where: string): Promise<LoadedTls> {
  try {
    return await load(given);
  } catch (error) {
    if (!(error instanceof EspError)) throw error;
    throw new EspError(error.code, `${where}: ${error.message}`, { cause: error.cause });
  }
}

async function load(given: HttpdTlsConfig): Promise<LoadedTls> {
  checkOptions(given);
  const { cacertPem, clientCert = 'required', alpnProtos, ciphers, certSelectCb, sessionTickets = false } = given;
  const pair = await loadKeyPair(given);
  const ca = cacertPem === undefined ? undefined : await loadAuthorities(cacertPem);
  const shared: SecureContextOptions = {
    ...versionsOf(given.tlsVersion, ciphers),
    ...(ca !== undefined && { ca, ...anchorOptions() }),
    ...(ciphers !== undefined && { ciphers }),
    secureOptions: NO_RENEGOTIATION | (sessionTickets ? 0 : constants.SSL_OP_NO_TICKET),
  };
  const contextWith = (other: KeyPair): SecureContextOptions => checkContext({ ...shared, ...other });
  const first = contextWith(pair);
  return {
    handshakeMs: given.tlsHandshakeTimeoutMs ?? HANDSHAKE_MS,
    contextWith,
    warning: ca === undefined ? undefined : untrusted('cacertPem', [ca]),
    options: {
      ...first,
      requestCert: ca !== undefined,
      rejectUnauthorized: ca !== undefined && clientCert === 'required',
      // the deadline is ours; this one begins anew with each byte
      handshakeTimeout: 0x7fff_ffff,
      ...(alpnProtos !== undefined && { ALPNProtocols: [...alpnProtos] }),
      ...(certSelectCb !== undefined && { SNICallback: chooser(certSelectCb, contextWith) }),
    },
  };
}

/** What node:tls refuses is told before it is used. */
function checkContext(options: SecureContextOptions): SecureContextOptions {
  try {
    createSecureContext(options);
    return options;
  } catch (cause) {
    throw new EspError(ESP_ERR_INVALID_ARG, `servercert can't be used: ${describeThrown(cause)}`, { cause });
  }
}

/** Of a version without a suite Node.js would take its own. */
function versionsOf(
  version: number = ESP_TLS_VER_ANY,
  ciphers: string | undefined,
): Pick<SecureContextOptions, 'minVersion' | 'maxVersion'> {
  const { of12, of13 } = suitesOf(ciphers);
  return {
    minVersion: version === ESP_TLS_VER_TLS_1_3 || !of12 ? 'TLSv1.3' : 'TLSv1.2',
    maxVersion: version === ESP_TLS_VER_TLS_1_2 || !of13 ? 'TLSv1.2' : 'TLSv1.3',
  };
}

/** Which versions have a suite among these. */
function suitesOf(ciphers: string | undefined): { readonly of12: boolean; readonly of13: boolean } {
  const names = ciphers?.split(':');
  const isOf13 = (name: string) => name.startsWith('TLS_');
  return { of12: names?.every(isOf13) !== true, of13: names?.some(isOf13) !== false };
}

type SniCallback = NonNullable<TlsOptions['SNICallback']>;

function chooser(choose: CertSelectFn, contextWith: LoadedTls['contextWith']): SniCallback {
  const made = new WeakMap<Credentials, Promise<SecureContext>>();
  const contextOf = (chosen: Credentials): Promise<SecureContext> => {
    const known = made.get(chosen) ?? loadKeyPair(chosen).then(pair => createSecureContext(contextWith(pair)));
    made.set(chosen, known);
    // a file that was wrong may have been mended when it is chosen again
    known.catch(() => made.delete(chosen));
    return known;
  };
  const find = async (servername: string): Promise<SecureContext | undefined> => {
    const given: unknown = choose(servername.toLowerCase());
    const chosen: unknown = isThenable(given) ? await given : given;
    if (chosen === undefined) return undefined;
    if (typeof chosen !== 'object' || chosen === null) invalidArg('certSelectCb must return credentials, or undefined');
    return contextOf(chosen as Credentials);
  };
  return (servername, done) => {
    find(servername)
      .then(context => done(null, context))
      .catch(cause => done(new Error(`certSelectCb failed: ${describeThrown(cause)}`, { cause })));
  };
}

function checkOptions(given: HttpdTlsConfig): void {
  if (given === null || typeof given !== 'object') invalidArg('tls must be an object; see HttpdTlsConfig');
  for (const name of Object.keys(given)) {
    if (!NAMES.has(name)) invalidArg(`tls has no option '${name}'; see HttpdTlsConfig`);
  }
  const { cacertPem, clientCert, sessionTickets, alpnProtos, tlsVersion, ciphers, certSelectCb, prvtkeyPassword } =
    given;
  const { tlsHandshakeTimeoutMs: ms = HANDSHAKE_MS } = given;
  if (clientCert !== undefined) {
    if (clientCert !== 'required' && clientCert !== 'optional')
      invalidArg("clientCert must be 'required' or 'optional'");
    if (cacertPem === undefined) invalidArg('clientCert needs cacertPem: the authorities that sign such certificates');
  }
  if (prvtkeyPassword !== undefined && typeof prvtkeyPassword !== 'string')
    invalidArg('prvtkeyPassword must be a string');
  if (sessionTickets !== undefined && typeof sessionTickets !== 'boolean') {
    invalidArg('sessionTickets must be true or false');
  }
  if (alpnProtos !== undefined && !isProtocolList(alpnProtos)) {
    invalidArg("alpnProtos must be a list of names of 1 to 255 bytes, such as ['http/1.1']");
  }
  if (!Number.isInteger(ms) || ms < 1 || ms > HANDSHAKE_MS_MAX) {
    invalidArg(`tlsHandshakeTimeoutMs must be an integer from 1 to ${HANDSHAKE_MS_MAX}`);
  }
  if (tlsVersion !== undefined && ![ESP_TLS_VER_ANY, ESP_TLS_VER_TLS_1_2, ESP_TLS_VER_TLS_1_3].includes(tlsVersion)) {
    invalidArg('tlsVersion must be ESP_TLS_VER_ANY, ESP_TLS_VER_TLS_1_2 or ESP_TLS_VER_TLS_1_3');
  }
  if (ciphers !== undefined) checkCiphers(ciphers, tlsVersion);
  if (certSelectCb !== undefined && typeof certSelectCb !== 'function') invalidArg('certSelectCb must be a function');
}

/** A name of one cipher suite; others are keywords of OpenSSL, such as `HIGH` or `@SECLEVEL=2`. */
const SUITE = /^(?:TLS_\w+|[A-Z0-9]+(?:-[A-Z0-9]+)+)$/;

function checkCiphers(ciphers: unknown, tlsVersion: number | undefined): void {
  if (typeof ciphers !== 'string' || ciphers === '') {
    return invalidArg("ciphers must be names of OpenSSL separated by colons, such as 'ECDHE-ECDSA-AES128-GCM-SHA256'");
  }
  const names = ciphers.split(':');
  const known = getCiphers();
  // OpenSSL passes over what it does not know
  const unknown = names.find(name => SUITE.test(name) && !known.includes(name.toLowerCase()));
  if (unknown !== undefined) invalidArg(`ciphers has '${unknown}', which this OpenSSL does not know`);
  const { of12, of13 } = suitesOf(ciphers);
  if (tlsVersion === ESP_TLS_VER_TLS_1_3 && !of13) invalidArg('ciphers has none of TLS 1.3, which begin with TLS_');
  if (tlsVersion === ESP_TLS_VER_TLS_1_2 && !of12) invalidArg('ciphers has none of TLS 1.2');
  try {
    createSecureContext({ ciphers });
  } catch (cause) {
    throw new EspError(ESP_ERR_INVALID_ARG, `ciphers can't be used: ${describeThrown(cause)}`, { cause });
  }
}

function isProtocolList(list: unknown): boolean {
  const fits = (name: unknown) => {
    const len = typeof name === 'string' ? Buffer.byteLength(name) : 0;
    return len > 0 && len < 256;
  };
  return Array.isArray(list) && list.length > 0 && list.every(fits);
}
