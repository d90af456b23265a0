/** What the package exports, and nothing else. */
import './node_version.cjs';

export { type HttpdConfig, type HttpdListenerConfig, httpdDefaultConfig, httpdEsp32Config } from './config.js';
export {
  ESP_ERR_HTTPD_ALLOC_MEM,
  ESP_ERR_HTTPD_BASE,
  ESP_ERR_HTTPD_HANDLER_EXISTS,
  ESP_ERR_HTTPD_HANDLERS_FULL,
  ESP_ERR_HTTPD_INVALID_REQ,
  ESP_ERR_HTTPD_RESP_HDR,
  ESP_ERR_HTTPD_RESP_SEND,
  ESP_ERR_HTTPD_RESULT_TRUNC,
  ESP_ERR_HTTPD_TASK,
  ESP_ERR_INVALID_ARG,
  ESP_ERR_INVALID_RESPONSE,
  ESP_ERR_INVALID_SIZE,
  ESP_ERR_INVALID_STATE,
  ESP_ERR_NO_MEM,
  ESP_ERR_NOT_FOUND,
  ESP_ERR_NOT_SUPPORTED,
  ESP_ERR_TIMEOUT,
  ESP_FAIL,
  ESP_OK,
  EspError,
  espErrToName,
} from './err.js';
export type { SendFileOptions } from './files/send_options.js';
export type { ErrHandler, HttpdPendingFn, HttpdRecvFn, HttpdSendFn, TransferCompleteCb } from './httpd/callbacks.js';
export type { CookieOptions } from './httpd/cookie.js';
export type { EventStream, EventStreamOptions, ServerSentEvent } from './httpd/event_stream.js';
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
export {
  HTTP_ACL,
  HTTP_ANY,
  HTTP_BIND,
  HTTP_CHECKOUT,
  HTTP_CONNECT,
  HTTP_COPY,
  HTTP_DELETE,
  HTTP_GET,
  HTTP_HEAD,
  HTTP_LINK,
  HTTP_LOCK,
  HTTP_MERGE,
  HTTP_MKACTIVITY,
  HTTP_MKCALENDAR,
  HTTP_MKCOL,
  HTTP_MOVE,
  HTTP_MSEARCH,
  HTTP_NOTIFY,
  HTTP_OPTIONS,
  HTTP_PATCH,
  HTTP_POST,
  HTTP_PROPFIND,
  HTTP_PROPPATCH,
  HTTP_PURGE,
  HTTP_PUT,
  HTTP_REBIND,
  HTTP_REPORT,
  HTTP_SEARCH,
  HTTP_SUBSCRIBE,
  HTTP_TRACE,
  HTTP_UNBIND,
  HTTP_UNLINK,
  HTTP_UNLOCK,
  HTTP_UNSUBSCRIBE,
  HTTPD_WS_FRAME,
} from './httpd/methods.js';
export type { HttpdReq } from './httpd/req.js';
export type { HandlerResult } from './httpd/req_owner.js';
export type { Body } from './httpd/resp.js';
export type { HttpdUri, UriHandler } from './httpd/route.js';
export type { HttpdServer } from './httpd/server.js';
export {
  HTTPD_SSL_TRANSPORT_INSECURE,
  HTTPD_SSL_TRANSPORT_SECURE,
  HTTPD_SSL_USER_CB_ERROR,
  HTTPD_SSL_USER_CB_SESS_CLOSE,
  HTTPD_SSL_USER_CB_SESS_CREATE,
  HTTPD_SSL_USER_CB_SESS_ERROR,
  type HttpdSslConfig,
  type HttpdSslUserCbArg,
  httpdSslStart,
} from './httpd/ssl.js';
export { httpdStart } from './httpd/start.js';
export type { HttpdStats, TimeoutKind } from './httpd/stats.js';
export {
  HTTPD_200,
  HTTPD_204,
  HTTPD_207,
  HTTPD_400,
  HTTPD_404,
  HTTPD_408,
  HTTPD_500,
  HTTPD_TYPE_JSON,
  HTTPD_TYPE_OCTET,
  HTTPD_TYPE_TEXT,
} from './httpd/status.js';
export { type UriMatchFn, uriMatchWildcard } from './httpd/uri.js';
export { uriMatchParams } from './httpd/uri_params.js';
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
export type { WsCloseInfo, WsDeflateOptions, WsOptions, WsOriginCheck } from './httpd_ws/options.js';
export { espLog, type TagLog } from './log.js';
export type { HttpdListener, TlsInfo } from './port/port.js';
export { HTTPD_SOCK_ERR_FAIL, HTTPD_SOCK_ERR_INVALID, HTTPD_SOCK_ERR_TIMEOUT } from './sess/overrides.js';
export type { FreeCtxFn } from './sess/protocol.js';
export type { Credentials, PemSource } from './tls/credentials.js';
export {
  type CertSelectFn,
  ESP_TLS_VER_ANY,
  ESP_TLS_VER_TLS_1_2,
  ESP_TLS_VER_TLS_1_3,
  type HttpdTlsConfig,
} from './tls/tls_config.js';
export { type BasicAuthOptions, basicAuth, basicAuthUser } from './web/basic_auth.js';
export { type CorsOptions, cors } from './web/cors.js';
export { formParts, readForm } from './web/form.js';
export type { FormOptions } from './web/form_options.js';
export type { FormPart } from './web/form_reader.js';
export { metricsUriHandler } from './web/metrics.js';
export { type RedirectToHttpsOptions, redirectToHttps } from './web/redirect_to_https.js';
export { type StaticOptions, staticUriHandler } from './web/static_files.js';
