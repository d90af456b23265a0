/**
 * Starts the chat server: `npm run chat`, `npm run chat -- 8081`, or `PORT=8081 npm run chat`.
 */
import { espLog, httpdStart } from '../../src/index.js';
import { runProgram } from '../program.js';
import { TAG } from './chat_room.js';
import { CHAT_CONFIG, registerChatHandlers } from './chat_server.js';

const log = espLog(TAG);

await runProgram({
  command: 'npm run chat',
  log,
  start: async config => {
    log.info(`Starting server on port: '${config.serverPort}'`);
    const server = await httpdStart({ ...CHAT_CONFIG, ...config });
    registerChatHandlers(server);
    log.info(`Open http://localhost:${server.port}/ in two windows; Ctrl-C stops the server`);
    return server;
  },
});
