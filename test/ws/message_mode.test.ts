import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { pieces } from '../support/feed.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  type FrameSpec,
  PING,
  PONG,
  TEXT,
} from '../support/ws_frames.js';
import { collector, errorOf, expectClosed, onFrame, pattern, recvAll, startWs, until } from './ws_server.js';
import { COMPRESSED, compress, endLog, OFFER, turns } from './ws_watch.js';

const more = (payload: Uint8Array | string = '', opcode = CONTINUE): FrameSpec => ({ opcode, payload, fin: false });
const last = (payload: Uint8Array | string = ''): FrameSpec => ({ opcode: CONTINUE, payload });

describe('a message in fragments reaches the handler in one call', () => {
  const big = pattern(200_000);
  const euro = Buffer.from('€uro 😀');
  test.each<[name: string, type: number, frames: FrameSpec[], payload: Uint8Array | string]>([
    ['of one frame', TEXT, [{ opcode: TEXT, payload: 'whole' }], 'whole'],
    ['of one empty frame', BINARY, [{ opcode: BINARY }], ''],
    ['of two', TEXT, [more('he', TEXT), last('llo')], 'hello'],
    ['of many', BINARY, [more('a', BINARY), more('b'), more('c'), last('d')], 'abcd'],
    [
      'of one byte each',
      BINARY,
      [more('', BINARY), ...[...big.subarray(0, 300)].map(b => more(Buffer.of(b))), last()],
      big.subarray(0, 300),
    ],
    ['of empty ones only', TEXT, [more('', TEXT), more(), more(), last()], ''],
    ['the last one empty', TEXT, [more('abc', TEXT), last()], 'abc'],
    ['the first one empty', TEXT, [more('', TEXT), last('abc')], 'abc'],
    ['of one long frame', BINARY, [{ opcode: BINARY, payload: big }], big],
    [
      'of long ones',
      BINARY,
      [more(big.subarray(0, 70_000), BINARY), more(big.subarray(70_000, 70_001)), last(big.subarray(70_001))],
      big,
    ],
    [
      'cut inside of each character',
      TEXT,
      [more(euro.subarray(0, 1), TEXT), ...[...euro.subarray(1)].map(b => more(Buffer.of(b))), last()],
      euro,
    ],
  ])('%s', async (_name, type, frames, payload) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode: true });
    const ws = await open();
    ws.send(...frames, { opcode: PING, payload: 'end' });
    expect((await ws.readFrame()).text).toBe('end');
    // a handler that receives a long message is not done when the Ping is answered: it comes behind it
    expect(seen).toHaveLength(1);
    expect({ ...seen[0], payload: undefined }).toEqual({ type, final: true, fragmented: false, payload: undefined });
    expect(Buffer.compare(seen[0]?.payload as Buffer, Buffer.from(payload as Uint8Array))).toBe(0);
  });

  test('however the bytes are cut on their way', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode: true });
    const ws = await open();
    const bytes = Buffer.concat([more('one ', TEXT), more('two '), last('three')].map(buildFrame));
    for (const size of [1, 2, 3, 7]) await ws.raw.sendPieces(pieces(bytes, [size]));
    await until(() => expect(seen).toHaveLength(4));
    for (const { payload } of seen) expect(payload.toString()).toBe('one two three');
  });

  test('and many of them in one segment one after the other, and a Close behind them', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode: true });
    const ws = await open();
    const frames: FrameSpec[] = [];
    for (let i = 0; i < 50; i++) frames.push(more(`${i}:`, TEXT), last('x'), { opcode: BINARY, payload: `${i}` });
    ws.send(...frames, { opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(ws, 1000);
    const expected = Array.from({ length: 50 }, (_, i) => [`${i}:x`, `${i}`]).flat();
    expect(seen.map(({ payload }) => payload.toString())).toEqual(expected);
  });

  test('by a handler that is not async', async () => {
    const { open } = await startWs({
      wsMessageMode: true,
      handler: req => {
        if (req.method === HTTP_GET) return;
        const pkt = wsFrame();
        void req.wsRecvFrame(pkt, 100_000);
        void req.wsSendFrame(pkt);
      },
    });
    const ws = await open();
    const payload = pattern(90_000);
    ws.send(more(payload.subarray(0, 50_000), BINARY), last(payload.subarray(50_000)));
    const frame = await ws.readFrame();
    expect([frame.opcode, frame.fin]).toEqual([BINARY, true]);
    expect(Buffer.compare(frame.payload, payload)).toBe(0);
  });
});

