/** Group 6: text must be UTF-8, and is refused at the first byte that shows that it is not. */
import { TEXT } from '../../support/ws_frames.js';
import {
  clientBytes,
  conformance,
  cont,
  contMore,
  either,
  failed,
  fragments,
  type Part,
  type Row,
  row,
  text,
  textMore,
} from './support.js';

const NOT_UTF8 = failed(1007);
/** The word κόσμε, with an accent of three bytes. */
const GREEK = Buffer.from('\u03ba\u1f79\u03c3\u03bc\u03b5');
const UMLAUTS = Buffer.from('Hello-µ@ßöäüàá-UTF-8!!');
const EDITED = Buffer.from('edited');
const hex = (bytes: string) => Buffer.from(bytes, 'hex');

conformance('6.1 empty fragments', [
  row('6.1.1', 'an empty text', [text()], [text()]),
  row(
    '6.1.2',
    'three empty fragments',
    [textMore(), contMore(), cont()],
    either([textMore(), contMore(), cont()], [text()]),
  ),
  row(
    '6.1.3',
    'empty fragments around one that is not',
    [textMore(), contMore('in the middle'), cont()],
    either([textMore(), contMore('in the middle'), cont()], [text('in the middle')]),
  ),
]);

function octets(id: string, payload: Buffer): Row {
  const frames = fragments(TEXT, payload, 1);
  return row(id, `each byte of '${payload}' a fragment`, frames, either(frames, [text(payload)]));
}

/** Right up to and including the `ß`. */
const CUT = Buffer.byteLength('Hello-µ@ß');

conformance('6.2 text in fragments', [
  row('6.2.1', 'in one', [text(UMLAUTS)], [text(UMLAUTS)]),
  row(
    '6.2.2',
    'cut between characters',
    [textMore(UMLAUTS.subarray(0, CUT)), cont(UMLAUTS.subarray(CUT))],
    either([textMore(UMLAUTS.subarray(0, CUT)), cont(UMLAUTS.subarray(CUT))], [text(UMLAUTS)]),
  ),
  octets('6.2.3', UMLAUTS),
  octets('6.2.4', GREEK),
]);

/** A surrogate: its second byte is the one that can't be. */
const SURROGATE = Buffer.concat([GREEK, hex('eda080'), EDITED]);
const RIGHT_OF_IT = fragments(TEXT, SURROGATE, 1).slice(0, GREEK.length + 1);

conformance('6.3 text that is wrong', [
  row('6.3.1', 'in one fragment', [text(SURROGATE)], [], { close: NOT_UTF8 }),
  row('6.3.2', 'each byte a fragment', fragments(TEXT, SURROGATE, 1), either(RIGHT_OF_IT, []), { close: NOT_UTF8 }),
]);

/** Beyond U+10FFFF: its second byte is the one that can't be. The last part is never sent. */
const BEYOND = hex('f4908080');

function failFast(id: string, title: string, first: Part['send'], back: Part['back'], second: Part['send']): Row {
  return {
    id,
    title,
    parts: [
      { send: first, back },
      { send: second, back: [] },
    ],
    close: NOT_UTF8,
  };
}

/** All bytes of one text frame; its header and the right ones take `IN_FRAME`. */
const WHOLE = Buffer.concat(clientBytes(text(Buffer.concat([GREEK, BEYOND, EDITED]))));
const IN_FRAME = 6 + GREEK.length;
const F4 = Buffer.concat([GREEK, BEYOND.subarray(0, 1)]);

conformance('6.4 text that is wrong is refused before it has all come', [
  failFast('6.4.1', 'behind the fragment with the wrong character', [textMore(GREEK)], either([textMore(GREEK)], []), [
    contMore(BEYOND),
  ]),
  failFast('6.4.2', 'behind the fragment with the wrong byte', [textMore(F4)], either([textMore(F4)], []), [
    contMore(BEYOND.subarray(1, 2)),
  ]),
  failFast(
    '6.4.3',
    'inside a frame, behind the wrong character',
    [WHOLE.subarray(0, IN_FRAME)],
    [],
    [WHOLE.subarray(IN_FRAME, IN_FRAME + 4)],
  ),
  failFast(
    '6.4.4',
    'inside a frame, behind the wrong byte',
    [WHOLE.subarray(0, IN_FRAME + 1)],
    [],
    [WHOLE.subarray(IN_FRAME + 1, IN_FRAME + 2)],
  ),
]);

/** The form of UTF-8 with `size` bytes, up to the six that RFC 2279 had, whether it is the right one or not. */
function form(size: number, value: number): Buffer {
  if (size === 1) return Buffer.of(value);
  const bytes: number[] = [];
  for (let i = 1, rest = value; i <= size; i++, rest = Math.floor(rest / 64)) {
    bytes.unshift(i < size ? 0x80 | (rest & 0x3f) : ((0xff00 >> size) & 0xff) | rest);
  }
  return Buffer.from(bytes);
}

