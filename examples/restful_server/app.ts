/**
 * The example for a server that somebody else starts, such as a simulated device:
 * `npx esp-httpd device examples/restful_server/app.ts`.
 */
import { espLog, type HttpdServer } from '../../src/index.js';
import { registerRestHandlers, TAG } from './rest_server.js';

export function register(server: HttpdServer): void {
  espLog(TAG).info('Starting HTTP Server');
  registerRestHandlers(server);
}
