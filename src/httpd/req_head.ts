/**
 * What a request says before its body, as its handler asks for it.
 */
import { invalidArg } from '../err.js';
import { cookieValue, findHeader, joinHeaders, pathOf, queryOf } from './headers.js';
import type { ReqInit } from './req_owner.js';
import type { HttpdServer } from './server.js';
import { uriParam } from './uri_params.js';

export class ReqHead {
  /** The server. */
  readonly handle: HttpdServer;
  /** `HTTP_GET` and so on; `HTTPD_WS_FRAME` when the handler is called for a WebSocket frame. */
  method: number;
  /** The request target, query included. */
  uri: string;
  /** Length of the body in bytes, 0 without one; undefined if it comes in chunks. */
  readonly contentLen: number | undefined;
  /** `uri` of the URI handler that serves the request; empty in hooks and error handlers that run before one is found. */
  uriTemplate: string;

  protected readonly fd: number;
  protected raw: string;
  protected headers: string;

  constructor(handle: HttpdServer, fd: number, init: ReqInit) {
    this.handle = handle;
    this.fd = fd;
    this.method = init.method;
    this.uri = init.uri;
    this.contentLen = init.contentLen;
    this.raw = init.raw;
    this.headers = init.headers;
    this.uriTemplate = '';
  }

  /** The session's fd (`httpd_req_to_sockfd`). */
  toSockfd(): number {
    return this.fd;
  }

  /** Length of the value of a header field, 0 if it is absent (`httpd_req_get_hdr_value_len`). */
  getHdrValueLen(name: string): number {
    return this.getHdrValueStr(name)?.length ?? 0;
  }

  /**
   * The value of the first header field of this name (`httpd_req_get_hdr_value_str`), bytes above 127 as Latin-1.
   * In frame handlers there are no headers any more.
   *
   * @param name without regard to case
   */
  getHdrValueStr(name: string): string | undefined {
    if (typeof name !== 'string') invalidArg('the name of a header must be a string');
    return findHeader(this.headers, name.toLowerCase());
  }

  /** @internal All lines of a field that is a list (RFC 9110 section 5.3); the name in lower case. */
  headerList(name: string): string | undefined {
    return joinHeaders(this.headers, name);
  }

  /** Length of the query, 0 without one (`httpd_req_get_url_query_len`). */
  getUrlQueryLen(): number {
    return queryOf(this.uri).length;
  }

  /** The query, without its question mark, not decoded; undefined without one (`httpd_req_get_url_query_str`). */
  getUrlQueryStr(): string | undefined {
    return queryOf(this.uri) || undefined;
  }

  /**
   * What stands in the path where the template of the URI handler has `:name`, percent-decoded; undefined if the
   * template has no such name. Needs `config.uriMatchFn: uriMatchParams`.
   */
  getUriParam(name: string): string | undefined {
    if (typeof name !== 'string') invalidArg('the name of a parameter must be a string');
    return uriParam(this.uriTemplate, pathOf(this.uri), name);
  }

  /** The value of a cookie (`httpd_req_get_cookie_val`). Unlike in ESP-IDF the name's case counts (RFC 6265). */
  getCookieVal(name: string): string | undefined {
    if (typeof name !== 'string') invalidArg('the name of a cookie must be a string');
    return cookieValue(this.headers, name);
  }

  /** The request line and the header section as they came (`httpd_get_raw_req_data`). */
  getRawReqData(): Buffer {
    return Buffer.from(this.raw, 'latin1');
  }
}
