/**
 * Hooks that run before the handlers below a URI prefix: authentication, CORS, a captive portal.
 */
import { invalidArg } from '../err.js';
import type { UriHandler } from './route.js';

interface Hook {
  /** As octets, without a slash at its end; empty for all paths. */
  readonly prefix: string;
  readonly code: UriHandler;
}

export class BeforeHooks {
  private hooks: readonly Hook[] = [];

  get size(): number {
    return this.hooks.length;
  }

  /**
   * @returns takes the hook away again
   * @throws EspError ESP_ERR_INVALID_ARG
   */
  add(prefix: string, code: UriHandler): () => void {
    if (typeof prefix !== 'string' || /[%?#]/.test(prefix) || normalPath(octets(prefix)) !== octets(prefix)) {
      invalidArg("the prefix must be a path such as '/' or '/admin', without dot segments, '//', '%', '?' and '#'");
    }
    if (typeof code !== 'function') invalidArg(`the hook of '${prefix}' must be a function`);
    const hook = { prefix: octets(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix), code };
    this.hooks = [...this.hooks, hook];
    return () => {
      this.hooks = this.hooks.filter(other => other !== hook);
    };
  }

  /** What runs before the handler of a path, in the order of registration. */
  of(path: string): UriHandler[] {
    const normal = normalPath(path);
    const found: UriHandler[] = [];
    for (const { prefix, code } of this.hooks) {
      // a handler may look at the path either way: no spelling gets past a hook
      if (isBelow(path, prefix) || isBelow(normal, prefix)) found.push(code);
    }
    return found;
  }
}

function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || path[prefix.length] === '/' || prefix === '';
}

/** A path as a file system would read it: decoded, without dot segments and doubled slashes. */
function normalPath(path: string): string {
  const segments: string[] = [];
  const parts = decode(path).split(/[/\\]/);
  for (const part of parts) {
    if (part === '..') segments.pop();
    else if (part !== '' && part !== '.') segments.push(part);
  }
  const last = parts[parts.length - 1];
  const folder = segments.length > 0 && (last === '' || last === '.' || last === '..');
  return `/${segments.join('/')}${folder ? '/' : ''}`;
}

/** UTF-8 as it stands in a path that is decoded byte by byte. */
function octets(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Percent-decoded byte by byte, as Latin-1: what is wrong in it stays as it is. */
function decode(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
