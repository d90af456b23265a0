import { describe, expect, test } from 'vitest';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { connectTo } from '../support/server.js';
import { buildFrame, CLOSE, closeBody, handshakeRequest, PING, TEXT } from '../support/ws_frames.js';
import {
  collector,
  deferred,
  errorOf,
  expectClosed,
  foreignClient,
  onFrame,
  pattern,
  quiet,
  startWs,
  until,
} from './ws_server.js';

describe('a Close of the client', () => {
  const VALID = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
  test.each(VALID)('with code %i is answered with the same code, then the TCP connection is closed', async code => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(code) });
    const frame = await expectClosed(ws, code);
    expect([frame.fin, frame.masked]).toEqual([true, false]);
  });

  const INVALID = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
  test.each(INVALID)('with code %i, which must not be sent, ends with 1002', async code => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(code) });
    await expectClosed(ws, 1002);
  });

  test('without a code is answered without one', async () => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: CLOSE });
    const { payload } = await expectClosed(ws, undefined);
    expect(payload).toHaveLength(0);
  });

  test('with one byte ends with 1002', async () => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: Buffer.from([0x03]) });
    await expectClosed(ws, 1002);
  });

  test.each([
    ['a short reason', 'bye'],
    ['a reason beyond ASCII', 'tschüß 😀'],
    ['the longest reason', 'r'.repeat(123)],
  ])('with %s is answered with its code', async (_name, reason) => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(1001, reason) });
    await expectClosed(ws, 1001);
  });

  test.each([
    ['a byte that can not be', [0xff]],
    ['half a character', [0xe2, 0x82]],
    ['an overlong form', [0xc0, 0x80]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
  ])('with a reason that is not UTF-8 (%s) ends with 1007', async (_name, bytes) => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: Buffer.concat([closeBody(1000, 'ok'), Buffer.from(bytes)]) });
    await expectClosed(ws, 1007);
  });

  test('is the last that is looked at: what follows is ignored', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send(
      { opcode: TEXT, payload: 'before' },
      { opcode: CLOSE, payload: closeBody(1000) },
      { opcode: TEXT, payload: 'behind' },
      { opcode: PING, payload: 'behind' },
      { opcode: CLOSE, payload: closeBody(4000) },
      Buffer.alloc(100_000, 0xff),
    );
    await expectClosed(ws, 1000);
    expect(seen.map(({ payload }) => payload.toString())).toEqual(['before']);
  });

  test('is answered behind what the handler has sent before', async () => {
    const { open } = await startWs();
    const ws = await open();
    ws.send({ opcode: TEXT, payload: pattern(70_000).toString('hex') }, { opcode: CLOSE, payload: closeBody(1000) });
    expect((await ws.readFrame()).payload).toHaveLength(140_000);
    await expectClosed(ws, 1000);
  });

  test('in the middle of a message ends it', async () => {
    const { handler, seen } = collector();
    const { open } = await startWs({ handler });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'half', fin: false }, { opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(ws, 1000);
    expect(seen).toHaveLength(1);
  });

  test('byte by byte is answered the same', async () => {
    const { open } = await startWs();
    const ws = await open();
    const bytes = buildFrame({ opcode: CLOSE, payload: closeBody(4000, 'bye') });
    await ws.raw.sendPieces([...bytes].map(byte => Buffer.from([byte])));
    await expectClosed(ws, 4000);
  });

  test('ends the session: closeFn once, and the fd is gone', async () => {
    const closed: number[] = [];
    const { open, server } = await startWs({}, { closeFn: (_server, fd) => closed.push(fd) });
    const ws = await open();
    const [fd = -1] = server.getClientList();
    ws.send({ opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(ws, 1000);
    ws.raw.end();
    await until(() => expect(closed).toEqual([fd]));
    expect(server.getClientList()).toEqual([]);
    expect(await errorOf(() => server.sessTriggerClose(fd))).toBe('ESP_ERR_NOT_FOUND');
  });

  test('whose sender keeps the TCP connection open ends the session all the same, and its socket after a while', async () => {
    const closed: number[] = [];
    const { server, open, clock } = await startWs({}, { closeFn: (_server, fd) => closed.push(fd) });
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(ws, 1000);
    expect(closed).toHaveLength(1);
    expect(server.getStats().sessions.now.closing).toBe(1);
    clock.advance(10_000);
    expect(server.getStats().sessions.now.closing).toBe(0);
  });

  test('of the ws client is a clean one', async () => {
    const { server } = await startWs();
    const ws = foreignClient(server.port);
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    const closed = new Promise<number>(resolve => ws.once('close', resolve));
    ws.close(4242, 'bye');
    expect(await closed).toBe(4242);
  });
});

