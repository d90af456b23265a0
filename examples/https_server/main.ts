/**
 * Starts the HTTPS server: `npm run https`, `npm run https -- 8444`, or `PORT=8444 npm run https`.
 */
import { espLog, httpdSslStart } from '../../src/index.js';
import { devCertificates } from '../dev_certificate.js';
import { runProgram } from '../program.js';
import { logListening } from '../tls_log.js';
import { register } from './app.js';
import { userCallback } from './user_callback.js';

const log = espLog('https_server');

await runProgram({
  command: 'npm run https',
  log,
  defaultPort: 8443,
  start: async ({ serverPort, ...httpd }) => {
    const files = await devCertificates();
    if (files.made) log.info(`Made certificates to try it with; who trusts ${files.ca} trusts them`);
    log.info(`Starting server on port: '${serverPort}'`);
    const server = await httpdSslStart({
      portSecure: serverPort,
      servercert: files.cert,
      prvtkeyPem: files.key,
      // asks for a certificate, and serves who has none too
      cacertPem: files.ca,
      clientCert: 'optional',
      userCb: arg => userCallback(arg, log),
      httpd,
    });
    log.info('Registering URI handlers');
    register(server);
    logListening(server, httpd.host);
    log.info(`Try it: curl --cacert ${files.ca} https://localhost:${server.port}/`);
    log.info('Ctrl-C stops the server');
    return server;
  },
});
