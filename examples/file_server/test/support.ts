/** A file server with a folder of its own, both gone after the test. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { espLog, type HttpdServer } from '../../../src/index.js';
import type { ManualClock } from '../../../test/support/clock.js';
import { collectLog, startTestServer } from '../../../test/support/server.js';
import { fileServerConfig, registerFileHandlers, TAG } from '../file_server.js';
import { FileStore } from '../file_store.js';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'file-server-test-'));
  folders.push(folder);
  return folder;
}

export interface Files {
  readonly server: HttpdServer;
  readonly store: FileStore;
  readonly root: string;
  /** The lines of the example's log. */
  readonly lines: string[];
  /** All names in the folder, hidden ones too. */
  names(): string[];
}

export async function startFiles(options: { maxSize?: number; clock?: ManualClock } = {}): Promise<Files> {
  const { maxSize, clock } = options;
  const root = newFolder();
  const store = await FileStore.open(root);
  const { logger, lines } = collectLog();
  const server = await startTestServer(fileServerConfig(maxSize), clock && { clock });
  registerFileHandlers(server, { store, maxSize, log: espLog(TAG, logger) });
  return { server, store, root, lines, names: () => readdirSync(root).sort() };
}
