import { describe, expect, test } from 'vitest';
import { type FormSeen, readMultipart, readPairs } from '../../fuzz/targets/form_reference.js';
import { checkFormOptions } from '../../src/web/form_options.js';

const LIMITS = checkFormOptions({ maxParts: 2, maxFieldLen: 5, maxFileLen: 9, maxFieldNameLen: 3, maxHeaderLen: 60 });
const MALFORMED = 'ESP_ERR_HTTPD_INVALID_REQ 3';
const TOO_LARGE = 'ESP_ERR_INVALID_SIZE 10';

const head = (fields: string) => `Content-Disposition: form-data; ${fields}\r\n\r\n`;
const told = ({ parts, outcome }: FormSeen) => [
  ...parts.map(({ name, filename, content }) => `${name}|${filename}|${content}`),
  outcome,
];

describe('a form that is read from its whole body', () => {
  test.each<[string, ...string[]]>([
    ['--x--', 'ok'],
    [
      `--x\r\n${head('name=a')}1\r\n--x \t\r\n${head('name=b; filename=f')}\r\n\r\n\r\n--x--\r\n--x\r\n`,
      'a|undefined|1',
      'b|f|\r\n\r\n',
      'ok',
    ],
    [`--x\r\n${head('name=a')}--x--`, 'a|undefined|', 'ok'],
    [`--x\r\n${head('name=a')}1\r\n--`, 'a|undefined|undefined', MALFORMED],
    [`--x\r\n${head('name=a')}123456\r\n--x--`, 'a|undefined|undefined', TOO_LARGE],
    [`--x\r\n${head('name=a')}12345\r\n--x--`, 'a|undefined|12345', 'ok'],
    [`--x\r\n${head('name=abcd')}\r\n--x--`, TOO_LARGE],
    [`--x\r\n${head('name=a; filename=a_long_name_of_a_file_')}\r\n--x--`, TOO_LARGE],
    [`${`--x\r\n${head('name=a')}\r\n`.repeat(3)}--x--`, 'a|undefined|', 'a|undefined|', TOO_LARGE],
    ['--xy\r\n', MALFORMED],
    ['--x\r\n--x--', MALFORMED],
    ['', MALFORMED],
  ])('%j', (body, ...expected) => {
    expect(told(readMultipart(Buffer.from(body), 'x', LIMITS))).toEqual(expected);
  });

  test.each<[string, ...string[]]>([
    ['', 'ok'],
    ['a=1&&%62=+', 'a|undefined|1', 'b|undefined| ', 'ok'],
    ['a=123456', TOO_LARGE],
    ['abcd=', TOO_LARGE],
    ['a&b&c', 'a|undefined|', 'b|undefined|', TOO_LARGE],
    [`a=${'x'.repeat(30)}`, TOO_LARGE],
  ])('of pairs: %j', (body, ...expected) => {
    expect(told(readPairs(Buffer.from(body), LIMITS))).toEqual(expected);
  });
});
