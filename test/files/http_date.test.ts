import { describe, expect, test } from 'vitest';
import { httpDate, parseHttpDate } from '../../src/files/http_date.js';

/** 6 November 1994, 08:49:37, the RFC's example. */
const EXAMPLE = 784_111_777;
const NOW = Date.UTC(2024, 4, 17) / 1000;
const utc = (...args: [number, number, number, number?, number?, number?]) => Date.UTC(...args) / 1000;

test('httpDate writes an IMF-fixdate', () => {
  expect(httpDate(EXAMPLE)).toBe('Sun, 06 Nov 1994 08:49:37 GMT');
  expect(httpDate(0)).toBe('Thu, 01 Jan 1970 00:00:00 GMT');
  expect(httpDate(utc(2033, 1, 1))).toBe('Tue, 01 Feb 2033 00:00:00 GMT');
});

describe('parseHttpDate reads', () => {
  test.each([
    ['IMF-fixdate', 'Sun, 06 Nov 1994 08:49:37 GMT', EXAMPLE],
    ['rfc850-date', 'Sunday, 06-Nov-94 08:49:37 GMT', EXAMPLE],
    ['asctime-date', 'Sun Nov  6 08:49:37 1994', EXAMPLE],
    ['asctime-date with two digits', 'Wed Nov 16 08:49:37 1994', EXAMPLE + 10 * 86_400],
    ['a leap day', 'Thu, 29 Feb 2024 23:59:59 GMT', utc(2024, 1, 29, 23, 59, 59)],
    ['a leap second', 'Sat, 31 Dec 2016 23:59:60 GMT', utc(2017, 0, 1)],
    ['a weekday that is wrong', 'Mon, 06 Nov 1994 08:49:37 GMT', EXAMPLE],
    ['a date before 1970', 'Wed, 31 Dec 1969 23:59:59 GMT', -1],
    ['a date far ahead', 'Fri, 31 Dec 9999 23:59:59 GMT', utc(9999, 11, 31, 23, 59, 59)],
  ])('%s', (_name, text, seconds) => {
    expect(parseHttpDate(text, NOW)).toBe(seconds);
  });

  test.each([
    ['this century, in the past', '23', 2023],
    ['50 years ahead', '74', 2074],
    ['more than 50 years ahead: the past', '75', 1975],
    ['99', '99', 1999],
    ['00', '00', 2000],
  ])('a year of two digits, %s', (_name, digits, year) => {
    expect(parseHttpDate(`Monday, 01-Jan-${digits} 00:00:00 GMT`, NOW)).toBe(utc(year, 0, 1));
  });

  test('a year of two digits, 50 years ahead to the day and a second more', () => {
    expect(parseHttpDate('Monday, 17-May-74 00:00:00 GMT', NOW)).toBe(utc(2074, 4, 17));
    expect(parseHttpDate('Monday, 17-May-74 00:00:01 GMT', NOW)).toBe(utc(1974, 4, 17, 0, 0, 1));
  });
});

test.each([
  ['nothing', ''],
  ['a word', 'yesterday'],
  ['a number', '784111777'],
  ['ISO 8601', '1994-11-06T08:49:37Z'],
  ['another zone', 'Sun, 06 Nov 1994 08:49:37 PST'],
  ['an offset', 'Sun, 06 Nov 1994 08:49:37 +0000'],
  ['no zone', 'Sun, 06 Nov 1994 08:49:37'],
  ['lower case', 'sun, 06 nov 1994 08:49:37 gmt'],
  ['one digit for the day', 'Sun, 6 Nov 1994 08:49:37 GMT'],
  ['no weekday', '06 Nov 1994 08:49:37 GMT'],
  ['hour 24', 'Sun, 06 Nov 1994 24:00:00 GMT'],
  ['minute 60', 'Sun, 06 Nov 1994 08:60:37 GMT'],
  ['second 61', 'Sun, 06 Nov 1994 08:49:61 GMT'],
  ['day 0', 'Sun, 00 Nov 1994 08:49:37 GMT'],
  ['day 31 of a short month', 'Sun, 31 Nov 1994 08:49:37 GMT'],
  ['29 February of another year', 'Wed, 29 Feb 2023 08:49:37 GMT'],
  ['a year that Date takes for another', 'Sun, 06 Nov 0094 08:49:37 GMT'],
  ['a month that is none', 'Sun, 06 Nop 1994 08:49:37 GMT'],
  ['something behind', 'Sun, 06 Nov 1994 08:49:37 GMT; length=3'],
  ['something in front', ' Sun, 06 Nov 1994 08:49:37 GMT'],
])('no date: %s', (_name, text) => {
  expect(parseHttpDate(text, NOW)).toBeUndefined();
});
