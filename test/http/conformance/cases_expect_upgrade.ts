/** RFC 9110 sections 7.8 and 10.1.1, RFC 6455 section 4.2: Expect and Upgrade. */
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
  should,
  show,
  status,
} from './case.js';

const EXPECT = must(9110, '10.1.1');
const UPGRADE = must(9110, '7.8');
const CONTINUE = 'Expect: 100-continue';
const TE = 'Transfer-Encoding: chunked';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

/** The body is sent when the interim response has come. */
function waits(name: string, raw: string, later: string, line = CONTINUE): Case {
  const expect = [ok({ body: 'hello' }), ok({ uri: '/last' })];
  return { ...EXPECT, name, raw: raw.replace(CONTINUE, line), later: later + LAST, interim: true, expect };
}

function expectations(): Case[] {
  const n = SMUGGLED.length;
  const hello = ok({ body: 'hello' });
  return [
    waits('the body comes behind the 100', post('', CONTINUE, 'Content-Length: 5'), 'hello'),
    waits('chunks come behind the 100', post('', CONTINUE, TE), CHUNKS),
    waits('Expect in other letters', post('', CONTINUE, 'Content-Length: 5'), 'hello', 'EXPECT: 100-Continue'),
    waits('with white space', post('', CONTINUE, 'Content-Length: 5'), 'hello', 'Expect:\t100-continue\t'),
    served(EXPECT, 'the body does not wait', post('hello', CONTINUE, 'Content-Length: 5'), hello),
    served(EXPECT, 'chunks do not wait', post(CHUNKS, CONTINUE, TE), hello),
    served(
      EXPECT,
      'a request in a body that does not wait',
      post(SMUGGLED, CONTINUE, `Content-Length: ${n}`),
      ok({ body: SMUGGLED }),
    ),
    { ...served(EXPECT, 'without a body', head('GET /echo', CONTINUE), ok()), interim: false },
    { ...served(EXPECT, 'with a body of length 0', post('', CONTINUE, 'Content-Length: 0'), ok()), interim: false },
    {
      ...served(
        EXPECT,
        'HTTP/1.0 knows no 100',
        `POST /echo HTTP/1.0\r\n${CONTINUE}\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello`,
        hello,
      ),
      interim: false,
    },
    {
      ...closed(
        EXPECT,
        'an early answer closes: what follows is body or not',
        head('POST /early', CONTINUE, `Content-Length: ${n}`),
        status(200),
      ),
      interim: false,
    },
    {
      ...closed(EXPECT, 'a 404 closes', head('POST /nowhere', CONTINUE, `Content-Length: ${n}`), status(404)),
      interim: false,
    },
    {
      ...closed(EXPECT, 'a 413 closes', head('POST /echo', CONTINUE, 'Content-Length: 20000000'), status(413)),
      interim: false,
    },
    { ...refused(EXPECT, 'a 400 closes', head('POST /echo', CONTINUE, 'Content-Length: 5', TE)), interim: false },
  ];
}

/** Members that are no 100-continue: to be ignored, or refused with 417. */
const OTHER_EXPECTATIONS = [
  ...[
    '200-ok',
    'x',
    '100-continued',
    'y 100-continue',
    '"100-continue"',
    '100-continue;a',
    '',
    'a=b;c=d',
    '100 continue',
  ],
  ...['100-continue, x', 'x, 100-continue', '100-continue, 100-continue', ', 100-continue', '100-continue,'],
];

function otherExpectations(): Case[] {
  return [
    ...OTHER_EXPECTATIONS.map((value): Case => {
      const raw = post('hello', `Expect: ${value}`, 'Content-Length: 5');
      const or = [[status(417)], [status(417), ok({ uri: '/last' })]];
      return { ...served(EXPECT, `Expect: ${value}`, raw, ok({ body: 'hello' })), or };
    }),
    ...['100-continue\x00', '\x0b100-continue', '100-continue\x7f', '\r\n 100-continue', '100-continue\r'].map(value =>
      refused(must(9110, '5.5'), `Expect: ${show(value)}`, post('hello', `Expect: ${value}`, 'Content-Length: 5')),
    ),
    refused(must(9112, '5.1'), 'a space behind Expect', post('hello', 'Expect : 100-continue', 'Content-Length: 5')),
  ];
}

