/**
 * Values with parameters, as Content-Type and Content-Disposition have them. Pure.
 */

/** A value such as `form-data; name="a"`, taken apart. */
export interface Parameterized {
  /** What stands in front of the parameters, in lower case. */
  readonly value: string;
  /** By name in lower case. */
  readonly params: ReadonlyMap<string, string>;
}

/** token of RFC 9110 section 5.6.2. */
const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const VALUE = new RegExp(`${TOKEN}(?:/${TOKEN})?`, 'y');
/** parameters of RFC 9110 section 5.6.6: white space around the semicolon only, and a semicolon too many is allowed. */
const PARAM = new RegExp(`[ \\t]*;[ \\t]*(?:(${TOKEN})=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)"))?`, 'y');

/**
 * Takes a value apart, strictly: what does not follow the grammar to its end, or names a parameter twice, is nothing.
 *
 * In quoted strings `\"` and `\\` stand for the second character; before any other a backslash stands for itself, since
 * browsers send `\` as it is.
 *
 * @param text without white space in front and behind; undefined is nothing
 */
export function parseParams(text: string | undefined): Parameterized | undefined {
  VALUE.lastIndex = 0;
  const value = VALUE.exec(text ?? '')?.[0];
  if (text === undefined || value === undefined) return undefined;
  const params = new Map<string, string>();
  for (PARAM.lastIndex = value.length; PARAM.lastIndex < text.length; ) {
    const match = PARAM.exec(text);
    if (match === null) return undefined;
    const [, name, token, quoted] = match;
    if (name === undefined) continue;
    const key = name.toLowerCase();
    if (params.has(key)) return undefined;
    params.set(key, token ?? (quoted ?? '').replace(/\\(["\\])/g, '$1'));
  }
  return { value: value.toLowerCase(), params };
}

/** What browsers put in place of the characters that would end a quoted string (Fetch and HTML standards). */
const ESCAPES = new Map([
  ['%0A', '\n'],
  ['%0D', '\r'],
  ['%22', '"'],
]);

/** The text that a name or file name of a part stands for: UTF-8 in Latin-1 characters (RFC 7578 section 5.1). */
export function decodePartText(text: string): string {
  const utf8 = Buffer.from(text, 'latin1').toString('utf8');
  return utf8.replace(/%(?:0[AD]|22)/gi, code => ESCAPES.get(code.toUpperCase()) ?? code);
}

/** ext-value of RFC 8187 section 3.2, in UTF-8: how some clients send a `filename*`. @returns undefined for any other */
export function decodeExtValue(text: string): string | undefined {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(text)?.[1];
  if (encoded === undefined) return undefined;
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

/** The last component of a path of any system, without control characters; empty for `.` and `..`. */
export function baseName(path: string): string {
  const last = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to take out
  const name = last.replace(/[\x00-\x1f\x7f]/g, '');
  return name === '.' || name === '..' ? '' : name;
}
