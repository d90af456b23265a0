/** Changes of requests: of lines, fields, numbers and chunks. */
import type { Random } from '../random.js';
import { BYTE_MUTATIONS, type Mutation, replaced, withToken } from './bytes.js';
import { lines, linesEnded, linesMoved } from './lines.js';

const PATHS =
  '/ /echo /text /json /chunks /stream /later /copy /look?k=v&x=%41 /ctx /204 /304 /close /err /page /none /fail /throw /reject /half /led/7 /known /form /upload /events/some /events /cookie /auth /cors /hook /hook! /www/ /www/a.txt /www/sub /www/link.txt /www/%2e%2e/secret.txt /any/x /opt /opt/ /put /ws /ws/same /raw/len /raw/pieces/work /raw/half /raw/head/read /raw/chunks /raw/interim/work /raw/last /raw/close /raw/cut /raw/never /nowhere * host:80 http://h/echo';
const WORDS = [
  ...PATHS.split(' '),
  ...'GET HEAD POST PUT DELETE OPTIONS TRACE CONNECT PATCH M-SEARCH SOURCE QUERY get PRI'.split(' '),
  ...'HTTP/1.1 HTTP/1.0 HTTP/1.2 HTTP/2.0 HTTP/0.9 HTTP/1. http/1.1 HTTPS/1.1 RTSP/1.0'.split(' '),
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'Host: h\r\n',
  'Host:\r\n',
  'Host: h, h2\r\n',
  'Host: a b\r\n',
  'Host: [::1]:80\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length: +5\r\n',
  'Content-Length: 0x5\r\n',
  'Content-Length: 18446744073709551616\r\n',
  'Content-Length: 4294967301\r\n',
  'Content-Length : 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: chunked, identity\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'Transfer-Encoding:\tchunked\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'Connection: Upgrade\r\n',
  'Connection: keep-alive, Upgrade, close\r\n',
  'Upgrade: websocket\r\n',
  'Upgrade: h2c\r\n',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n',
  'Sec-WebSocket-Version: 13\r\n',
  'Sec-WebSocket-Protocol: superchat, chat\r\n',
  'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n',
  'Origin: http://example.com\r\n',
  'Origin: http://h\r\n',
  'Origin: https://H:443\r\n',
  'Origin: null\r\n',
  'Origin: http://[::1]:80\r\n',
  'Expect: 100-continue\r\n',
  'Expect: nothing\r\n',
  'X-N: value\r\n',
  'Cookie: c=d; e="f"\r\n',
  ' folded\r\n',
  'Range: bytes=1-3\r\n',
  'Range: bytes=-5,0-1\r\n',
  'If-None-Match: *\r\n',
  'If-Range: "x"\r\n',
  'Accept-Encoding: gzip\r\n',
  'Authorization: Basic dXNlcjpwYXNz\r\n',
  'Access-Control-Request-Method: PUT\r\n',
  'Content-Type: application/x-www-form-urlencoded\r\n',
  'Content-Type: multipart/form-data; boundary=x\r\n',
  '\r\n--x\r\n',
  '--x--\r\n',
  'Content-Disposition: form-data; name="a"; filename="b"\r\n',
  '..%2f',
  '5\r\nhello\r\n',
  '0\r\n\r\n',
  '0\r\nTrailer: t\r\n\r\n',
  '1;name=value\r\nx\r\n',
  'FFFFFFFFFFFFFFFF\r\n',
  '00000000000000005\r\nhello\r\n',
  '\r\n\r\n',
  '\n\n',
  'chunked',
  'close',
  '%00',
  '%2e%2e/',
  '{"a":[1,2]}',
];

const TOKENS = WORDS.map(word => Buffer.from(word, 'latin1'));
const REQUEST = Buffer.from('GET / HTTP/1.1\r\nHost: h\r\n\r\n');

/** A number, decimal or hexadecimal, becomes another. */
const numberChanged: Mutation = (bytes, _other, random) => {
  const text = bytes.toString('latin1');
  const numbers = [...text.matchAll(/\b[0-9a-fA-F]{1,17}\b/g)];
  if (numbers.length === 0) return bytes;
  const { 0: old, index } = random.pick(numbers);
  const value = Number.parseInt(old, random.oneIn(2) ? 10 : 16) || 0;
  const next = random.pick([
    String(value + 1),
    String(Math.max(0, value - 1)),
    (value + 1).toString(16),
    `0${old}`,
    `+${old}`,
    `-${old}`,
    `${old},${old}`,
    `${old}_`,
    String(random.below(400)),
  ]);
  return replaced(bytes, index, index + old.length, Buffer.from(next, 'latin1'));
};

/** A letter of the other case, somewhere in the fields. */
const caseChanged: Mutation = (bytes, _other, random) => {
  const copy = Buffer.from(bytes);
  if (copy.length === 0) return copy;
  for (let at = random.below(copy.length), left = 8; left > 0 && at < copy.length; at++, left--) {
    const byte = copy[at] as number;
    if (/[a-zA-Z]/.test(String.fromCharCode(byte))) copy[at] = byte ^ 0x20;
  }
  return copy;
};

/** A whole request in front, or behind. */
const requestAdded: Mutation = (bytes, other, random) => {
  const request = random.oneIn(2) ? REQUEST : other;
  return random.oneIn(2) ? Buffer.concat([request, bytes]) : Buffer.concat([bytes, request]);
};

/** Puts a header line behind one that is there. */
const fieldAdded: Mutation = (bytes, _other, random) => {
  const list = lines(bytes);
  list.splice(Math.min(list.length, 1 + random.below(list.length + 1)), 0, random.pick(TOKENS));
  return Buffer.concat(list);
};

const pathChanged: Mutation = (bytes, _other, random) => {
  const text = bytes.toString('latin1');
  const targets = [...text.matchAll(/(?<=^|\n)([A-Z-]+) (\S+) /g)];
  if (targets.length === 0) return bytes;
  const { index, 1: method = '', 2: path = '' } = random.pick(targets);
  const from = index + method.length + 1;
  return replaced(bytes, from, from + path.length, Buffer.from(random.pick(PATHS.split(' '))));
};

const MUTATIONS: readonly Mutation[] = [
  ...BYTE_MUTATIONS,
  withToken(TOKENS),
  withToken(TOKENS),
  linesMoved,
  linesMoved,
  linesEnded,
  numberChanged,
  numberChanged,
  caseChanged,
  requestAdded,
  fieldAdded,
  fieldAdded,
  pathChanged,
  pathChanged,
];

export function mutateHttp(bytes: Buffer, other: Buffer, random: Random): Buffer {
  return random.pick(MUTATIONS)(bytes, other, random);
}
