/** RFC 9112 sections 2.2, 2.3 and 3; RFC 9110 sections 2.5 and 9.1: the request line, and what is in front of it. */
import { OVER_TLS } from '../../support/raw_client.js';
import {
  BEYOND_ASCII,
  type Case,
  CONTROLS,
  closed,
  DELIMITERS,
  head,
  LAST,
  must,
  ok,
  post,
  refused,
  served,
  servedOr400,
  should,
  show,
  status,
  TOKEN_SIGNS,
} from './case.js';

const LINE = should(9112, '3');
const METHOD = should(9110, '9.1');
const REST = '\r\nHost: a\r\n\r\n';

function methods(): Case[] {
  const unknown = ['FOO', 'get', 'Get', 'gET', 'GETT', 'GE', 'G', 'BREW', 'head', 'post', 'X'.repeat(100)];
  // methods of RTSP and ICE, which llhttp knows
  const foreign = ['SOURCE', 'DESCRIBE', 'ANNOUNCE', 'SETUP', 'PLAY', 'PAUSE', 'TEARDOWN', 'RECORD', 'REDIRECT'];
  const known = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];
  return [
    ...known.map(method => {
      const toHead = method === 'HEAD';
      const seen = toHead ? { toHead } : { method, uri: '/echo' };
      return served(must(9110, '9.1'), `method ${method}`, head(`${method} /echo`), ok(seen));
    }),
    ...[...unknown, ...foreign, 'GET_PARAMETER', 'SET_PARAMETER', 'FLUSH'].map(method =>
      refused(METHOD, `unknown method ${show(method)}`, head(`${method} /`), [501]),
    ),
    ...TOKEN_SIGNS.map(sign => refused(METHOD, `unknown method G${sign}T`, head(`G${sign}T /`), [501])),
    ...[...DELIMITERS, ...CONTROLS, ...BEYOND_ASCII].map(sign =>
      refused(LINE, `no method: G${show(sign)}T`, head(`G${sign}T /`)),
    ),
    ...[...CONTROLS, '\xff'].map(sign => refused(LINE, `${show(sign)} in front of the method`, head(`${sign}GET /`))),
    refused(METHOD, "the method of HTTP/2's preface", head('PRI /'), [400, 501]),
    refused(LINE, 'a method of 100,000 bytes', head(`${'A'.repeat(100_000)} /`), [400, 414, 431, 501]),
    served(must(9110, '15.5.6'), 'a method that is known, but not there', head('PUT /get'), {
      status: [405],
      headers: { allow: /\bGET\b/ },
    }),
    served(must(9110, '9.3.8'), 'TRACE', head('TRACE /get'), { status: [405, 501] }),
  ];
}

function versions(): Case[] {
  const wrong = [
    ...['HTTP', 'HTTP/', 'HTTP/1', 'HTTP/1.', 'HTTP/.1', 'HTTP/.', 'HTTP/01.1', 'HTTP/1.01', 'HTTP/01.01', 'HTTP/1.10'],
    ...['HTTP/11.1', 'HTTP/1.1.1', 'HTTP/1,1', 'HTTP/1:1', 'HTTP/1..1', 'HTTP//1.1', 'HTTP/1 .1', 'HTTP/1. 1'],
    ...['HTTP/ 1.1', 'HTTP /1.1', 'http/1.1', 'Http/1.1', 'hTTP/1.1', 'HTTPS/1.1', 'HTP/1.1', 'XHTTP/1.1', 'HTTPX/1.1'],
    ...[
      'HTTP1.1',
      'HTTP-1.1',
      'HTTP\\1.1',
      'HTTP/A.1',
      'HTTP/1.A',
      'HTTP/1.-1',
      'HTTP/+1.1',
      'HTTP/-1.1',
      'HTTP/0x1.1',
    ],
    ...['HTTP/1.1a', 'HTTP/1.1;', 'HTTP/1.1,', 'HTTP/1.1 x', 'HTTP/1.1 HTTP/1.1', 'HTTP/\xb9.1', 'HTTP/1.\xef\xbc\x91'],
    ...['HTTP/1.32', 'HTTP/1.100', 'HTTP/4294967297.1', 'HTTP/1.4294967297', 'HTTP/257.1', 'HTTP/1.257', '1.1', '/1.1'],
    ...['RTSP/1.0', 'ICE/1.0', 'ICY/1.1', 'SIP/2.0', 'H', 'x', '-', '"HTTP/1.1"', 'HTTP/1.1\x00', 'HTTP/1.1\x0b'],
    ...['HTTP/1.1\x7f', '\x00HTTP/1.1', '\x0bHTTP/1.1', 'HTTP/\r1.1', 'HTTP/1.1\r', 'HTTP/1\r\n.1', 'HTTP/1.1\t'],
  ];
  const others = ['2.0', '3.0', '0.9', '9.9', '0.0', '0.1', '2.1', '4.0'];
  const later = [2, 3, 5, 9].map(minor => `HTTP/1.${minor}`);
  return [
    ...wrong.map(version => refused(LINE, `no version: ${show(version)}`, `GET / ${version}${REST}`)),
    ...others.map(version => refused(should(9110, '15.6.6'), `HTTP/${version}`, `GET / HTTP/${version}${REST}`, [505])),
    ...later.flatMap(version => [
      served(should(9110, '2.5'), `${version} is served as HTTP/1.1`, `GET /echo ${version}${REST}`),
      refused(should(9110, '2.5'), `${version} needs Host too`, `GET /echo ${version}\r\n\r\n`),
      served(
        should(9110, '2.5'),
        `${version} knows chunks`,
        `POST /echo ${version}\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n`,
        ok({ body: 'ab' }),
      ),
    ]),
    refused(
      should(9113, '3.4'),
      "HTTP/2's preface",
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00',
      [400, 505],
    ),
    refused(LINE, 'RTSP', `DESCRIBE rtsp://a/b RTSP/1.0${REST}`, [400, 501]),
    refused(LINE, 'ICE', `SOURCE /a ICE/1.0${REST}`, [400, 501]),
    refused(LINE, 'OPTIONS * of RTSP', `OPTIONS * RTSP/1.0${REST}`),
  ];
}

