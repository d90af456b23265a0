import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { unmask } from '../../src/httpd_ws/mask.js';
import { hex } from '../support/ws_frames.js';

/** RFC 6455 section 5.3, letter by letter. */
function byTheBook(bytes: Uint8Array, key: Uint8Array, offset: number): Buffer {
  return Buffer.from(bytes.map((byte, i) => byte ^ (key[(i + offset) % 4] as number)));
}

describe('masking', () => {
  test('the example of RFC 6455 section 5.7', () => {
    const payload = hex('7f 9f 4d 51 58');
    unmask(payload, 0, 5, hex('37 fa 21 3d').readInt32LE(0), 0);
    expect(payload.toString()).toBe('Hello');
  });

  test.each([0, 1, 2, 3, 4, 47, 48, 49, 50, 51, 52, 100, 125, 126, 127, 65_535, 65_536])(
    '%i bytes at each alignment, each place in the key, and each place in memory',
    n => {
      const key = hex('01 80 ff 3d');
      const original = Buffer.alloc(n).map((_, i) => (i * 7) & 0xff);
      for (let align = 0; align < 8; align++) {
        for (let offset = 0; offset < 5; offset++) {
          for (const byteOffset of [0, 1]) {
            const memory = Buffer.from(new ArrayBuffer(n + align + 16), byteOffset).fill(0xee);
            memory.set(original, align);
            unmask(memory, align, align + n, key.readInt32LE(0), offset);
            expect(memory.subarray(align, align + n).equals(byTheBook(original, key, offset))).toBe(true);
            // nothing before or behind is touched
            expect([...memory.subarray(0, align), ...memory.subarray(align + n)].every(byte => byte === 0xee)).toBe(
              true,
            );
          }
        }
      }
    },
  );

  test.each([0, 1, -1, 0x7fff_ffff, -0x8000_0000])('with the key %i', key => {
    const book = Buffer.alloc(4);
    book.writeInt32LE(key);
    const original = Buffer.alloc(200, 'some text to be masked ');
    const bytes = Buffer.from(original);
    unmask(bytes, 0, 200, key, 0);
    expect(bytes.equals(byTheBook(original, book, 0))).toBe(true);
    unmask(bytes, 0, 200, key, 0);
    expect(bytes.equals(original)).toBe(true);
  });

  test('in any pieces gives the same as at once, also past 2^31 bytes of payload', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 400 }),
        fc.uint8Array({ minLength: 4, maxLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 120 }), { maxLength: 10 }),
        fc.constantFrom(0, 1, 2, 3, 2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 53 - 500),
        (payload, keyBytes, sizes, before) => {
          const key = Buffer.from(keyBytes).readInt32LE(0);
          const bytes = Buffer.from(payload);
          let at = 0;
          for (const size of [...sizes, payload.length]) {
            const end = Math.min(payload.length, at + size);
            unmask(bytes, at, end, key, before + at);
            at = end;
          }
          expect(bytes.equals(byTheBook(payload, keyBytes, before % 4))).toBe(true);
        },
      ),
    );
  });
});
