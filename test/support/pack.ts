/** The package as a release has it: built by its own script, and packed. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  readonly files: string[];
  readonly version: string;
}

/** What a build needs besides what a release has. */
const SOURCES = ['src', 'tsconfig.json', 'tsconfig.build.json'];

/**
 * Builds in a folder of its own: the `dist` of the checkout may be old, or just being built.
 *
 * @param temp a folder for it, in which `release` will be what was packed
 * @param env of npm
 * @returns the tarball's path
 */
export async function packRelease(temp: string, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const release = join(temp, 'release');
  mkdirSync(release);
  const { files, version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;
  for (const name of ['package.json', ...SOURCES, ...files]) {
    if (name !== 'dist') cpSync(join(ROOT, name), join(release, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(release, 'node_modules'));
  const npm = (...args: string[]) => promisify(execFile)('npm', args, { cwd: release, env });
  try {
    await npm('run', 'build');
    await npm('pack', '--ignore-scripts', '--pack-destination', temp);
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`a release can't be made:\n${stdout}${stderr}`, { cause: error });
  }
  return join(temp, `esp-httpd-${version}.tgz`);
}

/**
 * A project in which the tarball is installed, with this checkout's dependencies: nothing is fetched.
 *
 * @param folder of the project; is made
 */
export async function installRelease(tarball: string, folder: string): Promise<void> {
  const modules = join(folder, 'node_modules');
  const own = join(modules, 'esp-httpd');
  mkdirSync(own, { recursive: true });
  await promisify(execFile)('tar', ['-xzf', tarball, '-C', own, '--strip-components=1']);
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(own, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
    optionalDependencies: Record<string, string>;
  };
  for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies }), '@types/node', 'undici-types']) {
    const link = join(modules, name);
    mkdirSync(join(link, '..'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), link);
  }
}
