import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Utf8Check } from '../../src/httpd_ws/utf8.js';
import { everyWay, pieces } from '../support/feed.js';
import { hex } from '../support/ws_frames.js';

/** What Node's own decoder says. */
function nodeSays(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function check(chunks: readonly Buffer[], utf8 = new Utf8Check()): boolean {
  for (const chunk of chunks) if (!utf8.push(chunk, 0, chunk.length)) return false;
  return utf8.end();
}

/** Could anything follow that makes `bytes` right? Tried out: each continuation that matters. */
function canBecomeRight(bytes: Buffer): boolean {
  const tails = [
    '',
    '80',
    '8080',
    '808080',
    'a0',
    'a080',
    '9f',
    '9f80',
    '90',
    '9080',
    '908080',
    '8f',
    '8f80',
    '8f8080',
    'bf',
    'bfbf',
    'bfbfbf',
  ];
  return tails.some(tail => nodeSays(Buffer.concat([bytes, hex(tail)])));
}

/** After the UTF-8 stress test of Markus Kuhn. */
const CASES: readonly (readonly [name: string, bytes: string, right: boolean])[] = [
  ['nothing', '', true],
  ['ASCII', '48 65 6c 6c 6f', true],
  ['NUL', '00', true],
  ['kosme, in Greek', 'ce ba e1 bd b9 cf 83 ce bc ce b5', true],
  ['U+007F', '7f', true],
  ['U+0080, the first of 2 bytes', 'c2 80', true],
  ['U+07FF, the last of 2 bytes', 'df bf', true],
  ['U+0800, the first of 3 bytes', 'e0 a0 80', true],
  ['U+FFFF, the last of 3 bytes', 'ef bf bf', true],
  ['U+FFFE', 'ef bf be', true],
  ['U+FDD0, a noncharacter', 'ef b7 90', true],
  ['U+10000, the first of 4 bytes', 'f0 90 80 80', true],
  ['U+10FFFF, the last of all', 'f4 8f bf bf', true],
  ['U+D7FF, before the surrogates', 'ed 9f bf', true],
  ['U+E000, behind the surrogates', 'ee 80 80', true],
  ['U+FFFD', 'ef bf bd', true],
  ['a byte order mark', 'ef bb bf 41', true],
  ['U+110000, beyond the last', 'f4 90 80 80', false],
  ['5 bytes', 'f8 88 80 80 80', false],
  ['6 bytes', 'fc 84 80 80 80 80', false],
  ['a continuation byte alone', '80', false],
  ['a continuation byte in a text', '41 bf 42', false],
  ['two continuation bytes', '80 bf', false],
  ['a lonely start of 2', 'c2 20', false],
  ['a lonely start of 3', 'e0 20', false],
  ['a lonely start of 4', 'f0 20', false],
  ['a start of 3 with one byte', 'e1 80 41', false],
  ['a start of 4 with two bytes', 'f1 80 80 41', false],
  ['an end after a start of 2', '41 df', false],
  ['an end after two of 3', 'ef bf', false],
  ['an end after three of 4', 'f4 8f bf', false],
  ['FE', 'fe', false],
  ['FF', 'ff', false],
  ['an overlong slash of 2 bytes', 'c0 af', false],
  ['an overlong slash of 3 bytes', 'e0 80 af', false],
  ['an overlong slash of 4 bytes', 'f0 80 80 af', false],
  ['the last overlong of 2 bytes', 'c1 bf', false],
  ['the last overlong of 3 bytes', 'e0 9f bf', false],
  ['the last overlong of 4 bytes', 'f0 8f bf bf', false],
  ['an overlong NUL', 'c0 80', false],
  ['the first surrogate', 'ed a0 80', false],
  ['the last surrogate', 'ed bf bf', false],
  ['a surrogate pair', 'ed a0 80 ed b0 80', false],
  ['F5', 'f5 80 80 80', false],
];

describe('UTF-8', () => {
  test.each(CASES)('%s: %s', (_name, bytes, right) => {
    const data = hex(bytes);
    expect(nodeSays(data)).toBe(right);
    for (const { name, chunks } of everyWay(data)) expect(check(chunks), name).toBe(right);
    // far into a long text, where Node's own check does most of the work
    for (const before of [60, 61, 62, 63, 64, 65, 127, 200]) {
      const long = Buffer.concat([Buffer.alloc(before, 'a'), data]);
      expect(check([long]), `behind ${before} bytes`).toBe(right);
      expect(check([long.subarray(0, before + 1), long.subarray(before + 1)])).toBe(right);
      if (right) expect(check([Buffer.concat([data, Buffer.alloc(before, 'a')])])).toBe(true);
    }
  });

  test.each(CASES.filter(([, , right]) => !right))(
    '%s is refused at the first byte that can not be right: %s',
    (_name, bytes) => {
      const data = hex(bytes);
      const utf8 = new Utf8Check();
      for (let i = 0; i < data.length; i++) {
        const expected = canBecomeRight(data.subarray(0, i + 1));
        expect(utf8.push(data, i, i + 1), `byte ${i}`).toBe(expected);
        if (!expected) return;
      }
      expect(utf8.end()).toBe(false);
    },
  );

  test('a check can be used again after end()', () => {
    const utf8 = new Utf8Check();
    expect(check([hex('e2 82')], utf8)).toBe(false);
    expect(check([hex('e2 82 ac')], utf8)).toBe(true);
    expect(utf8.push(hex('f4'), 0, 1)).toBe(true);
    expect(utf8.end()).toBe(false);
    // the range that f4 sets for the next byte is forgotten
    expect(check([hex('f0 bf bf bf')], utf8)).toBe(true);
  });

  test('looks at [from, to) only', () => {
    const bytes = hex('ff e2 82 ac ff');
    const utf8 = new Utf8Check();
    expect(utf8.push(bytes, 1, 4)).toBe(true);
    expect(utf8.end()).toBe(true);
  });

  test("says what Node's decoder says, of every two bytes and every three that begin with a wrong range", () => {
    const one = Buffer.alloc(2);
    for (let pair = 0; pair < 0x10000; pair++) {
      one.writeUInt16BE(pair);
      const right = check([one]);
      if (right !== nodeSays(one)) expect.fail(`${one.toString('hex')} is ${right ? 'wrong' : 'right'}`);
    }
  });

  test("says what Node's decoder says, of any bytes, however they are cut", () => {
    const piece = fc.oneof(
      fc.constantFrom(...CASES.map(([, bytes]) => hex(bytes))),
      fc.uint8Array({ maxLength: 4 }).map(bytes => Buffer.from(bytes)),
      fc.string({ unit: 'binary', maxLength: 30 }).map(text => Buffer.from(text)),
      fc.nat(150).map(n => Buffer.alloc(n, 'ascii ')),
    );
    const right = fc.string({ unit: 'binary', maxLength: 200 }).map(text => [Buffer.from(text)]);
    fc.assert(
      fc.property(
        fc.oneof(fc.array(piece, { maxLength: 6 }), right),
        fc.array(fc.nat(100), { maxLength: 8 }),
        (parts, sizes) => {
          const bytes = Buffer.concat(parts);
          expect(check(pieces(bytes, sizes))).toBe(nodeSays(bytes));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
