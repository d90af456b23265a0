/** The files that servers have to send. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CASES } from './cases.js';

export interface Files {
  readonly folder: string;
  /** The path of the file that has so many bytes. */
  ofSize(size: number): string;
  remove(): void;
}

/** Makes a file for each case that sends one, in a temporary folder. */
export function makeFiles(): Files {
  const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-files-'));
  const ofSize = (size: number) => join(folder, `${size}.bin`);
  for (const plan of CASES) {
    if (plan.kind !== 'throughput' || plan.does[0] !== 'file') continue;
    const [, size = 0] = plan.does;
    writeFileSync(ofSize(size), content(size));
  }
  return { folder, ofSize, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Bytes that don't repeat, so that a piece that is sent twice, or from elsewhere in the file, is seen. */
function content(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let state = size >>> 0;
  for (let i = 0; i + 4 <= size; i += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes.writeUInt32LE(state, i);
  }
  return bytes;
}
