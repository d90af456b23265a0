/**
 * Names of files: which ones may be served, created and deleted, and how a URI says them.
 */
import { isUtf8 } from 'node:buffer';

/** The longest name, in bytes: NAME_MAX of Linux and macOS. */
export const NAME_MAX = 255;

/** What no name may have: what stands for another folder or device on some system, what is invisible, what is no text. */
const FORBIDDEN = /[/\\:*?"<>|\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufffd]/u;
/** Dot files are the server's own; a dot or a space at the end is dropped by some systems, so that names would be two ways. */
const BAD_ENDS = /^[.\s]|[.\s]$/u;
/** Devices of Windows, in any folder and with any extension. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/** May a file be called so? */
export function isFileName(name: string): boolean {
  if (name === '' || Buffer.byteLength(name) > NAME_MAX) return false;
  return !FORBIDDEN.test(name) && !BAD_ENDS.test(name) && !DEVICE.test(name);
}

/**
 * The name in a part of a URI, decoded once; whether it may be used is for `isFileName` to say.
 *
 * @param part percent-encoded, bytes above 127 as Latin-1
 * @returns undefined if it is no UTF-8, or not encoded as RFC 3986 section 2.1 has it
 */
export function decodeName(part: string): string | undefined {
  const bytes = Buffer.from(part, 'latin1');
  if (!isUtf8(bytes)) return undefined;
  try {
    return decodeURIComponent(bytes.toString());
  } catch {
    return undefined;
  }
}
