import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { everyWay, pieces } from '../support/feed.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  type FrameSpec,
  hex,
  PING,
  TEXT,
} from '../support/ws_frames.js';
import {
  collector,
  deferred,
  errorOf,
  expectClosed,
  onFrame,
  pattern,
  recvAll,
  type Seen,
  startWs,
  until,
} from './ws_server.js';
import { COMPRESSED, compress, expectSilence, OFFER, turns } from './ws_watch.js';

const PACKET = 100;
const LARGE = 64 * 1024;

/** A message of `payload` in fragments of these lengths; the rest goes into the last one. */
function fragmentsOf(type: number, payload: Buffer, lens: readonly number[]): FrameSpec[] {
  let at = 0;
  return [...lens, payload.length].map((len, i) => {
    const part = payload.subarray(at, at + len);
    at += len;
    return { opcode: i === 0 ? type : CONTINUE, payload: part, fin: i === lens.length };
  });
}

/** A compressed message. */
const deflated = (opcode: number, payload: Buffer): FrameSpec => ({
  opcode,
  payload: compress(payload),
  ...COMPRESSED,
});

/** The packets must be those of a message of this type: the first one says it, the last one is final. */
function expectPackets(seen: readonly Seen[], type: number, payload: Buffer, lens: readonly number[]): void {
  expect(seen.map(packet => packet.payload.length)).toEqual(lens);
  expect(seen.map(packet => packet.type)).toEqual(lens.map((_, i) => (i === 0 ? type : CONTINUE)));
  expect(seen.map(packet => packet.final)).toEqual(lens.map((_, i) => i === lens.length - 1));
  expect(seen.map(packet => packet.fragmented)).toEqual(lens.map(() => lens.length > 1));
  expect(Buffer.compare(Buffer.concat(seen.map(packet => packet.payload)), payload)).toBe(0);
}

async function openPackets(uri: Partial<HttpdUri> = {}) {
  const { handler, seen } = collector();
  const { open } = await startWs({ handler, wsMessageMode: true, wsMaxPacketLen: PACKET, ...uri });
  return { ws: await open(OFFER), seen };
}

describe('wsMaxPacketLen: a message of', () => {
  const ROWS: readonly (readonly [name: string, len: number, fragments: number[], packets: number[]])[] = [
    ['nothing is one packet', 0, [], [0]],
    ['less is one packet', 99, [], [99]],
    ['just as much is one packet, not fragmented', 100, [], [100]],
    ['one byte more is two', 101, [], [100, 1]],
    ['twice as much is two, both full', 200, [], [100, 100]],
    ['much more', 1_050, [], [...Array<number>(10).fill(100), 50]],
    ['long frames', 40_000, [17_000, 3_000], Array<number>(400).fill(100)],
    ['small fragments is joined to full packets', 250, [30, 1, 0, 80, 70], [100, 100, 50]],
    ['small fragments that fit is one packet', 100, [30, 40], [100]],
    ['fragments that end where packets do', 300, [100, 100], [100, 100, 100]],
    ['a full packet, then an empty last fragment', 100, [100], [100, 0]],
  ];

  test.each(ROWS)('%s', async (_name, len, fragments, packets) => {
    const payload = pattern(len);
    const { ws, seen } = await openPackets();
    ws.send(...fragmentsOf(BINARY, payload, fragments), { opcode: PING, payload: 'end' });
    expect((await ws.readFrame()).text).toBe('end');
    expectPackets(seen, BINARY, payload, packets);
  });

  test.each(ROWS)(
    '%s, however it is cut on its way, one message after the other',
    async (_name, len, fragments, packets) => {
      const payload = pattern(len);
      const { ws, seen } = await openPackets();
      const bytes = Buffer.concat(fragmentsOf(BINARY, payload, fragments).map(buildFrame));
      for (const size of len > 10_000 ? [999] : [1, 7]) {
        await ws.raw.sendPieces(pieces(bytes, [size]));
        await expectSilence(ws);
        expectPackets(seen.splice(0), BINARY, payload, packets);
      }
    },
  );

  test.each<[len: number, packets: number[]]>([
    [0, [0]],
    [99, [99]],
    [100, [100]],
    [101, [100, 1]],
    [200, [100, 100]],
    [1_050, [...Array<number>(10).fill(100), 50]],
    [100_000, Array<number>(1_000).fill(100)],
  ])('%i bytes that comes compressed is cut the same', async (len, packets) => {
    const payload = Buffer.alloc(len, 'abcdefg');
    const { ws, seen } = await openPackets({ wsPerMessageDeflate: true });
    ws.send(deflated(TEXT, payload));
    // nothing else is sent: what has been received must be enough
    await until(() => expect(seen.at(-1)?.final).toBe(true));
    expectPackets(seen, TEXT, payload, packets);
  });

  test('compressed fragments too', async () => {
    const payload = Buffer.alloc(950, 'abcdefg');
    const { ws, seen } = await openPackets({ wsPerMessageDeflate: true });
    const frames = fragmentsOf(TEXT, compress(payload), [1, 2, 0, 3]);
    ws.send({ ...(frames[0] as FrameSpec), ...COMPRESSED }, ...frames.slice(1));
    await until(() => expect(seen.at(-1)?.final).toBe(true));
    expectPackets(seen, TEXT, payload, [...Array<number>(9).fill(100), 50]);
  });
});

