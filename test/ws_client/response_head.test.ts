import { describe, expect, test } from 'vitest';
import { RESPONSE_HEAD_MAX, ResponseHead } from '../../src/ws_client/response_head.js';
import { everyWay } from '../support/feed.js';

/** What comes out of `bytes`, and whether that is the same for every way in which they may arrive. */
function read(bytes: string, behind = 'XYZ'): object {
  const results = new Set<string>();
  for (const { chunks, trailing } of everyWay(bytes, behind)) {
    const head = new ResponseHead();
    let taken = 0;
    for (const chunk of chunks) {
      // somewhere in a larger buffer, as it is when it is received
      const buf = Buffer.concat([Buffer.from('\n:'), chunk, Buffer.from('\r\n')]);
      taken += head.push(buf, 2, 2 + chunk.length) - 2;
    }
    const { complete, failure, status, statusText, section } = head;
    if (trailing && complete) expect(taken).toBe(bytes.length);
    results.add(JSON.stringify({ complete, failure, status, statusText, section }));
  }
  expect(results.size).toBe(1);
  return JSON.parse([...results][0] as string) as object;
}

describe('the head of a response', () => {
  test('is read, whatever its pieces', () => {
    expect(read('HTTP/1.1 101 Switching Protocols\r\nA: b\r\nC:\r\n\r\n')).toEqual({
      complete: true,
      status: 101,
      statusText: 'Switching Protocols',
      section: 'A: b\r\nC:\r\n',
    });
  });

  test.each([
    ['HTTP/1.1 200\r\n\r\n', 200, ''],
    ['HTTP/1.1 200 \r\n\r\n', 200, ''],
    ['HTTP/1.0 404 Not Found\r\nX: \t y \t\r\n\r\n', 404, 'Not Found'],
    ['HTTP/1.1 599 \xe9t\xe9\r\n\r\n', 599, '\xe9t\xe9'],
  ])('%j is one', (bytes, status, statusText) => {
    expect(read(bytes)).toMatchObject({ complete: true, status, statusText });
  });

  test.each([
    ['HTTP/1.1 101 OK\n\r\n', 'a line of its head does not end in CRLF'],
    ['HTTP/1.1 101 OK\r\nA: b\n\r\n', 'a line of its head does not end in CRLF'],
    ['\r\nHTTP/1.1 101 OK\r\n\r\n', 'it is no HTTP/1.1 response'],
    ['HTTP/2 101 OK\r\n\r\n', 'it is no HTTP/1.1 response'],
    ['HTTP/1.2 101 OK\r\n\r\n', 'it is no HTTP/1.1 response'],
    ['http/1.1 101 OK\r\n\r\n', 'it is no HTTP/1.1 response'],
    ['HTTP/1.1  101 OK\r\n\r\n', 'it is no HTTP/1.1 response'],
    ['HTTP/1.1 1010 OK\r\n\r\n', 'it is no HTTP/1.1 response'],
    ['HTTP/1.1 099 OK\r\n\r\n', 'it is no HTTP/1.1 response'],
    ['HTTP/1.1 101 \x00\r\n\r\n', 'it is no HTTP/1.1 response'],
    ['SSH-2.0-OpenSSH_9.2\r\n', 'it is no HTTP/1.1 response'],
    ['HTTP/1.1 101 OK\r\nA : b\r\n\r\n', 'a header has no proper name'],
    ['HTTP/1.1 101 OK\r\nA: b\r\n c\r\n\r\n', 'a header has no proper name'],
    ['HTTP/1.1 101 OK\r\nno colon\r\n\r\n', 'a header has no proper name'],
    ['HTTP/1.1 101 OK\r\n: b\r\n\r\n', 'a header has no proper name'],
    ['HTTP/1.1 101 OK\r\nA: \x00\r\n\r\n', 'a header has no proper value'],
    ['HTTP/1.1 101 OK\r\nA: b\rc\r\n\r\n', 'a header has no proper value'],
    ['HTTP/1.1 101 OK\r\nA: b\r\r\n\r\n', 'a header has a CR in it'],
  ])('%j is none', (bytes, failure) => {
    expect(read(bytes)).toMatchObject({ complete: false, failure });
  });

  test('has up to 16 KiB', () => {
    const start = 'HTTP/1.1 101 OK\r\nA: ';
    const fits = `${start}${'x'.repeat(RESPONSE_HEAD_MAX - start.length - 4)}\r\n\r\n`;
    const push = (text: string, size: number): ResponseHead => {
      const head = new ResponseHead();
      for (let at = 0; at < text.length; at += size) {
        const piece = Buffer.from(text.slice(at, at + size));
        head.push(piece, 0, piece.length);
      }
      return head;
    };
    for (const size of [1, 1000, 20_000]) {
      expect(push(fits, size)).toMatchObject({ complete: true, failure: undefined });
      const longer = fits.replace('A: ', 'A: x');
      expect(push(longer, size)).toMatchObject({ complete: false, failure: 'its head is longer than 16384 bytes' });
      expect(push('x'.repeat(20_000), size)).toMatchObject({ failure: 'its head is longer than 16384 bytes' });
    }
  });

  test('an interim one counts, and another one follows', () => {
    const head = new ResponseHead();
    const bytes = Buffer.from(
      `HTTP/1.1 103 Early Hints\r\nLink: ${'x'.repeat(16_000)}\r\n\r\nHTTP/1.1 101 OK\r\nB: c\r\n\r\n`,
    );
    const at = head.push(bytes, 0, bytes.length);
    expect([head.complete, head.status]).toEqual([true, 103]);
    head.again();
    expect(head.push(bytes, at, bytes.length)).toBe(bytes.length);
    expect(head).toMatchObject({ complete: true, status: 101, section: 'B: c\r\n' });
    head.again();
    head.push(bytes, 0, bytes.length);
    expect(head.failure).toBe('its head is longer than 16384 bytes');
  });
});
