/**
 * Starts the WebSocket server over TLS: `npm run wss`, `npm run wss -- 8444`, or `PORT=8444 npm run wss`.
 */
import { logHandshake } from '../tls_log.js';
import { runTlsProgram } from '../tls_program.js';
import { registerHandlers, TAG, URI } from './app.js';

await runTlsProgram({
  command: 'npm run wss',
  tag: TAG,
  ssl: () => ({ userCb: arg => logHandshake(arg) }),
  register: registerHandlers,
  hint: ({ ca }, { port }) => `Connect: npm run ws-client -- wss://localhost:${port}${URI} --ca ${ca}`,
});
