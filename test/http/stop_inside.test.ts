/** `stop()` called by a handler, which would wait for itself. */
import { expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { ManualClock } from '../support/clock.js';
import { connectTo } from '../support/server.js';
import { CLOSE, closeBody, TEXT, WsRawClient } from '../support/ws_frames.js';
import { deferred, ok, post, request, serve } from './support.js';

const HANDLERS: readonly [string, (req: HttpdReq) => Promise<void>][] = [
  [
    'before its answer',
    async req => {
      await req.handle.stop();
      await req.respSend('bye');
    },
  ],
  [
    'behind its answer',
    async req => {
      await req.respSend('bye');
      await req.handle.stop();
    },
  ],
  [
    'behind its answer, and much else',
    async req => {
      const text = await req.text();
      await new Promise(resolve => setImmediate(resolve));
      await req.respSend(text);
      await new Promise(resolve => setImmediate(resolve));
      await req.handle.stop();
    },
  ],
];

// the clock stands still: no grace ends
test.each(HANDLERS)('awaited %s: it resolves, and the client has its answer', async (_when, handler) => {
  const stopped = deferred();
  const server = await serve(
    {
      'POST /': async req => {
        await handler(req);
        stopped.resolve();
      },
      'GET /': ok,
    },
    {},
    { clock: new ManualClock() },
  );
  const idle = await connectTo(server);
  expect((await idle.send(request('GET /')).readResponse()).text).toBe('ok');
  const client = await connectTo(server);
  client.send(post('/', 'bye'));
  expect(await idle.closed()).toBe('fin');
  idle.end();
  expect((await client.readResponse()).text).toBe('bye');
  expect(await client.closed()).toBe('fin');
  client.end();
  await stopped.promise;
  await server.stop();
  expect(server.getClientList()).toEqual([]);
});

test('it still waits for the handlers of others', async () => {
  const gate = deferred();
  const entered = deferred();
  const order: string[] = [];
  const server = await serve(
    {
      'GET /slow': async req => {
        entered.resolve();
        await gate.promise;
        order.push('slow');
        await req.respSend('slow');
      },
      'GET /stop': async req => {
        const stopped = req.handle.stop();
        gate.resolve();
        await stopped;
        order.push('stopped');
        await req.respSend('bye');
      },
    },
    {},
    { clock: new ManualClock() },
  );
  const slow = await connectTo(server);
  slow.send(request('GET /slow'));
  await entered.promise;
  const client = await connectTo(server);
  client.send(request('GET /stop'));
  expect((await slow.readResponse()).text).toBe('slow');
  slow.end();
  expect((await client.readResponse()).text).toBe('bye');
  expect(order).toEqual(['slow', 'stopped']);
});

test('the handler of a WebSocket may await it first', async () => {
  const stopped = deferred();
  const server = await serve({}, {}, { clock: new ManualClock() });
  server.registerUriHandler({
    uri: '/ws',
    method: HTTP_GET,
    isWebsocket: true,
    handleWsHandshake: false,
    handler: async req => {
      await req.handle.stop();
      stopped.resolve();
    },
  });
  const ws = await WsRawClient.upgrade(await connectTo(server));
  ws.send({ opcode: TEXT, payload: 'stop' });
  expect((await ws.readFrame()).code).toBe(1001);
  await stopped.promise;
  ws.send({ opcode: CLOSE, payload: closeBody(1001) });
  expect(await ws.closed()).toBe('fin');
});
