import { describe, expect, test } from 'vitest';
import { everyWay } from '../support/feed.js';
import { BINARY, buildFrame, CLOSE, CONTINUE, type FrameSpec, hex, PING, PONG, TEXT } from '../support/ws_frames.js';
import { collector, expectClosed, onFrame, startWs, until } from './ws_server.js';

const UNMASKED = { mask: false } as const;

/** Each breaks RFC 6455 with its last byte; the bytes are sent without anything behind them. */
const VIOLATIONS: [string, number, FrameSpec | Buffer][] = [
  ...[1, 2, 3, 4, 5, 6, 7].map((rsv): [string, number, FrameSpec] => [
    `reserved bits ${rsv.toString(2).padStart(3, '0')} of a text frame`,
    1002,
    { opcode: TEXT, payload: 'x', rsv },
  ]),
  ['a reserved bit of a continuation', 1002, { opcode: CONTINUE, payload: 'x', rsv: 4 }],
  ['a reserved bit of a ping', 1002, { opcode: PING, rsv: 4 }],
  ['a reserved bit of a Close', 1002, { opcode: CLOSE, rsv: 1 }],
  ...[3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf].map((opcode): [string, number, FrameSpec] => [
    `opcode 0x${opcode.toString(16)}`,
    1002,
    { opcode, payload: 'x' },
  ]),
  ['an unmasked text frame', 1002, { opcode: TEXT, payload: 'x', ...UNMASKED }],
  ['an unmasked empty frame', 1002, { opcode: TEXT, ...UNMASKED }],
  ['an unmasked long frame', 1002, { opcode: BINARY, payload: Buffer.alloc(70_000), ...UNMASKED }],
  ['an unmasked ping', 1002, { opcode: PING, payload: 'x', ...UNMASKED }],
  ['an unmasked Close', 1002, { opcode: CLOSE, ...UNMASKED }],
  ['a fragmented ping', 1002, { opcode: PING, fin: false }],
  ['a fragmented pong', 1002, { opcode: PONG, fin: false }],
  ['a fragmented Close', 1002, { opcode: CLOSE, fin: false }],
  ['a ping of 126 bytes', 1002, { opcode: PING, payload: Buffer.alloc(126) }],
  ['a pong of 126 bytes', 1002, { opcode: PONG, payload: Buffer.alloc(126) }],
  ['a Close of 126 bytes', 1002, { opcode: CLOSE, payload: Buffer.alloc(126, 3) }],
  ['a ping of 70,000 bytes', 1002, { opcode: PING, payload: Buffer.alloc(70_000) }],
  ['a ping of 5 bytes with a 16-bit length', 1002, { opcode: PING, payload: 'hello', lengthForm: 16 }],
  ['0 bytes in 16 bits', 1002, { opcode: TEXT, lengthForm: 16 }],
  ['125 bytes in 16 bits', 1002, { opcode: TEXT, payload: 'x'.repeat(125), lengthForm: 16 }],
  ['0 bytes in 64 bits', 1002, { opcode: TEXT, lengthForm: 64 }],
  ['125 bytes in 64 bits', 1002, { opcode: TEXT, payload: 'x'.repeat(125), lengthForm: 64 }],
  ['126 bytes in 64 bits', 1002, { opcode: TEXT, payload: 'x'.repeat(126), lengthForm: 64 }],
  ['65,535 bytes in 64 bits', 1002, { opcode: BINARY, payload: Buffer.alloc(65_535), lengthForm: 64 }],
  ['the top bit of a 64-bit length', 1002, { opcode: BINARY, claimedLen: 1n << 63n }],
  ['a length of 2^64 - 1', 1002, { opcode: BINARY, claimedLen: (1n << 64n) - 1n }],
  ['a length of 2^53', 1009, { opcode: BINARY, claimedLen: 1n << 53n }],
  ['a length of 2^63 - 1', 1009, { opcode: BINARY, claimedLen: (1n << 63n) - 1n }],
  ['a continuation without a start', 1002, { opcode: CONTINUE, payload: 'x' }],
  ['a continuation without a start or an end', 1002, { opcode: CONTINUE, payload: 'x', fin: false }],
];

const bytesOf = (spec: FrameSpec | Buffer) => (Buffer.isBuffer(spec) ? spec : buildFrame(spec));

