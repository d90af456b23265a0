/**
 * The example for a server that somebody else starts, with `config`: `main.ts`, or a simulated device,
 * `npx esp-httpd device examples/ws_chat_server/app.ts`.
 */
import { espLog, type HttpdServer } from '../../src/index.js';
import { TAG } from './chat_room.js';
import { CHAT_CONFIG, registerChatHandlers } from './chat_server.js';

export const config = CHAT_CONFIG;

export function register(server: HttpdServer, log = espLog(TAG)): void {
  log.info(`Starting server on port: '${server.port}'`);
  registerChatHandlers(server);
}
