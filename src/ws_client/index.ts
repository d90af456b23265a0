/**
 * What `esp-httpd/client` exports, and nothing else.
 */
import '../node_version.cjs';

export {
  ESP_ERR_INVALID_ARG,
  ESP_ERR_INVALID_RESPONSE,
  ESP_ERR_INVALID_STATE,
  ESP_ERR_NO_MEM,
  ESP_ERR_NOT_SUPPORTED,
  ESP_ERR_TIMEOUT,
  ESP_FAIL,
  ESP_OK,
  EspError,
  espErrToName,
} from '../err.js';
export type { WsDeflateOptions } from '../httpd_ws/options.js';
export { EspWebsocketClient, espWebsocketClientInit, type WsPayload } from './client.js';
export {
  type EspWebsocketClientConfig,
  type Pem,
  WEBSOCKET_TRANSPORT_OVER_SSL,
  WEBSOCKET_TRANSPORT_OVER_TCP,
} from './config.js';
export {
  EspWebsocketError,
  type EspWebsocketErrorCodes,
  WEBSOCKET_ERROR_TYPE_HANDSHAKE,
  WEBSOCKET_ERROR_TYPE_NONE,
  WEBSOCKET_ERROR_TYPE_PONG_TIMEOUT,
  WEBSOCKET_ERROR_TYPE_PROTOCOL,
  WEBSOCKET_ERROR_TYPE_PROXY,
  WEBSOCKET_ERROR_TYPE_SERVER_CLOSE,
  WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT,
  type WsResponse,
} from './errors.js';
export {
  type EspEventHandler,
  type EspWebsocketEvents,
  WEBSOCKET_EVENT_ANY,
  WEBSOCKET_EVENT_BEFORE_CONNECT,
  WEBSOCKET_EVENT_BEGIN,
  WEBSOCKET_EVENT_CLOSED,
  WEBSOCKET_EVENT_CONNECTED,
  WEBSOCKET_EVENT_DATA,
  WEBSOCKET_EVENT_DISCONNECTED,
  WEBSOCKET_EVENT_ERROR,
  WEBSOCKET_EVENT_FINISH,
  WEBSOCKET_EVENT_HEADER_RECEIVED,
  type WsConnectedEvent,
  type WsDataEvent,
  type WsEndEvent,
} from './events.js';
export type { HeaderList } from './header_list.js';
export { WsMessage } from './messages.js';
export {
  WS_TRANSPORT_OPCODES_BINARY,
  WS_TRANSPORT_OPCODES_CLOSE,
  WS_TRANSPORT_OPCODES_CONT,
  WS_TRANSPORT_OPCODES_PING,
  WS_TRANSPORT_OPCODES_PONG,
  WS_TRANSPORT_OPCODES_TEXT,
} from './opcodes.js';
