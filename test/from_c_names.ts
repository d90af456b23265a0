/**
 * The names that ESP-IDF's headers and Kconfig files declare, of 5.x and 6.x together, and the values that they state: facts
 * that `docs/from-c.md` is held against. Names of a kind stand in one text, separated by blanks and line ends.
 */

/** What one header declares. Of a constant without a value the header states none, or it differs between versions. */
export interface CNames {
  readonly functions?: string;
  /** By the struct's name. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly constants?: Readonly<Record<string, number | string | undefined>>;
  /** Types of functions. */
  readonly callbacks?: string;
  readonly types?: string;
  readonly kconfig?: string;
}

/** Numbers from `first`, as an enum has them. */
function numbered(names: string, first = 0): Record<string, number> {
  return Object.fromEntries(names.split(/\s+/).map((name, i) => [name, first + i]));
}

/** `http_parser.h`, in the order of `enum http_method`. */
const METHODS = `HTTP_DELETE HTTP_GET HTTP_HEAD HTTP_POST HTTP_PUT HTTP_CONNECT HTTP_OPTIONS HTTP_TRACE HTTP_COPY HTTP_LOCK
HTTP_MKCOL HTTP_MOVE HTTP_PROPFIND HTTP_PROPPATCH HTTP_SEARCH HTTP_UNLOCK HTTP_BIND HTTP_REBIND HTTP_UNBIND HTTP_ACL
HTTP_REPORT HTTP_MKACTIVITY HTTP_CHECKOUT HTTP_MERGE HTTP_MSEARCH HTTP_NOTIFY HTTP_SUBSCRIBE HTTP_UNSUBSCRIBE HTTP_PATCH
HTTP_PURGE HTTP_MKCALENDAR HTTP_LINK HTTP_UNLINK`;

