/** RFC 9112 sections 3.2.1 to 3.2.4, RFC 9110 sections 4.2, 7.1, 9.3.6 and 9.3.7: the four forms of a request target. */
import { type Case, closed, head, must, ok, post, refused, served, should, show, status } from './case.js';

const ABSOLUTE = must(9112, '3.2.2');
const ORIGIN = must(9112, '3.2.1');
const AUTHORITY = must(9112, '3.2.3');
const ASTERISK = must(9112, '3.2.4');

function absolute(): Case[] {
  const host = (name: string) => ok({ host: name });
  return [
    served(ABSOLUTE, 'an absolute target', head('GET http://a/echo'), host('a')),
    served(ABSOLUTE, 'its host wins over Host', head('GET http://b.example/echo'), host('b.example')),
    served(ABSOLUTE, 'its host and port win over Host', head('GET http://b:81/echo?q'), host('b:81')),
    served(ABSOLUTE, 'its scheme in capitals', head('GET HTTP://b/echo'), host('b')),
    served(ABSOLUTE, 'an IPv6 address', head('GET http://[::1]:80/echo'), host('[::1]:80')),
    served(ABSOLUTE, 'an empty port', head('GET http://b:/echo')),
    served(ABSOLUTE, 'no path', head('GET http://b'), host('b')),
    served(ABSOLUTE, 'no path, but a query', head('GET http://b?q=1'), host('b')),
    served(ABSOLUTE, 'the path /', head('GET http://b/'), host('b')),
    served(ABSOLUTE, 'with an empty Host', 'GET http://b/echo HTTP/1.1\r\nHost:\r\n\r\n', host('b')),
    served(
      ABSOLUTE,
      'with a body',
      `POST http://b/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab`,
      ok({ host: 'b', body: 'ab' }),
    ),
    served(
      ABSOLUTE,
      'with HTTP/1.0',
      'GET http://b/echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
      ok({ uri: 'http://b/echo' }),
    ),
    served(ABSOLUTE, 'OPTIONS of a server', head('OPTIONS http://b'), status(200, 204)),
    served(ABSOLUTE, 'a @ in the path', head('GET http://b/e/@c'), host('b')),
    served(ABSOLUTE, 'a URI in the query', head('GET http://b/echo?u=http://c@d/'), host('b')),
    served(ABSOLUTE, 'its path decides on the handler', head('GET http://b/nowhere'), status(404)),
  ];
}

function notAbsolute(): Case[] {
  return [
    refused(ABSOLUTE, 'with an invalid Host', 'GET http://b/echo HTTP/1.1\r\nHost: a b\r\n\r\n'),
    ...['user@b', 'user:pw@b', '@b', ':@b', 'b@', 'b:80@c'].map(authority =>
      refused(must(9110, '4.2.4'), `user information: http://${authority}/echo`, head(`GET http://${authority}/echo`)),
    ),
    ...[
      'http:///echo',
      'http://',
      'http:///',
      'http://:80/echo',
      'http://?q',
      'http:/echo',
      'http:echo',
      'http:',
      'http',
    ].map(target => refused(must(9110, '4.2.1'), `no host: ${target}`, head(`GET ${target}`))),
    ...[
      'http://b:x/echo',
      'http://b:80:81/echo',
      'http://b:-1/',
      'http://[::1/echo',
      'http://::1/echo',
      'http://b%zz/echo',
    ].map(target => refused(ABSOLUTE, `no authority: ${target}`, head(`GET ${target}`))),
    ...[
      'http://b\\c/',
      'http://b"/',
      'http://b<c>/',
      'http://b^/',
      'http://b\x80/',
      'http://b\x00/',
      'http://[g::]/',
    ].map(target => refused(ABSOLUTE, `no authority: ${show(target)}`, head(`GET ${target}`))),
    ...['http://b/#f', 'http://b#f', 'http://b/%zz', 'http://b/\x80', 'http://b/"'].map(target =>
      refused(should(9112, '3'), `no URI: ${show(target)}`, head(`GET ${target}`)),
    ),
    ...[
      'https://a/echo',
      'ftp://a/echo',
      'ws://a/echo',
      'file:///echo',
      'x://a/echo',
      'HTTPS://a/',
      'httpx://a/',
      '1http://a/',
      'gopher:x',
    ].map(target => refused(must(9110, '7.4'), `another scheme: ${target}`, head(`GET ${target}`), [400, 421])),
  ];
}

