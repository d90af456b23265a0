/**
 * Content types by file name.
 */
import { extname } from 'node:path';
import mime from 'mime';

const UNKNOWN = 'application/octet-stream';

/**
 * The Content-Type of a file, by the extension of its name. Text is said to be UTF-8.
 *
 * @returns `application/octet-stream` for an extension that is not known
 */
export function contentType(path: string): string {
  const extension = extname(path);
  const type = extension === '' ? UNKNOWN : (mime.getType(extension) ?? UNKNOWN);
  return type.startsWith('text/') ? `${type}; charset=utf-8` : type;
}

/** Text, and what is made like text; images, sound and archives are compressed as they are. */
const COMPRESSIBLE =
  /^(?:text\/|application\/(?:json|javascript|ecmascript|xml|wasm|rtf|sql|toml|yaml|x-sh|vnd\.ms-fontobject)\b|font\/(?:ttf|otf|collection)\b|image\/(?:bmp|x-icon|vnd\.microsoft\.icon)\b|[^;]*\+(?:json|xml|text|yaml)\b)/i;

/** Is a file of this type likely to lie compressed beside itself? */
export function isCompressible(type: string): boolean {
  return COMPRESSIBLE.test(type);
}
