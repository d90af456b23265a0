import { describe, expect, test } from 'vitest';
import { ESP_ERR_INVALID_SIZE, ESP_FAIL, ESP_OK, EspError } from '../../src/err.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { connectTo } from '../support/server.js';
import { BINARY, buildFrame, CLOSE, closeBody, handshakeRequest, PING, TEXT } from '../support/ws_frames.js';
import { deferred, echo, errorOf, expectClosed, onFrame, pattern, quiet, startWs, until } from './ws_server.js';

const thrower = (thrown: unknown) => () => {
  throw thrown;
};

describe.each([
  ['short', 10],
  ['long', 100_000],
])('a handler of a %s frame', (_kind, size) => {
  test.each<[string, number, () => unknown]>([
    ['returns ESP_FAIL', 1011, () => ESP_FAIL],
    ['resolves to ESP_FAIL', 1011, async () => ESP_FAIL],
    ['returns another error number', 1011, () => 0x105],
    ['returns a string', 1011, () => 'ok'],
    ['returns false', 1011, () => false],
    ['throws', 1011, thrower(new Error('no'))],
    ['throws undefined', 1011, thrower(undefined)],
    ['throws null', 1011, thrower(null)],
    ['rejects', 1011, () => Promise.reject(new Error('no'))],
    ['rejects with undefined', 1011, () => Promise.reject()],
    ['rejects after a while', 1011, () => new Promise((_, reject) => setImmediate(reject, new Error('no')))],
    ['throws ESP_ERR_INVALID_SIZE', 1009, thrower(new EspError(ESP_ERR_INVALID_SIZE, 'no'))],
    ['throws another EspError', 1011, thrower(new EspError(ESP_FAIL, 'no'))],
  ])('that %s ends the session with %i', async (_name, code, fail) => {
    const closed: number[] = [];
    let calls = 0;
    const { open, server } = await startWs(
      {
        // not async, so that a throw is one
        handler: req => {
          if (req.method === 1) return undefined;
          calls += 1;
          return fail() as ReturnType<HttpdUri['handler']>;
        },
      },
      { closeFn: (_server, fd) => closed.push(fd) },
    );
    const ws = await open();
    ws.send({ opcode: BINARY, payload: pattern(size) }, { opcode: TEXT, payload: 'not looked at any more' });
    await expectClosed(ws, code);
    ws.raw.end();
    await until(() => expect(closed).toHaveLength(1));
    expect(calls).toBe(1);
    expect(server.getClientList()).toEqual([]);
  });

  test('that leaves ESP_ERR_INVALID_SIZE uncaught ends the session with 1009', async () => {
    const { open } = await startWs({ handler: onFrame(req => req.wsRecvFrame(wsFrame(), 5)) });
    const ws = await open();
    ws.send({ opcode: BINARY, payload: pattern(size) });
    await expectClosed(ws, 1009);
  });

  test.each([
    ['undefined', undefined],
    ['ESP_OK', ESP_OK],
  ])('that returns %s keeps it', async (_name, result) => {
    let calls = 0;
    const { open } = await startWs({
      handler: () => {
        calls += 1;
        return result;
      },
    });
    const ws = await open();
    ws.send({ opcode: BINARY, payload: pattern(size) }, { opcode: PING, payload: 'p' });
    expect((await ws.readFrame()).text).toBe('p');
    expect(calls).toBe(2);
  });

  test('that fails harms no other session', async () => {
    const { open } = await startWs({
      handler: async req => {
        if (req.method === 1) return undefined;
        const pkt = wsFrame();
        await req.wsRecvFrame(pkt, 0);
        return pkt.len === size ? ESP_FAIL : echo(req);
      },
    });
    const good = await open();
    const bad = await open();
    bad.send({ opcode: BINARY, payload: pattern(size) });
    await expectClosed(bad, 1011);
    good.send({ opcode: TEXT, payload: 'still here, and well' });
    expect((await good.readFrame()).text).toBe('still here, and well');
  });
});

