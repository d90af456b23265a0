/**
 * What ESP-IDF's `esp_https_server` logs, so that the log of an example reads like that of a board.
 */
import { isIP } from 'node:net';
import {
  espLog,
  HTTPD_SSL_USER_CB_SESS_CLOSE,
  HTTPD_SSL_USER_CB_SESS_CREATE,
  type HttpdServer,
  type HttpdSslUserCbArg,
  type TagLog,
} from '../src/index.js';
import { logText } from './log_text.js';

/** The log of a tag. */
export type LogOf = (tag: string) => TagLog;

const HTTPS_TAG = 'esp_https_server';

/** A server is about to start. */
export function logStarting(tag: string, logOf: LogOf = espLog): void {
  logOf(tag).info('Starting server');
  logOf(HTTPS_TAG).info('Starting server');
}

/** It listens: ESP-IDF's test scripts look for the port, and the address behind it. Its end will be told too. */
export function logListening(server: HttpdServer, host = '127.0.0.1', logOf: LogOf = espLog): void {
  const log = logOf(HTTPS_TAG);
  log.info(`Server listening on port ${server.port}`);
  const family = isIP(host);
  log.info(`${family === 0 ? 'Host' : `IPv${family} address`}: ${host}`);
  server.once('stop', () => log.info('Server shuts down, releasing SSL context'));
}

/** For `userCb`: what becomes of each handshake. It is told when that has ended. */
export function logHandshake(arg: HttpdSslUserCbArg, log = espLog(HTTPS_TAG)): void {
  if (arg.state === HTTPD_SSL_USER_CB_SESS_CLOSE) return log.debug('Secure socket closed');
  log.info('performing session handshake');
  if (arg.state === HTTPD_SSL_USER_CB_SESS_CREATE) {
    log.debug(`Secure socket open: ${arg.tls.protocol}, ${arg.tls.cipher}`);
  } else {
    log.error(`esp_tls_create_server_session failed, ${logText(reasonOf(arg.error))}`);
  }
}

/** OpenSSL's words, where they are; its message has file names and addresses around them. */
function reasonOf(error: Error & { reason?: unknown }): string {
  return typeof error.reason === 'string' ? error.reason : error.message;
}
