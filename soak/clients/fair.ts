/** Clients that send as much as is taken, and quiet ones beside them, which must not have to wait for long. */
import { BINARY, WsRawClient } from '../../test/support/ws_frames.js';
import { type Actor, check, type Me } from './world.js';

/** Requests and messages that are sent at once. */
const REQUESTS = 100;
const MESSAGES = 500;
const PADDING = `X-Padding: ${'x'.repeat(1_400)}\r\n`;

async function pipeline(me: Me): Promise<void> {
  const client = await me.connect();
  const ids = Array.from({ length: REQUESTS }, () => me.world.id('busy'));
  client.send(ids.map(id => `GET /busy?id=${id} HTTP/1.1\r\nHost: a\r\n${PADDING}\r\n`).join(''));
  for (const id of ids) {
    const { text } = await client.readResponse();
    check(text === `get ${id}`, `${id} was answered with ${text}`);
    me.world.got('busy');
  }
}

async function flood(me: Me): Promise<void> {
  const ws = await WsRawClient.upgrade(await me.connect(), { path: '/ws' });
  const message = (i: number) => Buffer.from([i & 0xff, i >> 8]);
  ws.send(...Array.from({ length: MESSAGES }, (_, i) => ({ opcode: BINARY, payload: message(i) })));
  for (let i = 0; i < MESSAGES; ) {
    const { opcode, payload } = await ws.readFrame();
    // a Ping may come between
    if (opcode !== BINARY) continue;
    check(payload.equals(message(i)), `message ${i} of a flood came back as ${payload.toString('hex')}`);
    me.world.got('ws');
    i += 1;
  }
}

async function askQuietly(me: Me): Promise<void> {
  const client = await me.connect();
  for (let i = 0; i < 10; i++) {
    const id = me.world.id('quiet');
    const begun = performance.now();
    client.send(`GET /get?id=${id} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const { text } = await client.readResponse();
    me.world.waited(performance.now() - begun);
    check(text === `get ${id}`, `${id} was answered with ${text}`);
    me.world.got('quiet');
    await me.world.pause(me.int(5, 50));
  }
}

export const FAIR_ACTORS: readonly Actor[] = [
  { name: 'clients that pipeline', count: 4, run: pipeline },
  { name: 'floods of short messages', count: 2, run: flood },
  { name: 'quiet clients beside them', count: 2, run: askQuietly },
];
