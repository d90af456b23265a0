/**
 * A peer's text for the log of an example: one line, nothing that a terminal would obey, not more than is worth reading.
 */

/** The log shows so many characters of a text. */
const LOG_MAX = 256;

export function logText(text: string): string {
  const chars = [...text.slice(0, 2 * LOG_MAX)].slice(0, LOG_MAX).join('');
  const safe = chars.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, char => `\\u{${char.codePointAt(0)?.toString(16)}}`);
  return chars.length < text.length ? `${safe}… (${text.length} characters)` : safe;
}
