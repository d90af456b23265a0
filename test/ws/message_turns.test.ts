import { constants, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { BINARY } from '../support/ws_frames.js';
import { type onFrame, startWs, until } from './ws_server.js';

test('a few bytes that inflate to very many packets do not hold up the loop', async () => {
  const LEN = 20_000;
  let calls = 0;
  const callsInTurn: number[] = [];
  const { open } = await startWs({
    wsMessageMode: true,
    wsMaxPacketLen: 1,
    wsPerMessageDeflate: true,
    // not asynchronous: nothing but the budget of a turn ends it
    handler: onFrameSync(() => {
      calls += 1;
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
  expect(Math.max(...callsInTurn)).toBeLessThanOrEqual(4_000);
});

function onFrameSync(fn: () => void): ReturnType<typeof onFrame> {
  return (req => {
    if (req.method !== 1) fn();
  }) as ReturnType<typeof onFrame>;
}
