/** Request methods, with the numbers of ESP-IDF's http_parser, which are llhttp's too. */

export const HTTP_DELETE = 0;
export const HTTP_GET = 1;
export const HTTP_HEAD = 2;
export const HTTP_POST = 3;
export const HTTP_PUT = 4;
export const HTTP_CONNECT = 5;
export const HTTP_OPTIONS = 6;
export const HTTP_TRACE = 7;
export const HTTP_COPY = 8;
export const HTTP_LOCK = 9;
export const HTTP_MKCOL = 10;
export const HTTP_MOVE = 11;
export const HTTP_PROPFIND = 12;
export const HTTP_PROPPATCH = 13;
export const HTTP_SEARCH = 14;
export const HTTP_UNLOCK = 15;
export const HTTP_BIND = 16;
export const HTTP_REBIND = 17;
export const HTTP_UNBIND = 18;
export const HTTP_ACL = 19;
export const HTTP_REPORT = 20;
export const HTTP_MKACTIVITY = 21;
export const HTTP_CHECKOUT = 22;
export const HTTP_MERGE = 23;
export const HTTP_MSEARCH = 24;
export const HTTP_NOTIFY = 25;
export const HTTP_SUBSCRIBE = 26;
export const HTTP_UNSUBSCRIBE = 27;
export const HTTP_PATCH = 28;
export const HTTP_PURGE = 29;
export const HTTP_MKCALENDAR = 30;
export const HTTP_LINK = 31;
export const HTTP_UNLINK = 32;
/** Every method (`HTTP_ANY` of ESP-IDF, INT_MAX). */
export const HTTP_ANY = 0x7fff_ffff;
/** What `req.method` is while a WebSocket handler is called for a frame. ESP-IDF leaves 0 there, which is HTTP_DELETE. */
export const HTTPD_WS_FRAME = -2;

const NAMES = (
  'DELETE GET HEAD POST PUT CONNECT OPTIONS TRACE COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND ' +
  'UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PATCH PURGE MKCALENDAR LINK UNLINK'
).split(' ');

/** The method's name as it stands in a request line; the number itself for one without a name here. */
export function methodName(method: number): string {
  return NAMES[method] ?? String(method);
}

/** Is it one of the `HTTP_…` numbers? */
export function isMethod(method: unknown): method is number {
  return typeof method === 'number' && (NAMES[method] !== undefined || method === HTTP_ANY);
}