/** What may be taken for the name of a method, and so for one that is not known. */
const UNCLEAR = new Set(['HTTP/1.1 200 OK', 'HTTP/1.1', ':', '/', '/ HTTP/1.1', '{"a":1}', 'Extra lineGET / HTTP/1.1']);

function separators(): Case[] {
  const lines = [
    ...['GET  / HTTP/1.1', 'GET /  HTTP/1.1', 'GET / HTTP/1.1 ', 'GET / HTTP/1.1  ', ' GET / HTTP/1.1'],
    ...['GET\t/ HTTP/1.1', 'GET /\tHTTP/1.1', 'GET / HTTP/1.1\t', '\tGET / HTTP/1.1', 'GET\t/\tHTTP/1.1'],
    ...['GET\x0b/ HTTP/1.1', 'GET /\x0cHTTP/1.1', 'GET\x0c/\x0cHTTP/1.1', 'GET\r/ HTTP/1.1', 'GET /\rHTTP/1.1'],
    ...['GET\xa0/\xa0HTTP/1.1', 'GET /\x00HTTP/1.1', 'GET\n/ HTTP/1.1', 'GET /\nHTTP/1.1', 'GET \t/ HTTP/1.1'],
    ...[
      'GET',
      'GET ',
      'GET /',
      'GET / ',
      'GET HTTP/1.1',
      'GET  HTTP/1.1',
      '/ HTTP/1.1',
      ' / HTTP/1.1',
      '/',
      'HTTP/1.1',
    ],
    ...['GET / / HTTP/1.1', 'GET /a b HTTP/1.1', 'GET GET / HTTP/1.1', 'GET / HTTP/1.1 200 OK', 'HTTP/1.1 200 OK'],
    ...[
      'GET /\r\n HTTP/1.1',
      'GET\r\n / HTTP/1.1',
      ' ',
      '   ',
      '\t',
      ':',
      '{"a":1}',
      '\x16\x03\x01\x02\x00\x01\x00\x01',
    ],
    ...['GET\r\n\r\n/ HTTP/1.1', 'Extra lineGET / HTTP/1.1', '\x80\x81\x82\x83', '\x05\x01\x00', '\x00'],
  ];
  return lines.map(line => {
    const codes = UNCLEAR.has(line) ? [400, 501] : [400];
    return refused(LINE, `request line ${JSON.stringify(show(line))}`, `${line}${REST}`, codes);
  });
}

