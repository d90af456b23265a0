import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { FileResponder } from '../../src/files/send_file.js';

/** A folder that is removed after the test. */
export function testFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'esp-httpd-test-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Runs `code` as a user whom permissions bind. */
export async function unprivileged<T>(code: () => Promise<T>): Promise<T> {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    return await code();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

/** `n` bytes in which no two thousand-byte pieces agree. */
export function pattern(n: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: n }, (_, i) => (i * 7 + (i >> 8) * 13) & 0xff));
}

/** A request with these fields, and what it was answered. */
export class FakeRequest implements FileResponder {
  status = '200 OK';
  type = '';
  readonly headers: Record<string, string> = {};
  /** Of the head. */
  contentLen: number | undefined;
  /** How the body came. */
  readonly pieces: Buffer[] = [];
  /** Is awaited behind each part. */
  onPart: ((part: Uint8Array) => Promise<void>) | undefined;

  constructor(
    readonly fields: Readonly<Record<string, string>> = {},
    readonly method = 1,
  ) {}

  get body(): Buffer {
    return Buffer.concat(this.pieces);
  }

  headerList(name: string): string | undefined {
    return this.fields[name];
  }

  respSetStatus(status: string): void {
    this.status = status;
  }

  respSetType(type: string): void {
    this.type = type;
  }

  respAddHdr(name: string, value: string): void {
    if (Object.hasOwn(this.headers, name)) throw new Error(`${name} is set twice`);
    this.headers[name] = value;
  }

  respSend(body: string | Uint8Array = ''): Promise<void> {
    this.respSendHead(body.length);
    this.pieces.push(Buffer.from(body));
    return Promise.resolve();
  }

  respSendHead(contentLen: number): void {
    if (this.contentLen !== undefined) throw new Error('there are two heads');
    this.contentLen = contentLen;
  }

  respSendPart(bytes: Uint8Array): Promise<void> {
    if (this.contentLen === undefined) throw new Error('a part comes before the head');
    this.pieces.push(Buffer.from(bytes));
    return this.onPart?.(bytes) ?? Promise.resolve();
  }
}
