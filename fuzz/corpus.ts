/** Inputs as files: `fuzz/corpus/<target>/<hash>` for what is worth keeping, `fuzz/crashes/<target>-<hash>` for findings. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const FUZZ = fileURLToPath(new URL('.', import.meta.url));

function nameOf(input: Buffer): string {
  return createHash('sha1').update(input).digest('hex').slice(0, 12);
}

/** @returns the inputs in the order of their lengths: the short ones are the quick ones */
export function readCorpus(target: string): Buffer[] {
  const folder = join(FUZZ, 'corpus', target);
  if (!existsSync(folder)) return [];
  const inputs = readdirSync(folder)
    .sort()
    .map(name => readFileSync(join(folder, name)));
  return inputs.sort((a, b) => a.length - b.length);
}

/** The corpus becomes these inputs. */
export function writeCorpus(target: string, inputs: readonly Buffer[]): void {
  const folder = join(FUZZ, 'corpus', target);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const input of inputs) writeFileSync(join(folder, nameOf(input)), input);
}

/** @returns the path of the file, from here */
export function writeCrash(target: string, input: Buffer): string {
  const folder = join(FUZZ, 'crashes');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${target}-${nameOf(input)}`);
  writeFileSync(path, input);
  return relative(process.cwd(), path);
}
