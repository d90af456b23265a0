import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inject } from 'vitest';

/** The file that a source file has been compiled to, such as `src/index.ts`; for a program in a process of its own. */
export function compiled(source: string): string {
  return join(inject('compiled'), source.replace(/\.ts$/, '.js'));
}

/** The same, for the program to import. */
export function compiledUrl(source: string): string {
  return pathToFileURL(compiled(source)).href;
}