test('packets of one byte', async () => {
  const { ws, seen } = await openPackets({ wsMaxPacketLen: 1 });
  const payload = Buffer.from('tiny');
  ws.send(...fragmentsOf(TEXT, payload, [0, 3]), { opcode: PING, payload: 'end' });
  expect((await ws.readFrame()).text).toBe('end');
  expectPackets(seen, TEXT, payload, [1, 1, 1, 1]);
});

test('text is cut inside of characters, and is checked over all packets', async () => {
  const text = Buffer.from('😀'.repeat(100));
  const good = await openPackets({ wsMaxPacketLen: 3 });
  good.ws.send({ opcode: TEXT, payload: text });
  await expectSilence(good.ws);
  expect(Buffer.concat(good.seen.map(({ payload }) => payload)).toString()).toBe('😀'.repeat(100));
  const bad = await openPackets({ wsMaxPacketLen: 3 });
  bad.ws.send({ opcode: TEXT, payload: Buffer.concat([text, Buffer.of(0xff), text]) });
  await expectClosed(bad.ws, 1007);
  expect(bad.seen.some(({ final }) => final)).toBe(false);
});

test('control frames come between packets, in their place', async () => {
  const { ws, seen } = await openPackets({ handleWsControlFrames: true });
  ws.send(
    { opcode: TEXT, payload: 'a'.repeat(150), fin: false },
    { opcode: PING, payload: 'p' },
    { opcode: CONTINUE, payload: 'b'.repeat(150) },
  );
  await until(() => expect(seen.at(-1)?.final && seen.at(-1)?.type === CONTINUE).toBe(true));
  expect(seen.map(({ type, payload }) => [type, payload.length])).toEqual([
    [TEXT, 100],
    [PING, 1],
    [CONTINUE, 100],
    [CONTINUE, 100],
  ]);
});

test('what a handler leaves of a packet is dropped, and of that packet only', async () => {
  const got: string[] = [];
  const { open } = await startWs({
    wsMessageMode: true,
    wsMaxPacketLen: 10,
    handler: onFrame(async req => {
      const pkt = wsFrame();
      await req.wsRecvFramePart(pkt, 4);
      got.push(Buffer.from(pkt.payload as Uint8Array).toString());
      expect(pkt.leftLen).toBe(Math.max(0, pkt.len - 4));
    }),
  });
  const ws = await open();
  ws.send({ opcode: TEXT, payload: '0123456789abcdefghij01' }, { opcode: TEXT, payload: 'next' });
  await expectSilence(ws);
  expect(got).toEqual(['0123', 'abcd', '01', 'next']);
});

test('the length that a handler is told is that of its packet, and no more can be received', async () => {
  const errors: string[] = [];
  const { open } = await startWs({
    wsMessageMode: true,
    wsMaxPacketLen: PACKET,
    handler: onFrame(async req => {
      const { len } = await recvAll(req);
      errors.push(`${len} ${await errorOf(() => req.wsRecvFrame(wsFrame(), 1_000))}`);
    }),
  });
  const ws = await open();
  ws.send({ opcode: BINARY, payload: pattern(150) });
  await expectSilence(ws);
  expect(errors).toEqual(['100 ESP_ERR_INVALID_STATE', '50 ESP_ERR_INVALID_STATE']);
});

test('packets can be sent back as they came: the peer gets its message', async () => {
  const { open } = await startWs({ wsMessageMode: true, wsMaxPacketLen: PACKET });
  const ws = await open();
  ws.send({ opcode: TEXT, payload: 'x'.repeat(250) }, { opcode: TEXT, payload: 'y' });
  const got: [number, boolean, number][] = [];
  for (let i = 0; i < 4; i++) {
    const { opcode, fin, payload } = await ws.readFrame();
    got.push([opcode, fin, payload.length]);
  }
  expect(got).toEqual([
    [TEXT, false, 100],
    [CONTINUE, false, 100],
    [CONTINUE, true, 50],
    [TEXT, true, 1],
  ]);
});

