import { describe, expect, test } from 'vitest';
import { ESP_FAIL } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { connectTo, turn } from '../support/server.js';
import { CLOSE, closeBody, handshakeRequest, TEXT, type WsRawClient } from '../support/ws_frames.js';
import { deferred, errorOf, expectClosed, onFrame, recvAll, startWs, until } from './ws_server.js';

interface Counter {
  frames: number;
}

/** Each frame is answered by how many the session has had. */
async function count(req: HttpdReq): Promise<void> {
  const ctx = req.sessCtx as Counter;
  ctx.frames += 1;
  await req.wsSendFrame(wsFrame({ type: TEXT, payload: String(ctx.frames) }));
}

async function ask(ws: WsRawClient): Promise<string> {
  ws.send({ opcode: TEXT, payload: 'x' });
  return (await ws.readFrame()).text;
}

describe('sessCtx', () => {
  const SETTERS = [
    ['wsPreHandshakeCb', 'pre'],
    ['the GET call', 'get'],
    ['wsPostHandshakeCb', 'post'],
    ['the first frame', 'frame'],
  ] as const;

  test.each(SETTERS)('set in %s lives across frames and is freed once, at the end', async (_name, where) => {
    const freed: unknown[] = [];
    const made: Counter[] = [];
    const set = (req: HttpdReq) => {
      const ctx: Counter = { frames: 0 };
      made.push(ctx);
      req.sessCtx = ctx;
      req.freeCtx = old => void freed.push(old);
    };
    const { open } = await startWs({
      ...(where === 'pre' ? { wsPreHandshakeCb: set } : {}),
      ...(where === 'post' ? { wsPostHandshakeCb: set } : {}),
      handler: async req => {
        if (req.method === HTTP_GET) {
          if (where === 'get') set(req);
          return;
        }
        if (where === 'frame' && req.sessCtx === undefined) set(req);
        await count(req);
      },
    });
    const ws = await open();
    expect([await ask(ws), await ask(ws), await ask(ws)]).toEqual(['1', '2', '3']);
    expect(freed).toEqual([]);
    ws.send({ opcode: CLOSE, payload: closeBody(1000) });
    await expectClosed(ws, 1000);
    ws.raw.end();
    await until(() => expect(freed).toHaveLength(1));
    await turn();
    expect(freed).toEqual(made);
  });

  test('of each session is its own', async () => {
    const { open } = await startWs({
      handler: req => {
        if (req.method !== HTTP_GET) return count(req);
        req.sessCtx = { frames: 0 };
        return undefined;
      },
    });
    const [a, b] = [await open(), await open()];
    expect([await ask(a), await ask(a), await ask(b), await ask(a), await ask(b)]).toEqual(['1', '2', '1', '3', '2']);
  });

  test('of the HTTP requests before the upgrade is there in the WebSocket', async () => {
    const { server } = await startWs({ handler: onFrame(count) });
    server.registerUriHandler({
      uri: '/login',
      method: HTTP_GET,
      handler: req => {
        req.sessCtx = { frames: 40 };
        return req.respSend('ok');
      },
    });
    const client = await connectTo(server);
    client.send('GET /login HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await client.readResponse()).text).toBe('ok');
    client.send(handshakeRequest());
    expect((await client.readResponse()).status).toBe(101);
    client.send(Buffer.from('818100000000', 'hex')).send('x');
    expect((await client.readUntil(4)).toString('latin1')).toBe('\x81\x0241');
  });

  test('is freed when a handler replaces it, each one once', async () => {
    const freed: unknown[] = [];
    const { open } = await startWs({
      handler: onFrame(async req => {
        const { payload } = await recvAll(req);
        req.sessCtx = Buffer.from(payload).toString();
        req.freeCtx = old => void freed.push(old);
        await req.wsSendFrame(wsFrame({ type: TEXT, payload: 'set' }));
      }),
    });
    const ws = await open();
    for (const name of ['one', 'two', 'three']) {
      ws.send({ opcode: TEXT, payload: name });
      await ws.readFrame();
    }
    await until(() => expect(freed).toEqual(['one', 'two']));
    ws.raw.reset();
    await until(() => expect(freed).toEqual(['one', 'two', 'three']));
  });

  test('is not freed when replaced with ignoreSessCtxChanges', async () => {
    const freed: unknown[] = [];
    const { open } = await startWs({
      handler: req => {
        req.ignoreSessCtxChanges = true;
        req.sessCtx = Number(req.sessCtx ?? 0) + 1;
        req.freeCtx = old => void freed.push(old);
      },
    });
    const ws = await open();
    ws.send({ opcode: TEXT }, { opcode: TEXT }, { opcode: CLOSE });
    await expectClosed(ws, undefined);
    ws.raw.end();
    await until(() => expect(freed).toEqual([3]));
  });

  test('is seen and set by fd', async () => {
    const freed: unknown[] = [];
    const { server, open } = await startWs({
      handler: onFrame(req => req.wsSendFrame(wsFrame({ type: TEXT, payload: String(req.sessCtx) }))),
    });
    const ws = await open();
    const [fd = -1] = server.getClientList();
    server.sessSetCtx(fd, 'mine', old => void freed.push(old));
    expect(server.sessGetCtx(fd)).toBe('mine');
    expect(await ask(ws)).toBe('mine');
    ws.raw.reset();
    await until(() => expect(freed).toEqual(['mine']));
    expect(await errorOf(() => server.sessGetCtx(fd))).toBe('ESP_ERR_NOT_FOUND');
  });

  test.each<[string, () => unknown]>([
    ['returns ESP_FAIL', () => ESP_FAIL],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('is freed once if a handler %s', async (_name, fail) => {
    const freed: unknown[] = [];
    const { open } = await startWs({
      handler: onFrame(req => {
        req.sessCtx = 'ctx';
        req.freeCtx = old => void freed.push(old);
        return fail();
      }),
    });
    const ws = await open();
    ws.send({ opcode: TEXT });
    await expectClosed(ws, 1011);
    ws.raw.end();
    await until(() => expect(freed).toEqual(['ctx']));
    await turn();
    expect(freed).toEqual(['ctx']);
  });

  test('is freed only when a handler that still runs has ended', async () => {
    const freed: unknown[] = [];
    const gate = deferred();
    const closed: number[] = [];
    const entered = deferred();
    const { open } = await startWs(
      {
        handler: async req => {
          if (req.method === HTTP_GET) {
            req.sessCtx = 'ctx';
            req.freeCtx = old => void freed.push(old);
            return;
          }
          entered.resolve();
          await gate.promise;
          expect(req.sessCtx).toBe('ctx');
        },
      },
      { closeFn: (_server, fd) => closed.push(fd) },
    );
    const ws = await open();
    ws.send({ opcode: TEXT });
    await entered.promise;
    ws.raw.reset();
    await until(() => expect(closed).toHaveLength(1));
    expect(freed).toEqual([]);
    gate.resolve();
    await until(() => expect(freed).toEqual(['ctx']));
  });

  test('and the transport context are freed once when the server stops', async () => {
    const freed: unknown[] = [];
    const { server, open, clock } = await startWs();
    await open();
    const [fd = -1] = server.getClientList();
    server.sessSetCtx(fd, 'ctx', old => void freed.push(old));
    server.sessSetTransportCtx(fd, 'transport', old => void freed.push(old));
    const stopped = server.stop({ grace: 0 });
    await turn();
    clock.advance(1);
    await stopped;
    expect(freed.sort()).toEqual(['ctx', 'transport']);
  });
});

test('userCtx is that of the URI handler in each call', async () => {
  const userCtx = { name: 'of the URI' };
  const seen: unknown[] = [];
  const note = (req: HttpdReq) => void seen.push(req.userCtx);
  const { open } = await startWs({ userCtx, wsPreHandshakeCb: note, wsPostHandshakeCb: note, handler: note });
  const ws = await open();
  ws.send({ opcode: TEXT }, { opcode: TEXT });
  await until(() => expect(seen).toHaveLength(5));
  expect(seen.every(ctx => ctx === userCtx)).toBe(true);
});

test('the request of a frame has uri and fd, and no headers or HTTP response any more', async () => {
  const seen: unknown[] = [];
  const { server, open } = await startWs({
    handler: onFrame(async req => {
      seen.push(req.uri, req.getUrlQueryStr(), req.toSockfd(), req.handle === server, req.getHdrValueStr('host'));
      seen.push(await errorOf(() => req.respSend('x')), await errorOf(() => req.recv(Buffer.alloc(1))));
    }),
  });
  const ws = await open({ path: '/ws?a=1' });
  ws.send({ opcode: TEXT });
  await until(() => expect(seen).toHaveLength(7));
  const [fd] = server.getClientList();
  expect(seen).toEqual(['/ws?a=1', 'a=1', fd, true, undefined, 'ESP_ERR_INVALID_STATE', 'ESP_ERR_INVALID_STATE']);
});

test('removing the URI handler leaves its WebSockets alone', async () => {
  const { server, open } = await startWs();
  const ws = await open();
  server.unregisterUri('/ws');
  ws.send({ opcode: TEXT, payload: 'still here' });
  expect((await ws.readFrame()).text).toBe('still here');
  const client = await connectTo(server);
  client.send(handshakeRequest());
  expect((await client.readResponse()).status).toBe(404);
});
