/**
 * What ESP-IDF's `esp_https_server` logs, so that the log of an example reads like that of a board.
 */
import { isIP } from 'node:net';
import {
  espLog,
  HTTPD_SSL_USER_CB_ERROR,
  HTTPD_SSL_USER_CB_SESS_CREATE,
  type HttpdServer,
  type HttpdSslUserCbArg,
} from '../src/index.js';
import { logText } from './log_text.js';

const log = espLog('esp_https_server');

/** Where the server can be reached: ESP-IDF's test scripts look for the port, and the address behind it. */
export function logListening({ port }: HttpdServer, host = '127.0.0.1'): void {
  log.info(`Server listening on port ${port}`);
  const family = isIP(host);
  log.info(`${family === 0 ? 'Host' : `IPv${family} address`}: ${host}`);
}

/** For `userCb`: how each handshake has ended. */
export function logHandshake(arg: HttpdSslUserCbArg): void {
  if (arg.state === HTTPD_SSL_USER_CB_SESS_CREATE) {
    log.info(`performing session handshake: ${arg.tls.protocol}, ${arg.tls.cipher}`);
  } else if (arg.state === HTTPD_SSL_USER_CB_ERROR) {
    log.warn(`performing session handshake: failed: ${logText(reasonOf(arg.error))}`);
  }
}

/** OpenSSL's words, where they are; its message has file names and addresses around them. */
function reasonOf(error: Error & { reason?: unknown }): string {
  return typeof error.reason === 'string' ? error.reason : error.message;
}
