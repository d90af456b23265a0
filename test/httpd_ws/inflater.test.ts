import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { Inflater } from '../../src/httpd_ws/deflate.js';
import { everyWay, pieces } from '../support/feed.js';
import { hex } from '../support/ws_frames.js';
import {
  foreignDeflate,
  foreignDeflateAll,
  inflateMessage,
  json,
  messagesFor,
  noise,
  TAIL,
} from './deflate_support.js';

const opened: Inflater[] = [];

afterEach(() => {
  for (const inflater of opened.splice(0)) inflater.close();
});

function open(options: { windowBits?: number; keepsContext?: boolean } = {}): Inflater {
  const inflater = new Inflater(options.windowBits ?? 15, options.keepsContext ?? false);
  opened.push(inflater);
  return inflater;
}

/** Several messages, one behind the other. */
function inflateAll(inflater: Inflater, messages: readonly Buffer[]): (string | undefined)[] {
  return messages.map(message => {
    const got = inflateMessage(inflater, [message]);
    inflater.end();
    return got?.toString('latin1');
  });
}

describe('the examples of RFC 7692', () => {
  test.each<[section: string, what: string, chunks: string[], text: string]>([
    ['7.2.3.1', 'a message in one block', ['f2 48 cd c9 c9 07 00'], 'Hello'],
    ['7.2.3.1', 'in two frames', ['f2 48 cd', 'c9 c9 07 00'], 'Hello'],
    ['7.2.3.3', 'a block without compression', ['00 05 00 fa ff 48 65 6c 6c 6f 00'], 'Hello'],
    ['7.2.3.4', 'a block with BFINAL', ['f3 48 cd c9 c9 07 00 00'], 'Hello'],
    ['7.2.3.5', 'two blocks in one message', ['f2 48 05 00 00 00 ff ff ca c9 c9 07 00'], 'Hello'],
    ['7.2.3.6', 'an empty message', ['00'], ''],
  ])('section %s: %s, however it is cut', (_section, _what, chunks, text) => {
    for (const keepsContext of [false, true]) {
      const frames = chunks.map(hex);
      expect(inflateMessage(open({ keepsContext }), frames)?.toString()).toBe(text);
      for (const way of everyWay(Buffer.concat(frames))) {
        const inflater = open({ keepsContext });
        expect(inflateMessage(inflater, way.chunks)?.toString(), way.name).toBe(text);
        inflater.end();
        // and the next one begins anew
        expect(inflateMessage(inflater, [hex('f2 48 cd c9 c9 07 00')])?.toString(), way.name).toBe('Hello');
      }
    }
  });

  test('section 7.2.3.2: a message that shares the window of the one before', () => {
    const messages = [hex('f2 48 cd c9 c9 07 00'), hex('f2 00 11 00 00')];
    expect(inflateAll(open({ keepsContext: true }), messages)).toEqual(['Hello', 'Hello']);
    expect(inflateAll(open(), messages)).toEqual(['Hello', undefined]);
  });
});

describe('what another zlib has compressed', () => {
  test.each([8, 9, 10, 11, 12, 13, 14, 15])('with %i bits is inflated, at each level', async windowBits => {
    const messages = messagesFor(windowBits);
    const texts = messages.map(message => message.toString('latin1'));
    for (let level = 0; level <= 9; level++) {
      // it takes 9 for 8, since 8 does not work; and it looks back no farther than 8 would
      const options = { windowBits: Math.max(9, windowBits), level };
      const keeping = await foreignDeflateAll(messages, options);
      expect(inflateAll(open({ windowBits, keepsContext: true }), keeping), `level ${level}`).toEqual(texts);
      const forgetting = messages.map(message => foreignDeflate(message, options));
      expect(inflateAll(open({ windowBits: 15 }), forgetting), `level ${level}`).toEqual(texts);
    }
  });

  test.each([zlib.constants.Z_FILTERED, zlib.constants.Z_HUFFMAN_ONLY, zlib.constants.Z_RLE, zlib.constants.Z_FIXED])(
    'with strategy %i is inflated',
    strategy => {
      expect(inflateMessage(open(), [foreignDeflate(json(5000), { strategy })])).toEqual(json(5000));
    },
  );

  test('as one stream with its end is inflated, and so are several such streams in one message', () => {
    const one = zlib.deflateRawSync('one');
    const two = zlib.deflateRawSync(json(3000));
    for (const keepsContext of [false, true]) {
      const inflater = open({ keepsContext });
      const [a, b] = inflateAll(inflater, [one, Buffer.concat([one, two, one, Buffer.from([0])])]);
      expect(a).toBe('one');
      expect(b).toBe(`one${json(3000)}one`);
      expect(inflateAll(inflater, [foreignDeflate(Buffer.from('next'))])).toEqual(['next']);
    }
  });

  test('far beyond the working memory is inflated', () => {
    const long = Buffer.concat([Buffer.alloc(300_000, 'ab'), noise(150_000), json(100_000)]);
    expect(inflateMessage(open(), [foreignDeflate(long)], 1e6)?.equals(long)).toBe(true);
    expect(inflateMessage(open(), pieces(foreignDeflate(long), [1000]), 1e6)?.equals(long)).toBe(true);
  });
});

