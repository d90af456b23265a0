/**
 * The chat room of libwebsockets' minimal WebSocket server, and a page to talk in.
 */
import {
  ESP_OK,
  HTTP_GET,
  HTTP_HEAD,
  HTTPD_WS_TYPE_TEXT,
  type HttpdConfig,
  type HttpdReq,
  type HttpdServer,
  type HttpdWsFrame,
  type WsCloseInfo,
  wsFrame,
} from '../../src/index.js';
import { pageHandler } from '../page.js';
import { type ChatEvent, ChatRoom, type ChatSession, MESSAGE_MAX } from './chat_room.js';

export const URI = '/chat';
/** So many clients at a time; a further one gets a 503. */
export const CLIENTS_MAX = 100;
/** Codes of RFC 6455 section 7.4.1: unsupported data; no Close frame has come. */
const CLOSE_UNSUPPORTED = 1003;
const CLOSE_ABNORMAL = 1006;

/**
 * What the room needs of the server's configuration: the queue of a client that does not read has a bound, and who is
 * behind by that much is closed. With 'drop' it would miss messages, joins and leaves, and never know.
 */
export const CHAT_CONFIG = { maxTxPending: 64 * 1024, txOverflow: 'close' } as const satisfies Partial<HttpdConfig>;

const page = pageHandler(new URL('./index.html', import.meta.url));

/**
 * Registers the room at `/chat` and the page at `/`.
 *
 * @param parts.now the time in ms, for the limit on talkers
 */
export function registerChatHandlers(server: HttpdServer, parts: { now?: () => number } = {}): ChatRoom {
  const { now = () => performance.now() } = parts;
  const room = new ChatRoom(event => server.wsBroadcast(frameOf(event), (_fd, uri) => uri === URI), now);

  /** A WebSocket is open: its context is what the room remembers of it. */
  function wsPostHandshakeCb(req: HttpdReq): number {
    const name = new URLSearchParams(req.getUrlQueryStr()).get('name') || undefined;
    req.freeCtx = session => room.free(session as ChatSession);
    req.sessCtx = room.enter(name, event => void req.wsSendFrame(frameOf(event)));
    return ESP_OK;
  }

  async function chatHandler(req: HttpdReq): Promise<number> {
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, MESSAGE_MAX);
    if (pkt.type !== HTTPD_WS_TYPE_TEXT) {
      server.wsClose(req.toSockfd(), CLOSE_UNSUPPORTED, 'this room takes text');
      return ESP_OK;
    }
    const message = Buffer.from(pkt.payload as Uint8Array).toString();
    room.hear(req.sessCtx as ChatSession, message, event => void req.wsSendFrame(frameOf(event)));
    return ESP_OK;
  }

  /** A WebSocket is over, in whatever way. */
  function wsCloseCb({ fd, code, reason, wasClean }: WsCloseInfo): void {
    // where no Close frame has come the reason is the server's own; else it is what a client says
    const why = code === CLOSE_ABNORMAL ? reason : `Close ${code}`;
    room.leave(server.sessGetCtx(fd) as ChatSession, !wasClean, why);
  }

  server.registerUriHandler({
    uri: URI,
    method: HTTP_GET,
    isWebsocket: true,
    handleWsHandshake: false,
    supportedSubprotocol: 'lws-minimal',
    handler: chatHandler,
    wsPostHandshakeCb,
    wsCloseCb,
    wsMessageMode: true,
    wsMaxFrameLen: MESSAGE_MAX,
    wsMaxMessageLen: MESSAGE_MAX,
    wsMaxSessions: CLIENTS_MAX,
    wsPingInterval: 30,
    wsPongTimeout: 10,
    wsAllowedOrigins: 'same-origin',
    // messages end about where compression would begin to pay
    wsPerMessageDeflate: false,
  });
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: page });
  server.registerUriHandler({ uri: '/', method: HTTP_HEAD, handler: page });
  return room;
}

function frameOf(event: ChatEvent): HttpdWsFrame {
  return wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: JSON.stringify(event) });
}
