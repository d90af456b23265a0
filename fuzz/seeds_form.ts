/** Forms to begin with: what browsers and other clients send, and what parsers have stumbled over. */

/** `kind` is the second byte of an input: limits, boundary, what is read. */
const seed = (kind: number, text: string, sizes = 0x05) =>
  Buffer.concat([Buffer.from([sizes, kind]), Buffer.from(text, 'latin1')]);

const BOUNDARIES = ['x', '-x-', '--'];
const URLENCODED = 3 << 2;

const part = (boundary: string, fields: string, content: string, more = '') =>
  `--${boundary}\r\nContent-Disposition: form-data; ${fields}\r\n${more}\r\n${content}\r\n`;

const FORMS: readonly ((boundary: string) => string)[] = [
  b => `--${b}--`,
  b => `--${b}--\r\nepilogue\r\n--${b}\r\n`,
  b => `${part(b, 'name="a"', 'one')}--${b}--\r\n`,
  b => `${part(b, 'name="a"', '')}${part(b, 'name=b; filename="c"', 'file', 'Content-Type: text/html\r\n')}--${b}--`,
  b => `preamble\r\n${part(b, 'name="a"', `\r\n--${b.slice(0, -1)}\r\n-\r`)}--${b}--`,
  b => `${part(b, 'name="a"', 'x')}--${b} \t\r\nContent-Disposition: form-data; name=b\r\n\r\ny\r\n--${b}--\t`,
  b => `--${b}\r\nContent-Disposition: form-data; name=a\r\n\r\n--${b}--`,
  b => `--${b}\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nfolded\r\n--${b}--`,
  b => `--${b}\r\n\r\nno head\r\n--${b}--`,
  b => `--${b}\r\nContent-Disposition: form-data; name=a\r\n--${b}--`,
  b => `--${b}x\r\n\r\n\r\n--${b}--`,
  b => `--${b} --\r\n`,
  b => `--${b}\nContent-Disposition: form-data; name=a\n\nbare\n--${b}--`,
  b => part(b, 'name="a"', 'not closed'),
  b => `${part(b, 'name="a"', '')}--${b}`,
  b => `${part(b, 'name="a"', '')}--${b}-`,
  b => `--${b}\r\nX: ${'v'.repeat(100)}`,
  b => `${part(b, 'name="a"', 'v'.repeat(21))}--${b}--`,
  b => `${part(b, 'name="a"; filename=f', 'v'.repeat(41))}`,
  b => `${part(b, 'name="a very long name"', '')}--${b}--`,
  b => `${part(b, 'name=a', '1').repeat(4)}--${b}--`,
  b => `${part(b, 'name="__proto__"; filename="../%22%0d\\"; filename*=UTF-8\'\'%e2%82%ac', '')}--${b}--`,
];

const PAIRS = [
  '',
  'a=1',
  'a=1&b=%41+x&&c&=d&e==f',
  '?a=1&#b=2',
  '%',
  '%e2%82%ac=\xe2\x82\xac&%ff=%zz',
  '&'.repeat(50),
  `${'n'.repeat(11)}=1`,
  `a=${'v'.repeat(21)}`,
  `a=${'%41'.repeat(21)}`,
  `a=${'v'.repeat(200)}`,
  'a=1&b=2&c=3&d=4',
];

export const FORM_SEEDS: readonly Buffer[] = [
  ...BOUNDARIES.flatMap((boundary, i) =>
    FORMS.flatMap((form, n) => [0, 1].map(limits => seed(limits | (i << 2) | ((n % 3) << 4), form(boundary), n * 3))),
  ),
  ...PAIRS.flatMap((text, n) => [0, 2].map(limits => seed(limits | URLENCODED | ((n % 3) << 4), text, n * 3))),
];
