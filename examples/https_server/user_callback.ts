/**
 * What the server is told of its sessions: `https_server_user_callback` of ESP-IDF's example.
 */
import type { X509Certificate } from 'node:crypto';
import {
  HTTPD_SSL_USER_CB_SESS_CLOSE,
  HTTPD_SSL_USER_CB_SESS_CREATE,
  type HttpdSslUserCbArg,
  type TagLog,
  type TlsInfo,
} from '../../src/index.js';
import { logHandshake } from '../tls_log.js';
import { certificateInfo } from './peer_certificate.js';

/** For `userCb`: logs what was agreed on as a session begins, and who the client was as it ends. */
export function userCallback(log: TagLog): (arg: HttpdSslUserCbArg) => void {
  /** What is known of each client that is there. */
  const clients = new Map<number, TlsInfo>();
  return arg => {
    logHandshake(arg);
    log.info('User callback invoked!');
    if (arg.state === HTTPD_SSL_USER_CB_SESS_CREATE) {
      log.debug('At session creation');
      log.info(`Socket FD: ${arg.fd}`);
      log.info(`Current Ciphersuite: ${arg.tls.cipher}`);
      clients.set(arg.fd, arg.tls);
    } else if (arg.state === HTTPD_SSL_USER_CB_SESS_CLOSE) {
      log.debug('At session close');
      const tls = clients.get(arg.fd);
      clients.delete(arg.fd);
      logPeer(log, tls);
    } else {
      log.debug('At session error (handshake failed)');
      if (arg.remoteAddress !== '') log.warn(`SSL handshake failed from client IP: ${arg.remoteAddress}`);
    }
  };
}

function logPeer(log: TagLog, tls: TlsInfo | undefined): void {
  const cert: X509Certificate | undefined = tls?.peerCertificate;
  if (tls === undefined || cert === undefined) return log.warn('Could not obtain the peer certificate!');
  log.info('Peer certificate info:');
  for (const line of certificateInfo(cert)) log.info(`    ${line}`);
  if (tls.authorized) log.info('It is trusted');
  else log.warn(`It is not trusted: ${tls.authorizationError}`);
}
