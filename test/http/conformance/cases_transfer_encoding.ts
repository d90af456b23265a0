/** RFC 9112 sections 6.1, 6.3 and 7: Transfer-Encoding, alone and with Content-Length. */
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
  should,
  show,
} from './case.js';

const RULE = must(9112, '6.1');
const FRAMING = must(9112, '6.3');
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';
const TE = 'Transfer-Encoding: chunked';
const SEEN = ok({ body: 'hello' });

/** Values that do not end in chunked, or have it twice, or are no list of codings. */
const WRONG_VALUES = [
  ...[
    'identity',
    'trailers',
    'xchunked',
    'chunkedx',
    'x',
    'chunk',
    'chunke',
    'hunked',
    'chunked1',
    'chunked-',
    '-chunked',
  ],
  ...['chunked, identity', 'chunked, gzip', 'chunked,x', 'chunked, chunked', 'chunked,chunked', 'chunked , chunked'],
  ...['gzip, chunked, chunked', 'chunked, gzip, chunked', 'chunked, identity, chunked', 'chunked, Chunked'],
  ...[
    'chunked;a=b',
    'chunked;',
    'chunked; q=1',
    'chunked;a',
    'chunked;q=0',
    'chunked ; a=b',
    'chunked;a="b"',
    'chunked=1',
  ],
  ...[
    '"chunked"',
    "'chunked'",
    '`chunked`',
    '(chunked)',
    '[chunked]',
    '{chunked}',
    '<chunked>',
    'chunked"',
    "chunked'",
  ],
  ...[
    ';chunked',
    ':chunked',
    'chunked:',
    '=chunked',
    'chunked/1',
    '/chunked',
    'chunked?',
    'chunked.',
    '*',
    '\\chunked',
  ],
  ...[
    'chunked chunked',
    'chunked cow',
    'cow chunked',
    'cow chunked bar',
    'chunked\tgzip',
    'chun ked',
    'chun\tked',
    'c hunked',
  ],
  ...[
    '',
    ' ',
    '\t',
    'chunked\x00',
    '\x00chunked',
    'chun\x00ked',
    '\x0bchunked',
    'chunked\x0b',
    '\x0cchunked',
    'chunked\x0c',
  ],
  ...[
    '\x01chunked',
    'chunked\x1f',
    '\x7fchunked',
    'chunked\x7f',
    '\x85chunked',
    'chunked\x85',
    '\xa0chunked',
    'chunked\xa0',
  ],
  ...[
    '\xffchunked',
    'chunked\xff',
    'ch\x96nked',
    'chun\xe2\x84\xaaed',
    '\xef\xbb\xbfchunked',
    'chunked\r',
    '\rchunked',
  ],
  ...[
    'chunked\n',
    '\nchunked',
    '\n chunked',
    '\r\n chunked',
    '\r\n\tchunked',
    'chunked\r\n ',
    'chunked\r\n\t, identity',
  ],
  ...[
    'chunked\r\n ,x',
    'x\r\n ,chunked',
    'chunked\rX: y',
    'chunked\nX: y',
    'chunked\\',
    'chunked%20',
    '%63hunked',
    'chunked&',
  ],
];

/** They end in chunked, but with a coding that the server does not know in front of it. */
const UNKNOWN_CODINGS = [
  ...['gzip, chunked', 'gzip,chunked', 'deflate, chunked', 'compress, chunked', 'x-gzip, chunked', 'cow, chunked'],
  ...[
    'identity, chunked',
    'xchunked, chunked',
    'gzip;q=1, chunked',
    'gzip, deflate, chunked',
    'br , chunked',
    'trailers, chunked',
  ],
];

function values(): Case[] {
  return [
    ...[
      'chunked',
      'Chunked',
      'CHUNKED',
      'cHuNkEd',
      ' chunked ',
      '\tchunked',
      'chunked\t',
      '\tchunked\t',
      '  chunked \t',
    ].map(value =>
      served(must(9112, '7'), `Transfer-Encoding:${show(value)}`, post(CHUNKS, `Transfer-Encoding:${value}`), SEEN),
    ),
    ...[',chunked', 'chunked,', ', chunked', 'chunked ,', ',,chunked,,'].map(value =>
      servedOr400(
        must(9110, '5.6.1.2'),
        `Transfer-Encoding: ${value}`,
        post(CHUNKS, `Transfer-Encoding: ${value}`),
        SEEN,
      ),
    ),
    ...[...WRONG_VALUES, ','].flatMap(value => [
      refused(FRAMING, `Transfer-Encoding: ${show(value)}`, post(CHUNKS, `Transfer-Encoding: ${value}`)),
      refused(
        RULE,
        `Transfer-Encoding: ${show(value)}, and Content-Length`,
        post('hello', `Transfer-Encoding: ${value}`, 'Content-Length: 5'),
      ),
    ]),
    ...['gzip', 'deflate', 'compress', 'br', 'cow'].map(value =>
      refused(FRAMING, `Transfer-Encoding: ${value}`, post('', `Transfer-Encoding: ${value}`)),
    ),
    ...UNKNOWN_CODINGS.flatMap(value => [
      refused(should(9112, '6.1'), `Transfer-Encoding: ${value}`, post(CHUNKS, `Transfer-Encoding: ${value}`), [501]),
      refused(
        RULE,
        `Transfer-Encoding: ${value}, and Content-Length`,
        post(CHUNKS, `Transfer-Encoding: ${value}`, `Content-Length: ${CHUNKS.length}`),
        [400, 501],
      ),
    ]),
  ];
}

