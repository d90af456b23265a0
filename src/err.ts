/**
 * Error numbers of ESP-IDF (`esp_err.h`, `esp_http_server.h`) and the one error class that this library throws.
 */
import { types } from 'node:util';

/** Success (`esp_err.h`). */
export const ESP_OK = 0;
/** Failure of no particular kind (`esp_err.h`). */
export const ESP_FAIL = -1;
export const ESP_ERR_NO_MEM = 0x101;
export const ESP_ERR_INVALID_ARG = 0x102;
export const ESP_ERR_INVALID_STATE = 0x103;
export const ESP_ERR_INVALID_SIZE = 0x104;
export const ESP_ERR_NOT_FOUND = 0x105;
export const ESP_ERR_NOT_SUPPORTED = 0x106;
export const ESP_ERR_TIMEOUT = 0x107;
export const ESP_ERR_INVALID_RESPONSE = 0x108;

/** First number of the `ESP_ERR_HTTPD_…` range (`esp_http_server.h`). */
export const ESP_ERR_HTTPD_BASE = 0xb000;
/** All `maxUriHandlers` places of the URI table are taken. */
export const ESP_ERR_HTTPD_HANDLERS_FULL = 0xb001;
/** A handler for this URI and method is registered already. */
export const ESP_ERR_HTTPD_HANDLER_EXISTS = 0xb002;
/** The request object is no longer the one that its session serves. */
export const ESP_ERR_HTTPD_INVALID_REQ = 0xb003;
/** A result did not fit and was cut. */
export const ESP_ERR_HTTPD_RESULT_TRUNC = 0xb004;
/** More than `maxRespHeaders` response headers. */
export const ESP_ERR_HTTPD_RESP_HDR = 0xb005;
/** The response could not be sent: the session ended, or its transmit queue overflowed. */
export const ESP_ERR_HTTPD_RESP_SEND = 0xb006;
/** An allocation inside the server failed. */
export const ESP_ERR_HTTPD_ALLOC_MEM = 0xb007;
/** The server could not be started. */
export const ESP_ERR_HTTPD_TASK = 0xb008;

const NAMES = new Map<number, string>(
  Object.entries({
    ESP_OK,
    ESP_FAIL,
    ESP_ERR_NO_MEM,
    ESP_ERR_INVALID_ARG,
    ESP_ERR_INVALID_STATE,
    ESP_ERR_INVALID_SIZE,
    ESP_ERR_NOT_FOUND,
    ESP_ERR_NOT_SUPPORTED,
    ESP_ERR_TIMEOUT,
    ESP_ERR_INVALID_RESPONSE,
    ESP_ERR_HTTPD_HANDLERS_FULL,
    ESP_ERR_HTTPD_HANDLER_EXISTS,
    ESP_ERR_HTTPD_INVALID_REQ,
    ESP_ERR_HTTPD_RESULT_TRUNC,
    ESP_ERR_HTTPD_RESP_HDR,
    ESP_ERR_HTTPD_RESP_SEND,
    ESP_ERR_HTTPD_ALLOC_MEM,
    ESP_ERR_HTTPD_TASK,
  }).map(([name, code]) => [code, name]),
);

/**
 * The name of an error number, as `esp_err_to_name()` gives it.
 *
 * @returns such as `'ESP_ERR_NOT_FOUND'`; `'UNKNOWN ERROR'` for a number that has no name here
 */
export function espErrToName(code: number): string {
  return NAMES.get(code) ?? 'UNKNOWN ERROR';
}

/**
 * Every failure that this library reports to its caller.
 *
 * `code` is ESP-IDF's number, `name` its name, `message` what was wrong and what to do, `cause` the error underneath.
 */
export class EspError extends Error {
  /** ESP-IDF's error number, such as `ESP_ERR_NOT_FOUND`. */
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = espErrToName(code);
  }
}

/** Throws `ESP_ERR_INVALID_ARG`. */
export function invalidArg(message: string): never {
  throw new EspError(ESP_ERR_INVALID_ARG, message);
}

/** Failures whose reason is that a client has left. */
const ofClients = new WeakSet<object>();

/** A failure that comes of a client's leaving: nobody here has done anything wrong. */
export function clientGone(code: number, message: string): EspError {
  const error = new EspError(code, message);
  ofClients.add(error);
  return error;
}

/** Has `clientGone` made it, or what it was caused by? */
export function isClientGone(thrown: unknown): boolean {
  if (!isError(thrown)) return false;
  return ofClients.has(thrown) || (thrown.cause instanceof Error && ofClients.has(thrown.cause));
}

/**
 * The fault of a program in what its code has thrown, for which its author wants a stack: no `EspError`, which says what
 * was wrong and what to do, and not that a client has left.
 */
export function faultOf(thrown: unknown): Error | undefined {
  return thrown instanceof EspError || isClientGone(thrown) ? undefined : errorOf(thrown);
}

/** Is it an `Error`, of whichever realm? */
export function isError(thrown: unknown): thrown is Error {
  return thrown instanceof Error || types.isNativeError(thrown);
}

/** What was thrown, as an `Error`. */
export function errorOf(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(describeThrown(thrown), { cause: thrown });
}

/** The message of anything that was thrown, safe to log: one line, at most 1,000 characters. */
export function describeThrown(thrown: unknown): string {
  let text: string;
  try {
    text = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  } catch {
    text = 'a value that cannot be shown as a string';
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to take out
  return text.slice(0, 1000).replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ');
}
