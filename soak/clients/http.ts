/** Clients that speak HTTP as they should: each answer is checked, and each request answered once. */
import { createHash } from 'node:crypto';
import { answered, bye, fine, get, type Question, question } from './questions.js';
import { WEB_KINDS } from './web.js';
import { type Actor, check, type Me } from './world.js';

/** What can be asked. */
const KINDS: readonly ((me: Me) => Question)[] = [
  ...WEB_KINDS,
  me => question(me, 'get', me.pick(['/get', '/async', '/later', '/queued', '/by-socket']), { expect: get }),
  me => question(me, 'head', '/get', { method: 'HEAD', expect: fine }),
  me =>
    question(me, 'hook', '/hooked/open', {
      expect: (answer, id) => get(answer, id) && answer.headers['x-hook'] === 'yes',
    }),
  me =>
    question(me, 'missing', '/nowhere', {
      method: me.pick(['GET', 'POST']),
      expect: ({ status, headers }, id) => status === 404 && headers['x-id'] === id,
    }),
  me =>
    question(me, 'chunks', '/chunks', {
      expect: (answer, id) => fine(answer, id) && answer.text.endsWith(`${id} piece 19;`) && answer.text.length > 4_000,
    }),
  me =>
    question(me, 'parts', '/parts', {
      expect: (answer, id) => fine(answer, id) && answer.text === id.repeat(2_000),
    }),
  me =>
    question(me, 'events', '/events', {
      expect: (answer, id) =>
        fine(answer, id) && [...answer.text.matchAll(/^id: (\d)$/gm)].map(([, n]) => n).join('') === '0123456789',
    }),
  me => {
    const body = Buffer.from(me.text(me.int(0, 5_000)));
    return question(me, 'echo', '/echo', {
      ...{ method: 'POST', body, chunked: me.int(0, 1) === 1 },
      expect: (answer, id) => fine(answer, id) && answer.body.equals(body),
    });
  },
  me => {
    const body = Buffer.from(JSON.stringify({ text: me.text(me.int(0, 100)) }));
    return question(me, 'json', '/json', {
      ...{ method: 'POST', body },
      expect: (answer, id) => fine(answer, id) && answer.body.equals(body),
    });
  },
  me => {
    const body = me.bytes(me.int(0, 60_000));
    const hash = createHash('sha1').update(body).digest('hex');
    return question(me, 'hash', '/hash', {
      ...{ method: 'POST', body, chunked: me.int(0, 1) === 1 },
      expect: (answer, id) => fine(answer, id) && answer.text === hash,
    });
  },
  me => {
    const body = me.bytes(me.int(1, 20_000));
    return question(me, 'stream', '/stream', {
      ...{ method: 'POST', body, chunked: me.int(0, 1) === 1 },
      expect: (answer, id) => fine(answer, id) && answer.body.equals(body),
    });
  },
  me => question(me, 'unread', '/unread', { method: 'POST', body: me.bytes(me.int(0, 20_000)), expect: get }),
];

async function oneByOne(me: Me): Promise<void> {
  const client = await me.connect();
  for (let n = me.int(1, 20); n > 0; n--) {
    const asked = me.pick(KINDS)(me);
    for (const piece of me.cut(asked.bytes, 3)) client.send(piece);
    await answered(me, client, asked);
  }
  await bye(client);
}

async function pipelined(me: Me): Promise<void> {
  const client = await me.connect();
  const asked = Array.from({ length: me.int(2, 24) }, () => me.pick(KINDS)(me));
  const pieces = me.cut(Buffer.concat(asked.map(({ bytes }) => bytes)), 8);
  const sent = client.sendPieces(pieces);
  for (const one of asked) await answered(me, client, one);
  await sent;
  await bye(client);
}

/** FIN right behind the request: the answer comes even so. */
async function halfClosed(me: Me): Promise<void> {
  const client = await me.connect();
  const asked = me.pick(KINDS)(me);
  client.send(asked.bytes);
  // events end when the client does
  if (asked.kind === 'events') await answered(me, client, asked);
  client.end();
  if (asked.kind !== 'events') await answered(me, client, asked);
  await bye(client);
}

async function sessionContext(me: Me): Promise<void> {
  const client = await me.connect();
  for (let n = 1; n <= 5; n++) {
    const asked = question(me, 'context', '/context', {
      expect: (answer, id) => fine(answer, id) && answer.text === `${n}`,
    });
    client.send(asked.bytes);
    await answered(me, client, asked);
  }
  await bye(client);
}

/** Answers behind which the connection ends. */
async function last(me: Me): Promise<void> {
  const client = await me.connect();
  const asked = me.pick([
    () => question(me, 'close', '/get', { headers: ['Connection: close'], expect: get }),
    () => question(me, 'throws', '/throws', { expect: ({ status }) => status === 500 }),
    () => question(me, 'closed', '/hooked/closed', { expect: ({ status }, id) => status === 403 && id !== '' }),
  ])();
  client.send(asked.bytes);
  await answered(me, client, asked);
  await bye(client);
}

async function continued(me: Me): Promise<void> {
  const client = await me.connect();
  const body = Buffer.from(me.text(100));
  const asked = question(me, 'continue', '/echo', {
    ...{ method: 'POST', body, headers: ['Expect: 100-continue'] },
    expect: (answer, id) => fine(answer, id) && answer.body.equals(body),
  });
  client.send(asked.bytes.subarray(0, -body.length));
  check((await client.readResponse()).status === 100, 'no 100 Continue');
  client.send(body);
  await answered(me, client, asked);
  await bye(client);
}

export const HTTP_ACTORS: readonly Actor[] = [
  { name: 'requests one by one', count: 8, run: oneByOne },
  { name: 'pipelined requests', count: 4, run: pipelined },
  { name: 'requests with FIN behind', count: 1, run: halfClosed },
  { name: 'session contexts', count: 1, run: sessionContext },
  { name: 'last requests', count: 2, run: last },
  { name: '100-continue', count: 1, run: continued },
];
