import { describe, expect, test } from 'vitest';
import * as httpErr from '../../src/httpd/http_err.js';
import { errorText, isErrCode } from '../../src/httpd/http_err.js';

/** `httpd_err_code_t`, and the status lines of httpd_resp_send_err(). */
const CODES: readonly (readonly [name: string, code: number, status: string])[] = [
  ['HTTPD_500_INTERNAL_SERVER_ERROR', 0, '500 Internal Server Error'],
  ['HTTPD_501_METHOD_NOT_IMPLEMENTED', 1, '501 Method Not Implemented'],
  ['HTTPD_505_VERSION_NOT_SUPPORTED', 2, '505 Version Not Supported'],
  ['HTTPD_400_BAD_REQUEST', 3, '400 Bad Request'],
  ['HTTPD_401_UNAUTHORIZED', 4, '401 Unauthorized'],
  ['HTTPD_403_FORBIDDEN', 5, '403 Forbidden'],
  ['HTTPD_404_NOT_FOUND', 6, '404 Not Found'],
  ['HTTPD_405_METHOD_NOT_ALLOWED', 7, '405 Method Not Allowed'],
  ['HTTPD_408_REQ_TIMEOUT', 8, '408 Request Timeout'],
  ['HTTPD_411_LENGTH_REQUIRED', 9, '411 Length Required'],
  ['HTTPD_413_CONTENT_TOO_LARGE', 10, '413 Content Too Large'],
  ['HTTPD_414_URI_TOO_LONG', 11, '414 URI Too Long'],
  ['HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE', 12, '431 Request Header Fields Too Large'],
];

describe('error codes', () => {
  test.each(CODES)('%s is %i, and is sent as %s', (name, code, status) => {
    expect((httpErr as Record<string, unknown>)[name]).toBe(code);
    expect(isErrCode(code)).toBe(true);
    expect(errorText(code)[0]).toBe(status);
  });

  test('there are HTTPD_ERR_CODE_MAX of them', () => {
    expect(httpErr.HTTPD_ERR_CODE_MAX).toBe(CODES.length);
    expect(isErrCode(httpErr.HTTPD_ERR_CODE_MAX)).toBe(false);
  });

  test.each([-1, 13, 404, 0.5, Number.NaN, '3', null, undefined, true, [3]])('%s is none', code => {
    expect(isErrCode(code)).toBe(false);
  });

  test('each has a sentence for a person: no two alike, no markup', () => {
    const sentences = CODES.map(([, code]) => errorText(code)[1]);
    expect(new Set(sentences).size).toBe(CODES.length);
    for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z][\w ,/.']+\.$/);
  });

  test('a number that is none is answered with 500, as in ESP-IDF', () => {
    expect(errorText(99)[0]).toBe('500 Internal Server Error');
  });
});
