/**
 * Paths as applications write them down, told from patterns. Pure.
 */

/**
 * Where a pattern begins: at a wildcard, a parameter, a group, at a query or a fragment; and control characters, which no
 * path is meant to have.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are looked for
const PATTERN = /[*?#{}\x00-\x1f\x7f]|(?<=\/):|\((?=[^/]*[*+?|\\])/;

/**
 * The path that stands in front of what makes a pattern of a text: `/admin` of `/admin/*` and of `/admin/:id`.
 *
 * @returns undefined if the text is no pattern
 */
export function pathInPattern(text: string): string | undefined {
  const at = text.search(PATTERN);
  return at < 0 ? undefined : text.slice(0, at).replace(/\/+$/, '') || '/';
}
