import { describe, expect, test } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { type HttpdWsFrame, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo } from '../support/server.js';
import {
  BINARY,
  CLOSE,
  CONTINUE,
  closeBody,
  handshakeRequest,
  PING,
  PONG,
  TEXT,
  type WsRawClient,
} from '../support/ws_frames.js';
import { DeflatePeer, parseAnswer } from './conformance/deflate_client.js';
import { deferred, echo, errorOf, onFrame, pattern, startWs, until } from './ws_server.js';
import { endLog, expectSilence, lastFd, OFFER, turns } from './ws_watch.js';

const text = (payload: string) => wsFrame({ type: TEXT, payload });
const KB64 = Buffer.alloc(64 * 1024, 0x61);

/** A server with so many WebSockets; `fds` are theirs. */
async function startMany(n: number, uri: Partial<HttpdUri> = {}, config: Partial<HttpdConfig> = {}) {
  const ws = await startWs(uri, config);
  const clients: WsRawClient[] = [];
  const fds: number[] = [];
  for (let i = 0; i < n; i++) {
    clients.push(await ws.open());
    fds.push(lastFd(ws.server));
  }
  return { ...ws, clients, fds };
}

describe('wsBroadcast', () => {
  test('reaches every WebSocket of every handler, and no HTTP session; it says how many', async () => {
    const { server, open, clients } = await startMany(5);
    server.registerUriHandler({ uri: '/b', method: HTTP_GET, isWebsocket: true, handler: echo });
    clients.push(await open({ path: '/b' }));
    const plain = await connectTo(server);
    await until(() => expect(server.getClientList()).toHaveLength(7));
    expect(server.wsBroadcast(text('news'))).toBe(6);
    for (const client of clients) {
      const { opcode, fin, text: got } = await client.readFrame();
      expect([opcode, fin, got]).toEqual([TEXT, true, 'news']);
      await expectSilence(client);
    }
    expect(plain.received).toHaveLength(0);
  });

  test('on a server without WebSockets reaches nobody', async () => {
    const { server } = await startWs();
    expect(server.wsBroadcast(text('news'))).toBe(0);
  });

  test('asks its filter for each with fd and URI, and sends where it says so', async () => {
    const { server, open, clients, fds } = await startMany(3);
    server.registerUriHandler({ uri: '/room', method: HTTP_GET, isWebsocket: true, handler: echo });
    clients.push(await open({ path: '/room' }));
    fds.push(lastFd(server));
    const asked: [number, string][] = [];
    const taken = server.wsBroadcast(text('odd'), (fd, uri) => {
      asked.push([fd, uri]);
      return uri === '/room' || fd === fds[1];
    });
    expect(taken).toBe(2);
    expect(asked).toEqual(fds.map((fd, i) => [fd, i === 3 ? '/room' : '/ws']));
    for (const [i, client] of clients.entries()) {
      if (i === 1 || i === 3) expect((await client.readFrame()).text).toBe('odd');
      await expectSilence(client);
    }
  });

  test('may be asked for by a handler, which is reached too', async () => {
    const { server, clients } = await startMany(3, {
      handler: onFrame(async req => {
        const pkt = wsFrame();
        await req.wsRecvFrame(pkt, 100);
        server.wsBroadcast(wsFrame({ ...pkt, len: 0 }));
      }),
    });
    clients[0]?.send({ opcode: TEXT, payload: 'hi all' });
    for (const client of clients) expect((await client.readFrame()).text).toBe('hi all');
  });

  test('ends where its filter throws', async () => {
    const { server, clients, fds } = await startMany(2);
    expect(() =>
      server.wsBroadcast(text('x'), fd => {
        if (fd === fds[1]) throw new Error('filter');
        return true;
      }),
    ).toThrow('filter');
    expect((await (clients[0] as WsRawClient).readFrame()).text).toBe('x');
    await expectSilence(clients[1] as WsRawClient);
  });

  test.each<[name: string, frame: unknown, filter?: unknown]>([
    ['a Close', { type: CLOSE }],
    ['a continuation', { type: CONTINUE, payload: 'x' }],
    ['a fragment', { type: TEXT, payload: 'x', fragmented: true }],
    ['the only fragment', { type: TEXT, payload: 'x', fragmented: true, final: true }],
    ['a Ping that is too long', { type: PING, payload: 'x'.repeat(126) }],
    ['a type that is none', { type: 3, payload: 'x' }],
    ['a payload of another kind', { type: TEXT, payload: 5 }],
    ['nothing', null],
    ['a filter that is none', { type: TEXT, payload: 'x' }, 'all'],
  ])('with %s throws ESP_ERR_INVALID_ARG, and sends nothing', async (_name, frame, filter) => {
    const { server, clients } = await startMany(1);
    expect(await errorOf(() => server.wsBroadcast(frame as HttpdWsFrame, filter as never))).toBe('ESP_ERR_INVALID_ARG');
    await expectSilence(clients[0] as WsRawClient);
  });

  test('of Pings and Pongs works too', async () => {
    const { server, clients } = await startMany(2);
    expect(server.wsBroadcast(wsFrame({ type: PING, payload: 'p' }))).toBe(2);
    expect(server.wsBroadcast(wsFrame({ type: PONG }))).toBe(2);
    for (const client of clients) {
      expect([(await client.readFrame()).opcode, (await client.readFrame()).opcode]).toEqual([PING, PONG]);
    }
  });

  test('leaves out who is closing, whichever side has begun', async () => {
    const gate = deferred();
    const entered = deferred();
    const { server, clients, fds } = await startMany(4, {
      handleWsControlFrames: true,
      handler: onFrame(async () => {
        entered.resolve();
        await gate.promise;
      }),
    });
    const [a, b, c, d] = clients as [WsRawClient, WsRawClient, WsRawClient, WsRawClient];
    server.wsClose(fds[0] as number);
    b.send({ opcode: CLOSE, payload: closeBody(1000) });
    await entered.promise;
    c.raw.reset();
    await until(() => expect(server.getClientList()).not.toContain(fds[2]));
    expect(server.wsBroadcast(text('x'))).toBe(1);
    expect((await d.readFrame()).text).toBe('x');
    expect((await a.readFrame()).opcode).toBe(CLOSE);
    gate.resolve();
    expect((await b.readFrame()).opcode).toBe(CLOSE);
  });

  test('leaves out a handshake that is being answered', async () => {
    const gate = deferred();
    const entered = deferred();
    const { server } = await startWs({
      wsPreHandshakeCb: () => {
        entered.resolve();
        return gate.promise;
      },
    });
    const client = await connectTo(server);
    client.send(handshakeRequest());
    await entered.promise;
    expect(server.wsBroadcast(text('x'))).toBe(0);
    gate.resolve();
    expect((await client.readResponse()).status).toBe(101);
    expect(server.wsBroadcast(text('y'))).toBe(1);
    expect((await client.readUntil(3)).toString('latin1')).toBe('\x81\x01y');
  });

  test('does not count one that ends while it is sent to', async () => {
    const { server, fds } = await startMany(2, {}, { maxTxPending: 100_000, txOverflow: 'drop' });
    server.sessSetSendOverride(fds[0] as number, () => -1);
    const taken = [1, 2, 3].map(() => server.wsBroadcast(wsFrame({ type: BINARY, payload: KB64 })));
    // at the third there is no room, and the attempt to make some shows that the connection is broken
    expect(taken).toEqual([2, 2, 1]);
    expect(server.getClientList()).toEqual([fds[1]]);
  });

  test('keeps what it was given: a payload that is changed behind the call', async () => {
    const { server, clients } = await startMany(2);
    for (const len of [10, 600, 300_000]) {
      const payload = pattern(len);
      server.wsBroadcast(wsFrame({ type: BINARY, payload }));
      payload.fill(0);
    }
    for (const client of clients) {
      for (const len of [10, 600, 300_000]) {
        expect(Buffer.compare((await client.readFrame()).payload, pattern(len))).toBe(0);
      }
    }
  });

  test('takes frame.len, as sending to one does', async () => {
    const { server, clients } = await startMany(1);
    server.wsBroadcast(wsFrame({ type: BINARY, payload: pattern(100), len: 7 }));
    expect((await (clients[0] as WsRawClient).readFrame()).payload).toEqual(pattern(7));
  });

  test('tells listeners for sentData the length of the payload, once for each', async () => {
    const { server, clients, fds } = await startMany(2);
    const told: [number, number][] = [];
    server.on('sentData', ({ fd, dataLen }) => told.push([fd, dataLen]));
    server.wsBroadcast(wsFrame({ type: BINARY, payload: pattern(1_000) }));
    server.wsBroadcast(text('€'));
    expect(told).toEqual([1_000, 3].flatMap(len => fds.map(fd => [fd, len])));
    await (clients[0] as WsRawClient).readFrame();
  });
});

