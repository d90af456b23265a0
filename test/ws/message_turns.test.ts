import { constants, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { BINARY } from '../support/ws_frames.js';
import { type onFrame, startWs, until } from './ws_server.js';

test('a few bytes that inflate to very many packets do not hold up the loop', async () => {
  const LEN = 5_000;
  let calls = 0;
  const callsInTurn: number[] = [];
  const { open, clock } = await startWs({
    wsMessageMode: true,
    wsMaxPacketLen: 1,
    wsPerMessageDeflate: true,
    // not asynchronous: nothing but the budget of a turn ends it
    handler: onFrameSync(() => {
      calls += 1;
      clock.hold(0.01);
    }),
  });
  const ws = await open({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
  let before = 0;
  const count = (): void => {
    callsInTurn.push(calls - before);
    before = calls;
    if (calls < LEN) setImmediate(count);
  };
  setImmediate(count);
  const bomb = deflateRawSync(Buffer.alloc(LEN), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4);
  ws.send({ opcode: BINARY, payload: bomb, rsv: 4 });
  await until(() => expect(calls).toBe(LEN));
  // 2 ms for what has come, and for who has waited
  expect(Math.max(...callsInTurn)).toBeLessThanOrEqual(500);
});

test('messages that inflate to very much are looked at in several turns', async () => {
  const turnsOf: number[] = [];
  let turn = 0;
  const { open, clock } = await startWs({
    wsPerMessageDeflate: true,
    handler: onFrameSync(() => {
      turnsOf.push(turn);
      // as long as a machine might take for it
      clock.hold(10);
    }),
  });
  const ws = await open({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
  const count = (): void => {
    turn += 1;
    if (turnsOf.length < 8) setImmediate(count);
  };
  setImmediate(count);
  const payload = deflateRawSync(Buffer.alloc(8 * 1024 * 1024), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(
    0,
    -4,
  );
  ws.send(...Array.from({ length: 8 }, () => ({ opcode: BINARY, payload, rsv: 4 })));
  await until(() => expect(turnsOf).toHaveLength(8));
  // the clock is looked at behind each of these
  expect(new Set(turnsOf).size).toBeGreaterThanOrEqual(4);
});

function onFrameSync(fn: () => void): ReturnType<typeof onFrame> {
  return (req => {
    if (req.method !== 1) fn();
  }) as ReturnType<typeof onFrame>;
}