describe('sessTriggerClose', () => {
  test('sends Close 1000 and waits for the Close of the client', async () => {
    const closed: number[] = [];
    const { open, server, clock } = await startWs({}, { closeFn: (_server, fd) => closed.push(fd) });
    const ws = await open();
    const [fd = -1] = server.getClientList();
    server.sessTriggerClose(fd);
    expect((await ws.readFrame()).code).toBe(1000);
    clock.advance(4_000);
    ws.send({ opcode: TEXT, payload: 'on its way' });
    expect(ws.raw.over).toBe(false);
    expect(closed).toEqual([]);
    ws.send({ opcode: CLOSE, payload: closeBody(1000) });
    expect(await ws.closed()).toBe('fin');
    expect(ws.raw.received).toHaveLength(0);
    ws.raw.end();
    await until(() => expect(closed).toEqual([fd]));
  });

  test('gives up after recvWaitTimeout if the client does not answer', async () => {
    const closed: number[] = [];
    const { open, server, clock } = await startWs(
      {},
      { recvWaitTimeout: 3, closeFn: (_server, fd) => closed.push(fd) },
    );
    const ws = await open();
    quiet(clock);
    const [fd = -1] = server.getClientList();
    server.sessTriggerClose(fd);
    expect((await ws.readFrame()).code).toBe(1000);
    clock.advance(2_000);
    expect(ws.raw.over).toBe(false);
    clock.advance(2_000);
    expect(await ws.closed()).toBe('fin');
    ws.raw.end();
    await until(() => expect(closed).toEqual([fd]));
  });

  test('a client that goes on sending does not put that off', async () => {
    const { open, server, clock } = await startWs({}, { recvWaitTimeout: 3 });
    const ws = await open();
    quiet(clock);
    const [fd = -1] = server.getClientList();
    server.sessTriggerClose(fd);
    await ws.readFrame();
    for (let i = 0; i < 4; i++) {
      ws.send({ opcode: TEXT, payload: 'and another thing' }, { opcode: PING });
      await new Promise(resolve => setImmediate(resolve));
      clock.advance(1_000);
    }
    expect(await ws.closed()).toBe('fin');
    expect(ws.raw.received).toHaveLength(0);
  });

  test('a second one changes nothing', async () => {
    const { open, server } = await startWs();
    const ws = await open();
    const [fd = -1] = server.getClientList();
    server.sessTriggerClose(fd);
    server.sessTriggerClose(fd);
    ws.send({ opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(ws, 1000);
  });

  test('crossing with a Close of the client sends one Close', async () => {
    const { open, server } = await startWs();
    const ws = await open();
    const [fd = -1] = server.getClientList();
    ws.send({ opcode: CLOSE, payload: closeBody(4000) });
    server.sessTriggerClose(fd);
    await expectClosed(ws, 1000);
  });

  test('in a handler sends Close behind what the handler has sent', async () => {
    const { open, server } = await startWs({
      handler: onFrame(async req => {
        await req.wsSendFrame(wsFrame({ type: TEXT, payload: 'last words' }));
        server.sessTriggerClose(req.toSockfd());
      }),
    });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'x' });
    expect((await ws.readFrame()).text).toBe('last words');
    expect((await ws.readFrame()).code).toBe(1000);
  });

  test('during an asynchronous handshake check ends the session too', async () => {
    const gate = deferred();
    const entered = deferred<number>();
    const closed: number[] = [];
    const { server } = await startWs(
      {
        wsPreHandshakeCb: async req => {
          entered.resolve(req.toSockfd());
          await gate.promise;
        },
      },
      { closeFn: (_server, fd) => closed.push(fd) },
    );
    const client = await connectTo(server);
    client.send(handshakeRequest());
    const fd = await entered.promise;
    server.sessTriggerClose(fd);
    gate.resolve();
    // a refusal, or an upgrade followed by a Close: but not a WebSocket that lives on
    await client.readResponse();
    if (!client.over) client.send(Buffer.from('888000000000', 'hex'));
    await client.closed();
    client.end();
    await until(() => expect(closed).toEqual([fd]));
  });

  test.each([-1, 0, 999, Number.NaN])('of %j throws ESP_ERR_NOT_FOUND', async fd => {
    const { server } = await startWs();
    expect(await errorOf(() => server.sessTriggerClose(fd))).toBe('ESP_ERR_NOT_FOUND');
  });
});

test('a Close that closeFn of another session asks for has its deadline too: a silent peer is given up', async () => {
  const closed: number[] = [];
  let fd = 0;
  const { open, clock, server } = await startWs(
    {},
    {
      idleTimeout: 10,
      closeFn: (_server, ended) => {
        closed.push(ended);
        if (ended !== fd) server.sessTriggerClose(fd);
      },
    },
  );
  const ws = await open();
  fd = server.getClientList()[0] ?? 0;
  quiet(clock);
  // what ends it is the sweep, which has passed the WebSocket by then
  await connectTo(server);
  await until(() => expect(server.getClientList()).toHaveLength(2));
  await until(() => {
    clock.advance(1_000);
    expect(closed).toHaveLength(1);
  });
  expect((await ws.readFrame()).opcode).toBe(CLOSE);
  await until(() => {
    clock.advance(1_000);
    expect(closed).toHaveLength(2);
  });
  expect(closed[1]).toBe(fd);
  expect(server.getClientList()).toEqual([]);
});

test('the client gets the Close, not a reset, even if it has sent much that is not looked at', async () => {
  const { open } = await startWs();
  const ws = await open();
  ws.send(Buffer.from('8180', 'hex'), Buffer.alloc(4), Buffer.from([0xff]), Buffer.alloc(1_000_000, 0xaa));
  expect((await ws.readFrame()).bytes.toString('hex')).toBe('8100');
  await expectClosed(ws, 1002);
});

test('the server never sends a masked frame, whatever it answers', async () => {
  const { open } = await startWs();
  const ws = await open();
  ws.send({ opcode: TEXT, payload: 'x' }, { opcode: PING, payload: 'p' }, { opcode: CLOSE, payload: closeBody(1000) });
  for (let i = 0; i < 3; i++) expect((await ws.readFrame()).masked).toBe(false);
});
