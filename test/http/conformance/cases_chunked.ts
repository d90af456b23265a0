/** RFC 9112 section 7.1: chunk sizes, chunk data, and the known ways to hide a request in them. */
import {
  type Case,
  closed,
  head,
  must,
  ok,
  post,
  refused,
  SMUGGLED,
  served,
  servedOr400,
  show,
  status,
} from './case.js';

const TE = 'Transfer-Encoding: chunked';
const RULE = must(9112, '7.1');
const LINES = must(9112, '2.2');
const END = '0\r\n\r\n';

/** A POST with this chunked body. */
function chunked(text: string): string {
  return post(text, TE);
}

const WRONG_SIZES = [
  ...['', ' ', '\t', 'g', 'x', 'G', 'z5', '5z', '5g', '0x5', '0X5', 'x5', '+5', '-5', '-0', '-1', '--5', '5-', '5+'],
  ...[
    '5_0',
    '0_5',
    '5_',
    '5h',
    '05h',
    '$5',
    '#5',
    '5.0',
    '5.',
    '.5',
    '5,',
    '5,5',
    '5e+0',
    '5/',
    '5=',
    '5:',
    '"5"',
    "'5'",
  ],
  ...['(5)', '5 5', '5\t5', ' 5', '\t5', '  5', '5 ', '5\t', '5  ', '5 a', '\x005', '5\x00', '5\x0b', '\x0b5', '5\x0c'],
  ...[
    '5\x1f',
    '5\x7f',
    '\x805',
    '5\x80',
    '\xa05',
    '5\xa0',
    '\xff5',
    '\xef\xbc\x95',
    '\xb2',
    '5\r',
    '\r5',
    '\n5',
    '\r\n5',
  ],
  ...['5\n', '5\r\r', '-0x5', '0o5', '%35', '5%', 'five', 'INVALID!!!', 'GET / HTTP/1.1', '*', '?', '\\5', '{5}'],
];

const HUGE_SIZES = [
  ...['100000005', '80000000', 'ffffffff', '7fffffffffffffff', '8000000000000000', '8000000000000005'],
  ...['ffffffffffffffff', 'fffffffffffffffe', 'FFFFFFFFFFFFFFFB', '20000000000000', '20000000000001'],
];

const OVERFLOWS = [
  ...[
    '10000000000000000',
    '10000000000000005',
    '1000000000000000005',
    'fffffffffffffffff',
    '100000000000000000000000000000005',
  ],
  ...['f'.repeat(100), `1${'0'.repeat(63)}5`, '5'.repeat(1000)],
];

function sizes(): Case[] {
  const body = '0123456789abcdef0123456789';
  const hello = ok({ body: 'hello' });
  return [
    ...WRONG_SIZES.map(size => refused(RULE, `chunk size ${show(size)}`, chunked(`${size}\r\nhello\r\n${END}`))),
    ...['', ' ', 'x', '-0', '+0', '0x0', '0 ', ' 0', '0g', '\x00', '0\x00', '0_', '0.', 'O'].map(size =>
      refused(RULE, `last chunk ${show(size)}`, chunked(`5\r\nhello\r\n${size}\r\n\r\n`)),
    ),
    ...HUGE_SIZES.map(size => refused(RULE, `chunk size ${size}`, chunked(`${size}\r\nhello\r\n${END}`), [400, 413])),
    ...OVERFLOWS.map(size =>
      refused(RULE, `chunk size ${show(size)}`, chunked(`${size}\r\nhello\r\n${END}`), [400, 413]),
    ),
    refused(must(9110, '15.5.14'), 'a chunk longer than maxReqBodyLen', chunked(`1312d00\r\nhello\r\n${END}`), [413]),
    served(RULE, 'one chunk', chunked(`5\r\nhello\r\n${END}`), hello),
    served(RULE, 'several chunks', chunked(`1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n${END}`), hello),
    served(RULE, 'no chunk but the last', chunked(END), ok({ body: '' })),
    served(RULE, 'a size in small letters', chunked(`1a\r\n${body}\r\n${END}`), ok({ body })),
    served(RULE, 'a size in capitals', chunked(`1A\r\n${body}\r\n${END}`), ok({ body })),
    served(RULE, 'a size of one digit', chunked(`a\r\n0123456789\r\n${END}`), ok({ body: '0123456789' })),
    served(RULE, 'leading zeros', chunked(`0005\r\nhello\r\n${END}`), hello),
    served(RULE, 'a last chunk of several zeros', chunked('5\r\nhello\r\n000\r\n\r\n'), hello),
    servedOr400(RULE, 'more zeros than an integer has digits', chunked(`${'0'.repeat(30)}5\r\nhello\r\n${END}`), hello),
    served(
      RULE,
      'a chunk of 70,000 bytes',
      chunked(`11170\r\n${'x'.repeat(70_000)}\r\n${END}`),
      ok({ body: 'x'.repeat(70_000) }),
    ),
    served(RULE, '1,000 chunks', chunked(`1\r\nx\r\n`.repeat(1000) + END), ok({ body: 'x'.repeat(1000) })),
    served(
      RULE,
      'CRLF, chunk sizes and requests in chunk data',
      chunked(`${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n5\r\n${END}\r\n${END}`),
      ok({ body: SMUGGLED + END }),
    ),
    served(
      RULE,
      'with HTTP/1.1 after one with a length',
      post('ab', 'Content-Length: 2') + chunked(`2\r\ncd\r\n${END}`),
      ok({ body: 'ab' }),
      ok({ body: 'cd' }),
    ),
  ];
}

