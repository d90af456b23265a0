/** Requests to begin with: the examples of RFC 9110 and 9112, and what attackers have tried on other servers. */

/** `controls` are the first two bytes of an input. */
const seed = (text: string, controls: readonly [number, number] = [0x05, 0x01]) =>
  Buffer.concat([Buffer.from(controls), Buffer.from(text, 'latin1')]);

const get = (path: string, ...fields: string[]) =>
  `GET ${path} HTTP/1.1\r\nHost: h\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n`;
const post = (path: string, body: string, ...fields: string[]) =>
  `POST ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n${body}`;
const chunked = (path: string, body: string, ...fields: string[]) =>
  `POST ${path} HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n${fields.map(field => `${field}\r\n`).join('')}\r\n${body}`;

const WS = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
];

const GOOD = [
  // RFC 9112 section 3.2.1 and the appendix of RFC 9110
  'GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\n\r\n',
  'GET /hello.txt HTTP/1.1\r\nUser-Agent: curl/7.64.1\r\nHost: www.example.com\r\nAccept-Language: en, mi\r\n\r\n',
  'GET http://www.example.org/any/x?y HTTP/1.1\r\nHost: www.example.org\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: www.example.org:8001\r\n\r\n',
  'CONNECT www.example.com:80 HTTP/1.1\r\nHost: www.example.com\r\n\r\n',
  // one to each handler
  ...'/ /chunks /later /copy /look?k=v&x=y /ctx /204 /304 /close /err /page /none /fail /throw /reject /half /any/x /opt/ /nowhere'
    .split(' ')
    .map(path => get(path)),
  post('/echo', 'hello'),
  post('/text', 'hällo'),
  post('/json', '{"a":[1]}', 'Content-Type: application/json'),
  post('/stream', 'some bytes for a stream'),
  post('/', 'nobody reads this'),
  'PUT /put HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok',
  get('/put'),
  get('/look?k=v', 'X-N:  value\t', 'Cookie: c="d"; e=f'),
  // RFC 9112 section 7.1, with extensions and trailers
  chunked('/echo', '4\r\nWiki\r\n7\r\npedia i\r\nB\r\nn \r\nchunks.\r\n0\r\n\r\n'),
  chunked('/echo', '5;name=value;other="x y"\r\nhello\r\n0;last\r\nExpires: now\r\nX: y\r\n\r\n'),
  chunked('/', '5\r\nhello\r\n0\r\n\r\n'),
  // pipelined
  get('/') + post('/echo', 'abc') + get('/later') + get('/copy') + get('/'),
  `HEAD / HTTP/1.1\r\nHost: h\r\n\r\nHEAD /chunks HTTP/1.1\r\nHost: h\r\n\r\n${get('/ctx')}${get('/ctx')}`,
  `\r\n\r\n${get('/')}\r\n${get('/')}`,
  // RFC 9110 section 10.1.1
  post('/echo', 'hello', 'Expect: 100-continue'),
  'GET / HTTP/1.0\r\n\r\n',
  `GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n${get('/', 'Connection: close')}${get('/')}`,
  'GET /chunks HTTP/1.0\r\n\r\n',
  'POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc',
  // RFC 6455 section 1.2, then a frame
  `${get('/ws', ...WS)}\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58`,
  get('/ws', ...WS, 'Sec-WebSocket-Protocol: superchat, chat', 'Origin: http://example.com'),
  get('/ws', ...WS, 'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=10'),
];

const BOUNDARY = 'Content-Type: multipart/form-data; boundary=x';
const FORM = 'Content-Type: application/x-www-form-urlencoded';
const part = (fields: string, content: string) =>
  `--x\r\nContent-Disposition: form-data; ${fields}\r\n\r\n${content}\r\n`;

