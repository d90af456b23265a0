import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import { connectTo } from '../support/server.js';
import { BINARY, WsRawClient } from '../support/ws_frames.js';
import { request, serve } from './support.js';

const store = new AsyncLocalStorage<string>();

function who(req: HttpdReq): void {
  void req.respSend(String(store.getStore()));
}

test("what a handler enters into an AsyncLocalStorage reaches no other client, and not the server's starter", async () => {
  const server = await serve({
    'GET /login': req => {
      store.enterWith('alice');
      who(req);
    },
    'GET /who': who,
    'GET /later': async req => {
      await new Promise(resolve => setImmediate(resolve));
      who(req);
    },
  });
  const alice = await connectTo(server);
  const mallory = await connectTo(server);
  const ask = async (client: typeof alice, path: string) => {
    client.send(request(`GET ${path}`));
    return (await client.readResponse()).body.toString();
  };
  expect(await ask(alice, '/login')).toBe('alice');
  // both in the same turn: what is sent for one is flushed together with the other's
  alice.send(request('GET /login'));
  mallory.send(request('GET /who') + request('GET /later'));
  await alice.readResponse();
  expect((await mallory.readResponse()).body.toString()).toBe('undefined');
  expect((await mallory.readResponse()).body.toString()).toBe('undefined');
  expect(await ask(await connectTo(server), '/who')).toBe('undefined');
  expect(store.getStore()).toBeUndefined();
});

test('a handler goes on in its own context behind each await', async () => {
  const server = await serve({
    'GET /': async req => {
      const name = req.getUrlQueryStr() ?? '';
      await store.run(name, async () => {
        await new Promise(resolve => setImmediate(resolve));
        await req.respSend(String(store.getStore()));
      });
    },
  });
  const clients = await Promise.all(['a', 'b', 'c'].map(() => connectTo(server)));
  for (const [i, client] of clients.entries()) client.send(request(`GET /?${i}`));
  const answers = await Promise.all(clients.map(async client => (await client.readResponse()).body.toString()));
  expect(answers).toEqual(['0', '1', '2']);
});

test('a server runs in the context of who started it', async () => {
  const server = await store.run('starter', () => serve({ 'GET /': who }));
  const client = await connectTo(server);
  client.send(request('GET /'));
  expect((await client.readResponse()).body.toString()).toBe('starter');
});

test('a broken compressed frame ends its connection, also where an application uses an AsyncLocalStorage', async () => {
  store.enterWith('anybody');
  const server = await serve({});
  server.registerUriHandler({
    uri: '/ws',
    method: HTTP_GET,
    isWebsocket: true,
    wsPerMessageDeflate: true,
    handler: () => {},
  });
  const client = await WsRawClient.connect(server.port, {
    headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
  });
  client.send({ opcode: BINARY, rsv: 4, payload: Buffer.from([7, 7, 7, 7]) });
  expect((await client.readFrame()).code).toBe(1007);
  client.destroy();
});
