/** A way in which bytes may arrive. */
export interface Feed {
  readonly name: string;
  readonly chunks: readonly Buffer[];
  /** Are there more bytes behind the given ones, in the last chunk? */
  readonly trailing: boolean;
}

/**
 * Every way in which `bytes` may arrive: whole, byte by byte, cut in two at each place, and, if `behind` is given, with
 * those bytes behind them in the same chunk.
 */
export function* everyWay(given: Uint8Array | string, behind?: Uint8Array | string): Generator<Feed, void, void> {
  const bytes = toBuffer(given);
  yield { name: 'whole', chunks: [bytes], trailing: false };
  yield { name: 'byte by byte', chunks: [...bytes].map(byte => Buffer.from([byte])), trailing: false };
  for (let at = 1; at < bytes.length; at++) {
    yield { name: `cut at ${at}`, chunks: [bytes.subarray(0, at), bytes.subarray(at)], trailing: false };
  }
  if (behind !== undefined) {
    yield { name: 'with more behind', chunks: [Buffer.concat([bytes, toBuffer(behind)])], trailing: true };
  }
}

/** `bytes` in pieces of the given sizes, again and again; 0 counts as 1. */
export function pieces(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % Math.max(1, sizes.length)] ?? bytes.length);
    out.push(bytes.subarray(at, at + size));
    at += size;
  }
  return out;
}

function toBuffer(given: Uint8Array | string): Buffer {
  return typeof given === 'string' ? Buffer.from(given, 'latin1') : Buffer.from(given);
}
