/** What the bench needs from the machine: a C compiler, cores of its own, our server as built. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BENCH = fileURLToPath(new URL('.', import.meta.url));
const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** C sources, without their extension. */
const PROGRAMS = ['load/http', 'load/ws', 'load/idle', 'servers/c_epoll'] as const;

export type ProgramName = (typeof PROGRAMS)[number];

/** The C programs, as compiled. */
export interface Programs {
  path(name: ProgramName): string;
  remove(): void;
}

/**
 * Compiles the load generators and the C server into a temporary folder.
 *
 * @throws Error with a message for a person
 */
export function compilePrograms(): Programs {
  if (process.platform !== 'linux') throw new Error('the load generators use epoll: the bench needs Linux');
  if (spawnSync('cc', ['--version']).status !== 0) {
    throw new Error(
      "there is no C compiler 'cc', which the load generators need (Debian: apt-get install gcc libc6-dev)",
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  try {
    for (const name of PROGRAMS) {
      const command = ['-O2', '-Wall', '-Wextra', '-o', join(folder, basename(name)), join(BENCH, `${name}.c`)];
      execFileSync('cc', command, { stdio: 'inherit' });
    }
  } catch (cause) {
    remove();
    throw new Error("'cc' could not compile the load generators", { cause });
  }
  return { path: name => join(folder, basename(name)), remove };
}

/** Builds dist/ if it is missing or older than src/. */
export function buildOurs(): void {
  const built = join(ROOT, 'dist', 'index.js');
  if (existsSync(built) && statSync(built).mtimeMs >= newest(join(ROOT, 'src'))) return;
  console.log('building dist/ …');
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit' });
}

function newest(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Math.max(...entries.filter(e => e.isFile()).map(e => statSync(join(e.parentPath, e.name)).mtimeMs));
}

/** Where the two sides run. */
export interface Cores {
  readonly server: number;
  readonly load: number;
}

/** A core for the server and one for the load generator; undefined where that can't be had. */
export function chooseCores(): Cores | undefined {
  const asked = spawnSync('taskset', ['-cp', String(process.pid)], { encoding: 'utf8' });
  if (asked.status !== 0) return undefined;
  const [server, load] = parseCores(asked.stdout.slice(asked.stdout.lastIndexOf(':') + 1));
  return server === undefined || load === undefined ? undefined : { server, load };
}

/** `0,2-4` is 0, 2, 3 and 4. */
function parseCores(list: string): number[] {
  return list
    .trim()
    .split(',')
    .flatMap(range => {
      const [first = Number.NaN, last = first] = range.split('-').map(Number);
      return Number.isNaN(first) ? [] : Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}

/** A command line, bound to a core if there is one. */
export function pinned(core: number | undefined, command: string, args: readonly string[]): [string, string[]] {
  return core === undefined ? [command, [...args]] : ['taskset', ['-c', String(core), command, ...args]];
}
