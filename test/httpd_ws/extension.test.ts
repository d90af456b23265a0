import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { acceptDeflate, type ExtensionOffer, parseExtensions } from '../../src/httpd_ws/extension.js';
import type { WsDeflateSettings } from '../../src/httpd_ws/options.js';

const offer = (name: string, ...params: [string, string | true][]): ExtensionOffer => ({ name, params });

const OURS: WsDeflateSettings = {
  threshold: 1024,
  level: 6,
  memLevel: 8,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

const D = 'permessage-deflate';

/** Every character that a token may have (RFC 9110 section 5.6.2). */
const TCHARS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

const RIGHT: readonly (readonly [value: string, offers: ExtensionOffer[]])[] = [
  ['foo', [offer('foo')]],
  ['permessage-deflate', [offer('permessage-deflate')]],
  [TCHARS, [offer(TCHARS)]],
  [`a; ${TCHARS}=${TCHARS}`, [offer('a', [TCHARS, TCHARS])]],
  ['foo; a', [offer('foo', ['a', true])]],
  ['foo; a=b', [offer('foo', ['a', 'b'])]],
  ['foo;a=1;b;a=2', [offer('foo', ['a', '1'], ['b', true], ['a', '2'])]],
  // quoted strings: what they stand for is a token
  ['foo; a="b"', [offer('foo', ['a', 'b'])]],
  ['foo; a="10"; b="c"', [offer('foo', ['a', '10'], ['b', 'c'])]],
  ['foo; a="b\\c"', [offer('foo', ['a', 'bc'])]],
  ['foo; a="\\b\\c"', [offer('foo', ['a', 'bc'])]],
  ["foo; a='b'", [offer('foo', ['a', "'b'"])]],
  // white space
  [' foo ', [offer('foo')]],
  ['\tfoo\t;\ta\t=\tb\t', [offer('foo', ['a', 'b'])]],
  ['foo ; a = "b" ; c ', [offer('foo', ['a', 'b'], ['c', true])]],
  ['foo  \t ;  \t a=b', [offer('foo', ['a', 'b'])]],
  // lists
  ['foo, bar', [offer('foo'), offer('bar')]],
  ['foo,bar; a,foo; a="b"', [offer('foo'), offer('bar', ['a', true]), offer('foo', ['a', 'b'])]],
  // empty elements (RFC 9110 section 5.6.1.2)
  [',foo', [offer('foo')]],
  ['foo,', [offer('foo')]],
  ['foo,,bar', [offer('foo'), offer('bar')]],
  [' , ,\t, foo ,, \t,bar, ,', [offer('foo'), offer('bar')]],
  // an empty list
  ['', []],
  [' ', []],
  ['\t', []],
  [',', []],
  [' , ,, ', []],
  // names that objects have
  ['__proto__', [offer('__proto__')]],
  ['constructor; __proto__=1; constructor', [offer('constructor', ['__proto__', '1'], ['constructor', true])]],
];

const WRONG: readonly string[] = [
  // no name
  ';',
  ';a',
  '; a=b',
  '=',
  '=b',
  'foo, ;a',
  // parameters without a name, or without an end
  'foo;',
  'foo; ',
  'foo;;a',
  'foo; a;',
  'foo;a;;b',
  'foo;,bar',
  'foo; =b',
  'foo; =',
  'foo; a=',
  'foo; a= ',
  'foo; a=,bar',
  'foo; a=;b',
  'foo; a==b',
  'foo; a=b=c',
  // names with values
  'foo=bar',
  'foo="bar"',
  '"foo"',
  'foo; "a"',
  'foo; "a"=b',
  // two where there may be one
  'foo bar',
  'foo; a b',
  'foo; a=b c',
  'foo; a=b"c"',
  'foo; a="b"c',
  'foo; a="b""c"',
  'foo; a="b" "c"',
  // quoted strings without an end
  'foo; a="',
  'foo; a="b',
  'foo; a="b\\"',
  'foo; a="\\',
  'foo; a=b"',
  // quoted strings that stand for no token
  'foo; a=""',
  'foo; a=" "',
  'foo; a="b c"',
  'foo; a=" b"',
  'foo; a="b,c"',
  'foo; a="b;c"',
  'foo; a="b\\"c"',
  'foo; a="b\\\\c"',
  'foo; a="b=c"',
  'foo; a="\xfc"',
  'foo; a="b\\\xfc"',
  'foo; a="b\nc"',
  'foo; a="b\\\nc"',
  'foo; a="\0"',
  // separators and other characters that no token has
  ...[...'()<>@:\\/[]?{}'].flatMap(char => [`fo${char}o`, `foo; a${char}`, `foo; a=${char}`]),
  'f\xfco',
  'foo; \xfc',
  'foo; a=\xfc',
  'foo\0',
  'foo\r\n',
  'foo\n',
  'foo;\na',
  'foo\v',
  'foo\xa0',
  '\u212afoo',
  'foo\u2028',
];

describe('Sec-WebSocket-Extensions (RFC 6455 section 9.1)', () => {
  test.each(RIGHT)('%j is read', (value, offers) => {
    expect(parseExtensions(value)).toEqual(offers);
  });

  test.each(WRONG)('%j breaks the grammar', value => {
    expect(parseExtensions(value)).toBeUndefined();
    // and so does a list that it is an element of, but for empty elements
    if (/[^ \t,]/.test(value)) {
      expect(parseExtensions(`foo, ${value}`)).toBeUndefined();
      if (!value.includes('"')) expect(parseExtensions(`${value}, foo`)).toBeUndefined();
    }
  });

  test('any text is read or refused, and nothing is thrown', () => {
    const char = fc.constantFrom(...'a1_"\\;,= \t\0\n\x7f\xff'.split(''), 'permessage-deflate', '__proto__');
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(char).map(chars => chars.join('')),
          fc.string({ unit: 'binary' }),
        ),
        value => {
          const offers = parseExtensions(value);
          if (offers === undefined) return;
          acceptDeflate(offers, OURS);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test('whatever is written by the grammar is read as it was meant', () => {
    const token = fc.string({ unit: fc.constantFrom(...TCHARS), minLength: 1, maxLength: 8 });
    const blanks = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 3 });
    const quoted = fc.tuple(token, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }));
    const value = fc.oneof(
      fc.constant({ means: true as const, text: '' }),
      token.map(text => ({ means: text, text: `=${text}` })),
      quoted.map(([text, escaped]) => ({
        means: text,
        text: `="${[...text].map((char, i) => (escaped[i] ? `\\${char}` : char)).join('')}"`,
      })),
    );
    const extension = fc.record({ name: token, params: fc.array(fc.tuple(token, value), { maxLength: 5 }) });
    fc.assert(
      fc.property(fc.array(extension, { minLength: 1, maxLength: 4 }), fc.infiniteStream(blanks), (list, space) => {
        const blank = () => space.next().value ?? '';
        const text = list.map(({ name, params }) =>
          [name, ...params.map(([param, { text }]) => param + text.replace(/^=/, () => `${blank()}=${blank()}`))]
            .map(part => blank() + part + blank())
            .join(';'),
        );
        const means = list.map(({ name, params }) =>
          offer(name, ...params.map(([param, { means }]): [string, string | true] => [param, means])),
        );
        expect(parseExtensions(text.join(','))).toEqual(means);
      }),
    );
  });
});