describe('who gets it in the middle of a message that the application sends in fragments', () => {
  test('gets it behind that message; Pings come at once', async () => {
    const { server, clients, fds } = await startMany(2);
    const [a, b] = clients as [WsRawClient, WsRawClient];
    const send = (frame: Partial<HttpdWsFrame>) => server.wsSendFrameAsync(fds[0] as number, wsFrame(frame));
    await send({ type: TEXT, payload: 'one', fragmented: true });
    expect(server.wsBroadcast(text('first'))).toBe(2);
    expect(server.wsBroadcast(wsFrame({ type: PING, payload: 'p' }))).toBe(2);
    await send({ type: CONTINUE, payload: 'two', fragmented: true });
    expect(server.wsBroadcast(text('second'))).toBe(2);
    await send({ type: CONTINUE, payload: 'three', fragmented: true, final: true });
    server.wsBroadcast(text('third'));
    const read = async (client: WsRawClient, n: number) => {
      const got: string[] = [];
      for (let i = 0; i < n; i++) got.push((await client.readFrame()).text);
      return got;
    };
    expect(await read(a, 7)).toEqual(['one', 'p', 'two', 'three', 'first', 'second', 'third']);
    expect(await read(b, 4)).toEqual(['first', 'p', 'second', 'third']);
  });

  test('may keep no more waiting than maxTxPending', async () => {
    const { server, clients, fds } = await startMany(1, {}, { maxTxPending: 200_000, txOverflow: 'error' });
    const fd = fds[0] as number;
    await server.wsSendFrameAsync(fd, wsFrame({ type: TEXT, payload: 'begin', fragmented: true }));
    const taken = Array.from({ length: 8 }, () => server.wsBroadcast(wsFrame({ type: BINARY, payload: KB64 })));
    expect(taken).toEqual([1, 1, 1, 1, 0, 0, 0, 0]);
    expect(server.wsBroadcast(wsFrame({ type: PING }))).toBe(1);
    // and all of it is counted
    expect(server.sessGetTxPending(fd)).toBeGreaterThan(4 * KB64.length);
    await server.wsSendFrameAsync(fd, wsFrame({ type: CONTINUE, payload: 'end', fragmented: true, final: true }));
    const got: number[] = [];
    for (let i = 0; i < 7; i++) got.push((await (clients[0] as WsRawClient).readFrame()).opcode);
    expect(got).toEqual([TEXT, PING, CONTINUE, BINARY, BINARY, BINARY, BINARY]);
  });
});