function lines(): Case[] {
  const two = (a: string, b: string) => post(CHUNKS, `Transfer-Encoding: ${a}`, `Transfer-Encoding: ${b}`);
  const wrong = [
    ...[
      ['chunked', 'chunked'],
      ['chunked', 'identity'],
      ['chunked', 'gzip'],
      ['chunked', 'x'],
      ['chunked', 'Chunked'],
    ],
    ...[
      ['identity', 'chunked'],
      ['gzip', 'chunked'],
      ['cow', 'chunked'],
      ['chunked', 'chunked;a'],
      ['x', 'y'],
    ],
  ] as const;
  return [
    ...wrong.map(([a, b]) => refused(FRAMING, `Transfer-Encoding twice: ${a} and ${b}`, two(a, b), [400, 501])),
    servedOr400(must(9110, '5.6.1.2'), 'Transfer-Encoding twice, first empty', two('', 'chunked'), SEEN),
    servedOr400(must(9110, '5.6.1.2'), 'Transfer-Encoding twice, then empty', two('chunked', ''), SEEN),
    refused(
      FRAMING,
      'twice, in other letters, far apart',
      post(CHUNKS, TE, ...Array(30).fill('X: y'), 'transfer-encoding: identity'),
      [400, 501],
    ),
    ...['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'].map(method =>
      served(must(9112, '7'), `chunks with ${method}`, head(`${method} /echo`, TE) + CHUNKS, SEEN),
    ),
    served(must(9112, '7'), 'chunks with HEAD', head('HEAD /echo', TE) + CHUNKS, ok({ toHead: true })),
    served(must(9112, '7'), 'the name in other letters', post(CHUNKS, 'TRANSFER-encoding: chunked'), SEEN),
    served(
      must(9110, '10.1.4'),
      'TE is another field',
      head('POST /echo', 'TE: chunked', 'Connection: TE'),
      ok({ body: '' }),
    ),
    served(must(9110, '10.1.4'), 'TE: trailers', post(CHUNKS, 'TE: trailers', TE), SEEN),
    served(RULE, 'Connection does not take it away', post(CHUNKS, 'Connection: Transfer-Encoding', TE), SEEN),
  ];
}

function withLength(): Case[] {
  const n = (text: string) => `Content-Length: ${text.length}`;
  const clTe = `0\r\n\r\n${SMUGGLED}`;
  const teCl = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
  return [
    refused(RULE, 'CL.TE', post(clTe, n(clTe), TE)),
    refused(RULE, 'CL.TE, TE first', post(clTe, TE, n(clTe))),
    refused(RULE, 'TE.CL', post(teCl, 'Content-Length: 4', TE)),
    refused(RULE, 'TE.CL, TE first', post(teCl, TE, 'Content-Length: 4')),
    refused(RULE, 'both, in accord', post(CHUNKS, n(CHUNKS), TE)),
    refused(RULE, 'both, Content-Length 0', post(CHUNKS, 'Content-Length: 0', TE)),
    refused(RULE, 'both with GET', head('GET /echo', 'Content-Length: 5', TE) + CHUNKS),
    closed(RULE, 'both with HEAD', head('HEAD /echo', 'Content-Length: 5', TE) + CHUNKS, {
      status: [400],
      toHead: true,
    }),
    refused(RULE, 'both, far apart', post(CHUNKS, 'Content-Length: 5', ...Array(30).fill('X: y'), TE)),
    refused(RULE, 'both, and Connection: close', post(CHUNKS, 'Content-Length: 5', TE, 'Connection: close')),
    refused(
      RULE,
      'both, and Connection names one of them',
      post(CHUNKS, 'Content-Length: 5', TE, 'Connection: Content-Length'),
    ),
    ...['+5', 'x', '5x', '', '-1', '0x5', '5, 5', '9'.repeat(30)].map(value =>
      refused(RULE, `chunked, and Content-Length ${show(value)}`, post(CHUNKS, `Content-Length: ${value}`, TE)),
    ),
    refused(RULE, 'chunked, and two Content-Lengths', post(CHUNKS, 'Content-Length: 5', 'Content-Length: 5', TE)),
    refused(RULE, 'two codings and a length', post(clTe, TE, 'Transfer-Encoding: cow', n(clTe)), [400, 501]),
    ...['', 'Connection: keep-alive', 'Content-Length: 15', 'Connection: close', 'Content-Length: 0'].map(field =>
      refused(
        RULE,
        `HTTP/1.0 with chunks (${field || 'and nothing else'})`,
        `POST /echo HTTP/1.0\r\nHost: a\r\n${field === '' ? '' : `${field}\r\n`}${TE}\r\n\r\n${CHUNKS}`,
      ),
    ),
    refused(
      RULE,
      'HTTP/1.0 with an unknown coding',
      'POST /echo HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n',
      [400, 501],
    ),
    refused(RULE, 'HTTP/1.0: GET with chunks', `GET /echo HTTP/1.0\r\n${TE}\r\n\r\n${CHUNKS}`),
  ];
}

