/**
 * Range requests of RFC 9110 section 14: what is asked for, and the framing of several ranges in one answer. Pure.
 */

/** Bytes `first` to `last` of a file, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** So many ranges a request may ask for. */
const MAX_RANGES = 16;

/** range-set of `bytes`; the unit's case does not count. */
const BYTES = /^bytes=(.*)$/i;
/** int-range or suffix-range, in the white space that a list has around its elements. */
const SPEC = /^[ \t]*(\d*)-(\d*)[ \t]*$/;

/**
 * The ranges that a Range field asks for.
 *
 * @param length bytes of the file
 * @returns in the order of the request, those of which there are bytes. None: the answer is 416. undefined: the field
 *   is to be ignored, as section 14.2 allows, since it is invalid, of another unit, or asks for more than the whole file
 *   has: many or overlapping ranges would make a large answer of a small request.
 */
export function parseRange(field: string, length: number): readonly ByteRange[] | undefined {
  const set = BYTES.exec(field)?.[1];
  if (set === undefined) return undefined;
  const specs = set.split(',').filter(spec => /[^ \t]/.test(spec));
  if (specs.length === 0 || specs.length > MAX_RANGES) return undefined;
  const ranges: ByteRange[] = [];
  let total = 0;
  for (const spec of specs) {
    const range = resolve(spec, length);
    if (range === undefined) return undefined;
    if (range.first >= length) continue;
    ranges.push(range);
    total += range.last - range.first + 1;
  }
  return total > length ? undefined : ranges;
}

/** @returns a range that begins behind the end if it has no bytes; undefined if it is invalid */
function resolve(spec: string, length: number): ByteRange | undefined {
  const [, from = '', to = ''] = SPEC.exec(spec) ?? [];
  if (from === '') {
    if (to === '') return undefined;
    const suffix = Number(to);
    // the last bytes of an empty file are asked for rightly, and no Content-Range can say so
    if (length === 0 && suffix > 0) return undefined;
    return { first: Math.max(0, length - suffix), last: length - 1 };
  }
  const first = Number(from);
  if (to !== '' && Number(to) < first) return undefined;
  return { first, last: to === '' ? length - 1 : Math.min(Number(to), length - 1) };
}

/** Content-Range of a part (section 14.4). */
export function contentRange({ first, last }: ByteRange, length: number): string {
  return `bytes ${first}-${last}/${length}`;
}

/** Content-Range of a 416. */
export function unsatisfiedRange(length: number): string {
  return `bytes */${length}`;
}

/** An answer of several ranges, as Latin-1 text around the bytes of the file (section 14.6). */
export interface Multipart {
  /** Its Content-Type. */
  readonly type: string;
  /** What stands before each range. */
  readonly heads: readonly string[];
  /** What stands behind the last one. */
  readonly tail: string;
  /** Bytes in all. */
  readonly contentLen: number;
}

/**
 * Frames several ranges as `multipart/byteranges`.
 *
 * @param type Content-Type of the file
 * @param length bytes of the file
 * @param boundary must not be found in the file
 */
export function multipart(ranges: readonly ByteRange[], type: string, length: number, boundary: string): Multipart {
  const heads = ranges.map(
    (range, i) =>
      `${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${type}\r\nContent-Range: ${contentRange(range, length)}\r\n\r\n`,
  );
  const tail = `\r\n--${boundary}--\r\n`;
  const framing = heads.reduce((sum, head) => sum + head.length, tail.length);
  const content = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
  return { type: `multipart/byteranges; boundary=${boundary}`, heads, tail, contentLen: framing + content };
}
