/** RFC 9112 section 9.3.2: several requests at once; what one of them does to its neighbours. */
import { type Answer, type Case, closed, head, must, ok, post, SMUGGLED, served, show, status } from './case.js';

const RULE = must(9112, '9.3.2');
const TE = 'Transfer-Encoding: chunked';
const CHUNKS = '5\r\nhello\r\n0\r\n\r\n';

/** Requests that are answered, and their answers. */
const GOOD: readonly (readonly [name: string, raw: string, answer: Answer])[] = [
  ['GET', head('GET /echo'), ok({ method: 'GET' })],
  ['HEAD', head('HEAD /echo'), ok({ toHead: true })],
  ['POST', post('hello', 'Content-Length: 5'), ok({ body: 'hello' })],
  ['chunks', post(CHUNKS, TE), ok({ body: 'hello' })],
  ['chunks and trailers', post('5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n', TE), ok({ body: 'hello' })],
  ['204', head('GET /204'), status(204)],
  ['304', head('GET /304'), status(304)],
  ['chunks in the response', head('GET /chunks'), status(200)],
  ['a slow handler', head('GET /slow'), ok({ uri: '/slow' })],
  ['HTTP/1.0', 'GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', ok()],
  ['an absolute target', head('GET http://b/echo'), ok({ host: 'b' })],
  ['OPTIONS *', head('OPTIONS *'), status(200, 204)],
  ['Upgrade', head('GET /echo', 'Connection: Upgrade', 'Upgrade: h2c'), ok()],
  ['a request in a body', post(SMUGGLED, `Content-Length: ${SMUGGLED.length}`), ok({ body: SMUGGLED })],
];

/** Requests that are refused. */
const BAD: readonly (readonly [name: string, raw: string, codes?: readonly number[]])[] = [
  ['no Host', 'GET /smuggled HTTP/1.1\r\n\r\n'],
  ['two Hosts', head('GET /smuggled', 'Host: b')],
  ['a bare LF', 'GET /smuggled HTTP/1.1\nHost: a\n\n'],
  ['an unknown method', head('BREW /'), [501]],
  ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', [505]],
  ['no version', 'GET /smuggled\r\n\r\n'],
  ['garbage', '\x00\x01\x02\x03\r\n\r\n'],
  ['a space before the colon', head('GET /smuggled', 'X : y')],
  ['two lengths', post(CHUNKS, TE, 'Content-Length: 5')],
  ['a wrong length', post('hello', 'Content-Length: 5x')],
  ['a wrong chunk', post('x\r\nhello\r\n', TE)],
  ['a wrong chunk behind a right one', post('2\r\nab\r\n-2\r\nab\r\n', TE)],
  ['a wrong trailer', post('0\r\nX\r\n\r\n', TE)],
  ['an unknown coding', post(CHUNKS, 'Transfer-Encoding: gzip'), [400, 501]],
  ['NUL in the target', head('GET /\x00')],
  ['a long target', head(`GET /${'a'.repeat(10_000)}`), [414]],
  ['a long field', head('GET /', `X: ${'a'.repeat(20_000)}`), [431]],
  ['a folded line', head('GET /smuggled', 'X: y', ' z')],
  ['CONNECT', head('CONNECT a:443'), [405, 501]],
];

function pairs(): Case[] {
  return GOOD.flatMap(([first, raw, answer], i) => {
    const [second, otherRaw, otherAnswer] = GOOD[(i * 5 + 3) % GOOD.length] as (typeof GOOD)[number];
    return [
      served(RULE, `${first}, twice`, raw + raw, answer, answer),
      served(RULE, `${first}, then ${second}`, raw + otherRaw, answer, otherAnswer),
      served(RULE, `${second}, ${first}, GET`, otherRaw + raw + head('GET /echo'), otherAnswer, answer, ok()),
    ];
  });
}

function errors(): Case[] {
  return BAD.flatMap(([name, raw, codes = [400]], i) => {
    const [first, goodRaw, answer] = GOOD[i % GOOD.length] as (typeof GOOD)[number];
    const error = { status: codes };
    return [
      closed(RULE, `${name}, behind ${first}`, goodRaw + raw, answer, error),
      closed(RULE, `${name}, behind three slow requests`, head('GET /slow').repeat(3) + raw, ok(), ok(), ok(), error),
      closed(
        RULE,
        `${name}, behind a POST and a HEAD`,
        post('ab', 'Content-Length: 2') + head('HEAD /echo') + raw,
        ok({ body: 'ab' }),
        ok({ toHead: true }),
        error,
      ),
    ];
  });
}

function others(): Case[] {
  const n = 100;
  const numbered = Array.from({ length: n }, (_, i) => head(`GET /e/${i}`)).join('');
  return [
    served(RULE, `${n} requests`, numbered, ...Array.from({ length: n }, (_, i) => ok({ uri: `/e/${i}` }))),
    served(RULE, 'all kinds', GOOD.map(([, raw]) => raw).join(''), ...GOOD.map(([, , answer]) => answer)),
    closed(
      RULE,
      'all kinds, then an error',
      `${GOOD.map(([, raw]) => raw).join('')}\x00`,
      ...GOOD.map(([, , answer]) => answer),
      status(400),
    ),
    ...['\x00', 'X', ' ', ':', '\x7f'].map(byte =>
      closed(
        RULE,
        `${show(byte)} between two requests`,
        `${head('GET /echo')}${byte}${head('GET /smuggled')}`,
        ok(),
        status(400, 501),
      ),
    ),
    ...[1, 5, 20, 30].map((cut): Case => {
      const raw = post('hello', 'Content-Length: 5') + head('GET /echo').slice(0, cut);
      const answer = ok({ body: 'hello' });
      const name = `a request, then ${cut} bytes of one and the end`;
      return { ...must(9112, '8'), name, raw, fin: true, expect: [answer], or: [[answer, status(400, 408)]] };
    }),
    closed(
      RULE,
      'a request behind one with close is not served',
      head('GET /echo', 'Connection: close') + head('GET /smuggled'),
      ok(),
    ),
    {
      ...RULE,
      name: 'an error page, then a request',
      raw: head('GET /nowhere') + SMUGGLED,
      expect: [status(404)],
      or: [[status(404), ok({ uri: '/smuggled' })]],
    },
  ];
}

export const CASES: readonly Case[] = [...pairs(), ...errors(), ...others()];
