/**
 * Starts the HTTPS server: `npm run https`, `npm run https -- 8444`, or `PORT=8444 npm run https`.
 */
import { espLog } from '../../src/index.js';
import { runTlsProgram } from '../tls_program.js';
import { register } from './app.js';
import { userCallback } from './user_callback.js';

const log = espLog('https_server');

await runTlsProgram({
  command: 'npm run https',
  log,
  // asks for a certificate, and serves who has none too
  ssl: ({ ca }) => ({ cacertPem: ca, clientCert: 'optional', userCb: arg => userCallback(arg, log) }),
  register,
  hint: ({ ca }, { port }) => `Try it: curl --cacert ${ca} https://localhost:${port}/`,
});
