import { describe, expect, test } from 'vitest';
import { RawAnswer } from '../../src/httpd/raw_answer.js';
import { pieces } from '../support/feed.js';

/** Pushes a text in pieces; tells behind how many bytes the response was complete, or -1. */
function endOf(text: string, { toHead = false, size = text.length || 1 } = {}): number {
  const answer = new RawAnswer(toHead);
  let n = 0;
  for (const piece of pieces(Buffer.from(text, 'latin1'), [size])) {
    answer.push(piece);
    n += piece.length;
    if (answer.complete) return n;
  }
  return -1;
}

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;

describe.each<[string, string, boolean?]>([
  ['a length', `${OK}Content-Length: 5\r\n\r\nhello`],
  ['a length of 0', `${OK}content-length: 0\r\n\r\n`],
  ['chunks', `${CHUNKED}5\r\nhello\r\n0\r\n\r\n`],
  ['chunks with trailers', `${CHUNKED}5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n`],
  ['a 204', 'HTTP/1.1 204 No Content\r\n\r\n'],
  ['a 304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
  ['an answer to HEAD', `${OK}Content-Length: 5\r\n\r\n`, true],
  ['HTTP/1.0 without a reason', 'HTTP/1.0 200\r\nContent-Length: 1\r\n\r\nx'],
  ['chunks of what is compressed', `${OK}Transfer-Encoding: gzip,\tChunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`],
  ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nhi'],
  [
    'interim responses first',
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK}Content-Length: 2\r\n\r\nhi`,
  ],
])('%s', (_name, text, toHead = false) => {
  test('ends with its last byte, however it is cut', () => {
    for (let size = 1; size <= text.length; size++)
      expect(endOf(text, { toHead, size })).toBeGreaterThanOrEqual(text.length);
    expect(endOf(text, { toHead, size: 1 })).toBe(text.length);
    expect(endOf(text.slice(0, -1), { toHead, size: 1 })).toBe(-1);
  });
});

test.each([
  ['no length', `${OK}\r\nhello`],
  ['a length that is none', `${OK}Content-Length: five\r\n\r\nhello`],
  ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\n\r\nhello'],
  ['no HTTP', 'hello\r\n\r\n'],
  ['chunks that are broken', `${CHUNKED}zz\r\n`],
  ['a head without an end', `${OK}X: ${'y'.repeat(70_000)}\r\n\r\n`],
  // RFC 9112 section 6.3
  ['chunks within another coding', `${OK}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`],
  ['another coding beside a length', `${OK}Transfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi`],
  ['a coding without a name', `${OK}Transfer-Encoding:\r\nContent-Length: 2\r\n\r\nhi`],
])('%s: the end of the connection ends it', (_name, text) => {
  const answer = new RawAnswer(false);
  answer.push(Buffer.from(text));
  expect([answer.begun, answer.complete]).toEqual([true, false]);
  answer.push(Buffer.from(`${OK}Content-Length: 0\r\n\r\n`));
  expect(answer.complete).toBe(false);
});

test('an interim response does not begin it', () => {
  const answer = new RawAnswer(false);
  answer.push(Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'));
  expect(answer.begun).toBe(false);
});

test.each([
  ['close', true],
  ['keep-alive', false],
  ['Foo, Close', true],
])('Connection: %s', (value, closes) => {
  const answer = new RawAnswer(false);
  answer.push(Buffer.from(`${OK}Connection: ${value}\r\nContent-Length: 0\r\n\r\n`));
  expect(answer.closes).toBe(closes);
});

test.each([
  ['a length', 'Content-Length: 5\r\n', true],
  ['a length of 0', 'Content-Length: 0\r\n', false],
  ['chunks', 'Transfer-Encoding: chunked\r\n', true],
  ['neither', '', true],
])('an answer to HEAD with %s: does it close, since content may be sent behind it', (_name, fields, closes) => {
  const answer = new RawAnswer(true);
  const head = `${OK}${fields}\r\n`;
  expect(answer.push(Buffer.from(`${head}hello`))).toBe(head.length);
  expect([answer.complete, answer.closes]).toEqual([true, closes]);
});

test('tells how many bytes belong to it', () => {
  const answer = new RawAnswer(false);
  expect(answer.push(Buffer.from(`${OK}Content-Length: 5\r\n\r\nhe`))).toBe(OK.length + 23);
  expect(answer.push(Buffer.from('llo, world'))).toBe(3);
  expect(answer.push(Buffer.from('!'))).toBe(0);
});

test.each([
  ['as long as may be looked at', 0, true],
  ['a byte longer', 1, false],
])('a head that is %s is the same however it is cut', (_name, more, looked) => {
  const head = `${OK}Content-Length: 2\r\nX: \r\n\r\n`;
  const text = `${head.replace('X: ', `X: ${'y'.repeat(64 * 1024 - head.length + more)}`)}hi`;
  for (const size of [text.length, 1_000, 65_535, 65_536, 65_537]) {
    expect(endOf(text, { size }), `${size}`).toBe(looked ? text.length : -1);
  }
});
