/**
 * Where a client connects to. Pure.
 */
import { invalidArg } from '../err.js';
import type { EspWebsocketClientConfig } from './config.js';

export interface Target {
  readonly secure: boolean;
  /** Name or address, without brackets. */
  readonly host: string;
  /**
   * Of an IPv6 address: which interface of this machine, by its name or number (RFC 4007 section 11). No server hears of
   * it.
   */
  readonly zone: string | undefined;
  readonly port: number;
  /** Value of Host. */
  readonly authority: string;
  /** Path and query. */
  readonly path: string;
  /** Value of Authorization. */
  readonly authorization: string | undefined;
}

const OVER_TCP = 1;
const OVER_SSL = 2;
const PATH = /^\/[\x21\x22\x24-\x7e]*$/;
/** A port behind the authority of a uri. */
const PORT = /^[^/\\]*[/\\]+[^/?#\\]*:\d+(?:[/?#\\]|$)/;
const HOST = /^[^\s/?#@[\]\\]+$/;
/** A zone in a uri: behind '%25' (RFC 6874 section 2), or behind '%' alone, as people write it (RFC 9844 section 5). */
const ZONE_IN_URI = /^(\s*[^/\\?#]*[/\\]+(?:[^/\\?#]*@)?\[[^\]%]*)%([^\]]*)(\].*)$/s;
const ZONE = /^[^\s/?#@[\]\\%]{1,64}$/;

/**
 * From `uri`, and where that says nothing from the fields beside it.
 *
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function targetOf(config: EspWebsocketClientConfig): Target {
  const { uri, host, port, path = '/', transport = OVER_TCP, username, password } = config;
  if (transport !== OVER_TCP && transport !== OVER_SSL) {
    invalidArg('transport must be WEBSOCKET_TRANSPORT_OVER_TCP or WEBSOCKET_TRANSPORT_OVER_SSL');
  }
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    invalidArg('port must be an integer from 1 to 65535');
  }
  if (uri !== undefined) {
    const { url, zone, text } = parseUri('uri', uri, ['ws:', 'wss:']);
    const credentials = credentialsOf(url) ?? basicOf(username, password);
    return made(url, zone, portOf(url, text) ?? port, url.pathname + url.search, credentials);
  }
  if (typeof host !== 'string' || !HOST.test(host))
    invalidArg('there must be a uri, or a host that is a name or an address');
  if (typeof path !== 'string' || !PATH.test(path)) {
    invalidArg("path must begin with '/' and have no blanks, '#' or characters beyond ASCII: use encodeURI");
  }
  const { plain, zone } = splitZone(host);
  const scheme = transport === OVER_SSL ? 'wss' : 'ws';
  const authority = plain.includes(':') ? `[${plain}]` : plain;
  if (!URL.canParse(`${scheme}://${authority}/`)) invalidArg('host must be a name or an address, and nothing else');
  const url = new URL(`${scheme}://${authority}/`);
  return made(url, zone, port, path, basicOf(username, password));
}

/** The address as the system takes it. */
export function addressOf({ host, zone }: Pick<Target, 'host' | 'zone'>): string {
  return zone === undefined ? host : `${host}%${zone}`;
}

/** Without credentials. */
export function uriOf({ secure, authority, path }: Target): string {
  return `${secure ? 'wss' : 'ws'}://${authority}${path}`;
}

/**
 * @param field of the configuration, for the message
 * @returns the uri without its zone, which a URL can't have, and that zone
 * @throws EspError ESP_ERR_INVALID_ARG
 */
export function parseUri(
  field: string,
  uri: unknown,
  schemes: readonly string[],
): { readonly url: URL; readonly zone: string | undefined; readonly text: string } {
  if (typeof uri !== 'string') invalidArg(`${field} must be a string`);
  const zoned = ZONE_IN_URI.exec(uri);
  const text = zoned === null ? uri : `${zoned[1]}${zoned[3]}`;
  if (!URL.canParse(text)) invalidArg(`${field} is none that can be read`);
  const url = new URL(text);
  if (!schemes.includes(url.protocol)) invalidArg(`${field} must begin with ${schemes.join('// or ')}//`);
  // RFC 6455 section 3
  if (uri.includes('#')) invalidArg(`${field} must have no fragment: write '#' as %23`);
  const behind = zoned?.[2];
  const zone = behind?.startsWith('25') && behind.length > 2 ? decode('zone', behind.slice(2)) : behind;
  return { url, zone: zone === undefined ? undefined : checkZone(zone), text };
}

/** `user:password` in a uri, as a value of Authorization. */
export function credentialsOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return basic(decode('username', username), decode('password', password));
}

function splitZone(host: string): { readonly plain: string; readonly zone: string | undefined } {
  const at = host.indexOf('%');
  const plain = host.slice(0, at);
  // a name has no zone; what else has a colon is no host, and found out then
  if (at < 0 || !plain.includes(':')) return { plain: host, zone: undefined };
  return { plain, zone: checkZone(host.slice(at + 1)) };
}

function checkZone(zone: string): string {
  if (!ZONE.test(zone)) invalidArg("a zone must be an interface's name or number, as in 'fe80::1%eth0'");
  return zone;
}

/** The port that stands in a uri, be it the default one, which a URL forgets. */
export function portOf(url: URL, uri: string): number | undefined {
  const port = url.port === '' && PORT.test(uri.trim()) ? defaultPort(url) : Number(url.port || Number.NaN);
  if (port === 0) invalidArg('nobody listens on port 0');
  return Number.isNaN(port) ? undefined : port;
}

export function defaultPort({ protocol }: URL): number {
  return protocol === 'wss:' || protocol === 'https:' ? 443 : 80;
}

/** Name or address, without brackets. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

/** @param given undefined for the scheme's own port */
export function made(
  url: URL,
  zone: string | undefined,
  given: number | undefined,
  path: string,
  authorization: string | undefined,
): Target {
  const secure = url.protocol === 'wss:';
  const byDefault = defaultPort(url);
  const port = given ?? byDefault;
  const authority = port === byDefault ? url.hostname : `${url.hostname}:${port}`;
  return { secure, host: hostOf(url), zone, port, authority, path, authorization };
}

function basicOf(username: unknown, password: unknown): string | undefined {
  if (username === undefined && password === undefined) return undefined;
  if (typeof username !== 'string' || (password !== undefined && typeof password !== 'string')) {
    invalidArg('username and password must be strings, and there is no password without a username');
  }
  return basic(username, password ?? '');
}

/** RFC 7617 section 2, in UTF-8. */
function basic(username: string, password: string): string {
  if (username.includes(':')) invalidArg("a username can't have a ':' (RFC 7617 section 2)");
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function decode(what: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return invalidArg(`the ${what} in a uri must be percent-encoded UTF-8`);
  }
}