describe('control frames between fragments', () => {
  test('are answered by the library at once, while the message waits', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode: true });
    const ws = await open();
    ws.send(more('a', TEXT), { opcode: PING, payload: 'p1' }, { opcode: PONG, payload: 'unasked' }, more('b'));
    ws.send({ opcode: PING, payload: 'p2' });
    for (const text of ['p1', 'p2']) {
      const frame = await ws.readFrame();
      expect([frame.opcode, frame.text]).toEqual([PONG, text]);
    }
    expect(seen).toEqual([]);
    ws.send(last('c'));
    await until(() => expect(seen.map(({ payload }) => payload.toString())).toEqual(['abc']));
  });

  test('go to a handler that asked for them, with their own types, before the message', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode: true, handleWsControlFrames: true });
    const ws = await open();
    ws.send(more('a', TEXT), { opcode: PING, payload: 'p' }, more('b'), { opcode: PONG }, last('c'));
    await until(() => expect(seen).toHaveLength(3));
    const told = seen.map(({ type, final, fragmented, payload }) => [type, final, fragmented, payload.toString()]);
    expect(told).toEqual([
      [PING, true, false, 'p'],
      [PONG, true, false, ''],
      [TEXT, true, false, 'abc'],
    ]);
  });

  test('a Close ends an incomplete message: the handler never sees it', async () => {
    const { ended, wsCloseCb } = endLog();
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode: true, wsCloseCb });
    const ws = await open();
    ws.send(more('half', TEXT), { opcode: CLOSE, payload: closeBody(4001, 'enough') });
    await expectClosed(ws, 4001);
    ws.raw.end();
    await until(() => expect(ended).toMatchObject([{ code: 4001, reason: 'enough', wasClean: true }]));
    expect(seen).toEqual([]);
  });
});

describe('a message can be received', () => {
  /** Lets `fn` receive a message of 1,000 bytes in three fragments; a second message must then come as it is. */
  async function receive(fn: (req: HttpdReq) => unknown): Promise<void> {
    const payload = pattern(1_000);
    let failure: unknown;
    const rest: string[] = [];
    const { open } = await startWs({
      wsMessageMode: true,
      handler: onFrame(async req => {
        if (rest.length === 0) {
          rest.push('first');
          try {
            await fn(req);
          } catch (error) {
            failure = error;
          }
        } else {
          await req.wsSendFrame(await recvAll(req));
        }
      }),
    });
    const ws = await open();
    ws.send(more(payload.subarray(0, 10), BINARY), more(payload.subarray(10, 999)), last(payload.subarray(999)));
    ws.send(more('ne', TEXT), last('xt'));
    expect((await ws.readFrame()).text).toBe('next');
    if (failure !== undefined) throw failure;
  }

  test('whole, with its length asked for first', () =>
    receive(async req => {
      const pkt = wsFrame();
      await req.wsRecvFrame(pkt, 0);
      expect(pkt).toMatchObject({ type: BINARY, len: 1_000, leftLen: 1_000, final: true, fragmented: false });
      await req.wsRecvFrame(pkt, 1_000);
      expect(Buffer.compare(pkt.payload as Buffer, pattern(1_000))).toBe(0);
      expect(pkt.leftLen).toBe(0);
    }));

  test('in parts, whatever its fragments were', () =>
    receive(async req => {
      const got: Buffer[] = [];
      for (let left = 1_000; left > 0; ) {
        const pkt = wsFrame();
        await req.wsRecvFramePart(pkt, 64);
        got.push(Buffer.from(pkt.payload as Uint8Array));
        left -= Math.min(64, left);
        expect(pkt).toMatchObject({ len: 1_000, leftLen: left });
      }
      expect(Buffer.compare(Buffer.concat(got), pattern(1_000))).toBe(0);
    }));

  test('a part first, then the rest, and then there is nothing more', () =>
    receive(async req => {
      const pkt = wsFrame();
      await req.wsRecvFramePart(pkt, 10);
      expect(Buffer.compare(pkt.payload as Buffer, pattern(10))).toBe(0);
      pkt.payload = new Uint8Array(2_000);
      await req.wsRecvFrame(pkt, 2_000);
      expect(Buffer.compare((pkt.payload as Buffer).subarray(0, 990), pattern(1_000).subarray(10))).toBe(0);
      expect(await errorOf(() => req.wsRecvFrame(wsFrame(), 10))).toBe('ESP_ERR_INVALID_STATE');
    }));

  test('with more room behind a refusal for too little', () =>
    receive(async req => {
      const pkt = wsFrame();
      expect(await errorOf(() => req.wsRecvFrame(pkt, 999))).toBe('ESP_ERR_INVALID_SIZE');
      expect(pkt.len).toBe(1_000);
      await req.wsRecvFrame(pkt, 1_000);
      expect(Buffer.compare(pkt.payload as Buffer, pattern(1_000))).toBe(0);
    }));

  test('in part only: the rest is no part of the next message', () =>
    receive(req => req.wsRecvFramePart(wsFrame(), 500)));

  test('or not at all', () => receive(() => undefined));

  test('not into a buffer that is too small', () =>
    receive(async req => {
      const pkt = wsFrame({ payload: new Uint8Array(999) });
      expect(await errorOf(() => req.wsRecvFrame(pkt, 1_000))).toBe('ESP_ERR_INVALID_ARG');
    }));
});

