/** Thousands of opens and resets, at every step of a connection: nothing may stay behind. */
import { describe, expect, test } from 'vitest';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { HTTPD_WS_TYPE_TEXT, wsFrame } from '../../src/httpd_ws/frame_type.js';
import type { WsCloseInfo } from '../../src/httpd_ws/options.js';
import { heldNow } from '../support/held.js';
import { connectTo, ELSEWHERE } from '../support/server.js';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  handshakeRequest,
  TEXT,
  type WsRawClient,
} from '../support/ws_frames.js';
import { collector, deferred, expectClosed, onFrame, recvAll, startWs, until, type WsServer } from './ws_server.js';
import { COMPRESSED, compress, endLog, OFFER, turns } from './ws_watch.js';

/** So many at a time. */
const WIDTH = 50;
/** The turns of the loop that each has before it is reset. */
const ROUNDS = ELSEWHERE ? [1] : [0, 1, 2];
/** Room for one message of so many bytes, and an inflater. */
const ROOM = 100_000;
const INFLATER = 64 * 1024;

const half = (n: number) => buildFrame({ opcode: BINARY, payload: Buffer.alloc(n) }).subarray(0, n / 2);

/** What a client has done when it is reset. */
const STEPS: [name: string, act: (ws: WsRawClient) => unknown][] = [
  ['nothing', () => {}],
  ['a part of a header', ws => ws.send(half(300).subarray(0, 3))],
  ['a part of a short frame', ws => ws.send(half(300))],
  ['a part of a long frame', ws => ws.send(half(40_000))],
  ['a part of a message', ws => ws.send({ opcode: TEXT, payload: 'x'.repeat(1500), fin: false })],
  [
    'a part of a compressed message',
    ws => ws.send({ opcode: TEXT, payload: compress('x'.repeat(1500)), ...COMPRESSED, fin: false }),
  ],
  [
    'a part of a compressed frame',
    ws => ws.send(buildFrame({ opcode: TEXT, payload: compress(Buffer.alloc(1500)), ...COMPRESSED }).subarray(0, 12)),
  ],
  ['a message that its handler is busy with', ws => ws.send({ opcode: TEXT, payload: 'busy' })],
  [
    'a compressed one that its handler is busy with',
    ws => ws.send({ opcode: TEXT, payload: compress(Buffer.alloc(1500)), ...COMPRESSED }),
  ],
  ['a violation', ws => ws.send({ opcode: 3 })],
  ['a broken message', ws => ws.send({ opcode: TEXT, payload: 'broken', ...COMPRESSED })],
  ['half of a broken message', ws => ws.send({ opcode: TEXT, payload: Buffer.from([0xff]), fin: false })],
  ['a Close', ws => ws.send({ opcode: CLOSE, payload: closeBody(1000) })],
];

/** A server with room for WIDTH WebSockets, whose handlers wait for ever, and one message of ROOM bytes. */
async function startNarrow(uri: Partial<HttpdUri>) {
  const { ended, wsCloseCb } = endLog();
  const never = deferred();
  let honest = false;
  let calls = 0;
  const { handler, seen } = collector();
  const ws = await startWs(
    {
      handler: async req => {
        if (req.method === HTTP_GET || honest) return handler(req);
        calls += 1;
        return never.promise;
      },
      wsMaxSessions: WIDTH,
      wsPerMessageDeflate: true,
      wsCloseCb,
      ...uri,
    },
    { maxWsPending: ROOM + INFLATER, handlerTimeout: 0 },
  );
  return {
    ...ws,
    ended,
    seen,
    calls: () => calls,
    letGo: () => {
      honest = true;
      never.resolve();
    },
  };
}

/** As many can be opened as at first, and not one more; and all the room for messages is there. */
async function expectNothingLeft({ server, open }: WsServer, seen: readonly { payload: Buffer }[]): Promise<void> {
  await until(() => expect(server.getClientList()).toEqual([]));
  const all = await Promise.all(Array.from({ length: WIDTH }, () => open(OFFER)));
  const refused = await connectTo(server);
  refused.send(handshakeRequest(OFFER));
  expect((await refused.readResponse()).status).toBe(503);
  refused.reset();
  const before = seen.length;
  const payload = Buffer.alloc(ROOM, 'xy');
  const cut = payload.length - 100;
  for (const [i, ws] of all.entries()) {
    // one at a time, compressed or not
    if (i % 2 === 0) {
      ws.send({ opcode: BINARY, payload: payload.subarray(0, cut), fin: false });
      ws.send({ opcode: CONTINUE, payload: payload.subarray(cut) });
    } else {
      ws.send({ opcode: BINARY, payload: compress(payload), ...COMPRESSED });
    }
    await until(() => expect(seen.length + ws.raw.received.length).toBe(before + i + 1));
    expect(seen.at(-1)?.payload.equals(payload)).toBe(true);
  }
  for (const ws of all) ws.raw.reset();
  await until(() => expect(server.getClientList()).toEqual([]));
}

