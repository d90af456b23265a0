/**
 * The HTTP server of the libwebsockets port for W80x: it logs each request as it comes, and tells the client so in JSON.
 */
import {
  ESP_OK,
  espLog,
  HTTP_GET,
  HTTP_POST,
  HTTPD_TYPE_JSON,
  type HttpdConfig,
  type HttpdReq,
  type HttpdServer,
  type TagLog,
  uriMatchWildcard,
} from '../../src/index.js';
import { logText } from '../log_text.js';

export const TAG = 'http_server_post';
export const RESPONSE_JSON = '{"status": "success", "message": "Received your request."}';
/** The longest body: who sends a longer one gets a 413. */
export const BODY_MAX = 64 * 1024;
/** The most that one line of the log is about: what libwebsockets hands over at a time (`pt_serv_buf_size`). */
export const PIECE_MAX = 4096;

/** What the handler needs of the server's configuration: it serves all paths, and takes a body of any form up to its limit. */
export const POST_CONFIG = {
  uriMatchFn: uriMatchWildcard,
  maxReqBodyLen: BODY_MAX,
} as const satisfies Partial<HttpdConfig>;

/** Registers the handler: GET and POST, any path. */
export function registerPostHandlers(server: HttpdServer, { log = espLog(TAG) }: { log?: TagLog } = {}): void {
  async function handler(req: HttpdReq): Promise<number> {
    const [path = ''] = req.uri.split('?');
    log.info('LWS_CALLBACK_HTTP');
    log.info(`path:${logText(path)}`);

    const buf = new Uint8Array(PIECE_MAX);
    // a character may be cut in two by the pieces
    const decoder = new TextDecoder();
    for (;;) {
      const n = await req.recv(buf);
      if (n === 0) break;
      log.info('LWS_CALLBACK_HTTP_BODY');
      log.info(`recv body=${logText(decoder.decode(buf.subarray(0, n), { stream: true }))}`);
    }

    log.info('LWS_CALLBACK_HTTP_BODY_COMPLETION');
    req.respSetType(HTTPD_TYPE_JSON);
    req.respSetHdr('Connection', 'close');
    await req.respSend(RESPONSE_JSON);
    log.info(`response=${RESPONSE_JSON}`);
    return ESP_OK;
  }

  for (const method of [HTTP_GET, HTTP_POST]) server.registerUriHandler({ uri: '/*', method, handler });
}
