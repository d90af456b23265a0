import { describe, expect, test } from 'vitest';
import { evaluateConditions, ifRangeHolds, type Verdict } from '../../src/files/conditions.js';
import { httpDate } from '../../src/files/http_date.js';

const NOW = Date.UTC(2024, 4, 17) / 1000;
const CURRENT = { etag: '"v1"', lastModified: Date.UTC(2024, 0, 10, 12) / 1000 };
const SAME = 'Wed, 10 Jan 2024 12:00:00 GMT';
const BEFORE = 'Wed, 10 Jan 2024 11:59:59 GMT';
const AFTER = 'Wed, 10 Jan 2024 12:00:01 GMT';

type Fields = Readonly<Record<string, string>>;

function verdictOf(fields: Fields, current = CURRENT): Verdict {
  return evaluateConditions(name => fields[name], current, NOW);
}

const TABLE: readonly (readonly [Verdict, Fields])[] = [
  ['proceed', {}],
  // If-Match: strong comparison
  ['proceed', { 'if-match': '*' }],
  ['proceed', { 'if-match': '"v1"' }],
  ['proceed', { 'if-match': '"v0", "v1"' }],
  ['proceed', { 'if-match': ',, "v0"\t,"v1" ,' }],
  ['precondition failed', { 'if-match': '"v0"' }],
  ['precondition failed', { 'if-match': 'W/"v1"' }],
  ['precondition failed', { 'if-match': '' }],
  ['precondition failed', { 'if-match': 'v1' }],
  ['precondition failed', { 'if-match': '"v0", *' }],
  // If-Unmodified-Since
  ['proceed', { 'if-unmodified-since': SAME }],
  ['proceed', { 'if-unmodified-since': AFTER }],
  ['precondition failed', { 'if-unmodified-since': BEFORE }],
  ['precondition failed', { 'if-unmodified-since': 'Wednesday, 10-Jan-24 11:59:59 GMT' }],
  ['precondition failed', { 'if-unmodified-since': 'Wed Jan 10 11:59:59 2024' }],
  ['proceed', { 'if-unmodified-since': 'yesterday' }],
  ['proceed', { 'if-unmodified-since': '' }],
  // If-None-Match: weak comparison
  ['not modified', { 'if-none-match': '*' }],
  ['not modified', { 'if-none-match': '"v1"' }],
  ['not modified', { 'if-none-match': 'W/"v1"' }],
  ['not modified', { 'if-none-match': '"a,b", W/"v1"' }],
  ['not modified', { 'if-none-match': '"v1",' }],
  ['proceed', { 'if-none-match': '"v0"' }],
  ['proceed', { 'if-none-match': '"v0, "v1"' }],
  ['proceed', { 'if-none-match': 'v1' }],
  ['proceed', { 'if-none-match': 'w/"v1"' }],
  ['proceed', { 'if-none-match': '"v0" "v1"' }],
  ['proceed', { 'if-none-match': '' }],
  // If-Modified-Since
  ['not modified', { 'if-modified-since': SAME }],
  ['not modified', { 'if-modified-since': AFTER }],
  ['proceed', { 'if-modified-since': BEFORE }],
  ['proceed', { 'if-modified-since': `${SAME}; length=12` }],
  // the order of section 13.2.2
  ['proceed', { 'if-match': '"v1"', 'if-unmodified-since': BEFORE }],
  ['precondition failed', { 'if-match': '"v0"', 'if-unmodified-since': AFTER }],
  ['precondition failed', { 'if-match': '"v0"', 'if-none-match': '"v1"' }],
  ['not modified', { 'if-match': '"v1"', 'if-none-match': '"v1"' }],
  ['precondition failed', { 'if-unmodified-since': BEFORE, 'if-none-match': '"v1"' }],
  ['proceed', { 'if-none-match': '"v0"', 'if-modified-since': AFTER }],
  ['not modified', { 'if-none-match': '"v1"', 'if-modified-since': BEFORE }],
];

describe('evaluateConditions', () => {
  test.each(TABLE)('%s for %j', (verdict, fields) => {
    expect(verdictOf(fields)).toBe(verdict);
  });

  test('a weak entity-tag of ours is only compared weakly', () => {
    const weak = { ...CURRENT, etag: 'W/"v1"' };
    expect(verdictOf({ 'if-none-match': '"v1"' }, weak)).toBe('not modified');
    expect(verdictOf({ 'if-match': 'W/"v1"' }, weak)).toBe('precondition failed');
  });

  test('a list of a hostile length is no work to speak of', () => {
    const list = Array(5_000).fill('"x"').join(', ');
    expect(verdictOf({ 'if-none-match': list })).toBe('proceed');
    expect(verdictOf({ 'if-none-match': `${list}, "v1"` })).toBe('not modified');
    expect(verdictOf({ 'if-none-match': `${' ,\t'.repeat(5_000)}x` })).toBe('proceed');
  });
});

test.each([
  [true, undefined],
  [true, '"v1"'],
  [false, '"v0"'],
  [false, 'W/"v1"'],
  [false, '"v0", "v1"'],
  [false, '*'],
  [true, SAME],
  [true, 'Wednesday, 10-Jan-24 12:00:00 GMT'],
  [false, BEFORE],
  [false, AFTER],
  [false, 'yesterday'],
  [false, ''],
])('ifRangeHolds: %s for %j', (holds, field) => {
  expect(ifRangeHolds(field, CURRENT, NOW)).toBe(holds);
});

test('ifRangeHolds: the date of this very second may stand for two states', () => {
  expect(ifRangeHolds(httpDate(NOW), { ...CURRENT, lastModified: NOW }, NOW)).toBe(false);
  expect(ifRangeHolds(httpDate(NOW), { ...CURRENT, lastModified: NOW }, NOW + 1)).toBe(true);
});