describe.each<[string, Partial<HttpdUri>]>([
  ['no contexts', { wsMessageMode: true }],
  [
    'contexts',
    {
      wsMessageMode: true,
      wsPerMessageDeflate: { serverNoContextTakeover: false, clientNoContextTakeover: false },
    },
  ],
])('opens and resets where they keep %s', (_name, uri) => {
  test('leave no session, no place of wsMaxSessions and no room of maxWsPending taken', async () => {
    const narrow = await startNarrow(uri);
    const { server, open, ended, seen, letGo } = narrow;
    let opened = 0;
    let busy = 0;
    for (const round of ROUNDS) {
      for (const [name, act] of STEPS) {
        const all = await Promise.all(Array.from({ length: WIDTH }, () => open(OFFER)));
        opened += all.length;
        for (const ws of all) act(ws);
        // some are reset before the server has seen what they sent, some behind; but libuv takes a reset that comes with
        // data for a FIN, behind which a busy handler goes on
        if (name.includes('busy')) {
          busy += WIDTH;
          await until(() => expect(narrow.calls()).toBe(busy));
        } else if (round > 0) {
          await turns(round);
        }
        for (const ws of all) ws.raw.reset();
        await until(() => expect(server.getClientList()).toEqual([]));
      }
    }
    expect(ended).toHaveLength(opened);
    expect(new Set(ended.map(({ fd }) => fd)).size).toBe(opened);
    letGo();
    await turns();
    await expectNothingLeft(narrow, seen);
    expect(ended).toHaveLength(opened + WIDTH);
  });
});

test('connections that are reset before their handshake has ended take no place', async () => {
  let gate = deferred();
  const narrow = await startNarrow({ wsMessageMode: true, wsPreHandshakeCb: () => gate.promise });
  const { server, seen, letGo } = narrow;
  const request = handshakeRequest(OFFER);
  for (let round = 0; round < (ELSEWHERE ? 2 : 5); round++) {
    for (const part of [request, request.slice(0, -1), `${request}${'x'.repeat(10)}`]) {
      const all = await Promise.all(Array.from({ length: 2 * WIDTH }, () => connectTo(server)));
      for (const client of all) client.send(part);
      await turns(round);
      for (const client of all) client.reset();
      // while the application decides, or before
      if (round % 2 === 0) await turns(round);
      gate.resolve();
      await until(() => expect(server.getClientList()).toEqual([]));
      gate = deferred();
    }
  }
  gate.resolve();
  letGo();
  await expectNothingLeft(narrow, seen);
});

test('connections that their own handler resets, or whose options are refused, take no place', async () => {
  let served = 0;
  const ended: WsCloseInfo[] = [];
  const narrow = await startWs({
    wsMaxSessions: WIDTH,
    wsCloseCb: info => ended.push(info),
    wsMessageMode: true,
    wsPerMessageDeflate: true,
    handler: onFrame(async req => {
      served += 1;
      await recvAll(req);
      throw new Error('no');
    }),
  });
  for (let round = 0; round < 6; round++) {
    const all = await Promise.all(Array.from({ length: WIDTH }, () => narrow.open(OFFER)));
    for (const ws of all) ws.send({ opcode: TEXT, payload: compress('hello'), ...COMPRESSED });
    await Promise.all(all.map(ws => expectClosed(ws, 1011)));
    for (const ws of all) ws.raw.end();
    await until(() => expect(narrow.server.getClientList()).toEqual([]));
    const refused = await Promise.all(Array.from({ length: WIDTH }, () => connectTo(narrow.server)));
    for (const client of refused) {
      client.send(handshakeRequest({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate;' } }));
      expect((await client.readResponse()).status).toBe(400);
      client.reset();
    }
  }
  expect([served, ended.length]).toEqual([6 * WIDTH, 6 * WIDTH]);
});

test('opens and resets while the server sends to all leave nothing queued', async () => {
  const { server, open, clock } = await startWs({ wsMaxSessions: WIDTH });
  const news = wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: 'news'.repeat(5_000) });
  for (let round = 0; round < 10; round++) {
    const all = await Promise.all(Array.from({ length: WIDTH }, () => open()));
    expect(server.wsBroadcast(news)).toBe(WIDTH);
    for (const ws of all) ws.raw.reset();
    server.wsBroadcast(news);
    await until(() => expect(server.getClientList()).toEqual([]));
    expect(server.wsBroadcast(news)).toBe(0);
  }
  clock.advance(10_000);
  expect(clock.running).toBe(0);
});

test('no descriptor is left behind', async () => {
  const { server, open } = await startWs();
  const before = heldNow().fds;
  for (let round = 0; round < 4; round++) {
    const all = await Promise.all(Array.from({ length: WIDTH }, () => open()));
    if (before > 0) expect(heldNow().fds).toBeGreaterThan(before + WIDTH);
    for (const ws of all) ws.send(half(300)).raw.reset();
    await until(() => expect(server.getClientList()).toEqual([]));
  }
  await until(() => expect(heldNow().fds).toBeLessThanOrEqual(before));
});
