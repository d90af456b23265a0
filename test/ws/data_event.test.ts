/** The event 'data' of WebSockets counts what has come, and not what a header announces. */
import { describe, expect, test } from 'vitest';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { BINARY, buildFrame, CONTINUE, TEXT } from '../support/ws_frames.js';
import { collector, echo, onFrame, pattern, startWs, until } from './ws_server.js';

const sum = (lens: readonly number[]) => lens.reduce((total, len) => total + len, 0);

async function startCounting(uri: Parameters<typeof startWs>[0]) {
  const ws = await startWs(uri);
  const lens: number[] = [];
  ws.server.on('data', ({ dataLen }) => lens.push(dataLen));
  return { ...ws, lens };
}

describe("the event 'data'", () => {
  test.each([0, 1, 16_384, 16_385, 200_000])('of a frame of %i bytes adds up to them', async size => {
    const { open, lens } = await startCounting({ handler: echo });
    const ws = await open();
    ws.send({ opcode: BINARY, payload: pattern(size) });
    expect((await ws.readFrame()).payload).toHaveLength(size);
    expect(sum(lens)).toBe(size);
  });

  test('of a long frame whose end never comes counts what has come', async () => {
    const { open, lens, server } = await startCounting({
      handler: onFrame(req => req.wsRecvFrame(wsFrame(), 200_000)),
    });
    const ws = await open();
    const frame = buildFrame({ opcode: BINARY, payload: pattern(200_000) });
    const headLen = frame.length - 200_000;
    ws.raw.send(frame.subarray(0, headLen + 50_000));
    await until(() => expect(sum(lens)).toBe(50_000));
    ws.raw.end();
    await until(() => expect(server.getClientList()).toEqual([]));
    expect(sum(lens)).toBe(50_000);
  });

  test('of a long frame that nobody receives counts nothing', async () => {
    const { open, lens } = await startCounting({
      handler: onFrame(async req => {
        const pkt = wsFrame();
        await req.wsRecvFrame(pkt, 0);
        if (pkt.type === TEXT) await echo(req);
      }),
    });
    const ws = await open();
    ws.send({ opcode: BINARY, payload: pattern(50_000) }, { opcode: TEXT, payload: 'abc' });
    expect((await ws.readFrame()).text).toBe('abc');
    expect(lens).toEqual([3]);
  });

  test('of a joined message counts its packets', async () => {
    const { handler, seen } = collector();
    const { open, lens } = await startCounting({ handler, wsMessageMode: true });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'ab', fin: false }, { opcode: CONTINUE, payload: 'c' });
    await until(() => expect(seen).toHaveLength(1));
    expect(lens).toEqual([3]);
  });
});
