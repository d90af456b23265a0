/**
 * The header section of a part of multipart/form-data (RFC 7578 section 4): who it is. Pure.
 */
import { isFieldValue, isToken } from '../httpd/headers.js';
import { baseName, decodeExtValue, decodePartText, parseParams } from './form_params.js';

/** What is known of a part before its content. */
export interface PartHead {
  readonly name: string;
  /** Undefined for a field. */
  readonly filename: string | undefined;
  readonly type: string;
}

/** encoded-word of RFC 2047 section 2, with which some clients fill in a file name that is not ASCII. */
const ENCODED_WORD = /^=\?[^ ?]+\?[bq]\?[^ ?]*\?=/i;

/**
 * @param text its lines, without the last one's ending; bytes as Latin-1
 * @returns what is wrong with it, for a message, if something is
 */
export function parsePartHead(text: string): PartHead | string {
  const fields = new Map<string, string[]>();
  let values: string[] = [];
  for (const line of text === '' ? [] : text.split('\r\n')) {
    const folded = line.startsWith(' ') || line.startsWith('\t');
    const colon = folded ? -1 : line.indexOf(':');
    const name = line.slice(0, colon);
    if ((folded ? values.length === 0 : colon < 0 || !isToken(name)) || !isFieldValue(line)) {
      return 'a line of a header section is no field';
    }
    if (folded) {
      values[values.length - 1] += line;
      continue;
    }
    values = fields.get(name.toLowerCase()) ?? [];
    values.push(line.slice(colon + 1));
    fields.set(name.toLowerCase(), values);
  }
  const [disposition, second] = fields.get('content-disposition') ?? [];
  const parsed = parseParams(disposition?.trim());
  const name = parsed?.params.get('name');
  if (second !== undefined || parsed?.value !== 'form-data' || name === undefined) {
    return 'a part has no proper Content-Disposition: form-data with a name';
  }
  const [type] = fields.get('content-type') ?? [];
  return { name: decodePartText(name), filename: fileNameOf(parsed.params), type: mediaType(type) };
}

/**
 * `filename*` is not for forms (RFC 7578 section 4.2), but some clients send it alone, or beside a `filename` that is
 * encoded in a way that browsers do not know.
 */
function fileNameOf(params: ReadonlyMap<string, string>): string | undefined {
  const plain = params.get('filename');
  const extended = params.get('filename*');
  const better = plain === undefined || ENCODED_WORD.test(plain) ? decodeExtValue(extended ?? '') : undefined;
  if (better !== undefined) return baseName(better);
  if (plain !== undefined) return baseName(decodePartText(plain));
  return extended === undefined ? undefined : '';
}

/** A part's Content-Type (RFC 7578 section 4.4). What is none stands for bytes of an unknown kind. */
function mediaType(field: string | undefined): string {
  if (field === undefined) return 'text/plain';
  const type = parseParams(field.trim())?.value;
  return type?.includes('/') ? type : 'application/octet-stream';
}
