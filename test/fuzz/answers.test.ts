import { describe, expect, test } from 'vitest';
import { readAnswers } from '../../fuzz/targets/answers.js';
import { readFrames } from '../../fuzz/targets/frames.js';
import { hex } from '../support/ws_frames.js';

const no = () => false;
const OK = 'HTTP/1.1 200 OK\r\n';

describe('responses as a strict client reads them', () => {
  test('are divided as RFC 9112 section 6.3 says', () => {
    const text =
      'HTTP/1.1 100 Continue\r\n\r\n' +
      `${OK}Content-Length: 2\r\n\r\nhi` +
      `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n` +
      'HTTP/1.1 204 No Content\r\n\r\n' +
      `${OK}Content-Length: 5\r\n\r\n` +
      `${OK}Connection: close\r\n\r\nthe rest`;
    const { answers, rest } = readAnswers(text, n => n === 3);
    expect(answers.map(({ status, body }) => `${status} ${body}`)).toEqual([
      '100 ',
      '200 hi',
      '200 one',
      '204 ',
      '200 ',
      '200 the rest',
    ]);
    expect(answers.at(-1)).toMatchObject({ closes: true, untilClose: true });
    expect(rest).toBe('');
  });

  test.each([
    ['a head', `${OK}Content-Le`],
    ['a body', `${OK}Content-Length: 5\r\n\r\nabc`],
    ['a chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nab`],
    ['the last chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n`],
  ])('may lack a part of %s', (_what, text) => {
    expect(readAnswers(text, no)).toEqual({ answers: [], rest: text });
  });

  test.each([
    ['a malformed status line', 'HTTP/1.1 200\r\n\r\n'],
    ['a malformed status line', `${OK}Content-Length: 0\r\n\r\nHTTP/1.1  200 OK\r\n\r\n`],
    ['a malformed header field', `${OK}Content-Length : 0\r\n\r\n`],
    ['a malformed header field', `${OK}X: a\nb\r\n\r\n`],
    ['a second Content-Length', `${OK}Content-Length: 0\r\nContent-Length: 0\r\n\r\n`],
    ["a 204 with a body's framing", 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n'],
    ['Content-Length beside Transfer-Encoding', `${OK}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n`],
    ['a response whose end nothing tells', `${OK}\r\n`],
    ['a coding whose end nothing tells', `${OK}Transfer-Encoding: chunked, gzip\r\n\r\n`],
    ['a malformed chunk', `${OK}Transfer-Encoding: chunked\r\n\r\nx\r\n`],
    ['a chunk without its CRLF', `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n`],
    ['bytes follow a response that closes', `${OK}Connection: close\r\nContent-Length: 0\r\n\r\nX`],
  ])('are refused for %s: %j', (rule, text) => {
    expect(() => readAnswers(text, no)).toThrow(rule);
  });
});

describe('frames as a strict client reads them', () => {
  test('may be a message in fragments with a Ping between, and a Close', () => {
    const { frames, rest } = readFrames(hex('0103 48656c 8900 8002 6c6f 8802 03e8'), false, false);
    expect(frames.map(({ opcode }) => opcode)).toEqual([1, 9, 0, 8]);
    expect(rest).toHaveLength(0);
  });

  test.each([
    ['a frame of the server is masked', '8180 00000000'],
    ['a length is not in its shortest form', '817e 0001 61'],
    ['a malformed control frame', '0900'],
    ['a malformed control frame', '8b00'],
    ['a malformed Close frame', '8801 03'],
    ['a malformed Close frame', '8802 03ed'],
    ['a fragment out of order', '8000'],
    ['a fragment out of order', '0100 8100'],
    ['a reserved opcode is sent', '8300'],
    ['a reserved bit is sent', 'c100'],
    ['text that is not UTF-8 is sent', '8101 ff'],
    ['text that is not UTF-8 is sent', '0101 c3 8001 28'],
    ['bytes follow a Close frame', '8800 8900'],
    ['bytes follow a Close frame', '8800 89'],
  ])('are refused: %s', (rule, bytes) => {
    expect(() => readFrames(hex(bytes), false, false)).toThrow(rule);
  });

  test('with permessage-deflate are inflated', () => {
    expect(readFrames(hex('c107 f248cdc9c90700'), true, false).frames).toHaveLength(1);
    expect(() => readFrames(hex('c103 fa0f00'), true, false)).toThrow('text that is not UTF-8');
  });
});
