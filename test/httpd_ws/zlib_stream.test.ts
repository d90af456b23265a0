import * as zlib from 'node:zlib';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { ESP_ERR_NOT_SUPPORTED, EspError } from '../../src/err.js';
import { Z_BLOCK, Z_SYNC_FLUSH, ZlibStream } from '../../src/httpd_ws/zlib_stream.js';
import { pieces } from '../support/feed.js';
import { hex } from '../support/ws_frames.js';

/** What `createInflateRaw` gives in place of a stream. */
let instead: unknown;

vi.mock('node:zlib', async importOriginal => {
  const real = await importOriginal<typeof zlib>();
  return { ...real, createInflateRaw: (options: zlib.ZlibOptions) => instead ?? real.createInflateRaw(options) };
});

const opened: ZlibStream[] = [];

afterEach(() => {
  instead = undefined;
  for (const stream of opened.splice(0)) stream.close();
});

/** A stream that is closed behind the test. */
function open(kind: 'deflate' | 'inflate', options: { level?: number; windowBits?: number } = {}): ZlibStream {
  const stream = new ZlibStream(kind, { windowBits: 15, ...options });
  opened.push(stream);
  return stream;
}

/** All that comes of `input`, in outputs of `size` bytes. */
function runAll(stream: ZlibStream, input: Buffer, size = 100_000): Buffer {
  const parts: Buffer[] = [];
  let n: number;
  let from = 0;
  do {
    const out = Buffer.alloc(size);
    n = stream.run(Z_SYNC_FLUSH, input, from, input.length, out, 0, size);
    from = input.length - stream.inputLeft;
    parts.push(out.subarray(0, n));
  } while (n === size);
  expect([stream.failed, stream.inputLeft]).toEqual([false, 0]);
  return Buffer.concat(parts);
}

const TEXT = Buffer.from('{"name":"esp","value":12345,"list":[1,2,3],"name2":"esp","value2":12345}'.repeat(20));

describe("the inside of Node's streams", () => {
  test('has the form that is used', () => {
    for (const stream of [zlib.createDeflateRaw(), zlib.createInflateRaw()]) {
      const inside = stream as unknown as { _handle: Record<string, unknown>; _writeState: unknown };
      expect(inside._writeState).toBeInstanceOf(Uint32Array);
      expect(inside._writeState).toHaveLength(2);
      expect(typeof inside._handle.writeSync).toBe('function');
      expect(typeof inside._handle.reset).toBe('function');
      expect(typeof inside._handle.onerror).toBe('function');
      stream.close();
    }
  });

  test.each<[string, unknown]>([
    ['no handle', {}],
    ['a handle without writeSync', { _handle: {}, _writeState: new Uint32Array(2) }],
    ['no state', { _handle: { writeSync: () => {}, reset: () => {} } }],
    ['another state', { _handle: { writeSync: () => {}, reset: () => {} }, _writeState: [0, 0] }],
  ])('with %s is refused: ESP_ERR_NOT_SUPPORTED', (_what, inside) => {
    instead = inside;
    let thrown: unknown;
    try {
      new ZlibStream('inflate', { windowBits: 15 });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(EspError);
    expect((thrown as EspError).code).toBe(ESP_ERR_NOT_SUPPORTED);
    expect((thrown as EspError).message).toContain(process.version);
  });

  test('has no output buffer that nobody uses', () => {
    open('inflate');
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 200; i++) open(i % 2 === 0 ? 'inflate' : 'deflate');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(200 * 4096);
  });
});

