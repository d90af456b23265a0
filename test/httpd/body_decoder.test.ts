import { describe, expect, test } from 'vitest';
import { BodyDecoder } from '../../src/httpd/body_decoder.js';
import {
  HTTPD_400_BAD_REQUEST,
  HTTPD_413_CONTENT_TOO_LARGE,
  HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE,
} from '../../src/httpd/http_err.js';
import { PARSE_DONE, PARSE_MORE, type ParseLimits } from '../../src/httpd/parse.js';
import { Input, ReceiveBuffer } from '../../src/sess/input.js';
import { everyWay } from '../support/feed.js';
import { LIMITS } from './parse_support.js';

/** What a decoder makes of a body, and what it leaves behind it. */
function decode(
  chunks: Iterable<Uint8Array | string>,
  contentLen: number | undefined,
  limits: Partial<ParseLimits> = {},
  room = 7,
) {
  const memory = Buffer.alloc(64 * 1024);
  const receive = new ReceiveBuffer(() => memory, memory.length);
  const input = new Input(receive);
  const decoder = new BodyDecoder({ ...LIMITS, ...limits });
  decoder.begin(contentLen);
  let content = '';
  let left = '';
  let result = PARSE_MORE;
  for (const chunk of chunks) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : Buffer.from(chunk);
    bytes.copy(receive.claim());
    input.arrive(bytes.length);
    while (result === PARSE_MORE && input.open()) {
      const target = Buffer.alloc(room);
      result = decoder.decode(input, target);
      content += target.toString('latin1', 0, decoder.found);
    }
    if (result === PARSE_DONE) left += input.buf.toString('latin1', input.from, input.to);
    input.clear();
  }
  return { result, content: result === PARSE_DONE || result === PARSE_MORE ? content : '', left, open: decoder.open };
}

/** The same for every cut. */
function always(text: string, contentLen?: number, limits: Partial<ParseLimits> = {}) {
  const whole = decode([text], contentLen, limits);
  for (const { name, chunks } of everyWay(text)) expect(decode(chunks, contentLen, limits), name).toEqual(whole);
  expect(decode([text], contentLen, limits, 1000)).toEqual(whole);
  return whole;
}

const DONE = { result: PARSE_DONE, open: false };

describe('Content-Length', () => {
  test('says how many bytes belong to the body', () => {
    expect(always('helloGET', 5)).toEqual({ ...DONE, content: 'hello', left: 'GET' });
    expect(always('hell', 5)).toMatchObject({ result: PARSE_MORE, content: 'hell', open: true });
  });

  test('above 4 GiB is counted right', () => {
    const memory = Buffer.alloc(1024 * 1024);
    const receive = new ReceiveBuffer(() => memory, memory.length);
    const input = new Input(receive);
    const decoder = new BodyDecoder({ ...LIMITS, maxReqBodyLen: Number.MAX_SAFE_INTEGER });
    const len = 2 ** 32 + 5;
    decoder.begin(len);
    let sum = 0;
    while (decoder.open) {
      receive.claim();
      input.arrive(memory.length);
      decoder.decode(input, undefined);
      sum += decoder.found;
      if (decoder.open) expect(input.length).toBe(0);
    }
    expect([sum, input.length]).toEqual([len, memory.length - 5]);
  });
});

