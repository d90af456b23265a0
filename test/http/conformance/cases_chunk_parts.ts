/** RFC 9112 sections 7.1.1 and 7.1.2: chunk extensions and the trailer section. */
import {
  BEYOND_ASCII,
  type Case,
  CONTROLS,
  closed,
  DELIMITERS,
  must,
  ok,
  post,
  refused,
  served,
  servedOr400,
  should,
  show,
  TOKEN_SIGNS,
} from './case.js';

const TE = 'Transfer-Encoding: chunked';
const EXT = must(9112, '7.1.1');
const TRAILER = must(9112, '7.1.2');
const SEEN = ok({ body: 'hello' });

function withExt(ext: string): string {
  return post(`5${ext}\r\nhello\r\n0\r\n\r\n`, TE);
}

function withTrailer(lines: string): string {
  return post(`5\r\nhello\r\n0\r\n${lines}\r\n`, TE);
}

const RIGHT_EXTS = [
  ...[
    ';a',
    ';a=b',
    ';a=b;c=d',
    ';a;b;c',
    ';a="b"',
    ';a=""',
    ';a="b;c"',
    ';a="b=c, d"',
    ';a="\\""',
    ';a="\\\\"',
    ';a="\\a"',
  ],
  ...[
    ';a=1',
    ';1=2',
    ';ieof',
    '; a',
    ' ;a',
    ' ; a',
    '\t;\ta',
    ';a =b',
    ';a= b',
    ';a = b',
    '\t;\ta\t=\tb',
    ';a ;b',
    ';a=b ;c=d',
  ],
  ...[';a="b" ;c', ';a=" "', ';a="\t"', ';a="b c"', ' ;a = "b" ; c = d', ';a="()<>@,;:/[]?={}"'],
];

const WRONG_EXTS = [
  ...[
    ';',
    '; ',
    ' ;',
    ';;',
    ';;a',
    ';a;',
    ';a;;b',
    ';a;=b',
    ';=b',
    ';=',
    '; =b',
    ';a=',
    ';a= ',
    ';a=;b',
    ';a=b;',
    ';a==b',
  ],
  ...[
    ';a=b=c',
    ';a b',
    ';a=b c',
    ';a "b"',
    ';a="b',
    ';a=b"',
    ';a="',
    ';a="b"c',
    ';a="b" c',
    ';a="b"=c',
    ';a="b""c"',
    ';"a"',
  ],
  ...[';"a"=b', ';a="b\\"', ' a', ' =b', '=b', ',a', ':a', ';a:b', ';a,b', ';a=b,c', '\x0b;a', ';\x0ba', ';a\x0c'],
];

function extensions(): Case[] {
  return [
    ...RIGHT_EXTS.map(ext => served(EXT, `chunk extension ${show(ext)}`, withExt(ext), SEEN)),
    ...WRONG_EXTS.map(ext => refused(EXT, `no chunk extension: ${show(ext)}`, withExt(ext))),
    ...TOKEN_SIGNS.map(sign => served(EXT, `${sign} in name and value`, withExt(`;a${sign}=${sign}b`), SEEN)),
    ...DELIMITERS.filter(sign => !';="'.includes(sign)).flatMap(sign => [
      refused(EXT, `${sign} in the name of an extension`, withExt(`;a${sign}b`)),
      refused(EXT, `${sign} in the value of an extension`, withExt(`;a=b${sign}c`)),
    ]),
    ...[...CONTROLS, ...BEYOND_ASCII].map(sign =>
      refused(EXT, `${show(sign)} in the name of an extension`, withExt(`;a${sign}b`)),
    ),
    ...['\x00', '\x01', '\x0b', '\x1f', '\x7f', '\x80', '\xff'].map(sign =>
      refused(EXT, `${show(sign)} in the value of an extension`, withExt(`;a=b${sign}c`)),
    ),
    ...['\x00', '\x01', '\x0b', '\x1f', '\x7f', '\\\x00', '\\\x7f'].map(sign =>
      refused(EXT, `${show(sign)} in a quoted value`, withExt(`;a="b${sign}c"`)),
    ),
    ...['\x80', '\xc3\xa9', '\\\x80'].map(sign =>
      servedOr400(EXT, `${show(sign)} in a quoted value`, withExt(`;a="b${sign}c"`), SEEN),
    ),
    served(EXT, 'an extension of the last chunk', post('5\r\nhello\r\n0;a=b\r\n\r\n', TE), SEEN),
    refused(EXT, 'a wrong extension of the last chunk', post('5\r\nhello\r\n0;\r\n\r\n', TE)),
    refused(EXT, 'a blank behind the last chunk', post('5\r\nhello\r\n0 \r\n\r\n', TE)),
    served(EXT, 'an extension of 1,000 bytes', withExt(`;a=${'b'.repeat(1000)}`), SEEN),
    refused(EXT, 'an extension of 100,000 bytes', withExt(`;a=${'b'.repeat(100_000)}`), [400, 413, 431]),
    refused(EXT, 'a quoted extension without an end', withExt(`;a="${'b'.repeat(100_000)}`), [400, 413, 431]),
    served(
      EXT,
      'an extension in each of 100 chunks',
      post(`${'1;a=b\r\nx\r\n'.repeat(100)}0\r\n\r\n`, TE),
      ok({ body: 'x'.repeat(100) }),
    ),
  ];
}

