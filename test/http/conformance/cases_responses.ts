/** RFC 9110 sections 6, 9.3, 15 and RFC 9112 section 6.3: what responses look like. The runner checks each for Date too. */
import { type Answer, type Case, closed, head, must, ok, post, served, should, status } from './case.js';

const NO_CONTENT = must(9110, '6.4.1');
const HEAD = must(9110, '9.3.2');
const NO_LENGTH = { 'content-length': null, 'transfer-encoding': null };

function contents(): Case[] {
  const toHead = true;
  const length = { 'content-length': /^\d+$/ };
  return [
    served(HEAD, 'HEAD: no content', head('HEAD /echo'), { status: [200], toHead }),
    served(should(9110, '8.6'), 'HEAD: the length that GET would have', head('HEAD /get'), {
      status: [200],
      toHead,
      headers: length,
    }),
    served(HEAD, 'HEAD of a handler for GET', head('HEAD /get'), { status: [200], toHead }),
    served(HEAD, 'HEAD of a response in chunks', head('HEAD /chunks'), { status: [200], toHead }),
    served(HEAD, 'HEAD: 204', head('HEAD /204'), { status: [204], toHead, headers: NO_LENGTH }),
    closed(HEAD, 'HEAD: 404', head('HEAD /nowhere', 'Connection: close'), { status: [404], toHead }),
    closed(HEAD, 'HEAD: 400 for Host', 'HEAD /echo HTTP/1.1\r\n\r\n', { status: [400], toHead }),
    closed(HEAD, 'HEAD: 400 for a field', head('HEAD /echo', 'X : y'), { status: [400], toHead }),
    closed(HEAD, 'HEAD: 400 for its length', head('HEAD /echo', 'Content-Length: x'), { status: [400], toHead }),
    closed(HEAD, 'HEAD: 400 for a chunk', `${head('HEAD /echo', 'Transfer-Encoding: chunked')}x\r\n`, {
      status: [400],
      toHead,
    }),
    closed(HEAD, 'HEAD: 414', head(`HEAD /${'a'.repeat(9000)}`), { status: [414], toHead }),
    closed(HEAD, 'HEAD: 431', head('HEAD /echo', `X: ${'a'.repeat(20_000)}`), { status: [431], toHead }),
    closed(HEAD, 'HEAD: 405', head('HEAD /early', 'Connection: close'), {
      status: [405],
      toHead,
      headers: { allow: /POST/ },
    }),
    served(NO_CONTENT, '204: no content, no length', head('GET /204'), { status: [204], headers: NO_LENGTH }),
    served(NO_CONTENT, '304: no content', head('GET /304'), { status: [304], headers: { 'transfer-encoding': null } }),
    served(must(9110, '15.3.6'), '205: no content', head('GET /205'), status(205)),
    served(must(9112, '6.1'), 'chunks in a response', head('GET /chunks'), {
      status: [200],
      headers: { 'transfer-encoding': /^chunked$/ },
    }),
    served(should(9110, '8.3'), 'a response says its type', head('GET /echo'), {
      status: [200],
      headers: { 'content-type': /^\w+\/\w+/ },
    }),
    served(should(9110, '8.6'), 'a response says its length', head('GET /echo'), { status: [200], headers: length }),
  ];
}

function errors(): Case[] {
  const date = { date: /GMT$/ };
  const dated = (code: number): Answer => ({ status: [code], headers: date });
  const rule = must(9110, '6.6.1');
  return [
    served(rule, 'Date in a 200', head('GET /echo'), dated(200)),
    served(rule, 'Date in a 204', head('GET /204'), dated(204)),
    served(rule, 'Date in a 304', head('GET /304'), dated(304)),
    closed(rule, 'Date in a 400', 'GET / HTTP/1.1\r\n\r\n', dated(400)),
    closed(rule, 'Date in a 404', head('GET /nowhere', 'Connection: close'), dated(404)),
    closed(rule, 'Date in a 405', head('DELETE /get', 'Connection: close'), dated(405)),
    closed(rule, 'Date in a 414', head(`GET /${'a'.repeat(9000)}`), dated(414)),
    closed(rule, 'Date in a 431', head('GET /', `X: ${'a'.repeat(20_000)}`), dated(431)),
    closed(rule, 'Date in a 501', head('BREW /'), dated(501)),
    closed(rule, 'Date in a 505', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', dated(505)),
    ...['POST', 'PUT', 'DELETE', 'PATCH'].map(method =>
      closed(must(9110, '15.5.6'), `405 to ${method} lists GET and HEAD`, head(`${method} /get`, 'Connection: close'), {
        status: [405],
        headers: { allow: /^(?=.*\bGET\b)(?=.*\bHEAD\b)/ },
      }),
    ),
    closed(must(9110, '15.5.6'), '405 lists POST', head('GET /early', 'Connection: close'), {
      status: [405],
      headers: { allow: /\bPOST\b/ },
    }),
    ...['GET /nowhere', 'DELETE /get', 'BREW /'].map(line =>
      closed(should(9112, '9.6'), `${line}: says that it closes`, head(line, 'Connection: close'), {
        status: [404, 405, 501],
        headers: { connection: /close/i },
      }),
    ),
    ...[
      'GET / HTTP/1.1\r\n\r\n',
      'GET /\r\n\r\n',
      head('GET /', 'X : y'),
      post('hello', 'Content-Length: +5'),
      'GET / HTTP/2.0\r\n\r\n',
    ].map((raw, i) =>
      closed(should(9112, '9.6'), `refusal ${i + 1} says that it closes`, raw, {
        status: [400, 505],
        headers: { connection: /close/i },
      }),
    ),
  ];
}

/** Fields of a request that a server that knows nothing of them ignores. */
function ignored(): Case[] {
  const fields = [
    ...[
      'Range: bytes=0-1',
      'Range: bytes=9-1',
      'Range: nonsense',
      'Accept: x/y',
      'Accept: ,;=',
      'Accept-Encoding: br;q=9',
      'If-Match: x',
    ],
    ...[
      'Cookie: a',
      'Cookie: =',
      'Cookie: a=\xff;;b',
      'Content-Type: nonsense',
      'Content-Encoding: gzip',
      'Via: 1.1 x',
      'Max-Forwards: 0',
    ],
    ...[
      'Trailer: X',
      'Referer: \x80',
      'User-Agent:',
      'Authorization: x',
      'X-Forwarded-For: 1',
      'Priority: u=9',
      'If-Modified-Since: never',
    ],
    ...[
      'Date: never',
      'From: x',
      'HTTP2-Settings: AAMAAABkAAQAAP__',
      'Forwarded: for=',
      'Alt-Used: a',
      'Origin: null',
      'DNT: 2',
    ],
  ];
  return [
    ...fields.map(field =>
      served(should(9110, '5.1'), `${field} is ignored`, head('GET /echo', field), ok({ method: 'GET' })),
    ),
    served(
      must(9110, '14.2'),
      'Range with POST',
      post('ab', 'Range: bytes=0-0', 'Content-Length: 2'),
      ok({ body: 'ab' }),
    ),
    served(
      should(9110, '8.4'),
      'Content-Encoding leaves the body as it is',
      post('ab', 'Content-Encoding: gzip', 'Content-Length: 2'),
      ok({ body: 'ab' }),
    ),
  ];
}

export const CASES: readonly Case[] = [...contents(), ...errors(), ...ignored()];