test('a slow reader gets all packets of a compressed message back', async () => {
  const len = 10 * 1024 * 1024;
  const { open } = await startWs({
    wsMessageMode: true,
    wsMaxPacketLen: LARGE,
    wsPerMessageDeflate: { level: 0, threshold: len },
    // not async: only the reader holds it up
    handler: req => {
      if (req.method === HTTP_GET) return;
      const pkt = wsFrame();
      void req.wsRecvFrame(pkt, LARGE);
      void req.wsSendFrame(pkt);
    },
  });
  const ws = await open(OFFER);
  ws.raw.pause();
  ws.send(deflated(BINARY, Buffer.alloc(len)));
  await turns(20);
  ws.raw.resume();
  let got = 0;
  for (let fin = false; !fin; ) {
    const frame = await ws.readFrame();
    got += frame.payload.length;
    fin = frame.fin;
  }
  expect(got).toBe(len);
});

test('in frame mode a compressed message is handed over whole all the same', async () => {
  const { ws, seen } = await openPackets({ wsMessageMode: false, wsPerMessageDeflate: true });
  const payload = Buffer.alloc(1_000, 'abc');
  ws.send(deflated(TEXT, payload));
  await until(() => expect(seen.length).toBeGreaterThan(0));
  await turns();
  expectPackets(seen, TEXT, payload, [1_000]);
});

describe('a message of 64 MiB', () => {
  const MIB = 1024 * 1024;
  const LEN = 64 * MIB;
  const MIB_OF_IT = pattern(MIB);
  /** Unmasked in effect: the same bytes can be sent again and again. */
  const HEADER = buildFrame({ opcode: BINARY, mask: [0, 0, 0, 0], claimedLen: LEN });
  const BOUNDED = {
    wsMessageMode: true,
    wsMaxPacketLen: 64 * 1024,
    wsMaxFrameLen: LEN,
    wsMaxMessageLen: LEN,
  } as const;
  /** No more than one packet may ever wait. */
  const config = { maxWsPending: 64 * 1024 };

  test('streams through 64 KiB', async () => {
    let received = 0;
    let wrong = 0;
    const buf = Buffer.alloc(64 * 1024);
    const { open } = await startWs(
      {
        ...BOUNDED,
        handler: onFrame(async req => {
          const pkt = wsFrame({ payload: buf });
          await req.wsRecvFrame(pkt, buf.length);
          if (MIB_OF_IT.compare(buf, 0, pkt.len, received % MIB, (received % MIB) + pkt.len) !== 0) wrong += 1;
          received += pkt.len;
          if (pkt.final) await req.wsSendFrame(wsFrame({ type: TEXT, payload: String(received) }));
        }),
      },
      config,
    );
    const ws = await open();
    await ws.raw.sendPieces([HEADER, ...Array<Buffer>(64).fill(MIB_OF_IT)]);
    expect((await ws.readFrame()).text).toBe(String(LEN));
    expect(wrong).toBe(0);
  });

  test('waits in the client while its handler is busy', async () => {
    const gate = deferred();
    const entered = deferred();
    let received = 0;
    const { open } = await startWs(
      {
        ...BOUNDED,
        handler: onFrame(async req => {
          received += (await recvAll(req)).len;
          entered.resolve();
          await gate.promise;
        }),
      },
      config,
    );
    const ws = await open();
    ws.send(HEADER);
    for (let i = 0; i < 64; i++) ws.raw.send(MIB_OF_IT);
    await entered.promise;
    await turns(50);
    // some megabytes are on their way, in buffers of the kernel
    expect(ws.raw.socket.writableLength).toBeGreaterThan(LEN / 2);
    expect(received).toBe(64 * 1024);
    gate.resolve();
    await expectSilence(ws);
    expect(received).toBe(LEN);
  });
});

test('a Close in the middle of packets ends the message: no further one is final', async () => {
  const { ws, seen } = await openPackets();
  ws.send({ opcode: TEXT, payload: 'x'.repeat(250), fin: false }, { opcode: CLOSE, payload: closeBody(1000) });
  await expectClosed(ws, 1000);
  expect(seen.map(({ final, payload }) => [final, payload.length])).toEqual([
    [false, 100],
    [false, 100],
  ]);
});

test('a compressed message that is broken right behind a packet and a byte gives that packet, wherever it is cut', async () => {
  // 97 bytes, and then a distance that is none
  const payload = hex('62 d0 65 bc f4 ef d1 a3 a6 35 4d 8f 9a ce 33 dd 3c 4a 5d 5c 5b a0 82 f5 39');
  const { handler, seen } = collector();
  const { open } = await startWs({
    handler,
    wsMessageMode: true,
    wsMaxPacketLen: 16,
    wsPerMessageDeflate: true,
    wsIgnoreEncodingErrors: true,
  });
  for (const { name, chunks } of everyWay(buildFrame({ opcode: TEXT, payload, ...COMPRESSED }))) {
    const ws = await open(OFFER);
    await ws.raw.sendPieces(chunks);
    await expectClosed(ws, 1007);
    expect(
      seen.splice(0).map(packet => packet.payload.length),
      name,
    ).toEqual(Array<number>(6).fill(16));
  }
});
