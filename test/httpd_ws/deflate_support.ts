/** What the tests of compression share: messages, foreign compressors, and an inflater driven as a message does it. */
import * as zlib from 'node:zlib';
import type { Inflater } from '../../src/httpd_ws/deflate.js';
import type { DeflateParams } from '../../src/httpd_ws/extension.js';
import {
  checkWsOptions,
  type WsDeflateOptions,
  type WsDeflateSettings,
  type WsSettings,
} from '../../src/httpd_ws/options.js';

const { Z_SYNC_FLUSH } = zlib.constants;
/** What a flush ends with, and a message does not carry (RFC 7692 section 7.2.1). */
export const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

/** Bytes without any pattern, always the same ones. */
export function noise(n: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(n);
  let state = seed;
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** `n` bytes that a compressor finds much in, and never the same again for long. */
export function json(n: number): Buffer {
  let text = '';
  for (let i = 0; text.length < n; i++) {
    text += `{"id":${i},"name":"sensor ${i % 7}","value":${((i * 7919) % 1000) / 10},"on":${i % 3 === 0}},`;
  }
  return Buffer.from(text.slice(0, n));
}

/** Noise that comes again and again at a distance of `d` bytes, amid bytes that are easy to compress. */
export function repeating(d: number, n: number): Buffer {
  const once = noise(d);
  const parts = [];
  for (let len = 0; len < n; len += d) parts.push(once);
  return Buffer.concat(parts).subarray(0, n);
}

/** Messages whose repetitions lie just within, and just beyond, a window of 2^bits bytes. */
export function messagesFor(bits: number): Buffer[] {
  const window = 2 ** bits;
  return [
    json(3000),
    repeating(window - 300 > 0 ? window - 300 : 100, 2 * window + 500),
    repeating(window - 10, 2 * window + 500),
    Buffer.alloc(5000),
    repeating(window + 1, 2 * window + 500),
    repeating(window + 200, 2 * window + 500),
    json(3000),
  ];
}

export interface Foreign {
  readonly windowBits: number;
  readonly level?: number;
  readonly memLevel?: number;
  readonly strategy?: number;
}

/** A message as a peer without takeover of its context sends it. */
export function foreignDeflate(payload: Uint8Array, options: Partial<Foreign> = {}): Buffer {
  return zlib.deflateRawSync(payload, { ...options, finishFlush: Z_SYNC_FLUSH }).subarray(0, -TAIL.length);
}

/** The same of a peer that keeps its context. */
export async function foreignDeflateAll(payloads: readonly Uint8Array[], options: Foreign): Promise<Buffer[]> {
  const stream = zlib.createDeflateRaw(options);
  const messages: Buffer[] = [];
  for (const payload of payloads) {
    const parts: Buffer[] = [];
    const collect = (part: Buffer) => parts.push(part);
    stream.on('data', collect);
    await new Promise<void>(resolve => {
      stream.write(payload);
      stream.flush(Z_SYNC_FLUSH, resolve);
    });
    stream.off('data', collect);
    const all = Buffer.concat(parts);
    if (!all.subarray(-TAIL.length).equals(TAIL)) throw new Error('a flush without its end');
    messages.push(all.subarray(0, -TAIL.length));
  }
  stream.close();
  return messages;
}

/**
 * What a peer makes of messages that share their context. Output goes in so small pieces that a distance beyond the
 * window shows: within a piece zlib does not look at it.
 */
export function foreignInflate(messages: readonly Uint8Array[], windowBits: number): Buffer {
  const input = Buffer.concat(messages.flatMap(message => [message, TAIL]));
  return zlib.inflateRawSync(input, { windowBits, chunkSize: 64, finishFlush: Z_SYNC_FLUSH });
}

/** Undefined if the message is broken. */
export function inflateMessage(inflater: Inflater, chunks: readonly Buffer[], max = 100_000): Buffer | undefined {
  const parts: Buffer[] = [];
  const drain = (): boolean => {
    do {
      const bytes = inflater.next(max);
      if (inflater.failed) return false;
      if (bytes.length > max) throw new Error(`${bytes.length} bytes, more than ${max}`);
      parts.push(Buffer.from(bytes));
    } while (!inflater.inputUsed);
    return true;
  };
  for (const chunk of chunks) {
    inflater.give(chunk, 0, chunk.length);
    if (!drain()) return undefined;
  }
  inflater.giveTail();
  return drain() ? Buffer.concat(parts) : undefined;
}

export function deflateSettings(options: WsDeflateOptions = {}): WsDeflateSettings {
  return wsSettings(options).deflate as WsDeflateSettings;
}

export function wsSettings(options: WsDeflateOptions = {}): WsSettings {
  return checkWsOptions({ wsPerMessageDeflate: { threshold: 0, ...options } }, '/ws');
}

export function params(given: Partial<DeflateParams> = {}): DeflateParams {
  return {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
    ...given,
  };
}

/**
 * DEFLATE that gives `payload` and is broken directly behind it, which zlib sees while it has no room for more
 * (RFC 1951 section 3.2.6: literals below 144 have eight bits, the distance code 30 is none).
 */
export function brokenBehind(payload: Uint8Array): Buffer {
  // most significant bit first, as codes are packed
  const literals = [...payload].map(byte => (0x30 + byte).toString(2).padStart(8, '0'));
  return bits(['010', ...literals, '0000001', '11110']);
}

/** The same in a stored block, behind which a block has the reserved type; `between` are whole blocks in front of that. */
export function storedAndBroken(payload: Uint8Array, between = ''): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(payload.length, 1);
  head.writeUInt16LE(payload.length ^ 0xffff, 3);
  return Buffer.concat([head, payload, Buffer.from(between, 'hex'), Buffer.from([0x06])]);
}

/** Bits as they follow each other, in bytes that begin with their least significant one. */
function bits(texts: readonly string[]): Buffer {
  const all = texts.join('');
  const bytes = Buffer.alloc(Math.ceil(all.length / 8));
  for (let i = 0; i < all.length; i++) if (all[i] === '1') bytes[i >> 3] = (bytes[i >> 3] as number) | (1 << (i & 7));
  return bytes;
}
