/**
 * Starts the server: `npm run advanced`, `npm run advanced -- 1234`, or `PORT=1234 npm run advanced`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { config, register, TAG } from './app.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run advanced',
  log,
  start: async given => {
    const server = await httpdStart({ ...config, ...given });
    register(server);
    log.info(`Try it: curl http://localhost:${server.port}/hello; Ctrl-C stops the server`);
    return server;
  },
});
