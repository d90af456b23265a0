/**
 * A registered URI handler, after `httpd_uri_t`.
 */
import { invalidArg } from '../err.js';
import { checkWsOptions, WS_OPTIONS, type WsOptions, type WsSettings } from '../httpd_ws/options.js';
import { checkZlib } from '../httpd_ws/zlib_stream.js';
import { isToken } from './headers.js';
import { HTTP_GET, isMethod } from './methods.js';
import type { HttpdReq } from './req.js';
import type { HandlerResult } from './req_owner.js';

/** Handles a request, or a WebSocket frame. Anything but `undefined` and `ESP_OK`, a throw or a rejection closes the session. */
export type UriHandler = (req: HttpdReq) => HandlerResult;

/** A URI handler to register, after `httpd_uri_t` (`esp_http_server.h`); the options of WebSockets are in `WsOptions`. */
export interface HttpdUri extends WsOptions {
  /** The path, or the template that `config.uriMatchFn` understands. */
  uri: string;
  /** `HTTP_GET` and so on, or `HTTP_ANY`. */
  method: number;
  handler: UriHandler;
  /** `req.userCtx` of each request. */
  userCtx?: unknown;
  /** Upgrade GET requests to WebSocket. Needs `method: HTTP_GET`. Default false. */
  isWebsocket?: boolean;
  /**
   * Call the handler for Ping, Pong and Close too, which it then answers itself. Default false: then it is called for
   * Pongs only, in frame mode, and not for those that answer the Pings of `wsPingInterval` (ESP-IDF 5.4 and newer).
   */
  handleWsControlFrames?: boolean;
  /** Call the handler for the handshake too, with `req.method === HTTP_GET`. Default true; ESP-IDF 6 does not. */
  handleWsHandshake?: boolean;
  /** Subprotocols that the handler speaks, the preferred one first. */
  supportedSubprotocol?: string | readonly string[];
  /** Is asked before the handshake is answered: it may refuse with a response; failing without one refuses with 403. */
  wsPreHandshakeCb?: (req: HttpdReq) => HandlerResult;
  /** Is called when the handshake has been answered, before the first frame is handed over: it may send frames. */
  wsPostHandshakeCb?: (req: HttpdReq) => HandlerResult;
}

/** The same, checked, with the defaults filled in. */
export interface Route {
  readonly uri: string;
  readonly method: number;
  readonly handler: UriHandler;
  readonly userCtx: unknown;
  readonly isWebsocket: boolean;
  readonly handleWsControlFrames: boolean;
  readonly handleWsHandshake: boolean;
  readonly subprotocols: readonly string[];
  readonly wsPreHandshakeCb: UriHandler | undefined;
  readonly wsPostHandshakeCb: UriHandler | undefined;
  readonly ws: WsSettings;
}

const FIELDS = new Set<string>([
  'uri',
  'method',
  'handler',
  'userCtx',
  'isWebsocket',
  'handleWsControlFrames',
  'handleWsHandshake',
  'supportedSubprotocol',
  'wsPreHandshakeCb',
  'wsPostHandshakeCb',
  ...WS_OPTIONS,
] satisfies (keyof HttpdUri)[]);

/** @throws EspError ESP_ERR_INVALID_ARG, ESP_ERR_NOT_SUPPORTED for wsPerMessageDeflate */
export function checkUri(given: HttpdUri): Route {
  if (given === null || typeof given !== 'object') invalidArg('registerUriHandler needs an object; see HttpdUri');
  for (const name of Object.keys(given)) {
    if (!FIELDS.has(name)) invalidArg(`a URI handler has no field '${name}'; see HttpdUri`);
  }
  const { uri, method, handler, supportedSubprotocol } = given;
  if (typeof uri !== 'string') invalidArg('uri must be a string');
  if (!isMethod(method)) invalidArg(`the method of '${uri}' must be HTTP_GET, another HTTP_… number, or HTTP_ANY`);
  if (typeof handler !== 'function') invalidArg(`the handler of '${uri}' must be a function`);
  for (const name of ['isWebsocket', 'handleWsControlFrames', 'handleWsHandshake'] as const) {
    const value = given[name];
    if (value !== undefined && typeof value !== 'boolean') invalidArg(`${name} of '${uri}' must be true or false`);
  }
  for (const name of ['wsPreHandshakeCb', 'wsPostHandshakeCb'] as const) {
    const value = given[name];
    if (value !== undefined && typeof value !== 'function') invalidArg(`${name} of '${uri}' must be a function`);
  }
  const isWebsocket = given.isWebsocket ?? false;
  if (isWebsocket && method !== HTTP_GET) invalidArg(`the method of the WebSocket '${uri}' must be HTTP_GET`);
  const subprotocols = typeof supportedSubprotocol === 'string' ? [supportedSubprotocol] : (supportedSubprotocol ?? []);
  if (!Array.isArray(subprotocols) || !subprotocols.every(isToken)) {
    invalidArg(`supportedSubprotocol of '${uri}' must be a token, or a list of tokens (RFC 6455 section 4.1)`);
  }
  if (!isWebsocket) {
    const name = WS_OPTIONS.find(option => given[option] !== undefined);
    if (name !== undefined) invalidArg(`${name} of '${uri}' is for WebSockets: set isWebsocket`);
  }
  const ws = checkWsOptions(given, uri);
  if (ws.deflate !== undefined) checkZlib();
  return {
    uri,
    method,
    handler,
    userCtx: given.userCtx,
    isWebsocket,
    handleWsControlFrames: given.handleWsControlFrames ?? false,
    handleWsHandshake: given.handleWsHandshake ?? true,
    subprotocols: [...subprotocols],
    wsPreHandshakeCb: given.wsPreHandshakeCb,
    wsPostHandshakeCb: given.wsPostHandshakeCb,
    ws,
  };
}
