/**
 * Starts the chat server: `npm run chat`, `npm run chat -- 8081`, or `PORT=8081 npm run chat`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { config, register } from './app.js';
import { TAG } from './chat_room.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run chat',
  log,
  start: async given => {
    const server = await httpdStart({ ...config, ...given });
    register(server);
    log.info(`Open http://localhost:${server.port}/ in two windows; Ctrl-C stops the server`);
    return server;
  },
});
