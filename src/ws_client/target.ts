/**
 * Where a client connects to. Pure.
 */
import { invalidArg } from '../err.js';
import type { EspWebsocketClientConfig } from './config.js';

export interface Target {
  readonly secure: boolean;
  /** Name or address, without brackets. */
  readonly host: string;
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
    const url = parse(uri);
    const credentials = url.username !== '' || url.password !== '';
    const authorization = credentials ? basic(decode(url.username), decode(url.password)) : basicOf(username, password);
    return made(url, portOf(url, uri) ?? port, url.pathname + url.search, authorization);
  }
  if (typeof host !== 'string' || !HOST.test(host))
    invalidArg('there must be a uri, or a host that is a name or an address');
  if (typeof path !== 'string' || !PATH.test(path)) {
    invalidArg("path must begin with '/' and have no blanks, '#' or characters beyond ASCII: use encodeURI");
  }
  const scheme = transport === OVER_SSL ? 'wss' : 'ws';
  const authority = host.includes(':') ? `[${host}]` : host;
  if (!URL.canParse(`${scheme}://${authority}/`)) invalidArg('host must be a name or an address, and nothing else');
  const url = new URL(`${scheme}://${authority}/`);
  return made(url, port, path, basicOf(username, password));
}

function parse(uri: unknown): URL {
  if (typeof uri !== 'string' || !URL.canParse(uri)) invalidArg('uri is none that can be read');
  const url = new URL(uri);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') invalidArg('uri must begin with ws:// or wss://');
  // RFC 6455 section 3
  if (uri.includes('#')) invalidArg("uri must have no fragment: write '#' as %23");
  return url;
}

/** The port that stands in a uri, be it the default one, which a URL forgets. */
function portOf(url: URL, uri: string): number | undefined {
  const port = url.port === '' && PORT.test(uri.trim()) ? defaultPort(url) : Number(url.port || Number.NaN);
  if (port === 0) invalidArg('nobody listens on port 0');
  return Number.isNaN(port) ? undefined : port;
}

function defaultPort({ protocol }: URL): number {
  return protocol === 'wss:' ? 443 : 80;
}

function made(url: URL, given: number | undefined, path: string, authorization: string | undefined): Target {
  const secure = url.protocol === 'wss:';
  const byDefault = defaultPort(url);
  const port = given ?? byDefault;
  const authority = port === byDefault ? url.hostname : `${url.hostname}:${port}`;
  return { secure, host: url.hostname.replace(/^\[|\]$/g, ''), port, authority, path, authorization };
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

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return invalidArg('username or password of the uri are not percent-encoded UTF-8');
  }
}
