/** A folder of files to serve, and beside it what must never be served. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** What stands in files outside of the folder, and in hidden ones. */
export const SECRET = 'nobody may read this';

/** All files are of this time, so that validators are the same in each run. */
const THEN = new Date('2024-01-02T03:04:05Z');

let folder: string | undefined;

/** Is made when it is first asked for, and removed when the process ends. */
export function folderOfFiles(): string {
  if (folder !== undefined) return folder;
  const top = mkdtempSync(join(tmpdir(), 'esp-httpd-fuzz-'));
  process.once('exit', () => rmSync(top, { recursive: true, force: true }));
  const www = join(top, 'www');
  mkdirSync(join(www, 'sub', 'empty'), { recursive: true });
  const files: Readonly<Record<string, string | Buffer>> = {
    'index.html': '<p>index</p>',
    'a.txt': 'abcdefghijklmnopqrstuvwxyz'.repeat(4),
    'a.txt.gz': gzipSync('abcdefghijklmnopqrstuvwxyz'.repeat(4)),
    'empty.bin': '',
    'sub/b c.json': '{}',
    '.hidden': SECRET,
    '../secret.txt': SECRET,
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(www, name);
    writeFileSync(path, content);
    utimesSync(path, THEN, THEN);
  }
  symlinkSync('../secret.txt', join(www, 'link.txt'));
  symlinkSync('..', join(www, 'out'));
  symlinkSync('a.txt', join(www, 'inside.txt'));
  folder = www;
  return www;
}
