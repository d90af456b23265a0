import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { connectTo } from '../support/server.js';
import { BINARY, CLOSE, closeBody, handshakeRequest, hex, TEXT, WsRawClient } from '../support/ws_frames.js';
import { deferred, echo, onFrame, startWs, until, type WsServer } from './ws_server.js';
import { endLog, expectSilence, lastFd, OFFER, pass, turns } from './ws_watch.js';

/** The answer to a handshake, and the connection. */
async function shake({ server }: WsServer, path = '/ws') {
  const client = await connectTo(server);
  client.send(handshakeRequest({ path }));
  return { client, response: await client.readResponse() };
}

/** Is there room for just one more WebSocket? */
async function expectOneFree(ws: WsServer): Promise<void> {
  const { response, client } = await shake(ws);
  expect(response.status).toBe(101);
  expect((await shake(ws)).response.status).toBe(503);
  client.destroy();
}

describe('wsMaxSessions', () => {
  test('refuses one more with 503 and Retry-After, before any of its callbacks run', async () => {
    const called: string[] = [];
    const note = (name: string) => () => {
      called.push(name);
    };
    const ws = await startWs({
      wsMaxSessions: 2,
      handler: note('handler'),
      wsPreHandshakeCb: note('pre'),
      wsPostHandshakeCb: note('post'),
      wsCloseCb: note('close'),
      wsAllowedOrigins: () => called.push('origin') > 0,
    });
    const [a, b] = [await ws.open(), await ws.open()];
    called.length = 0;
    const { response } = await shake(ws);
    expect(response.status).toBe(503);
    expect(response.headers['retry-after']).toMatch(/^\d+$/);
    expect(response.headers.upgrade).toBeUndefined();
    expect(called).toEqual([]);
    await expectSilence(a);
    await expectSilence(b);
  });

  test.each([
    ['left without a Close', (ws: WsRawClient) => ws.raw.socket.destroy()],
    ['reset its connection', (ws: WsRawClient) => ws.raw.reset()],
  ])('does not count one that has %s while the server was held up', async (_how, leave) => {
    const ws = await startWs({ wsMaxSessions: 1 });
    let first = await ws.open();
    for (let i = 0; i < 5; i++) {
      // both lie in the kernel when the server looks: first the request
      const client = await connectTo(ws.server);
      const opening = WsRawClient.upgrade(client);
      leave(first);
      first = await opening;
    }
  });

  test('the connection that was refused serves further requests, and may try again', async () => {
    const ws = await startWs({ wsMaxSessions: 1 });
    ws.server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('page') });
    const first = await ws.open();
    const { client, response } = await shake(ws);
    expect(response.status).toBe(503);
    const raw = client.over ? await connectTo(ws.server) : client;
    raw.send('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await raw.readResponse()).text).toBe('page');
    first.raw.reset();
    await until(() => expect(ws.server.getClientList()).toHaveLength(1));
    raw.send(handshakeRequest());
    expect((await raw.readResponse()).status).toBe(101);
  });

  test('counts the WebSockets of each handler by themselves', async () => {
    const ws = await startWs({ wsMaxSessions: 1 });
    ws.server.registerUriHandler({ uri: '/b', method: HTTP_GET, isWebsocket: true, handler: echo, wsMaxSessions: 2 });
    ws.server.registerUriHandler({ uri: '/c', method: HTTP_GET, isWebsocket: true, handler: echo });
    await ws.open();
    const statuses: number[] = [];
    for (const path of ['/ws', '/b', '/b', '/b', '/c', '/c', '/c']) {
      statuses.push((await shake(ws, path)).response.status);
    }
    expect(statuses).toEqual([503, 101, 101, 503, 101, 101, 101]);
  });

  test('does not count handshakes that were refused', async () => {
    let refuse = true;
    const ws = await startWs({
      wsMaxSessions: 1,
      wsPreHandshakeCb: () => {
        if (refuse) throw new Error('no');
      },
    });
    for (let i = 0; i < 3; i++) expect((await shake(ws)).response.status).not.toBe(101);
    refuse = false;
    await expectOneFree(ws);
  });

  test('is looked at again when an asynchronous handshake ends: who was overtaken gets the 503', async () => {
    const gates = [deferred(), deferred()];
    let entered = 0;
    const { ended, wsCloseCb } = endLog();
    const ws = await startWs({
      wsMaxSessions: 1,
      wsCloseCb,
      wsPreHandshakeCb: () => gates[entered++]?.promise,
    });
    const slow = await connectTo(ws.server);
    slow.send(handshakeRequest());
    await until(() => expect(entered).toBe(1));
    const quick = await connectTo(ws.server);
    quick.send(handshakeRequest());
    await until(() => expect(entered).toBe(2));
    gates[1]?.resolve();
    expect((await quick.readResponse()).status).toBe(101);
    gates[0]?.resolve();
    const { status, headers } = await slow.readResponse();
    expect([status, headers['retry-after']]).toEqual([503, '5']);
    expect(ended).toEqual([]);
    expect(ws.server.wsBroadcast(wsFrame({ type: TEXT }))).toBe(1);
  });

  test('a client that leaves during its handshake takes no place', async () => {
    const gate = deferred();
    let entered = 0;
    const ws = await startWs({
      wsMaxSessions: 1,
      wsPreHandshakeCb: () => {
        entered += 1;
        return entered === 1 ? gate.promise : undefined;
      },
    });
    const gone = await connectTo(ws.server);
    gone.send(handshakeRequest());
    await until(() => expect(entered).toBe(1));
    gone.reset();
    await until(() => expect(ws.server.getClientList()).toEqual([]));
    gate.resolve();
    await turns();
    await expectOneFree(ws);
  });
});

