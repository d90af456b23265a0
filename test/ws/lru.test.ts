import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { connectTo } from '../support/server.js';
import { BINARY, CLOSE, handshakeRequest, TEXT, type WsRawClient } from '../support/ws_frames.js';
import { deferred, echo, onFrame, startWs, until } from './ws_server.js';

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

/** A server for three sessions that purges. */
async function startFull(config: Partial<HttpdConfig> = {}, uri = {}) {
  const closed: number[] = [];
  const ws = await startWs(uri, {
    maxOpenSockets: 3,
    lruPurgeEnable: true,
    closeFn: (_server, fd) => closed.push(fd),
    ...config,
  });
  ws.server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('page') });
  const get = async () => {
    const client = await connectTo(ws.server);
    client.send(GET);
    expect((await client.readResponse()).text).toBe('page');
    return client;
  };
  return { ...ws, get, closed };
}

async function isAlive(ws: WsRawClient): Promise<boolean> {
  ws.send({ opcode: TEXT, payload: 'alive?' });
  return (await ws.readFrame()).opcode === TEXT;
}

describe('a connection too many', () => {
  test('ends the least recently used WebSocket with Close 1001; its closeFn is called once', async () => {
    const { open, get, closed } = await startFull();
    const [a, b, c] = [await open(), await open(), await open()];
    await isAlive(a);
    await get();
    const { opcode, code } = await b.readFrame();
    expect([opcode, code]).toEqual([CLOSE, 1001]);
    await b.closed();
    expect(closed).toHaveLength(1);
    expect(await isAlive(a)).toBe(true);
    expect(await isAlive(c)).toBe(true);
  });

  test('ends an idle HTTP session first, even one that was used later', async () => {
    const { open, get } = await startFull();
    const a = await open();
    const page = await get();
    const b = await open();
    await get();
    expect(await page.closed()).toBe('fin');
    expect(await isAlive(a)).toBe(true);
    expect(await isAlive(b)).toBe(true);
  });

  test('does not end a WebSocket that the server has just sent to', async () => {
    const { open, get, server } = await startFull();
    const a = await open();
    const [fd = -1] = server.getClientList();
    const [b, c] = [await open(), await open()];
    await server.wsSendFrameAsync(fd, wsFrame({ type: TEXT, payload: 'news' }));
    expect((await a.readFrame()).text).toBe('news');
    await get();
    expect((await b.readFrame()).code).toBe(1001);
    expect(await isAlive(a)).toBe(true);
    expect(await isAlive(c)).toBe(true);
  });

  test('does not end a WebSocket that sessUpdateLruCounter has touched', async () => {
    const { open, get, server } = await startFull();
    const a = await open();
    const [fd = -1] = server.getClientList();
    const b = await open();
    await open();
    server.sessUpdateLruCounter(fd);
    await get();
    expect((await b.readFrame()).code).toBe(1001);
    expect(await isAlive(a)).toBe(true);
  });

  test('does not end a WebSocket whose handler runs', async () => {
    const gate = deferred();
    const entered = deferred();
    const { open, get } = await startFull(
      {},
      {
        handler: onFrame(async req => {
          const pkt = wsFrame();
          await req.wsRecvFrame(pkt, 0);
          if (pkt.type === BINARY) {
            entered.resolve();
            await gate.promise;
          }
          await echo(req);
        }),
      },
    );
    const a = await open();
    a.send({ opcode: BINARY, payload: 'work' });
    await entered.promise;
    const b = await open();
    await open();
    await get();
    expect((await b.readFrame()).code).toBe(1001);
    gate.resolve();
    expect((await a.readFrame()).text).toBe('work');
  });

  test('does not end a WebSocket with queued sends', async () => {
    const { open, get, server } = await startFull({ maxTxPending: 64 * 1024 * 1024 });
    const a = await open();
    const [fd = -1] = server.getClientList();
    a.raw.pause();
    const payload = Buffer.alloc(64 * 1024);
    for (let i = 0; i < 300; i++) void server.wsSendFrameAsync(fd, wsFrame({ type: BINARY, payload }));
    const b = await open();
    await open();
    // they were used before a was sent to
    server.sessUpdateLruCounter(server.getClientList()[1] as number);
    server.sessUpdateLruCounter(server.getClientList()[2] as number);
    await get();
    expect((await b.readFrame()).code).toBe(1001);
    a.raw.resume();
    for (let i = 0; i < 300; i++) expect((await a.readFrame()).payload).toHaveLength(payload.length);
  });

  test('does not end a handshake that is being checked', async () => {
    const gate = deferred();
    const entered = deferred();
    const { open, get, server } = await startFull();
    server.registerUriHandler({
      uri: '/check',
      method: HTTP_GET,
      isWebsocket: true,
      handler: echo,
      wsPreHandshakeCb: async () => {
        entered.resolve();
        await gate.promise;
      },
    });
    const checked = await connectTo(server);
    checked.send(handshakeRequest({ path: '/check' }));
    await entered.promise;
    const b = await open();
    await open();
    await get();
    expect((await b.readFrame()).code).toBe(1001);
    gate.resolve();
    expect((await checked.readResponse()).status).toBe(101);
  });

  test('is refused with 503 if every session is busy', async () => {
    const gate = deferred();
    let running = 0;
    const { open, server } = await startFull(
      {},
      {
        handler: onFrame(async () => {
          running += 1;
          await gate.promise;
        }),
      },
    );
    for (let i = 0; i < 3; i++) (await open()).send({ opcode: TEXT });
    await until(() => expect(running).toBe(3));
    const client = await connectTo(server);
    expect((await client.readResponse()).status).toBe(503);
    expect(server.getClientList()).toHaveLength(3);
    gate.resolve();
  });

  test('is refused with 503 without lruPurgeEnable, and the WebSockets live on', async () => {
    const { open, server } = await startFull({ lruPurgeEnable: false });
    const all = [await open(), await open(), await open()];
    const client = await connectTo(server);
    expect((await client.readResponse()).status).toBe(503);
    for (const ws of all) expect(await isAlive(ws)).toBe(true);
  });
});
