import { once } from 'node:events';
import * as net from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { UriHandler } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { ManualClock } from '../support/clock.js';
import { openSockets } from '../support/open_fds.js';
import { OVER_TLS, type RawClient } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import { WsRawClient } from '../support/ws_frames.js';
import { ok, request, serve, turns, until } from './support.js';

const LARGE = Buffer.alloc(32 * 1024 * 1024, 'x');

/** Never ends, unless its client does. */
const stuck: UriHandler = () => new Promise(() => {});

const ROUTES: Readonly<Record<string, UriHandler>> = {
  'GET /': ok,
  'GET /stuck': stuck,
  'GET /later': async req => {
    await turns(3);
    await req.respSend('later');
  },
  'GET /half': async req => {
    await req.respSendChunk('half');
    await stuck(req);
  },
  'GET /events': req => void req.respStartEvents().send({ data: 'first' }),
  'GET /large': req => void req.respSend(LARGE),
  'POST /upload': async req => {
    await req.text();
    await req.respSend('taken');
  },
};

type Begin = (server: HttpdServer) => Promise<RawClient>;

/** Sends this, and waits for so much of an answer. */
const sends =
  (bytes: string, answer = ''): Begin =>
  async server => {
    const client = await connectTo(server);
    client.send(bytes);
    if (answer !== '') await client.readUntil(answer);
    return client;
  };

const webSocket = (path: string): Begin => {
  return async server => {
    const client = await connectTo(server);
    const ws = await WsRawClient.upgrade(client, { path });
    ws.send({ opcode: 1, payload: Buffer.from('hello') });
    return client;
  };
};

/** What a connection may be at when its server stops. */
const KINDS: Readonly<Record<string, Begin>> = {
  'has sent nothing': sends(''),
  'is idle behind an answer': sends(request('GET /'), 'ok'),
  'has sent half a head': sends('GET / HT'),
  'has a handler that ends soon': sends(request('GET /later')),
  'has a handler that never ends': sends(request('GET /stuck')),
  'has half an answer': sends(request('GET /half'), 'half'),
  'has an event stream': sends(request('GET /events'), 'first'),
  'has half-closed its event stream': async server => {
    const client = await sends(request('GET /events'), 'first')(server);
    client.end();
    return client;
  },
  'has sent half a body': sends(`${request('POST /upload', 'Content-Length: 10')}12345`),
  'goes on with its upload': async server => {
    const client = await connectTo(server);
    client.socket.on('error', () => {});
    client.send(request('POST /upload', 'Content-Length: 8000000'));
    client.send(Buffer.alloc(4_000_000, 'x'));
    return client;
  },
  'has pipelined behind a handler': sends(request('GET /stuck') + request('GET /').repeat(100)),
  'lingers behind its last answer': sends(request('GET /', 'Connection: close'), 'ok'),
  'lingers and goes on sending': async server => {
    const client = await sends('GET / HTTP/1.1\r\nno header\r\n\r\n', '</h1>')(server);
    client.socket.on('error', () => {});
    return client.send(Buffer.alloc(1_000_000, 'x'));
  },
  'does not read what it is sent': async server => {
    const client = await connectTo(server);
    return client.pause().send(request('GET /large'));
  },
  'has a WebSocket': webSocket('/ws'),
  'has a WebSocket whose handler never ends': webSocket('/ws/stuck'),
};

/** As many of each kind. */
const COUNT = 3;
const GRACES = [0, 0.05, 5];

/** A server with these connections, and no more of them than its limit allows. */
async function withConnections(kinds: readonly Begin[]): Promise<{ server: HttpdServer; clock: ManualClock }> {
  const clock = new ManualClock();
  const maxOpenSockets = Math.max(kinds.length, 3) * COUNT + 1;
  const server = await serve(ROUTES, { maxOpenSockets }, { clock });
  for (const [uri, handler] of [
    ['/ws', () => {}],
    ['/ws/stuck', (req: HttpdReq) => (req.method === HTTP_GET ? undefined : stuck(req))],
  ] as const) {
    server.registerUriHandler({ uri, method: HTTP_GET, isWebsocket: true, handler });
  }
  for (const begin of kinds) for (let i = 0; i < COUNT; i++) await begin(server);
  await turns(5);
  return { server, clock };
}

/** Stops it, and moves its clock until it has stopped. */
async function stopAt(server: HttpdServer, clock: ManualClock, grace: number): Promise<void> {
  let stopped = false;
  const stopping = server.stop({ grace }).finally(() => {
    stopped = true;
  });
  for (let i = 0; !stopped && i < 2_000; i++) {
    // some turns with time standing still, and some that bring many deadlines at once
    clock.advance(i < 5 ? 0 : 50);
    await nextTurn();
  }
  await stopping;
}

test.each(Object.entries(KINDS).flatMap(([kind, begin]) => GRACES.map(grace => ({ kind, begin, grace }))))(
  'stop({ grace: $grace }) leaves no descriptor of a client that $kind',
  async ({ begin, grace }) => {
    const { server, clock } = await withConnections([begin]);
    const { port } = server;
    if (process.platform === 'linux') expect(openSockets(port)).toBeGreaterThan(0);
    await stopAt(server, clock, grace);
    expect(server.getClientList()).toEqual([]);
    await until(() => expect(openSockets(port)).toBe(0));
  },
);

test.each(GRACES)(
  'stop({ grace: %d }) leaves none of all kinds together, and of those that were refused',
  async grace => {
    const { server, clock } = await withConnections(Object.values(KINDS));
    const { port } = server;
    // those that linger have made room
    for (let i = 0; i < 4 * COUNT; i++) await connectTo(server);
    await turns(5);
    await stopAt(server, clock, grace);
    await until(() => expect(openSockets(port)).toBe(0));
  },
);

test.runIf(OVER_TLS).each(GRACES)('stop({ grace: %d }) leaves none whose handshake is under way', async grace => {
  const { server, clock } = await withConnections([]);
  const { port } = server;
  const sockets: net.Socket[] = [];
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  // the second is the beginning of a ClientHello
  for (const words of ['', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03']) {
    for (let i = 0; i < COUNT; i++) {
      const socket = net.connect(port, '127.0.0.1');
      sockets.push(socket);
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write(words, 'latin1');
    }
  }
  await turns(5);
  if (process.platform === 'linux') expect(openSockets(port)).toBe(1 + 2 * COUNT);
  await stopAt(server, clock, grace);
  await until(() => expect(openSockets(port)).toBe(0));
});

test('stop({ grace: 0 }) leaves none of many event streams, on a clock that goes on by itself', async () => {
  const server = await serve(ROUTES);
  const { port } = server;
  for (let i = 0; i < 20; i++) await sends(request('GET /events'), 'first')(server);
  await server.stop({ grace: 0 });
  await until(() => expect(openSockets(port)).toBe(0));
});
