/**
 * ESP-IDF's https_server example: a page, and what the server knows of who asks for it.
 */
import { ESP_OK, espLog, HTTP_GET, type HttpdReq, type HttpdServer } from '../../src/index.js';
import { type LogOf, logListening, logStarting } from '../tls_log.js';
import { certificateInfo } from './peer_certificate.js';

export const TAG = 'example';

/** The example on a server that somebody else has started, such as a device: logs what a board does, and registers all. */
export function register(server: HttpdServer, logOf: LogOf = espLog): void {
  logStarting(TAG, logOf);
  logListening(server, undefined, logOf);
  logOf(TAG).info('Registering URI handlers');
  registerHandlers(server);
}

/** Registers the page at `/`, and `/client`, which tells a client what it has shown. */
export function registerHandlers(server: HttpdServer): void {
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: rootGetHandler });
  server.registerUriHandler({ uri: '/client', method: HTTP_GET, handler: clientGetHandler });
}

async function rootGetHandler(req: HttpdReq): Promise<number> {
  req.respSetType('text/html');
  await req.respSend('<h1>Hello Secure World!</h1>');
  return ESP_OK;
}

async function clientGetHandler(req: HttpdReq): Promise<number> {
  // the names in a certificate are the client's text; HTTPD_TYPE_TEXT would be HTML, as in ESP-IDF
  req.respSetType('text/plain; charset=utf-8');
  req.respSetHdr('X-Content-Type-Options', 'nosniff');
  await req.respSend(`${describe(req).join('\n')}\n`);
  return ESP_OK;
}

function describe({ tls }: HttpdReq): string[] {
  if (tls === undefined) return ['The connection is not encrypted.'];
  const { protocol, cipher, peerCertificate, authorized, authorizationError } = tls;
  const agreed = `${protocol}, ${cipher}`;
  if (peerCertificate === undefined) return [agreed, 'You have shown no certificate.'];
  const verdict = authorized
    ? 'Your certificate is trusted.'
    : `Your certificate is not trusted: ${authorizationError}`;
  return [agreed, ...certificateInfo(peerCertificate), verdict];
}
