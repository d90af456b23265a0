/**
 * How a server ends: no more connections, goodbye to the clients, time for running handlers, then what is left is reset.
 */
import { WS_CLOSE_GOING_AWAY } from '../httpd_ws/close.js';
import { WsConn } from '../httpd_ws/ws_conn.js';
import { free } from '../sess/ctx.js';
import type { Sess } from '../sess/sess.js';
import { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';
import type { Listeners } from './listeners.js';

export async function shutDown(core: HttpdCore, listeners: Listeners | undefined, graceMs: number): Promise<void> {
  // who stops the server in a handler may await that, and would wait for itself
  const caller = core.running;
  core.stopping = true;
  await listeners?.close();
  core.admission.stop();
  const empty = new Promise<void>(resolve => {
    core.onRelease = () => {
      if (core.isEmpty(caller)) resolve();
    };
  });
  const timeUp = core.clock.after(graceMs, () => {
    for (const sess of core.everySess()) core.contexts.run(sess.reset, sess, 'the server stops');
  });
  for (const sess of [...core.sessions]) sayGoodbye(sess);
  if (!core.isEmpty(caller)) await empty;
  timeUp();
  core.deadlines.disarm();
  const { globalUserCtx, globalUserCtxFreeFn, globalTransportCtx, globalTransportCtxFreeFn } = core.config;
  free(globalUserCtx, globalUserCtxFreeFn, core.onFreeFailure);
  free(globalTransportCtx, globalTransportCtxFreeFn, core.onFreeFailure);
  core.logs.httpd.debug('httpd_stop: server stopped');
  core.events.emit('stop');
}

function sayGoodbye({ protocol }: Sess): void {
  if (protocol instanceof WsConn) protocol.close(WS_CLOSE_GOING_AWAY);
  else if (protocol instanceof HttpConn) protocol.closeSoon('the server stops', false);
}
