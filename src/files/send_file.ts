/**
 * A file as the answer to a request: the variant that suits the client, conditions, ranges, and the body.
 */
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { ESP_ERR_NOT_FOUND, EspError, invalidArg } from '../err.js';
import { acceptedCodings, type ContentCoding, NO_CODINGS } from './accept_encoding.js';
import { type ByteRange, contentRange, multipart, parseRange, unsatisfiedRange } from './byte_ranges.js';
import { evaluateConditions, type FieldLookup, ifRangeHolds, type Validators } from './conditions.js';
import { attachment } from './content_disposition.js';
import { contentType, isCompressible } from './content_type.js';
import { httpDate } from './http_date.js';
import { type OpenFile, openFile } from './open_file.js';
import { type BodySink, sendParts, sendSlice } from './send_body.js';
import { type SendFileOptions, type SendSettings, sendSettings } from './send_options.js';

/** A request that is answered with a file; `HttpdReq` is one. */
export interface FileResponder extends BodySink {
  /** `HTTP_GET`, `HTTP_HEAD`, or another method, to which neither conditions nor ranges apply. */
  readonly method: number;
  /** The value of a request's field whose lines are one list (RFC 9110 section 5.3); the name in lower case. */
  headerList(name: string): string | undefined;
  respSetStatus(status: string): void;
  respSetType(type: string): void;
  respAddHdr(name: string, value: string): void;
}

/** Opens a file or a folder; undefined if there is none. */
export type OpenFn = (path: string) => Promise<OpenFile | undefined>;

/** What is going to be sent. Whoever has it sends it, or closes its file. */
export interface Chosen {
  readonly file: OpenFile;
  /** Content-Type of the file, whatever its coding. */
  readonly type: string;
  /** The coding that it lies in; undefined if it is the file itself. */
  readonly coding: ContentCoding | undefined;
  /** Could Accept-Encoding have led to another choice? */
  readonly varies: boolean;
}

// llhttp's numbers, which `httpd/methods.ts` has too
const HTTP_GET = 1;
const HTTP_HEAD = 2;

const EXTENSIONS: Readonly<Record<ContentCoding, string>> = { br: '.br', gzip: '.gz' };

/**
 * Answers a request with a file.
 *
 * Small files leave in one send with their head; larger ones are read as fast as the client takes them, through a few
 * buffers that all requests share. A client that has the file already gets 304; one that asks for a part of it gets 206
 * or 416.
 *
 * @param path of a regular file, or of one behind symbolic links; relative to the working directory. It must not be
 *   made from a request without checks: `staticUriHandler` has them
 * @returns resolves when the bytes are handed over
 * @throws EspError, always by rejection: ESP_ERR_INVALID_ARG for a wrong argument or option; ESP_ERR_NOT_FOUND if there
 *   is no regular file at this path; ESP_FAIL with the system's error as cause if it can't be opened or read, and
 *   without one if the file became shorter while it was sent, which ends the connection; and what sending throws
 */
export async function sendFile(req: FileResponder, path: string, options?: SendFileOptions): Promise<void> {
  if (typeof path !== 'string' || path === '') invalidArg('respSendFile needs the path of a file');
  const settings = sendSettings(options);
  const chosen = await chooseFile(req, path, settings, openFile);
  if (chosen !== undefined && !chosen.file.isFolder) return sendChosen(req, chosen, path, settings);
  chosen?.file.close();
  throw new EspError(ESP_ERR_NOT_FOUND, `there is no file '${path}'`);
}

const ANY_TIME = Number.NEGATIVE_INFINITY;

/**
 * Opens the variant of a file that suits the client best: compressed beforehand, or the file itself, or the folder that
 * is there instead. A variant that was made before the file was changed last is none.
 */
export async function chooseFile(
  req: FileResponder,
  path: string,
  settings: SendSettings,
  open: OpenFn,
): Promise<Chosen | undefined> {
  const type = settings.type ?? contentType(path);
  const { preferred, tolerated } = settings.precompressed
    ? acceptedCodings(req.headerList('accept-encoding'))
    : NO_CODINGS;
  const varies = settings.precompressed && isCompressible(type);
  const file = await open(path);
  if (file === undefined) {
    // devices keep the compressed file only
    const variant = await openVariant(path, [...preferred, ...tolerated], open, ANY_TIME);
    return variant && { ...variant, type, varies: true };
  }
  if (!varies) return { file, type, coding: undefined, varies };
  let variant: Variant | undefined;
  try {
    variant = await openVariant(path, preferred, open, file.isFolder ? ANY_TIME : file.modified);
  } catch (error) {
    file.close();
    throw error;
  }
  if (variant === undefined) return { file, type, coding: undefined, varies };
  file.close();
  return { ...variant, type, varies };
}

type Variant = Pick<Chosen, 'file' | 'coding'>;

