/**
 * Starts the server: `npm run post-server`, `npm run post-server -- 8081`, or `PORT=8081 npm run post-server`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { config, register } from './app.js';
import { TAG } from './post_server.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run post-server',
  log,
  start: async given => {
    const server = await httpdStart({ ...config, ...given });
    register(server);
    log.info(`Send something: curl --data 'hello' http://localhost:${server.port}/test; Ctrl-C stops the server`);
    return server;
  },
});
