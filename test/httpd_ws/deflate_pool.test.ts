import type * as zlib from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { closeCodec, type Inflater, Inflaters, type WsCodec, WsCodecs } from '../../src/httpd_ws/deflate.js';
import type { DeflateParams } from '../../src/httpd_ws/extension.js';
import { ZlibStream } from '../../src/httpd_ws/zlib_stream.js';
import {
  foreignDeflate,
  foreignDeflateAll,
  foreignInflate,
  inflateMessage,
  json,
  messagesFor,
  params,
  wsSettings,
} from './deflate_support.js';

/** Streams of zlib that are open. */
const open = vi.hoisted(() => ({ deflate: 0, inflate: 0 }));

vi.mock('node:zlib', async importOriginal => {
  const real = await importOriginal<typeof zlib>();
  function counted<S extends zlib.Zlib & { close(): void }>(stream: S, kind: keyof typeof open): S {
    open[kind] += 1;
    const { close } = stream;
    stream.close = () => {
      open[kind] -= 1;
      close.call(stream);
    };
    return stream;
  }
  return {
    ...real,
    createDeflateRaw: (options: zlib.ZlibOptions) => counted(real.createDeflateRaw(options), 'deflate'),
    createInflateRaw: (options: zlib.ZlibOptions) => counted(real.createInflateRaw(options), 'inflate'),
  };
});

const HELLO = foreignDeflate(Buffer.from('Hello, hello, hello'));
const BROKEN = Buffer.from([7, 7, 7, 7]);

/** Inflaters that the pool has; the tests put as many back. */
function drainPool(): Inflater[] {
  const pool = new Inflaters();
  const taken: Inflater[] = [];
  for (;;) {
    const before = open.inflate;
    const inflater = pool.take();
    inflater.give(HELLO, 0, HELLO.length);
    inflater.next(100);
    taken.push(inflater);
    // a new one: the pool is empty
    if (open.inflate > before) return taken;
  }
}

beforeEach(() => {
  for (const inflater of drainPool()) inflater.close();
});

afterEach(() => {
  vi.restoreAllMocks();
  for (const inflater of drainPool()) inflater.close();
  expect(open).toEqual({ deflate: 0, inflate: 0 });
});

describe('the inflaters that all connections share', () => {
  test('are used again when their message has ended, and by one message at a time', () => {
    const pool = new Inflaters();
    const first = pool.take();
    expect(inflateMessage(first, [HELLO])?.toString()).toBe('Hello, hello, hello');
    const second = pool.take();
    expect(second).not.toBe(first);
    pool.give(first);
    const third = new Inflaters().take();
    expect(third).toBe(first);
    expect(inflateMessage(third, [HELLO])?.toString()).toBe('Hello, hello, hello');
    pool.give(second);
    pool.give(third);
  });

  test('forget the message before, and what was left of it', () => {
    const pool = new Inflaters();
    for (let cut = 0; cut < HELLO.length; cut++) {
      const inflater = pool.take();
      inflater.give(HELLO, 0, cut);
      inflater.next(3);
      pool.give(inflater);
      const again = pool.take();
      expect(again).toBe(inflater);
      expect(inflateMessage(again, [HELLO])?.toString()).toBe('Hello, hello, hello');
      pool.give(again);
    }
  });

  test.each<[string, (inflater: Inflater) => unknown]>([
    ['broken', inflater => inflateMessage(inflater, [HELLO, BROKEN])],
    ['cut off', inflater => inflateMessage(inflater, [HELLO.subarray(0, 10)])],
  ])('are not used again behind a message that was %s', (_how, use) => {
    const pool = new Inflaters();
    const inflater = pool.take();
    expect(use(inflater)).toBeUndefined();
    expect(inflater.failed).toBe(true);
    const before = open.inflate;
    pool.give(inflater);
    expect(open.inflate).toBe(before - 1);
    const next = pool.take();
    expect(next).not.toBe(inflater);
    expect(inflateMessage(next, [HELLO])?.toString()).toBe('Hello, hello, hello');
    pool.give(next);
  });

  test('are not used again if their message ends while zlib works: when it fails, code of the application may run', () => {
    const pool = new Inflaters();
    const inflater = pool.take();
    const { run } = ZlibStream.prototype;
    vi.spyOn(ZlibStream.prototype, 'run').mockImplementationOnce(function (this: ZlibStream, ...args) {
      const n = run.apply(this, args);
      pool.give(inflater);
      return n;
    });
    inflater.give(BROKEN, 0, BROKEN.length);
    inflater.next(100);
    expect(open.inflate).toBe(0);
    const next = pool.take();
    expect(next).not.toBe(inflater);
    pool.give(next);
  });

  test('are not kept beyond a bound', () => {
    const pool = new Inflaters();
    const many = Array.from({ length: 200 }, () => pool.take());
    for (const inflater of many) inflateMessage(inflater, [HELLO]);
    expect(open.inflate).toBe(200);
    for (const inflater of many) pool.give(inflater);
    expect(open.inflate).toBe(64);
  });

  test('cost nothing before there is something to inflate', () => {
    const pool = new Inflaters();
    const many = Array.from({ length: 10 }, () => pool.take());
    expect(open.inflate).toBe(0);
    for (const inflater of many) pool.give(inflater);
    expect(open.inflate).toBe(0);
  });

  test('hold no bytes of a message that is over', () => {
    const pool = new Inflaters();
    const inflater = pool.take();
    // in memory of its own, and not in the one that small Buffers share
    const message = Buffer.alloc(HELLO.length, HELLO);
    inflater.give(message, 0, message.length);
    const held = () =>
      Object.values(inflater).filter(value => value instanceof Uint8Array && value.buffer === message.buffer);
    expect(held()).not.toEqual([]);
    inflater.next(100);
    pool.give(inflater);
    expect(held()).toEqual([]);
  });
});

