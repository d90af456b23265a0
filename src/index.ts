/** What the package exports, and nothing else. */
export { type HttpdConfig, httpdDefaultConfig, httpdEsp32Config } from './config.js';
export * from './err.js';
export type { ErrHandler } from './httpd/core.js';
export {
  HTTP_SERVER_EVENT_DISCONNECTED,
  HTTP_SERVER_EVENT_ERROR,
  HTTP_SERVER_EVENT_HEADERS_SENT,
  HTTP_SERVER_EVENT_ON_CONNECTED,
  HTTP_SERVER_EVENT_ON_DATA,
  HTTP_SERVER_EVENT_ON_HEADER,
  HTTP_SERVER_EVENT_SENT_DATA,
  HTTP_SERVER_EVENT_START,
  HTTP_SERVER_EVENT_STOP,
  type HttpdEventData,
  type HttpdEvents,
} from './httpd/events.js';
export { queryKeyValue } from './httpd/headers.js';
export {
  HTTPD_400_BAD_REQUEST,
  HTTPD_401_UNAUTHORIZED,
  HTTPD_403_FORBIDDEN,
  HTTPD_404_NOT_FOUND,
  HTTPD_405_METHOD_NOT_ALLOWED,
  HTTPD_408_REQ_TIMEOUT,
  HTTPD_411_LENGTH_REQUIRED,
  HTTPD_413_CONTENT_TOO_LARGE,
  HTTPD_414_URI_TOO_LONG,
  HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
  HTTPD_500_INTERNAL_SERVER_ERROR,
  HTTPD_501_METHOD_NOT_IMPLEMENTED,
  HTTPD_505_VERSION_NOT_SUPPORTED,
  HTTPD_ERR_CODE_MAX,
  type HttpdErrCode,
} from './httpd/http_err.js';
export * from './httpd/methods.js';
export type { HandlerResult, HttpdReq } from './httpd/req.js';
export type { Body } from './httpd/resp.js';
export type { HttpdUri, UriHandler } from './httpd/route.js';
export {
  type HttpdPendingFn,
  type HttpdRecvFn,
  type HttpdSendFn,
  type HttpdServer,
  httpdStart,
  type TransferCompleteCb,
} from './httpd/server.js';
export { type UriMatchFn, uriMatchWildcard } from './httpd/uri.js';
export type { WorkFn } from './httpd/work_queue.js';
export {
  HTTPD_WS_CLIENT_HTTP,
  HTTPD_WS_CLIENT_INVALID,
  HTTPD_WS_CLIENT_WEBSOCKET,
  HTTPD_WS_TYPE_BINARY,
  HTTPD_WS_TYPE_CLOSE,
  HTTPD_WS_TYPE_CONTINUE,
  HTTPD_WS_TYPE_PING,
  HTTPD_WS_TYPE_PONG,
  HTTPD_WS_TYPE_TEXT,
  type HttpdWsFrame,
  wsFrame,
} from './httpd_ws/frame_type.js';
export { espLog, type TagLog } from './log.js';
export { HTTPD_SOCK_ERR_FAIL, HTTPD_SOCK_ERR_INVALID, HTTPD_SOCK_ERR_TIMEOUT } from './sess/overrides.js';
export type { FreeCtxFn } from './sess/sess.js';