describe('the place of a WebSocket is free again when', () => {
  type End = (client: WsRawClient, ws: WsServer) => unknown;
  const fail = () => {
    throw new Error('broken');
  };
  const ROWS: [name: string, end: End, uri: Partial<HttpdUri>][] = [
    ['the peer closed it', client => client.send({ opcode: CLOSE, payload: closeBody(1000) }), {}],
    ['the peer broke a rule', client => client.send(hex('ff')), {}],
    ['the peer reset it', client => client.raw.reset(), {}],
    ['the peer sent FIN', client => client.raw.end(), {}],
    ['its handler failed', client => client.send({ opcode: TEXT }), { handler: onFrame(fail) }],
    ['its compressed message was broken', client => client.send({ opcode: TEXT, payload: hex('ffff'), rsv: 4 }), {}],
    ['a message was too long', client => client.send({ opcode: BINARY, payload: 'xxx' }), { wsMaxMessageLen: 2 }],
    ['the server closed it and nobody answered', (_, { server }) => server.wsClose(lastFd(server)), {}],
    ['wsPostHandshakeCb failed', () => {}, { wsPostHandshakeCb: fail }],
    ['it was dead', (_, { clock }) => pass(clock, 20), { wsPingInterval: 5, wsPongTimeout: 5 }],
    ['it was inactive', (_, { clock }) => pass(clock, 20), { wsInactivityTimeout: 5 }],
    ['it was too old', (_, { clock }) => pass(clock, 20), { wsRequestTimeout: 5 }],
    ['wsCloseCb threw', client => client.raw.reset(), { wsCloseCb: fail }],
  ];

  test.each(ROWS)('%s', async (_name, end, uri) => {
    const ws = await startWs({ wsMaxSessions: 1, wsPerMessageDeflate: true, ...uri });
    const client = await ws.open(OFFER);
    await end(client, ws);
    await turns();
    client.destroy();
    await until(() => {
      ws.clock.advance(1_000);
      expect(ws.server.getClientList()).toEqual([]);
    });
    if (uri.wsPostHandshakeCb === undefined) await expectOneFree(ws);
    else expect((await shake(ws)).response.status).toBe(101);
  });

  test('it was purged', async () => {
    const ws = await startWs({ wsMaxSessions: 1 }, { maxOpenSockets: 1, lruPurgeEnable: true });
    await ws.open();
    const { response } = await shake(ws);
    expect(response.status).toBe(101);
  });

  test('its reader was too slow', async () => {
    const ws = await startWs({ wsMaxSessions: 1 }, { maxTxPending: 100_000 });
    const client = await ws.open();
    client.raw.pause();
    for (let i = 0; ws.server.getClientList().length > 0; i++) {
      expect(i).toBeLessThan(1_000);
      ws.server.wsBroadcast(wsFrame({ type: BINARY, payload: Buffer.alloc(50_000) }));
      await turns(1);
    }
    await expectOneFree(ws);
  });
});
