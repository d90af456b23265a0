import { describe, expect, test } from 'vitest';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { connectTo, turn } from '../support/server.js';
import { BINARY, CLOSE, closeBody, handshakeRequest, TEXT } from '../support/ws_frames.js';
import { deferred, errorOf, foreignClient, onFrame, recvAll, startWs, until } from './ws_server.js';

/** Is the promise settled, once the loop has turned? */
async function isDone(promise: Promise<void>): Promise<boolean> {
  let done = false;
  void promise.then(() => {
    done = true;
  });
  for (let i = 0; i < 5; i++) await turn();
  return done;
}

describe('stop()', () => {
  test('sends Close 1001 to each WebSocket, waits for the echoes, and needs no clock then', async () => {
    const closed: number[] = [];
    const { server, open } = await startWs({}, { closeFn: (_server, fd) => closed.push(fd) });
    const clients = [await open(), await open(), await open()];
    const stopped = server.stop({ grace: 5 });
    for (const ws of clients) {
      const { opcode, code } = await ws.readFrame();
      expect([opcode, code]).toEqual([CLOSE, 1001]);
    }
    expect(await isDone(stopped)).toBe(false);
    for (const ws of clients) {
      ws.send({ opcode: CLOSE, payload: closeBody(1001) });
      expect(await ws.closed()).toBe('fin');
      ws.raw.end();
    }
    // the clock stands still
    await stopped;
    expect(closed).toHaveLength(3);
    expect(server.getClientList()).toEqual([]);
  });

  test('resolves without a clock when ws clients answer', async () => {
    const { server } = await startWs();
    const codes: number[] = [];
    for (let i = 0; i < 10; i++) {
      const ws = foreignClient(server.port);
      ws.on('close', code => codes.push(code));
      await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    }
    await server.stop();
    await until(() => expect(codes).toEqual(Array(10).fill(1001)));
  });

  test('ends those that do not answer after its grace', async () => {
    const closed: number[] = [];
    const { server, open, clock } = await startWs(
      {},
      { recvWaitTimeout: 60, closeFn: (_server, fd) => closed.push(fd) },
    );
    const silent = await open();
    const polite = await open();
    const stopped = server.stop({ grace: 3 });
    expect((await silent.readFrame()).code).toBe(1001);
    expect((await polite.readFrame()).code).toBe(1001);
    polite.send({ opcode: CLOSE, payload: closeBody(1001) });
    await polite.closed();
    polite.raw.end();
    await until(() => expect(closed).toHaveLength(1));
    clock.advance(2_900);
    expect(await isDone(stopped)).toBe(false);
    clock.advance(200);
    await stopped;
    expect(closed).toHaveLength(2);
    await silent.closed();
    expect(clock.running).toBe(0);
  });

  test('with a grace of 0 resets them at once, and closeFn is told of each', async () => {
    const closed: number[] = [];
    const { server, open, clock } = await startWs({}, { closeFn: (_server, fd) => closed.push(fd) });
    const clients = [await open(), await open()];
    const fds = server.getClientList();
    const stopped = server.stop({ grace: 0 });
    await turn();
    clock.advance(0);
    await stopped;
    expect([closed, server.getClientList(), clock.running]).toEqual([fds, [], 0]);
    // Close 1001 may have left before; FIN has not
    for (const ws of clients) expect(await ws.closed()).toBe('reset');
  });

  test('lets a running handler end and send, then closes', async () => {
    const gate = deferred();
    const entered = deferred();
    const outcomes: string[] = [];
    const { server, open } = await startWs({
      handler: onFrame(async req => {
        entered.resolve();
        const frame = await recvAll(req);
        await gate.promise;
        outcomes.push(await errorOf(() => req.wsSendFrame(frame)));
      }),
    });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'work' });
    await entered.promise;
    const stopped = server.stop();
    expect(await isDone(stopped)).toBe(false);
    gate.resolve();
    const frames = [await ws.readFrame()];
    if (frames[0]?.opcode !== CLOSE) frames.push(await ws.readFrame());
    expect(frames.at(-1)?.code).toBe(1001);
    if (!ws.raw.over) ws.send({ opcode: CLOSE, payload: closeBody(1001) });
    await ws.closed();
    ws.raw.end();
    await stopped;
    expect(outcomes).toHaveLength(1);
    // either its answer was sent before the Close, or it was told that it was not
    expect(outcomes[0]).toBe(frames.length === 2 ? 'none' : 'ESP_ERR_INVALID_STATE');
  });

  test('does not leave a handshake that is being checked alive', async () => {
    const gate = deferred();
    const entered = deferred();
    const { server } = await startWs({
      wsPreHandshakeCb: async () => {
        entered.resolve();
        await gate.promise;
      },
    });
    const client = await connectTo(server);
    client.send(handshakeRequest());
    await entered.promise;
    const stopped = server.stop();
    await turn();
    gate.resolve();
    const { status } = await client.readResponse();
    if (status === 101) {
      expect((await client.readUntil(4)).toString('hex')).toBe('880203e9');
      client.send(Buffer.from('888200000000', 'hex')).send(closeBody(1001));
    }
    await client.closed();
    client.end();
    // and all that without the clock
    await stopped;
  });

  test('sends what is queued before the Close', async () => {
    const { server, open } = await startWs();
    const ws = await open();
    const [fd = -1] = server.getClientList();
    for (let i = 0; i < 100; i++) {
      void server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload: Buffer.alloc(10_000, i) }));
    }
    const stopped = server.stop();
    for (let i = 0; i < 100; i++) {
      expect(Buffer.compare((await ws.readFrame()).payload, Buffer.alloc(10_000, i))).toBe(0);
    }
    expect((await ws.readFrame()).code).toBe(1001);
    ws.send({ opcode: CLOSE, payload: closeBody(1001) });
    await ws.closed();
    ws.raw.end();
    await stopped;
  });

  test('calls no handler for frames that come after its Close', async () => {
    const texts: string[] = [];
    const { server, open } = await startWs({
      handler: onFrame(async req => {
        texts.push(Buffer.from((await recvAll(req)).payload).toString());
      }),
    });
    const ws = await open();
    const stopped = server.stop();
    expect((await ws.readFrame()).code).toBe(1001);
    ws.send({ opcode: TEXT, payload: 'late' }, { opcode: BINARY, payload: Buffer.alloc(50_000) });
    ws.send({ opcode: CLOSE, payload: closeBody(1001) });
    await ws.closed();
    ws.raw.end();
    await stopped;
    expect(texts).toEqual([]);
  });

  test('refuses sends, works and connections afterwards', async () => {
    const { server, open } = await startWs();
    const ws = await open();
    const [fd = -1] = server.getClientList();
    const { port } = server;
    const stopped = server.stop();
    ws.send({ opcode: CLOSE, payload: closeBody(1001) });
    await ws.closed();
    ws.raw.end();
    await stopped;
    expect(await errorOf(() => server.wsSendFrameAsync(fd, wsFrame({ type: TEXT })))).toBe('ESP_ERR_NOT_FOUND');
    expect(await errorOf(() => server.wsSendDataAsync(fd, wsFrame({ type: TEXT })))).toBe('ESP_ERR_INVALID_STATE');
    const late = foreignClient(port);
    const error = await new Promise<NodeJS.ErrnoException>(resolve => late.once('error', resolve));
    expect(error.code).toBe('ECONNREFUSED');
  });
});
