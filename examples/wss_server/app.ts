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
  type TagLog,
  type WsCloseInfo,
  wsFrame,
} from '../../src/index.js';
import { logText } from '../log_text.js';

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

const HELLO = wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: 'Hello client' });

export interface Parts {
  readonly log?: TagLog;
  /** Calls back every so many ms, until what it returns is called. */
  readonly every?: (ms: number, callback: () => void) => () => void;
}

/** Registers the echo at `/ws`; from then on, until the server stops, all clients are told something. */
export function register(server: HttpdServer, { log = espLog(TAG), every = repeat }: Parts = {}): void {
  async function wsHandler(req: HttpdReq): Promise<number> {
    if (req.method === HTTP_GET) {
      log.info('Handshake done, the new connection was opened');
      return ESP_OK;
    }
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, MESSAGE_MAX);
    const { type } = pkt;
    if (type === HTTPD_WS_TYPE_PONG) {
      log.debug('Received PONG message');
      return ESP_OK;
    }
    // the library answers with the client's own code
    if (type === HTTPD_WS_TYPE_CLOSE) return ESP_OK;
    if (type === HTTPD_WS_TYPE_PING) {
      log.info('Got a WS PING frame, Replying PONG');
      pkt.type = HTTPD_WS_TYPE_PONG;
    } else if (type === HTTPD_WS_TYPE_TEXT) {
      log.info(`Received packet with message: ${logText(Buffer.from(pkt.payload as Uint8Array).toString())}`);
    }
    await req.wsSendFrame(pkt);
    return ESP_OK;
  }

  function wsCloseCb({ fd, code, reason }: WsCloseInfo): void {
    // without a Close frame the reason is the server's own
    if (code === CLOSE_ABNORMAL) log.warn(`Client not alive, closing fd ${fd}: ${reason}`);
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
