/**
 * From a request's head to the code that serves it: hooks, the URI handler, or the error to answer with.
 */
import type { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';
import { findHeader, pathOf } from './headers.js';
import {
  HTTPD_403_FORBIDDEN,
  HTTPD_404_NOT_FOUND,
  HTTPD_405_METHOD_NOT_ALLOWED,
  HTTPD_411_LENGTH_REQUIRED,
  HTTPD_413_CONTENT_TOO_LARGE,
  HTTPD_500_INTERNAL_SERVER_ERROR,
  HTTPD_501_METHOD_NOT_IMPLEMENTED,
} from './http_err.js';
import { HTTP_CONNECT, HTTP_OPTIONS, HTTP_PATCH, HTTP_POST, HTTP_PUT, isMethod } from './methods.js';
import type { RequestHead } from './parse.js';
import type { HttpdReq } from './req.js';
import type { Route, UriHandler } from './route.js';
import { beginUpgrade } from './upgrade.js';

const GENERAL_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Serves a request whose head has come. */
export function routeRequest(conn: HttpConn, core: HttpdCore, head: RequestHead): void {
  const { method } = head;
  const req = conn.current as HttpdReq;
  if (conn.memory?.take() === false) {
    core.story.failure(req, 'ESP_ERR_HTTPD_ALLOC_MEM: no memory for the request', 'error');
    conn.closeBehind();
    return conn.errors.send(req, HTTPD_500_INTERNAL_SERVER_ERROR);
  }
  // this is no proxy, and what comes behind a CONNECT is not HTTP (RFC 9110 section 9.3.6)
  if (method === HTTP_CONNECT) conn.closeBehind();
  if (method === HTTP_CONNECT || !isMethod(method)) return conn.errors.send(req, HTTPD_501_METHOD_NOT_IMPLEMENTED);
  const path = pathOf(head.uri);
  if (core.before.size === 0) findHandler(conn, core, head, path);
  else runHooks(conn, core, head, path, core.before.of(path), 0);
}

function runHooks(
  conn: HttpConn,
  core: HttpdCore,
  head: RequestHead,
  path: string,
  hooks: readonly UriHandler[],
  at: number,
): void {
  const hook = hooks[at];
  // what the hooks so far have set
  if (at > 0) conn.resp.keepHeaders();
  if (hook === undefined) return findHandler(conn, core, head, path);
  conn.invoke(conn.current as HttpdReq, hook, {
    go: () => runHooks(conn, core, head, path, hooks, at + 1),
    refusal: HTTPD_403_FORBIDDEN,
  });
}

function findHandler(conn: HttpConn, core: HttpdCore, head: RequestHead, path: string): void {
  const { method } = head;
  const req = conn.current as HttpdReq;
  let route: Route | undefined;
  let allow: string | undefined;
  try {
    route = core.uris.find(path, method);
    if (route === undefined) allow = core.uris.allow(path);
  } catch (thrown) {
    // an application's uriMatchFn
    return conn.threw(req, thrown);
  }
  core.story.found(path, method, route, core.uris);
  if (route !== undefined) return serve(conn, core, route, head, req);
  if (path === '*' && method === HTTP_OPTIONS) return conn.invoke(req, answerOptions);
  if (allow === undefined) {
    core.story.notFound(path);
    return conn.errors.send(req, HTTPD_404_NOT_FOUND);
  }
  core.story.notAllowed(path, method);
  conn.resp.addHeader('Allow', allow);
  conn.errors.send(req, HTTPD_405_METHOD_NOT_ALLOWED);
}

function serve(conn: HttpConn, core: HttpdCore, route: Route, head: RequestHead, req: HttpdReq): void {
  req.userCtx = route.userCtx;
  req.uriTemplate = route.uri;
  if (needsLength(head)) return conn.errors.send(req, HTTPD_411_LENGTH_REQUIRED);
  if ((head.contentLen ?? 0) > core.config.maxReqBodyLen) {
    conn.closeBehind();
    return conn.errors.send(req, HTTPD_413_CONTENT_TOO_LARGE);
  }
  if (route.isWebsocket) beginUpgrade(conn, core, route, head, req);
  else conn.invoke(req, route.handler);
}

/** HTTP/1.0 has no other way to tell a body of this length from none. */
function needsLength(head: RequestHead): boolean {
  const { method, http10, headers } = head;
  const carriesBody = method === HTTP_POST || method === HTTP_PUT || method === HTTP_PATCH;
  return http10 && carriesBody && findHeader(headers, 'content-length') === undefined;
}

/** `OPTIONS *` asks for what the server can do in general (RFC 9110 section 9.3.7). */
function answerOptions(req: HttpdReq): void {
  req.respSetStatus('204 No Content');
  req.respAddHdr('Allow', GENERAL_METHODS);
  void req.respSend();
}
