/**
 * ESP-IDF's wss_server example: an echo whose clients are pinged, and told something from time to time.
 */
import {
  ESP_OK,
  espLog,
  HTTP_GET,
  HTTPD_WS_TYPE_CLOSE,
  HTTPD_WS_TYPE_PING,
  HTTPD_WS_TYPE_PONG,
  HTTPD_WS_TYPE_TEXT,
  type HttpdReq,
  type HttpdServer,
  type WsCloseInfo,
  wsFrame,
} from '../../src/index.js';
import { logText } from '../log_text.js';
import { type LogOf, logListening, logStarting } from '../tls_log.js';

export const TAG = 'wss_echo_server';
export const URI = '/ws';
/** So many clients at a time; a further one gets a 503. */
export const CLIENTS_MAX = 100;
/** The longest message, in bytes. */
export const MESSAGE_MAX = 64 * 1024;
/** Who has been quiet for so long is pinged, in seconds: `keep_alive_period_ms`. */
export const PING_INTERVAL = 5;
/** Who does not answer within that is closed; together they are `not_alive_after_ms`. */
export const PONG_TIMEOUT = 5;
/** All clients are told something so often, in ms. */
export const HELLO_EVERY_MS = 10_000;
/** RFC 6455 section 7.1.5: no Close frame has come. */
const CLOSE_ABNORMAL = 1006;

/** The tag of what looks after quiet clients. */
const KEEP_ALIVE_TAG = 'wss_keep_alive';
/** Why a client that does not answer is left. */
const NOT_ALIVE = /wsPongTimeout/;
const NO_BYTES = new Uint8Array(0);

const HELLO = wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: 'Hello client' });

export interface Parts {
  readonly logOf?: LogOf;
  /** Calls back every so many ms, until what it returns is called. */
  readonly every?: (ms: number, callback: () => void) => () => void;
}

/** The example on a server that somebody else has started, such as a device: logs what a board does, and registers all. */
export function register(server: HttpdServer, parts: Parts = {}): void {
  const { logOf = espLog } = parts;
  logStarting(TAG, logOf);
  logListening(server, undefined, logOf);
  logOf(TAG).info('Registering URI handlers');
  registerHandlers(server, parts);
}

/** Registers the echo at `/ws`; from then on, until the server stops, all clients are told something. */
export function registerHandlers(server: HttpdServer, { logOf = espLog, every = repeat }: Parts = {}): void {
  const log = logOf(TAG);
  const keepAliveLog = logOf(KEEP_ALIVE_TAG);

  async function wsHandler(req: HttpdReq): Promise<number> {
    if (req.method === HTTP_GET) {
      log.info('Handshake done, the new connection was opened');
      return ESP_OK;
    }
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, 0);
    log.info(`frame len is ${pkt.len}`);
    if (pkt.len > 0) await req.wsRecvFrame(pkt, MESSAGE_MAX);
    const { type, payload = NO_BYTES } = pkt;
    if (type === HTTPD_WS_TYPE_PONG) {
      log.debug('Received PONG message');
      return ESP_OK;
    }
    if (type === HTTPD_WS_TYPE_PING) {
      log.info('Got a WS PING frame, Replying PONG');
      pkt.type = HTTPD_WS_TYPE_PONG;
    } else if (type === HTTPD_WS_TYPE_TEXT) {
      log.info(`Received packet with message: ${logText(Buffer.from(payload).toString())}`);
    }
    // the library answers a Close with the client's own code
    if (type !== HTTPD_WS_TYPE_CLOSE) await req.wsSendFrame(pkt);
    const fd = req.toSockfd();
    // what tells one server of a process from another is its port
    const handle = `0x${server.port.toString(16)}`;
    log.info(`ws_handler: httpd_handle_t=${handle}, sockfd=${fd}, client_info:${server.wsGetFdInfo(fd)}`);
    return ESP_OK;
  }

  function wsCloseCb({ fd, code, reason }: WsCloseInfo): void {
    // without a Close frame the reason is the server's own
    if (code !== CLOSE_ABNORMAL || !NOT_ALIVE.test(reason)) return;
    keepAliveLog.error(`Client (fd=${fd}) not alive!`);
    log.error(`Client not alive, closing fd ${fd}`);
  }

  function sendMessages(): void {
    server.wsBroadcast(HELLO, (fd, uri) => {
      if (uri !== URI) return false;
      log.info(`Active client (fd=${fd}) -> sending async message`);
      return true;
    });
  }

  server.registerUriHandler({
    uri: URI,
    method: HTTP_GET,
    isWebsocket: true,
    handler: wsHandler,
    handleWsControlFrames: true,
    wsCloseCb,
    wsMessageMode: true,
    wsMaxFrameLen: MESSAGE_MAX,
    wsMaxMessageLen: MESSAGE_MAX,
    wsMaxSessions: CLIENTS_MAX,
    wsPingInterval: PING_INTERVAL,
    wsPongTimeout: PONG_TIMEOUT,
  });
  server.on('connected', fd => log.info(`New client connected ${fd}`));
  server.on('disconnected', fd => log.info(`Client disconnected ${fd}`));
  server.once('stop', every(HELLO_EVERY_MS, sendMessages));
}

function repeat(ms: number, callback: () => void): () => void {
  const timer = setInterval(callback, ms);
  return () => clearInterval(timer);
}
