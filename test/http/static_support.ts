import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { HttpdConfig } from '../../src/config.js';
import { HTTP_ANY } from '../../src/httpd/methods.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { uriMatchWildcard } from '../../src/httpd/uri.js';
import { type StaticOptions, staticUriHandler } from '../../src/web/static_files.js';
import { testFolder } from '../files/support.js';
import type { RawResponse } from '../support/raw_client.js';
import { startTestServer } from '../support/server.js';
import { exchange, request } from './support.js';

/** Files by path; a folder ends in a slash, and a symbolic link begins with an arrow. */
export type Tree = Readonly<Record<string, string>>;

/** A folder with these in it, removed after the test. */
export function makeTree(tree: Tree): string {
  const folder = testFolder();
  for (const [path, content] of Object.entries(tree)) {
    const full = join(folder, path);
    mkdirSync(path.endsWith('/') ? full : dirname(full), { recursive: true });
    if (content.startsWith('-> ')) symlinkSync(content.slice(3), full);
    else if (!path.endsWith('/')) writeFileSync(full, content);
  }
  return folder;
}

/** A server of that folder. */
export async function serveFolder(
  options: StaticOptions,
  uri = '/files/*',
  config: Partial<HttpdConfig> = {},
): Promise<HttpdServer> {
  const server = await startTestServer({ uriMatchFn: uriMatchWildcard, ...config });
  server.registerUriHandler({ uri, method: HTTP_ANY, handler: staticUriHandler(options) });
  return server;
}

/** The answer to GET. */
export function get(server: HttpdServer, path: string, ...headers: string[]): Promise<RawResponse> {
  return exchange(server, request(`GET ${path}`, ...headers));
}
