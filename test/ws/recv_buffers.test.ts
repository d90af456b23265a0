import { describe, expect, test } from 'vitest';
import type { HttpdReq } from '../../src/httpd/req.js';
import { type HttpdWsFrame, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { connectTo } from '../support/server.js';
import { BINARY, buildFrame, CONTINUE, TEXT } from '../support/ws_frames.js';
import { errorOf, onFrame, pattern, startWs, until } from './ws_server.js';

/** A frame up to 16 KiB is with the handler as a whole, a longer one arrives while the handler runs. */
const KINDS = [
  ['short', 100],
  ['long', 40_000],
] as const;

/** Sends one binary frame with `payload` and lets `fn` receive it; `behind` follows it in the same write. */
async function receive(payload: Buffer, fn: (req: HttpdReq) => Promise<void>, behind?: Buffer) {
  let calls = 0;
  let failure: unknown;
  const { open, server } = await startWs({
    handler: onFrame(async req => {
      calls += 1;
      if (calls > 1) return;
      await fn(req).catch(error => {
        failure = error;
      });
      await req.wsSendFrame(wsFrame({ type: TEXT, payload: 'done' }));
    }),
  });
  const ws = await open();
  ws.send(buildFrame({ opcode: BINARY, payload }), behind ?? Buffer.alloc(0));
  expect((await ws.readFrame()).text).toBe('done');
  if (failure !== undefined) throw failure;
  return { ws, server, calls: () => calls };
}

describe.each(KINDS)('wsRecvFrame of a %s frame', (_kind, size) => {
  const payload = pattern(size);

  test('fills a static buffer from its start', async () => {
    const buf = new Uint8Array(size + 50).fill(0xee);
    const pkt = wsFrame({ payload: buf });
    await receive(payload, req => req.wsRecvFrame(pkt, buf.length));
    expect(pkt).toMatchObject({ type: BINARY, final: true, fragmented: false, len: size, leftLen: 0 });
    expect(pkt.payload).toBe(buf);
    expect(Buffer.compare(buf.subarray(0, size), payload)).toBe(0);
    expect(buf.subarray(size)).toEqual(new Uint8Array(50).fill(0xee));
  });

  test('fills a static buffer that is a view of a larger one, and nothing around it', async () => {
    const whole = new Uint8Array(size + 8).fill(0xee);
    const pkt = wsFrame({ payload: whole.subarray(3, 3 + size) });
    await receive(payload, req => req.wsRecvFrame(pkt, size));
    expect(Buffer.compare(whole.subarray(3, 3 + size), payload)).toBe(0);
    expect([...whole.subarray(0, 3), ...whole.subarray(3 + size)]).toEqual(Array(8).fill(0xee));
  });

  test('gives the length with maxLen 0, then the payload into a buffer of that length', async () => {
    const pkt = wsFrame();
    const first: HttpdWsFrame[] = [];
    await receive(payload, async req => {
      await req.wsRecvFrame(pkt, 0);
      first.push({ ...pkt });
      pkt.payload = new Uint8Array(pkt.len);
      await req.wsRecvFrame(pkt, pkt.len);
    });
    expect(first).toEqual([
      { type: BINARY, final: true, fragmented: false, payload: undefined, len: size, leftLen: size },
    ]);
    expect(pkt.leftLen).toBe(0);
    expect(Buffer.compare(pkt.payload as Uint8Array, payload)).toBe(0);
  });

  test('may be asked for the length again and again', async () => {
    const lens: number[] = [];
    await receive(payload, async req => {
      for (let i = 0; i < 3; i++) {
        const pkt = wsFrame();
        await req.wsRecvFrame(pkt, 0);
        lens.push(pkt.len, pkt.leftLen);
      }
    });
    expect(lens).toEqual([size, size, size, size, size, size]);
  });

  test('allocates a payload that is unset, of the frame’s length', async () => {
    const pkt = wsFrame();
    await receive(payload, req => req.wsRecvFrame(pkt, 1_000_000));
    expect(pkt.payload).toHaveLength(size);
    expect(Buffer.compare(pkt.payload as Uint8Array, payload)).toBe(0);
  });

  test('refuses a frame longer than maxLen, which can then be read with a larger buffer', async () => {
    const pkt = wsFrame();
    const errors: string[] = [];
    await receive(payload, async req => {
      errors.push(await errorOf(() => req.wsRecvFrame(pkt, size - 1)));
      errors.push(await errorOf(() => req.wsRecvFrame(wsFrame({ payload: new Uint8Array(1) }), 1)));
      await req.wsRecvFrame(pkt, size);
    });
    expect(errors).toEqual(['ESP_ERR_INVALID_SIZE', 'ESP_ERR_INVALID_SIZE']);
    expect(pkt.len).toBe(size);
    expect(Buffer.compare(pkt.payload as Uint8Array, payload)).toBe(0);
  });

  test('tells the length even when it refuses', async () => {
    const pkt = wsFrame();
    await receive(payload, async req => {
      await errorOf(() => req.wsRecvFrame(pkt, 1));
    });
    expect(pkt).toMatchObject({ type: BINARY, len: size, leftLen: size, payload: undefined });
  });

  test('gives a payload of its own: later frames do not change it', async () => {
    const pkt = wsFrame();
    const { ws, calls } = await receive(payload, req => req.wsRecvFrame(pkt, size));
    ws.send({ opcode: BINARY, payload: Buffer.alloc(size, 0x55) });
    await until(() => expect(calls()).toBe(2));
    expect(Buffer.compare(pkt.payload as Uint8Array, payload)).toBe(0);
  });

  test('has nothing more to give once the frame has been received', async () => {
    const errors: string[] = [];
    await receive(payload, async req => {
      await req.wsRecvFrame(wsFrame(), size);
      errors.push(await errorOf(() => req.wsRecvFrame(wsFrame(), size)));
      errors.push(await errorOf(() => req.wsRecvFramePart(wsFrame(), size)));
    });
    expect(errors).toEqual(['ESP_ERR_INVALID_STATE', 'ESP_ERR_INVALID_STATE']);
  });

  test('has nothing to give once the handler has ended', async () => {
    let kept: HttpdReq | undefined;
    await receive(payload, async req => {
      kept = req;
    });
    await new Promise(resolve => setImmediate(resolve));
    expect(await errorOf(() => kept?.wsRecvFrame(wsFrame(), size))).toBe('ESP_ERR_INVALID_STATE');
  });

  test.each<[string, unknown, unknown]>([
    ['no frame', undefined, size],
    ['null for the frame', null, size],
    ['a string for the frame', 'frame', size],
    ['a negative maxLen', wsFrame(), -1],
    ['NaN for maxLen', wsFrame(), Number.NaN],
    ['a fraction for maxLen', wsFrame(), size + 0.5],
    ['a string for maxLen', wsFrame(), String(size)],
    ['no maxLen', wsFrame(), undefined],
    ['a string for the payload', wsFrame({ payload: 'x'.repeat(size) }), size],
    ['an array for the payload', wsFrame({ payload: Array(size) as never }), size],
    ['a payload shorter than the frame, whatever maxLen says', wsFrame({ payload: new Uint8Array(size - 1) }), size],
  ])('with %s throws ESP_ERR_INVALID_ARG, and the frame is still there', async (_name, pkt, maxLen) => {
    const errors: string[] = [];
    const good = wsFrame();
    await receive(payload, async req => {
      errors.push(await errorOf(() => req.wsRecvFrame(pkt as HttpdWsFrame, maxLen as number)));
      errors.push(await errorOf(() => req.wsRecvFramePart(pkt as HttpdWsFrame, maxLen as number)));
      await req.wsRecvFrame(good, size);
    });
    expect(errors).toEqual(['ESP_ERR_INVALID_ARG', 'ESP_ERR_INVALID_ARG']);
    expect(Buffer.compare(good.payload as Uint8Array, payload)).toBe(0);
  });

  test('wsRecvFramePart in steps of 64 bytes counts leftLen down and gives every byte', async () => {
    const pkt = wsFrame({ payload: new Uint8Array(64) });
    const parts: Buffer[] = [];
    const left: number[] = [];
    await receive(payload, async req => {
      do {
        const before = left.at(-1) ?? size;
        await req.wsRecvFramePart(pkt, 64);
        left.push(pkt.leftLen);
        expect(pkt.len).toBe(size);
        parts.push(Buffer.from((pkt.payload as Uint8Array).subarray(0, before - pkt.leftLen)));
      } while (pkt.leftLen > 0);
    });
    expect(left).toEqual(Array.from({ length: Math.ceil(size / 64) }, (_, i) => Math.max(0, size - 64 * (i + 1))));
    expect(Buffer.compare(Buffer.concat(parts), payload)).toBe(0);
  });

  test('wsRecvFramePart with maxLen 0 tells what is left and takes nothing', async () => {
    const left: number[] = [];
    await receive(payload, async req => {
      const pkt = wsFrame({ payload: new Uint8Array(64) });
      await req.wsRecvFramePart(pkt, 0);
      left.push(pkt.leftLen);
      await req.wsRecvFramePart(pkt, 60);
      await req.wsRecvFramePart(pkt, 0);
      left.push(pkt.leftLen);
    });
    expect(left).toEqual([size, size - 60]);
  });

  test('wsRecvFramePart allocates a payload that is unset, of the part’s length', async () => {
    const lens: number[] = [];
    await receive(payload, async req => {
      for (const maxLen of [60, 1_000_000]) {
        const pkt = wsFrame();
        await req.wsRecvFramePart(pkt, maxLen);
        lens.push((pkt.payload as Uint8Array).length);
      }
    });
    expect(lens).toEqual([60, size - 60]);
  });

  test('wsRecvFrame after a part gives the rest, and never a byte of another frame', async () => {
    const secret = buildFrame({ opcode: BINARY, payload: Buffer.alloc(size, 0xdd), mask: [0, 0, 0, 0] });
    const part = wsFrame({ payload: new Uint8Array(60) });
    const rest = wsFrame({ payload: new Uint8Array(size) });
    const { calls, ws } = await receive(
      payload,
      async req => {
        await req.wsRecvFramePart(part, 60);
        await req.wsRecvFrame(rest, size);
      },
      secret,
    );
    expect(rest.leftLen).toBe(0);
    const expected = Buffer.concat([payload.subarray(60), Buffer.alloc(60)]);
    expect(Buffer.compare(rest.payload as Uint8Array, expected)).toBe(0);
    await until(() => expect(calls()).toBe(2));
    expect(ws.raw.over).toBe(false);
  });
});

describe('a frame without payload', () => {
  test.each([
    ['with maxLen 0', undefined, 0],
    ['with a static buffer', new Uint8Array(10), 10],
    ['with an empty static buffer', new Uint8Array(0), 10],
    ['with no buffer', undefined, 10],
  ])('can be received %s', async (_name, payload, maxLen) => {
    const pkt = wsFrame({ payload, len: 7, leftLen: 7 });
    await receive(Buffer.alloc(0), req => req.wsRecvFrame(pkt, maxLen));
    expect(pkt).toMatchObject({ type: BINARY, final: true, fragmented: false, len: 0, leftLen: 0 });
  });

  test('can be received by wsRecvFramePart', async () => {
    const pkt = wsFrame({ leftLen: 7 });
    await receive(Buffer.alloc(0), req => req.wsRecvFramePart(pkt, 64));
    expect(pkt).toMatchObject({ len: 0, leftLen: 0 });
  });
});

test('fragments come one by one, marked as fragments, the last one as final', async () => {
  const seen: unknown[] = [];
  const { open } = await startWs({
    handler: onFrame(async req => {
      const pkt = wsFrame();
      await req.wsRecvFrame(pkt, 100);
      seen.push([pkt.type, pkt.final, pkt.fragmented, Buffer.from(pkt.payload as Uint8Array).toString()]);
    }),
  });
  const ws = await open();
  ws.send(
    { opcode: TEXT, payload: 'one', fin: false },
    { opcode: CONTINUE, payload: 'two', fin: false },
    { opcode: CONTINUE, payload: 'three' },
    { opcode: TEXT, payload: 'whole' },
  );
  await until(() => expect(seen).toHaveLength(4));
  expect(seen).toEqual([
    [TEXT, false, true, 'one'],
    [CONTINUE, false, true, 'two'],
    [CONTINUE, true, true, 'three'],
    [TEXT, true, false, 'whole'],
  ]);
});

test('wsFrame() makes a frame that is zeroed but for what it is given', () => {
  const zeroed = { final: false, fragmented: false, type: 0, payload: undefined, len: 0, leftLen: 0 };
  expect(wsFrame()).toEqual(zeroed);
  expect(wsFrame({ type: TEXT, len: 3 })).toEqual({ ...zeroed, type: TEXT, len: 3 });
  expect(wsFrame()).not.toBe(wsFrame());
});

test('a second wsRecvFrame while the first waits for a long frame is refused, and does not harm the first', async () => {
  const payload = pattern(40_000);
  const errors: string[] = [];
  const first = wsFrame();
  const { open } = await startWs({
    handler: onFrame(async req => {
      const waiting = req.wsRecvFrame(first, 100_000);
      errors.push(await errorOf(() => req.wsRecvFrame(wsFrame(), 100_000)));
      errors.push(await errorOf(() => req.wsRecvFramePart(wsFrame(), 10)));
      await waiting;
      await req.wsSendFrame(wsFrame({ type: TEXT, payload: 'done' }));
    }),
  });
  const ws = await open();
  const bytes = buildFrame({ opcode: BINARY, payload });
  ws.send(bytes.subarray(0, 20_000));
  await until(() => expect(errors).toEqual(['ESP_ERR_INVALID_STATE', 'ESP_ERR_INVALID_STATE']));
  ws.send(bytes.subarray(20_000));
  expect((await ws.readFrame()).text).toBe('done');
  expect(Buffer.compare(first.payload as Uint8Array, payload)).toBe(0);
});

test('socketRecv does not take a frame away from its handler: ESP_ERR_INVALID_STATE, and the frame is whole', async () => {
  const secret = 'GET /x HTTP/1.1\r\nHost: localhost\r\nCookie: session=OF-ANOTHER-CLIENT\r\n\r\n';
  const taken = new Uint8Array(10);
  const errors: string[] = [];
  const { open, server } = await startWs({
    handler: onFrame(async req => {
      errors.push(await errorOf(() => server.socketRecv(req.toSockfd(), taken)));
      const pkt = wsFrame();
      await req.wsRecvFrame(pkt, 4_096);
      await req.wsSendFrame(pkt);
    }),
  });
  const ws = await open();
  // its bytes lie in the receive buffer when the frame comes
  const other = await connectTo(server);
  expect((await other.send(secret).readResponse()).status).toBe(404);
  ws.send({ opcode: TEXT, payload: 'A'.repeat(20) }, { opcode: TEXT, payload: 'the next one' });
  expect((await ws.readFrame()).text).toBe('A'.repeat(20));
  expect((await ws.readFrame()).text).toBe('the next one');
  expect(errors).toEqual(['ESP_ERR_INVALID_STATE', 'ESP_ERR_INVALID_STATE']);
  expect(taken).toEqual(new Uint8Array(10));
});
