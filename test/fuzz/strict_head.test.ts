import { describe, expect, test } from 'vitest';
import { checkHead, pageOfItsHost } from '../../fuzz/targets/strict_head.js';

const head = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`;

describe('the head of a request that was accepted', () => {
  test.each([
    head('GET / HTTP/1.1', 'Host: h'),
    head('GET / HTTP/1.0'),
    head('POST /x?y HTTP/1.1', 'host:h', 'Content-Length:\t5 ', 'X:', 'X: \xe4'),
    head('POST / HTTP/1.1', 'Host: h', 'Transfer-Encoding: Chunked'),
  ])('may be %j', raw => {
    expect(() => checkHead(raw)).not.toThrow();
  });

  test.each([
    ['that does not end in an empty line', 'GET / HTTP/1.1\r\nHost: h\n\n'],
    ['with a malformed request line', head('GET  / HTTP/1.1', 'Host: h')],
    ['with a malformed request line', head('GET / HTTP/2.0', 'Host: h')],
    ['with a malformed request line', head('GET /\t HTTP/1.1', 'Host: h')],
    ['with a malformed field line', head('GET / HTTP/1.1', 'Host: h', ' folded')],
    ['with a malformed field line', head('GET / HTTP/1.1', 'Host: h', 'X : y')],
    ['with a malformed field line', head('GET / HTTP/1.1', 'Host: h', 'X: a\nY: b')],
    ['with a malformed field line', head('GET / HTTP/1.1', 'Host: h', 'X: a\rY: b')],
    ['with a malformed field line', head('GET / HTTP/1.1', 'Host: h', 'X: \0')],
    ['without one Host', head('GET / HTTP/1.1')],
    ['without one Host', head('GET / HTTP/1.1', 'Host: a', 'Host: a')],
    ['without one clear Content-Length', head('GET / HTTP/1.1', 'Host: h', 'Content-Length: 5', 'Content-Length: 5')],
    ['without one clear Content-Length', head('GET / HTTP/1.1', 'Host: h', 'Content-Length: +5')],
    ['with another coding', head('GET / HTTP/1.1', 'Host: h', 'Transfer-Encoding: gzip, chunked')],
    ['with a malformed field line', head('GET / HTTP/1.1', 'Host: h', 'Transfer-Encoding: \x0bchunked')],
    [
      'whose length two fields tell',
      head('GET / HTTP/1.1', 'Host: h', 'Transfer-Encoding: chunked', 'Content-Length: 5'),
    ],
    ['whose length two fields tell', head('GET / HTTP/1.0', 'Transfer-Encoding: chunked')],
  ])('is a finding if one is accepted %s: %j', (rule, raw) => {
    expect(() => checkHead(raw)).toThrow(`a head is accepted ${rule}`);
  });
});

describe('a page is one of the host that it asks', () => {
  test.each<[same: boolean, ...fields: string[]]>([
    [true, 'Host: h'],
    [true, 'Host: h', 'Origin: http://h'],
    [true, 'host: H:80', 'ORIGIN:http://h'],
    [true, 'Host: [0:0::1]:443', 'Origin: https://[::1]'],
    [false, 'Host: h:81', 'Origin: http://h'],
    [false, 'Host: h', 'Origin: http://h.evil.example'],
    [false, 'Host: h', 'Origin: http://evil@h'],
    [false, 'Host: h', 'Origin: null'],
    [false, 'Host: h', 'Origin: http://h', 'Origin: http://h'],
    [false, 'Origin: http://h'],
  ])('%s: %s, %s', (same, ...fields) => {
    expect(pageOfItsHost(head('GET /ws/same HTTP/1.1', ...fields))).toBe(same);
  });
});