const WEB = [
  ...'/led/7 /led/%2e/ /known /events/some /events /cookie /cors /hook /hook/! /www/ /www/a.txt /www/sub /www/sub/ /www/b%20c.json'
    .split(' ')
    .map(path => get(path)),
  ...'/www/../secret.txt /www/%2e%2e/secret.txt /www/link.txt /www/out/secret.txt /www/.hidden /www//a.txt /www/a.txt%00 /www/sub%2fb /www/inside.txt'
    .split(' ')
    .map(path => get(path)),
  get('/www/a.txt', 'Range: bytes=1-3'),
  get('/www/a.txt', 'Range: bytes=0-0,5-8, -2'),
  get('/www/a.txt', 'Range: bytes=200-', 'If-Range: "x"'),
  get('/www/a.txt', 'Accept-Encoding: gzip;q=0.5, br'),
  get('/www/a.txt', 'If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT'),
  get('/www/a.txt', 'If-None-Match: W/"a", *'),
  get('/www/a.txt', 'If-Unmodified-Since: Mon, 01 Jan 2024 00:00:00 GMT'),
  'HEAD /www/a.txt HTTP/1.1\r\nHost: h\r\nRange: bytes=1-\r\n\r\n',
  get('/auth', 'Authorization: Basic dXNlcjpwYXNz'),
  get('/auth', 'Authorization: Basic dXNlcjpwYXNX'),
  get('/auth/..', 'Authorization: Digest x'),
  'OPTIONS /cors HTTP/1.1\r\nHost: h\r\nOrigin: http://example.com\r\nAccess-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-n\r\n\r\n',
  get('/cors', 'Origin: http://evil.example'),
  get('/events', 'Last-Event-ID: 7'),
  get('/cookie', 'Cookie: c=v; d'),
  post('/form', 'a=1&b=%41+x&&c', FORM),
  post('/form', `${part('name="a"', 'one')}--x--\r\n`, BOUNDARY),
  post(
    '/upload',
    `${part('name="a"; filename="f.txt"', 'file')}${part('name="drop"', 'gone')}--x--\r\nafter`,
    BOUNDARY,
  ),
  post('/upload', `before\r\n${part("name=a; filename*=UTF-8''%e2%82%ac", 'x\r\n--y')}--x--`, BOUNDARY),
  post('/upload', part('name="a"', 'not closed'), BOUNDARY),
  post('/upload', 'a=b', FORM),
  chunked('/form', '3\r\na=1\r\n4\r\n&b=2\r\n0\r\n\r\n', FORM),
];

/** Responses that the application writes itself, and requests behind them. */
const RAW = [
  ...'len pieces early half head chunks none 204 304 interim last close rest cut never unknown'
    .split(' ')
    .flatMap(how => [
      `${get(`/raw/${how}`)}${get('/')}`,
      `HEAD /raw/${how} HTTP/1.1\r\nHost: h\r\n\r\n${get(`/raw/${how}/work`)}${get('/echo')}`,
      `${post(`/raw/${how}/read`, 'hello')}${post(`/raw/${how}`, 'not read')}${get('/later')}`,
    ]),
  `GET /raw/len HTTP/1.0\r\n\r\n`,
  `${get('/raw/half', 'Connection: close')}${get('/')}`,
  chunked('/raw/len', '5\r\nhello\r\nz'),
];

/** Behind an answer to what no handler is for, or none with this method, the connection may go on. */
const MISSED = [
  `${get('/nowhere')}${get('/put')}${get('/')}`,
  `${post('/nowhere', 'hello')}${post('/put', 'hello')}${get('/')}`,
  `${chunked('/nowhere', '5\r\nhello\r\n0\r\n\r\n')}${get('/put')}${get('/echo')}`,
  post('/nowhere', 'hello', 'Expect: 100-continue') + get('/'),
  `HEAD /nowhere HTTP/1.1\r\nHost: h\r\n\r\n${get('/nowhere', 'Connection: close')}${get('/')}`,
  'POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhello',
  chunked('/nowhere', '5\r\nhello\r\nz'),
];

