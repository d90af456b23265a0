/**
 * What the server is told of its sessions: `https_server_user_callback` of ESP-IDF's example.
 */
import {
  HTTPD_SSL_USER_CB_ERROR,
  HTTPD_SSL_USER_CB_SESS_CREATE,
  type HttpdSslUserCbArg,
  type TagLog,
} from '../../src/index.js';
import { logHandshake } from '../tls_log.js';
import { certificateInfo } from './peer_certificate.js';

/** For `userCb`: logs what was agreed on, and who the client is. */
export function userCallback(arg: HttpdSslUserCbArg, log: TagLog): void {
  logHandshake(arg);
  if (arg.state === HTTPD_SSL_USER_CB_ERROR) return;
  log.info('User callback invoked!');
  log.info(`Socket FD: ${arg.fd}`);
  if (arg.state !== HTTPD_SSL_USER_CB_SESS_CREATE) return log.info('At session close');
  const { cipher, peerCertificate, authorized, authorizationError } = arg.tls;
  log.info(`Current Ciphersuite: ${cipher}`);
  if (peerCertificate === undefined) return log.info('The peer has shown no certificate');
  log.info('Peer certificate info:');
  for (const line of certificateInfo(peerCertificate)) log.info(`    ${line}`);
  if (authorized) log.info('It is trusted');
  else log.warn(`It is not trusted: ${authorizationError}`);
}
