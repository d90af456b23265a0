import { describe, expect, test } from 'vitest';
import { closePayload, FAIL, isCloseCode, parseClose } from '../../src/httpd_ws/close.js';
import { closeBody, hex } from '../support/ws_frames.js';

describe('close codes', () => {
  /** RFC 6455 section 7.4.1, and the codes that IANA has registered since. */
  const ALLOWED = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
  const FORBIDDEN = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];

  test.each(ALLOWED)('%i may be sent', code => {
    expect(isCloseCode(code)).toBe(true);
    expect(parseClose(closeBody(code))).toEqual({ code, reason: '' });
    expect(parseClose(closeBody(code, 'Grüße'))).toEqual({ code, reason: 'Grüße' });
  });

  test.each(FORBIDDEN)('%i must not be sent: 1002', code => {
    expect(isCloseCode(code)).toBe(false);
    expect(parseClose(closeBody(code, 'why'))).toBe(FAIL.CLOSE_CODE);
    expect(FAIL.CLOSE_CODE.close).toBe(1002);
  });

  test('of all numbers of 16 bits, 12 of the RFC and 2,000 of libraries and applications may', () => {
    const allowed = Array.from({ length: 65_536 }, (_, code) => code).filter(isCloseCode);
    expect(allowed.filter(code => code < 3000)).toEqual(ALLOWED.filter(code => code < 3000));
    expect(allowed).toHaveLength(12 + 2_000);
  });
});

describe('the payload of a Close frame', () => {
  test('of no bytes has no code: 1005', () => {
    expect(parseClose(Buffer.alloc(0))).toEqual({ code: 1005, reason: '' });
  });

  test('of one byte is wrong: 1002', () => {
    expect(parseClose(hex('03'))).toBe(FAIL.CLOSE_LENGTH);
    expect(FAIL.CLOSE_LENGTH.close).toBe(1002);
  });

  test.each(['03 e8 ff', '03 e8 c0 80', '03 e8 ed a0 80', '03 e8 41 e2 82'])(
    '%s has a reason that is not UTF-8: 1007',
    bytes => {
      expect(parseClose(hex(bytes))).toBe(FAIL.CLOSE_UTF8);
      expect(FAIL.CLOSE_UTF8.close).toBe(1007);
    },
  );

  test('of 125 bytes has 123 of reason', () => {
    expect(parseClose(closeBody(1000, 'x'.repeat(123)))).toEqual({ code: 1000, reason: 'x'.repeat(123) });
  });

  test.each([
    [1000, undefined, '03 e8'],
    [1001, '', '03 e9'],
    [4999, 'ok', '13 87 6f 6b'],
  ])('of code %i is written', (code, reason, bytes) => {
    expect(closePayload(code, reason).equals(hex(bytes))).toBe(true);
  });

  test.each([
    ['ASCII', 'x'.repeat(200), 123],
    ['123 bytes exactly', 'x'.repeat(123), 123],
    ['124 bytes', 'x'.repeat(124), 123],
    ['2 bytes a character', 'é'.repeat(100), 122],
    ['3 bytes a character', '€'.repeat(100), 123],
    ['a character of 3 across the end', `x${'€'.repeat(100)}`, 121],
    ['4 bytes a character', '😀'.repeat(100), 120],
  ])('a long reason is cut at a character: %s', (_name, reason, length) => {
    const payload = closePayload(1000, reason);
    expect(payload).toHaveLength(2 + length);
    const info = parseClose(payload);
    expect(info).toMatchObject({ code: 1000 });
    expect(reason.startsWith((info as { reason: string }).reason)).toBe(true);
  });
});

describe('the list of failures', () => {
  test.each(Object.entries(FAIL))('%s has a close code that may be sent, and says why', (_name, failure) => {
    expect(isCloseCode(failure.close)).toBe(true);
    expect(failure.why.length).toBeGreaterThan(10);
  });

  test.each([
    [FAIL.UTF8, 1007],
    [FAIL.TOO_BIG, 1009],
    [FAIL.TOO_SLOW, 1008],
    [FAIL.HANDLER, 1011],
  ])('$why: %i', (failure, code) => {
    expect(failure.close).toBe(code);
  });
});