const ESP_HTTP_SERVER: CNames = {
  functions: `HTTPD_DEFAULT_CONFIG httpd_start httpd_stop httpd_register_uri_handler httpd_unregister_uri_handler
    httpd_unregister_uri httpd_register_err_handler httpd_uri_match_wildcard httpd_queue_work httpd_get_server_state
    httpd_get_global_user_ctx httpd_get_global_transport_ctx
    httpd_get_client_list httpd_sess_get_ctx httpd_sess_set_ctx httpd_sess_get_transport_ctx httpd_sess_set_transport_ctx
    httpd_sess_trigger_close httpd_sess_update_lru_counter httpd_sess_set_recv_override httpd_sess_set_send_override
    httpd_sess_set_pending_override httpd_socket_send httpd_socket_recv
    httpd_req_to_sockfd httpd_req_recv httpd_req_get_hdr_value_len httpd_req_get_hdr_value_str
    httpd_req_get_hdr_value_str_ptr httpd_req_get_url_query_len httpd_req_get_url_query_str
    httpd_req_get_url_query_str_ptr httpd_query_key_value httpd_req_get_cookie_val httpd_get_raw_req_data
    httpd_get_raw_req_data_len httpd_req_handle_err httpd_req_async_handler_begin httpd_req_async_handler_complete
    httpd_resp_set_status httpd_resp_set_type httpd_resp_set_hdr httpd_resp_send httpd_resp_sendstr httpd_resp_send_chunk
    httpd_resp_sendstr_chunk httpd_resp_send_err httpd_resp_send_custom_err httpd_resp_send_404 httpd_resp_send_408
    httpd_resp_send_500 httpd_send
    httpd_ws_recv_frame httpd_ws_recv_frame_part httpd_ws_send_frame httpd_ws_send_frame_async httpd_ws_send_data
    httpd_ws_send_data_async httpd_ws_get_fd_info httpd_ws_close_session httpd_ws_validate_utf8`,
  fields: {
    httpd_config_t: `task_priority stack_size core_id task_caps max_req_hdr_len max_uri_len server_port ctrl_port
      max_open_sockets max_uri_handlers max_resp_headers backlog_conn lru_purge_enable recv_wait_timeout send_wait_timeout
      global_user_ctx global_user_ctx_free_fn global_transport_ctx global_transport_ctx_free_fn enable_so_linger
      linger_timeout keep_alive_enable keep_alive_idle keep_alive_interval keep_alive_count if_name open_fn close_fn
      uri_match_fn`,
    httpd_req_t: 'handle method uri content_len aux user_ctx sess_ctx free_ctx ignore_sess_ctx_changes',
    httpd_uri_t: `uri method handler user_ctx is_websocket handle_ws_control_frames supported_subprotocol
      ws_pre_handshake_cb ws_post_handshake_cb ws_control_handler`,
    httpd_ws_frame_t: 'final fragmented type payload len left_len',
    esp_http_server_event_data: 'fd data_len',
  },
  constants: {
    ESP_ERR_HTTPD_BASE: 0xb000,
    ...numbered(
      `ESP_ERR_HTTPD_HANDLERS_FULL ESP_ERR_HTTPD_HANDLER_EXISTS ESP_ERR_HTTPD_INVALID_REQ ESP_ERR_HTTPD_RESULT_TRUNC
ESP_ERR_HTTPD_RESP_HDR ESP_ERR_HTTPD_RESP_SEND ESP_ERR_HTTPD_ALLOC_MEM ESP_ERR_HTTPD_TASK`,
      0xb001,
    ),
    ...numbered(`HTTPD_500_INTERNAL_SERVER_ERROR HTTPD_501_METHOD_NOT_IMPLEMENTED HTTPD_505_VERSION_NOT_SUPPORTED
HTTPD_400_BAD_REQUEST HTTPD_401_UNAUTHORIZED HTTPD_403_FORBIDDEN HTTPD_404_NOT_FOUND HTTPD_405_METHOD_NOT_ALLOWED
HTTPD_408_REQ_TIMEOUT HTTPD_411_LENGTH_REQUIRED HTTPD_413_CONTENT_TOO_LARGE HTTPD_414_URI_TOO_LONG
HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE HTTPD_ERR_CODE_MAX`),
    HTTPD_SOCK_ERR_FAIL: -1,
    HTTPD_SOCK_ERR_INVALID: -2,
    HTTPD_SOCK_ERR_TIMEOUT: -3,
    HTTP_ANY: 2 ** 31 - 1,
    HTTPD_RESP_USE_STRLEN: -1,
    HTTPD_200: '200 OK',
    HTTPD_204: '204 No Content',
    HTTPD_207: '207 Multi-Status',
    HTTPD_400: '400 Bad Request',
    HTTPD_404: '404 Not Found',
    HTTPD_408: '408 Request Timeout',
    HTTPD_500: '500 Internal Server Error',
    HTTPD_TYPE_JSON: 'application/json',
    HTTPD_TYPE_TEXT: 'text/html',
    HTTPD_TYPE_OCTET: 'application/octet-stream',
    HTTPD_WS_TYPE_CONTINUE: 0x0,
    HTTPD_WS_TYPE_TEXT: 0x1,
    HTTPD_WS_TYPE_BINARY: 0x2,
    HTTPD_WS_TYPE_CLOSE: 0x8,
    HTTPD_WS_TYPE_PING: 0x9,
    HTTPD_WS_TYPE_PONG: 0xa,
    ...numbered('HTTPD_WS_CLIENT_INVALID HTTPD_WS_CLIENT_HTTP HTTPD_WS_CLIENT_WEBSOCKET'),
    ESP_HTTP_SERVER_EVENT: undefined,
    ...numbered(`HTTP_SERVER_EVENT_ERROR HTTP_SERVER_EVENT_START HTTP_SERVER_EVENT_ON_CONNECTED
HTTP_SERVER_EVENT_ON_HEADER HTTP_SERVER_EVENT_HEADERS_SENT HTTP_SERVER_EVENT_ON_DATA HTTP_SERVER_EVENT_SENT_DATA
HTTP_SERVER_EVENT_DISCONNECTED HTTP_SERVER_EVENT_STOP`),
    HTTPD_MAX_REQ_HDR_LEN: undefined,
    HTTPD_MAX_URI_LEN: undefined,
    ESP_HTTPD_DEF_CTRL_PORT: 32_768,
  },
  callbacks: `httpd_free_ctx_fn_t httpd_open_func_t httpd_close_func_t httpd_uri_match_func_t httpd_err_handler_func_t
    httpd_send_func_t httpd_recv_func_t httpd_pending_func_t httpd_work_fn_t transfer_complete_cb`,
  types: `httpd_handle_t httpd_method_t httpd_config_t httpd_req_t httpd_uri_t httpd_err_code_t httpd_ws_type_t
    httpd_ws_client_info_t httpd_ws_frame_t esp_http_server_event_id_t esp_http_server_event_data`,
  kconfig: `CONFIG_HTTPD_MAX_REQ_HDR_LEN CONFIG_HTTPD_MAX_URI_LEN CONFIG_HTTPD_ERR_RESP_NO_DELAY
    CONFIG_HTTPD_PURGE_BUF_LEN CONFIG_HTTPD_LOG_PURGE_DATA CONFIG_HTTPD_WS_SUPPORT
    CONFIG_HTTPD_WS_PRE_HANDSHAKE_CB_SUPPORT CONFIG_HTTPD_WS_POST_HANDSHAKE_CB_SUPPORT CONFIG_HTTPD_WS_STRICTER_RFC6455
    CONFIG_HTTPD_QUEUE_WORK_BLOCKING CONFIG_HTTPD_ENABLE_EVENTS CONFIG_HTTPD_SERVER_EVENT_POST_TIMEOUT`,
};

