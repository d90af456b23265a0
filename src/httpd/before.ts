/**
 * Hooks that run before the handlers below a URI prefix: authentication, CORS, a captive portal.
 */
import { invalidArg } from '../err.js';
import { pathInPattern } from './plain_path.js';
import type { UriHandler } from './route.js';

/** Hooks that run in front of the others. */
const FIRST = new WeakSet<UriHandler>();

/** Makes a hook run in front of others, in whatever order they are registered. */
export function runsFirst(hook: UriHandler): UriHandler {
  FIRST.add(hook);
  return hook;
}

interface Hook {
  /** As octets, without a slash at its end; empty for all paths. */
  readonly prefix: string;
  readonly code: UriHandler;
}

export class BeforeHooks {
  /** In the order in which they run. */
  private hooks: readonly Hook[] = [];

  get size(): number {
    return this.hooks.length;
  }

  /**
   * @returns takes the hook away again
   * @throws EspError ESP_ERR_INVALID_ARG
   */
  add(prefix: string, code: UriHandler): () => void {
    checkPrefix(prefix);
    if (typeof code !== 'function') invalidArg(`the hook of '${prefix}' must be a function`);
    const hook = { prefix: octets(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix), code };
    const behind = FIRST.has(code) ? this.hooks.findIndex(other => !FIRST.has(other.code)) : -1;
    this.hooks = this.hooks.toSpliced(behind < 0 ? this.hooks.length : behind, 0, hook);
    return () => {
      this.hooks = this.hooks.filter(other => other !== hook);
    };
  }

  /** What runs before the handler of a path, in this order. */
  of(path: string): UriHandler[] {
    const way = pathsOnTheWay(path);
    const found: UriHandler[] = [];
    for (const { prefix, code } of this.hooks) {
      // a handler may look at the path in any of these ways: no spelling gets past a hook
      if (isBelow(path, prefix) || way.some(passed => isBelow(passed, prefix))) found.push(code);
    }
    return found;
  }
}

/** A hook of a prefix that no path ever has would guard nothing, without a word. */
function checkPrefix(prefix: string): void {
  if (typeof prefix !== 'string') invalidArg("the prefix must be a path: '/', or one such as '/admin'");
  const path = pathInPattern(prefix) ?? prefix;
  if (path === prefix && !path.includes('%') && normalPath(octets(path)) === octets(path)) return;
  // the same without scheme and host, decoded, and without dot segments
  const plain = normalPath(octets(path.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '')));
  const fitting = Buffer.from(plain, 'latin1').toString('utf8');
  invalidArg(`before takes a prefix: write ${fitting}, for that path and all below it, and not '${prefix}'`);
}

function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || path[prefix.length] === '/' || prefix === '';
}

/**
 * Where a path leads, read as a file system would: decoded, without dot segments and doubled slashes. Where it turns back
 * by `..`, how far it had gone before is also told: `/admin/..` has been in `/admin`. The last one is where it ends.
 */
function pathsOnTheWay(path: string): string[] {
  const found: string[] = [];
  let at = '';
  let last = '';
  for (const part of decode(path).split(/[/\\]/)) {
    if (part === '..') {
      if (last !== '..') found.push(at);
      at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
    } else if (part !== '' && part !== '.') {
      at += `/${part}`;
    }
    last = part;
  }
  const folder = at === '' || last === '' || last === '.' || last === '..';
  found.push(folder ? `${at}/` : at);
  return found;
}

/** Where a path ends. */
function normalPath(path: string): string {
  return pathsOnTheWay(path).at(-1) as string;
}

/** UTF-8 as it stands in a path that is decoded byte by byte. */
function octets(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Percent-decoded byte by byte, as Latin-1: what is wrong in it stays as it is. */
function decode(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