describe('text that is not UTF-8', () => {
  const BAD = Buffer.from('ab\xffcd', 'latin1');
  const ways: readonly [name: string, mode: boolean, frames: FrameSpec[]][] = [
    ['in one frame', true, [{ opcode: TEXT, payload: BAD }]],
    ['in one frame, frame mode', false, [{ opcode: TEXT, payload: BAD }]],
    ['in a fragment', true, [more('ok', TEXT), more(BAD), last('ok')]],
    ['in a fragment, frame mode', false, [more('ok', TEXT), more(BAD), last('ok')]],
    ['that ends inside of a character', true, [more('ok', TEXT), last(Buffer.of(0xe2, 0x82))]],
    ['compressed', true, [{ opcode: TEXT, payload: compress(BAD), ...COMPRESSED }]],
    ['compressed, frame mode', false, [{ opcode: TEXT, payload: compress(BAD), ...COMPRESSED }]],
  ];

  test.each(ways)('ends the connection with 1007: %s', async (_name, wsMessageMode, frames) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode, wsPerMessageDeflate: true });
    const ws = await open(OFFER);
    ws.send(...frames);
    await expectClosed(ws, 1007);
    expect(seen.filter(({ payload }) => !payload.toString('latin1').startsWith('ok'))).toEqual([]);
  });

  test.each(ways)('is taken with wsIgnoreEncodingErrors, as it is: %s', async (_name, wsMessageMode, frames) => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode, wsPerMessageDeflate: true, wsIgnoreEncodingErrors: true });
    const ws = await open(OFFER);
    ws.send(...frames, { opcode: PING, payload: 'alive' });
    expect((await ws.readFrame()).text).toBe('alive');
    await turns();
    const plain = frames.map(({ payload, rsv }) => (rsv ? BAD : Buffer.from(payload as Uint8Array)));
    expect(Buffer.concat(seen.map(({ payload }) => payload)).toString('hex')).toBe(
      Buffer.concat(plain).toString('hex'),
    );
  });

  test('ends it at the first byte that shows it, not at the end of the message', async () => {
    const { open } = await startWs({ wsMessageMode: true });
    const ws = await open();
    // the frame is not complete, nor is the message
    ws.send(more('ok', TEXT), buildFrame({ ...more(Buffer.concat([BAD, Buffer.alloc(100_000)])) }).subarray(0, 1_000));
    await expectClosed(ws, 1007);
  });
});

test('without wsMessageMode the handler sees the fragments as they came', async () => {
  const { handler, seen } = collector();
  const { open } = await startWs({ handler });
  const ws = await open();
  ws.send(more('a', TEXT), more('b'), last('c'));
  await until(() => expect(seen).toHaveLength(3));
  expect(seen.map(({ type, final, fragmented }) => [type, final, fragmented])).toEqual([
    [TEXT, false, true],
    [CONTINUE, false, true],
    [CONTINUE, true, true],
  ]);
});
