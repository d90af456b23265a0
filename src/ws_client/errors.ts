/**
 * What goes wrong with a WebSocket client, after `esp_websocket_error_codes_t`.
 */
import { constants } from 'node:os';
import { describeThrown, ESP_ERR_INVALID_RESPONSE, ESP_ERR_TIMEOUT, ESP_FAIL, EspError } from '../err.js';
import { escapeForLog } from '../log.js';
import type { ProxyRefusal } from './proxy.js';

export const WEBSOCKET_ERROR_TYPE_NONE = 0;
/** The connection could not be made, or was lost: name, TCP, TLS, a send without progress. */
export const WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT = 1;
/** The server did not answer a Ping. */
export const WEBSOCKET_ERROR_TYPE_PONG_TIMEOUT = 2;
/** The server refused the handshake, or its answer was wrong. */
export const WEBSOCKET_ERROR_TYPE_HANDSHAKE = 3;
/** The server closed the connection with a Close frame. */
export const WEBSOCKET_ERROR_TYPE_SERVER_CLOSE = 4;
/** The server broke RFC 6455 or RFC 7692, or went beyond a limit. Not of ESP-IDF. */
export const WEBSOCKET_ERROR_TYPE_PROTOCOL = 5;

/** The proxy refused the tunnel, or its answer was wrong. Not of ESP-IDF. */
export const WEBSOCKET_ERROR_TYPE_PROXY = 6;

/** Where an error comes from, after `esp_websocket_error_codes_t`. */
export interface EspWebsocketErrorCodes {
  /** One of `WEBSOCKET_ERROR_TYPE_…`. */
  readonly errorType: number;
  /** Status of the response to the handshake; 0 if there was none. */
  readonly espWsHandshakeStatusCode: number;
  /** The code that Node.js gives to an error of TLS, such as `'DEPTH_ZERO_SELF_SIGNED_CERT'`. */
  readonly espTlsStackErr: string | undefined;
  /** errno of the socket, such as 111 (ECONNREFUSED); 0 if it was none. */
  readonly espTransportSockErrno: number;
}

/** What the server has answered to the handshake, or the proxy to the request for a tunnel. */
export interface WsResponse {
  readonly status: number;
  /** The reason phrase, as it came: Latin-1. */
  readonly statusText: string;
  /** By names in lower case; the values of repeated fields joined by a comma and a space. */
  readonly headers: ReadonlyMap<string, string>;
  /** All fields in their order, as they came. */
  readonly rawHeaders: readonly (readonly [name: string, value: string])[];
  /** Of a server's refusal: up to 64 KiB of it, decoded if it came in chunks. Else empty. */
  readonly body: Buffer;
}

/** An error of a connection, or of an attempt to make one: what the event 'error' tells. */
export class EspWebsocketError extends EspError {
  readonly errorHandle: EspWebsocketErrorCodes;
  /** The answer that was no handshake, if there was one; the proxy's with WEBSOCKET_ERROR_TYPE_PROXY. */
  readonly response: WsResponse | undefined;

  constructor(
    code: number,
    message: string,
    handle: Partial<EspWebsocketErrorCodes>,
    more: { readonly cause?: unknown; readonly response?: WsResponse | undefined } = {},
  ) {
    super(code, message, more.cause === undefined ? undefined : { cause: more.cause });
    this.response = more.response;
    this.errorHandle = { ...NO_ERROR, ...handle };
  }
}

/** The handle where nothing went wrong. */
export const NO_ERROR: EspWebsocketErrorCodes = {
  errorType: WEBSOCKET_ERROR_TYPE_NONE,
  espWsHandshakeStatusCode: 0,
  espTlsStackErr: undefined,
  espTransportSockErrno: 0,
};

/** A code of the system, such as ECONNREFUSED; those of TLS are ERR_TLS_… or CERT_… */
const OF_SYSTEM = /^E[A-Z0-9]+$/;

/** What of an error of node:net or node:tls goes into the handle. */
function transportCodes(error: unknown): Partial<EspWebsocketErrorCodes> {
  const { errno, code } = (error ?? {}) as { errno?: unknown; code?: unknown };
  const name = typeof code === 'string' ? code : '';
  const known = (constants.errno as Readonly<Record<string, number>>)[name];
  return {
    errorType: WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT,
    espTransportSockErrno: typeof errno === 'number' ? Math.abs(errno) : (known ?? 0),
    espTlsStackErr: name !== '' && !OF_SYSTEM.test(name) ? name : undefined,
  };
}

/** Of a host with several addresses each fails; the first one stands for all. */
function firstOf(cause: Error | undefined): Error | undefined {
  return cause instanceof AggregateError ? ((cause.errors[0] as Error | undefined) ?? cause) : cause;
}

/** The connection was lost, or could not be made. @param cause the error of node:net or node:tls, if there was one */
export function lostError(what: string, cause: Error | undefined): EspWebsocketError {
  const first = firstOf(cause);
  const why = first === undefined ? 'closed' : escapeForLog(describeThrown(first));
  return new EspWebsocketError(ESP_FAIL, `${what}: ${why}`, transportCodes(first), { cause });
}

/** Of the socket, without an error of its own. */
export function transportError(why: string, code: number = ESP_FAIL): EspWebsocketError {
  return new EspWebsocketError(code, why, { errorType: WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT });
}

/** Of the socket, whose time is over. */
export function lateError(what: string, networkMs: number): EspWebsocketError {
  return transportError(`${what} within ${networkMs} ms (networkTimeoutMs)`, ESP_ERR_TIMEOUT);
}

export function handshakeError(
  why: string,
  response: WsResponse | undefined,
  code: number = ESP_ERR_INVALID_RESPONSE,
): EspWebsocketError {
  const handle = { errorType: WEBSOCKET_ERROR_TYPE_HANDSHAKE, espWsHandshakeStatusCode: response?.status ?? 0 };
  return new EspWebsocketError(code, why, handle, { response });
}

export function proxyError({ message, response }: ProxyRefusal): EspWebsocketError {
  return new EspWebsocketError(
    ESP_ERR_INVALID_RESPONSE,
    message,
    { errorType: WEBSOCKET_ERROR_TYPE_PROXY },
    { response },
  );
}

export function protocolError(why: string): EspWebsocketError {
  return new EspWebsocketError(ESP_ERR_INVALID_RESPONSE, why, { errorType: WEBSOCKET_ERROR_TYPE_PROTOCOL });
}

export function pongError(why: string): EspWebsocketError {
  return new EspWebsocketError(ESP_ERR_TIMEOUT, why, { errorType: WEBSOCKET_ERROR_TYPE_PONG_TIMEOUT });
}

/** Of the application, which can't go on. */
export function appError(why: string): EspWebsocketError {
  return new EspWebsocketError(ESP_FAIL, why, {});
}

/** Of our own mistakes. */
export function internalError(thrown: unknown): EspWebsocketError {
  return new EspWebsocketError(ESP_FAIL, `internal error: ${describeThrown(thrown)}`, {}, { cause: thrown });
}
