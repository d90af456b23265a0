/**
 * Starts the WebSocket echo server: `npm start`, `npm start -- 8081`, or `PORT=8081 npm start`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { registerEchoHandlers, TAG } from './echo_server.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm start',
  log,
  start: async config => {
    log.info(`Starting server on port: '${config.serverPort}'`);
    const starting = httpdStart(config);
    // as on the chip, the server comes up while its starter goes on
    log.info('Registering URI handlers');
    const server = await starting;
    registerEchoHandlers(server);
    log.info(`Open http://localhost:${server.port}/ to try it; Ctrl-C stops the server`);
    return server;
  },
});
