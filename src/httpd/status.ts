/** Status lines and content types that have a name in `esp_http_server.h`, for `respSetStatus` and `respSetType`. */

export const HTTPD_200 = '200 OK';
export const HTTPD_204 = '204 No Content';
export const HTTPD_207 = '207 Multi-Status';
export const HTTPD_400 = '400 Bad Request';
export const HTTPD_404 = '404 Not Found';
export const HTTPD_408 = '408 Request Timeout';
export const HTTPD_500 = '500 Internal Server Error';

export const HTTPD_TYPE_JSON = 'application/json';
/** As ESP-IDF has it: text is HTML. */
export const HTTPD_TYPE_TEXT = 'text/html';
export const HTTPD_TYPE_OCTET = 'application/octet-stream';