function data(): Case[] {
  const behind = [
    ...[
      '',
      '\n',
      '\r',
      '\r\r\n',
      '\n\r',
      '\n\n',
      ' \r\n',
      '\t\r\n',
      '\x00\r\n',
      'X\r\n',
      'XX',
      'XX\r\n',
      ';\r\n',
      '\r\n\r\n',
    ],
    ...['\r\n\n', '\r ', '\rX', '\x0b\n', '00', '0\r\n', '\r\n\t', '\r\n '],
  ];
  return [
    ...behind.map(text => refused(RULE, `${show(text)} behind chunk data`, chunked(`5\r\nhello${text}${END}`))),
    refused(RULE, 'more data than the size says', chunked(`3\r\nhello\r\n${END}`)),
    refused(RULE, 'less data than the size says', chunked(`7\r\nhello\r\n${END}`)),
    refused(RULE, 'two bytes less', chunked(`6\r\nhello\r\n${END}`)),
    refused(RULE, 'an empty line between chunks', chunked(`5\r\nhello\r\n\r\n${END}`)),
    refused(RULE, 'an empty line in front of the chunks', chunked(`\r\n5\r\nhello\r\n${END}`)),
    refused(RULE, 'data without a size', chunked('hello\r\n\r\n')),
  ];
}

/** Where CRLF has to be, something else is. */
function lineEndings(): Case[] {
  const wrong: [name: string, text: string][] = [
    ['LF behind a size', `5\nhello\r\n${END}`],
    ['LF everywhere', '5\nhello\n0\n\n'],
    ['CR behind a size', `5\rhello\r\n${END}`],
    ['CR CR LF behind a size', `5\r\r\nhello\r\n${END}`],
    ['CR and a letter behind a size', `5\rXhello\r\n${END}`],
    ['CR CR behind a size', `5\r\rhello\r\n${END}`],
    ['LF CR behind a size', `5\n\rhello\r\n${END}`],
    ['LF behind an extension', `5;a\nhello\r\n${END}`],
    ['LF behind a semicolon', `5;\nhello\r\n${END}`],
    ['LF in an extension', `5;a\nb\r\nhello\r\n${END}`],
    ['LF in a quoted string', `5;a="b\nc"\r\nhello\r\n${END}`],
    ['CRLF in a quoted string', `5;a="b\r\nhello"\r\n${END}`],
    ['CR in an extension', `5;a\rb\r\nhello\r\n${END}`],
    ['CR behind an extension', `5;a\rhello\r\n${END}`],
    ['CR CR behind an extension', `5;a=b\r\rhello\r\n${END}`],
    ['CR between size and semicolon', `5\r;a\r\nhello\r\n${END}`],
    ['CR CR between size and semicolon', `5\r\r;a\r\nhello\r\n${END}`],
    ['LF behind the last chunk', '5\r\nhello\r\n0\n\r\n'],
    ['LF for the last line', '5\r\nhello\r\n0\r\n\n'],
    ['LF LF at the end', '5\r\nhello\r\n0\n\n'],
    ['CR behind the last chunk', '5\r\nhello\r\n0\r\r\n'],
    ['CR CR LF behind the last chunk', '5\r\nhello\r\n0\r\r\n\r\n'],
    ['CR and a letter for the last line', '5\r\nhello\r\n0\r\n\rX'],
    ['two letters for the last line', '5\r\nhello\r\n0\r\nXX'],
    ['CR CR LF for the last line', '5\r\nhello\r\n0\r\n\r\r\n'],
  ];
  return wrong.map(([name, text]) => refused(LINES, name, chunked(text)));
}

