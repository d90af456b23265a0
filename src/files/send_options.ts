/**
 * How a file is sent: what the caller may say, checked. Pure.
 */
import { invalidArg } from '../err.js';

/** Options of `respSendFile`. */
export interface SendFileOptions {
  /** Content-Type. Default: by the extension of the file's name. */
  type?: string;
  /** Cache-Control, such as `'public, max-age=3600'`. Default: none is sent. */
  cacheControl?: string;
  /** Asks browsers to save the file, under its own name (true) or this one. Default false. */
  download?: boolean | string;
  /**
   * Sends `path.br` or `path.gz`, made beforehand, to clients that take that coding, unless `path` was changed since.
   * Default true. They are looked for beside files whose type is worth compressing, and wherever `path` itself is not
   * there.
   */
  precompressed?: boolean;
  /** Answers range requests (RFC 9110 section 14). Default true. */
  ranges?: boolean;
}

/** The same, checked, with the defaults filled in. */
export interface SendSettings {
  readonly type: string | undefined;
  readonly cacheControl: string | undefined;
  readonly download: boolean | string;
  readonly precompressed: boolean;
  readonly ranges: boolean;
  /** Tells browsers to believe the type (`X-Content-Type-Options: nosniff`). */
  readonly nosniff: boolean;
}

const NAMES = new Set<string>([
  'type',
  'cacheControl',
  'download',
  'precompressed',
  'ranges',
] satisfies (keyof SendFileOptions)[]);

const DEFAULTS = checkSendOptions({});

/** @throws EspError ESP_ERR_INVALID_ARG */
export function sendSettings(given: SendFileOptions | undefined): SendSettings {
  return given === undefined ? DEFAULTS : checkSendOptions(given);
}

function checkSendOptions(given: SendFileOptions): SendSettings {
  if (given === null || typeof given !== 'object') {
    invalidArg('the options of respSendFile must be an object; see SendFileOptions');
  }
  for (const name of Object.keys(given)) {
    if (!NAMES.has(name)) invalidArg(`respSendFile has no option '${name}'; see SendFileOptions`);
  }
  const { type, cacheControl, download = false, precompressed = true, ranges = true } = given;
  mustBeFieldValue('type', type);
  mustBeFieldValue('cacheControl', cacheControl);
  mustBeBoolean('precompressed', precompressed);
  mustBeBoolean('ranges', ranges);
  if (typeof download !== 'boolean' && (typeof download !== 'string' || download === '')) {
    invalidArg('download must be true, false or the name of a file');
  }
  return { type, cacheControl, download, precompressed, ranges, nosniff: false };
}

/** field-value of RFC 9110 section 5.5, with something in it. */
export function mustBeFieldValue(name: string, value: unknown): void {
  if (value === undefined || (typeof value === 'string' && /^[\t\x20-\x7e\x80-\xff]+$/.test(value))) return;
  invalidArg(`${name} must be the value of a header: Latin-1 text without CR, LF or NUL`);
}

export function mustBeBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') invalidArg(`${name} must be true or false`);
}
