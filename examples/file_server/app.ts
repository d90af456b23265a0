/**
 * The example for a server that somebody else starts, with `config`, such as a simulated device:
 * `npx esp-httpd device examples/file_server/app.ts`. Like a board's flash, the folder outlives each server.
 */
import { espLog, type HttpdServer } from '../../src/index.js';
import { fileServerConfig, MAX_FILE_SIZE, startFiles } from './file_server.js';
import { FileStore } from './file_store.js';
import { ROOT } from './options.js';

const store = await FileStore.open(process.env.FILE_SERVER_ROOT || ROOT);

export const config = fileServerConfig();

export function register(server: HttpdServer, logOf = espLog): void {
  startFiles(server, { store, maxSize: MAX_FILE_SIZE, logOf });
}
