/** `esp-httpd init`: writes a small project to begin with. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from './args.js';
import { CliError, report, UsageError } from './errors.js';

const USAGE = `Usage: npx esp-httpd init <folder>

Writes a small project into a folder that is new or empty: a device's application in TypeScript with a page and a
WebSocket, a scenario of what happens to the device, and a test that reboots it. The folder's name becomes the
project's name, so npm's rules hold for it.

  -h, --help   this text`;

/** The package that this file is in: from `src/cli` as from `dist/cli`. */
const PACKAGE = resolve(fileURLToPath(new URL('../..', import.meta.url)));
const TEMPLATE = join(PACKAGE, 'templates/init');

/**
 * npm hands SIGTERM to the shell that runs a script, and that would die without a word to what it runs. `exec` puts that in
 * its place; cmd.exe of Windows has none, and no SIGTERM either.
 */
const EXEC = process.platform === 'win32' ? '' : 'exec ';

/** npm's longest name. */
const NAME_MAX = 214;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/** @returns the status that the process ends with */
export async function init(args: readonly string[]): Promise<number> {
  try {
    const given = readFolder(args);
    if (given === undefined) {
      console.log(USAGE);
      return 0;
    }
    const folder = resolve(given);
    const manifest = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as Manifest;
    const name = checkName(basename(folder), manifest);
    try {
      checkEmpty(folder, given);
      writeProject(folder, { ...valuesOf(manifest), name, exec: EXEC });
    } catch (error) {
      if (error instanceof CliError) throw error;
      throw new CliError(`The project can't be written into '${given}': ${(error as Error).message}`);
    }
    console.log(nextSteps(name, relative('.', folder)));
    return 0;
  } catch (thrown) {
    return report(thrown, 'npx esp-httpd init --help');
  }
}

/**
 * @returns undefined if help is asked for
 * @throws UsageError
 */
function readFolder(args: readonly string[]): string | undefined {
  const { values, positionals } = parse(args, { help: { type: 'boolean', short: 'h' } });
  if (values.help === true) return undefined;
  const [folder = '', ...more] = positionals;
  if (folder === '') throw new UsageError('Which folder? Give the name of one that is to be made.');
  if (more.length > 0) throw new UsageError(`One argument is the folder; '${more.join(' ')}' is too much.`);
  return folder;
}

/** @throws UsageError if npm would not take it for the name of a new package, or could not install what that needs */
function checkName(name: string, { name: own, dependencies, devDependencies }: Manifest): string {
  const taken = [own, ...Object.keys({ ...dependencies, ...devDependencies }), ...builtinModules, 'node_modules'];
  if (taken.includes(name)) {
    throw new UsageError(`'${name}' is the name of another package. Choose another name, such as my-device.`);
  }
  if (name.length > NAME_MAX || !/^[a-z\d][a-z\d._-]*$/.test(name)) {
    throw new UsageError(
      `'${name}' can't be the name of a package: that has up to ${NAME_MAX} lower-case letters, digits, '-', '_' and '.', and begins with a letter or a digit.`,
    );
  }
  return name;
}

/** @throws CliError */
function checkEmpty(folder: string, given: string): void {
  const stat = statSync(folder, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) throw new CliError(`'${given}' is a file. Choose a folder that is new or empty.`);
  if (readdirSync(folder).length > 0) {
    throw new CliError(`The folder '${given}' is not empty. Choose one that is new or empty: nothing is overwritten.`);
  }
}

/** What stands for the `{{…}}` of the template, besides the name: the versions that this package is tested with. */
function valuesOf({ name, version, engines, dependencies, devDependencies }: Manifest): Record<string, string> {
  return { ...devDependencies, ...dependencies, ...engines, [name]: dependencyOn(PACKAGE, name, version) };
}

/**
 * What npm is to install as this package: the same that runs. From a registry by its version; but by its place if it is a
 * checkout, or was installed from a tarball, since then a registry may not have it.
 *
 * @internal
 * @param folder where the package is
 */
export function dependencyOn(folder: string, name: string, version: string): string {
  const modules = dirname(folder);
  if (basename(modules) !== 'node_modules') return `file:${folder}`;
  const { resolved = '' } = installed(modules, name);
  if (resolved.startsWith('file:')) return `file:${resolve(dirname(modules), resolved.slice('file:'.length))}`;
  // where registries have their tarballs; or npm does not tell
  return resolved === '' || resolved.includes(`/${name}/-/`) ? `^${version}` : resolved;
}

/** What npm has written down of a package that it has installed. */
function installed(modules: string, name: string): { resolved?: string } {
  try {
    const lock = JSON.parse(readFileSync(join(modules, '.package-lock.json'), 'utf8'));
    return lock.packages[`node_modules/${name}`] ?? {};
  } catch {
    // by another package manager
    return {};
  }
}

function writeProject(folder: string, values: Readonly<Record<string, string>>): void {
  for (const file of readdirSync(TEMPLATE, { recursive: true, encoding: 'utf8' })) {
    const from = join(TEMPLATE, file);
    if (statSync(from).isDirectory()) continue;
    // npm leaves files of this name out of packages
    const to = join(folder, file === '_gitignore' ? '.gitignore' : file);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, fill(readFileSync(from, 'utf8'), values), { flag: 'wx' });
  }
}

function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{\{([\w@/-]+)\}\}/g, (_, key: string) => {
    const value = values[key];
    if (value === undefined) throw new Error(`the template asks for '${key}'`);
    // they stand between quotes, in JSON and in code
    return JSON.stringify(value).slice(1, -1);
  });
}

function nextSteps(name: string, folder: string): string {
  const cd = /^[\w./\\:-]*$/.test(folder) ? folder : `"${folder}"`;
  return `${name} is written. Next:
${folder === '' ? '' : `\n  cd ${cd}`}
  npm install
  npm start      the device runs: http://127.0.0.1:8080/, and its control page: http://127.0.0.1:9000/
  npm test       reboots it, and sees the page come back`;
}