const BAD = [
  // framing that servers have disagreed on: RFC 9112 section 11.2
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG',
  'POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST / HTTP/1.1\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!',
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\nhello',
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello',
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nhello',
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551621\r\n\r\nhello',
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4294967301\r\n\r\nhello',
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\nhello',
  'POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-\x00Length: 5\r\n\r\nhello',
  chunked('/echo', 'FFFFFFFFFFFFFFFF1\r\nx\r\n0\r\n\r\n'),
  chunked('/echo', '5 \r\nhello\r\n0\r\n\r\n'),
  chunked('/echo', '0x5\r\nhello\r\n0\r\n\r\n'),
  chunked('/echo', '-5\r\nhello\r\n0\r\n\r\n'),
  chunked('/echo', '5\r\nhello0\r\n\r\n'),
  chunked('/echo', '5\nhello\n0\n\n'),
  chunked('/echo', '5;x\nhello\r\n0\r\n\r\n'),
  chunked('/echo', '5\r\nhello\r\n0\r\nContent-Length: 5\r\n: x\r\n\r\n'),
  chunked('/', `5;${'x'.repeat(520)}\r\nhello\r\n0\r\n\r\n`),
  // heads
  'GET / HTTP/1.1\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: a b\r\n\r\n',
  'GET / HTTP/1.1\r\n Host: h\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n',
  'GET / HTTP/1.1\nHost: h\n\n',
  'GET  / HTTP/1.1\r\nHost: h\r\n\r\n',
  'GET /\tHTTP/1.1\r\nHost: h\r\n\r\n',
  'GET / HTTP/1.2\r\nHost: h\r\n\r\n',
  'GET / HTTP/2.0\r\nHost: h\r\n\r\n',
  'GET / HTTP/1.10\r\nHost: h\r\n\r\n',
  'GET / HTTP\r\nHost: h\r\n\r\n',
  'GET /\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'FOO / HTTP/1.1\r\nHost: h\r\n\r\n',
  'G\x00T / HTTP/1.1\r\nHost: h\r\n\r\n',
  'SOURCE / HTTP/1.1\r\nHost: h\r\n\r\n',
  'GET /\x80\xff HTTP/1.1\r\nHost: h\r\nX-N: \xe4\r\n\r\n',
  `GET /${'u'.repeat(90)} HTTP/1.1\r\nHost: h\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: h\r\nX: ${'v'.repeat(500)}\r\n\r\n`,
  post('/echo', 'b'.repeat(301)),
  'POST /echo HTTP/1.0\r\n\r\n',
  'POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhello',
  `${get('/')}GARBAGE\r\n\r\n${get('/')}`,
  // handshakes that must fail
  get('/ws'),
  get('/ws', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Key: short', 'Sec-WebSocket-Version: 13'),
  get('/ws', ...WS.slice(0, 3), 'Sec-WebSocket-Version: 8'),
  get('/ws', ...WS, 'Origin: http://evil.example'),
  ...['http://h', 'https://h:443', 'http://h:80', 'http://h:81', 'http://evil.example', 'null', 'http://x@h'].map(
    origin => get('/ws/same', ...WS, `Origin: ${origin}`),
  ),
  get('/ws/same', ...WS, 'Origin: http://h', 'Origin: http://evil.example'),
  get('http://h/ws/same', ...WS, 'Origin: http://h'),
  get('/ws', ...WS, 'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99'),
  `GET /ws HTTP/1.1\r\nHost: h\r\n${WS.join('\r\n')}\r\nContent-Length: 5\r\n\r\nhello`,
];

const LENIENT = 0x80;
/** As the strict servers see them; and what is about line endings as the lenient one does. */
export const HTTP_SEEDS: readonly Buffer[] = [
  ...GOOD.map((text, i) => seed(text, [i * 7, (i & 3) << 4])),
  ...WEB.map((text, i) => seed(text, [i * 3, ((i & 3) << 4) | (i & 1)])),
  ...RAW.map((text, i) => seed(text, [i * 7, ((i & 3) << 4) | (i & 1)])),
  ...MISSED.flatMap((text, i) => [0, 16, 32, 48].map(end => seed(text, [i * 7, end]))),
  ...BAD.map((text, i) => seed(text, [i * 5, 1])),
  ...[...GOOD, ...BAD].filter(text => /[^\r]\n/.test(text)).map(text => seed(text, [0, LENIENT])),
  seed(GOOD[0]?.replaceAll('\r\n', '\n') ?? '', [0, LENIENT]),
  seed(chunked('/echo', '5\nhello\n0\nT: u\n\n').replaceAll('\r\n', '\n'), [3, LENIENT]),
];
