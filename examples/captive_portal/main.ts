/**
 * Starts the portal: `npm run captive`, `npm run captive -- 8081`, or `PORT=8081 DNS_PORT=1054 npm run captive`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { config, register } from './app.js';
import { portalOptions, TAG } from './portal.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run captive',
  log,
  start: async where => {
    // what is wrong with the environment shows before there is a server
    const options = portalOptions(process.env);
    const server = await httpdStart({ ...config, ...where });
    await register(server, options);
    log.info(`Open http://localhost:${server.port}/; Ctrl-C stops the server`);
    return server;
  },
});
