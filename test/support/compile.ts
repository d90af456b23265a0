/**
 * Compiles, once for a run of the tests, what they start in processes of its own: node begins at once with a compiled
 * program, while tsx takes half a second each time.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { makeCertificates } from './certificates.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The directory of the compiled programs. */
    compiled: string;
  }
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = ['src', 'examples', 'test/port/*_child.ts'];
const TESTS_OF_EXAMPLES = join('examples', '*', 'test');

/** Compiles without a look at types, and puts the examples' pages beside them. */
async function compileTo(outDir: string): Promise<void> {
  // not what node_modules says of the packages in it
  writeFileSync(join(outDir, 'package.json'), '{ "type": "module" }');
  const config = {
    extends: join(ROOT, 'tsconfig.json'),
    compilerOptions: { noEmit: false, noCheck: true, rootDir: ROOT, outDir },
    include: SOURCES.map(name => join(ROOT, name)),
    exclude: [join(ROOT, TESTS_OF_EXAMPLES)],
  };
  writeFileSync(join(outDir, 'tsconfig.json'), JSON.stringify(config));
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  await promisify(execFile)(process.execPath, [tsc, '-p', outDir, '--pretty', 'false']);
  cpSync(join(ROOT, 'assets'), join(outDir, 'assets'), { recursive: true });
  cpSync(join(ROOT, 'examples'), join(outDir, 'examples'), {
    recursive: true,
    filter: name => extname(name) !== '.ts',
  });
}

export default async function setup(project: TestProject): Promise<() => void> {
  // within node_modules, where the programs find the packages that they import; one for each run, so that runs may overlap
  const cache = join(ROOT, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  const outDir = mkdtempSync(join(cache, 'esp-httpd-test-'));
  const remove = () => rmSync(outDir, { recursive: true, force: true });
  try {
    await compileTo(outDir);
  } catch (error) {
    remove();
    const { stdout = '' } = error as { stdout?: string };
    throw new Error(`the programs that tests start do not compile:\n${stdout}`, { cause: error });
  }
  project.provide('compiled', outDir);
  project.provide('certificates', await makeCertificates());
  return remove;
}