const HANDSHAKE = ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13'];
const SWITCH = ['Connection: Upgrade', 'Upgrade: websocket', ...HANDSHAKE];
/** A Close frame of a client. */
const BYE = '\x88\x80\x00\x00\x00\x00';
const SWITCHED = {
  status: [101],
  headers: { upgrade: /^websocket$/i, connection: /^upgrade$/i, 'content-length': null },
};

function webSockets(): Case[] {
  const rule = must(6455, '4.2.1');
  const accepted = (name: string, ...fields: string[]): Case => {
    return { ...rule, name, raw: head('GET /ws', ...fields) + BYE, expect: [SWITCHED] };
  };
  const not = (name: string, raw: string, codes: number[]): Case => {
    return { ...closed(rule, name, raw, status(...codes)), or: [[status(...codes), ok({ uri: '/smuggled' })]] };
  };
  const without = (field: string) => head('GET /ws', ...SWITCH.filter(line => !line.startsWith(`${field}:`)));
  const version = (text: string) => head('GET /ws', ...SWITCH.slice(0, 3), `Sec-WebSocket-Version: ${text}`);
  return [
    accepted('a handshake', ...SWITCH),
    accepted('in other letters', 'connection: uPGRADE', 'UPGRADE: WebSocket', ...HANDSHAKE),
    accepted('among other options', 'Connection: keep-alive, Upgrade', 'Upgrade: websocket', ...HANDSHAKE),
    accepted(
      'options in two lines',
      'Connection: keep-alive',
      'Connection: Upgrade',
      'Upgrade: websocket',
      ...HANDSHAKE,
    ),
    accepted('with tabs', 'Connection:\tUpgrade\t', 'Upgrade:\twebsocket\t', ...HANDSHAKE),
    accepted('with an empty element', 'Connection: ,Upgrade,', 'Upgrade: websocket', ...HANDSHAKE),
    not('no Connection', without('Connection'), [400, 426]),
    not('Connection without upgrade', head('GET /ws', 'Connection: keep-alive', ...SWITCH.slice(1)), [400, 426]),
    not('Connection: xUpgrade', head('GET /ws', 'Connection: xUpgrade', ...SWITCH.slice(1)), [400, 426]),
    not('no Upgrade', without('Upgrade'), [400, 426]),
    not('another protocol', head('GET /ws', 'Connection: Upgrade', 'Upgrade: h2c', ...HANDSHAKE), [400, 426]),
    not('no key', without('Sec-WebSocket-Key'), [400]),
    not(
      'a key that is none',
      head('GET /ws', ...SWITCH.slice(0, 2), 'Sec-WebSocket-Key: x', HANDSHAKE[1] as string),
      [400],
    ),
    not('no version', without('Sec-WebSocket-Version'), [400, 426]),
    ...['99', '12', '0', 'x', ''].map(text => not(`version ${text}`, version(text), [400, 426])),
    not('POST', head('POST /ws', ...SWITCH), [400, 404, 405]),
    not('HTTP/1.0', `GET /ws HTTP/1.0\r\nHost: a\r\n${SWITCH.join('\r\n')}\r\n\r\n`, [400, 426]),
    not('a plain GET', head('GET /ws'), [400, 426]),
    closed(must(9110, '15.5.22'), 'a 426 says what to upgrade to', head('GET /ws', 'Connection: close'), {
      status: [426],
      headers: { upgrade: /^websocket$/i, connection: /\bupgrade\b/i },
    }),
    closed(
      must(6455, '4.4'),
      'a 426 says which version',
      head('GET /ws', ...SWITCH.slice(1, 3), 'Connection: Upgrade, close', 'Sec-WebSocket-Version: 99'),
      {
        status: [400, 426],
        headers: { 'sec-websocket-version': /^13$/ },
      },
    ),
    not('a body', `${head('GET /ws', ...SWITCH, `Content-Length: ${SMUGGLED.length}`)}${SMUGGLED}`, [400]),
    not('a body in chunks', head('GET /ws', ...SWITCH, TE) + CHUNKS, [400]),
    refused(rule, 'two lengths', head('GET /ws', ...SWITCH, TE, 'Content-Length: 5') + CHUNKS),
    refused(must(9112, '3.2'), 'no Host', `GET /ws HTTP/1.1\r\n${SWITCH.join('\r\n')}\r\n\r\n`),
    refused(must(9112, '3.2'), 'two Hosts', head('GET /ws', 'Host: a', ...SWITCH)),
  ];
}

