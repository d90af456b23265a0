import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contentRange, multipart, parseRange, unsatisfiedRange } from '../../src/files/byte_ranges.js';

/** What a Range field gives, as `first-last` pairs; `416`, or `ignored`. */
function shown(field: string, length: number): string {
  const ranges = parseRange(field, length);
  if (ranges === undefined) return 'ignored';
  return ranges.map(({ first, last }) => `${first}-${last}`).join(' ') || '416';
}

/** n ranges of a byte each, with gaps between. */
const single = (n: number) => Array.from({ length: n }, (_, i) => `${2 * i}-${2 * i}`).join(',');

const TABLE: readonly (readonly [field: string, length: number, ranges: string])[] = [
  ['bytes=0-0', 100, '0-0'],
  ['bytes=0-99', 100, '0-99'],
  ['bytes=0-', 100, '0-99'],
  ['bytes=10-19', 100, '10-19'],
  ['bytes=99-', 100, '99-99'],
  ['bytes=50-1000', 100, '50-99'],
  ['bytes=0010-0019', 100, '10-19'],
  ['bytes=-1', 100, '99-99'],
  ['bytes=-100', 100, '0-99'],
  ['bytes=-1000', 100, '0-99'],
  ['BYTES=1-2', 100, '1-2'],
  ['bytes= 1-2 ,\t4-5', 100, '1-2 4-5'],
  ['bytes=,1-2,,4-5,', 100, '1-2 4-5'],
  ['bytes=5-6,1-2', 100, '5-6 1-2'],
  ['bytes=0-9,5-14', 100, '0-9 5-14'],
  ['bytes=0-0,-1', 100, '0-0 99-99'],
  // beyond the end
  ['bytes=100-', 100, '416'],
  ['bytes=100-200', 100, '416'],
  ['bytes=-0', 100, '416'],
  ['bytes=100-,200-,-0', 100, '416'],
  ['bytes=100-,1-2', 100, '1-2'],
  [`bytes=${'9'.repeat(400)}-`, 100, '416'],
  [`bytes=1-${'9'.repeat(400)}`, 100, '1-99'],
  [`bytes=-${'9'.repeat(400)}`, 100, '0-99'],
  ['bytes=9007199254740993-', 100, '416'],
  // files beyond 4 GiB
  ['bytes=4294967296-', 4_294_967_300, '4294967296-4294967299'],
  ['bytes=-1', 2 ** 40, '1099511627775-1099511627775'],
  // empty file
  ['bytes=0-', 0, '416'],
  ['bytes=0-0', 0, '416'],
  ['bytes=-0', 0, '416'],
  ['bytes=-5', 0, 'ignored'],
  // invalid
  ['', 100, 'ignored'],
  ['bytes', 100, 'ignored'],
  ['bytes=', 100, 'ignored'],
  ['bytes= , ', 100, 'ignored'],
  ['bytes=-', 100, 'ignored'],
  ['bytes=5', 100, 'ignored'],
  ['bytes=5-4', 100, 'ignored'],
  ['bytes=500-400', 100, 'ignored'],
  ['bytes=1-2,5-4', 100, 'ignored'],
  ['bytes=a-b', 100, 'ignored'],
  ['bytes=0x1-0x2', 100, 'ignored'],
  ['bytes=+1-2', 100, 'ignored'],
  ['bytes=1.0-2', 100, 'ignored'],
  ['bytes=1e1-20', 100, 'ignored'],
  ['bytes=--1', 100, 'ignored'],
  ['bytes=1--2', 100, 'ignored'],
  ['bytes=1-2-3', 100, 'ignored'],
  ['bytes=1 -2', 100, 'ignored'],
  ['bytes=1-2;4-5', 100, 'ignored'],
  ['bytes =1-2', 100, 'ignored'],
  ['bytes 1-2', 100, 'ignored'],
  ['bytes: 1-2', 100, 'ignored'],
  ['items=1-2', 100, 'ignored'],
  ['xbytes=1-2', 100, 'ignored'],
  // too many, or more than the file
  [`bytes=${single(16)}`, 100, single(16).replaceAll(',', ' ')],
  [`bytes=${single(17)}`, 100, 'ignored'],
  [`bytes=${','.repeat(100)}${single(16)}`, 100, single(16).replaceAll(',', ' ')],
  ['bytes=0-,0-', 100, 'ignored'],
  ['bytes=0-49,50-99', 100, '0-49 50-99'],
  ['bytes=0-50,50-99', 100, 'ignored'],
  [`bytes=0-,${Array(15).fill('5-').join(',')}`, 1000, 'ignored'],
];

describe('parseRange', () => {
  test.each(TABLE)('%j of %i bytes: %s', (field, length, ranges) => {
    expect(shown(field, length)).toBe(ranges);
  });

  test('whatever is asked for, each range lies in the file, and all are no longer than it', () => {
    const number = fc.oneof(fc.nat(20), fc.constant(''));
    const spec = fc.tuple(number, number).map(([from, to]) => `${from}-${to}`);
    const field = fc.array(spec, { maxLength: 20 }).map(specs => `bytes=${specs.join(',')}`);
    fc.assert(
      fc.property(field, fc.nat(20), (text, length) => {
        const ranges = parseRange(text, length) ?? [];
        let total = 0;
        for (const { first, last } of ranges) {
          expect(first).toBeGreaterThanOrEqual(0);
          expect(last).toBeGreaterThanOrEqual(first);
          expect(last).toBeLessThan(length);
          total += last - first + 1;
        }
        expect(total).toBeLessThanOrEqual(length);
      }),
    );
  });
});

test('Content-Range', () => {
  expect(contentRange({ first: 0, last: 499 }, 1234)).toBe('bytes 0-499/1234');
  expect(unsatisfiedRange(47_022)).toBe('bytes */47022');
});

test('multipart/byteranges: the framing of section 14.6, and its length', () => {
  const file = Buffer.from('0123456789');
  const ranges = [
    { first: 1, last: 2 },
    { first: 8, last: 9 },
  ];
  const { type, heads, tail, contentLen } = multipart(ranges, 'text/plain', file.length, 'BOUNDARY');
  expect(type).toBe('multipart/byteranges; boundary=BOUNDARY');
  const body = ranges.map((range, i) => `${heads[i]}${file.subarray(range.first, range.last + 1)}`).join('') + tail;
  expect(body.split('\r\n')).toEqual([
    '--BOUNDARY',
    'Content-Type: text/plain',
    'Content-Range: bytes 1-2/10',
    '',
    '12',
    '--BOUNDARY',
    'Content-Type: text/plain',
    'Content-Range: bytes 8-9/10',
    '',
    '89',
    '--BOUNDARY--',
    '',
  ]);
  expect(contentLen).toBe(body.length);
});