const point = (value: number) => Buffer.from(String.fromCodePoint(value));
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
/** The last value that a form has, by its size. */
const LAST = [0, 0x7f, 0x7ff, 0xffff, 0x1f_ffff, 0x3ff_ffff, 0x7fff_ffff] as const;
const last = (size: number) => form(size, LAST[size] as number);
const CUT_SHORT = [...range(2, 6).map(size => form(size, 0)), ...range(2, 6).map(last)].map(bytes =>
  bytes.subarray(0, -1),
);
const HIGH = [0xd800, 0xdb7f, 0xdb80, 0xdbff];
const LOW = [0xdc00, 0xdfff];
/** Where a prefix of GREEK ends with a character. */
const ENDS = [2, 5, 7, 9, 11];

/** Payloads by subgroup: those that are right, and those that are not. Numbered in this order. */
const SEQUENCES: readonly (readonly [group: string, title: string, right: Buffer[], wrong: Buffer[]])[] = [
  [
    '6.5',
    'characters of one to four bytes',
    [...'$¢€\u{24b62}'].map(c => Buffer.from(`hello${c}world`)).concat(GREEK),
    [],
  ],
  ['6.7', 'the first of one to four bytes', [0, 0x80, 0x800, 0x1_0000].map(point), []],
  ['6.8', 'the first of five and six bytes', [], [form(5, 0x20_0000), form(6, 0x400_0000)]],
  ['6.9', 'the last of one to four bytes', [0x7f, 0x7ff, 0xffff, 0x10_ffff].map(point), []],
  ['6.10', 'the last that forms of four to six bytes have', [], [last(4), last(5), last(6)]],
  ['6.11', 'other boundaries', [0xd7ff, 0xe000, 0xfffd, 0x10_ffff].map(point), [form(4, 0x11_0000)]],
  [
    '6.12',
    'continuation bytes without a first',
    [],
    ['80', 'bf', '80bf', '80bf80', '80bf80bf', '80bf80bf80', '80bf80bf80bf']
      .map(hex)
      .concat(Buffer.from(range(0x80, 0xbf))),
  ],
  [
    '6.13',
    'first bytes without a continuation',
    [],
    [range(0xc0, 0xdf), range(0xe0, 0xef), range(0xf0, 0xf7), range(0xf8, 0xfb), range(0xfc, 0xfd)].map(firsts =>
      Buffer.from(firsts.flatMap(first => [first, 0x20])),
    ),
  ],
  ['6.14', 'the last byte is missing', [], CUT_SHORT],
  ['6.15', 'all of these in a row', [], [Buffer.concat(CUT_SHORT)]],
  ['6.16', 'bytes that UTF-8 does not have', [], ['fe', 'ff', 'fefeffff'].map(hex)],
  ['6.17', 'a slash in too many bytes', [], range(2, 6).map(size => form(size, 0x2f))],
  [
    '6.18',
    'the last character that has one byte too many',
    [],
    range(2, 6).map(size => form(size, LAST[size - 1] as number)),
  ],
  ['6.19', 'NUL in too many bytes', [], range(2, 6).map(size => form(size, 0))],
  ['6.20', 'surrogates', [], [...HIGH, 0xdc00, 0xdf80, 0xdfff].map(value => form(3, value))],
  [
    '6.21',
    'pairs of surrogates',
    [],
    HIGH.flatMap(high => LOW.map(low => Buffer.concat([form(3, high), form(3, low)]))),
  ],
  [
    '6.22',
    'noncharacters, which are right',
    range(0, 16).flatMap(plane => [point(plane * 0x1_0000 + 0xfffe), point(plane * 0x1_0000 + 0xffff)]),
    [],
  ],
  ['6.23', 'specials', range(0xfff9, 0xffff).map(point), []],
];

function oneMessage(id: string, payload: Buffer, isRight: boolean): Row {
  const title = payload.length > 20 ? `${payload.toString('hex', 0, 20)}…` : payload.toString('hex');
  return isRight
    ? row(id, `${title} comes back`, [text(payload)], [text(payload)])
    : row(id, `${title} is refused`, [text(payload)], [], { close: NOT_UTF8 });
}

conformance(
  '6.6 prefixes of a text',
  range(1, GREEK.length).map(n => oneMessage(`6.6.${n}`, GREEK.subarray(0, n), ENDS.includes(n))),
);

for (const [group, title, right, wrong] of SEQUENCES) {
  conformance(
    `${group} ${title}`,
    [...right, ...wrong].map((payload, i) => oneMessage(`${group}.${i + 1}`, payload, i < right.length)),
  );
}
