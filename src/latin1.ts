/**
 * Latin-1 text from and to bytes, as HTTP heads need it: each byte is the character of its number.
 *
 * `latin1Slice` and `latin1Write` are what `toString('latin1')` and `write(…, 'latin1')` of a Buffer call in the end.
 * Node.js has them on every Buffer, though its manual does not list them; called directly they save a tenth of what a head costs.
 */

type WithLatin1 = Buffer & {
  latin1Slice(from: number, to: number): string;
  latin1Write(text: string, at: number, length: number): number;
};

const known = typeof (Buffer.prototype as Partial<WithLatin1>).latin1Slice === 'function';

export const latin1Slice: (buf: Buffer, from: number, to: number) => string = known
  ? (buf, from, to) => (buf as WithLatin1).latin1Slice(from, to)
  : (buf, from, to) => buf.toString('latin1', from, to);

/** @returns how many bytes were written: one for each character, and `buf` must have the room */
export const latin1Write: (buf: Buffer, text: string, at: number) => number = known
  ? (buf, text, at) => (buf as WithLatin1).latin1Write(text, at, text.length)
  : (buf, text, at) => buf.write(text, at, 'latin1');
