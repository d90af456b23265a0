/** Loads an application's module, TypeScript too. */
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { HttpdConfig } from '../config.js';
import type { HttpdServer } from '../httpd/server.js';
import { CliError } from './errors.js';

export interface App {
  readonly register: (server: HttpdServer) => unknown;
  /** What the application needs of the configuration; a function is asked at each boot. */
  readonly config: Partial<HttpdConfig> | (() => Partial<HttpdConfig>);
}

interface AppModule {
  readonly register?: unknown;
  readonly config?: unknown;
  readonly default?: AppModule;
}

const TYPESCRIPT = ['.ts', '.mts', '.cts', '.tsx'];

/** @throws CliError */
export async function loadApp(path: string): Promise<App> {
  const file = resolve(path);
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new CliError(`There is no file '${path}'. Give the module that exports register(server).`);
  }
  if (TYPESCRIPT.includes(extname(file))) await allowTypeScript([file, fileURLToPath(import.meta.url)]);
  let loaded: AppModule;
  try {
    loaded = await importModule(file);
  } catch (cause) {
    throw new CliError(`'${path}' can't be loaded${hint(cause)}:`, { cause });
  }
  // the exports of CommonJS may all be in 'default'
  const app = loaded.register === undefined ? (loaded.default ?? loaded) : loaded;
  const { register, config = {} } = app;
  if (typeof register !== 'function') {
    throw new CliError(
      `'${path}' has no register: it must export function register(server), which registers the URI handlers.`,
    );
  }
  if (config === null || (typeof config !== 'object' && typeof config !== 'function')) {
    throw new CliError(`config of '${path}' must be an object of HttpdConfig, or a function that returns one.`);
  }
  return {
    register: register as App['register'],
    config: typeof config === 'function' ? asker(path, config as () => unknown) : config,
  };
}

/** @throws what the module throws; Error if it waits for what can't come, since then the process would end without a word */
async function importModule(file: string): Promise<AppModule> {
  let giveUp = (): void => {};
  const stuck = new Promise<never>((_, reject) => {
    giveUp = () => reject(new Error('its top-level await never ends'));
  });
  process.once('beforeExit', giveUp);
  try {
    return await Promise.race([import(pathToFileURL(file).href) as Promise<AppModule>, stuck]);
  } finally {
    process.off('beforeExit', giveUp);
  }
}

/** The same function, for what an application may do wrong in it. */
function asker(path: string, config: () => unknown): () => Partial<HttpdConfig> {
  return () => {
    let given: unknown;
    try {
      given = config();
    } catch (cause) {
      throw new CliError(`config of '${path}' failed:`, { cause });
    }
    if (given === null || typeof given !== 'object' || given instanceof Promise) {
      throw new CliError(`config of '${path}' must return an object of HttpdConfig, and at once.`);
    }
    return given;
  };
}

/** A module that is taken for CommonJS requires what can only be imported. */
function hint(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (!['ERR_PACKAGE_PATH_NOT_EXPORTED', 'ERR_REQUIRE_ESM'].includes(code)) return '';
  return ` as CommonJS; put "type": "module" into its package.json, or let its name end in .mjs or .mts`;
}

/**
 * Makes imports of TypeScript work: with tsx, which also knows a `.ts` file by the name `.js`; without it as far as Node.js
 * does by itself.
 *
 * @param places files from which tsx is looked for
 * @throws CliError
 */
export async function allowTypeScript(places: readonly string[]): Promise<void> {
  const tsx = places.map(findTsx).find(found => found !== undefined);
  if (tsx !== undefined) {
    // for what is loaded with require, and with import
    for (const api of ['./cjs/api', './esm/api']) {
      const { register } = (await import(exportOf(tsx, api))) as { register(): unknown };
      register();
    }
    return;
  }
  if ((process.features as { typescript?: unknown }).typescript) return;
  throw new CliError(
    `Node.js ${process.version} can't load TypeScript by itself. Install what can: npm install --save-dev tsx`,
  );
}

/** The package.json of tsx, as a file in this place finds it. */
function findTsx(near: string): string | undefined {
  try {
    return createRequire(near).resolve('tsx/package.json');
  } catch {
    return undefined;
  }
}

/** The URL of what a package exports to `import`; `require.resolve` would find what it exports to `require`. */
function exportOf(packageJson: string, name: string): string {
  const { exports } = JSON.parse(readFileSync(packageJson, 'utf8')) as { exports: Record<string, EntryPoint> };
  const file = exports[name]?.import?.default;
  if (file === undefined)
    throw new CliError('This version of tsx is too old. Install a newer one: npm install --save-dev tsx');
  return new URL(file, pathToFileURL(packageJson)).href;
}

interface EntryPoint {
  readonly import?: { readonly default?: string };
}
