/**
 * `getStats()` in the text format of Prometheus (version 0.0.4), for a URI handler.
 */
import type { HttpdReq } from '../httpd/req.js';
import type { UriHandler } from '../httpd/route.js';
import type { HttpdStats } from '../httpd/stats.js';

const TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const PREFIX = 'esp_httpd_';

/**
 * Makes a handler that tells `server.getStats()` to Prometheus:
 *
 * ```ts
 * server.registerUriHandler({ uri: '/metrics', method: HTTP_GET, handler: metricsUriHandler() });
 * ```
 *
 * Whoever may ask learns how busy the server is: put a hook of `server.before` in front, or listen where only Prometheus
 * comes.
 */
export function metricsUriHandler(): UriHandler {
  return (req: HttpdReq) => {
    req.respSetType(TYPE);
    req.respAddHdr('Cache-Control', 'no-store');
    void req.respSend(metricsText(req.handle.getStats()));
  };
}

type Labelled = Readonly<Record<string, number>>;

/** The text of a snapshot. */
export function metricsText(stats: HttpdStats): string {
  const { sessions, requests, responses, bytes, wsFrames, timeouts, queues } = stats;
  return [
    gauge('uptime_seconds', 'Time since the server was started.', stats.uptime),
    gauge('sessions', 'Sessions by what they do.', sessions.now, 'state'),
    counter('sessions_opened_total', 'Sessions that were opened.', sessions.opened),
    counter('sessions_purged_total', 'Idle sessions that were ended to make room.', sessions.purged),
    counter('sessions_refused_total', 'Connections that were refused, by the limit.', sessions.refused, 'limit'),
    counter('requests_total', 'Requests whose head has come.', requests.served),
    counter('requests_malformed_total', 'Requests that could not be read.', requests.malformed),
    counter('responses_total', 'Responses by the first digit of their status.', responses, 'class'),
    counter('received_bytes_total', 'Bytes received.', bytes.received),
    counter('sent_bytes_total', 'Bytes sent.', bytes.sent),
    counter('ws_frames_received_total', 'WebSocket frames received.', wsFrames.received),
    counter('ws_frames_sent_total', 'WebSocket frames that the application has sent.', wsFrames.sent),
    counter('timeouts_total', 'Waits that were too long, by what was waited for.', timeouts, 'for'),
    gauge('work_queue_length', 'Works that wait.', queues.work),
    gauge('tx_queue_bytes', 'Bytes that wait for readers.', queues.tx),
    gauge('ws_message_bytes', 'Bytes of WebSocket messages that are not complete.', queues.wsMessages),
    histogram(
      'request_duration_seconds',
      'Time from the head of a request to the end of its handler.',
      stats.handlerTime,
    ),
  ].join('');
}

function gauge(name: string, help: string, value: number | Labelled, label?: string): string {
  return head(name, help, 'gauge') + samples(name, value, label);
}

function counter(name: string, help: string, value: number | Labelled, label?: string): string {
  return head(name, help, 'counter') + samples(name, value, label);
}

function histogram(name: string, help: string, { le, counts, sum, count }: HttpdStats['handlerTime']): string {
  let text = head(name, help, 'histogram');
  let below = 0;
  for (const [i, n] of counts.entries()) {
    below += n;
    text += `${PREFIX}${name}_bucket{le="${le[i] ?? '+Inf'}"} ${below}\n`;
  }
  return `${text}${PREFIX}${name}_sum ${sum}\n${PREFIX}${name}_count ${count}\n`;
}

function head(name: string, help: string, type: string): string {
  return `# HELP ${PREFIX}${name} ${help}\n# TYPE ${PREFIX}${name} ${type}\n`;
}

function samples(name: string, value: number | Labelled, label: string | undefined): string {
  if (typeof value === 'number') return `${PREFIX}${name} ${value}\n`;
  return Object.entries(value)
    .map(([key, n]) => `${PREFIX}${name}{${label}="${key}"} ${n}\n`)
    .join('');
}
