/** Changes that know nothing of a format. */
import type { Random } from '../random.js';

const INTERESTING = [
  0x00, 0x01, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x30, 0x3a, 0x3b, 0x7e, 0x7f, 0x80, 0x81, 0xc2, 0xfe, 0xff,
];

export type Mutation = (bytes: Buffer, other: Buffer, random: Random) => Buffer;

/** `bytes` with `[from, to)` replaced. */
export function replaced(bytes: Buffer, from: number, to: number, by: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, from), by, bytes.subarray(to)]);
}

/** A place to put something in. */
function place(bytes: Buffer, random: Random): number {
  return random.below(bytes.length + 1);
}

/** A range, most often a short one. */
function range(bytes: Buffer, random: Random): [from: number, to: number] {
  const from = place(bytes, random);
  const max = random.oneIn(4) ? bytes.length : 16;
  return [from, Math.min(bytes.length, from + 1 + random.below(max + 1))];
}

function changed(bytes: Buffer, random: Random, by: (byte: number) => number): Buffer {
  if (bytes.length === 0) return Buffer.from([random.byte()]);
  const copy = Buffer.from(bytes);
  const at = random.below(copy.length);
  copy[at] = by(copy[at] as number);
  return copy;
}

export const BYTE_MUTATIONS: readonly Mutation[] = [
  (bytes, _other, random) => changed(bytes, random, byte => byte ^ (1 << random.below(8))),
  (bytes, _other, random) => changed(bytes, random, () => random.byte()),
  (bytes, _other, random) => changed(bytes, random, byte => byte + random.pick([-1, 1, 16, -16])),
  (bytes, _other, random) => changed(bytes, random, () => random.pick(INTERESTING)),
  (bytes, _other, random) => {
    const at = place(bytes, random);
    return replaced(bytes, at, at, Buffer.from([random.oneIn(2) ? random.byte() : random.pick(INTERESTING)]));
  },
  (bytes, _other, random) => replaced(bytes, ...range(bytes, random), Buffer.alloc(0)),
  (bytes, _other, random) => {
    // a range again, here or somewhere else
    const piece = bytes.subarray(...range(bytes, random));
    const at = place(bytes, random);
    return replaced(bytes, at, at, piece);
  },
  (bytes, _other, random) => {
    // a byte many times
    const at = place(bytes, random);
    return replaced(bytes, at, at, Buffer.alloc(1 + random.below(random.pick([8, 80, 600])), random.pick(INTERESTING)));
  },
  (bytes, other, random) => {
    const at = place(bytes, random);
    return replaced(bytes, at, at, other.subarray(...range(other, random)));
  },
  (bytes, other, random) =>
    Buffer.concat([bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random))]),
  (bytes, other) => Buffer.concat([bytes, other]),
  (bytes, _other, random) => bytes.subarray(0, place(bytes, random)),
];

/** Puts a token in, or in place of some bytes. */
export function withToken(tokens: readonly Uint8Array[]): Mutation {
  return (bytes, _other, random) => {
    const at = place(bytes, random);
    const token = random.pick(tokens);
    const to = random.oneIn(2) ? at : Math.min(bytes.length, at + token.length);
    return replaced(bytes, at, to, token);
  };
}
