import { EspError } from '../../src/err.js';
import { statusOf } from '../../src/httpd/http_err.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { formParts } from '../../src/web/form.js';
import type { FormOptions } from '../../src/web/form_options.js';

export const BOUNDARY = '----WebKitFormBoundary7MA4YWxkTrZu0gW';
export const MULTIPART = `multipart/form-data; boundary=${BOUNDARY}`;
export const URLENCODED = 'application/x-www-form-urlencoded';

/** A part as a test writes it; `head` replaces the header section. */
export interface PartSpec {
  readonly name?: string;
  readonly filename?: string;
  readonly type?: string;
  readonly head?: string;
  readonly content?: string | Buffer;
}

/** The body of a form with these parts. */
export function multipart(...parts: readonly PartSpec[]): Buffer {
  const pieces = parts.map(part =>
    Buffer.concat([Buffer.from(`--${BOUNDARY}\r\n${headOf(part)}\r\n`), Buffer.from(part.content ?? ''), CRLF]),
  );
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

const CRLF = Buffer.from('\r\n');

function headOf({ name = 'a', filename, type, head }: PartSpec): string {
  if (head !== undefined) return head;
  const file = filename === undefined ? '' : `; filename="${filename}"`;
  const line = type === undefined ? '' : `Content-Type: ${type}\r\n`;
  return `Content-Disposition: form-data; name="${name}"${file}\r\n${line}`;
}

/** A request without a connection: what a form needs of one. */
export interface FakeReq {
  readonly req: HttpdReq;
  /** How many of the chunks have been taken. */
  taken: number;
}

/** @param chunks what the socket brings; an Error among them is what `recv` rejects with */
export function fakeReq(type: string | undefined, chunks: readonly (Uint8Array | string | Error)[]): FakeReq {
  const fake: FakeReq = {
    req: {
      getHdrValueStr: (name: string) => (name === 'content-type' ? type : undefined),
      async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
        for (const chunk of chunks) {
          fake.taken += 1;
          if (chunk instanceof Error) throw chunk;
          yield Buffer.from(chunk);
        }
      },
    } as unknown as HttpdReq,
    taken: 0,
  };
  return fake;
}

/** What a form has given. */
export interface Seen {
  /** Name, file name, type and content of each part, joined. */
  readonly parts: readonly string[];
  /** Name of the error, and what the client would get; or nothing. */
  readonly outcome: string;
}

/** Reads a whole form. */
export async function readAll(
  type: string | undefined,
  chunks: readonly (Uint8Array | string | Error)[],
  options?: FormOptions,
): Promise<Seen> {
  const { req } = fakeReq(type, chunks);
  const parts: string[] = [];
  try {
    for await (const part of formParts(req, options)) {
      const content = await part.bytes();
      parts.push([part.name, part.filename ?? '-', part.type, content.toString('latin1')].join('|'));
    }
    return { parts, outcome: 'ok' };
  } catch (error) {
    if (!(error instanceof EspError)) throw error;
    return { parts, outcome: [error.name, statusOf(error)].join(' ').trimEnd() };
  }
}
