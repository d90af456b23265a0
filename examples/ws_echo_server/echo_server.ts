/**
 * The URI handlers of ESP-IDF's ws_echo_server example, and a page to try them with.
 */
import {
  ESP_ERR_INVALID_SIZE,
  ESP_FAIL,
  ESP_OK,
  EspError,
  espLog,
  HTTP_GET,
  HTTP_HEAD,
  HTTPD_WS_CLIENT_WEBSOCKET,
  HTTPD_WS_TYPE_CONTINUE,
  HTTPD_WS_TYPE_PING,
  HTTPD_WS_TYPE_TEXT,
  type HttpdReq,
  type HttpdServer,
  type HttpdWsFrame,
  queryKeyValue,
  wsFrame,
} from '../../src/index.js';
import { pageHandler } from '../page.js';
import { GREETING } from './greeting.js';

export const TAG = 'ws_echo_server';
/** The longest frame that `echoHandler` takes: it allocates what the peer announces. */
export const MAX_FRAME_LEN = 1024 * 1024;
/** The pieces in which `echoPartialHandler` reads and answers. */
const CHUNK_SIZE = 64;
/** The log shows so many bytes of a message. */
const LOG_MAX = 128;

const log = espLog(TAG);

/** What a session remembers between its frames. */
interface EchoSession {
  /** Has the echo of a fragmented message begun, and not ended? No other message may go between its fragments. */
  inMessage: boolean;
  /** Messages that wait for its end. */
  later: HttpdWsFrame[];
}

/** Echoes each frame; a text that begins with `Trigger async` or `Ping` gets another answer. */
async function echoHandler(req: HttpdReq): Promise<number> {
  if (req.method === HTTP_GET) return ESP_OK; // the handshake: there is no frame yet

  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 0); // its length only
  if (pkt.len > MAX_FRAME_LEN) {
    throw new EspError(ESP_ERR_INVALID_SIZE, `a frame of ${pkt.len} bytes; this example takes ${MAX_FRAME_LEN}`);
  }
  log.info(`frame len is ${pkt.len}`);
  const payload = Buffer.alloc(pkt.len);
  if (pkt.len > 0) {
    pkt.payload = payload;
    await req.wsRecvFrame(pkt, pkt.len);
    log.info(`Got packet with message: ${printable(payload)}`);
  }
  log.info(`Packet type: ${pkt.type}`);

  const sess = sessionOf(req);
  if (pkt.type === HTTPD_WS_TYPE_TEXT && pkt.final) {
    if (startsWith(payload, 'Trigger async')) {
      return sendLater(req, sess, wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: 'Async data' }));
    }
    if (startsWith(payload, 'Ping')) return sendLater(req, sess, wsFrame({ type: HTTPD_WS_TYPE_PING }));
  }

  sess.inMessage = !pkt.final;
  await req.wsSendFrame(pkt);
  if (pkt.final) for (const frame of sess.later.splice(0)) await req.wsSendFrame(frame);
  return ESP_OK;
}

/** Has a frame sent from the work queue, when the handler has long returned. */
function sendLater(req: HttpdReq, sess: EchoSession, frame: HttpdWsFrame): number {
  const server = req.handle;
  const fd = req.toSockfd();
  try {
    server.queueWork(() => {
      // the client may have left meanwhile; its fd is never given to another
      if (server.wsGetFdInfo(fd) !== HTTPD_WS_CLIENT_WEBSOCKET) return;
      if (sess.inMessage) sess.later.push(frame);
      else return server.wsSendFrameAsync(fd, frame);
    });
  } catch (error) {
    log.error(`httpd_queue_work failed: ${(error as Error).message}`);
    return ESP_FAIL;
  }
  return ESP_OK;
}

/** Echoes each frame in fragments of at most 64 bytes, and never holds more of it than that. */
async function echoPartialHandler(req: HttpdReq): Promise<number> {
  if (req.method === HTTP_GET) return ESP_OK;

  const pkt = wsFrame();
  await req.wsRecvFramePart(pkt, 0);
  log.info(`Frame len is ${pkt.len}`);
  const { type } = pkt;
  const chunk = new Uint8Array(CHUNK_SIZE);
  const part = wsFrame({ type, fragmented: true });
  do {
    const size = Math.min(CHUNK_SIZE, pkt.leftLen);
    if (size > 0) {
      log.info(`Reading chunk: left_len=${pkt.leftLen}, chunk_size=${size}`);
      pkt.payload = chunk;
      await req.wsRecvFramePart(pkt, size);
    }
    part.payload = chunk.subarray(0, size);
    part.final = pkt.final && pkt.leftLen === 0;
    await req.wsSendFrame(part);
    if (size > 0) log.info(`Sent fragmented chunk: len=${size}, final=${Number(part.final)}`);
    part.type = HTTPD_WS_TYPE_CONTINUE;
  } while (pkt.leftLen > 0);
  log.info(`Packet type: ${type}`);
  return ESP_OK;
}

/** Admits who brings `?token=valid`; anybody else gets a 403 in place of the handshake. */
function wsPreHandshakeCb(req: HttpdReq): number {
  log.info('=== ws_pre_handshake_cb called ===');
  // a real token is a secret: it would not go to the log, nor be compared with ===
  log.info(`Requested URI: ${printable(Buffer.from(req.uri, 'latin1'))}`);
  if (queryKeyValue(req.getUrlQueryStr() ?? '', 'token') === 'valid') {
    log.info('Valid token found, accepting handshake');
    return ESP_OK;
  }
  log.info('No valid token found, rejecting handshake');
  return ESP_FAIL;
}

async function wsPostHandshakeCb(req: HttpdReq): Promise<number> {
  log.info('=== ws_post_handshake_cb called ===');
  log.info(`WebSocket connection established for URI: ${printable(Buffer.from(req.uri, 'latin1'))}`);
  await req.wsSendFrame(wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: GREETING }));
  return ESP_OK;
}

const page = pageHandler(new URL('./index.html', import.meta.url));

/** Registers the example's handlers: `/ws`, `/ws_partial`, `/auth`, `/chat`, and the page at `/`. */
export function registerEchoHandlers(server: HttpdServer): void {
  const ws = { method: HTTP_GET, isWebsocket: true };
  server.registerUriHandler({ ...ws, uri: '/ws', handler: echoHandler });
  server.registerUriHandler({ ...ws, uri: '/ws_partial', handler: echoPartialHandler });
  server.registerUriHandler({ ...ws, uri: '/auth', handler: echoHandler, wsPreHandshakeCb, wsPostHandshakeCb });
  server.registerUriHandler({ ...ws, uri: '/chat', handler: echoHandler, supportedSubprotocol: 'chat' });
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: page });
  server.registerUriHandler({ uri: '/', method: HTTP_HEAD, handler: page });
}

function sessionOf(req: HttpdReq): EchoSession {
  req.sessCtx ??= { inMessage: false, later: [] } satisfies EchoSession;
  return req.sessCtx as EchoSession;
}

function startsWith(bytes: Buffer, text: string): boolean {
  return bytes.subarray(0, text.length).equals(Buffer.from(text));
}

/** A peer's bytes for the log: one line, nothing that a terminal would obey, not more than is worth reading. */
function printable(bytes: Buffer): string {
  const shown = new TextDecoder().decode(bytes.subarray(0, LOG_MAX), { stream: bytes.length > LOG_MAX });
  const safe = shown.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, char => `\\u{${char.codePointAt(0)?.toString(16)}}`);
  return bytes.length > LOG_MAX ? `${safe}… (${bytes.length} bytes)` : safe;
}