describe('how much comes at a time', () => {
  const text = Buffer.concat([json(500), Buffer.alloc(200, 'z'), noise(50)]);
  const message = foreignDeflate(text);

  test('is no more than was asked for, and all that there is', () => {
    for (let max = 1; max <= text.length + 1; max++) {
      expect(inflateMessage(open(), [message], max)?.equals(text), `${max} bytes at a time`).toBe(true);
    }
  });

  test('is just that as long as there is so much', () => {
    for (const max of [1, 7, 64, 65_536]) {
      const inflater = open();
      const zeros = foreignDeflate(Buffer.alloc(1_000_000));
      inflater.give(zeros, 0, zeros.length);
      for (let left = 1_000_000; left > 1_000_000 - 10 * max && left >= max; left -= max) {
        expect(inflater.next(max)).toHaveLength(max);
        expect(inflater.inputUsed).toBe(false);
      }
    }
  });

  test('does not depend on how the message is cut', () => {
    for (const way of everyWay(message)) {
      for (const max of [1, 13, 100_000]) {
        expect(inflateMessage(open(), way.chunks, max)?.equals(text), `${way.name}, ${max}`).toBe(true);
      }
    }
  });

  test('and how it is cut are any, for any message', () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(3000).map(n => json(n)),
      fc.nat(70_000).map(n => Buffer.alloc(n)),
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(payload, { maxLength: 3 }),
        sizes,
        fc.integer({ min: 1, max: 5000 }),
        (payloads, cuts, max) => {
          const inflater = open();
          for (const bytes of payloads) {
            const way = pieces(foreignDeflate(bytes), cuts);
            expect(inflateMessage(inflater, way, Math.max(max, bytes.length >> 8))?.equals(bytes)).toBe(true);
            inflater.end();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('waits where it must: input that is not used up can be kept, and was borrowed before', () => {
    const inflater = open();
    const borrowed = Buffer.from(message);
    inflater.give(borrowed, 0, borrowed.length);
    const parts = [Buffer.from(inflater.next(10))];
    inflater.keepInput();
    borrowed.fill(0xa5);
    while (!inflater.inputUsed) {
      parts.push(Buffer.from(inflater.next(10)));
      inflater.keepInput();
    }
    expect(Buffer.concat(parts)).toEqual(text);
  });
});

describe('a broken message', () => {
  test.each<[string, string[]]>([
    ['a reserved type of block', ['07']],
    ['stored lengths that disagree', ['00 05 00 fa fe 48']],
    ['a distance beyond the beginning', ['4b 04 22']],
    ['one in the second frame', ['f2 48 cd c9', 'ff ff ff ff ff ff']],
    ['one behind a block with BFINAL', ['f3 48 cd c9 c9 07 00', '07']],
    ['ones only', ['ff ff ff ff']],
    ['a window that another message had', ['f2 00 11 00 00']],
  ])('is found: %s', (_what, chunks) => {
    for (const keepsContext of [false, true]) {
      expect(inflateMessage(open({ keepsContext }), chunks.map(hex))).toBeUndefined();
    }
  });

  test('that was cut off is found, wherever, and however much comes at a time', () => {
    const text = json(300);
    const message = foreignDeflate(text);
    for (const keepsContext of [false, true]) {
      for (let cut = 1; cut < message.length; cut++) {
        for (const max of [100_000, 7]) {
          const got = inflateMessage(open({ keepsContext }), [message.subarray(0, cut)], max);
          expect(got, `${cut} of ${message.length} bytes, takeover ${keepsContext}`).toBeUndefined();
        }
      }
    }
  });

  test('that was cut off before a stored block ends is found', () => {
    // but for the place where the tail is just as long as what is missing
    const message = foreignDeflate(noise(100), { level: 0 });
    for (let cut = 6; cut < message.length - 1; cut++) {
      if (message.length - 1 - cut === TAIL.length) continue;
      expect(inflateMessage(open(), [message.subarray(0, cut)]), `${cut} bytes`).toBeUndefined();
    }
  });

  test('with any one byte changed is refused, or inflated to something, and nothing is thrown', () => {
    const message = foreignDeflate(json(200));
    let refused = 0;
    for (let at = 0; at < message.length; at++) {
      for (const change of [0x01, 0x80, 0xff]) {
        const broken = Buffer.from(message);
        broken[at] = (broken[at] as number) ^ change;
        const inflater = open();
        const got = inflateMessage(inflater, [broken], 1000);
        expect(got === undefined).toBe(inflater.failed);
        if (inflater.failed) refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(message.length / 4);
  });

  test('of any bytes is refused, or inflated to something, the same however it is cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, keepsContext) => {
        const whole = inflateMessage(open({ keepsContext }), [Buffer.from(bytes)]);
        const cut = inflateMessage(open({ keepsContext }), pieces(Buffer.from(bytes), [1]), 3);
        expect(cut?.toString('hex')).toBe(whole?.toString('hex'));
      }),
      { numRuns: 300 },
    );
  });

  test('stays broken, whatever comes behind', () => {
    const inflater = open();
    expect(inflateMessage(inflater, [hex('07')])).toBeUndefined();
    expect(inflateMessage(inflater, [hex('f2 48 cd c9 c9 07 00')])).toBeUndefined();
    expect(inflater.failed).toBe(true);
  });
});