/** Bodies that two servers cut differently, so that one of them sees a request in them. */
function vectors(): Case[] {
  const size = (text: string) => text.length.toString(16);
  const inner = `0\r\n\r\n${SMUGGLED}`;
  const outer = head('POST /echo', TE);
  const wrong: [name: string, text: string][] = [
    ['TERM.EXT: LF in an extension ends the line', `2;\nxx\r\n${size(inner)}\r\n${inner}\r\n${END}`],
    ['TERM.EXT with CR', `2;\rxx\r\n${size(inner)}\r\n${inner}\r\n${END}`],
    ['EXT.TERM: the line goes on behind LF', `5;\n${'x'.repeat(5)}\r\n${inner}`],
    ['EXT.TERM without a semicolon', `2\nxx\r\n${size(inner)}\r\n${inner}\r\n${END}`],
    ['TERM.SPILL: LF ends the data', `5\r\nhello\n2\r\n${inner}\r\n${END}`],
    ['SPILL.TERM: data runs over its end', `5\r\nhelloXX${size(inner)}\r\n${inner}\r\n${END}`],
    ['ONE.TWO: one byte for a line ending', `5\r\nhello\n${size(inner)}\r\n${inner}\r\n${END}`],
    ['TWO.ONE: two bytes for a line ending', `5\r\nhello\n\n${size(inner)}\r\n${inner}\r\n${END}`],
    ['ZERO.TWO: no line ending', `5\r\nhello${size(inner)}\r\n${inner}\r\n${END}`],
    ['a size with an underscore', `0_2e\r\n\r\n${SMUGGLED}${END}`],
    ['a size with 0x', `0x2e\r\n\r\n${SMUGGLED}${END}`],
    ['a size with a sign', `-0x0\r\n\r\n${SMUGGLED}`],
    ['a size that is empty', `\r\n\r\n${SMUGGLED}`],
    ['a size that is no size', `INVALID!!!\r\n${SMUGGLED}`],
    ['sizes of letters', `Z\r\nZZ\r\nZZZ\r\n\r\n${SMUGGLED}`],
    ['CR between size and semicolon, data that is a size', `5\r\r;ABCD\r\n34\r\nE\r\n0\r\n\r\n${SMUGGLED}${END}`],
    ['CR CR behind an extension, data that is none', `41;a=b\r\r${'X'.repeat(65)}\r\n0\r\n\r\n${SMUGGLED}`],
    ['bytes behind a size', `1these-bytes\r\nZ\r\n${inner}`],
    ['a trailer that is a request', `0\r\n${SMUGGLED}`],
    ['a request line in place of the last line', `0\r\nX:POST / HTTP/1.1\r\nGET /smuggled HTTP/1.1\r\n\r\n`],
    ['NUL in the size', `5\x00\r\nhello\r\n${inner}`],
    ['a negative size', `-1\r\n${SMUGGLED}${END}`],
    ['a size that wraps around to 0', `10000000000000000\r\n\r\n${SMUGGLED}`],
    ['a size that wraps around to 5', `10000000000000005\r\nhello\r\n${inner}`],
    ['a size that wraps around 32 bits', `100000000\r\n\r\n${SMUGGLED}`],
  ];
  return [
    ...wrong.map(([name, text]) => refused(RULE, name, outer + text, [400, 413])),
    served(
      RULE,
      'a trailer that looks like a request line',
      `${outer}0\r\nX:POST / HTTP/1.1\r\n\r\n`,
      ok({ body: '' }),
    ),
    served(RULE, 'a byte of NUL in chunk data', `${outer}1\r\n\x00\r\n${END}`, ok({ body: '\x00' })),
    closed(RULE, 'NUL behind the last chunk', `${outer}${END}\x00`, ok({ body: '' }), status(400)),
  ];
}

/** The handler answers without having read the body. */
function unread(): Case[] {
  const early = head('POST /early', TE);
  const size = SMUGGLED.length.toString(16);
  const wrong = [
    'x\r\n',
    '5\nhello\r\n',
    '5;\r\nhello\r\n',
    '5\r\nhelloX',
    '-1\r\n',
    'fffffffffffffffff\r\n',
    `0\r\n${SMUGGLED}`,
  ];
  return [
    served(RULE, 'chunks that nobody reads', `${early}${size}\r\n${SMUGGLED}\r\n${END}`, status(200)),
    served(RULE, 'trailers that nobody reads', `${early}5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n`, status(200)),
    ...wrong.map((text): Case => {
      const name = `nobody reads ${show(text)}`;
      return {
        ...closed(RULE, name, early + text, status(200)),
        or: [[status(400)], [status(200), status(400)]],
        quiet: true,
      };
    }),
  ];
}

function incomplete(): Case[] {
  const whole = chunked(`5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n`);
  const from = chunked('').length;
  return Array.from({ length: whole.length - from - 1 }, (_, i): Case => {
    const raw = whole.slice(0, from + i);
    const expect = { expect: [], or: [[status(400, 408)]] };
    return { ...must(9112, '8'), name: `the end behind ${show(raw.slice(from))}`, raw, fin: true, ...expect };
  });
}

export const CASES: readonly Case[] = [
  ...sizes(),
  ...data(),
  ...lineEndings(),
  ...vectors(),
  ...unread(),
  ...incomplete(),
];
