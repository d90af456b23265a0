import { describe, expect, test } from 'vitest';
import { buildFrame, CLOSE, CONTINUE, closeBody, PING, PONG, TEXT } from '../support/ws_frames.js';
import { startWs } from './ws_server.js';
import { endLog, expectSilence, pass, turns } from './ws_watch.js';

const TEXT_FRAME = buildFrame({ opcode: TEXT, payload: 'whole' });

describe('a loop that was held up cuts off nobody who was in time:', () => {
  test('a Pong that the kernel has', async () => {
    const { ended, wsCloseCb } = endLog();
    const { open, clock } = await startWs({ wsPingInterval: 30, wsPongTimeout: 10, wsCloseCb });
    const ws = await open();
    await pass(clock, 31);
    expect((await ws.readFrame()).opcode).toBe(PING);
    ws.send({ opcode: PONG });
    clock.hold(60_000);
    // the timer comes first, then what the sockets have
    clock.advance(0);
    await turns();
    await pass(clock, 5);
    expect(ended).toEqual([]);
    await expectSilence(ws);
  });

  test('the rest of a frame, and of a message', async () => {
    const { open, clock } = await startWs({ wsMessageMode: true });
    const ws = await open();
    ws.send(TEXT_FRAME.subarray(0, 3));
    await turns();
    clock.hold(60_000);
    clock.advance(0);
    ws.send(TEXT_FRAME.subarray(3));
    expect((await ws.readFrame()).text).toBe('whole');
    ws.send({ opcode: TEXT, payload: 'a', fin: false });
    await turns();
    await pass(clock, 2);
    clock.hold(120_000);
    clock.advance(0);
    ws.send({ opcode: CONTINUE, payload: 'b' });
    expect((await ws.readFrame()).text).toBe('ab');
  });

  test('but who is late for a whole tick more', async () => {
    const { ended, wsCloseCb } = endLog();
    const { open, clock } = await startWs({ wsPingInterval: 30, wsPongTimeout: 10, wsCloseCb });
    const ws = await open();
    await pass(clock, 31);
    expect((await ws.readFrame()).opcode).toBe(PING);
    for (let i = 0; i < 2; i++) {
      clock.hold(60_000);
      clock.advance(0);
      await turns();
    }
    expect(ended).toMatchObject([{ code: 1006 }]);
  });
});

test('a Ping that dribbles is no data: wsInactivityTimeout comes all the same', async () => {
  const { open, clock } = await startWs({ wsInactivityTimeout: 10 });
  const ws = await open();
  const ping = buildFrame({ opcode: PING, payload: 'x'.repeat(100) });
  let at = 0;
  await pass(clock, 14, () => {
    ws.raw.send(ping.subarray(at, at + 2));
    at += 2;
  });
  const frame = await ws.readFrame();
  expect([frame.opcode, frame.code]).toEqual([CLOSE, 1008]);
  ws.send({ opcode: CLOSE, payload: closeBody(1008) });
});