const ESP_HTTPS_SERVER: CNames = {
  functions: 'HTTPD_SSL_CONFIG_DEFAULT httpd_ssl_start httpd_ssl_stop',
  fields: {
    httpd_ssl_config_t: `httpd servercert servercert_len cacert_pem cacert_len prvtkey_pem prvtkey_len
      use_ecdsa_peripheral ecdsa_key_efuse_blk ecdsa_key_efuse_blk_high ecdsa_curve transport_mode port_secure
      port_insecure session_tickets use_secure_element user_cb ssl_userdata cert_select_cb alpn_protos
      tls_handshake_timeout_ms ciphersuites_list tls_version client_cert_authmode_optional server_key`,
    esp_https_server_user_cb_arg_t: 'user_cb_state tls',
  },
  constants: {
    ...numbered('HTTPD_SSL_TRANSPORT_SECURE HTTPD_SSL_TRANSPORT_INSECURE'),
    ...numbered('HTTPD_SSL_USER_CB_SESS_CREATE HTTPD_SSL_USER_CB_SESS_CLOSE HTTPD_SSL_USER_CB_SESS_ERROR'),
    ESP_HTTPS_SERVER_EVENT: undefined,
    ...numbered(`HTTPS_SERVER_EVENT_ERROR HTTPS_SERVER_EVENT_START HTTPS_SERVER_EVENT_ON_CONNECTED
HTTPS_SERVER_EVENT_ON_DATA HTTPS_SERVER_EVENT_SENT_DATA HTTPS_SERVER_EVENT_DISCONNECTED HTTPS_SERVER_EVENT_STOP`),
  },
  callbacks: 'esp_https_server_user_cb esp_https_server_cert_select_cb',
  types: `httpd_ssl_config_t httpd_ssl_transport_mode_t httpd_ssl_user_cb_state_t esp_https_server_user_cb_arg_t
    esp_https_server_event_id_t esp_https_server_last_error_t`,
  kconfig: `CONFIG_ESP_HTTPS_SERVER_ENABLE CONFIG_ESP_HTTPS_SERVER_EVENTS CONFIG_ESP_HTTPS_SERVER_EVENT_POST_TIMEOUT
    CONFIG_ESP_HTTPS_SERVER_CERT_SELECT_HOOK CONFIG_ESP_TLS_SERVER_MIN_AUTH_MODE_OPTIONAL`,
};

