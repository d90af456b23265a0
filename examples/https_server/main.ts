/**
 * Starts the HTTPS server: `npm run https`, `npm run https -- 8444`, or `PORT=8444 npm run https`.
 */
import { espLog } from '../../src/index.js';
import { runTlsProgram } from '../tls_program.js';
import { registerHandlers, TAG } from './app.js';
import { userCallback } from './user_callback.js';

await runTlsProgram({
  command: 'npm run https',
  tag: TAG,
  // asks for a certificate, and serves who has none too
  ssl: ({ ca }) => ({ cacertPem: ca, clientCert: 'optional', userCb: userCallback(espLog(TAG)) }),
  register: registerHandlers,
  hint: ({ ca }, { port }) => `Try it: curl --cacert ${ca} https://localhost:${port}/`,
});
