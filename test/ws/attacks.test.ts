/** Attacks on frames and on the handshake: what must be refused, and must not cost the server anything. */
import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { HTTPD_WS_TYPE_CLOSE, wsFrame } from '../../src/httpd_ws/frame_type.js';
import type { RawResponse } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  type FrameSpec,
  handshakeRequest,
  PING,
  TEXT,
} from '../support/ws_frames.js';
import { collector, echo, errorOf, expectClosed, onFrame, pattern, startWs } from './ws_server.js';
import { COMPRESSED, compress, expectSilence, lastFd, OFFER } from './ws_watch.js';

const EXTENSIONS = 'Sec-WebSocket-Extensions';
const PROTOCOL = 'Sec-WebSocket-Protocol';

/** How a handler may see what comes. */
const WAYS: [name: string, uri: Partial<HttpdUri>][] = [
  ['frames', {}],
  ['messages', { wsMessageMode: true }],
  ['packets', { wsMessageMode: true, wsMaxPacketLen: 100 }],
  ['compressed frames', { wsPerMessageDeflate: true }],
  ['compressed messages', { wsPerMessageDeflate: true, wsMessageMode: true }],
];

/** The answer to a handshake with these headers. */
async function shake(server: HttpdServer, headers: Record<string, string | undefined>): Promise<RawResponse> {
  const client = await connectTo(server);
  client.send(handshakeRequest({ headers }));
  return client.readResponse();
}

describe.each(WAYS)('to a handler of %s:', (_name, uri) => {
  const first: FrameSpec = { opcode: TEXT, payload: 'first' };

  test.each<[string, bigint, number]>([
    ['2^63', 1n << 63n, 1002],
    ['2^63 + 1', (1n << 63n) + 1n, 1002],
    ['2^64 - 1', (1n << 64n) - 1n, 1002],
    ['2^63 - 1', (1n << 63n) - 1n, 1009],
    ['2^53 + 1', (1n << 53n) + 1n, 1009],
    ['2^53', 1n << 53n, 1009],
    ['2^53 - 1, beyond wsMaxFrameLen', (1n << 53n) - 1n, 1009],
    ['2^32, beyond wsMaxFrameLen', 1n << 32n, 1009],
  ])('a frame of %s bytes is refused at its header, and no memory is taken for it', async (_len, claimedLen, code) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, ...uri });
    const before = process.memoryUsage().arrayBuffers;
    for (const opcode of [TEXT, BINARY]) {
      const ws = await open(OFFER);
      ws.send(first, buildFrame({ opcode, claimedLen, payload: 'xyz' }));
      await expectClosed(ws, code);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
    expect(seen.map(({ payload }) => payload.toString())).toEqual(['first', 'first']);
  });

  test.each<[number, 16 | 64]>([
    [0, 16],
    [125, 16],
    [0, 64],
    [125, 64],
    [126, 64],
    [65_535, 64],
  ])('a length of %i in %i bits is not minimal: 1002', async (size, lengthForm) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, ...uri });
    for (const spec of [{ opcode: BINARY }, { opcode: BINARY, fin: false }]) {
      const ws = await open(OFFER);
      ws.send(first, { ...spec, payload: Buffer.alloc(size), lengthForm });
      await expectClosed(ws, 1002);
    }
    expect(seen).toHaveLength(2);
  });

  test.each<[string, FrameSpec[]]>([
    ['', [{ opcode: TEXT, payload: 'evil' }]],
    ['that is empty', [{ opcode: TEXT }]],
    ['that is long', [{ opcode: BINARY, payload: Buffer.alloc(100_000) }]],
    ['that begins a message', [{ opcode: TEXT, payload: 'evil', fin: false }]],
    ['that is a Ping', [{ opcode: PING, payload: 'evil' }]],
    ['that is a Close', [{ opcode: CLOSE, payload: Buffer.from([3, 0xe8]) }]],
  ])('an unmasked frame %s is never handed over', async (_what, frames) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, ...uri, handleWsControlFrames: true });
    const ws = await open(OFFER);
    ws.send(first, ...frames.map(frame => ({ ...frame, mask: false as const })), { opcode: TEXT, payload: 'behind' });
    await expectClosed(ws, 1002);
    expect(seen.map(({ payload }) => payload.toString())).toEqual(['first']);
  });

  test('an unmasked frame that goes on with a message is never handed over, nor is that message complete', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, ...uri });
    const ws = await open(OFFER);
    ws.send(
      { opcode: TEXT, payload: 'begun', fin: false },
      { opcode: CONTINUE, payload: 'evil', mask: false },
      { opcode: CONTINUE, payload: 'behind' },
    );
    await expectClosed(ws, 1002);
    expect(seen.some(({ final, payload }) => final || payload.toString() !== 'begun')).toBe(false);
  });

  test('text whose last character an empty frame cuts off is never complete: 1007', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, ...uri });
    const ws = await open(OFFER);
    ws.send({ opcode: TEXT, payload: Buffer.from('e282', 'hex'), fin: false }, { opcode: CONTINUE });
    await expectClosed(ws, 1007);
    expect(seen.some(({ final }) => final)).toBe(false);
  });
});

