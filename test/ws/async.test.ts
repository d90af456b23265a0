import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { HTTPD_WS_CLIENT_WEBSOCKET, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { turn } from '../support/server.js';
import { BINARY, buildFrame, TEXT } from '../support/ws_frames.js';
import { deferred, echo, errorOf, onFrame, pattern, recvAll, startWs, until } from './ws_server.js';

describe('a slow asynchronous handler', () => {
  test('gets one frame at a time, in their order', async () => {
    const log: string[] = [];
    const { open } = await startWs({
      handler: onFrame(async req => {
        const name = Buffer.from((await recvAll(req)).payload).toString();
        log.push(`begin ${name}`);
        for (let i = 0; i < 3; i++) await turn();
        log.push(`end ${name}`);
      }),
    });
    const ws = await open();
    ws.send({ opcode: TEXT, payload: '1' }, { opcode: TEXT, payload: '2' });
    ws.send({ opcode: TEXT, payload: '3' });
    await until(() => expect(log).toHaveLength(6));
    expect(log).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
  });

  test('holds its frame although others arrive meanwhile, on this session and others', async () => {
    const gate = deferred();
    const { open } = await startWs({
      handler: onFrame(async req => {
        const pkt = wsFrame();
        await req.wsRecvFrame(pkt, 0);
        if (pkt.len === 100) await gate.promise;
        await echo(req);
      }),
    });
    const slow = await open();
    slow.send({ opcode: BINARY, payload: pattern(100) }, { opcode: BINARY, payload: Buffer.alloc(101, 0x77) });
    const other = await open();
    for (const byte of [1, 2, 3]) {
      other.send({ opcode: BINARY, payload: Buffer.alloc(5_000, byte) });
      expect((await other.readFrame()).payload).toHaveLength(5_000);
      slow.send({ opcode: BINARY, payload: Buffer.alloc(99, byte) });
    }
    gate.resolve();
    expect(Buffer.compare((await slow.readFrame()).payload, pattern(100))).toBe(0);
    for (const [len, byte] of [
      [101, 0x77],
      [99, 1],
      [99, 2],
      [99, 3],
    ] as const) {
      expect(Buffer.compare((await slow.readFrame()).payload, Buffer.alloc(len, byte))).toBe(0);
    }
  });

  test('does not hold up other sessions', async () => {
    const gate = deferred();
    const { open } = await startWs({
      handler: onFrame(async req => {
        const frame = await recvAll(req);
        if (frame.payload.length === 4) await gate.promise;
        await req.wsSendFrame(frame);
      }),
    });
    const slow = await open();
    slow.send({ opcode: TEXT, payload: 'slow' });
    const fast = await open();
    fast.send({ opcode: TEXT, payload: 'fast!' });
    expect((await fast.readFrame()).text).toBe('fast!');
    expect(slow.raw.received).toHaveLength(0);
    gate.resolve();
    expect((await slow.readFrame()).text).toBe('slow');
  });

  test('whose client leaves meanwhile can not send any more, and no further frame is handed over', async () => {
    const gate = deferred();
    const entered = deferred();
    const outcomes: string[] = [];
    let calls = 0;
    const closed: number[] = [];
    const { open } = await startWs(
      {
        handler: onFrame(async req => {
          calls += 1;
          entered.resolve();
          await gate.promise;
          outcomes.push(await errorOf(() => req.wsSendFrame(wsFrame({ type: TEXT, payload: 'late' }))));
          outcomes.push(await errorOf(() => req.handle.wsSendFrameAsync(req.toSockfd(), wsFrame({ type: TEXT }))));
          outcomes.push(String(req.handle.wsGetFdInfo(req.toSockfd())));
        }),
      },
      { closeFn: (_server, fd) => closed.push(fd) },
    );
    const ws = await open();
    ws.send({ opcode: TEXT, payload: '1' }, { opcode: TEXT, payload: '2' });
    await entered.promise;
    ws.raw.reset();
    await until(() => expect(closed).toHaveLength(1));
    gate.resolve();
    await until(() => expect(outcomes).toHaveLength(3));
    expect(outcomes[0]).toMatch(/^ESP_ERR_(HTTPD_RESP_SEND|INVALID_STATE|NOT_FOUND)$/);
    expect(outcomes.slice(1)).toEqual(['ESP_ERR_NOT_FOUND', '0']);
    await turn();
    expect(calls).toBe(1);
    expect(closed).toHaveLength(1);
  });

  test('holds back a client that sends without end', async () => {
    const gate = deferred();
    let bytes = 0;
    const { open } = await startWs({
      handler: onFrame(async req => {
        await gate.promise;
        bytes += (await recvAll(req)).payload.length;
      }),
    });
    const ws = await open();
    const frame = buildFrame({ opcode: BINARY, payload: Buffer.alloc(10_000) });
    const total = 64 * 1024 * 1024;
    const all = Buffer.concat(Array(Math.ceil(total / frame.length)).fill(frame));
    let written = false;
    ws.raw.socket.write(all, () => {
      written = true;
    });
    for (let i = 0; i < 200; i++) await turn();
    // the kernel's buffers and the server's are full, and the server takes no more
    expect(written).toBe(false);
    gate.resolve();
    await until(() => expect(bytes).toBe((all.length / frame.length) * 10_000));
  });
});

test('1,000 frames pipelined in one write come back in order', async () => {
  const { open } = await startWs();
  const ws = await open();
  const frames = Array.from({ length: 1_000 }, (_, i) => buildFrame({ opcode: TEXT, payload: `frame ${i}` }));
  ws.send(Buffer.concat(frames));
  for (let i = 0; i < 1_000; i++) expect((await ws.readFrame()).text).toBe(`frame ${i}`);
});

test('1,000 frames to a handler that is not async come back in order', async () => {
  const { open } = await startWs({
    handler: req => {
      if (req.method === HTTP_GET) return;
      const pkt = wsFrame({ payload: Buffer.alloc(20) });
      void req.wsRecvFrame(pkt, 20);
      void req.wsSendFrame(pkt);
    },
  });
  const ws = await open();
  ws.send(Buffer.concat(Array.from({ length: 1_000 }, (_, i) => buildFrame({ opcode: TEXT, payload: `frame ${i}` }))));
  for (let i = 0; i < 1_000; i++) expect((await ws.readFrame()).text).toBe(`frame ${i}`);
});

test('a broadcast from queueWork reaches 50 clients, and those that have left are skipped', async () => {
  const { server, open } = await startWs();
  const clients = await Promise.all(Array.from({ length: 50 }, () => open()));
  clients[7]?.raw.reset();
  await until(() => expect(server.getClientList()).toHaveLength(49));
  server.queueWork(text => {
    for (const fd of server.getClientList()) {
      if (server.wsGetFdInfo(fd) !== HTTPD_WS_CLIENT_WEBSOCKET) continue;
      void server.wsSendFrameAsync(fd, wsFrame({ type: TEXT, payload: text as string }));
    }
  }, 'to all');
  const rest = clients.filter((_, i) => i !== 7);
  const texts = await Promise.all(rest.map(async ws => (await ws.readFrame()).text));
  expect(texts).toEqual(Array(49).fill('to all'));
});

test('queueWork from a handler answers later, as the example does', async () => {
  const { server, open } = await startWs({
    handler: onFrame(req => {
      const fd = req.toSockfd();
      server.queueWork(() => server.wsSendFrameAsync(fd, wsFrame({ type: TEXT, payload: 'Async data' })));
    }),
  });
  const ws = await open();
  ws.send({ opcode: TEXT, payload: 'Trigger async' });
  expect((await ws.readFrame()).text).toBe('Async data');
});