/** Names that look like Transfer-Encoding; with a Content-Length, so that it matters who takes them for it. */
function disguises(): Case[] {
  const wrong = [
    ...[
      'Transfer-Encoding : chunked',
      'Transfer-Encoding\t:\tchunked',
      ' Transfer-Encoding: chunked',
      'Transfer-Encoding chunked',
    ],
    ...[
      'Transfer Encoding: chunked',
      'Transfer Encoding:chunked',
      'Transfer\r-Encoding: chunked',
      'Transfer-\r\nEncoding: chunked',
    ],
    ...[
      'Transfer-Encoding\r\n: chunked',
      'Transf\x82r-Encoding: chunked',
      '"Transfer-Encoding": chunked',
      'Transfer-Encoding=chunked',
    ],
    ...[
      'X: y\r\n Transfer-Encoding: chunked',
      'Transfer\x00-Encoding: chunked',
      'Transfer-Encoding;: chunked',
      '[Transfer-Encoding]: chunked',
    ],
  ];
  const other = [
    'Transfer_Encoding',
    'TransferEncoding',
    'Transfer-Encodin',
    'Transfer-Encoding-',
    'X-Transfer-Encoding',
    'Content-Encoding',
  ];
  return [
    ...wrong.flatMap(line => [
      refused(must(9112, '5.1'), show(line), post(CHUNKS, line)),
      refused(must(9112, '5.1'), `${show(line)}, and Content-Length`, post('hello', line, 'Content-Length: 5')),
    ]),
    ...other.map(name =>
      served(RULE, `${name} is another field`, post('hello', `${name}: chunked`, 'Content-Length: 5'), SEEN),
    ),
    closed(RULE, 'Transfer_Encoding is not chunked', post('X', 'Transfer_Encoding: chunked'), ok({ body: '' }), {
      status: [400, 501],
    }),
  ];
}

/** A byte in each place around `Transfer-Encoding: chunked` where some server has skipped it. */
function bytesAround(): Case[] {
  const places: [place: string, make: (byte: string) => string][] = [
    ['in front of the value', byte => `Transfer-Encoding:${byte}chunked`],
    ['behind the value', byte => `Transfer-Encoding: chunked${byte}`],
    ['in front of the name', byte => `${byte}Transfer-Encoding: chunked`],
    ['behind the name', byte => `Transfer-Encoding${byte}: chunked`],
    ['instead of a line ending before', byte => `X: X${byte}Transfer-Encoding: chunked`],
    ['instead of a line ending behind', byte => `Transfer-Encoding: chunked${byte}X: X`],
    ['instead of the LF before', byte => `X: X\r${byte}Transfer-Encoding: chunked`],
    ['instead of the CR before', byte => `X: X${byte}\nTransfer-Encoding: chunked`],
    ['instead of the LF behind', byte => `Transfer-Encoding: chunked\r${byte}X: X`],
    ['instead of the CR behind', byte => `Transfer-Encoding: chunked${byte}\nX: X`],
  ];
  const values = [
    '\x00',
    '\x01',
    '\x04',
    '\x08',
    '\t',
    '\n',
    '\x0b',
    '\x0c',
    '\r',
    '\x1f',
    ' ',
    '\x7f',
    '\x80',
    '\xa0',
    '\xff',
  ];
  return places.flatMap(([place, make]) =>
    values.map(byte => {
      const line = make(byte);
      const name = `${show(byte)} ${place}`;
      const raw = post('hello', line, 'Content-Length: 5');
      // then it is a part of the value of X
      const harmless = /^X: X[\t\x20\x80-\xff]Transfer-Encoding: chunked$/.test(line);
      return harmless ? served(RULE, name, raw, SEEN) : refused(RULE, name, raw);
    }),
  );
}

export const CASES: readonly Case[] = [...values(), ...lines(), ...withLength(), ...disguises(), ...bytesAround()];
