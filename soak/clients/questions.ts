/** Requests, and what their answers must be. */
import type { RawClient, RawResponse } from '../../test/support/raw_client.js';
import { check, type Me } from './world.js';

/** A request to send, and what its answer must be. */
export interface Question {
  readonly id: string;
  readonly kind: string;
  readonly bytes: Buffer;
  readonly toHead: boolean;
  check(answer: RawResponse): boolean;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: readonly string[];
  /** Sent with Content-Length, or in chunks if `chunked`. */
  readonly body?: Buffer;
  readonly chunked?: boolean;
  readonly expect: (answer: RawResponse, id: string) => boolean;
}

export function question(me: Me, kind: string, path: string, ask: Ask): Question {
  const { method = 'GET', headers = [], body, chunked = false } = ask;
  const id = me.world.id(kind);
  const lines = [`${method} ${path}${path.includes('?') ? '&' : '?'}id=${id} HTTP/1.1`, 'Host: localhost', ...headers];
  if (body !== undefined) lines.push(chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`);
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const content = body === undefined ? [] : chunked ? inChunks(me, body) : [body];
  const bytes = Buffer.concat([head, ...content]);
  return { id, kind, bytes, toHead: method === 'HEAD', check: answer => ask.expect(answer, id) };
}

function inChunks(me: Me, body: Buffer): Buffer[] {
  const chunks = me.cut(body, 6).map(piece => Buffer.concat([hexLine(piece.length), piece, Buffer.from('\r\n')]));
  return [...chunks, Buffer.from('0\r\nX-Trailer: yes\r\n\r\n')];
}

function hexLine(n: number): Buffer {
  return Buffer.from(`${n.toString(16)}\r\n`);
}

/** The next answer must be that to this question. */
export async function answered(me: Me, client: RawClient, asked: Question): Promise<RawResponse> {
  const answer = await client.readResponse({ toHead: asked.toHead });
  const { status, headers, text } = answer;
  const right = asked.check(answer);
  check(
    right,
    `${asked.id} was answered with ${status} ${JSON.stringify(headers)} ${JSON.stringify(text.slice(0, 200))}`,
  );
  me.world.got(asked.kind);
  return answer;
}

/** Says goodbye: nothing more must come. */
export async function bye(client: RawClient): Promise<void> {
  client.end();
  const rest = await client.readAll();
  check(rest.length === 0, `behind the last answer came ${JSON.stringify(rest.toString('latin1', 0, 200))}`);
  check((await client.closed()) === 'fin', 'the connection was reset behind the last answer');
}

export const fine = (answer: RawResponse, id: string): boolean =>
  answer.status === 200 && answer.headers['x-id'] === id;
export const get = (answer: RawResponse, id: string): boolean => fine(answer, id) && answer.text === `get ${id}`;
