/** RFC 9110 section 8.6, RFC 9112 sections 6.2 and 6.3: Content-Length. */
import {
  type Case,
  closed,
  head,
  LAST,
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

const RULE = must(9112, '6.3');
const LENGTH = must(9110, '8.6');

const INVALID = [
  ...['+5', '-5', '-0', '-1', '+0', '5-', '5+', '--5', '0x5', '0X5', '0x', 'x5', 'five', '5a', 'a5', '0o5', '0b101'],
  ...[
    '5.0',
    '5.',
    '.5',
    '5e0',
    '5E0',
    '5_0',
    '1_0',
    '_5',
    "5'",
    '"5"',
    "'5'",
    '(5)',
    '[5]',
    '5;',
    ';5',
    '5; a=b',
    '5:',
  ],
  ...['5,', ',5', ',', '5,5', '5, 5', '5 , 5', '5,6', '6, 5', '5, 5, 5', '0, 5', '5, ', '5,,5', '5;5', '5/5', '5=5'],
  ...['5 5', '5\t5', '5 a', '0 5', '5 \t 0', '', ' ', '\t', '-', '+', '*', '%35', '#5', '5#', '5?', '\\5', '$5'],
  ...['inf', 'NaN', 'null', 'true', 'undefined', 'Infinity', '5n', '5L', '5u', '05h', '1e1', '-0x5', '+0x5'],
  ...['5\x00', '\x005', '5\x0b', '\x0b5', '5\x0c', '\x0c5', '5\x1f', '\x7f5', '5\x85', '\x855', '5\xa0', '\xa05'],
  ...[
    '\xb2',
    '5\xff',
    '\xd9\xa5',
    '\xef\xbc\x95',
    '\xef\xbb\xbf5',
    '5\r',
    '\r5',
    '5\r0',
    '\n5',
    '5\n',
    '\n 5',
    '5\r\n ',
    '\r\n 5',
  ],
];

/** Numbers that are right, and that no integer of 32, 53 or 64 bits may make small. */
const HUGE = [
  ...[2n ** 31n, 2n ** 32n, 2n ** 32n + 5n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 63n + 5n, 2n ** 64n - 1n].map(
    String,
  ),
  ...[2n ** 64n, 2n ** 64n + 5n, 2n ** 65n + 5n, 2n ** 128n + 5n].map(String),
  ...['9'.repeat(18), '9'.repeat(20), '9'.repeat(30), '9'.repeat(100), '1'.repeat(1000)],
];

function values(): Case[] {
  const seen = ok({ body: 'hello' });
  return [
    ...INVALID.map(value => refused(RULE, `Content-Length ${show(value)}`, post('hello', `Content-Length: ${value}`))),
    ...INVALID.filter((_, i) => i % 5 === 0).map(value =>
      refused(RULE, `Content-Length ${show(value)} with GET`, head('GET /echo', `Content-Length: ${value}`)),
    ),
    ...HUGE.map(value =>
      refused(LENGTH, `Content-Length ${show(value)}`, post('hello', `Content-Length: ${value}`), [400, 413]),
    ),
    refused(
      must(9110, '15.5.14'),
      'a body longer than maxReqBodyLen',
      post('hello', 'Content-Length: 20000000'),
      [413],
    ),
    ...['5', ' 5', '5 ', '\t5', '5\t', '\t5\t', ' \t5 \t', '  5  '].map(value =>
      served(must(9110, '5.5'), `Content-Length:${show(value)}`, post('hello', `Content-Length:${value}`), seen),
    ),
    served(LENGTH, 'the name in small letters', post('hello', 'content-length: 5'), seen),
    served(LENGTH, 'the name in capitals', post('hello', 'CONTENT-LENGTH: 5'), seen),
    ...['05', '005', '0000000005', `${'0'.repeat(100)}5`].map(value =>
      servedOr400(LENGTH, `Content-Length ${show(value)} is decimal`, post('hello', `Content-Length: ${value}`), seen),
    ),
    servedOr400(
      LENGTH,
      'Content-Length 010 is ten',
      post('0123456789', 'Content-Length: 010'),
      ok({ body: '0123456789' }),
    ),
    servedOr400(LENGTH, 'Content-Length 00', post('', 'Content-Length: 00'), ok({ body: '' })),
  ];
}

function duplicates(): Case[] {
  const pairs = [
    ...[
      ['5', '5'],
      ['5', '6'],
      ['6', '5'],
      ['0', '5'],
      ['5', '0'],
      ['', '5'],
      ['5', ''],
      ['5', 'x'],
      ['x', '5'],
    ],
    ...[
      ['5', '-5'],
      ['+5', '5'],
      ['5', '05'],
      ['5, 5', '5'],
      ['5', ' 5 '],
    ],
  ];
  return [
    ...pairs.map(([a, b]) =>
      refused(
        RULE,
        `Content-Length twice: '${a}' and '${b}'`,
        post('hello', `Content-Length: ${a}`, `Content-Length: ${b}`),
      ),
    ),
    refused(RULE, 'twice, in other letters', post('hello', 'Content-Length: 5', 'content-length: 5')),
    refused(
      RULE,
      'twice, far apart',
      post('hello', 'Content-Length: 5', ...Array(30).fill('X: y'), 'Content-Length: 5'),
    ),
    refused(RULE, 'three times', post('hello', ...Array(3).fill('Content-Length: 5'))),
    refused(
      RULE,
      'twice, a request in the body',
      post(SMUGGLED, 'Content-Length: 0', `Content-Length: ${SMUGGLED.length}`),
    ),
    refused(
      RULE,
      'twice, the shorter one last',
      post(SMUGGLED, `Content-Length: ${SMUGGLED.length}`, 'Content-Length: 0'),
    ),
  ];
}

/** Names that look like Content-Length, in front of a body that is a request. */
function disguises(): Case[] {
  const n = SMUGGLED.length;
  const wrong = [
    ...['Content-Length : 5', 'Content-Length\t: 5', ' Content-Length: 5', '\tContent-Length: 5', 'Content-Length 5'],
    ...['\x0bContent-Length: 5', 'Content-Length\x0b: 5', 'Content-Length\x00: 5', 'Content\x00-Length: 5'],
    ...['Content-Length\x85: 5', 'Content-Length\xa0: 5', 'Content-Length\xff: 5', '\xa0Content-Length: 5'],
    ...[
      'Content Length: 5',
      'Content\tLength: 5',
      'Content-Length\r: 5',
      'Content\r-Length: 5',
      'Content-\r\nLength: 5',
    ],
    ...['Content-Length\r\n: 5', 'X: y\rContent-Length: 5', 'X: y\nContent-Length: 5', 'X: y\r\n Content-Length: 5'],
    ...['"Content-Length": 5', 'Content-Length;: 5', 'Content-Length=5', 'Content\xadLength: 5', '(Content-Length): 5'],
  ];
  return [
    ...wrong.flatMap(line => [
      refused(must(9112, '5.1'), `${show(line)}`, post('hello', line)),
      refused(must(9112, '5.1'), `${show(line)}, and the right one`, post('hello', line, 'Content-Length: 5')),
    ]),
    ...['Content_Length', 'ContentLength', 'X-Content-Length', 'Content-Lengt', 'Content-Length-', 'Length'].map(name =>
      served(LENGTH, `${name} is another field`, head('POST /echo', `${name}: ${n}`), ok({ body: '' })),
    ),
    served(
      LENGTH,
      'Content_Length beside the right one',
      post('hello', 'Content-Length: 5', 'Content_Length: 99'),
      ok({ body: 'hello' }),
    ),
  ];
}

function bodies(): Case[] {
  const n = SMUGGLED.length;
  const body = ok({ body: SMUGGLED });
  const binary = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('');
  const long = 'x'.repeat(100_000);
  return [
    ...['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'].map(method =>
      served(
        RULE,
        `a request in the body of ${method}`,
        head(`${method} /echo`, `Content-Length: ${n}`) + SMUGGLED,
        body,
      ),
    ),
    served(
      RULE,
      'a request in the body of HEAD',
      head('HEAD /echo', `Content-Length: ${n}`) + SMUGGLED,
      ok({ toHead: true }),
    ),
    ...['/early', '/204', '/chunks'].map(path => {
      const method = path === '/early' ? 'POST' : 'GET';
      const raw = head(`${method} ${path}`, `Content-Length: ${n}`) + SMUGGLED;
      return served(RULE, `a request in a body that ${path} does not read`, raw, status(200, 204));
    }),
    ...['/nowhere', '/get'].map((path): Case => {
      const raw = head(`POST ${path}`, `Content-Length: ${n}`) + SMUGGLED + LAST;
      const answers = [status(404, 405), ok({ uri: '/last' })];
      return {
        ...RULE,
        name: `a request in the body of an error: ${path}`,
        raw,
        expect: answers,
        or: [[status(404, 405)]],
      };
    }),
    served(RULE, 'a part of a request in the body', post('GET /smuggled HTTP/1.1\r\nX: ', 'Content-Length: 27'), ok()),
    served(RULE, 'no length: no body', head('POST /echo'), ok({ body: '' })),
    served(RULE, 'length 0: no body', post('', 'Content-Length: 0'), ok({ body: '' })),
    closed(
      RULE,
      'a byte behind a body of length 0',
      post('X', 'Content-Length: 0'),
      ok({ body: '' }),
      status(400, 501),
    ),
    served(RULE, 'all bytes there are in a body', post(binary, 'Content-Length: 256'), ok({ body: binary })),
    served(RULE, 'a body of 100,000 bytes', post(long, 'Content-Length: 100000'), ok({ body: long })),
    served(RULE, 'a body of one byte', post('x', 'Content-Length: 1'), ok({ body: 'x' })),
    served(
      RULE,
      'a body with HTTP/1.0',
      'POST /echo HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello',
      ok({ body: 'hello' }),
    ),
    refused(must(9110, '15.5.12'), 'HTTP/1.0: a POST without a length', 'POST /echo HTTP/1.0\r\n\r\n', [200, 400, 411]),
  ];
}

function incomplete(): Case[] {
  const rule = must(9112, '8');
  const cut = (name: string, raw: string): Case => ({
    ...rule,
    name,
    raw,
    fin: true,
    expect: [],
    or: [[status(400, 408)]],
  });
  return [
    cut('the end in a body', post('hello', 'Content-Length: 10')),
    cut('the end in front of a body', post('', 'Content-Length: 10')),
    cut('the end one byte before that of a body', post('123456789', 'Content-Length: 10')),
    cut('the end in the body of a GET', head('GET /echo', 'Content-Length: 10')),
  ];
}

export const CASES: readonly Case[] = [...values(), ...duplicates(), ...disguises(), ...bodies(), ...incomplete()];
