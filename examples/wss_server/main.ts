/**
 * Starts the WebSocket server over TLS: `npm run wss`, `npm run wss -- 8444`, or `PORT=8444 npm run wss`.
 */
import { espLog, httpdSslStart } from '../../src/index.js';
import { devCertificates } from '../dev_certificate.js';
import { runProgram } from '../program.js';
import { logHandshake, logListening } from '../tls_log.js';
import { register, TAG, URI } from './app.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run wss',
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
      userCb: logHandshake,
      httpd,
    });
    log.info('Registering URI handlers');
    register(server);
    logListening(server, httpd.host);
    log.info(`Connect: npm run ws-client -- wss://localhost:${server.port}${URI} --ca ${files.ca}`);
    log.info('Ctrl-C stops the server');
    return server;
  },
});
