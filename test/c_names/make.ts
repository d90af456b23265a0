/**
 * Makes the list of the names that a checkout of ESP-IDF, or of esp-protocols, declares:
 *
 *     npx tsx test/c_names/make.ts NAME FOLDER [COMMIT]
 *
 * writes `test/c_names/NAME.json`. COMMIT is what `git` says of the folder unless it is given. Only names and values are
 * written, no text of a header. `from_c.test.ts` takes all lists of this folder together.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type HeaderNames, readHeader } from './read_headers.js';

const COMPONENTS = ['esp_http_server', 'esp_https_server', 'esp_websocket_client'];

/** A list as it is kept. */
export interface NameList {
  /** Of the folder that the headers are from. */
  readonly commit: string;
  /** What is to be said of where it comes from, if that is no checkout. */
  readonly source?: string;
  /** By the header's name. */
  readonly headers: Readonly<Record<string, Partial<HeaderNames>>>;
}

export function listOf(folder: string, commit: string): NameList {
  const headers: Record<string, HeaderNames> = {};
  for (const component of COMPONENTS) {
    const inside = (path: string) => join(folder, 'components', component, path);
    const textOf = (path: string) => (existsSync(inside(path)) ? readFileSync(inside(path), 'utf8') : '');
    const header = textOf(`include/${component}.h`);
    if (header !== '') headers[`${component}.h`] = readHeader(header, textOf('Kconfig'));
  }
  return { commit, headers };
}

const [script = '', name, folder, commit] = process.argv.slice(1);
if (/make\.ts$/.test(script) && name !== undefined && folder !== undefined) {
  const told = commit ?? execFileSync('git', ['-C', folder, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
  const list = listOf(folder, told);
  if (Object.keys(list.headers).length === 0) throw new Error(`${folder} has none of ${COMPONENTS.join(', ')}`);
  writeFileSync(new URL(`${name}.json`, import.meta.url), `${JSON.stringify(list, undefined, 1)}\n`);
}
