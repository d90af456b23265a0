/**
 * Files that are open for reading.
 *
 * Only what may wait for a disk goes through libuv's threads: to open and to read. The inode of a descriptor that was
 * opened just now is in memory, and to ask for it in place costs a tenth of the way to a thread and back.
 */
import { type BigIntStats, close, closeSync, constants, fstatSync, open, read, readlinkSync, readSync } from 'node:fs';
import { describeThrown, ESP_FAIL, EspError } from '../err.js';

/** A FIFO without a writer must not hold up a thread, nor a terminal become ours. Windows has neither flag. */
const READ_FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/** Errors that mean: at this path there is nothing to read. ENXIO is a socket, or a device without its driver. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'ELOOP', 'ENXIO', 'ENODEV', 'EINVAL']);

/** The last close of a file that was deleted frees its blocks: up to this size that is no work to speak of. */
const CLOSE_IN_PLACE_MAX = 64 * 1024;

const BIGINT = { bigint: true } as const;

/** A regular file or a folder, open for reading. Whoever has one closes it. */
export class OpenFile {
  readonly isFolder: boolean;
  /** In bytes, as it was when it was opened. */
  readonly size: number;
  /** When it was modified, in seconds since 1970. */
  readonly modified: number;
  /**
   * A strong entity-tag (RFC 9110 section 8.8.3), of the time of modification, to the nanosecond, and the size: the same on
   * every machine that has the file with its time.
   */
  readonly etag: string;

  constructor(
    private fd: number,
    readonly stats: BigIntStats,
  ) {
    this.isFolder = stats.isDirectory();
    this.size = Number(stats.size);
    this.modified = Math.floor(Number(stats.mtimeMs) / 1000);
    this.etag = `"${stats.mtimeNs.toString(16)}-${stats.size.toString(16)}"`;
  }

  /** Tells this state of this file from all others of the machine. */
  get state(): string {
    const { dev, ino } = this.stats;
    return `${dev.toString(16)}-${ino.toString(16)}-${this.etag}`;
  }

  /** Where the kernel says that this descriptor leads (proc(5)); also opens the same file or folder. Linux only. */
  get procPath(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  /**
   * The path of what is open, without symbolic links. Linux only.
   *
   * @returns undefined if the kernel does not tell
   */
  realPath(): string | undefined {
    try {
      return readlinkSync(this.procPath);
    } catch {
      return undefined;
    }
  }

  /**
   * Reads up to `len` bytes to the start of `buf`.
   *
   * @returns how many; 0 at the end of the file
   * @throws EspError ESP_FAIL with the system's error as cause; by rejection
   */
  read(buf: Buffer, len: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.fd, buf, 0, len, position, (error, count) => {
        if (error === null) resolve(count);
        else reject(readError(error));
      });
    });
  }

  /** The same at once, holding up the loop until the bytes are there. */
  readInPlace(buf: Buffer, len: number, position: number): number {
    try {
      return readSync(this.fd, buf, 0, len, position);
    } catch (cause) {
      throw readError(cause);
    }
  }

  /** Closes it. No read may be under way. A second call does nothing. */
  close(): void {
    const { fd } = this;
    this.fd = -1;
    if (fd < 0) return;
    if (this.size > CLOSE_IN_PLACE_MAX) close(fd, () => {});
    else closeQuietly(fd);
  }
}

/**
 * Opens a regular file or a folder for reading. Never waits for the other end of a FIFO or for a device.
 *
 * @returns undefined if there is nothing of the kind at this path
 * @throws EspError ESP_FAIL with the system's error as cause if it can't be opened for another reason; by rejection
 */
export function openFile(path: string): Promise<OpenFile | undefined> {
  // names end at a NUL, so no file has one in its own
  if (path.includes('\0')) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    open(path, READ_FLAGS, (error, fd) => {
      try {
        if (error === null) resolve(examine(fd));
        else if (ABSENT.has(error.code ?? '')) resolve(undefined);
        else throw error;
      } catch (cause) {
        reject(new EspError(ESP_FAIL, `a file could not be opened: ${describeThrown(cause)}`, { cause }));
      }
    });
  });
}

/** The file of a descriptor, which is closed if that is none. */
function examine(fd: number): OpenFile | undefined {
  let stats: BigIntStats | undefined;
  try {
    stats = fstatSync(fd, BIGINT);
  } finally {
    if (stats === undefined) closeQuietly(fd);
  }
  if (stats.isFile() || stats.isDirectory()) return new OpenFile(fd, stats);
  closeQuietly(fd);
  return undefined;
}

function readError(cause: unknown): EspError {
  return new EspError(ESP_FAIL, `a file could not be read: ${describeThrown(cause)}`, { cause });
}

/** The descriptor is gone whatever close(2) says, and nothing has been written that could be lost. */
function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {}
}
