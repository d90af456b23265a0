/**
 * The client's side of permessage-deflate (RFC 7692) on node:zlib. It does what has been agreed on and nothing else, so
 * that it can't read what a server sends that does not.
 */

import {
  constants,
  createDeflateRaw,
  createInflateRaw,
  type DeflateRaw,
  deflateRawSync,
  inflateRawSync,
} from 'node:zlib';
import { expect } from 'vitest';

const { Z_SYNC_FLUSH } = constants;
/** The end of a flush, which is not sent (section 7.2.1). */
const TAIL = Buffer.from('0000ffff', 'hex');

/** What both sides have agreed on (section 7.1). */
export interface Agreed {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

/** Reads the server's answer, which must be right. */
export function parseAnswer(header: string | undefined): Agreed {
  const [name, ...params] = (header ?? '').split(';').map(part => part.trim());
  expect(name).toBe('permessage-deflate');
  const found = new Map<string, string | undefined>();
  for (const param of params) {
    const [key = '', value] = param.split('=');
    found.set(key, value);
  }
  expect(found.size, `no parameter twice in '${header}'`).toBe(params.length);
  const takeFlag = (param: string): boolean => {
    const there = found.has(param);
    if (there) expect(found.get(param)).toBe(undefined);
    found.delete(param);
    return there;
  };
  const takeBits = (param: string): number => {
    const value = found.has(param) ? found.get(param) : '15';
    expect(value).toMatch(/^([89]|1[0-5])$/);
    found.delete(param);
    return Number(value);
  };
  const agreed = {
    serverNoContextTakeover: takeFlag('server_no_context_takeover'),
    clientNoContextTakeover: takeFlag('client_no_context_takeover'),
    serverMaxWindowBits: takeBits('server_max_window_bits'),
    clientMaxWindowBits: takeBits('client_max_window_bits'),
  };
  expect([...found.keys()], 'unknown parameters').toEqual([]);
  return agreed;
}

/** A stream of zlib that lives on from message to message. */
class Kept {
  private readonly out: Buffer[] = [];
  private readonly broken: Promise<never>;

  constructor(private readonly stream: DeflateRaw | ReturnType<typeof createInflateRaw>) {
    stream.on('data', (chunk: Buffer) => this.out.push(chunk));
    this.broken = new Promise((_resolve, reject) => stream.once('error', reject));
    this.broken.catch(() => {});
  }

  /** What comes out for `input`, up to a flush. */
  async run(input: Buffer): Promise<Buffer> {
    this.stream.write(input);
    await Promise.race([new Promise<void>(done => this.stream.flush(Z_SYNC_FLUSH, done)), this.broken]);
    return Buffer.concat(this.out.splice(0));
  }

  close(): void {
    this.stream.close();
  }
}

export class DeflatePeer {
  private readonly deflater: Kept | undefined;
  private readonly inflater: Kept | undefined;
  private readonly deflateOptions;
  private readonly inflateOptions;

  constructor(agreed: Agreed) {
    this.deflateOptions = { level: 1, windowBits: agreed.clientMaxWindowBits };
    // zlib sees that a distance is too long only where the output before it is in its window and not in a longer chunk
    this.inflateOptions = {
      windowBits: agreed.serverMaxWindowBits,
      chunkSize: Math.min(16_384, 1 << agreed.serverMaxWindowBits),
    };
    if (!agreed.clientNoContextTakeover) this.deflater = new Kept(createDeflateRaw(this.deflateOptions));
    if (!agreed.serverNoContextTakeover) this.inflater = new Kept(createInflateRaw(this.inflateOptions));
  }

  /** The payload of a compressed message. */
  async compress(payload: Buffer): Promise<Buffer> {
    const flushed =
      this.deflater === undefined
        ? deflateRawSync(payload, { ...this.deflateOptions, finishFlush: Z_SYNC_FLUSH })
        : await this.deflater.run(payload);
    expect(flushed.subarray(-4)).toEqual(TAIL);
    return flushed.subarray(0, -4);
  }

  /** What a compressed payload of the server says. */
  async inflate(payload: Buffer): Promise<Buffer> {
    const whole = Buffer.concat([payload, TAIL]);
    return this.inflater === undefined
      ? inflateRawSync(whole, { ...this.inflateOptions, finishFlush: Z_SYNC_FLUSH })
      : this.inflater.run(whole);
  }

  close(): void {
    this.deflater?.close();
    this.inflater?.close();
  }
}
