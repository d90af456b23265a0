import { describe, expect, test } from 'vitest';
import { ESP_FAIL } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { BINARY, CLOSE, CONTINUE, closeBody, hex, PING, PONG, TEXT } from '../support/ws_frames.js';
import {
  collector,
  deferred,
  expectClosed,
  foreignClient,
  onFrame,
  pattern,
  recvAll,
  startWs,
  until,
} from './ws_server.js';

describe('a ping', () => {
  test.each([0, 1, 124, 125])('of %i bytes is answered by a pong with the same payload', async size => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: PING, payload: pattern(size) });
    const frame = await ws.readFrame();
    expect([frame.opcode, frame.fin, frame.masked]).toEqual([PONG, true, false]);
    expect(Buffer.compare(frame.payload, pattern(size))).toBe(0);
  });

  test('never reaches the handler', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send({ opcode: PING, payload: 'p' }, { opcode: TEXT, payload: 'x' });
    await until(() => expect(seen).toHaveLength(1));
    expect(seen[0]?.payload.toString()).toBe('x');
  });

  test('between the fragments of a message is answered at once', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'one ', fin: false }, { opcode: PING, payload: 'p' });
    expect((await ws.readFrame()).bytes.toString('latin1')).toBe('\x8a\x01p');
    ws.send({ opcode: CONTINUE, payload: 'two' });
    await until(() => expect(seen).toHaveLength(2));
    expect(seen.map(({ type, payload }) => [type, payload.toString()])).toEqual([
      [TEXT, 'one '],
      [CONTINUE, 'two'],
    ]);
  });

  test('between other frames is answered in its place', async () => {
    const { open } = await startWs();
    const ws = await open();
    ws.send(
      { opcode: TEXT, payload: 'a' },
      { opcode: PING, payload: '1' },
      { opcode: BINARY, payload: Buffer.alloc(20_000) },
      { opcode: PING, payload: '2' },
      { opcode: TEXT, payload: 'b' },
    );
    const opcodes: number[] = [];
    for (let i = 0; i < 5; i++) opcodes.push((await ws.readFrame()).opcode);
    expect(opcodes).toEqual([TEXT, PONG, BINARY, PONG, TEXT]);
  });

  test('waits while a handler of its session runs', async () => {
    const gate = deferred();
    const { open } = await startWs({
      handler: onFrame(async req => {
        await gate.promise;
        await req.wsSendFrame(wsFrame({ type: TEXT, payload: 'first' }));
      }),
    });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'x' }, { opcode: PING, payload: 'p' });
    gate.resolve();
    expect([(await ws.readFrame()).text, (await ws.readFrame()).text]).toEqual(['first', 'p']);
  });

  test('of the ws client gets its pong', async () => {
    const { server } = await startWs();
    const ws = foreignClient(server.port);
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    const pong = new Promise<Buffer>(resolve => ws.once('pong', resolve));
    ws.ping('there?');
    expect((await pong).toString()).toBe('there?');
    ws.terminate();
  });
});

describe('a pong that the server has not asked for', () => {
  test('reaches the handler in frame mode, as in ESP-IDF since 5.4', async () => {
    const { open } = await startWs();
    const ws = await open();
    ws.raw.send(hex('8a 81 01 02 03 04 71'));
    expect((await ws.readFrame()).bytes).toEqual(hex('8a 01 70'));
  });

  test('reaches it between fragments too, which go on behind it', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send(
      { opcode: PONG, payload: pattern(125) },
      { opcode: TEXT, payload: 'a', fin: false },
      { opcode: PONG },
      { opcode: CONTINUE, payload: 'b' },
    );
    await until(() => expect(seen).toHaveLength(4));
    expect(seen.map(({ type, final, fragmented, payload }) => [type, final, fragmented, payload.length])).toEqual([
      [PONG, true, false, 125],
      [TEXT, false, true, 1],
      [PONG, true, false, 0],
      [CONTINUE, true, true, 1],
    ]);
  });

  test('answers a Ping that the handler has sent', async () => {
    const { handler, seen } = collector();
    const { open, server } = await startWs({ handler });
    const ws = await open();
    const [fd] = server.getClientList() as [number];
    void server.wsSendFrameAsync(fd, wsFrame({ type: PING, payload: '' }));
    expect((await ws.readFrame()).opcode).toBe(PING);
    ws.send({ opcode: PONG });
    await until(() => expect(seen).toHaveLength(1));
    expect(seen[0]?.type).toBe(PONG);
  });

  test('stays inside in message mode', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler, wsMessageMode: true });
    const ws = await open();
    ws.send({ opcode: PONG, payload: 'q' }, { opcode: TEXT, payload: 'x' });
    await until(() => expect(seen).toHaveLength(1));
    expect(seen[0]?.type).toBe(TEXT);
  });

  test('stays inside when a Close has gone', async () => {
    const { handler, seen } = collector();
    const { open, server } = await startWs({ handler });
    const ws = await open();
    const [fd] = server.getClientList() as [number];
    server.wsClose(fd);
    ws.send({ opcode: PONG, payload: 'q' }, { opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(ws, 1000);
    expect(seen).toEqual([]);
  });
});

