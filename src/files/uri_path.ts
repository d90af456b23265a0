/**
 * From the path of a URI to names of files. Pure.
 *
 * Each segment is decoded once, by itself, and what could mean anything but a name in its folder is refused.
 */
import { isUtf8 } from '../is_utf8.js';

/** What a path names below its folder. */
export interface FilePath {
  /** Names from the outside in; none for the folder itself. */
  readonly names: readonly string[];
  /** Does it end in a slash, so that it means a folder? */
  readonly isFolder: boolean;
}

/** Letters, digits and the other unreserved characters of RFC 3986 section 2.3: nothing to decode. */
const UNRESERVED = /^[\w.~-]+$/;
/** Every percent sign begins an octet of two hexadecimal digits. */
const WELL_ENCODED = /^(?:[^%]|%[0-9a-f]{2})*$/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to refuse
const FORBIDDEN = /[\x00-\x1f\x7f-\x9f/\\]/;

/**
 * Decodes the path of a URI below a folder.
 *
 * @param path what stands behind the folder's own path and its slash; bytes above 127 as Latin-1
 * @param dotFiles may names begin with a dot?
 * @returns undefined for what no file may be reached by: empty segments, dot segments, slashes and backslashes that are
 *   encoded, raw backslashes, control characters, escapes that are none, what is not UTF-8
 */
export function parseFilePath(path: string, dotFiles: boolean): FilePath | undefined {
  if (path === '') return { names: [], isFolder: true };
  const isFolder = path.endsWith('/');
  const names: string[] = [];
  for (const segment of (isFolder ? path.slice(0, -1) : path).split('/')) {
    const name = UNRESERVED.test(segment) ? segment : decode(segment);
    if (name === undefined || !isServedName(name, dotFiles)) return undefined;
    names.push(name);
  }
  return { names, isFolder };
}

/** May a file or folder of this name be reached? */
export function isServedName(name: string, dotFiles: boolean): boolean {
  if (name === '' || name === '.' || name === '..' || FORBIDDEN.test(name)) return false;
  return dotFiles || !name.startsWith('.');
}

/** @returns undefined if it is no percent-encoded UTF-8 */
function decode(segment: string): string | undefined {
  if (!WELL_ENCODED.test(segment)) return undefined;
  const octets = segment.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const bytes = Buffer.from(octets, 'latin1');
  return isUtf8(bytes) ? bytes.toString() : undefined;
}
