/** Responses as applications write them: every way to say where they end, and some that are wrong. */
const seed = (text: string, toHead = 0, sizes = 0x05) =>
  Buffer.concat([Buffer.from([sizes, toHead]), Buffer.from(text, 'latin1')]);

const response = (line: string, fields: readonly string[], content = '') =>
  [`HTTP/1.1 ${line}`, ...fields, '', content].join('\r\n');

const CONTINUE = response('100 Continue', []);

const RESPONSES = [
  response('200 OK', ['Content-Length: 5'], 'hello'),
  response('200 OK', ['content-length:5', 'Connection: close'], 'hello'),
  response('200 OK', ['Content-Length: 0', 'Connection: keep-alive, Close']),
  response('200 OK', ['Content-Length: 9'], 'hello'),
  response('200 OK', ['Connection: close'], 'until the end'),
  response('200 OK', [], 'nothing tells its end'),
  response('200 OK', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n0\r\n\r\n'),
  response('200 OK', ['Transfer-Encoding: chunked'], '5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n'),
  response('200 OK', ['Transfer-Encoding: chunked'], '5\r\nhello\r\n'),
  response('200 OK', ['Transfer-Encoding: chunked'], 'z\r\n'),
  response('200 OK', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'),
  response('200 OK', ['Transfer-Encoding: chunked', 'Content-Length: 5'], '0\r\n\r\n'),
  response('200 OK', ['Content-Length: 5', 'Content-Length: 6'], 'hello!'),
  response('200 OK', ['Content-Length: x'], 'hello'),
  response('200 OK', ['Content-Length: 99999999999999999999'], 'hello'),
  response('204 No Content', []),
  response('204 No Content', ['Content-Length: 5'], 'hello'),
  response('304 Not Modified', ['Content-Length: 5']),
  response('101 Switching Protocols', ['Upgrade: x', 'Connection: Upgrade'], 'anything'),
  `${CONTINUE}${CONTINUE}${response('200 OK', ['Content-Length: 2'], 'ok')}`,
  `${CONTINUE}${response('200 OK', ['Content-Length: 2'], 'ok and more')}`,
  'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok',
  'HTTP/2 200\r\n\r\n',
  'hello',
  '\r\n\r\n',
  '',
];

export const RAW_ANSWER_SEEDS: readonly Buffer[] = RESPONSES.flatMap((text, i) => [
  seed(text, 0, i * 3),
  seed(text, 1),
]);