const WRONG_TRAILERS = [
  ...[
    'NoColon\r\n',
    ': v\r\n',
    ':\r\n',
    'X : v\r\n',
    'X\t: v\r\n',
    ' X: v\r\n',
    '\tX: v\r\n',
    'X: v\r\n w\r\n',
    'X: v\r\n\tw\r\n',
  ],
  ...[
    'X\x00: v\r\n',
    'X: v\x00\r\n',
    'X: \x01v\r\n',
    'X: v\x7f\r\n',
    'X: v\rw\r\n',
    'X: v\nY: w\r\n',
    'X: v\n',
    'X\xe9: v\r\n',
  ],
  ...[
    'X(: v\r\n',
    'X[Y]: v\r\n',
    'X: v\r\r\n',
    '\x00\r\n',
    'X\r\n',
    'X: v\r\nY\r\n',
    ' \r\n',
    'X-\r\nY: v\r\n',
    'X: v\r\n: w\r\n',
  ],
];

/** Fields that must not be in a trailer section: to be ignored, if they are not refused. */
const FORBIDDEN_TRAILERS = [
  ...[
    'Content-Length: 0',
    'Content-Length: 100',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: identity',
    'Host: b',
  ],
  ...['Host: user@b', 'Authorization: Basic YTpi', 'Content-Type: a/b', 'Content-Encoding: gzip', 'Connection: close'],
  ...['Trailer: X', 'Expect: 100-continue', 'Upgrade: websocket', 'X-Probe: late', 'Content-Length: x'],
];

function trailers(): Case[] {
  return [
    ...[
      'X: y\r\n',
      'X:\r\n',
      'X:y\r\n',
      'X:\t y \t\r\n',
      'X: y\r\nZ: w\r\n',
      'X: \xff\r\n',
      `X-Checksum: ${'a'.repeat(64)}\r\n`,
    ].map(lines => served(TRAILER, `trailers ${show(lines)}`, withTrailer(lines), SEEN)),
    served(TRAILER, '50 trailers', withTrailer('X: y\r\n'.repeat(50)), SEEN),
    ...WRONG_TRAILERS.map(lines => refused(must(9112, '5'), `no trailers: ${show(lines)}`, withTrailer(lines))),
    ...FORBIDDEN_TRAILERS.map(line =>
      servedOr400(
        must(9110, '6.5.1'),
        `trailer ${line} is ignored`,
        withTrailer(`${line}\r\n`),
        ok({ body: 'hello', host: 'a' }),
      ),
    ),
    refused(
      must(9110, '5.4'),
      'a trailer of 100,000 bytes',
      withTrailer(`X: ${'y'.repeat(100_000)}\r\n`),
      [400, 413, 431],
    ),
    refused(must(9110, '5.4'), '10,000 trailers', withTrailer('X: y\r\n'.repeat(10_000)), [400, 413, 431]),
    closed(
      should(9112, '9.6'),
      'trailers, and Connection: close',
      post('0\r\nX: y\r\n\r\n', TE, 'Connection: close'),
      ok({ body: '' }),
    ),
  ];
}

export const CASES: readonly Case[] = [...extensions(), ...trailers()];
