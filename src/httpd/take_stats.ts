/**
 * A snapshot of a server: what it has counted, and what its sessions do just now.
 */
import { WsConn } from '../httpd_ws/ws_conn.js';
import { HttpConn } from './conn.js';
import type { HttpdCore } from './core.js';
import type { HttpdStats } from './stats.js';

/** @param work how many works wait */
export function takeStats(core: HttpdCore, work: number): HttpdStats {
  const { stats } = core;
  const now = { idle: 0, head: 0, handling: 0, purging: 0, websocket: 0, closing: 0 };
  let tx = 0;
  for (const sess of core.everySess()) {
    const { protocol } = sess;
    tx += sess.tx.pending;
    if (!sess.open || (protocol instanceof WsConn && protocol.closing)) now.closing += 1;
    else if (protocol instanceof WsConn) now.websocket += 1;
    else if (protocol instanceof HttpConn) now[protocol.phase] += 1;
  }
  const [, x1 = 0, x2 = 0, x3 = 0, x4 = 0, x5 = 0] = stats.responses;
  return {
    uptime: (core.clock.now() - core.startedAt) / 1000,
    sessions: {
      now,
      opened: stats.opened,
      purged: stats.purged,
      refused: {
        maxOpenSockets: stats.refusedFull,
        maxSessPerIp: stats.refusedPeer,
        openFn: stats.refusedByApp,
        tlsHandshake: stats.failedHandshakes,
      },
    },
    requests: { served: stats.requests, malformed: stats.malformed },
    responses: { '1xx': x1, '2xx': x2, '3xx': x3, '4xx': x4, '5xx': x5 },
    bytes: { received: stats.received, sent: stats.sent },
    wsFrames: { received: stats.framesReceived, sent: stats.framesSent },
    timeouts: { ...stats.timeouts, send: stats.sendTimeouts },
    queues: { work, tx, wsMessages: core.messageMemory.used },
    handlerTime: stats.handlerTime(),
  };
}