const ESP_WEBSOCKET_CLIENT: CNames = {
  functions: `esp_websocket_client_init esp_websocket_client_set_uri esp_websocket_client_set_headers
    esp_websocket_client_append_header esp_websocket_client_start esp_websocket_client_stop esp_websocket_client_destroy
    esp_websocket_client_destroy_on_exit esp_websocket_client_send_bin esp_websocket_client_send_bin_partial
    esp_websocket_client_send_text esp_websocket_client_send_text_partial esp_websocket_client_send_cont_msg
    esp_websocket_client_send_fin esp_websocket_client_send_with_opcode esp_websocket_client_close
    esp_websocket_client_close_with_code esp_websocket_client_is_connected esp_websocket_client_get_ping_interval_sec
    esp_websocket_client_set_ping_interval_sec esp_websocket_client_get_reconnect_timeout
    esp_websocket_client_set_reconnect_timeout esp_websocket_register_events esp_websocket_unregister_events`,
  fields: {
    esp_websocket_client_config_t: `uri host port username password path disable_auto_reconnect enable_close_reconnect
      user_context task_prio task_name task_stack buffer_size cert_pem cert_len client_cert client_cert_len client_key
      client_key_len client_ds_data transport subprotocol user_agent headers pingpong_timeout_sec disable_pingpong_discon
      use_global_ca_store crt_bundle_attach cert_common_name skip_cert_common_name_check keep_alive_enable keep_alive_idle
      keep_alive_interval keep_alive_count reconnect_timeout_ms network_timeout_ms ping_interval_sec if_name ext_transport
      memory_type core`,
    esp_websocket_event_data_t: `data_ptr data_len fin op_code client user_context payload_len payload_offset error_handle
      close_status_code`,
    esp_websocket_error_codes_t: `esp_tls_last_esp_err esp_tls_stack_err esp_tls_cert_verify_flags error_type
      esp_ws_handshake_status_code esp_transport_sock_errno`,
  },
  constants: {
    WEBSOCKET_EVENTS: undefined,
    WEBSOCKET_EVENT_ANY: -1,
    ...numbered(`WEBSOCKET_EVENT_ERROR WEBSOCKET_EVENT_HEADER_RECEIVED WEBSOCKET_EVENT_CONNECTED
WEBSOCKET_EVENT_DISCONNECTED WEBSOCKET_EVENT_DATA WEBSOCKET_EVENT_CLOSED WEBSOCKET_EVENT_BEFORE_CONNECT
WEBSOCKET_EVENT_BEGIN WEBSOCKET_EVENT_FINISH WEBSOCKET_EVENT_MAX`),
    ...numbered(`WEBSOCKET_ERROR_TYPE_NONE WEBSOCKET_ERROR_TYPE_TCP_TRANSPORT WEBSOCKET_ERROR_TYPE_PONG_TIMEOUT
WEBSOCKET_ERROR_TYPE_HANDSHAKE WEBSOCKET_ERROR_TYPE_SERVER_CLOSE`),
    ...numbered('WEBSOCKET_TRANSPORT_UNKNOWN WEBSOCKET_TRANSPORT_OVER_TCP WEBSOCKET_TRANSPORT_OVER_SSL'),
    WS_TRANSPORT_HEADER_CALLBACK_SUPPORT: undefined,
  },
  types: `esp_websocket_client_handle_t esp_websocket_client_config_t esp_websocket_event_id_t
    esp_websocket_event_data_t esp_websocket_error_type_t esp_websocket_error_codes_t esp_websocket_transport_t`,
  kconfig: `CONFIG_ESP_WS_CLIENT_ENABLE_DYNAMIC_BUFFER CONFIG_ESP_WS_CLIENT_SEPARATE_TX_LOCK
    CONFIG_ESP_WS_CLIENT_TX_LOCK_TIMEOUT_MS CONFIG_ESP_WS_CLIENT_ENABLE_COMPRESSION`,
};

/** Of `esp_err.h`, `esp_log.h`, `esp_event.h`, `http_parser.h`, `esp_tls.h`, `esp_transport_ws.h` and POSIX: what goes with the three. */
const OTHER_HEADERS: CNames = {
  functions: `esp_err_to_name ESP_ERROR_CHECK ESP_LOGE ESP_LOGW ESP_LOGI ESP_LOGD ESP_LOGV esp_event_handler_register
    esp_event_handler_unregister getpeername memset`,
  constants: {
    ESP_OK: 0,
    ESP_FAIL: -1,
    ...numbered(
      `ESP_ERR_NO_MEM ESP_ERR_INVALID_ARG ESP_ERR_INVALID_STATE ESP_ERR_INVALID_SIZE ESP_ERR_NOT_FOUND
ESP_ERR_NOT_SUPPORTED ESP_ERR_TIMEOUT ESP_ERR_INVALID_RESPONSE`,
      0x101,
    ),
    ...numbered(METHODS),
    HTTP_QUERY: undefined,
    ...numbered('ESP_TLS_VER_ANY ESP_TLS_VER_TLS_1_2 ESP_TLS_VER_TLS_1_3'),
    WS_TRANSPORT_OPCODES_CONT: 0x0,
    WS_TRANSPORT_OPCODES_TEXT: 0x1,
    WS_TRANSPORT_OPCODES_BINARY: 0x2,
    WS_TRANSPORT_OPCODES_CLOSE: 0x8,
    WS_TRANSPORT_OPCODES_PING: 0x9,
    WS_TRANSPORT_OPCODES_PONG: 0xa,
    WS_TRANSPORT_OPCODES_FIN: 0x80,
    WS_TRANSPORT_OPCODES_NONE: 0x100,
  },
  callbacks: 'esp_event_handler_t',
  types: 'esp_err_t ws_transport_opcodes_t',
};

/** By the heading of the page. */
export const C_NAMES: Readonly<Record<string, CNames>> = {
  'esp_http_server.h': ESP_HTTP_SERVER,
  'esp_https_server.h': ESP_HTTPS_SERVER,
  'esp_websocket_client.h': ESP_WEBSOCKET_CLIENT,
  'Other headers': OTHER_HEADERS,
};
