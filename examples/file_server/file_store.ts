/**
 * The folder: what is in it, and files that come and go as a whole.
 */
import { randomBytes } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, opendir, readdir, realpath, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isFileName } from './file_name.js';

/** So many files are listed, and so many may be there before an upload is refused. */
export const FILES_MAX = 1_000;
/** Uploads at a time. */
export const UPLOADS_MAX = 8;
/** An upload that nobody has written to for so long is a leftover of a server that was killed. */
const STALE_MS = 3_600_000;
/** Files under way: no name that `isFileName` lets through. */
const TEMPORARY = /^\.upload-[0-9a-f]{24}$/;

export interface StoredFile {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  readonly mtime: Date;
}

export class FileStore {
  private uploads = 0;

  private constructor(
    /** The folder, without symbolic links in its path. */
    readonly root: string,
  ) {}

  /**
   * @param root is created if absent
   * @param now the time in ms since 1970
   * @throws what the file system says if there is no such folder and none can be made
   */
  static async open(root: string, now = Date.now()): Promise<FileStore> {
    await mkdir(root, { recursive: true });
    const store = new FileStore(await realpath(root));
    await store.removeLeftovers(now);
    return store;
  }

  path(name: string): string {
    return join(this.root, name);
  }

  /** The files in the order of their names, at most `FILES_MAX`; `more` if there are others. */
  async list(): Promise<{ files: StoredFile[]; more: boolean }> {
    const names: string[] = [];
    for await (const entry of this.entries()) {
      names.push(entry.name);
      if (names.length > FILES_MAX) break;
    }
    const found = await Promise.all(names.slice(0, FILES_MAX).map(name => this.find(name)));
    const files = found.filter(file => file !== undefined);
    files.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }) || (a.name < b.name ? -1 : 1));
    return { files, more: names.length > FILES_MAX };
  }

  /** A file; undefined if there is none of this name, or what is there is a folder, a symbolic link or a device. */
  async find(name: string): Promise<StoredFile | undefined> {
    const stats = await this.stat(name);
    return stats?.isFile() ? { name, size: stats.size, mtime: stats.mtime } : undefined;
  }

  /** Is the name taken, by whatever it may be? */
  async has(name: string): Promise<boolean> {
    return (await this.stat(name)) !== undefined;
  }

  /** @returns false if there is no such file */
  async remove(name: string): Promise<boolean> {
    if ((await this.find(name)) === undefined) return false;
    return unlink(this.path(name)).then(() => true, absent(false));
  }

  /**
   * Begins a file that nobody sees until it is complete.
   *
   * @returns 'busy' if too many are under way, 'full' if there are too many files
   */
  async create(): Promise<Upload | 'busy' | 'full'> {
    if (this.uploads >= UPLOADS_MAX) return 'busy';
    this.uploads += 1;
    const onClosed = () => {
      this.uploads -= 1;
    };
    try {
      if ((await this.count()) + this.uploads > FILES_MAX) {
        onClosed();
        return 'full';
      }
      const temporary = this.path(`.upload-${randomBytes(12).toString('hex')}`);
      return new Upload(this, temporary, await open(temporary, 'wx', 0o644), onClosed);
    } catch (error) {
      onClosed();
      throw error;
    }
  }

  private async count(): Promise<number> {
    let n = 0;
    for await (const _ of this.entries()) {
      n += 1;
      if (n > FILES_MAX) break;
    }
    return n;
  }

  private async *entries(): AsyncGenerator<Dirent> {
    for await (const entry of await opendir(this.root)) {
      if (entry.isFile() && isFileName(entry.name)) yield entry;
    }
  }

  /** Symbolic links are not followed. */
  private stat(name: string) {
    if (!isFileName(name)) throw new Error(`a name that has not been checked: ${JSON.stringify(name)}`);
    return lstat(this.path(name)).catch(absent(undefined));
  }

  private async removeLeftovers(now: number): Promise<void> {
    for (const name of await readdir(this.root)) {
      if (!TEMPORARY.test(name)) continue;
      const stats = await lstat(this.path(name)).catch(absent(undefined));
      if (stats?.isFile() && now - stats.mtimeMs > STALE_MS) await unlink(this.path(name)).catch(absent(undefined));
    }
  }
}

/** A file that is being received. Ends with `commit` or `discard`; a second end does nothing. */
export class Upload {
  private ended = false;

  constructor(
    private readonly store: FileStore,
    private readonly temporary: string,
    private readonly file: FileHandle,
    private readonly onClosed: () => void,
  ) {}

  /** Adds all of `bytes` to the end. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.file.writeFile(bytes);
  }

  /**
   * The file is complete: gives it its name, unless that is taken by now.
   *
   * @returns whether it has got it; if not, the file is gone
   */
  async commit(name: string): Promise<boolean> {
    // a file that is there after a power failure should not be empty
    await this.file.datasync();
    // unlike rename(2), link(2) never replaces a file
    const linked = await link(this.temporary, this.store.path(name)).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
        return false;
      },
    );
    await this.discard();
    return linked;
  }

  /** Leaves nothing behind. */
  async discard(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    try {
      await this.file.close();
    } finally {
      this.onClosed();
      await unlink(this.temporary).catch(absent(undefined));
    }
  }
}

/** For `catch`: `value` if a file is not there. */
function absent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return error => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
    return value;
  };
}
