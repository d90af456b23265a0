import { expect, test } from 'vitest';
import { acceptedCodings } from '../../src/files/accept_encoding.js';

/** Codings before the file itself, a bar, codings behind it. */
function shown(field: string | undefined): string {
  const { preferred, tolerated } = acceptedCodings(field);
  return `${preferred.join(' ')} | ${tolerated.join(' ')}`.trim();
}

test.each<readonly [string | undefined, string]>([
  // absent: every coding is acceptable, and none is wished for; empty: none is
  [undefined, '| br gzip'],
  ['', '|'],
  ['gzip', 'gzip |'],
  ['br', 'br |'],
  ['gzip, deflate, br, zstd', 'br gzip |'],
  ['GZIP, Br', 'br gzip |'],
  ['x-gzip', 'gzip |'],
  ['deflate', '|'],
  ['identity', '|'],
  // weights
  ['gzip;q=1.0, br;q=0.5', 'gzip br |'],
  ['gzip;q=0.001', 'gzip |'],
  ['gzip;q=0', '|'],
  ['gzip;q=0.000, br', 'br |'],
  ['gzip ; q=0.5 ,\tbr;\tQ=0.4', 'gzip br |'],
  // the file as it is
  ['identity;q=0', '|'],
  ['gzip, identity;q=0', 'gzip |'],
  ['gzip;q=0.5, identity', '| gzip'],
  ['gzip, identity', 'gzip |'],
  ['br;q=0.2, gzip;q=0.9, identity;q=0.5', 'gzip | br'],
  // all others
  ['*', 'br gzip |'],
  ['*;q=0', '|'],
  ['*;q=0, gzip', 'gzip |'],
  ['*, gzip;q=0', 'br |'],
  ['gzip;q=0.5, *;q=0.1', 'gzip br |'],
  ['gzip;q=0.1, *;q=0.5', 'br | gzip'],
  // what is malformed is not there
  ['gzip;q=2', '|'],
  ['gzip;q=1.5', '|'],
  ['gzip;q=-1', '|'],
  ['gzip;q=0.1234', '|'],
  ['gzip;q=', '|'],
  ['gzip;x=1', '|'],
  ['gzip br', '|'],
  ['"gzip"', '|'],
  [',,gzip,,', 'gzip |'],
  [';q=1', '|'],
])('%j', (field, codings) => {
  expect(shown(field)).toBe(codings);
  // asked again, and after another
  expect(shown(field)).toBe(codings);
  shown('gzip');
  expect(shown(field)).toBe(codings);
});