test('an unmasked frame that is compressed is never handed over', async () => {
  const { handler, seen } = collector();
  const { open } = await startWs({ handler, wsPerMessageDeflate: true });
  const ws = await open(OFFER);
  ws.send({ opcode: TEXT, payload: compress('evil'), ...COMPRESSED, mask: false });
  await expectClosed(ws, 1002);
  expect(seen).toEqual([]);
});

test('a frame of 2^53 - 1 bytes that the options allow takes memory for what has come of it', async () => {
  const any = Number.MAX_SAFE_INTEGER;
  const { open, clock } = await startWs({
    handler: onFrame(() => undefined),
    wsMessageMode: true,
    wsMaxFrameLen: any,
    wsMaxMessageLen: any,
  });
  const before = process.memoryUsage().arrayBuffers;
  const ws = await open();
  ws.send({ opcode: PING }, buildFrame({ opcode: BINARY, claimedLen: any, payload: pattern(1000) }));
  await ws.readFrame();
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
  clock.advance(5_500);
  await expectClosed(ws, 1008);
});

describe('invalid window bits', () => {
  const OFFERS = ['7', '16', '08', '-1', '8.0', '99999999999999999999', 'x'].flatMap(bits => [
    `permessage-deflate; server_max_window_bits=${bits}`,
    `permessage-deflate; client_max_window_bits=${bits}`,
    `permessage-deflate; client_max_window_bits="${bits}"`,
  ]);

  test.each([...OFFERS, 'permessage-deflate; server_max_window_bits'])(
    '%s: the offer is declined, and compressed frames are none',
    async offer => {
      const { handler, seen } = collector();
      const { open } = await startWs({ handler, wsPerMessageDeflate: true });
      const ws = await open({ headers: { [EXTENSIONS]: offer } });
      expect(ws.response.headers[EXTENSIONS.toLowerCase()]).toBeUndefined();
      ws.send({ opcode: TEXT, payload: 'plain' }, { opcode: TEXT, payload: compress('x'), ...COMPRESSED });
      await expectClosed(ws, 1002);
      expect(seen.map(({ payload }) => payload.toString())).toEqual(['plain']);
    },
  );

  test('an offer that can be read behind them is taken', async () => {
    const { open } = await startWs({ wsPerMessageDeflate: { threshold: 0 } });
    const ws = await open({ headers: { [EXTENSIONS]: `${OFFERS.join(', ')}, permessage-deflate` } });
    expect(ws.response.headers[EXTENSIONS.toLowerCase()]).toMatch(/^permessage-deflate/);
    ws.send({ opcode: TEXT, payload: compress('hello'), ...COMPRESSED });
    expect((await ws.readFrame()).opcode).toBe(TEXT);
  });

  test.each(['permessage-deflate; client_max_window_bits=', 'permessage-deflate; client_max_window_bits=""', ';'])(
    '%j is malformed: 400',
    async offer => {
      const { server } = await startWs({ wsPerMessageDeflate: true });
      expect((await shake(server, { [EXTENSIONS]: offer })).status).toBe(400);
    },
  );
});

