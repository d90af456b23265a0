import { describe, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import { type HttpdWsFrame, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { BINARY, CLOSE, CONTINUE, closeBody, hex, PING, PONG, TEXT } from '../support/ws_frames.js';
import { deferred, errorOf, onFrame, pattern, startWs, until } from './ws_server.js';

/** Lets a handler run `fn`, behind which it sends the text `end`, and returns what came before that. */
async function sentBy(fn: (req: HttpdReq) => unknown): Promise<Buffer> {
  const { open } = await startWs({
    handler: onFrame(async req => {
      await fn(req);
      await req.wsSendFrame(wsFrame({ type: TEXT, payload: '-end-' }));
    }),
  });
  const ws = await open();
  ws.send({ opcode: TEXT, payload: 'go' });
  const bytes = await ws.raw.readUntil('\x81\x05-end-');
  return bytes.subarray(0, -7);
}

function sent(frame: Partial<HttpdWsFrame>): Promise<Buffer> {
  return sentBy(req => req.wsSendFrame(wsFrame(frame)));
}

describe('the bytes of a frame that is sent', () => {
  test.each<[string, Partial<HttpdWsFrame>, string]>([
    ['text from a string', { type: TEXT, payload: 'Hello' }, '81 05 48656c6c6f'],
    ['text from bytes', { type: TEXT, payload: Buffer.from('Hello') }, '81 05 48656c6c6f'],
    ['text beyond ASCII', { type: TEXT, payload: 'é€😀' }, '81 09 c3a9 e282ac f09f9880'],
    ['a lone surrogate becomes U+FFFD', { type: TEXT, payload: 'a\ud800b' }, '81 05 61 efbfbd 62'],
    ['binary from a string', { type: BINARY, payload: 'é' }, '82 02 c3a9'],
    ['binary from a Uint8Array', { type: BINARY, payload: Uint8Array.of(1, 2, 255) }, '82 03 0102ff'],
    ['binary from a view', { type: BINARY, payload: Uint8Array.of(9, 1, 2, 9).subarray(1, 3) }, '82 02 0102'],
    ['no payload', { type: TEXT }, '81 00'],
    ['an empty string', { type: TEXT, payload: '' }, '81 00'],
    ['empty bytes', { type: BINARY, payload: new Uint8Array(0) }, '82 00'],
    ['a ping', { type: PING, payload: 'hi' }, '89 02 6869'],
    ['a ping without payload', { type: PING }, '89 00'],
    ['a pong', { type: PONG, payload: 'hi' }, '8a 02 6869'],
    ['len of all', { type: TEXT, payload: 'Hello', len: 5 }, '81 05 48656c6c6f'],
    ['len smaller than the string', { type: TEXT, payload: 'Hello', len: 2 }, '81 02 4865'],
    ['len in bytes, not characters', { type: TEXT, payload: 'éé', len: 2 }, '81 02 c3a9'],
    ['len smaller than the bytes', { type: BINARY, payload: Uint8Array.of(1, 2, 3), len: 1 }, '82 01 01'],
    ['len 0 for all', { type: BINARY, payload: Uint8Array.of(1, 2, 3), len: 0 }, '82 03 010203'],
    ['final without fragmented', { type: TEXT, payload: 'a', final: true }, '81 01 61'],
    ['neither final nor fragmented', { type: TEXT, payload: 'a', final: false }, '81 01 61'],
    ['a first fragment that is the last one', { type: TEXT, payload: 'a', fragmented: true, final: true }, '81 01 61'],
    ['a ping that is marked final', { type: PING, payload: 'p', fragmented: true, final: true }, '89 01 70'],
    ['leftLen does not matter', { type: TEXT, payload: 'a', leftLen: 77 }, '81 01 61'],
  ])('are those of RFC 6455: %s', async (_name, frame, expected) => {
    expect((await sent(frame)).toString('hex')).toBe(hex(expected).toString('hex'));
  });

  test('are those of RFC 6455: fragments', async () => {
    const bytes = await sentBy(async req => {
      await req.wsSendFrame(wsFrame({ type: TEXT, payload: 'a', fragmented: true }));
      await req.wsSendFrame(wsFrame({ type: CONTINUE, payload: 'b', fragmented: true }));
      await req.wsSendFrame(wsFrame({ type: CONTINUE, payload: 'c', fragmented: true, final: true }));
    });
    expect(bytes.toString('hex')).toBe('010161000162800163');
  });

  test.each([
    [0, '8200'],
    [1, '8201'],
    [124, '827c'],
    [125, '827d'],
    [126, '827e007e'],
    [127, '827e007f'],
    [65_534, '827efffe'],
    [65_535, '827effff'],
    [65_536, '827f0000000000010000'],
    [65_537, '827f0000000000010001'],
    [1_048_576, '827f0000000000100000'],
  ])('have the shortest length for %i bytes', async (size, header) => {
    const payload = pattern(size);
    const bytes = await sent({ type: BINARY, payload });
    expect(bytes.subarray(0, header.length / 2).toString('hex')).toBe(header);
    expect(Buffer.compare(bytes.subarray(header.length / 2), payload)).toBe(0);
  });

  test('have the shortest length for strings too', async () => {
    for (const [size, header] of [
      [125, '817d'],
      [126, '817e007e'],
      [65_535, '817effff'],
      [65_536, '817f0000000000010000'],
    ] as const) {
      const bytes = await sent({ type: TEXT, payload: 'x'.repeat(size) });
      expect(bytes.toString('latin1')).toBe(Buffer.from(header, 'hex').toString('latin1') + 'x'.repeat(size));
    }
  });

  test('come in the order of the calls, awaited or not, small and large', async () => {
    const sizes = [1, 300_000, 2, 70_000, 3, 0, 4];
    const bytes = await sentBy(async req => {
      for (const size of sizes)
        void req.wsSendFrame(wsFrame({ type: BINARY, payload: Buffer.alloc(size, size & 0xff) }));
    });
    let at = 0;
    for (const size of sizes) {
      at += size < 126 ? 2 : size < 65_536 ? 4 : 10;
      expect(Buffer.compare(bytes.subarray(at, at + size), Buffer.alloc(size, size & 0xff))).toBe(0);
      at += size;
    }
    expect(bytes).toHaveLength(at);
  });
});

describe('the payload', () => {
  test.each([10, 5_000, 400_000])('of %i bytes may be changed right after the call', async size => {
    const payload = Buffer.alloc(size, 0x41);
    const bytes = await sentBy(req => {
      void req.wsSendFrame(wsFrame({ type: BINARY, payload }));
      payload.fill(0x42);
    });
    expect(bytes.subarray(-size).every(byte => byte === 0x41)).toBe(true);
  });

  test('and the frame are left as they are', async () => {
    const frame = wsFrame({ type: TEXT, payload: Buffer.from('abc'), len: 2 });
    const before = { ...frame, payload: Buffer.from('abc') };
    await sentBy(req => req.wsSendFrame(frame));
    expect(frame).toEqual(before);
  });
});

describe('a frame that can not be sent', () => {
  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'hello'],
    ['an unknown type', wsFrame({ type: 3 })],
    ['a reserved control type', wsFrame({ type: 0xb })],
    ['a type beyond four bits', wsFrame({ type: 0x11 })],
    ['a negative type', wsFrame({ type: -1 })],
    ['a type that is a string', wsFrame({ type: '1' as never })],
    ['a number for payload', wsFrame({ type: TEXT, payload: 5 as never })],
    ['an array for payload', wsFrame({ type: TEXT, payload: [1] as never })],
    ['an ArrayBuffer for payload', wsFrame({ type: TEXT, payload: new ArrayBuffer(3) as never })],
    ['null for payload', wsFrame({ type: TEXT, payload: null as never })],
    ['a len beyond the bytes', wsFrame({ type: TEXT, payload: Buffer.from('ab'), len: 3 })],
    ['a len beyond the string', wsFrame({ type: TEXT, payload: 'ab', len: 3 })],
    ['a len without payload', wsFrame({ type: TEXT, len: 1 })],
    ['a negative len', wsFrame({ type: TEXT, payload: 'ab', len: -1 })],
    ['a fraction for len', wsFrame({ type: TEXT, payload: 'ab', len: 0.5 })],
    ['NaN for len', wsFrame({ type: TEXT, payload: 'ab', len: Number.NaN })],
    ['a string for len', wsFrame({ type: TEXT, payload: 'ab', len: '1' as never })],
    ['a ping of 126 bytes', wsFrame({ type: PING, payload: Buffer.alloc(126) })],
    ['a pong of 126 bytes in 63 characters', wsFrame({ type: PONG, payload: 'é'.repeat(63) })],
    ['a Close of 126 bytes', wsFrame({ type: CLOSE, payload: closeBody(1000, 'x'.repeat(124)) })],
    ['a fragmented ping', wsFrame({ type: PING, fragmented: true, final: false })],
  ])('is refused with ESP_ERR_INVALID_ARG, and nothing is sent: %s', async (_name, frame) => {
    const errors: string[] = [];
    const bytes = await sentBy(async req => {
      errors.push(await errorOf(() => req.wsSendFrame(frame as HttpdWsFrame)));
    });
    expect(errors).toEqual(['ESP_ERR_INVALID_ARG']);
    expect(bytes).toHaveLength(0);
  });

  test.each([
    ['a ping of 125 bytes', { type: PING, payload: Buffer.alloc(125, 0x61) }],
    ['a ping cut to 125 bytes', { type: PING, payload: Buffer.alloc(200, 0x61), len: 125 }],
  ])('is not %s', async (_name, frame) => {
    expect((await sent(frame)).toString('latin1')).toBe(`\x89\x7d${'a'.repeat(125)}`);
  });

  test.each([
    ['text', wsFrame({ type: TEXT, payload: 'late' })],
    ['a ping', wsFrame({ type: PING, payload: 'late' })],
    ['another Close', wsFrame({ type: CLOSE, payload: closeBody(1000) })],
  ])('is refused behind a Close: %s', async (_name, frame) => {
    const errors: string[] = [];
    const { open } = await startWs({
      handler: onFrame(async req => {
        await req.wsSendFrame(wsFrame({ type: CLOSE, payload: closeBody(4000, 'bye') }));
        errors.push(await errorOf(() => req.wsSendFrame(frame)));
      }),
    });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'go' });
    expect((await ws.readFrame()).bytes.toString('latin1')).toBe('\x88\x05\x0f\xa0bye');
    ws.send({ opcode: CLOSE, payload: closeBody(4000) });
    expect(await ws.closed()).toBe('fin');
    expect(ws.raw.received).toHaveLength(0);
    expect(errors).toEqual(['ESP_ERR_INVALID_STATE']);
  });
});

test.each([
  ['text', TEXT],
  ['Close', CLOSE],
])('wsSendFrame of a %s on a session that has ended rejects, and tells of no sent data', async (_name, type) => {
  const entered = deferred();
  const gate = deferred();
  const outcomes: string[] = [];
  let sent = 0;
  const { open, server } = await startWs({
    handler: onFrame(async req => {
      entered.resolve();
      await gate.promise;
      outcomes.push(await errorOf(() => req.wsSendFrame(wsFrame({ type, payload: closeBody(1000) }))));
    }),
  });
  server.on('sentData', () => {
    sent += 1;
  });
  const ws = await open();
  ws.send({ opcode: TEXT, payload: 'x' });
  await entered.promise;
  ws.raw.reset();
  await until(() => expect(server.getClientList()).toEqual([]));
  sent = 0;
  gate.resolve();
  await until(() => expect(outcomes).toEqual(['ESP_ERR_HTTPD_RESP_SEND']));
  expect(sent).toBe(0);
});
