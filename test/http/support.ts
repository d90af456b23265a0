import { vi } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { EspError } from '../../src/err.js';
import * as methods from '../../src/httpd/methods.js';
import type { UriHandler } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import type { ServerParts } from '../../src/httpd/start.js';
import type { RawClient, RawResponse } from '../support/raw_client.js';
import { connectTo, startTestServer, TURNS } from '../support/server.js';

/** Handlers by method and URI, such as `'GET /a'`; `'ANY /a'` serves every method. */
export type Routes = Readonly<Record<string, UriHandler>>;

/** A server with these handlers, stopped after the test. */
export async function serve(
  routes: Routes,
  config: Partial<HttpdConfig> = {},
  parts: ServerParts = {},
): Promise<HttpdServer> {
  const server = await startTestServer(config, parts);
  for (const [key, handler] of Object.entries(routes)) {
    const [name = '', uri = ''] = key.split(' ');
    const method = (methods as unknown as Record<string, number | undefined>)[`HTTP_${name}`];
    if (method === undefined) throw new Error(`no such method: ${name}`);
    server.registerUriHandler({ uri, method, handler });
  }
  return server;
}

/** Answers `ok`. */
export const ok: UriHandler = req => {
  void req.respSend('ok');
};

/** The text of a request without a body. */
export function request(line: string, ...headers: string[]): string {
  return [`${line}${/ HTTP\/\d/.test(line) ? '' : ' HTTP/1.1'}`, 'Host: localhost', ...headers, '', ''].join('\r\n');
}

/** The text of a POST with this body. */
export function post(path: string, body: string, ...headers: string[]): string {
  return request(`POST ${path}`, `Content-Length: ${Buffer.byteLength(body)}`, ...headers) + body;
}

/** A body in chunks of `size` bytes. */
export function chunked(body: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
}

/** `n` bytes in which no two neighbours and no two thousand-byte pieces agree. */
export function pattern(n: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 8) * 13) & 0xff));
}

/** Sends a request on a new connection and reads its response. */
export async function exchange(server: HttpdServer, bytes: string | Uint8Array): Promise<RawResponse> {
  const client = await connectTo(server);
  const response = await client.send(bytes).readResponse();
  client.destroy();
  return response;
}

/** Does the server serve others? Throws if not. */
export async function stillServes(server: HttpdServer, path: string): Promise<void> {
  const { status } = await exchange(server, request(`GET ${path}`));
  if (status !== 200) throw new Error(`GET ${path} got ${status}`);
}

/** Is the connection open? Shown by one more request on it. */
export async function isOpen(client: RawClient, path: string): Promise<boolean> {
  client.send(request(`GET ${path}`));
  try {
    return (await client.readResponse()).status === 200;
  } catch {
    return false;
  }
}

/** The name of the EspError that `fn` throws, or rejects with; `'none'` if it does neither. */
export async function errorOf(fn: () => unknown): Promise<string> {
  try {
    await fn();
    return 'none';
  } catch (error) {
    return error instanceof EspError ? error.name : `not an EspError: ${String(error)}`;
  }
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

/** A promise, and what resolves it. */
export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>(yes => {
    resolve = yes;
  });
  return { promise, resolve };
}

/** Waits until `check` does not throw. */
export function until(check: () => unknown): Promise<unknown> {
  return vi.waitFor(check, { timeout: 8_000, interval: 2 });
}

/** Lets the event loop turn `n` times. */
export async function turns(n: number): Promise<void> {
  for (let i = 0; i < n * TURNS; i++) await new Promise(resolve => setImmediate(resolve));
}
