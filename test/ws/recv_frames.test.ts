import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { pieces } from '../support/feed.js';
import { connectTo } from '../support/server.js';
import { BINARY, buildFrame, CONTINUE, handshakeRequest, TEXT } from '../support/ws_frames.js';
import { collector, echo, onFrame, pattern, startWs, until } from './ws_server.js';

describe('a frame', () => {
  test.each([0, 1, 124, 125, 126, 127, 128, 255, 256, 1_000, 16_383, 16_384, 16_385, 65_534, 65_535, 65_536, 65_537])(
    'of %i bytes is received and sent back',
    async size => {
      const payload = pattern(size);
      const { open } = await startWs();
      const ws = await open();
      ws.send({ opcode: BINARY, payload }, { opcode: TEXT, payload: 'behind' });
      const frame = await ws.readFrame();
      expect([frame.opcode, frame.fin, frame.masked, frame.rsv]).toEqual([BINARY, true, false, 0]);
      expect(Buffer.compare(frame.payload, payload)).toBe(0);
      expect((await ws.readFrame()).text).toBe('behind');
    },
  );

  test('of 1 MiB is received and sent back', async () => {
    const payload = pattern(1024 * 1024);
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: BINARY, payload });
    expect(Buffer.compare((await ws.readFrame()).payload, payload)).toBe(0);
  });

  test.each([
    [0, 0, 0, 0],
    [0xff, 0xff, 0xff, 0xff],
    [0x80, 0x00, 0x00, 0x01],
    [0x01, 0x02, 0x03, 0x04],
  ] as const)('is unmasked with any key: %i %i %i %i', async (...mask) => {
    const { open } = await startWs();
    const ws = await open();
    for (const size of [1, 2, 3, 5, 47, 48, 49, 50, 51, 200, 20_001]) {
      const payload = pattern(size);
      ws.send({ opcode: BINARY, payload, mask });
      expect(Buffer.compare((await ws.readFrame()).payload, payload)).toBe(0);
    }
  });

  test.each([
    ['of 7 bits', Buffer.from('Espressif')],
    ['of 16 bits', pattern(130)],
  ])('with a length %s arrives the same, cut at each byte', async (_name, payload) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    const bytes = buildFrame({ opcode: BINARY, payload });
    for (let at = 1; at < bytes.length; at++) {
      await ws.raw.sendPieces([bytes.subarray(0, at), bytes.subarray(at)]);
      await until(() => expect(seen).toHaveLength(at));
      expect(Buffer.compare(seen[at - 1]?.payload ?? Buffer.alloc(0), payload)).toBe(0);
    }
  });

  test('arrives the same byte by byte', async () => {
    const { open } = await startWs();
    const ws = await open();
    await ws.raw.sendPieces(pieces(buildFrame({ opcode: BINARY, payload: pattern(200) }), [1]));
    expect(Buffer.compare((await ws.readFrame()).payload, pattern(200))).toBe(0);
  });

  test.each([
    ['in its header', [1, 1, 2, 3, 4, 1, 1, 1]],
    ['behind its header', [14, 70_000]],
    ['in odd pieces', [14, 1, 3, 17, 1_001, 4_097, 9, 16_385]],
    ['in pieces of 1,000', [1_000]],
  ])('of 70,000 bytes cut %s arrives the same, with what follows', async (_name, sizes) => {
    const payload = pattern(70_000);
    const { open } = await startWs();
    const ws = await open();
    const bytes = Buffer.concat([
      buildFrame({ opcode: BINARY, payload }),
      buildFrame({ opcode: TEXT, payload: 'behind' }),
    ]);
    // the last size goes for the rest
    const head = sizes.reduce((sum, size) => sum + size, 0);
    const cut =
      sizes.length > 1 ? [...pieces(bytes.subarray(0, head), sizes), bytes.subarray(head)] : pieces(bytes, sizes);
    await ws.raw.sendPieces(cut.filter(piece => piece.length > 0));
    expect(Buffer.compare((await ws.readFrame()).payload, payload)).toBe(0);
    expect((await ws.readFrame()).text).toBe('behind');
  });
});

describe('frames right behind the handshake', () => {
  test('in the same segment are not lost', async () => {
    const { open } = await startWs();
    const first = [0, 1, 2].map(i => buildFrame({ opcode: TEXT, payload: `frame ${i}` }));
    const ws = await open({}, Buffer.concat(first));
    for (let i = 0; i < 3; i++) expect((await ws.readFrame()).text).toBe(`frame ${i}`);
  });

  test('are not lost wherever the segment ends', async () => {
    const { server } = await startWs();
    const bytes = Buffer.concat([
      Buffer.from(handshakeRequest()),
      buildFrame({ opcode: TEXT, payload: 'one' }),
      buildFrame({ opcode: TEXT, payload: 'two' }),
    ]);
    const from = bytes.length - 22;
    for (let at = from; at < bytes.length; at++) {
      const client = await connectTo(server);
      await client.sendPieces([bytes.subarray(0, at), bytes.subarray(at)]);
      expect((await client.readResponse()).status).toBe(101);
      expect((await client.readUntil(10)).toString('latin1')).toBe('\x81\x03one\x81\x03two');
      client.destroy();
    }
  });

  test('of 200 KB are not lost', async () => {
    const { open } = await startWs();
    const payload = pattern(200_000);
    const ws = await open({}, buildFrame({ opcode: BINARY, payload }));
    expect(Buffer.compare((await ws.readFrame()).payload, payload)).toBe(0);
  });
});