function origin(): Case[] {
  const uris = [
    '/echo?',
    '/echo?x',
    '/echo??',
    '/echo?a=b&c',
    '/echo?/..//',
    '/e/',
    '/e/a/../b',
    '/e/%2e%2e/x',
    '/e/;a=b',
    '/e/*',
    '/e/:@',
  ];
  const wrong = [
    'echo',
    'e/a',
    '?x',
    '?',
    '*x',
    '**',
    '*/',
    '*?',
    './echo',
    '../echo',
    '.',
    '\\echo',
    'a:80',
    'a:',
    ':80',
    '[::1]:80',
  ];
  return [
    ...uris.map(uri => served(ORIGIN, `origin-form ${uri}`, head(`GET ${uri}`), ok({ uri }))),
    ...wrong.map(target => refused(ORIGIN, `no origin-form: ${target}`, head(`GET ${target}`))),
    {
      ...served(ORIGIN, '// does not begin an authority', head('GET //a/echo'), status(404)),
      or: [[status(400, 404)]],
    },
  ];
}

function asterisk(): Case[] {
  const allow = { status: [200, 204], headers: { allow: /\bGET\b/ } };
  return [
    served(ASTERISK, 'OPTIONS *', head('OPTIONS *'), status(200, 204)),
    served(should(9110, '9.3.7'), 'OPTIONS * says what is allowed', head('OPTIONS *'), allow),
    served(ASTERISK, 'OPTIONS * with a body', `${head('OPTIONS *', 'Content-Length: 2')}ab`, status(200, 204)),
    served(
      ASTERISK,
      'OPTIONS * with chunks',
      `${head('OPTIONS *', 'Transfer-Encoding: chunked')}2\r\nab\r\n0\r\n\r\n`,
      status(200, 204),
    ),
    served(
      ASTERISK,
      'OPTIONS * with HTTP/1.0',
      'OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
      status(200, 204),
    ),
    closed(ASTERISK, 'OPTIONS * and close', head('OPTIONS *', 'Connection: close'), status(200, 204)),
    {
      ...refused(
        ASTERISK,
        'OPTIONS * with chunks that are none',
        `${head('OPTIONS *', 'Transfer-Encoding: chunked')}x\r\n`,
      ),
      or: [[status(200, 204)], [status(200, 204), status(400)]],
      quiet: true,
    },
    ...['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'TRACE'].map(method =>
      refused(ASTERISK, `${method} *`, head(`${method} *`)),
    ),
    closed(ASTERISK, 'HEAD *', head('HEAD *'), { ...status(400), toHead: true }),
    ...['**', '*?x', '*/', '* *', '/*x y', '*\x00', '*#'].map(target =>
      refused(ASTERISK, `OPTIONS ${show(target)}`, head(`OPTIONS ${target}`)),
    ),
  ];
}

/** authority-form of CONNECT. */
const AUTHORITIES = ['a:443', 'a.example:80', '127.0.0.1:8080', '[::1]:443', 'a:1'];
const NO_AUTHORITIES = [
  ...[
    'a',
    'a:',
    ':443',
    ':',
    'a:b',
    'a:80:81',
    'a:-1',
    'a:+1',
    'a: 80',
    'a:80/',
    'a:443/x',
    'a:443?x',
    'a:443#x',
    '/',
    '/echo',
    '*',
  ],
  ...[
    'http://a/',
    'http://a:80',
    'user@a:443',
    '@a:443',
    '[::1:443',
    '[]:443',
    '::1:443',
    'a"b:443',
    'a\x00:443',
    'a\x80:443',
    'a:65536',
  ],
];

function authority(): Case[] {
  return [
    ...AUTHORITIES.map(target =>
      refused(should(9110, '9.3.6'), `CONNECT ${target}`, head(`CONNECT ${target}`), [405, 501]),
    ),
    refused(
      should(9110, '9.3.6'),
      'CONNECT with a body',
      `${head('CONNECT a:443', 'Content-Length: 2')}ab`,
      [405, 501],
    ),
    refused(should(9110, '9.3.6'), 'CONNECT with HTTP/1.0', 'CONNECT a:443 HTTP/1.0\r\n\r\n', [405, 501]),
    ...NO_AUTHORITIES.map(target =>
      refused(
        target.startsWith('a') ? must(9110, '9.3.6') : AUTHORITY,
        `CONNECT ${show(target)}`,
        head(`CONNECT ${target}`),
        target === 'a:65536' ? [400, 501] : [400],
      ),
    ),
    refused(must(9112, '3.2'), 'CONNECT without Host', 'CONNECT a:443 HTTP/1.1\r\n\r\n'),
    refused(
      must(9112, '6.1'),
      'CONNECT with two lengths',
      head('CONNECT a:443', 'Content-Length: 2', 'Transfer-Encoding: chunked'),
    ),
    served(
      AUTHORITY,
      'CONNECT in a body',
      post('CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n', 'Content-Length: 35'),
      ok(),
    ),
  ];
}

export const CASES: readonly Case[] = [...absolute(), ...notAbsolute(), ...origin(), ...asterisk(), ...authority()];
