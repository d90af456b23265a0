/**
 * The example for a server that somebody else starts, with `config`: `main.ts`, or a simulated device,
 * `npx esp-httpd device examples/http_server_post/app.ts`.
 */
import { espLog, type HttpdServer } from '../../src/index.js';
import { POST_CONFIG, registerPostHandlers, TAG } from './post_server.js';

export const config = POST_CONFIG;

export function register(server: HttpdServer, log = espLog(TAG)): void {
  log.info(`Starting server on port: '${server.port}'`);
  registerPostHandlers(server, { log });
}
