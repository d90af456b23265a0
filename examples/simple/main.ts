/**
 * Starts the server: `npm run simple`, `npm run simple -- 8081`, or `PORT=8081 npm run simple`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { config, register, TAG } from './app.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run simple',
  log,
  start: async given => {
    const server = await httpdStart({ ...config, ...given });
    register(server);
    log.info(`Say hello: curl http://localhost:${server.port}/hello; Ctrl-C stops the server`);
    return server;
  },
});
