/** More clients than a server has sessions, and those that are there when it stops. */
import type { RawClient } from '../../test/support/raw_client.js';
import { CLOSE, closeBody, PING, PONG, WsRawClient } from '../../test/support/ws_frames.js';
import type { Ports } from '../messages.js';
import { type Actor, check, type Me } from './world.js';

const CROWD = 20;

/** What came of one request. */
type Fate = 'answered' | 'refused' | 'gone';

async function one(me: Me, to: keyof Ports, kind: string): Promise<Fate> {
  let client: RawClient;
  try {
    client = await me.connect(to);
  } catch {
    return 'gone';
  }
  const id = me.world.id(kind);
  client.send(`GET /get?id=${id} HTTP/1.1\r\nHost: a\r\nConnection: ${me.pick(['close', 'keep-alive'])}\r\n\r\n`);
  let answer: Awaited<ReturnType<RawClient['readResponse']>>;
  try {
    answer = await client.readResponse();
  } catch (error) {
    // a client that has waited in vain is another matter
    if ((error as Error).message.includes('in vain')) throw error;
    return 'gone';
  }
  if (answer.status === 503) {
    await client.closed();
    return 'refused';
  }
  check(
    answer.status === 200 && answer.text === `get ${id}`,
    `${id} was answered with ${answer.status} ${answer.text}`,
  );
  me.world.got(kind);
  await me.world.pause(me.int(0, 50));
  client.end();
  const rest = await client.readAll();
  check(rest.length === 0, `behind the answer to ${id} came ${JSON.stringify(rest.toString('latin1', 0, 100))}`);
  return 'answered';
}

/** All at the same time. */
function crowd(to: keyof Ports, allowed: readonly Fate[]): (me: Me) => Promise<void> {
  return async me => {
    const fates = await Promise.all(Array.from({ length: CROWD }, () => one(me, to, to)));
    const strange = fates.find(fate => !allowed.includes(fate));
    check(strange === undefined, `a client of a full server was ${strange}`);
    check(fates.includes('answered'), 'nobody in a crowd was answered');
  };
}

export const CROWD_ACTORS: readonly Actor[] = [
  { name: 'crowds that are refused', count: 1, run: crowd('refusing', ['answered', 'refused']) },
  { name: 'crowds from one address', count: 1, run: crowd('perPeer', ['answered', 'refused']) },
  { name: 'crowds of which some are purged', count: 1, run: crowd('purging', ['answered', 'gone', 'refused']) },
];

/**
 * Opens connections that stay until the server stops.
 *
 * @returns resolves when all of them are there; what that gives rejects if one of them is not told goodbye
 */
export async function stay(me: Me): Promise<{ goodbye: Promise<unknown> }> {
  const idle = await me.connect();
  idle.send('GET /get HTTP/1.1\r\nHost: a\r\n\r\n');
  await idle.readResponse();
  const silent = await me.connect();
  const half = (await me.connect()).send('GET /get HTTP/1.1\r\nHo');
  const events = (await me.connect()).send('GET /bad/events HTTP/1.1\r\nHost: a\r\n\r\n');
  await events.readUntil('data:');
  const busy = (await me.connect()).send('GET /later HTTP/1.1\r\nHost: a\r\n\r\n');
  const deaf = (await me.connect()).pause();
  deaf.send('GET /bad/large HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(CROWD));
  const webSockets = await Promise.all(
    ['/ws', '/message', '/room'].map(async path => WsRawClient.upgrade(await me.connect(), { path })),
  );
  const goodbye = Promise.all([
    ...[idle, silent].map(quietEnd),
    half.readAll().then(() => half.end()),
    answeredEnd(busy),
    wholeEnd(events),
    ...webSockets.map(closed),
  ]);
  goodbye.catch(() => {});
  return { goodbye };
}

async function quietEnd(client: RawClient): Promise<void> {
  check((await client.readAll()).length === 0, 'an idle session got more than its end');
  client.end();
}

async function answeredEnd(client: RawClient): Promise<void> {
  check((await client.readResponse()).text === 'get ', 'a handler that ran when the server stopped was not waited for');
  await quietEnd(client);
}

async function wholeEnd(client: RawClient): Promise<void> {
  const last = (await client.readAll()).subarray(-5).toString('latin1');
  check(last === '0\r\n\r\n', 'a stream of events was cut off when the server stopped');
  client.end();
}

async function closed(client: WsRawClient): Promise<void> {
  for (;;) {
    const { opcode, code, payload } = await client.readFrame();
    if (opcode === PING) client.send({ opcode: PONG, payload });
    else {
      check(opcode === CLOSE && code === 1001, `a WebSocket got ${opcode} ${code} when the server stopped`);
      client.send({ opcode: CLOSE, payload: closeBody(1001) });
      await client.closed();
      client.raw.end();
      return;
    }
  }
}
