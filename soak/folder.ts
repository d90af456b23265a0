/** The files that are served: server and clients know them by their names. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** Names, and lengths in bytes. */
export const FILES = {
  'empty.txt': 0,
  'small.txt': 500,
  'page.html': 20_000,
  'medium.bin': 100_000,
  'large.bin': 3_000_000,
  'sub/index.html': 300,
} as const;

export type FileName = keyof typeof FILES;

/** The file that is there in a compressed form too. */
export const COMPRESSED: FileName = 'page.html';

export function contentOf(name: FileName): Buffer {
  const line = Array.from({ length: 100 }, (_, i) => `${name} ${i} `).join('');
  return Buffer.alloc(FILES[name], line);
}

/** Makes the files. @returns the folder */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-soak-'));
  for (const name of Object.keys(FILES) as FileName[]) {
    const path = join(folder, 'www', name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contentOf(name));
  }
  writeFileSync(join(folder, 'www', `${COMPRESSED}.gz`), gzipSync(contentOf(COMPRESSED)));
  writeFileSync(join(folder, 'secret.txt'), 'not for you');
  return folder;
}

export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
