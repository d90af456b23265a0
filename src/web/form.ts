/**
 * Forms: the parts of a multipart/form-data body (RFC 7578), or the pairs of a urlencoded one, as they arrive.
 */
import { ESP_ERR_INVALID_ARG, ESP_ERR_NOT_SUPPORTED, EspError } from '../err.js';
import { HTTPD_400_BAD_REQUEST, withStatus } from '../httpd/http_err.js';
import type { HttpdReq } from '../httpd/req.js';
import { harmless } from '../thenable.js';
import { isBoundary, MultipartSplitter } from './form_multipart.js';
import { checkFormOptions, type FormLimits, type FormOptions } from './form_options.js';
import { parseParams } from './form_params.js';
import { type FormPart, FormReader } from './form_reader.js';
import type { Splitter } from './form_splitter.js';
import { UrlencodedSplitter } from './form_urlencoded.js';

/**
 * The parts of a form, one after the other. It is read from the socket only while a part, or content, is waited for, so
 * that a file of any size passes through a few kilobytes of memory. What is left unread of a part is dropped when the
 * next one is asked for. When the loop is left early, the rest of the body is for the server to drop.
 *
 * ```ts
 * for await (const part of formParts(req)) {
 *   if (part.filename === undefined) settings.set(part.name, await part.text());
 *   else for await (const piece of part) await firmware.write(piece);
 * }
 * ```
 *
 * If a form fails and the handler lets that through, the client gets a 400, or a 413 for a limit.
 *
 * @throws EspError ESP_ERR_INVALID_ARG at once for options that are not as described. By rejection:
 *   ESP_ERR_INVALID_ARG if the Content-Type is that of no form, or has no boundary; ESP_ERR_HTTPD_INVALID_REQ if the form
 *   is malformed or ends too soon; ESP_ERR_INVALID_SIZE beyond a limit; ESP_ERR_INVALID_STATE if two read at a time; and
 *   what `recv` rejects with
 */
export function formParts(req: HttpdReq, options: FormOptions = {}): AsyncGenerator<FormPart, void, void> {
  return eachPart(req, checkFormOptions(options));
}

/**
 * All fields of a form without files: `(await readForm(req)).get('ssid')`.
 *
 * @throws EspError as `formParts` does, all by rejection; and ESP_ERR_NOT_SUPPORTED, with a 400 for the client, if there
 *   is a file among the fields
 */
export function readForm(req: HttpdReq, options: FormOptions = {}): Promise<URLSearchParams> {
  return harmless(readFields(req, options));
}

async function readFields(req: HttpdReq, options: FormOptions): Promise<URLSearchParams> {
  const fields = new URLSearchParams();
  for await (const part of formParts(req, options)) {
    if (part.filename !== undefined) {
      const why = 'readForm is for fields, and a file has come: use formParts';
      throw withStatus(new EspError(ESP_ERR_NOT_SUPPORTED, why), HTTPD_400_BAD_REQUEST);
    }
    fields.append(part.name, await part.text());
  }
  return fields;
}

async function* eachPart(req: HttpdReq, limits: FormLimits): AsyncGenerator<FormPart, void, void> {
  const reader = new FormReader(req, splitterFor(req, limits), limits);
  try {
    for (let part = await reader.next(); part !== undefined; part = await reader.next()) yield part;
  } finally {
    reader.release();
  }
}

function splitterFor(req: HttpdReq, limits: FormLimits): Splitter {
  const field = req.getHdrValueStr('content-type');
  const type = parseParams(field);
  const boundary = type?.params.get('boundary');
  if (type?.value === 'application/x-www-form-urlencoded') return new UrlencodedSplitter(limits);
  if (type?.value === 'multipart/form-data' && isBoundary(boundary)) return new MultipartSplitter(boundary, limits);
  let why = 'the Content-Type must be application/x-www-form-urlencoded, or multipart/form-data with a boundary';
  if (type?.value === 'multipart/form-data') why = 'multipart/form-data needs a boundary (RFC 2046 section 5.1.1)';
  if (field === undefined) why = `a form has come without a Content-Type; ${why}`;
  throw withStatus(new EspError(ESP_ERR_INVALID_ARG, why), HTTPD_400_BAD_REQUEST);
}
