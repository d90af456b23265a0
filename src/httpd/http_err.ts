/**
 * The errors that the server answers with, after `httpd_err_code_t`: status line, and a sentence for a person.
 */

export const HTTPD_500_INTERNAL_SERVER_ERROR = 0;
/** The method is unknown to the server. */
export const HTTPD_501_METHOD_NOT_IMPLEMENTED = 1;
/** The version is not HTTP/1.0 or HTTP/1.1. */
export const HTTPD_505_VERSION_NOT_SUPPORTED = 2;
/** The request can't be parsed. */
export const HTTPD_400_BAD_REQUEST = 3;
export const HTTPD_401_UNAUTHORIZED = 4;
export const HTTPD_403_FORBIDDEN = 5;
/** No handler is registered for the URI. */
export const HTTPD_404_NOT_FOUND = 6;
/** A handler is registered for the URI, but none for the method. */
export const HTTPD_405_METHOD_NOT_ALLOWED = 7;
/** The request did not arrive in time. */
export const HTTPD_408_REQ_TIMEOUT = 8;
/** The request has a body of unknown length. */
export const HTTPD_411_LENGTH_REQUIRED = 9;
/** The body is longer than `maxReqBodyLen`. */
export const HTTPD_413_CONTENT_TOO_LARGE = 10;
/** The URI is longer than `maxUriLen`. */
export const HTTPD_414_URI_TOO_LONG = 11;
/** The header section is longer than `maxReqHdrLen`. */
export const HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE = 12;
/** The number of error codes. */
export const HTTPD_ERR_CODE_MAX = 13;

/** One of the `HTTPD_4xx_…` and `HTTPD_5xx_…` numbers. */
export type HttpdErrCode = number;

/** Indexed by error code. */
const ERRORS: readonly (readonly [status: string, sentence: string])[] = [
  ['500 Internal Server Error', 'Something went wrong on the server while it handled this request.'],
  ['501 Method Not Implemented', 'The server does not know a method or a coding that this request uses.'],
  ['505 Version Not Supported', 'The server speaks HTTP/1.1 and HTTP/1.0 only.'],
  ['400 Bad Request', 'The server could not understand this request.'],
  ['401 Unauthorized', 'You need to sign in to see this.'],
  ['403 Forbidden', 'You are not allowed to see this.'],
  ['404 Not Found', 'There is nothing at this address.'],
  ['405 Method Not Allowed', 'The method of this request cannot be used at this address.'],
  ['408 Request Timeout', 'The request took too long to arrive.'],
  ['411 Length Required', 'The request has to say how long its body is.'],
  ['413 Content Too Large', 'The body of this request is larger than the server accepts.'],
  ['414 URI Too Long', 'The address of this request is longer than the server accepts.'],
  ['431 Request Header Fields Too Large', 'The header fields of this request are larger than the server accepts.'],
];

/** What a client gets when a handler lets an error through, where that is no 500. */
const statuses = new WeakMap<object, HttpdErrCode>();

/** Says what the client gets if a handler lets `error` through; a handler that catches it has heard of it, and no more. */
export function withStatus<T extends object>(error: T, code: HttpdErrCode): T {
  statuses.set(error, code);
  return error;
}

/** What `withStatus` has said of it. */
export function statusOf(thrown: unknown): HttpdErrCode | undefined {
  return typeof thrown === 'object' && thrown !== null ? statuses.get(thrown) : undefined;
}

/** Is `code` one of the `HTTPD_4xx_…` and `HTTPD_5xx_…` numbers? */
export function isErrCode(code: unknown): code is HttpdErrCode {
  return typeof code === 'number' && ERRORS[code] !== undefined;
}

/** Status line and default body of an error. */
export function errorText(code: HttpdErrCode): readonly [status: string, sentence: string] {
  return ERRORS[code] ?? (ERRORS[HTTPD_500_INTERNAL_SERVER_ERROR] as readonly [string, string]);
}
