import { describe, expect, test } from 'vitest';
import { HTTPD_WS_CLIENT_HTTP, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { OVER_TLS } from '../support/raw_client.js';
import { collectLog, connectTo } from '../support/server.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  type FrameSpec,
  handshakeRequest,
  TEXT,
  type WsRawClient,
} from '../support/ws_frames.js';
import { collector, deferred, errorOf, startWs, until } from './ws_server.js';
import { endLog, lastFd, pass, turns } from './ws_watch.js';

const close = (payload: Uint8Array = Buffer.alloc(0)): FrameSpec => ({ opcode: CLOSE, payload });
const fail = (): never => {
  throw new Error('broken');
};

describe('wsCloseCb', () => {
  test('is not called for a handshake that is refused, or that its client leaves', async () => {
    const { ended, wsCloseCb } = endLog();
    const gate = deferred();
    const ws = await startWs({
      wsCloseCb,
      wsPreHandshakeCb: async req => {
        if (req.getHdrValueStr('x-wait') !== undefined) await gate.promise;
        fail();
      },
    });
    const refused = await connectTo(ws.server);
    refused.send(handshakeRequest());
    expect((await refused.readResponse()).status).toBe(500);
    const gone = await connectTo(ws.server);
    gone.send(handshakeRequest({ headers: { 'X-Wait': 'yes' } }));
    await turns();
    gone.reset();
    await turns();
    gate.resolve();
    await turns();
    expect(ended).toEqual([]);
  });

  test.each([
    ['throws', fail],
    ['rejects', () => Promise.reject(new Error('broken'))],
  ])('that %s is logged, and changes nothing', async (_name, wsCloseCb) => {
    const { logger, lines } = collectLog();
    const closed: number[] = [];
    const ws = await startWs({ wsCloseCb }, { logger, closeFn: (_server, fd) => closed.push(fd) });
    const client = await ws.open();
    const fd = lastFd(ws.server);
    client.send(close());
    await client.closed();
    client.raw.end();
    await until(() => expect(closed).toEqual([fd]));
    await turns();
    expect(lines.filter(line => line.startsWith('E httpd_ws:') && line.includes('broken'))).toHaveLength(1);
    await (await ws.open()).raw.end();
  });

  test('finds its session over: nothing can be sent, and closing it again does nothing', async () => {
    const outcomes: unknown[] = [];
    const ws = await startWs({
      wsCloseCb: async ({ fd }) => {
        const { server } = ws;
        const frame = wsFrame({ type: TEXT, payload: 'x' });
        outcomes.push(server.wsGetFdInfo(fd), server.wsBroadcast(frame));
        outcomes.push(await errorOf(() => server.wsSendFrameAsync(fd, frame)));
        outcomes.push(await errorOf(() => server.wsClose(fd)));
      },
    });
    (await ws.open()).raw.reset();
    await until(() => expect(outcomes).toHaveLength(4));
    // the last call is from behind an await
    expect(outcomes).toEqual([HTTPD_WS_CLIENT_HTTP, 0, 'ESP_ERR_HTTPD_RESP_SEND', 'ESP_ERR_NOT_FOUND']);
  });

  test.skipIf(OVER_TLS)('may send to all others, even where a broadcast has overflown many of them', async () => {
    const n = 60;
    const { ended, wsCloseCb } = endLog();
    const ws = await startWs(
      {
        wsCloseCb: info => {
          wsCloseCb(info);
          ws.server.wsBroadcast(wsFrame({ type: BINARY, payload: Buffer.alloc(30_000) }));
          for (const fd of ws.server.getClientList()) ws.server.wsClose(fd);
        },
      },
      { maxTxPending: 100_000 },
    );
    const clients: WsRawClient[] = [];
    for (let i = 0; i < n; i++) clients.push(await ws.open());
    const quick = await ws.open();
    const quickFd = lastFd(ws.server);
    for (const client of clients) client.raw.pause();
    for (let i = 0; ended.length === 0; i++) {
      expect(i).toBeLessThan(200);
      ws.server.wsBroadcast(wsFrame({ type: BINARY, payload: Buffer.alloc(99_000) }), fd => fd !== quickFd);
      await turns(1);
    }
    // all that was done to all in one turn: each once
    await pass(ws.clock, 10);
    expect(new Set(ended.map(({ fd }) => fd)).size).toBe(ended.length);
    let frame = await quick.readFrame();
    while (frame.opcode !== CLOSE) frame = await quick.readFrame();
    expect(quick.raw.received).toHaveLength(0);
    for (const client of clients) client.destroy();
    quick.send(close()).raw.end();
    await until(() => expect(ended).toHaveLength(n + 1));
  });

  test('may stop the server', async () => {
    let stopped: Promise<void> | undefined;
    const { ended, wsCloseCb } = endLog();
    const ws = await startWs({
      wsCloseCb: info => {
        wsCloseCb(info);
        stopped ??= ws.server.stop();
      },
    });
    const [a, b] = [await ws.open(), await ws.open()];
    a.raw.reset();
    expect((await b.readFrame()).code).toBe(1001);
    b.send(close(closeBody(1001)));
    await b.closed();
    b.raw.end();
    await until(() => expect(ended).toHaveLength(2));
    await stopped;
  });

  test('is called for a WebSocket that comes about while the server stops', async () => {
    const gate = deferred();
    const entered = deferred();
    const { ended, wsCloseCb } = endLog();
    const ws = await startWs({
      wsCloseCb,
      wsMaxSessions: 1,
      wsPreHandshakeCb: () => {
        entered.resolve();
        return gate.promise;
      },
    });
    const client = await connectTo(ws.server);
    client.send(handshakeRequest());
    await entered.promise;
    const stopped = ws.server.stop();
    await turns();
    gate.resolve();
    expect((await client.readResponse()).status).toBe(101);
    // Close 1001 is the only frame; the answer ends it
    expect((await client.readUntil(4)).toString('hex')).toBe('880203e9');
    client.send(buildFrame(close(closeBody(1001, 'ok')))).end();
    await stopped;
    expect(ended).toMatchObject([{ code: 1001, reason: 'ok', wasClean: true }]);
    expect(client.received).toHaveLength(0);
  });

  test('is called once for one in the middle of a message when the server stops, whatever still comes of that', async () => {
    const { ended, wsCloseCb } = endLog();
    const { handler, seen } = collector();
    const ws = await startWs({ wsCloseCb, handler, wsMessageMode: true });
    const client = await ws.open();
    client.send({ opcode: TEXT, payload: 'half', fin: false });
    await turns();
    const stopped = ws.server.stop();
    expect((await client.readFrame()).code).toBe(1001);
    client.send({ opcode: CONTINUE, payload: 'more' }, { opcode: BINARY, payload: Buffer.alloc(50_000) });
    client.send(close(closeBody(1001)));
    expect(await client.closed()).toBe('fin');
    client.raw.end();
    await stopped;
    expect(ended).toMatchObject([{ code: 1001, wasClean: true }]);
    expect(seen).toEqual([]);
  });
});
