/**
 * Starts the WebSocket server over TLS: `npm run wss`, `npm run wss -- 8444`, or `PORT=8444 npm run wss`.
 */
import { espLog } from '../../src/index.js';
import { logHandshake } from '../tls_log.js';
import { runTlsProgram } from '../tls_program.js';
import { register, TAG, URI } from './app.js';

await runTlsProgram({
  command: 'npm run wss',
  log: espLog(TAG),
  ssl: () => ({ userCb: logHandshake }),
  register,
  hint: ({ ca }, { port }) => `Connect: npm run ws-client -- wss://localhost:${port}${URI} --ca ${ca}`,
});
