/**
 * Forms read in the simplest way there is: from the whole body, which is cut at its delimiters (RFC 2046 section 5.1.1, the
 * URL standard section 5.1). Only the header section of a part is left to the library, which reads it whole too.
 */
import { HTTPD_400_BAD_REQUEST, HTTPD_413_CONTENT_TOO_LARGE } from '../../src/httpd/http_err.js';
import type { FormLimits } from '../../src/web/form_options.js';
import { parsePartHead } from '../../src/web/form_part_head.js';

/** What comes of a part. */
export interface PartSeen {
  readonly name: string;
  readonly filename: string | undefined;
  readonly type: string;
  /** As Latin-1; undefined if not all of it has come, or it was not read. */
  readonly content: string | undefined;
}

/** What comes of a form. */
export interface FormSeen {
  readonly parts: readonly PartSeen[];
  /** Name of the error and status, or 'ok'. */
  readonly outcome: string;
}

const MALFORMED = `ESP_ERR_HTTPD_INVALID_REQ ${HTTPD_400_BAD_REQUEST}`;
const TOO_LARGE = `ESP_ERR_INVALID_SIZE ${HTTPD_413_CONTENT_TOO_LARGE}`;
const HEAD_END = '\r\n\r\n';

export function readMultipart(body: Buffer, boundary: string, limits: FormLimits): FormSeen {
  const delimiter = `\r\n--${boundary}`;
  const parts: PartSeen[] = [];
  const ends = (outcome: string): FormSeen => ({ parts, outcome });
  let rest = `\r\n${body.toString('latin1')}`;
  for (let count = 1; ; count++) {
    const at = rest.indexOf(delimiter);
    if (at < 0) return ends(MALFORMED);
    rest = rest.slice(at + delimiter.length);
    if (rest.startsWith('--')) return ends('ok');
    const padding = /^[\t ]*/.exec(rest)?.[0].length ?? 0;
    if (!rest.startsWith('\r\n', padding)) return ends(MALFORMED);
    rest = rest.slice(padding);
    if (count > limits.maxParts) return ends(TOO_LARGE);

    const headEnd = rest.indexOf(HEAD_END);
    const next = rest.indexOf(delimiter);
    // its own line endings count, those in front of it and behind it do not
    const most = limits.maxHeaderLen + 4;
    if (next >= 0 && next + delimiter.length <= most && (headEnd < 0 || next < headEnd)) return ends(MALFORMED);
    if (headEnd > limits.maxHeaderLen || (headEnd < 0 && rest.length >= most)) return ends(TOO_LARGE);
    if (headEnd < 0) return ends(MALFORMED);
    const head = parsePartHead(rest.slice(2, headEnd));
    if (typeof head === 'string') return ends(MALFORMED);
    if (Buffer.byteLength(head.name) > limits.maxFieldNameLen) return ends(TOO_LARGE);

    const longest = head.filename === undefined ? limits.maxFieldLen : limits.maxFileLen;
    // the line ending that ends the header section may be the delimiter's too
    rest = rest.slice(headEnd + 2);
    const end = rest.indexOf(delimiter);
    const content = rest.slice(2, end < 0 ? rest.length - startOf(delimiter, rest) : end);
    if (content.length > longest || end < 0) {
      parts.push({ ...head, content: undefined });
      return ends(content.length > longest ? TOO_LARGE : MALFORMED);
    }
    parts.push({ ...head, content });
  }
}

/** How many of the last characters may be the beginning of a delimiter. */
function startOf(delimiter: string, text: string): number {
  for (let n = delimiter.length - 1; n > 0; n--) if (text.endsWith(delimiter.slice(0, n))) return n;
  return 0;
}

export function readPairs(body: Buffer, limits: FormLimits): FormSeen {
  const parts: PartSeen[] = [];
  for (const raw of body.toString('latin1').split('&')) {
    // no pair within the limits is longer
    if (raw.length > 3 * (limits.maxFieldNameLen + limits.maxFieldLen) + 1) return { parts, outcome: TOO_LARGE };
    const text = Buffer.from(raw, 'latin1').toString('utf8');
    const [pair] = new URLSearchParams(`&${text}`);
    if (raw === '' || pair === undefined) continue;
    const [name, value] = [pair[0], Buffer.from(pair[1])];
    const tooLong = Buffer.byteLength(name) > limits.maxFieldNameLen || value.length > limits.maxFieldLen;
    if (parts.length === limits.maxParts || tooLong) return { parts, outcome: TOO_LARGE };
    parts.push({ name, filename: undefined, type: 'text/plain', content: value.toString('latin1') });
  }
  return { parts, outcome: 'ok' };
}