describe('handleWsControlFrames', () => {
  /** A handler that notes each frame and does what `answer` says. */
  async function startControl(answer: (type: number, payload: Uint8Array) => unknown = () => undefined) {
    const seen: [number, string][] = [];
    const ws = await startWs({
      handleWsControlFrames: true,
      handler: async req => {
        if (req.method === HTTP_GET) return undefined;
        const { type, payload } = await recvAll(req);
        seen.push([type, Buffer.from(payload).toString('latin1')]);
        const result = await answer(type, payload);
        if (typeof result === 'number') return result;
        if (result !== undefined) await req.wsSendFrame(wsFrame(result as object));
        return undefined;
      },
    });
    return { ...ws, seen };
  }

  test('gives ping, pong and Close to the handler, as they came', async () => {
    const { open, seen } = await startControl();
    const ws = await open();
    ws.send(
      { opcode: PING, payload: 'hi' },
      { opcode: PONG },
      { opcode: TEXT, payload: 'x' },
      { opcode: CLOSE, payload: closeBody(1000, 'bye') },
    );
    await until(() => expect(seen).toHaveLength(4));
    expect(seen).toEqual([
      [PING, 'hi'],
      [PONG, ''],
      [TEXT, 'x'],
      [CLOSE, '\x03\xe8bye'],
    ]);
  });

  test('leaves the pong to the handler', async () => {
    const { open } = await startControl(type => (type === PING ? { type: PONG, payload: 'mine' } : { type: TEXT }));
    const ws = await open();
    ws.send({ opcode: PING, payload: 'theirs' }, { opcode: TEXT, payload: 'x' });
    expect((await ws.readFrame()).bytes.toString('latin1')).toBe('\x8a\x04mine');
    expect((await ws.readFrame()).opcode).toBe(TEXT);
  });

  test('sends no pong if the handler does not', async () => {
    const { open } = await startControl(type => (type === TEXT ? { type: TEXT, payload: 'x' } : undefined));
    const ws = await open();
    ws.send({ opcode: PING, payload: 'p' }, { opcode: TEXT, payload: 'x' });
    expect((await ws.readFrame()).opcode).toBe(TEXT);
  });

  test('lets the handler answer a Close itself', async () => {
    const { open } = await startControl(type =>
      type === CLOSE ? { type: CLOSE, payload: closeBody(4321) } : undefined,
    );
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(ws, 4321);
  });

  test('echoes a Close that the handler leaves, with its code', async () => {
    const { open } = await startControl();
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(4000, 'why') });
    await expectClosed(ws, 4000);
  });

  test.each<[string, () => unknown]>([
    ['returns ESP_FAIL', () => ESP_FAIL],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('answers a Close even if its handler %s', async (_name, fail) => {
    const { open } = await startControl(fail);
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(1000) });
    const frame = await ws.readFrame();
    expect(frame.opcode).toBe(CLOSE);
    expect([1000, 1011]).toContain(frame.code);
    expect(await ws.closed()).toBe('fin');
  });

  test('calls no handler for a Close that is wrong', async () => {
    const { open, seen } = await startControl();
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(1005) });
    await expectClosed(ws, 1002);
    expect(seen).toEqual([]);
  });

  test('calls no handler for frames behind a Close', async () => {
    const gate = deferred();
    const { open, seen } = await startControl(async () => {
      await gate.promise;
    });
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(1000) }, { opcode: TEXT, payload: 'x' }, { opcode: PING });
    await until(() => expect(seen).toHaveLength(1));
    gate.resolve();
    await expectClosed(ws, 1000);
    expect(seen).toEqual([[CLOSE, '\x03\xe8']]);
  });
});
