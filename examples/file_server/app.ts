/**
 * The example for a server that somebody else starts, with `config`, such as a simulated device:
 * `npx esp-httpd device examples/file_server/app.ts`. Like a board's flash, the folder outlives each server.
 */
import { espLog, type HttpdServer } from '../../src/index.js';
import { fileServerConfig, registerFileHandlers, TAG } from './file_server.js';
import { FileStore } from './file_store.js';
import { ROOT } from './options.js';

const store = await FileStore.open(process.env.FILE_SERVER_ROOT || ROOT);

export const config = fileServerConfig();

export function register(server: HttpdServer, log = espLog(TAG)): void {
  log.info(`Files are in ${store.root}`);
  log.info(`Starting HTTP Server on port: '${server.port}'`);
  registerFileHandlers(server, { store, log });
}