/** @param since in seconds since 1970, which is what compressors keep of the time of a file: what is older is none */
async function openVariant(
  path: string,
  codings: readonly ContentCoding[],
  open: OpenFn,
  since: number,
): Promise<Variant | undefined> {
  for (const coding of codings) {
    const file = await open(path + EXTENSIONS[coding]);
    if (file !== undefined && !file.isFolder && file.modified >= since) return { file, coding };
    file?.close();
  }
  return undefined;
}

/**
 * Sends what was chosen, as far as conditions and ranges let it, and closes it.
 *
 * @param path whose last name is suggested to who saves the file
 */
export async function sendChosen(
  req: FileResponder,
  chosen: Chosen,
  path: string,
  settings: SendSettings,
): Promise<void> {
  try {
    const now = Math.floor(Date.now() / 1000);
    const validators = validatorsOf(chosen, now);
    const field: FieldLookup = name => req.headerList(name);
    const isGet = req.method === HTTP_GET;
    if (isGet || req.method === HTTP_HEAD) {
      const verdict = evaluateConditions(field, validators, now);
      if (verdict === 'precondition failed') return await sendNothing(req, '412 Precondition Failed');
      if (verdict === 'not modified') {
        setCacheHeaders(req, chosen, validators, settings);
        return await sendNothing(req, '304 Not Modified');
      }
    }
    const range = isGet && settings.ranges ? field('range') : undefined;
    const wanted = range !== undefined && ifRangeHolds(field('if-range'), validators, now);
    const ranges = wanted ? parseRange(range, chosen.file.size) : undefined;
    if (ranges?.length === 0) {
      req.respAddHdr('Content-Range', unsatisfiedRange(chosen.file.size));
      return await sendNothing(req, '416 Range Not Satisfiable');
    }
    setCacheHeaders(req, chosen, validators, settings);
    setContentHeaders(req, chosen, path, settings);
    await (ranges === undefined ? sendWhole(req, chosen) : sendRanges(req, chosen, ranges));
  } finally {
    chosen.file.close();
  }
}

/**
 * A file from the future was last modified now (RFC 9110 section 8.8.2.1). Time and length of a variant may be those of
 * another, so that its coding is a part of its entity-tag.
 */
function validatorsOf({ file, coding }: Chosen, now: number): Validators {
  const etag = coding === undefined ? file.etag : `${file.etag.slice(0, -1)}-${coding}"`;
  return { etag, lastModified: Math.min(Math.max(0, file.modified), now) };
}

/** What a 304 has too (section 15.4.5). */
function setCacheHeaders(req: FileResponder, chosen: Chosen, validators: Validators, settings: SendSettings): void {
  if (settings.cacheControl !== undefined) req.respAddHdr('Cache-Control', settings.cacheControl);
  if (chosen.varies) req.respAddHdr('Vary', 'Accept-Encoding');
  req.respAddHdr('ETag', validators.etag);
  req.respAddHdr('Last-Modified', httpDate(validators.lastModified));
}

function setContentHeaders(req: FileResponder, chosen: Chosen, path: string, settings: SendSettings): void {
  const { download, ranges } = settings;
  req.respSetType(chosen.type);
  req.respAddHdr('Accept-Ranges', ranges ? 'bytes' : 'none');
  if (settings.nosniff) req.respAddHdr('X-Content-Type-Options', 'nosniff');
  if (chosen.coding !== undefined) req.respAddHdr('Content-Encoding', chosen.coding);
  if (download !== false)
    req.respAddHdr('Content-Disposition', attachment(download === true ? basename(path) : download));
}

function sendNothing(req: FileResponder, status: string): Promise<void> {
  req.respSetStatus(status);
  return req.respSend();
}

async function sendWhole(req: FileResponder, { file }: Chosen): Promise<void> {
  if (req.method === HTTP_HEAD) req.respSendHead(file.size);
  else await sendSlice(req, file, 0, file.size);
}

/** @param ranges one or more */
async function sendRanges(req: FileResponder, { file, type }: Chosen, ranges: readonly ByteRange[]): Promise<void> {
  req.respSetStatus('206 Partial Content');
  const [{ first, last }, second] = ranges as [ByteRange, ByteRange?];
  if (second === undefined) {
    req.respAddHdr('Content-Range', contentRange({ first, last }, file.size));
    return sendSlice(req, file, first, last - first + 1);
  }
  const { type: multipartType, heads, tail, contentLen } = multipart(ranges, type, file.size, randomBoundary());
  req.respSetType(multipartType);
  req.respSendHead(contentLen);
  for (const [i, range] of ranges.entries()) {
    await req.respSendPart(Buffer.from(heads[i] as string, 'latin1'));
    await sendParts(req, file, range.first, range.last - range.first + 1);
  }
  await req.respSendPart(Buffer.from(tail, 'latin1'));
}

/** No file has it in itself but by a chance of one in 2^128. */
function randomBoundary(): string {
  return randomBytes(16).toString('hex');
}
