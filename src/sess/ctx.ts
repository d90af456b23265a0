/**
 * Contexts of a session, after the rules of httpd_sess.c and httpd_parse.c. Each is freed exactly once.
 */
import { watch } from '../thenable.js';
import type { CtxHolder, FreeCtxFn } from './protocol.js';
import type { Sess } from './sess.js';

/** Gets what a free function threw. */
export type OnFreeFailure = (thrown: unknown) => void;

/** Frees a context, if there is one and a function to do it. */
export function free(ctx: unknown, freeFn: FreeCtxFn | undefined, onFailure: OnFreeFailure): void {
  if (ctx === undefined || ctx === null || freeFn === undefined) return;
  try {
    watch(freeFn(ctx), onFailure);
  } catch (thrown) {
    onFailure(thrown);
  }
}

/** A handler begins: hands it the session's context. */
export function lendCtx(sess: Sess, to: CtxHolder): void {
  to.sessCtx = sess.ctx;
  to.freeCtx = sess.freeCtx;
  to.ignoreSessCtxChanges = sess.ignoreCtxChanges;
}

/** A handler has ended: what it left as context becomes the session's, and what that replaces is freed. */
export function returnCtx(sess: Sess, from: CtxHolder, onFailure: OnFreeFailure): void {
  const { ctx, freeCtx } = sess;
  sess.ctx = from.sessCtx;
  sess.freeCtx = from.freeCtx;
  sess.ignoreCtxChanges = from.ignoreSessCtxChanges;
  if (ctx !== from.sessCtx && !from.ignoreSessCtxChanges) free(ctx, freeCtx, onFailure);
  if (sess.over) releaseCtx(sess, onFailure);
}

/** `httpd_sess_get_ctx`. */
export function getCtx(sess: Sess): unknown {
  const { request } = sess.protocol;
  return request === undefined ? sess.ctx : request.sessCtx;
}

/** `httpd_sess_set_ctx`: while a handler of the session runs, the change waits for its end. */
export function setCtx(sess: Sess, ctx: unknown, freeFn: FreeCtxFn | undefined, onFailure: OnFreeFailure): void {
  const { request } = sess.protocol;
  if (request === undefined) {
    const old = { ctx: sess.ctx, freeCtx: sess.freeCtx };
    sess.ctx = ctx;
    sess.freeCtx = freeFn;
    if (old.ctx !== ctx) free(old.ctx, old.freeCtx, onFailure);
    return;
  }
  const old = { ctx: request.sessCtx, freeCtx: request.freeCtx };
  request.sessCtx = ctx;
  request.freeCtx = freeFn;
  // the session's own is freed when the handler ends
  if (old.ctx !== ctx && old.ctx !== sess.ctx) free(old.ctx, old.freeCtx, onFailure);
}

/** `httpd_sess_set_transport_ctx`. */
export function setTransportCtx(
  sess: Sess,
  ctx: unknown,
  freeFn: FreeCtxFn | undefined,
  onFailure: OnFreeFailure,
): void {
  const old = sess.transport;
  sess.transport = { ctx, freeFn };
  if (old !== undefined && old.ctx !== ctx) free(old.ctx, old.freeFn, onFailure);
}

/** The session is over: frees its contexts, but not under a handler that still runs. */
export function releaseCtx(sess: Sess, onFailure: OnFreeFailure): void {
  if (sess.protocol.request !== undefined) return;
  const { ctx, freeCtx, transport } = sess;
  sess.ctx = sess.freeCtx = sess.transport = undefined;
  free(ctx, freeCtx, onFailure);
  if (transport !== undefined) free(transport.ctx, transport.freeFn, onFailure);
}
