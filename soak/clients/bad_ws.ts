/** Clients that speak WebSocket as nobody should. */
import { deflateRawSync } from 'node:zlib';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  handshakeRequest,
  PING,
  TEXT,
  WsRawClient,
} from '../../test/support/ws_frames.js';
import { type Actor, check, type Me } from './world.js';

const DEFLATE = { 'Sec-WebSocket-Extensions': 'permessage-deflate' };

interface Violation {
  readonly path?: string;
  readonly frames: readonly Buffer[];
  readonly code: number;
}

const BOMB = deflateRawSync(Buffer.alloc(5_000_000)).subarray(0, -4);

/** What is sent, and the Close that answers it (RFC 6455 section 7.4.1). */
const VIOLATIONS: readonly Violation[] = [
  { frames: [buildFrame({ opcode: TEXT, payload: 'x', mask: false })], code: 1002 },
  { frames: [buildFrame({ opcode: TEXT, rsv: 4 })], code: 1002 },
  { frames: [buildFrame({ opcode: 3 })], code: 1002 },
  { frames: [buildFrame({ opcode: PING, fin: false })], code: 1002 },
  { frames: [buildFrame({ opcode: PING, claimedLen: 126 })], code: 1002 },
  { frames: [buildFrame({ opcode: CONTINUE })], code: 1002 },
  { frames: [buildFrame({ opcode: TEXT, fin: false }), buildFrame({ opcode: TEXT })], code: 1002 },
  { frames: [buildFrame({ opcode: CLOSE, payload: closeBody(1005) })], code: 1002 },
  { frames: [buildFrame({ opcode: CLOSE, payload: 'x' })], code: 1002 },
  { frames: [buildFrame({ opcode: BINARY, payload: 'x', lengthForm: 64 })], code: 1002 },
  { frames: [buildFrame({ opcode: TEXT, payload: Buffer.from([0xc0, 0x80]) })], code: 1007 },
  { frames: [buildFrame({ opcode: BINARY, claimedLen: 200_001 })], code: 1009 },
  { frames: [buildFrame({ opcode: BINARY, claimedLen: 2n ** 63n - 1n })], code: 1009 },
  { path: '/bad/message', frames: [buildFrame({ opcode: BINARY, payload: BOMB, rsv: 4 })], code: 1009 },
  { path: '/bad/message', frames: [buildFrame({ opcode: BINARY, payload: 'no deflate', rsv: 4 })], code: 1007 },
];

async function violates(me: Me): Promise<void> {
  const { path = '/bad/ws', frames, code } = me.pick(VIOLATIONS);
  const client = await WsRawClient.upgrade(await me.connect(), { path, headers: DEFLATE });
  for (const piece of me.cut(Buffer.concat([...frames, me.bytes(me.int(0, 100))]), 3)) client.send(piece);
  let frame = await client.readFrame();
  // what came before the violation is sent back
  while (frame.opcode < CLOSE) frame = await client.readFrame();
  check(frame.opcode === CLOSE && frame.code === code, `a violation got ${frame.opcode} ${frame.code}, not ${code}`);
  await client.closed();
  client.raw.end();
}

/** Resets, FIN without a Close, or nothing, in the middle of a frame or between two. */
async function leaves(me: Me): Promise<void> {
  const client = await WsRawClient.upgrade(await me.connect(), { path: me.pick(['/bad/ws', '/bad/message']) });
  const frames = Buffer.concat([
    buildFrame({ opcode: BINARY, payload: me.bytes(1_000), fin: false }),
    buildFrame({ opcode: PING, payload: 'ping' }),
    buildFrame({ opcode: CONTINUE, payload: me.bytes(30_000) }),
  ]);
  client.send(frames.subarray(0, me.int(0, frames.length)));
  await me.world.pause(me.int(0, 20));
  if (me.int(0, 1) === 0) {
    client.raw.reset();
  } else {
    client.raw.end();
    await client.closed();
  }
}

/** Answers no Ping: it counts as dead. Or begins a frame, and never ends it. */
async function silent(me: Me): Promise<void> {
  const client = await WsRawClient.upgrade(await me.connect(), { path: '/bad/ws' });
  if (me.int(0, 1) === 0) client.send(buildFrame({ opcode: BINARY, payload: 'half', claimedLen: 100 }));
  await client.closed();
}

/** Sends much, and reads nothing of what comes back. */
async function slowReader(me: Me): Promise<void> {
  const client = await WsRawClient.upgrade(await me.connect(), { path: '/bad/ws' });
  client.raw.pause();
  const frame = buildFrame({ opcode: BINARY, payload: me.bytes(100_000) });
  for (let i = 0; i < 100; i++) client.send(frame);
  await me.world.pause(me.int(500, 3_500));
  client.raw.reset();
}

async function pings(me: Me): Promise<void> {
  const client = await WsRawClient.upgrade(await me.connect(), { path: '/bad/ws' });
  client.send(...Array.from({ length: 500 }, (_, i) => buildFrame({ opcode: PING, payload: `${i}` })));
  client.send({ opcode: CLOSE, payload: closeBody(1000) });
  const frame = buildFrame({ opcode: CLOSE, payload: closeBody(1000), mask: false });
  check((await client.raw.readAll()).subarray(-4).equals(frame), 'a Close behind many Pings was not answered');
  client.raw.end();
}

async function handshakes(me: Me): Promise<void> {
  const client = await me.connect();
  const headers = me.pick([
    { 'Sec-WebSocket-Key': 'short' },
    { 'Sec-WebSocket-Version': '12' },
    { 'Sec-WebSocket-Version': undefined },
    { Upgrade: undefined },
    { Connection: 'close' },
    { 'Content-Length': '5' },
  ]);
  client.send(handshakeRequest({ path: '/bad/ws', headers })).end();
  const { status } = await client.readResponse();
  check(status === 400 || status === 426, `a wrong handshake got ${status}`);
  await client.closed();
}

export const BAD_WS_ACTORS: readonly Actor[] = [
  { name: 'WebSocket violations', count: 4, run: violates },
  { name: 'WebSockets that leave', count: 3, run: leaves },
  { name: 'dead WebSockets', count: 4, run: silent },
  { name: 'WebSockets that do not read', count: 2, run: slowReader },
  { name: 'many Pings', count: 1, run: pings },
  { name: 'wrong handshakes', count: 1, run: handshakes },
];
