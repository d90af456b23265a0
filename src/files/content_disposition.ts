/**
 * Content-Disposition of RFC 6266, for files that a browser is to save. Pure.
 */

/** What may stand in a quoted string for every client: `%41` is decoded by some, quotes and backslashes are mangled by others. */
const PLAIN = /^[\x20-\x7e]*$/;
const TRICKY = /["\\%]/g;

/**
 * `attachment` with a file name: in ASCII for old clients, and as RFC 8187 writes it where that says more.
 *
 * @param name what stands before its last slash or backslash, and control characters, are left out
 */
export function attachment(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to take out
  const base = name.replace(/^.*[/\\]/s, '').replace(/[\x00-\x1f\x7f-\x9f]/g, '');
  const ascii = base.replace(/[^\x20-\x7e]/gu, '_').replace(TRICKY, '_');
  const quoted = `attachment; filename="${ascii}"`;
  return PLAIN.test(base) && ascii === base ? quoted : `${quoted}; filename*=UTF-8''${extValue(base)}`;
}

/** value-chars of RFC 8187 section 3.2.1: what is no attr-char is percent-encoded UTF-8. */
function extValue(text: string): string {
  const wellFormed = text.replace(/\p{Surrogate}/gu, '\ufffd');
  const hex = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(wellFormed).replace(/['()*]/g, hex);
}
