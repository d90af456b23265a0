import { describe, expect, test } from 'vitest';
import { DEFLATE_MAX, Deflater } from '../../src/httpd_ws/deflate.js';
import { deflateSettings, foreignInflate, json, messagesFor, noise, repeating } from './deflate_support.js';

const BITS = [8, 9, 10, 11, 12, 13, 14, 15];
const LEVELS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

describe('what is compressed', () => {
  test.each(BITS)('with a window of %i bits is inflated by a peer with just that window, at each level', bits => {
    const messages = messagesFor(bits);
    for (const level of LEVELS) {
      const keeping = new Deflater(deflateSettings({ level }), bits, true);
      const sent = messages.map(message => Buffer.from(keeping.deflate(message) as Buffer));
      keeping.close();
      expect(foreignInflate(sent, bits).equals(Buffer.concat(messages)), `takeover, level ${level}`).toBe(true);

      const forgetting = new Deflater(deflateSettings({ level }), bits, false);
      for (const message of messages) {
        const alone = forgetting.deflate(message);
        // noise gets no shorter
        if (alone === undefined) continue;
        expect(alone.length).toBeLessThan(message.length);
        expect(foreignInflate([Buffer.from(alone)], bits).equals(message), `level ${level}`).toBe(true);
      }
      forgetting.close();
    }
  });

  test.each(BITS)('with a window of %i bits looks back as far as it may, and no farther', bits => {
    const near = repeating(2 ** bits - 300 > 0 ? 2 ** bits - 300 : 200, 2 ** (bits + 1));
    const far = repeating(2 ** bits + 1, 2 ** (bits + 1) + 2);
    const deflater = new Deflater(deflateSettings({ level: 9 }), bits, false);
    expect(deflater.deflate(near)?.length ?? near.length).toBeLessThan(0.8 * near.length);
    expect(deflater.deflate(far)).toBeUndefined();
    deflater.close();
  });

  test.each([1, 5, 9])('with memLevel %i is right, too', memLevel => {
    const deflater = new Deflater(deflateSettings({ memLevel }), 15, true);
    const messages = [json(100_000), noise(1000), json(100_000)];
    const sent = messages.map(message => Buffer.from(deflater.deflate(message) as Buffer));
    expect(foreignInflate(sent, 15).equals(Buffer.concat(messages))).toBe(true);
    deflater.close();
  });

  test('uses what earlier messages said only with takeover', () => {
    const keeping = new Deflater(deflateSettings(), 15, true);
    const forgetting = new Deflater(deflateSettings(), 15, false);
    const lengths = (deflater: Deflater) => [1, 2, 3].map(() => deflater.deflate(json(2000))?.length ?? 0);
    const [first = 0, second = 0, third = 0] = lengths(keeping);
    expect(second).toBeLessThan(first / 4);
    expect(third).toBeLessThanOrEqual(second);
    expect(new Set(lengths(forgetting))).toEqual(new Set([first]));
    keeping.close();
    forgetting.close();
  });

  test('is sent as it is if it would get no shorter, unless the peer has to know it', () => {
    const forgetting = new Deflater(deflateSettings(), 15, false);
    expect(forgetting.deflate(noise(2000))).toBeUndefined();
    expect(forgetting.deflate(Buffer.from('ab'))).toBeUndefined();
    expect(forgetting.deflate(json(2000))).toBeDefined();
    const keeping = new Deflater(deflateSettings(), 15, true);
    const sent = [noise(2000), Buffer.from('ab'), noise(2000)].map(message =>
      Buffer.from(keeping.deflate(message) as Buffer),
    );
    expect(sent[0]?.length).toBeGreaterThan(2000);
    expect(sent[2]?.length).toBeLessThan(100);
    expect(foreignInflate(sent, 15).length).toBe(4002);
    forgetting.close();
    keeping.close();
  });

  test('of a length around that of the working memory, or of many times that, is right', () => {
    // at level 0 blocks are stored: the output is some bytes longer than the input
    const stored = new Deflater(deflateSettings({ level: 0 }), 15, true);
    const sizes = [...Array.from({ length: 40 }, (_, i) => 65_500 + i), 131_056, 131_060, 131_061, 131_062, 200_000];
    for (const size of sizes) {
      const message = noise(size);
      stored.deflate(Buffer.from('x'));
      const sent = Buffer.from(stored.deflate(message) as Buffer);
      // the window is not needed: nothing is looked for at level 0
      expect(foreignInflate([sent], 15).equals(message), `${size} bytes`).toBe(true);
    }
    stored.close();
    const deflater = new Deflater(deflateSettings(), 15, false);
    const long = Buffer.concat([json(500_000), noise(300_000), json(200_000)]);
    expect(foreignInflate([deflater.deflate(long) as Buffer], 15).equals(long)).toBe(true);
    deflater.close();
  });

  test('may lie in any Uint8Array, and is not changed', () => {
    const deflater = new Deflater(deflateSettings(), 15, false);
    const bytes = new Uint8Array(5000).fill(7);
    const view = bytes.subarray(1001, 4001);
    expect(foreignInflate([deflater.deflate(view) as Buffer], 15)).toEqual(Buffer.alloc(3000, 7));
    expect(bytes).toEqual(new Uint8Array(5000).fill(7));
    deflater.close();
  });

  test('is a borrowed result: the next call may overwrite it', () => {
    const deflater = new Deflater(deflateSettings(), 15, false);
    const first = deflater.deflate(json(2000)) as Buffer;
    const kept = Buffer.from(first);
    expect(first).toEqual(kept);
    deflater.deflate(Buffer.alloc(3000, 1));
    expect(foreignInflate([kept], 15)).toEqual(json(2000));
    deflater.close();
  });
});

describe('which messages are compressed', () => {
  test.each([
    [1024, [0, 1, 1023], [1024, 1025, DEFLATE_MAX]],
    [0, [0], [1, 2, DEFLATE_MAX]],
    [1, [0], [1, 2]],
    [DEFLATE_MAX + 1, [0, 1, DEFLATE_MAX, DEFLATE_MAX + 1], []],
  ])('with a threshold of %i: none of %j bytes, those of %j bytes', (threshold, no, yes) => {
    const deflater = new Deflater(deflateSettings({ threshold }), 15, false);
    expect(no.map(len => deflater.wants(len))).toEqual(no.map(() => false));
    expect(yes.map(len => deflater.wants(len))).toEqual(yes.map(() => true));
  });

  test('none above 1 MiB: zlib would hold up the loop', () => {
    expect(DEFLATE_MAX).toBe(1024 * 1024);
    const deflater = new Deflater(deflateSettings(), 15, true);
    expect([deflater.wants(DEFLATE_MAX), deflater.wants(DEFLATE_MAX + 1)]).toEqual([true, false]);
  });
});