function upgrades(): Case[] {
  const protocols = ['h2c', 'websocket', 'TLS/1.0', 'foo', 'foo/1, bar/2', 'HTTP/2.0', '', ',', 'x y'];
  const ask = (protocol: string) => ['Connection: Upgrade', `Upgrade: ${protocol}`];
  const body = ok({ body: 'hello' });
  return [
    ...protocols.map(protocol =>
      served(UPGRADE, `Upgrade: ${protocol} is not for this handler`, head('GET /echo', ...ask(protocol)), ok()),
    ),
    served(UPGRADE, 'a body with Upgrade is a body', post('hello', ...ask('h2c'), 'Content-Length: 5'), body),
    served(UPGRADE, 'chunks with Upgrade are chunks', post(CHUNKS, ...ask('h2c'), TE), body),
    served(
      UPGRADE,
      'a request in a body with Upgrade',
      post(SMUGGLED, ...ask('websocket'), `Content-Length: ${SMUGGLED.length}`),
      ok({ body: SMUGGLED }),
    ),
    served(UPGRADE, 'GET with Upgrade and a body', `${head('GET /echo', ...ask('x'), 'Content-Length: 5')}hello`, body),
    served(
      UPGRADE,
      'h2c with its settings',
      head('GET /echo', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__'),
      ok(),
    ),
    served(UPGRADE, 'Upgrade without Connection', head('GET /echo', 'Upgrade: h2c'), ok()),
    served(UPGRADE, 'Connection: upgrade without Upgrade', head('GET /echo', 'Connection: upgrade'), ok()),
    served(UPGRADE, 'Upgrade with OPTIONS *', head('OPTIONS *', ...ask('h2c')), status(200, 204)),
    served(UPGRADE, 'Upgrade with HEAD', head('HEAD /echo', ...ask('h2c')), ok({ toHead: true })),
    closed(UPGRADE, 'Upgrade and close', head('GET /echo', 'Connection: Upgrade, close', 'Upgrade: h2c'), ok()),
    closed(UPGRADE, 'Upgrade with HTTP/1.0', 'GET /echo HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n', ok()),
    served(
      UPGRADE,
      'Upgrade with HTTP/1.0 that stays',
      'GET /echo HTTP/1.0\r\nConnection: Upgrade, keep-alive\r\nUpgrade: x\r\n\r\n',
      ok(),
    ),
    served(
      UPGRADE,
      'a body, Upgrade and HTTP/1.0',
      'POST /echo HTTP/1.0\r\nConnection: Upgrade, keep-alive\r\nUpgrade: x\r\nContent-Length: 5\r\n\r\nhello',
      body,
    ),
    closed(
      UPGRADE,
      'Upgrade of a request that is not found',
      head('GET /nowhere', ...ask('h2c'), 'Connection: close'),
      status(404),
    ),
    refused(should(9112, '3'), 'Upgrade does not excuse an error', head('GET /\x00', ...ask('h2c'))),
    refused(
      must(9112, '6.1'),
      'Upgrade does not excuse two lengths',
      post(CHUNKS, ...ask('h2c'), TE, 'Content-Length: 5'),
    ),
    refused(must(9112, '7.1'), 'Upgrade does not excuse a wrong chunk', post('x\r\n', ...ask('h2c'), TE)),
  ];
}

export const CASES: readonly Case[] = [...expectations(), ...otherExpectations(), ...webSockets(), ...upgrades()];