describe('with permessage-deflate', () => {
  test.each([
    ['shared', {}],
    ['a context of each server side', { serverNoContextTakeover: false }],
    ['contexts of both sides', { serverNoContextTakeover: false, clientNoContextTakeover: false }],
    ['small windows', { serverMaxWindowBits: 9 }],
  ])('every client can read it, those without too: %s', async (_name, options) => {
    const { server, open } = await startWs({ wsPerMessageDeflate: { threshold: 100, ...options } });
    const clients = [await open(OFFER), await open(OFFER), await open(), await open(OFFER)];
    const peers = clients.map(({ response }) => {
      const answer = response.headers['sec-websocket-extensions'];
      return answer === undefined ? undefined : new DeflatePeer(parseAnswer(answer));
    });
    const messages = Array.from({ length: 6 }, (_, i) => `${i} `.repeat(i % 2 === 0 ? 500 : 10));
    for (const [i, payload] of messages.entries()) {
      // to some only, so that contexts differ
      const only = i % 3 === 2 ? lastFd(server) : undefined;
      expect(server.wsBroadcast(text(payload), fd => only === undefined || fd === only)).toBe(
        only === undefined ? 4 : 1,
      );
    }
    for (const [k, client] of clients.entries()) {
      for (const [i, payload] of messages.entries()) {
        if (i % 3 === 2 && k !== 3) continue;
        const frame = await client.readFrame();
        const peer = peers[k];
        expect(frame.rsv).toBe(peer !== undefined && payload.length >= 100 ? 4 : 0);
        const got = frame.rsv === 4 && peer !== undefined ? await peer.inflate(frame.payload) : frame.payload;
        expect(got.toString()).toBe(payload);
      }
      peers[k]?.close();
    }
  });
});

describe('slow readers and fast ones', () => {
  test('get the same bytes, large and small mixed with what is theirs alone', async () => {
    const { server, clients, fds } = await startMany(4, {}, { maxTxPending: 64 << 20 });
    const slow = clients.slice(0, 2);
    for (const client of slow) client.raw.pause();
    const sent: Buffer[][] = clients.map(() => []);
    const sizes = [1, 512, 513, 70_000, 300_000, 0, 1_000_000];
    for (let i = 0; i < 60; i++) {
      const payload = Buffer.alloc(sizes[i % sizes.length] as number, i);
      expect(server.wsBroadcast(wsFrame({ type: BINARY, payload }))).toBe(4);
      for (const list of sent) list.push(payload);
      const k = i % 4;
      const own = Buffer.alloc((i * 37) % 2_000, 255 - i);
      void server.wsSendFrameAsync(fds[k] as number, wsFrame({ type: BINARY, payload: own }));
      sent[k]?.push(own);
      if (i % 10 === 0) await turns(1);
    }
    for (const client of slow) client.raw.resume();
    for (const [k, client] of clients.entries()) {
      for (const payload of sent[k] ?? []) {
        expect(Buffer.compare((await client.readFrame()).payload, payload)).toBe(0);
      }
    }
  });

  // node:tls takes 64 KiB a turn
  test.skipIf(OVER_TLS)('a burst in one turn closes nobody who reads', async () => {
    const { server, clients } = await startMany(2, {}, { maxTxPending: 256 * 1024 });
    const { ended } = endLog();
    for (let i = 0; i < 20; i++) expect(server.wsBroadcast(wsFrame({ type: BINARY, payload: KB64 }))).toBe(2);
    for (const client of clients) {
      for (let i = 0; i < 20; i++) expect((await client.readFrame()).payload).toHaveLength(KB64.length);
      await expectSilence(client);
    }
    expect(ended).toEqual([]);
  });

  test('a filter that returns a promise picks nobody, since a promise is not true', async () => {
    const { server } = await startMany(2);
    const filter = (async () => true) as unknown as () => boolean;
    expect(server.wsBroadcast(wsFrame({ type: TEXT, payload: 'secret' }), filter)).toBe(0);
  });
});
