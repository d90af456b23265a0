import { describe, expect, test } from 'vitest';
import type { HttpdUri } from '../../src/httpd/route.js';
import { BINARY, CLOSE, CONTINUE, closeBody, type FrameSpec, TEXT, type WsRawClient } from '../support/ws_frames.js';
import { collector, deferred, expectClosed, onFrame, pattern, startWs, until } from './ws_server.js';
import { COMPRESSED, compress, endLog, expectSilence, OFFER, turns } from './ws_watch.js';

const MAX = 10_000;
/** What an inflater at work counts for. */
const INFLATER = 44 * 1024;

const begin = (len: number): FrameSpec => ({ opcode: BINARY, payload: pattern(len), fin: false });
const more = (len: number): FrameSpec => ({ opcode: CONTINUE, payload: pattern(len), fin: false });
const last = (len = 0): FrameSpec => ({ opcode: CONTINUE, payload: pattern(len) });

/** A server whose incomplete messages may have `maxWsPending` bytes together. */
async function startSmall(uri: Partial<HttpdUri> = {}, maxWsPending = MAX) {
  const { handler, seen } = collector();
  const { ended, wsCloseCb } = endLog();
  const ws = await startWs({ wsMessageMode: true, handler, wsCloseCb, ...uri }, { maxWsPending });
  return { ...ws, seen, ended };
}

/** Is there room for `len` bytes, and not for one more? */
async function expectRoom(open: () => Promise<WsRawClient>, len: number): Promise<void> {
  const ws = await open();
  ws.send(begin(len));
  await expectSilence(ws);
  ws.send(more(1));
  await expectClosed(ws, 1013);
  ws.destroy();
}

describe('maxWsPending', () => {
  test('bounds the incomplete messages of all connections together: the one that goes beyond gets 1013', async () => {
    const { open, seen, ended } = await startSmall();
    const [a, b, c] = [await open(), await open(), await open()];
    a.send(begin(6_000));
    b.send(begin(3_000));
    await expectSilence(a);
    await expectSilence(b);
    c.send(begin(1_001));
    await expectClosed(c, 1013);
    c.destroy();
    await until(() => expect(ended).toMatchObject([{ code: 1006, wasClean: false }]));
    // the others go on, up to the last byte
    b.send(more(1_000));
    await expectSilence(b);
    b.send(last());
    await expectSilence(b);
    a.send(last(4_000));
    await expectSilence(a);
    expect(seen.map(({ payload }) => payload.length)).toEqual([4_000, 10_000]);
  });

  test('does not count what is handed over frame by frame, nor short whole messages', async () => {
    const { open, seen } = await startSmall({ wsMessageMode: false }, 1_024);
    const ws = await open();
    ws.send(begin(20_000), last(20_000));
    await expectSilence(ws);
    expect(seen).toHaveLength(2);
    const other = await startSmall({}, 1_024);
    const whole = await other.open();
    whole.send({ opcode: BINARY, payload: pattern(16_384) });
    await expectSilence(whole);
    expect(other.seen).toHaveLength(1);
  });

  test('counts a long message in one frame too', async () => {
    const { open } = await startSmall({}, 20_000);
    const ws = await open();
    ws.send({ opcode: BINARY, payload: pattern(20_000) });
    await expectSilence(ws);
    ws.send({ opcode: BINARY, payload: pattern(20_001) });
    await expectClosed(ws, 1013);
  });

  test('counts what a compressed message inflates to, and its inflater', async () => {
    const { open, seen } = await startSmall({ wsPerMessageDeflate: true }, MAX + INFLATER);
    const message = (len: number) => ({ opcode: TEXT, payload: compress(Buffer.alloc(len, 'ab')), ...COMPRESSED });
    const ws = await open(OFFER);
    for (let i = 0; i < 3; i++) ws.send(message(MAX));
    await expectSilence(ws);
    expect(seen.map(({ payload }) => payload.length)).toEqual([MAX, MAX, MAX]);
    ws.send(message(MAX + 1));
    await expectClosed(ws, 1013);
  });

  test.each<[name: string, end: (ws: WsRawClient) => unknown]>([
    ['the message was delivered', ws => ws.send(last(10))],
    ['the peer closed', ws => ws.send({ opcode: CLOSE, payload: closeBody(1000) }).raw.end()],
    ['the peer reset the connection', ws => ws.raw.reset()],
    ['the peer just left', ws => ws.raw.end()],
    ['the peer broke a rule', ws => ws.send({ opcode: TEXT }).raw.end()],
  ])('all of it is there again when %s', async (_name, end) => {
    const { open, seen, ended } = await startSmall();
    const ws = await open();
    ws.send(begin(9_000));
    await expectSilence(ws);
    end(ws);
    await until(() => expect(seen.length + ended.length).toBe(1));
    await expectRoom(open, MAX);
  });

  test('all of it is there again behind messages that were received in part, in packets, or not at all', async () => {
    const { open } = await startSmall({ wsMaxPacketLen: 700, handler: onFrame(() => undefined) });
    const ws = await open();
    for (let i = 0; i < 20; i++) ws.send(begin(5_000), more(0), last(4_321));
    await expectSilence(ws);
    // no packet may be full, or it is handed over
    for (let i = 0; i < 14; i++) {
      const other = await open();
      other.send(begin(699));
      await expectSilence(other);
    }
    await expectRoom(open, MAX - 14 * 699);
  });

  test('all of it is there again when the session ends under a handler that has not received its message', async () => {
    const gate = deferred();
    const entered = deferred();
    const { open, ended } = await startSmall({
      handler: onFrame(async () => {
        entered.resolve();
        await gate.promise;
      }),
    });
    const ws = await open();
    ws.send(begin(9_000), last());
    await entered.promise;
    ws.raw.reset();
    await until(() => expect(ended).toHaveLength(1));
    await expectRoom(open, MAX);
    gate.resolve();
    await turns();
    await expectRoom(open, MAX);
  });

  test('all of it is there again behind compressed messages that were broken, or too long', async () => {
    const { open, ended } = await startSmall({ wsPerMessageDeflate: true, wsMaxMessageLen: 1_000 }, INFLATER + 500);
    const broken: FrameSpec[] = [
      { opcode: BINARY, payload: Buffer.of(0xff, 0xff, 0xff), ...COMPRESSED },
      { opcode: BINARY, payload: compress(Buffer.alloc(100_000)), ...COMPRESSED },
      { opcode: TEXT, payload: compress(Buffer.of(0xff)), ...COMPRESSED },
    ];
    for (const frame of broken) {
      const ws = await open(OFFER);
      ws.send(frame);
      await ws.closed();
      ws.destroy();
    }
    await until(() => expect(ended).toHaveLength(3));
    const ws = await open(OFFER);
    ws.send({ opcode: BINARY, payload: compress(Buffer.alloc(500)), ...COMPRESSED });
    await expectSilence(ws);
  });
});
