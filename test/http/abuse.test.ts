import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { HTTP_GET, HTTP_POST } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { backTo, heldNow } from '../support/held.js';
import { RawClient } from '../support/raw_client.js';
import { collectLog, SELECT_LOOP, startTestServer } from '../support/server.js';
import { BINARY, PING, PONG, WsRawClient } from '../support/ws_frames.js';
import { abuse, Chance, WAYS } from './abuse_support.js';
import { post, request, stillServes } from './support.js';

/** The raw sockets of epoll have more to show than node:net, which others test too. */
const SECONDS = SELECT_LOOP === 'epoll' ? 20 : 3;
const PATIENCE = { timeout: 15_000, interval: 20 };

async function echoBody(req: HttpdReq): Promise<void> {
  const pieces: Buffer[] = [];
  const buf = Buffer.alloc(4_096);
  for (let n = await req.recv(buf); n > 0; n = await req.recv(buf)) pieces.push(Buffer.from(buf.subarray(0, n)));
  await req.respSend(Buffer.concat(pieces));
}

/** More than any kernel takes at once. */
async function much(req: HttpdReq): Promise<void> {
  const piece = Buffer.alloc(64 * 1024, 'much ');
  for (let i = 0; i < 100; i++) await req.respSendChunk(piece);
  await req.respSendChunk();
}

async function echoFrame(req: HttpdReq): Promise<void> {
  if (req.method === HTTP_GET) return;
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 0);
  pkt.payload = new Uint8Array(pkt.len);
  await req.wsRecvFrame(pkt, Math.max(1, pkt.len));
  await req.wsSendFrame(pkt);
}

/** A client that does all as it should, and gets what it should. @returns how many rounds it went */
async function behave(server: HttpdServer, isOver: () => boolean): Promise<number> {
  const chance = new Chance(1);
  let rounds = 0;
  while (!isOver()) {
    const http = await RawClient.connect(server.port);
    const ws = await WsRawClient.connect(server.port);
    for (let i = 0; i < 50 && !isOver(); i++, rounds++) {
      const got = await http.send(request('GET /')).readResponse();
      expect([got.status, got.text]).toEqual([200, 'ok']);
      const body = 'abcdefghij'.repeat(chance.below(3_000));
      const echoed = await http.send(post('/echo', body)).readResponse();
      expect([echoed.status, echoed.text === body]).toEqual([200, true]);
      const payload = chance.bytes(chance.below(30_000));
      const frame = await ws.send({ opcode: BINARY, payload }).readFrame();
      expect([frame.opcode, frame.payload.equals(payload)]).toEqual([BINARY, true]);
      const pong = await ws.send({ opcode: PING, payload: 'there?' }).readFrame();
      expect([pong.opcode, pong.text]).toEqual([PONG, 'there?']);
      await sleep(5);
    }
    http.destroy();
    ws.destroy();
  }
  return rounds;
}

test(`${SECONDS} s of abuse: who behaves is served, and nothing is left in the end`, {
  timeout: (SECONDS + 60) * 1000,
}, async () => {
  const { logger, lines } = collectLog('info');
  const server = await startTestServer({
    logger,
    recvWaitTimeout: 2,
    sendWaitTimeout: 2,
    idleTimeout: 3,
    enableSoLinger: true,
    lingerTimeout: 0.5,
  });
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => void req.respSend('ok') });
  server.registerUriHandler({ uri: '/much', method: HTTP_GET, handler: much });
  server.registerUriHandler({ uri: '/echo', method: HTTP_POST, handler: echoBody });
  server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: echoFrame });
  await stillServes(server, '/');
  await vi.waitFor(() => expect(server.getClientList()).toEqual([]), PATIENCE);
  const before = heldNow();

  let over = false;
  const isOver = () => over;
  const all = Promise.all([
    behave(server, isOver),
    ...Object.values(WAYS).map((way, i) => abuse(server.port, way, 1_000 + i, isOver)),
    // one that stalls does little: some more of them
    ...[1, 2, 3].map(i => abuse(server.port, WAYS.staller, 2_000 + i, isOver)),
  ]);
  await Promise.race([sleep(SECONDS * 1000), all]);
  over = true;
  const [rounds, ...connections] = await all;
  expect(rounds).toBeGreaterThan(SECONDS);
  for (const n of connections) expect(n).toBeGreaterThan(1);
  await stillServes(server, '/');
  await vi.waitFor(() => expect(server.getClientList()).toEqual([]), PATIENCE);
  await backTo(before);
  // otherwise nobody has behaved badly
  expect(new Set(lines.map(line => line.replace(/\d+/g, 'N'))).size).toBeGreaterThan(5);
  expect(lines.filter(line => line.startsWith('E ') || /fault|internal error/.test(line))).toEqual([]);
  // no peer can write a line of its own
  expect(lines.filter(line => /[^\x20-\x7e]/.test(line))).toEqual([]);
});