describe('a receive of a long frame that its handler has not awaited', () => {
  test.each<[string, (req: HttpdReq) => Promise<void>]>([
    ['wsRecvFrame', req => req.wsRecvFrame(wsFrame(), 50_000)],
    ['wsRecvFramePart', req => req.wsRecvFramePart(wsFrame(), 50_000)],
  ])('(%s) is rejected when the handler ends, and the next frame is served', async (_name, receive) => {
    const outcomes: string[] = [];
    let calls = 0;
    const { open } = await startWs({
      handler: onFrame(req => {
        calls += 1;
        if (calls > 1) return echo(req);
        void errorOf(() => receive(req)).then(name => outcomes.push(name));
        return undefined;
      }),
    });
    const ws = await open();
    const frame = buildFrame({ opcode: BINARY, payload: pattern(50_000) });
    ws.send(frame.subarray(0, 1_000));
    await until(() => expect(outcomes).toEqual(['ESP_ERR_INVALID_STATE']));
    ws.send(frame.subarray(1_000), { opcode: TEXT, payload: 'next' });
    expect((await ws.readFrame()).text).toBe('next');
    expect(outcomes).toHaveLength(1);
  });
});

describe('half a frame, then silence', () => {
  const long = buildFrame({ opcode: BINARY, payload: pattern(50_000) });
  test.each<[string, Buffer, string]>([
    ['one byte of a header', Buffer.from([0x82]), 'nothing'],
    ['a header without its masking key', buildFrame({ opcode: TEXT, payload: 'hello' }).subarray(0, 4), 'nothing'],
    ['half of a short payload', buildFrame({ opcode: TEXT, payload: 'hello' }).subarray(0, 9), 'nothing'],
    ['half of a ping', buildFrame({ opcode: PING, payload: 'hello' }).subarray(0, 9), 'nothing'],
    ['half of a long payload, which nobody reads', long.subarray(0, 30_000), 'return'],
    ['half of a long payload, which its handler waits for', long.subarray(0, 30_000), 'recv'],
  ])('(%s) ends the session after recvWaitTimeout', async (_name, bytes, what) => {
    const entered = deferred();
    const { open, clock, server } = await startWs(
      {
        handler: onFrame(async req => {
          const received = what === 'recv' ? req.wsRecvFrame(wsFrame(), 50_000) : undefined;
          entered.resolve();
          await received;
        }),
      },
      { recvWaitTimeout: 3 },
    );
    const ws = await open();
    quiet(clock);
    ws.send(bytes);
    if (what !== 'nothing') await entered.promise;
    // the deadline runs from when the server has seen the bytes
    await until(() => expect(clock.running).toBeGreaterThan(0));
    clock.advance(2_000);
    expect(ws.raw.received).toHaveLength(0);
    expect(server.getClientList()).toHaveLength(1);
    clock.advance(2_000);
    // who waits in a handler gets the timeout as an error, and fails with it here
    await expectClosed(ws, what === 'recv' ? 1011 : 1008);
  });

  test('reaches a waiting handler as ESP_ERR_TIMEOUT, and the rest can still be received', async () => {
    const errors: string[] = [];
    const pkt = wsFrame({ payload: new Uint8Array(50_000) });
    const entered = deferred();
    const { open, clock } = await startWs({
      handler: onFrame(async req => {
        const received = errorOf(() => req.wsRecvFramePart(pkt, 50_000));
        entered.resolve();
        errors.push(await received);
        const rest = wsFrame({ payload: new Uint8Array(50_000) });
        await req.wsRecvFramePart(rest, 50_000);
        await req.wsSendFrame(wsFrame({ type: TEXT, payload: `left ${rest.leftLen}` }));
      }),
    });
    const ws = await open();
    ws.send(long.subarray(0, 30_000));
    await entered.promise;
    await until(() => expect(pkt.leftLen).toBeLessThan(50_000));
    clock.advance(6_000);
    await until(() => expect(errors).toEqual(['ESP_ERR_TIMEOUT']));
    ws.send(long.subarray(30_000));
    expect((await ws.readFrame()).text).toBe('left 0');
  });

  test.each<[string, Buffer[]]>([
    ['short', [buildFrame({ opcode: TEXT, payload: 'hello' })]],
    ['long', [long]],
  ])('does not count while the handler of a %s frame takes its time before it reads', async (_name, [frame]) => {
    const bytes = frame as Buffer;
    const gate = deferred();
    const entered = deferred();
    const { open, clock } = await startWs({
      handler: onFrame(async req => {
        entered.resolve();
        await gate.promise;
        await echo(req);
      }),
    });
    const ws = await open();
    quiet(clock);
    // the header comes in two pieces
    await ws.raw.sendPieces([bytes.subarray(0, 1)]);
    await until(() => expect(clock.running).toBeGreaterThan(0));
    ws.send(bytes.subarray(1));
    await entered.promise;
    clock.advance(60_000);
    gate.resolve();
    expect((await ws.readFrame()).opcode).not.toBe(CLOSE);
  });

  test.each([
    ['that was read', true],
    ['that was not', false],
  ])('does not count behind a long frame %s: an idle WebSocket stays open', async (_name, read) => {
    const entered = deferred();
    const handler = onFrame(async req => {
      entered.resolve();
      const pkt = wsFrame();
      await req.wsRecvFrame(pkt, 0);
      if (read) await req.wsRecvFrame(pkt, pkt.len);
    });
    const { open, clock } = await startWs({ handler }, { recvWaitTimeout: 86_400 });
    const ws = await open();
    quiet(clock);
    ws.send(long.subarray(0, 30_000));
    await entered.promise;
    await until(() => expect(clock.running).toBeGreaterThan(0));
    ws.send(long.subarray(30_000));
    // no deadline is left when the rest has come, long before the first one
    await until(() => {
      clock.advance(2_000);
      expect(clock.running).toBe(0);
    });
    clock.advance(86_400_000);
    ws.send({ opcode: PING, payload: 'still here' });
    expect((await ws.readFrame()).text).toBe('still here');
  });
});

