/**
 * The file of a Unix socket (unix(7)). Its path is only a name: another process may have put its own file there.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';

/** Which file is there; undefined if there is none. */
function idOf(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return stat && `${stat.dev}:${stat.ino}`;
}

/** Gives a file another name beside its own. @returns the name; undefined if it is not, or no more, this file */
function putAside(path: string, id: string): string | undefined {
  const aside = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    if (idOf(path) !== id) return undefined;
    renameSync(path, aside);
  } catch {
    return undefined;
  }
  if (idOf(aside) === id) return aside;
  putBack(aside, path);
  return undefined;
}

function putBack(aside: string, path: string): void {
  if (existsSync(path)) unlinkSync(aside);
  else renameSync(aside, path);
}

/** One that a listener has made. */
export class UnixFile {
  private readonly id: string | undefined;

  constructor(private readonly path: string) {
    this.id = idOf(path);
  }

  /** Calls `close`, which removes what has the name, so that what is not ours stays. */
  keepOthers(close: () => void): void {
    const there = idOf(this.path);
    const aside = there === undefined || there === this.id ? undefined : putAside(this.path, there);
    close();
    if (aside !== undefined) putBack(aside, this.path);
  }
}

/**
 * Calls `bindAgain` in the place of a socket that nobody serves any more, since its process was killed.
 *
 * Of several who do that at a time one is told that the file is another's already, here or by bind(2).
 *
 * @returns false if somebody serves it, or it is no socket
 */
export async function replaceStale(path: string, bindAgain: () => Promise<void>): Promise<boolean> {
  const id = idOf(path);
  if (id === undefined || !lstatSync(path).isSocket() || (await isServed(path))) return false;
  const aside = putAside(path, id);
  if (aside === undefined) return false;
  try {
    await bindAgain();
  } finally {
    // only now: until then no other file can have its number
    unlinkSync(aside);
  }
  return true;
}

/** Does anybody accept connections on this Unix socket? If it can't be told, somebody may. */
function isServed(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect({ path });
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}

/** What the system's error does not say of a path that can't be bound. */
export function explained(error: unknown, path: string): unknown {
  const folder = dirname(path);
  const say = (message: string, code: string) => Object.assign(new Error(message, { cause: error }), { code });
  if (!existsSync(folder)) return say(`the folder '${folder}' does not exist`, 'ENOENT');
  const there = lstatSync(path, { throwIfNoEntry: false });
  return there === undefined || there.isSocket() ? error : say('what is there is no Unix socket', 'EADDRINUSE');
}