describe('a client that sends', () => {
  test.each(VIOLATIONS)('%s is closed with %i, and the handler never sees it', async (_name, code, spec) => {
    const { handler, seen } = collector();
    const { open, server } = await startWs({ handler });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'before' }, bytesOf(spec), { opcode: TEXT, payload: 'behind' });
    await expectClosed(ws, code);
    expect(seen.map(({ payload }) => payload.toString())).toEqual(['before']);
    ws.raw.end();
    await until(() => expect(server.getClientList()).toEqual([]));
  });

  test.each<[string, FrameSpec[]]>([
    ['a new text message', [{ opcode: TEXT, payload: 'b' }]],
    ['a new binary message', [{ opcode: BINARY, payload: 'b' }]],
    ['a new first fragment', [{ opcode: TEXT, payload: 'b', fin: false }]],
    ['a new message behind a ping', [{ opcode: PONG }, { opcode: TEXT, payload: 'b' }]],
    [
      'a new message behind a further fragment',
      [
        { opcode: CONTINUE, fin: false },
        { opcode: TEXT, payload: 'b' },
      ],
    ],
  ])('%s inside a fragmented one is closed with 1002', async (_name, frames) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'a', fin: false }, ...frames);
    await expectClosed(ws, 1002);
    expect(seen.every(({ payload }) => payload.toString() !== 'b')).toBe(true);
  });

  test('a continuation behind the end of a message is closed with 1002', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send(
      { opcode: TEXT, payload: 'a', fin: false },
      { opcode: CONTINUE, payload: 'b' },
      { opcode: CONTINUE, payload: 'c' },
    );
    await expectClosed(ws, 1002);
    expect(seen.map(({ payload }) => payload.toString())).toEqual(['a', 'b']);
  });
});

describe('a violation is found at the first byte that shows it:', () => {
  test.each<[string, number, string]>([
    ['a reserved bit', 1002, 'c1'],
    ['a reserved opcode', 1002, '83'],
    ['a reserved control opcode', 1002, '8b'],
    ['a fragmented control frame', 1002, '09'],
    ['a continuation without a start', 1002, '80'],
    ['a missing mask', 1002, '8105'],
    ['a ping of 126 bytes or more', 1002, '89fe'],
    ['a ping with a 64-bit length', 1002, '89ff'],
    ['a 16-bit length below 126', 1002, '82fe007d'],
    ['a 64-bit length below 65,536', 1002, '82ff000000000000ffff'],
    ['a 64-bit length with its top bit set', 1002, '82ff8000000000000000'],
    ['a 64-bit length of 2^53', 1009, '82ff0020000000000000'],
  ])('%s', async (_name, code, bytes) => {
    const { open } = await startWs();
    const ws = await open();
    ws.send(hex(bytes));
    await expectClosed(ws, code);
  });

  test('a close code that must not be sent, and nothing before the Close is complete', async () => {
    const { open } = await startWs();
    const ws = await open();
    const bytes = buildFrame({ opcode: CLOSE, payload: Buffer.from([3, 0xed]) });
    await ws.raw.sendPieces([bytes.subarray(0, -1)]);
    expect(ws.raw.received).toHaveLength(0);
    ws.send(bytes.subarray(-1));
    await expectClosed(ws, 1002);
  });
});

describe('however its bytes are cut, it ends the same:', () => {
  test.each<[string, number, FrameSpec]>([
    ['an unmasked frame', 1002, { opcode: TEXT, payload: 'hello', ...UNMASKED }],
    ['a length that is not minimal', 1002, { opcode: TEXT, payload: 'hello', lengthForm: 64 }],
    ['a reserved opcode', 1002, { opcode: 3, payload: 'hello' }],
    ['a ping that is too long', 1002, { opcode: PING, lengthForm: 16, payload: 'hello' }],
    ['text that is not UTF-8', 1007, { opcode: TEXT, payload: Buffer.from('he\xffo', 'latin1') }],
    ['a Close with a wrong code', 1002, { opcode: CLOSE, payload: Buffer.from([3, 0xed]) }],
  ])('%s', async (_name, code, spec) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    for (const { chunks } of everyWay(buildFrame(spec), 'more behind')) {
      const ws = await open();
      await ws.raw.sendPieces(chunks);
      await expectClosed(ws, code);
      ws.destroy();
    }
    expect(seen).toEqual([]);
  });
});

test('an unmasked frame never reaches the handler, not even its length', async () => {
  let calls = 0;
  const { open } = await startWs({
    handler: onFrame(() => {
      calls += 1;
    }),
  });
  for (const size of [0, 5, 200, 20_000, 70_000]) {
    const ws = await open();
    ws.send({ opcode: BINARY, payload: Buffer.alloc(size), ...UNMASKED });
    await expectClosed(ws, 1002);
  }
  expect(calls).toBe(0);
});

test('a length of 2^53 - 1 allocates nothing: the handler learns it and decides', async () => {
  const lens: number[] = [];
  const { open } = await startWs({
    wsMaxFrameLen: Number.MAX_SAFE_INTEGER,
    wsMaxMessageLen: Number.MAX_SAFE_INTEGER,
    handler: onFrame(async req => {
      const pkt = { type: 0, final: false, fragmented: false, payload: undefined, len: 0, leftLen: 0 };
      await req.wsRecvFrame(pkt, 0);
      lens.push(pkt.len, pkt.leftLen);
      await req.wsRecvFrame(pkt, 1_000_000);
    }),
  });
  const ws = await open();
  ws.send(hex('82ff001fffffffffffff'), Buffer.alloc(4), Buffer.alloc(1_000));
  await expectClosed(ws, 1009);
  expect(lens).toEqual([Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
});

test('a session that is closed for a violation harms no other', async () => {
  const { open } = await startWs();
  const good = await open();
  const bad = await open();
  bad.send({ opcode: 5 });
  await expectClosed(bad, 1002);
  good.send({ opcode: TEXT, payload: 'x' });
  expect((await good.readFrame()).text).toBe('x');
});
