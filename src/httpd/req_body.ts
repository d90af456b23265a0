/**
 * A request's body read to its end: as text, as JSON, or in pieces.
 */
import { ESP_ERR_INVALID_ARG, EspError } from '../err.js';
import { HTTPD_400_BAD_REQUEST, withStatus } from './http_err.js';
import type { HttpdReq } from './req.js';

const CHUNK = 16 * 1024;
const BOM = '\ufeff';

export async function readText(req: HttpdReq): Promise<string> {
  // what is announced is not allocated before it comes
  let buf = Buffer.allocUnsafeSlow(Math.min(req.contentLen || CHUNK, CHUNK));
  let len = 0;
  for (;;) {
    if (len === buf.length) buf = Buffer.concat([buf, Buffer.allocUnsafeSlow(len)]);
    const n = await req.recv(buf.subarray(len));
    if (n === 0) return buf.toString('utf8', 0, len);
    len += n;
  }
}

export async function readJson(req: HttpdReq): Promise<unknown> {
  const text = await readText(req);
  try {
    // which senders must not add, and receivers may ignore (RFC 8259 section 8.1)
    return JSON.parse(text.startsWith(BOM) ? text.slice(1) : text);
  } catch (cause) {
    throw withStatus(new EspError(ESP_ERR_INVALID_ARG, 'the body is not JSON', { cause }), HTTPD_400_BAD_REQUEST);
  }
}

export async function* pieces(req: HttpdReq): AsyncGenerator<Buffer, void, void> {
  let buf = Buffer.allocUnsafeSlow(CHUNK);
  for (;;) {
    const n = await req.recv(buf);
    if (n === 0) return;
    if (n * 2 < CHUNK) {
      // a small piece must not keep all of the buffer in memory
      yield Buffer.from(buf.subarray(0, n));
    } else {
      yield buf.subarray(0, n);
      buf = Buffer.allocUnsafeSlow(CHUNK);
    }
  }
}
