/** RFC 9112 sections 9.3 and 9.6, RFC 9110 section 7.6.1: persistence and the Connection field. */
import { type Case, closed, head, LAST, must, ok, post, SMUGGLED, served, should, show, status } from './case.js';

const CLOSE = must(9112, '9.6');
const PERSIST = should(9112, '9.3');
const LIST = must(9110, '7.6.1');

/** Lists with the option close. */
const CLOSING = [
  ...['close', 'Close', 'CLOSE', ' close ', '\tclose\t', 'keep-alive, close', 'close, keep-alive', 'close,keep-alive'],
  ...[',close', 'close,', ',, close ,,', 'foo, close', 'close, foo', 'foo,close,bar', 'TE, close', 'Upgrade, close'],
  ...['close\t,\tfoo', 'keep-alive,\tClose', 'close, close', `${'x, '.repeat(50)}close`],
];

/** Lists without it. */
const OPEN = [
  ...[
    '',
    ' ',
    ',',
    'keep-alive',
    'Keep-Alive',
    'foo',
    'closed',
    'xclose',
    'close-not',
    'not-close',
    'clos',
    'c, l, o, s, e',
  ],
  ...['Host', 'Content-Length', 'X-Probe', 'TE', 'upgrade', 'clo\tse', 'keep-alive, keep-alive'],
];

function http11(): Case[] {
  const saysSo = { headers: { connection: /\bclose\b/i } };
  return [
    ...CLOSING.map(list =>
      closed(CLOSE, `Connection:${show(list)}`, head('GET /echo', `Connection:${list}`), ok(saysSo)),
    ),
    ...OPEN.map(list =>
      served(LIST, `Connection: ${show(list)} leaves it open`, head('GET /echo', `Connection: ${list}`)),
    ),
    ...[
      ['keep-alive', 'close'],
      ['close', 'keep-alive'],
      ['', 'close'],
      ['close', ''],
      ['foo', 'x, close'],
    ].map(([a, b]) =>
      closed(
        LIST,
        `two lines: '${a}' and '${b}'`,
        head('GET /echo', `Connection: ${a}`, 'X: y', `connection: ${b}`),
        ok(saysSo),
      ),
    ),
    served(LIST, 'two lines without close', head('GET /echo', 'Connection: a', 'Connection: b')),
    closed(
      CLOSE,
      'close with a body',
      post('ab', 'Connection: close', 'Content-Length: 2'),
      ok({ body: 'ab', ...saysSo }),
    ),
    closed(
      CLOSE,
      'close with chunks',
      post('2\r\nab\r\n0\r\n\r\n', 'Connection: close', 'Transfer-Encoding: chunked'),
      ok({ body: 'ab' }),
    ),
    closed(CLOSE, 'close with HEAD', head('HEAD /echo', 'Connection: close'), ok({ toHead: true, ...saysSo })),
    closed(CLOSE, 'close with 204', head('GET /204', 'Connection: close'), { ...status(204), ...saysSo }),
    closed(CLOSE, 'close with chunks in the response', head('GET /chunks', 'Connection: close'), {
      ...status(200),
      ...saysSo,
    }),
    served(PERSIST, 'no Connection', head('GET /echo')),
    served(PERSIST, 'Keep-Alive: timeout=5', head('GET /echo', 'Keep-Alive: timeout=5, max=1')),
    served(LIST, 'Proxy-Connection: close is another field', head('GET /echo', 'Proxy-Connection: close')),
    served(
      LIST,
      'naming Content-Length changes nothing',
      post('ab', 'Connection: Content-Length', 'Content-Length: 2'),
      ok({ body: 'ab' }),
    ),
    served(LIST, 'naming Host changes nothing', head('GET /echo', 'Connection: Host'), ok({ host: 'a' })),
    served(PERSIST, 'ten requests', head('GET /echo').repeat(10), ...Array(10).fill(ok())),
  ];
}

function http10(): Case[] {
  const request = (...fields: string[]) => ['GET /echo HTTP/1.0', ...fields, '', ''].join('\r\n');
  const alive = ok({ headers: { connection: /\bkeep-alive\b/i } });
  return [
    closed(PERSIST, 'HTTP/1.0', request(), ok()),
    ...[
      'close',
      'foo',
      'upgrade',
      '',
      'keepalive',
      'not-keep-alive',
      'keep-alive, close',
      'close, keep-alive',
      'Close',
    ].map(list => closed(PERSIST, `HTTP/1.0 with Connection: ${list}`, request(`Connection: ${list}`), ok())),
    ...[
      'keep-alive',
      'Keep-Alive',
      'KEEP-ALIVE',
      'foo, keep-alive',
      'keep-alive, foo',
      ',keep-alive,',
      '\tkeep-alive\t',
    ].map(list => served(PERSIST, `HTTP/1.0 with Connection:${show(list)}`, request(`Connection:${list}`), alive)),
    served(LIST, 'HTTP/1.0, two lines, keep-alive last', request('Connection: foo', 'Connection: keep-alive'), alive),
    closed(
      LIST,
      'HTTP/1.0, two lines, one of them close',
      request('Connection: keep-alive', 'Connection: close'),
      ok(),
    ),
    closed(PERSIST, 'HTTP/1.0 with Proxy-Connection: keep-alive', request('Proxy-Connection: keep-alive'), ok()),
    closed(PERSIST, 'HTTP/1.0 with Keep-Alive: 300', request('Keep-Alive: 300'), ok()),
    served(PERSIST, 'HTTP/1.0, then HTTP/1.1', request('Connection: keep-alive') + head('GET /echo'), alive, ok()),
    closed(PERSIST, 'HTTP/1.1, then HTTP/1.0', head('GET /echo') + request(), ok(), ok()),
    closed(
      must(9112, '6.1'),
      'HTTP/1.0: no chunks in the response',
      'GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
      { ...status(200), headers: { 'transfer-encoding': null } },
    ),
  ];
}

function ends(): Case[] {
  return [
    { ...CLOSE, name: 'the client closes behind its request', raw: LAST, fin: true, expect: [ok({ uri: '/last' })] },
    { ...CLOSE, name: 'nothing behind close is read', raw: LAST + SMUGGLED, expect: [ok({ uri: '/last' })] },
    { ...CLOSE, name: 'garbage behind close is not read', raw: `${LAST}\x00\x01\x02`, expect: [ok({ uri: '/last' })] },
  ];
}

export const CASES: readonly Case[] = [...http11(), ...http10(), ...ends()];
