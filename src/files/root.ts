/**
 * A folder out of which nothing is read, whatever symbolic links are in it.
 *
 * A path is opened first, and then the kernel is asked what was opened: nobody can exchange a link in between, and
 * resolving the path beforehand, name by name, is saved. Links that stay in the folder work, as Kubernetes mounts
 * its volumes with, hidden folders on the way included. Hard links can't be told from files and are served.
 *
 * The folder may be behind a link itself, by which a deployment goes from one release to the next. So for each request it
 * is resolved anew, behind the first file that is opened: that walk has left in memory all that there is to look at, and
 * who has opened a file of the old release just before the link was exchanged looks for it in the new one.
 */
import { existsSync, realpathSync, type Stats } from 'node:fs';
import { lstat, opendir, realpath, stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { ESP_FAIL, EspError } from '../err.js';
import { type OpenFile, openFile } from './open_file.js';

/** Does the kernel tell what a descriptor leads to (proc(5))? */
const HAS_PROC = existsSync('/proc/self/fd');

/** An entry of a folder that can be read. */
export interface FolderEntry {
  readonly name: string;
  readonly isFolder: boolean;
  /** In bytes. */
  readonly size: number;
  /** In ms since 1970. */
  readonly mtimeMs: number;
}

/** So many entries are looked at, at a time. */
const BATCH = 32;

/** A folder as it is configured. */
export class Root {
  /** From the top of the file system. */
  readonly path: string;
  /** Where it led when it was asked last, without symbolic links; empty: never yet. */
  known = '';

  /**
   * @param hasProc may /proc be asked? Tests try both
   * @param openPath tests exchange links around it
   */
  constructor(
    path: string,
    readonly hasProc = HAS_PROC,
    readonly openPath = openFile,
  ) {
    this.path = resolve(path);
  }

  /** The folder for one request. */
  visit(): Visit {
    return new Visit(this);
  }

  /**
   * Where it leads now, found in place.
   *
   * @throws EspError ESP_FAIL with the system's error as cause
   */
  resolve(): string {
    try {
      this.known = realpathSync.native(this.path);
    } catch (cause) {
      throw new EspError(ESP_FAIL, `the root '${this.path}' can't be found`, { cause });
    }
    return this.known;
  }
}

/** The folder during one request, which sees one release of it. */
export class Visit {
  /** Where it leads; empty until the first file is opened. */
  private real = '';

  constructor(private readonly root: Root) {}

  /**
   * Opens a file or folder.
   *
   * @param path names that were checked, with slashes between; empty for the folder itself
   * @returns undefined if there is none that may be read, or it lies outside
   * @throws EspError ESP_FAIL with the system's error as cause; by rejection
   */
  async open(path: string): Promise<OpenFile | undefined> {
    const { root } = this;
    const first = this.real === '';
    const before = root.known;
    const folder = first ? root.path : this.real;
    const full = path === '' ? folder : `${folder}/${path}`;
    const file = await openReadable(full, root.openPath);
    let inside = false;
    try {
      if (first) this.real = root.resolve();
      if (file !== undefined) inside = root.hasProc ? this.holds(file.realPath()) : await this.holdsStill(full, file);
    } finally {
      if (!inside) file?.close();
    }
    if (inside) return file;
    // it may have led elsewhere when this was opened
    return first && this.real !== before ? this.open(path) : undefined;
  }

  /**
   * Lists a folder that `open` has opened, without what can't be read or lies outside.
   *
   * @param isWanted is asked for each name
   * @param max entries at most
   * @returns in no order; `isCut` if there may be more
   */
  async list(
    path: string,
    folder: OpenFile,
    isWanted: (name: string) => boolean,
    max: number,
  ): Promise<{ entries: FolderEntry[]; isCut: boolean }> {
    const at = this.root.hasProc ? folder.procPath : `${this.real}/${path}`;
    const names = await namesIn(at, isWanted, max + 1);
    return { entries: await this.examine(at, names.slice(0, max)), isCut: names.length > max };
  }

  private async examine(folder: string, names: readonly string[]): Promise<FolderEntry[]> {
    const entries: FolderEntry[] = [];
    for (let i = 0; i < names.length; i += BATCH) {
      const batch = names.slice(i, i + BATCH).map(name => this.entry(folder, name));
      for (const entry of await Promise.all(batch)) if (entry !== undefined) entries.push(entry);
    }
    return entries;
  }

  /** @returns undefined for what is neither file nor folder, lies outside, or is gone */
  private async entry(folder: string, name: string): Promise<FolderEntry | undefined> {
    const path = `${folder}/${name}`;
    let stats: Stats;
    try {
      stats = await lstat(path);
      if (stats.isSymbolicLink()) {
        if (!this.holds(await realpath(path))) return undefined;
        stats = await stat(path);
      }
    } catch {
      return undefined;
    }
    const isFolder = stats.isDirectory();
    if (!isFolder && !stats.isFile()) return undefined;
    return { name, isFolder, size: stats.size, mtimeMs: stats.mtimeMs };
  }

  /** Is a path without symbolic links in the root? */
  private holds(path: string | undefined): boolean {
    if (path === undefined) return false;
    return path === this.real || path.startsWith(this.real.endsWith(sep) ? this.real : this.real + sep);
  }

  /** The same where only paths can be asked: what is open must be what the path leads to, and that inside. */
  private async holdsStill(path: string, file: OpenFile): Promise<boolean> {
    try {
      const real = await realpath(path);
      if (!this.holds(real)) return false;
      const { dev, ino } = await lstat(real, { bigint: true });
      return dev === file.stats.dev && ino === file.stats.ino;
    } catch {
      return false;
    }
  }
}

/** @returns undefined also for what this process may not read: that is not told apart from what is not there */
async function openReadable(path: string, openPath: typeof openFile): Promise<OpenFile | undefined> {
  try {
    return await openPath(path);
  } catch (error) {
    const { code } = ((error as EspError).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  }
}

/** @throws EspError ESP_FAIL with the system's error as cause; by rejection */
async function namesIn(folder: string, isWanted: (name: string) => boolean, max: number): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of await opendir(folder, { bufferSize: 256 })) {
      if (isWanted(name)) names.push(name);
      if (names.length === max) break;
    }
  } catch (cause) {
    throw new EspError(ESP_FAIL, 'a folder could not be read', { cause });
  }
  return names;
}
