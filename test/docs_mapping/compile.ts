/** Makes a module of the page's examples, checks its types, and loads it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { HandlerResult, HttpdReq, HttpdServer, TagLog } from '../../src/index.js';
import * as api from '../../src/index.js';
import type { Page } from './page.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What is in scope of an example. The functions take the place of the package's, so that no fixed port is needed. */
export interface Scope {
  readonly server: HttpdServer;
  readonly console: Pick<Console, 'log'>;
  readonly httpdStart: typeof api.httpdStart;
  readonly espLog: (tag: string) => TagLog;
}

export interface HandlerScope extends Scope {
  readonly req: HttpdReq;
  readonly fd: number;
}

export interface Examples {
  readonly run: Readonly<Record<string, (scope: HandlerScope) => Promise<Awaited<HandlerResult>>>>;
  /** `ws` of the page. */
  readonly ws: api.HttpdUri;
}

/** @param inHandler does this example stand in a handler? */
export function moduleOf({ shared, examples }: Page, inHandler: (name: string) => boolean): string {
  const index = join(ROOT, 'src/index.js');
  const names = Object.keys(api).filter(name => name !== 'httpdStart' && name !== 'espLog');
  return [
    `import { ${names.join(', ')} } from '${index}';`,
    `import type { HttpdReq, HttpdServer, HttpdUri, WsCloseInfo } from '${index}';`,
    `import type { Examples, HandlerScope, Scope } from '${join(ROOT, 'test/docs_mapping/compile.js')}';`,
    shared.code,
    'const run = {',
    ...examples.flatMap(({ name, code }) => [
      `'${name}': async (${parameters(inHandler(name))}) => {`,
      // a block of its own, so that an example may declare a name of its scope
      `{\n${code}\n}`,
      'return undefined;',
      '},',
    ]),
    '};',
    'export const examples: Examples = { run, ws };',
    '',
  ].join('\n');
}

function parameters(inHandler: boolean): string {
  return inHandler
    ? '{ server, req, fd, console, httpdStart, espLog }: HandlerScope'
    : '{ server, console, httpdStart, espLog }: Scope';
}

/** The messages of the compiler; empty if there are none. */
export async function typeErrors(folder: string): Promise<string> {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  try {
    await promisify(execFile)(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { timeout: 60_000 });
    return '';
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    return `${stdout}${stderr}` || message;
  }
}

/** A folder with the module `examples.mts` and the project's compiler options for it. */
export function makeFolder(source: string): { folder: string; load: () => Promise<Examples>; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-mapping-'));
  const file = join(folder, 'examples.mts');
  writeFileSync(file, source);
  const compilerOptions = {
    typeRoots: [join(ROOT, 'node_modules/@types')],
    noUnusedLocals: false,
    noUnusedParameters: false,
  };
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['examples.mts'] };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
  return {
    folder,
    load: async () => {
      const { examples } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { examples: Examples };
      return examples;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