describe('a stream', () => {
  test('deflates up to a flush, as deflateRawSync does, and inflates it again', () => {
    const deflated = runAll(open('deflate'), TEXT);
    expect(deflated.subarray(-4)).toEqual(hex('0000ffff'));
    expect(deflated).toEqual(zlib.deflateRawSync(TEXT, { finishFlush: zlib.constants.Z_SYNC_FLUSH }));
    expect(runAll(open('inflate'), deflated)).toEqual(TEXT);
  });

  test.each(['deflate', 'inflate'] as const)('writes no byte outside of the place that it is given: %s', kind => {
    const input = kind === 'deflate' ? TEXT : runAll(open('deflate'), TEXT);
    const whole = runAll(open(kind), input);
    for (let size = 1; size < 80; size++) {
      const stream = open(kind);
      const out = Buffer.alloc(size + 20, 0xee);
      const padded = Buffer.concat([Buffer.alloc(7, 0x55), input, Buffer.alloc(7, 0x55)]);
      const n = Math.min(size, whole.length);
      expect(stream.run(Z_SYNC_FLUSH, padded, 7, 7 + input.length, out, 10, 10 + size)).toBe(n);
      const expected = Buffer.alloc(size + 20, 0xee);
      whole.copy(expected, 10, 0, n);
      expect(out).toEqual(expected);
      expect(stream.inputLeft).toBeLessThanOrEqual(input.length);
    }
  });

  test('goes on where its output was full', () => {
    const deflated = runAll(open('deflate'), TEXT);
    for (const size of [1, 2, 3, 7, 64, TEXT.length - 1, TEXT.length, TEXT.length + 1]) {
      expect(runAll(open('inflate'), deflated, size), `${size} bytes at a time`).toEqual(TEXT);
      // at least 7: below that zlib writes one marker after the other
      if (size < 7) continue;
      const parts = runAll(open('deflate'), TEXT, size);
      expect(zlib.inflateRawSync(parts, { finishFlush: zlib.constants.Z_SYNC_FLUSH })).toEqual(TEXT);
    }
  });

  test.each([1, 2, 3, 10])('takes its input in pieces of %i bytes', size => {
    const stream = open('inflate');
    const parts = pieces(runAll(open('deflate'), TEXT), [size]).map(piece => runAll(stream, piece));
    expect(Buffer.concat(parts)).toEqual(TEXT);
  });

  test('remembers what came before, until it is reset', () => {
    const stream = open('deflate');
    const first = runAll(stream, TEXT);
    const second = runAll(stream, TEXT);
    expect(second.length).toBeLessThan(first.length);
    stream.reset();
    expect(runAll(stream, TEXT)).toEqual(first);
    const inflate = open('inflate');
    expect(runAll(inflate, first)).toEqual(TEXT);
    expect(runAll(inflate, second)).toEqual(TEXT);
    inflate.reset();
    inflate.run(Z_SYNC_FLUSH, second, 0, second.length, Buffer.alloc(1000), 0, 1000);
    expect(inflate.failed).toBe(true);
  });

  test('can be reset in the middle of anything', () => {
    const deflated = runAll(open('deflate'), TEXT);
    const stream = open('inflate');
    for (let cut = 0; cut < deflated.length; cut++) {
      stream.run(Z_SYNC_FLUSH, deflated, 0, cut, Buffer.alloc(10), 0, 10);
      stream.reset();
    }
    expect(runAll(stream, deflated)).toEqual(TEXT);
  });

  test.each<[string, string]>([
    ['a reserved type of block', '07'],
    ['stored lengths that disagree', '00 05 00 05 00'],
    ['a distance beyond the beginning', '4b 04 22'],
    ['too many codes', 'ff ff'],
    ['nothing but ones', 'ff ff ff ff ff ff ff'],
  ])('says that its input is broken: %s', (_what, bytes) => {
    const stream = open('inflate');
    const input = hex(bytes);
    stream.run(Z_SYNC_FLUSH, input, 0, input.length, Buffer.alloc(100), 0, 100);
    expect(stream.failed).toBe(true);
  });

  test('leaves what comes behind its last block', () => {
    const stream = open('inflate');
    const input = hex('f3 48 cd c9 c9 07 00 aa bb cc');
    const out = Buffer.alloc(100);
    expect(stream.run(Z_SYNC_FLUSH, input, 0, input.length, out, 0, 100)).toBe(5);
    expect([out.toString('latin1', 0, 5), stream.inputLeft, stream.failed]).toEqual(['Hello', 3, false]);
    expect(stream.run(Z_SYNC_FLUSH, input, 7, input.length, out, 0, 100)).toBe(0);
    expect(stream.inputLeft).toBe(3);
  });

  test('stops at the boundary of a block if it is told to, which tells a message that was cut off', () => {
    const message = runAll(open('deflate'), TEXT).subarray(0, -4);
    const tail = hex('00 00 ff ff 00');
    const whole: number[] = [];
    for (let cut = 1; cut <= message.length; cut++) {
      const stream = open('inflate');
      stream.run(Z_SYNC_FLUSH, message, 0, cut, Buffer.alloc(2000), 0, 2000);
      stream.run(Z_BLOCK, tail, 0, tail.length, Buffer.alloc(2000), 0, 2000);
      if (!stream.failed && stream.inputLeft === 1) whole.push(cut);
    }
    expect(whole).toEqual([message.length]);
  });
});
