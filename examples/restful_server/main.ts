/**
 * Starts the server: `npm run restful`, `npm run restful -- 8081`, or `PORT=8081 npm run restful`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { register } from './app.js';
import { TAG } from './rest_server.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run restful',
  log,
  start: async config => {
    const server = await httpdStart(config);
    register(server);
    log.info(`Open http://localhost:${server.port}/; Ctrl-C stops the server`);
    return server;
  },
});