describe('many frames in one segment', () => {
  test('reach the handler one after the other, in their order', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    const frames = Array.from({ length: 300 }, (_, i) => buildFrame({ opcode: TEXT, payload: `${i}` }));
    ws.send(Buffer.concat(frames));
    await until(() => expect(seen).toHaveLength(300));
    expect(seen.map(({ payload }) => payload.toString())).toEqual(frames.map((_, i) => `${i}`));
  });

  test('of all sizes and kinds come back as they were', async () => {
    const { open } = await startWs();
    const ws = await open();
    const sizes = [0, 3, 200, 20_000, 0, 125, 126, 16_384, 16_385, 1, 70_000, 5];
    const frames = sizes.map((size, i) => ({
      opcode: i % 2 === 0 ? BINARY : TEXT,
      payload: Buffer.alloc(size, 97 + i),
    }));
    ws.send(...frames);
    for (const { opcode, payload } of frames) {
      const frame = await ws.readFrame();
      expect(frame.opcode).toBe(opcode);
      expect(Buffer.compare(frame.payload, payload)).toBe(0);
    }
  });
});

describe('a frame above 16 KiB', () => {
  test('reaches its handler before it is complete, and fills the handler’s buffer as it arrives', async () => {
    const payload = pattern(50_000);
    const parts: number[] = [];
    const { open } = await startWs({
      handler: onFrame(async req => {
        const pkt = wsFrame({ payload: new Uint8Array(10_000) });
        do {
          await req.wsRecvFramePart(pkt, 10_000);
          parts.push(pkt.leftLen);
        } while (pkt.leftLen > 0);
      }),
    });
    const ws = await open();
    const bytes = buildFrame({ opcode: BINARY, payload });
    ws.send(bytes.subarray(0, 14 + 25_000));
    await until(() => expect(parts).toEqual([40_000, 30_000]));
    ws.send(bytes.subarray(14 + 25_000));
    await until(() => expect(parts).toEqual([40_000, 30_000, 20_000, 10_000, 0]));
  });

  test('of 16 KiB and less is complete when its handler is called', async () => {
    let calls = 0;
    const { open, server } = await startWs({
      handler: onFrame(() => {
        calls += 1;
      }),
    });
    server.registerUriHandler({ uri: '/echo', method: HTTP_GET, isWebsocket: true, handler: echo });
    const ws = await open();
    const bytes = buildFrame({ opcode: BINARY, payload: pattern(16_384) });
    ws.send(bytes.subarray(0, 16_000));
    // what another client gets back shows that the server has been there
    const other = await open({ path: '/echo' });
    other.send({ opcode: TEXT, payload: 'x' });
    expect((await other.readFrame()).text).toBe('x');
    expect(calls).toBe(0);
    ws.send(bytes.subarray(16_000));
    await until(() => expect(calls).toBe(1));
  });

  test('as a fragment among others keeps its place', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send(
      { opcode: TEXT, payload: 'a'.repeat(20_000), fin: false },
      { opcode: CONTINUE, payload: 'b'.repeat(30_000), fin: false },
      { opcode: CONTINUE, payload: 'c' },
    );
    await until(() => expect(seen).toHaveLength(3));
    expect(seen.map(({ type, final, payload }) => [type, final, payload.length])).toEqual([
      [TEXT, false, 20_000],
      [CONTINUE, false, 30_000],
      [CONTINUE, true, 1],
    ]);
  });
});

describe.each([
  ['short', 100],
  ['long', 100_000],
])('a %s frame whose payload is not read', (_kind, size) => {
  test.each([
    ['at all', 0],
    ['but for its beginning', 50],
  ])('%s is skipped, and the next one comes as it is', async (_name, part) => {
    const texts: string[] = [];
    const { open } = await startWs({
      handler: onFrame(async req => {
        const pkt = wsFrame();
        await req.wsRecvFrame(pkt, 0);
        if (pkt.type === BINARY) {
          if (part > 0) await req.wsRecvFramePart(pkt, part);
          return;
        }
        await req.wsRecvFrame(pkt, 100);
        texts.push(Buffer.from(pkt.payload as Uint8Array).toString());
      }),
    });
    const ws = await open();
    const big = { opcode: BINARY, payload: pattern(size) };
    ws.send(big, { opcode: TEXT, payload: 'one' }, big, big, { opcode: TEXT, payload: 'two' });
    await until(() => expect(texts).toEqual(['one', 'two']));
  });

  test('by a handler that is not async is skipped too', async () => {
    let calls = 0;
    const { open } = await startWs({
      handler: () => {
        calls += 1;
      },
    });
    const ws = await open();
    ws.send({ opcode: BINARY, payload: pattern(size) }, { opcode: BINARY, payload: pattern(size) });
    // the handshake is a call too
    await until(() => expect(calls).toBe(3));
  });
});