describe.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('the name %s', name => {
  test('as an extension, or a parameter, is one that nobody knows', async () => {
    const { server, open } = await startWs({ wsPerMessageDeflate: true });
    for (const offer of [name, `${name}; ${name}=1`, `permessage-deflate; ${name}`, `permessage-deflate; ${name}=15`]) {
      const { status, headers } = await shake(server, { [EXTENSIONS]: offer });
      expect([status, headers[EXTENSIONS.toLowerCase()]]).toEqual([101, undefined]);
    }
    const { headers } = await shake(server, { [EXTENSIONS]: `${name}, permessage-deflate` });
    expect(headers[EXTENSIONS.toLowerCase()]).toMatch(/^permessage-deflate/);
    await expectSilence(await open());
  });

  test('as a subprotocol is chosen if the handler speaks it, and not else', async () => {
    const { server } = await startWs({ supportedSubprotocol: ['chat'] });
    const { status, headers } = await shake(server, { [PROTOCOL]: name });
    expect([status, headers[PROTOCOL.toLowerCase()]]).toEqual([101, undefined]);
    expect((await shake(server, { [PROTOCOL]: `${name}, chat` })).headers[PROTOCOL.toLowerCase()]).toBe('chat');
    expect((await shake(server, { [PROTOCOL]: `${name}, ${name}` })).status).toBe(400);
    const speaks = await startWs({ supportedSubprotocol: ['chat', name] });
    expect((await shake(speaks.server, { [PROTOCOL]: name })).headers[PROTOCOL.toLowerCase()]).toBe(name);
  });

  test('as a header is a header, and nothing else changes', async () => {
    const got: unknown[] = [];
    const { server } = await startWs({
      handler: req => {
        if (req.method !== HTTP_GET) return echo(req);
        got.push(req.getHdrValueStr(name), req.getHdrValueStr('x-other'));
        return undefined;
      },
    });
    expect((await shake(server, { [name]: 'mine' })).status).toBe(101);
    expect(got).toEqual(['mine', undefined]);
    expect(({} as Record<string, unknown>).mine).toBeUndefined();
  });
});

describe('100,000 extension parameters', () => {
  const params = (n: number) => `permessage-deflate${';a'.repeat(n)}`;

  test('do not fit the longest header section that there may be: 431', async () => {
    const { server, open } = await startWs({ wsPerMessageDeflate: true }, { maxReqHdrLen: 65_536 });
    expect((await shake(server, { [EXTENSIONS]: params(100_000) })).status).toBe(431);
    await expectSilence(await open());
  });

  test('cut down to what does fit are declined, in one header or in many', async () => {
    const { server } = await startWs({ wsPerMessageDeflate: true }, { maxReqHdrLen: 65_536 });
    const one = await shake(server, { [EXTENSIONS]: params(32_000) });
    expect([one.status, one.headers[EXTENSIONS.toLowerCase()]]).toEqual([101, undefined]);
    const many = `${params(1)}${`\r\n${EXTENSIONS}: ${params(1)}`.repeat(1_300)}\r\n${EXTENSIONS}: permessage-deflate`;
    const { status, headers } = await shake(server, { [EXTENSIONS]: many });
    expect(status).toBe(101);
    expect(headers[EXTENSIONS.toLowerCase()]).toMatch(/^permessage-deflate/);
  });
});

describe('a close with a reason that is no string leaves nothing on the wire:', () => {
  test.each<[string, unknown]>([
    ['a number', 42],
    ['a large number', 123],
    ['a typed array', new Uint32Array(20)],
    ['a Buffer', Buffer.alloc(20, 'x')],
    ['an ArrayBuffer', new ArrayBuffer(20)],
    ['an array', ['x']],
    ['an object with a length', { length: 100 }],
    ['a string object', new String('bye')],
    ['null', null],
    ['true', true],
    ['a function', () => 'bye'],
    ['a symbol', Symbol('bye')],
    ['a bigint', 5n],
    ['124 bytes', 'x'.repeat(124)],
    ['124 bytes in 62 characters', 'é'.repeat(62)],
  ])('%s', async (_what, reason) => {
    const { server, open } = await startWs();
    const ws = await open();
    const fd = lastFd(server);
    expect(await errorOf(() => server.wsClose(fd, 1000, reason as string))).toBe('ESP_ERR_INVALID_ARG');
    await expectSilence(ws);
    server.wsClose(fd, 1000, 'bye');
    expect((await ws.readFrame()).payload.subarray(2).toString()).toBe('bye');
  });

  test.each<[string, unknown]>([
    ['a number', 42],
    ['a typed array of other elements', new Uint16Array(10)],
    ['a DataView', new DataView(new ArrayBuffer(10))],
    ['an ArrayBuffer', new ArrayBuffer(10)],
    ['an array of bytes', [3, 232]],
    ['an object with a length', { length: 100 }],
    ['null', null],
  ])('as the payload of a Close frame: %s', async (_what, payload) => {
    const { server, open } = await startWs();
    const ws = await open();
    const frame = wsFrame({ type: HTTPD_WS_TYPE_CLOSE, payload: payload as Uint8Array });
    expect(await errorOf(() => server.wsSendFrameAsync(lastFd(server), frame))).toBe('ESP_ERR_INVALID_ARG');
    await expectSilence(ws);
  });
});