/** How many blanks there are at `from`. */
function blanks(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t') at += 1;
  return at - from;
}

describe('100,000 parameters', () => {
  /** Characters that regular expressions look at while `value` is read, more or less, and whether it is well formed. */
  function work(value: string): { chars: number; read: boolean } {
    let chars = 0;
    const { exec } = RegExp.prototype;
    RegExp.prototype.exec = function (this: RegExp, text: string) {
      const from = this.lastIndex;
      const match = exec.call(this, text);
      // one that is not sticky may look at everything; one that is looks at blanks, then at what it takes
      chars += this.sticky ? (match?.[0].length ?? blanks(text, from)) + 1 : text.length;
      return match;
    };
    try {
      const read = parseExtensions(value) !== undefined;
      return { read, chars };
    } finally {
      RegExp.prototype.exec = exec;
    }
  }

  test.each<[string, boolean, (n: number) => string]>([
    ['that are empty', true, n => D + ';a'.repeat(n)],
    ['with values', true, n => D + '; server_max_window_bits=15'.repeat(n)],
    ['with quoted values', true, n => D + ';a="b"'.repeat(n)],
    ['with escapes', true, n => D + ';a="\\b\\c"'.repeat(n)],
    ['amid blanks', true, n => D + ' \t ; \t a \t = \t b \t '.repeat(n)],
    ['in offers of their own', true, n => `${D};a,`.repeat(n)],
    ['behind empty elements', true, n => `${', '.repeat(n)}${D}`],
    ['of which the last is broken', false, n => `${D}${';a'.repeat(n)};`],
    ['of which the last has no end', false, n => `${D}${';a="b"'.repeat(n)};a="`],
  ])('%s are read in linear time', (_name, right, make) => {
    const few = work(make(10_000));
    const many = work(make(100_000));
    expect([few.read, many.read]).toEqual([right, right]);
    expect(many.chars).toBeLessThanOrEqual(10.1 * few.chars);
    expect(many.chars).toBeLessThanOrEqual(5 * make(100_000).length);
  });

  test('are declined at the first one that is unknown, or comes twice', () => {
    let looked = 0;
    const params: [string, string | true][] = Array.from({ length: 100_000 }, () => ['a', true]);
    const watched = new Proxy(params, {
      get(target, key, receiver) {
        if (typeof key === 'string' && /^\d+$/.test(key)) looked += 1;
        return Reflect.get(target, key, receiver);
      },
    });
    expect(acceptDeflate([{ name: D, params: watched }], OURS)).toBeUndefined();
    expect(looked).toBe(1);
  });
});