describe("a connection's own inflater", () => {
  test('knows the messages before', async () => {
    const messages = messagesFor(10);
    const sent = await foreignDeflateAll(messages, { windowBits: 10 });
    const own = new Inflaters(10);
    for (const [i, bytes] of sent.entries()) {
      const inflater = own.take();
      expect(inflateMessage(inflater, [bytes])?.equals(messages[i] as Buffer)).toBe(true);
      own.give(inflater);
    }
    expect(open.inflate).toBe(1);
    own.close();
    expect(open.inflate).toBe(0);
  });

  test('is nobody else’s', () => {
    const own = new Inflaters(15);
    const inflater = own.take();
    inflateMessage(inflater, [HELLO]);
    own.give(inflater);
    expect(own.take()).toBe(inflater);
    const other = new Inflaters(15);
    expect(other.take()).not.toBe(inflater);
    expect(new Inflaters().take()).not.toBe(inflater);
    own.close();
    other.close();
  });

  test('is closed behind a message that was broken, and can be closed again', () => {
    const own = new Inflaters(15);
    const inflater = own.take();
    expect(inflateMessage(inflater, [BROKEN])).toBeUndefined();
    own.give(inflater);
    expect(open.inflate).toBe(0);
    own.close();
    own.close();
    expect(open.inflate).toBe(0);
  });
});

describe('the codecs of a URI handler', () => {
  /** Makes each of them work once. */
  function use({ deflater, inflaters }: WsCodec): void {
    expect(deflater?.deflate(json(2000))).toBeDefined();
    const inflater = inflaters?.take() as Inflater;
    inflateMessage(inflater, [HELLO]);
    inflaters?.give(inflater);
  }

  test('have neither compressor nor inflaters where nothing was agreed on', () => {
    const codecs = new WsCodecs(wsSettings());
    expect(codecs.for(undefined)).toMatchObject({ deflater: undefined, inflaters: undefined });
    expect(codecs.for(undefined)).toBe(codecs.for(undefined));
    closeCodec(codecs.for(undefined));
  });

  // a compressor has some 270 KB, an inflater up to 44: README says who has them
  test.each<[string, Partial<DeflateParams>, { deflate: number; inflate: number }]>([
    ['keep no context: one of each for all', {}, { deflate: 1, inflate: 1 }],
    ['keep the server’s: a compressor each', { serverNoContextTakeover: false }, { deflate: 100, inflate: 1 }],
    ['keep the client’s: an inflater each', { clientNoContextTakeover: false }, { deflate: 1, inflate: 100 }],
    [
      'keep both: one of each each',
      { serverNoContextTakeover: false, clientNoContextTakeover: false },
      { deflate: 100, inflate: 100 },
    ],
  ])('of 100 connections that %s', (_what, agreed, streams) => {
    const codecs = new WsCodecs(wsSettings());
    const all = Array.from({ length: 100 }, () => codecs.for(params(agreed)));
    expect(open).toEqual({ deflate: 0, inflate: 0 });
    for (const codec of all) use(codec);
    expect(open).toEqual(streams);
    const [last] = all.splice(-1) as [WsCodec];
    for (const codec of all) closeCodec(codec);
    // those that are left go on
    use(last);
    closeCodec(last);
    expect(open).toEqual({
      deflate: streams.deflate > 1 ? 0 : 1,
      inflate: streams.inflate > 1 ? 0 : 1,
    });
    // it lives as long as its handler does
    codecs.for(params()).deflater?.close();
  });

  test.each([8, 9, 10, 11, 12, 13, 14, 15])('keep to the window of %i bits that was agreed on', async bits => {
    const codecs = new WsCodecs(wsSettings({ level: 9 }));
    const agreed = params({
      serverMaxWindowBits: bits,
      clientMaxWindowBits: bits,
      serverNoContextTakeover: false,
      clientNoContextTakeover: false,
    });
    const codec = codecs.for(agreed);
    const messages = messagesFor(bits);
    const sent = messages.map(message => Buffer.from(codec.deflater?.deflate(message) as Buffer));
    expect(foreignInflate(sent, bits).equals(Buffer.concat(messages))).toBe(true);
    const theirs = await foreignDeflateAll(messages, { windowBits: Math.max(9, bits), level: 9 });
    for (const [i, bytes] of theirs.entries()) {
      const inflater = codec.inflaters?.take() as Inflater;
      const got = inflateMessage(inflater, [bytes]);
      expect(got?.equals(messages[i] as Buffer)).toBe(true);
      codec.inflaters?.give(inflater);
    }
    closeCodec(codec);
  });

  test('are apart for other windows of the server', () => {
    const codecs = new WsCodecs(wsSettings());
    const wide = codecs.for(params());
    const narrow = codecs.for(params({ serverMaxWindowBits: 9 }));
    expect(narrow.deflater).not.toBe(wide.deflater);
    expect(codecs.for(params({ serverMaxWindowBits: 9 }))).toBe(narrow);
    expect(codecs.for(params({ clientMaxWindowBits: 9 })).deflater).toBe(wide.deflater);
  });
});