test('an idle WebSocket has no deadline and no timer runs for it', async () => {
  const { open, clock } = await startWs();
  const ws = await open();
  ws.send({ opcode: TEXT, payload: 'x' });
  expect((await ws.readFrame()).text).toBe('x');
  clock.advance(10_000);
  expect(clock.running).toBe(0);
  clock.advance(86_400_000);
  ws.send({ opcode: TEXT, payload: 'y' });
  expect((await ws.readFrame()).text).toBe('y');
});

describe('a peer that leaves', () => {
  const frame = buildFrame({ opcode: BINARY, payload: pattern(50_000) });
  test.each<[string, Buffer]>([
    ['between frames', Buffer.alloc(0)],
    ['behind one byte of a header', frame.subarray(0, 1)],
    ['in the middle of a header', frame.subarray(0, 8)],
    ['in the middle of a long payload', frame.subarray(0, 30_000)],
    ['in the middle of a short payload', buildFrame({ opcode: TEXT, payload: 'hello' }).subarray(0, 8)],
  ])(
    '%s by FIN, without a Close: closeFn is called once, at once, and a waiting handler is told',
    async (_name, bytes) => {
      const closed: number[] = [];
      const errors: string[] = [];
      let calls = 0;
      const { open, server } = await startWs(
        {
          handler: onFrame(async req => {
            calls += 1;
            errors.push(await errorOf(() => req.wsRecvFrame(wsFrame(), 50_000)));
          }),
        },
        { closeFn: (_server, fd) => closed.push(fd) },
      );
      const ws = await open();
      ws.send(bytes);
      ws.raw.end();
      await until(() => expect(closed).toHaveLength(1));
      await until(() => expect(errors).toHaveLength(calls));
      expect(errors.every(name => name === 'ESP_FAIL')).toBe(true);
      expect(server.getClientList()).toEqual([]);
      await ws.closed();
      expect(closed).toHaveLength(1);
    },
  );

  test('by a reset: closeFn is called once', async () => {
    const closed: number[] = [];
    const { open, server } = await startWs({}, { closeFn: (_server, fd) => closed.push(fd) });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: 'x' });
    await ws.readFrame();
    ws.raw.reset();
    await until(() => expect(closed).toHaveLength(1));
    expect(server.getClientList()).toEqual([]);
  });

  test('right behind its handshake: closeFn is called once', async () => {
    const closed: number[] = [];
    const { server } = await startWs({}, { closeFn: (_server, fd) => closed.push(fd) });
    const client = await connectTo(server);
    client.send(handshakeRequest()).end();
    await until(() => expect(closed).toHaveLength(1));
    await client.closed();
    expect(closed).toHaveLength(1);
  });

  test('after its Close: closeFn is called once', async () => {
    const closed: number[] = [];
    const { open } = await startWs({}, { closeFn: (_server, fd) => closed.push(fd) });
    const ws = await open();
    ws.send({ opcode: CLOSE, payload: closeBody(1000) });
    ws.raw.end();
    await expectClosed(ws, 1000);
    await until(() => expect(closed).toHaveLength(1));
  });
});
