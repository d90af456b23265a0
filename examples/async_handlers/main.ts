/**
 * Starts the server: `npm run async`, `npm run async -- 8081`, or `PORT=8081 npm run async`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { config, register, TAG } from './app.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run async',
  log,
  start: async given => {
    const server = await httpdStart({ ...config, ...given });
    register(server);
    log.info(
      `Open http://localhost:${server.port}/ or curl --no-buffer http://localhost:${server.port}/long; Ctrl-C stops the server`,
    );
    return server;
  },
});
