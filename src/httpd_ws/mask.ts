/** Masking of payloads (RFC 6455 section 5.3). Masking and unmasking are the same. */

/** From here on, words instead of bytes pay for making a view. */
const WORDS_FROM = 48;

/**
 * Unmasks `bytes[from, to)` in place.
 *
 * @param key the masking key, read as a little-endian 32-bit number: its first byte is the lowest
 * @param offset how many bytes of the payload lie before `from`
 */
export function unmask(bytes: Uint8Array, from: number, to: number, key: number, offset: number): void {
  const shift = (offset & 3) * 8;
  let k = shift === 0 ? key : (key >>> shift) | (key << (32 - shift));
  let i = from;
  if (to - from >= WORDS_FROM) {
    for (; ((bytes.byteOffset + i) & 3) !== 0; i++) {
      bytes[i] = (bytes[i] as number) ^ (k & 0xff);
      k = (k >>> 8) | (k << 24);
    }
    const words = new Int32Array(bytes.buffer, bytes.byteOffset + i, (to - i) >> 2);
    for (let w = 0; w < words.length; w++) words[w] = (words[w] as number) ^ k;
    i += words.length * 4;
  }
  for (; i < to; i++) {
    bytes[i] = (bytes[i] as number) ^ (k & 0xff);
    k = (k >>> 8) | (k << 24);
  }
}
