/** Clients that speak WebSocket as they should: each message comes back once, in its order. */
import { once } from 'node:events';
import WebSocket from 'ws';
import {
  BINARY,
  buildFrame,
  CLOSE,
  CONTINUE,
  closeBody,
  PING,
  PONG,
  type ServerFrame,
  TEXT,
  WsRawClient,
} from '../../test/support/ws_frames.js';
import { type Actor, check, type Me } from './world.js';

/** How long a message may take to come back, in ms. */
const PATIENCE_MS = 8_000;

/** The next frame that is no Ping; Pings are answered. */
async function nextFrame(client: WsRawClient): Promise<ServerFrame> {
  for (;;) {
    const frame = await client.readFrame();
    if (frame.opcode !== PING) return frame;
    client.send({ opcode: PONG, payload: frame.payload });
  }
}

/** The closing handshake. */
async function close(client: WsRawClient): Promise<void> {
  client.send({ opcode: CLOSE, payload: closeBody(1000) });
  const frame = await nextFrame(client);
  check(frame.opcode === CLOSE && frame.code === 1000, `a Close was answered with ${frame.opcode} ${frame.code}`);
  check((await client.closed()) === 'fin', 'the connection was reset behind the Close');
  client.raw.end();
}

/** Frames of every length, some of them fragments, with Pings between them. */
async function echo(me: Me): Promise<void> {
  const client = await WsRawClient.upgrade(await me.connect(), { path: '/ws' });
  for (let n = me.int(1, 10); n > 0; n--) {
    const opcode = me.pick([TEXT, BINARY]);
    const payload = opcode === TEXT ? Buffer.from(me.text(me.int(0, 300))) : me.bytes(me.int(0, 20_000));
    const parts = me.int(0, 3) === 0 ? me.cut(payload, 4) : [payload];
    if (parts.length === 0) parts.push(payload);
    const frames = parts.map((part, i) =>
      buildFrame({ opcode: i === 0 ? opcode : CONTINUE, payload: part, fin: i === parts.length - 1 }),
    );
    const ping = buildFrame({ opcode: PING, payload: `${n}` });
    for (const piece of me.cut(Buffer.concat([ping, ...frames]), 4)) client.send(piece);
    const pong = await nextFrame(client);
    check(pong.opcode === PONG && pong.text === `${n}`, 'a Ping had no Pong');
    for (const [i, part] of parts.entries()) {
      const frame = await nextFrame(client);
      const same = frame.payload.equals(part) && frame.fin === (i === parts.length - 1);
      check(same && frame.opcode === (i === 0 ? opcode : CONTINUE), 'a frame came back changed');
      me.world.got('ws');
    }
  }
  await close(client);
}

/** Quiet for longer than `wsPingInterval`: the server pings, and what comes afterwards is served. */
async function quiet(me: Me): Promise<void> {
  const client = await WsRawClient.upgrade(await me.connect(), { path: '/ws' });
  while (!me.world.stopping) {
    const frame = await client.readFrame();
    check(frame.opcode === PING, `a quiet client got a frame of type ${frame.opcode}`);
    client.send({ opcode: PONG, payload: frame.payload });
    if (me.int(0, 3) === 0) break;
  }
  client.send({ opcode: TEXT, payload: 'awake' });
  check((await nextFrame(client)).text === 'awake', 'a client that was quiet is not served');
  me.world.got('ws');
  await close(client);
}

/** A client of the package `ws`, and the messages that it gets. */
class Foreign {
  private readonly messages: string[] = [];
  private wake: () => void = () => {};
  private deaf = false;

  private constructor(private readonly ws: WebSocket) {
    ws.on('message', (data: Buffer) => {
      this.messages.push(data.toString());
      this.wake();
    });
    ws.on('close', () => this.wake());
    ws.on('error', () => {});
  }

  static async open(me: Me, path: string, options: WebSocket.ClientOptions = {}): Promise<Foreign> {
    const ws = new WebSocket(`ws://127.0.0.1:${me.world.ports.main}${path}`, options);
    const foreign = new Foreign(ws);
    await once(ws, 'open', { signal: AbortSignal.timeout(PATIENCE_MS) });
    return foreign;
  }

  send(message: string): void {
    this.ws.send(message);
  }

  /** The next message. */
  async next(): Promise<string> {
    const patience = setTimeout(() => this.ws.terminate(), PATIENCE_MS);
    while (this.messages.length === 0) {
      check(this.ws.readyState === WebSocket.OPEN, 'a WebSocket ended before its messages had come back');
      await new Promise<void>(resolve => {
        this.wake = resolve;
      });
    }
    clearTimeout(patience);
    return this.messages.shift() as string;
  }

  async close(): Promise<void> {
    const closed = once(this.ws, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) });
    this.ws.close(1000);
    const [code] = await closed;
    check(code === 1000, `a WebSocket was closed with ${String(code)}`);
    check(this.deaf || this.messages.length === 0, 'a message came that nobody had sent');
  }

  /** What comes from now on is for others too. */
  forget(): void {
    this.deaf = true;
  }
}

/** Messages, with permessage-deflate. */
function compressed(kind: 'message' | 'takeover'): (me: Me) => Promise<void> {
  return async me => {
    const foreign = await Foreign.open(me, `/${kind}`, { perMessageDeflate: me.int(0, 3) > 0 });
    const sent: string[] = [];
    for (let n = me.int(1, 10); n > 0; n--) sent.push(me.text(me.pick([0, 50, 500, 5_000, 50_000])));
    for (const message of sent) foreign.send(message);
    for (const message of sent) {
      check((await foreign.next()) === message, `a message of ${kind} came back changed`);
      me.world.got(kind);
    }
    await foreign.close();
  };
}

/** Some clients of a room: each gets what each of them has sent, once, and in its order. */
async function room(me: Me): Promise<void> {
  const members = await Promise.all(Array.from({ length: me.int(2, 5) }, () => Foreign.open(me, '/room')));
  const group = me.world.id('group');
  const each = me.int(1, 5);
  for (let n = 0; n < each; n++)
    for (const [i, member] of members.entries()) member.send(`${group} ${i} ${n} ${me.text(50)}`);
  for (const member of members) {
    const heard = members.map(() => 0);
    for (let left = members.length * each; left > 0; ) {
      const [from, i, n] = (await member.next()).split(' ');
      // there are other groups in the room
      if (from !== group) continue;
      check(heard[Number(i)] === Number(n), 'a message of the room came twice, or in a wrong order');
      heard[Number(i)] = Number(n) + 1;
      left -= 1;
    }
  }
  for (let n = members.length * each; n > 0; n--) me.world.got('room');
  for (const member of members) member.forget();
  await Promise.all(members.map(member => member.close()));
}

export const WS_ACTORS: readonly Actor[] = [
  { name: 'WebSocket frames', count: 4, run: echo },
  { name: 'quiet WebSockets', count: 4, run: quiet },
  { name: 'compressed messages', count: 2, run: compressed('message') },
  { name: 'compressed with context', count: 2, run: compressed('takeover') },
  { name: 'rooms', count: 2, run: room },
];