describe('chunks', () => {
  test.each([
    ['0\r\n\r\n', ''],
    ['5\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['1\r\na\r\n2\r\nbc\r\n0\r\n\r\n', 'abc'],
    ['000a\r\n0123456789\r\nA\r\n0123456789\r\n000\r\n\r\n', '01234567890123456789'],
    ['5;a\r\nhello\r\n0;b=c\r\n\r\n', 'hello'],
    ['5;a=b;c="d;\\"\\\\e\t\xff";f\r\nhello\r\n0\r\n\r\n', 'hello'],
    ['5 ; a = b ; c\r\nhello\r\n0\t;\ta\t=\t"b"\r\n\r\n', 'hello'],
    ['1\r\na\r\n0\r\nA: b\r\nc:\r\nD:\t \x80 e\t\r\n\r\n', 'a'],
    ['3\r\n\r\n0\r\n0\r\n\r\n', '\r\n0'],
  ])('%j is %j', (text, content) => {
    expect(always(`${text}GET`)).toEqual({ ...DONE, content, left: 'GET' });
  });

  test.each([
    ['no size', '\r\nhello'],
    ['no digits', ';a\r\nhello'],
    ['a sign', '+5\r\nhello'],
    ['0x', '0x5\r\nhello'],
    ['a letter behind f', '5g\r\nhello'],
    ['an underscore', '1_0\r\nhello'],
    ['a blank before the size', ' 5\r\nhello'],
    ['a blank behind the size', '5 \r\nhello'],
    ['a tab behind the size', '5\t\r\nhello'],
    ['a size beyond 64 bits', '10000000000000005\r\nhello'],
    ['a size beyond 2^53', '20000000000000\r\nhello'],
    ['an extension without a name', '5;\r\nhello'],
    ['an extension with = only', '5;=a\r\nhello'],
    ['an extension without a value', '5;a=\r\nhello'],
    ['an extension with a bad name', '5;a@b\r\nhello'],
    ['an extension with a bad value', '5;a=b@\r\nhello'],
    ['a blank behind an extension', '5;a=b \r\nhello'],
    ['a blank behind a name', '5;a \r\nhello'],
    ['two names', '5;a b\r\nhello'],
    ['something behind a quoted value', '5;a="b"c\r\nhello'],
    ['NUL in a quoted value', '5;a="\0"\r\nhello'],
    ['a line ending in a quoted value', '5;a="\r\n"\r\nhello'],
    ['an escaped line ending', '5;a="\\\r\n"\r\nhello'],
    ['a bare LF behind the size', '5\nhello'],
    ['a bare LF in an extension', '5;a\nhello'],
    ['a bare CR behind the size', '5\rhello'],
    ['a bare CR in an extension', '5;a\rb\r\nhello'],
    ['more content than the size says', '5\r\nhellox\r\n'],
    ['less', '5\r\nhell\r\n0\r\n\r\n'],
    ['no line ending behind the content', '5\r\nhello0\r\n\r\n'],
    ['a bare LF behind the content', '5\r\nhello\n0\r\n\r\n'],
    ['a bare CR behind the content', '5\r\nhello\r0\r\n\r\n'],
    ['a bare LF at the end', '0\r\n\n'],
    ['a bare CR at the end', '0\r\n\rG'],
    ['a trailer without a colon', '0\r\nA\r\n\r\n'],
    ['a trailer without a name', '0\r\n: a\r\n\r\n'],
    ['a blank in the name of a trailer', '0\r\nA b: c\r\n\r\n'],
    ['a blank before the colon', '0\r\nA : c\r\n\r\n'],
    ['a folded trailer', '0\r\nA: b\r\n c\r\n\r\n'],
    ['a bare LF behind a trailer', '0\r\nA: b\n\r\n'],
    ['a bare CR in a trailer', '0\r\nA: b\rc\r\n\r\n'],
    ['NUL in a trailer', '0\r\nA: \0\r\n\r\n'],
    ['Content-Length in the trailers', '0\r\ncontent-Length: 5\r\n\r\n'],
    ['Transfer-Encoding in the trailers', '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['Host in the trailers', '0\r\nHost: a\r\n\r\n'],
  ])('%s: 400', (_, text) => {
    expect(always(text).result).toBe(HTTPD_400_BAD_REQUEST);
  });

  test('names of trailers may begin like those that are refused', () => {
    expect(always('0\r\nContent-Length-X: 5\r\nHostess: a\r\nTransfer-Encoding2: x\r\n\r\n').result).toBe(PARSE_DONE);
  });

  test('lenient: a bare LF ends a line', () => {
    const text = '5;a\nhello\n0\nA: b\n\nGET';
    expect(always(text, undefined, { lenientLineEndings: true })).toEqual({ ...DONE, content: 'hello', left: 'GET' });
  });

  test('a chunk that makes the body longer than maxReqBodyLen is refused at its size', () => {
    const limits = { maxReqBodyLen: 9 };
    expect(always('5\r\nhello\r\n4\r\nyou!\r\n0\r\n\r\n', undefined, limits).result).toBe(PARSE_DONE);
    expect(always('5\r\nhello\r\n5\r\n', undefined, limits).result).toBe(HTTPD_413_CONTENT_TOO_LARGE);
  });

  test('framing that outweighs the content is refused: extensions', () => {
    const limits = { maxReqHdrLen: 100 };
    const line = (n: number) => `1;${'a'.repeat(n - 4)}\r\n`;
    expect(always(`${line(100)}x`, undefined, limits).result).toBe(PARSE_MORE);
    expect(always(`${line(101)}x`, undefined, limits).result).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
    const fat = `${line(60)}x\r\n`.repeat(10);
    expect(always(fat, undefined, limits).result).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
    expect(always(`${'1\r\nx\r\n'.repeat(500)}0\r\n\r\n`, undefined, limits).result).toBe(PARSE_DONE);
  });

  test('framing that is both too long and broken is refused for what comes first', () => {
    const limits = { maxReqHdrLen: 100 };
    const long = `1;${'a'.repeat(99)}`;
    expect(always(`${long}@`, undefined, limits).result).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
    expect(always(`${long.slice(0, -1)}@`, undefined, limits).result).toBe(HTTPD_400_BAD_REQUEST);
  });

  test('framing that outweighs the content is refused: trailers', () => {
    const text = `0\r\n${'A: b\r\n'.repeat(30)}\r\n`;
    expect(always(text, undefined, { maxReqHdrLen: text.length }).result).toBe(PARSE_DONE);
    expect(always(text, undefined, { maxReqHdrLen: text.length - 1 }).result).toBe(HTTPD_431_REQ_HDR_FIELDS_TOO_LARGE);
  });
});
