/**
 * The example for a server that somebody else starts, such as a simulated device:
 * `npx esp-httpd device examples/ws_echo_server/app.ts`.
 */
import { espLog, type HttpdServer } from '../../src/index.js';
import { registerEchoHandlers, TAG } from './echo_server.js';

export function register(server: HttpdServer, log = espLog(TAG)): void {
  log.info(`Starting server on port: '${server.port}'`);
  log.info('Registering URI handlers');
  registerEchoHandlers(server);
}
