import { createRequire } from 'node:module';
import { afterEach, describe, expect, test } from 'vitest';
import * as llhttp from '../../src/httpd/llhttp.js';
import { HPE_OK, HPE_PAUSED, Llhttp, RECV_SIZE, receiveBuffer, record } from '../../src/httpd/llhttp.js';

const parsers: Llhttp[] = [];
afterEach(() => {
  for (const parser of parsers.splice(0)) parser.free();
});

function make(lenient = false): Llhttp {
  const parser = new Llhttp(lenient);
  parsers.push(parser);
  return parser;
}

/** Puts `text` at the start of the receive buffer and parses it. */
function execute(parser: Llhttp, text: string, at = 0): number {
  receiveBuffer().write(text, at, 'latin1');
  return parser.execute(at, at + text.length);
}

describe('the build of llhttp in undici', () => {
  const require = createRequire(import.meta.url);

  test('is of the version that the offsets in llhttp.ts were taken from', () => {
    // another version: run this file; if all of it passes, the layout of llhttp__internal_s is the same
    expect(require('undici/package.json')).toMatchObject({ version: '7.30.2' });
  });

  test('has the exports that are used, and asks for the callbacks that are given', () => {
    const { WebAssembly } = globalThis as unknown as {
      WebAssembly: {
        Module: {
          new (bytes: Uint8Array): object;
          exports(module: object): { name: string; kind: string }[];
          imports(module: object): { module: string; name: string }[];
        };
      };
    };
    const module = new WebAssembly.Module(require('undici/lib/llhttp/llhttp_simd-wasm.js') as Uint8Array);
    const exported = WebAssembly.Module.exports(module);
    for (const name of [
      '_initialize',
      'malloc',
      'free',
      'llhttp_alloc',
      'llhttp_free',
      'llhttp_execute',
      'llhttp_reset',
      'llhttp_get_error_pos',
      'llhttp_get_error_reason',
      'llhttp_set_lenient_version',
      'llhttp_set_lenient_optional_cr_before_lf',
    ]) {
      expect(exported).toContainEqual({ name, kind: 'function' });
    }
    expect(exported).toContainEqual({ name: 'memory', kind: 'memory' });
    expect(
      WebAssembly.Module.imports(module)
        .map(({ module, name }) => `${module}.${name}`)
        .sort(),
    ).toEqual([
      'env.wasm_on_body',
      'env.wasm_on_header_field',
      'env.wasm_on_header_value',
      'env.wasm_on_headers_complete',
      'env.wasm_on_message_begin',
      'env.wasm_on_message_complete',
      'env.wasm_on_status',
      'env.wasm_on_url',
    ]);
  });

  test.each([
    ['HPE_OK', 0],
    ['HPE_INVALID_METHOD', 6],
    ['HPE_PAUSED', 21],
    ['HPE_PAUSED_H2_UPGRADE', 23],
  ])('%s is %i', (name, value) => {
    expect((llhttp as Record<string, unknown>)[name]).toBe(value);
  });

  test('gives the errors by these numbers', () => {
    expect(execute(make(), 'FOO / HTTP/1.1\r\n')).toBe(llhttp.HPE_INVALID_METHOD);
    expect(execute(make(), 'GET / HTTP/7.9\r\n')).toBe(HPE_OK);
    expect(execute(make(), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).toBe(llhttp.HPE_PAUSED_H2_UPGRADE);
    expect(execute(make(), 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).toBe(HPE_PAUSED);
    expect(execute(make(), 'GET / HTTP/1.1\r\nHost: a\r\n')).toBe(HPE_OK);
  });
});

describe('the offsets in the parser', () => {
  test.each([
    ['DELETE', 0],
    ['GET', 1],
    ['POST', 3],
    ['M-SEARCH', 24],
    ['UNLINK', 32],
  ])('of the method: %s is %i', (name, method) => {
    expect(execute(make(), `${name} / HTTP/1.1\r\n\r\n`)).toBe(HPE_PAUSED);
    expect(record.method).toBe(method);
  });

  test.each([1, 255, 256, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 5, 2 ** 53 - 1])('of the content length: %i', n => {
    expect(execute(make(), `POST / HTTP/1.1\r\nContent-Length: ${n}\r\n\r\n`)).toBe(HPE_PAUSED);
    expect(record.contentLength).toBe(n);
  });

  test('of the flags: without a Content-Length it is 0', () => {
    execute(make(), 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n');
    expect(record.contentLength).toBe(0);
  });
});

describe('what is recorded', () => {
  test('the place of the URL in the receive buffer, wherever the bytes lie', () => {
    for (const at of [0, 1, 77, RECV_SIZE - 30]) {
      execute(make(), 'GET /path?q HTTP/1.1\r\n\r\n', at);
      expect([record.urlFrom, record.urlTo]).toEqual([at + 4, at + 11]);
    }
  });

  test('the part of the URL in this call', () => {
    const parser = make();
    expect(execute(parser, 'GET /pa')).toBe(HPE_OK);
    expect([record.urlFrom, record.urlTo]).toEqual([4, 7]);
    expect(execute(parser, 'th HTTP/1.1\r\n')).toBe(HPE_OK);
    expect([record.urlFrom, record.urlTo]).toEqual([0, 2]);
    expect(execute(parser, 'A: b\r\n')).toBe(HPE_OK);
    expect([record.urlFrom, record.urlTo]).toEqual([-1, -1]);
  });

  test.each([
    ['nothing', 'GET / HTTP/1.1\r\n\r\n'],
    ['a body', 'POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n'],
    ['chunks', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['what llhttp takes for a coding without an end', 'POST / HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n'],
    ['another protocol', 'GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
    ['a tunnel', 'CONNECT a:1 HTTP/1.1\r\n\r\n'],
  ])('the parser pauses behind a head, be it followed by %s, and reads the next one after a reset', (_, head) => {
    const parser = make();
    const next = 'PUT /n HTTP/1.1\r\n\r\n';
    expect(execute(parser, head + next)).toBe(HPE_PAUSED);
    expect([record.headersComplete, parser.errorPos]).toEqual([true, head.length]);
    parser.reset();
    expect(parser.execute(head.length, head.length + next.length)).toBe(HPE_PAUSED);
    expect(record).toMatchObject({ headersComplete: true, method: 4, urlFrom: head.length + 4, contentLength: 0 });
  });

  test('Host fields, and where the value of the last one is', () => {
    const text = 'GET / HTTP/1.1\r\nHost: a\r\nX: b\r\nhOsT:  second \r\nHosts: c\r\n\r\n';
    execute(make(), text, 30);
    expect(record).toMatchObject({ hosts: 2, hostFrom: 30 + text.indexOf('second') });
    execute(make(), 'GET / HTTP/1.1\r\nPost: a\r\n\r\n');
    expect(record).toMatchObject({ hosts: 0, hostFrom: -1 });
  });

  test('Connection fields, and where the value of the last one is', () => {
    const text = 'GET / HTTP/1.1\r\nConnection: a\r\nX: b\r\ncONNECTION:  last\r\nConnector-: c\r\n\r\n';
    execute(make(), text, 30);
    expect(record).toMatchObject({ connections: 2, connectionFrom: 30 + text.indexOf('last') });
    execute(make(), 'GET / HTTP/1.1\r\nCollection: a\r\n\r\n');
    expect(record).toMatchObject({ connections: 0, connectionFrom: -1 });
  });

  test.each([
    ['Transfer-Encoding', true],
    ['tRANSFER-eNCODING', true],
    ['Transfer-Encodinh', false],
    ['Sec-WebSocket-Key', false],
  ])('whether there is a coding: %s', (name, is) => {
    execute(make(), `GET / HTTP/1.1\r\n${name}: chunked\r\n\r\n`);
    expect(record.codings).toBe(is);
  });

  test('nothing of a head that is replayed: it goes on where it was', () => {
    const parser = make();
    execute(parser, 'POST /path HTTP/1.1\r\nContent-Length: 5\t');
    expect(parser.replay('POST /path HTTP/1.1\r\nContent-Length: 5 ')).toBe(HPE_OK);
    expect(execute(parser, '\r\n\r\n')).toBe(HPE_PAUSED);
    expect(record).toMatchObject({ contentLength: 5, urlFrom: -1 });
  });

  test('an error tells where, and why', () => {
    const parser = make();
    expect(execute(parser, 'GET / HTTP/1.1\r\nA b: c\r\n', 50)).not.toBe(HPE_OK);
    expect(parser.errorPos).toBe(50 + 'GET / HTTP/1.1\r\nA'.length);
    expect(parser.errorReason).toBe('Invalid header token');
  });
});

describe('parsers', () => {
  test('do not disturb each other', () => {
    const first = make();
    const second = make();
    execute(first, 'GET /fir');
    execute(second, 'POST /second HTTP/1.1\r\nContent-Le');
    execute(first, 'st HTTP/1.1\r\n\r\n');
    expect(record).toMatchObject({ method: 1, headersComplete: true });
    execute(second, 'ngth: 2\r\n\r\n');
    expect(record).toMatchObject({ method: 3, contentLength: 2 });
  });

  test('only the lenient ones take a bare LF', () => {
    const text = 'GET / HTTP/1.1\r\nA: b\n\n';
    expect(execute(make(true), text)).toBe(HPE_PAUSED);
    expect(execute(make(false), text)).not.toBe(HPE_PAUSED);
  });

  test('can be freed twice', () => {
    const parser = new Llhttp(false);
    parser.free();
    expect(() => parser.free()).not.toThrow();
  });

  test('give their memory back: many, one after the other, leave it as large as it was', () => {
    const size = () => receiveBuffer().buffer.byteLength;
    for (let i = 0; i < 100; i++) new Llhttp(false).free();
    const before = size();
    for (let i = 0; i < 50_000; i++) new Llhttp(false).free();
    expect(size()).toBe(before);
  });

  test('by the thousand make the memory grow, and the receive buffer goes along', () => {
    const before = receiveBuffer();
    const many: Llhttp[] = [];
    const parser = make();
    expect(execute(parser, 'GET /be')).toBe(HPE_OK);
    while (receiveBuffer() === before && many.length < 200_000) many.push(new Llhttp(false));
    const after = receiveBuffer();
    expect(after === before).toBe(false);
    expect([after.length, before.length]).toEqual([RECV_SIZE, 0]);
    expect(execute(parser, 'fore HTTP/1.1\r\n\r\n')).toBe(HPE_PAUSED);
    expect(record.headersComplete).toBe(true);
    for (const one of many) one.free();
  });
});
