/**
 * Starts the server: `npm run persistent`, `npm run persistent -- 8081`, or `PORT=8081 npm run persistent`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { register, TAG } from './app.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run persistent',
  log,
  start: async config => {
    const server = await httpdStart(config);
    register(server);
    log.info(`Add numbers: curl --data 5 http://localhost:${server.port}/adder; Ctrl-C stops the server`);
    return server;
  },
});
