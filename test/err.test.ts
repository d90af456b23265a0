import { describe, expect, test } from 'vitest';
import * as err from '../src/err.js';

/** `esp_err.h` and `esp_http_server.h`. */
const NUMBERS: readonly (readonly [name: string, value: number])[] = [
  ['ESP_OK', 0],
  ['ESP_FAIL', -1],
  ['ESP_ERR_NO_MEM', 257],
  ['ESP_ERR_INVALID_ARG', 258],
  ['ESP_ERR_INVALID_STATE', 259],
  ['ESP_ERR_INVALID_SIZE', 260],
  ['ESP_ERR_NOT_FOUND', 261],
  ['ESP_ERR_NOT_SUPPORTED', 262],
  ['ESP_ERR_TIMEOUT', 263],
  ['ESP_ERR_INVALID_RESPONSE', 264],
  ['ESP_ERR_HTTPD_HANDLERS_FULL', 45_057],
  ['ESP_ERR_HTTPD_HANDLER_EXISTS', 45_058],
  ['ESP_ERR_HTTPD_INVALID_REQ', 45_059],
  ['ESP_ERR_HTTPD_RESULT_TRUNC', 45_060],
  ['ESP_ERR_HTTPD_RESP_HDR', 45_061],
  ['ESP_ERR_HTTPD_RESP_SEND', 45_062],
  ['ESP_ERR_HTTPD_ALLOC_MEM', 45_063],
  ['ESP_ERR_HTTPD_TASK', 45_064],
];

describe('error numbers', () => {
  test.each(NUMBERS)('%s is %i, and espErrToName() gives its name', (name, value) => {
    expect((err as Record<string, unknown>)[name]).toBe(value);
    expect(err.espErrToName(value)).toBe(name);
  });

  test('the range of esp_http_server begins at 0xb000', () => {
    expect(err.ESP_ERR_HTTPD_BASE).toBe(0xb000);
  });

  test.each([1, -2, 0xb000, 0xb009, 1.5, Number.NaN])('%d has no name', code => {
    expect(err.espErrToName(code)).toBe('UNKNOWN ERROR');
  });
});

describe('EspError', () => {
  test('carries number, name, message and cause', () => {
    const cause = new Error('EADDRINUSE');
    const error = new err.EspError(err.ESP_ERR_HTTPD_TASK, 'the port is in use', { cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ code: 0xb008, name: 'ESP_ERR_HTTPD_TASK', message: 'the port is in use', cause });
    expect(String(error)).toBe('ESP_ERR_HTTPD_TASK: the port is in use');
    expect(error.stack).toContain('err.test.ts');
  });

  test('with an unknown number has a name too', () => {
    expect(new err.EspError(7, 'x').name).toBe('UNKNOWN ERROR');
  });

  test('invalidArg() throws ESP_ERR_INVALID_ARG', () => {
    expect(() => err.invalidArg('not that')).toThrow(
      expect.objectContaining({ code: err.ESP_ERR_INVALID_ARG, message: 'not that' }),
    );
  });
});

describe('describeThrown', () => {
  const hostile = {
    toString(): string {
      throw new Error('gotcha');
    },
  };
  test.each([
    ['an error', new TypeError('x is not a function'), 'TypeError: x is not a function'],
    ['an EspError', new err.EspError(err.ESP_FAIL, 'no'), 'ESP_FAIL: no'],
    ['a string', 'just text', 'just text'],
    ['a number', 5, '5'],
    ['undefined', undefined, 'undefined'],
    ['null', null, 'null'],
    ['a symbol', Symbol('s'), 'Symbol(s)'],
    ['an object that can not be shown', hostile, 'a value that cannot be shown as a string'],
    ['an object without a prototype', Object.create(null), 'a value that cannot be shown as a string'],
  ])('describes %s', (_name, thrown, text) => {
    expect(err.describeThrown(thrown)).toBe(text);
  });

  test('cuts at 1,000 characters', () => {
    expect(err.describeThrown('x'.repeat(5_000))).toHaveLength(1_000);
  });

  test('gives one line, as its comment promises', () => {
    expect(err.describeThrown(new Error('first\nsecond\r\nthird'))).not.toMatch(/[\r\n]/);
  });

  test('an Error whose message is a getter that throws is described', () => {
    const trap = Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('gotcha');
      },
    });
    expect(err.describeThrown(trap)).toBe('a value that cannot be shown as a string');
  });
});
