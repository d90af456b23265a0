/** Changes of forms: of boundaries, lines and header fields, pairs and escapes. */
import type { Random } from '../random.js';
import { BYTE_MUTATIONS, type Mutation, withToken } from './bytes.js';
import { linesEnded, linesMoved } from './lines.js';

const TOKENS = [
  ...['x', '-x-', '--'].flatMap(boundary => [
    `--${boundary}`,
    `\r\n--${boundary}\r\n`,
    `\r\n--${boundary} \t\r\n`,
    `\r\n--${boundary}--`,
    `\r\n--${boundary}--\r\n`,
    `\r\n--${boundary}`.slice(0, -1),
  ]),
  'Content-Disposition: form-data; name="a"\r\n',
  'Content-Disposition: form-data; name=b; filename="c.txt"\r\n',
  'Content-Disposition: form-data; name="a"; filename*=UTF-8\'\'%e2%82%ac\r\n',
  '; filename="=?utf-8?B?4oKs?="',
  'Content-Type: text/html; charset=x\r\n',
  'X-Other: y\r\n',
  ' folded\r\n',
  '\r\n\r\n',
  '\r\n--',
  '\r',
  '\n',
  '--',
  '"',
  '\\"',
  '&',
  '=',
  'a=1&',
  '%41',
  '%',
  '+',
  '\xe2\x82\xac',
].map(text => Buffer.from(text, 'latin1'));

const MUTATIONS: readonly Mutation[] = [
  ...BYTE_MUTATIONS,
  withToken(TOKENS),
  withToken(TOKENS),
  withToken(TOKENS),
  withToken(TOKENS),
  linesMoved,
  linesMoved,
  linesEnded,
];

export function mutateForm(bytes: Buffer, other: Buffer, random: Random): Buffer {
  return random.pick(MUTATIONS)(bytes, other, random);
}