function lineEndings(): Case[] {
  const rule = must(9112, '2.2');
  const empty = should(9112, '2.2');
  return [
    refused(rule, 'a bare LF behind the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n'),
    refused(rule, 'a bare LF everywhere', 'GET / HTTP/1.1\nHost: a\n\n'),
    refused(rule, 'a bare CR behind the request line', 'GET / HTTP/1.1\rHost: a\r\n\r\n'),
    refused(rule, 'a bare CR everywhere', 'GET / HTTP/1.1\rHost: a\r\r'),
    refused(rule, 'CR CR LF behind the request line', 'GET / HTTP/1.1\r\r\nHost: a\r\n\r\n'),
    refused(rule, 'LF CR behind the request line', 'GET / HTTP/1.1\n\rHost: a\n\r\n\r'),
    refused(rule, 'a target, a bare LF and fields, without a version', 'GET /\nHost: a\r\nContent-Length: 2\r\n\r\nab'),
    served(empty, 'an empty line before the request', `\r\n${head('GET /echo')}`),
    served(empty, 'three empty lines before the request', `\r\n\r\n\r\n${head('GET /echo')}`),
    served(empty, 'an empty line between requests', `${head('GET /echo')}\r\n${head('GET /echo')}`, ok(), ok()),
    served(
      empty,
      'an empty line behind the body of a POST, as old clients sent',
      `${post('hello', 'Content-Length: 5')}\r\n`,
      ok({ body: 'hello' }),
    ),
    ...['\n', '\r', '\n\r', '\r\r\n', ' \r\n', '\t\r\n', '\x00\r\n', '\r\n\n', '\r\n\r', '\r\n \r\n'].map(line =>
      refused(rule, `${show(line)} before the request`, line + head('GET /echo')),
    ),
    closed(rule, 'a bare LF between requests', `${head('GET /echo')}\n${head('GET /echo')}`, ok(), status(400)),
    closed(rule, 'a bare CR between requests', `${head('GET /echo')}\r${head('GET /echo')}`, ok(), status(400)),
  ];
}

function targets(): Case[] {
  const uri = "/e/az-._~!$&'()*+,;=:@%41%2f//b?/?%20a=b&c=d+e:@!$'()*,;";
  const dubious = [...'\\^`{|}'];
  return [
    served(must(9112, '3.2.1'), 'a target with all that is allowed', head(`GET ${uri}`), ok({ uri })),
    ...[...CONTROLS, ...BEYOND_ASCII, ...'"<>'].map(sign =>
      refused(LINE, `${show(sign)} in the target`, head(`GET /e/a${sign}b`)),
    ),
    ...['\x00', '\x1f', '\x7f', '\x80', '"', '<'].map(sign =>
      refused(LINE, `${show(sign)} in the query`, head(`GET /echo?a${sign}b`)),
    ),
    ...dubious.map(sign => servedOr400(LINE, `${sign} in the target`, head(`GET /e/a${sign}b`))),
    ...['/echo#', '/echo#f', '/#f', '#f', '/echo?a#f', '/echo?#'].map(target =>
      refused(LINE, `a fragment: ${target}`, head(`GET ${target}`)),
    ),
    ...['%', '%a', '%zz', '%2', '%g1', '%1g', '%%41', '%-1', '% 41', '%u0041', '%\xff'].map(text =>
      refused(LINE, `${show(text)} in the path`, head(`GET /e/${text}`)),
    ),
    ...['%00', '%0d%0aX:%20y', '%c0%af', '%2e%2e/', '%2f', '%ff'].map(text => {
      const path = `/e/${text}`;
      return servedOr400(LINE, `${text} in the path is not decoded`, head(`GET ${path}`), ok({ uri: path }));
    }),
    served(should(9112, '3'), 'a request line of 8,000 bytes', head(`GET /e/${'a'.repeat(7984)}`)),
    served(should(9112, '3'), 'a target as long as maxUriLen', head(`GET /e/${'a'.repeat(8189)}`)),
    served(
      should(9112, '3'),
      'a target as long as maxUriLen, in absolute-form',
      // as `subjects` has it over TLS it is longer by the s of https
      head(`GET http://b/e/${'a'.repeat(OVER_TLS ? 8180 : 8181)}`),
    ),
    ...[8190, 20_000, 100_000].map(n =>
      refused(must(9112, '3'), `a target of ${n + 3} bytes`, head(`GET /e/${'a'.repeat(n)}`), [414]),
    ),
    refused(must(9112, '3'), 'a query that makes the target too long', head(`GET /e/?${'a'.repeat(9000)}`), [414]),
  ];
}

function incomplete(): Case[] {
  const whole = head('GET /echo');
  const at = [1, 4, 9, 10, 14, 17, 18, 19, 20, 24, 26, whole.length - 1];
  const rule = must(9112, '8');
  return [
    ...at.map((n): Case => {
      const part = whole.slice(0, n);
      return { ...rule, name: `the end in ${show(part)}`, raw: part, fin: true, expect: [], or: [[status(400, 408)]] };
    }),
    { ...rule, name: 'nothing at all', raw: '', fin: true, expect: [], or: [[status(400, 408)]] },
    { ...rule, name: 'an empty line only', raw: '\r\n', fin: true, expect: [], or: [[status(400, 408)]] },
    { ...rule, name: 'a request and a part of one', raw: `${LAST}GET /`, fin: true, expect: [ok({ uri: '/last' })] },
  ];
}

export const CASES: readonly Case[] = [
  ...methods(),
  ...versions(),
  ...separators(),
  ...lineEndings(),
  ...targets(),
  ...incomplete(),
];
