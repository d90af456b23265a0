/** Clients that speak HTTP as nobody should. None of them may get more than an error, nor keep its session. */
import type { RawClient } from '../../test/support/raw_client.js';
import { type Actor, check, type Me } from './world.js';

const GET = 'GET /get HTTP/1.1\r\nHost: a\r\n\r\n';
const EVIL = 'GET /evil HTTP/1.1\r\nHost: a\r\n\r\n';
/** Longer than any buffer of the kernel. */
const MANY = 24;

/** The end of the connection, and what came before it. */
async function ended(client: RawClient): Promise<string> {
  return (await client.readAll()).toString('latin1');
}

/** One answer, of this status, and the end. */
async function refused(client: RawClient, statuses: readonly number[], what: string): Promise<void> {
  const all = await ended(client);
  const answers = all.match(/^HTTP\/1\.1 \d+/gm) ?? [];
  const status = Number(answers[0]?.slice(9));
  check(answers.length === 1 && statuses.includes(status), `${what} got ${JSON.stringify(all.slice(0, 300))}`);
}

async function silent(me: Me): Promise<void> {
  const client = await me.connect();
  check((await ended(client)) === '', 'a client that said nothing got an answer');
}

async function slowHead(me: Me): Promise<void> {
  const client = await me.connect();
  const head = `GET /get HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(500)}\r\n`;
  for (let at = 0; at < head.length && !client.over && !me.world.stopping; at++) {
    client.send(head.charAt(at));
    await me.world.pause(50);
  }
  await refused(client, [408], 'a head byte by byte');
}

/** Stops, or goes on byte by byte, which is less than `minBodyRate`. */
async function slowBody(me: Me): Promise<void> {
  const client = await me.connect();
  client.send('POST /bad/post HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n');
  const stops = me.int(0, 1) === 0;
  for (let n = 0; !client.over && !me.world.stopping && !(stops && n > 5); n++) {
    client.send('b');
    await me.world.pause(100);
  }
  await refused(client, [408], 'a body that is slow, or stops');
}

async function slowReader(me: Me): Promise<void> {
  const client = (await me.connect()).pause();
  client.send(`GET /bad/${me.pick(['large', 'chunks', 'events'])} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(MANY));
  // until sendWaitTimeout has passed, or not quite
  await me.world.pause(me.int(500, 3_500));
  if (me.int(0, 1) === 0) client.reset();
  else client.destroy();
}

async function resets(me: Me): Promise<void> {
  const client = await me.connect();
  const all = me.pick([
    GET.repeat(5),
    `POST /bad/post HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n${'b'.repeat(50_000)}`,
    `POST /bad/post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n`,
    'GET /bad/chunks HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /bad/events HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /later HTTP/1.1\r\nHost: a\r\n\r\n',
    'GET /hooked/open HTTP/1.1\r\nHost: a\r\n\r\n',
  ]);
  client.send(all.slice(0, me.int(0, 2) === 0 ? all.length : me.int(1, all.length)));
  if (me.int(0, 1) === 0) await me.world.pause(me.int(0, 30));
  client.reset();
}

async function halfClosed(me: Me): Promise<void> {
  const client = await me.connect();
  const begun = me.pick([
    'GET /get HT',
    'POST /bad/post HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf',
    'POST /bad/post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf',
    'GET /bad/events HTTP/1.1\r\nHost: a\r\n\r\n',
    '',
  ]);
  client.send(begun).end();
  const all = await ended(client);
  check(!all.includes('HTTP/1.1 200') || begun.includes('events'), `${JSON.stringify(begun)} and FIN were answered`);
}

async function garbage(me: Me): Promise<void> {
  const client = await me.connect();
  const bytes = me.bytes(me.int(1, 3_000));
  client.send(me.int(0, 2) === 0 ? Buffer.concat([Buffer.from('GET /get HTTP/1.1\r\n'), bytes]) : bytes).end();
  const all = await ended(client);
  check(all === '' || /^HTTP\/1\.1 [45]/.test(all), `garbage got ${JSON.stringify(all.slice(0, 200))}`);
}

/** What of two servers in a row might be taken for one request by the one, and for two by the other. */
const SMUGGLING: readonly string[] = [
  `Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  `Transfer-Encoding: chunked\r\nContent-Length: ${EVIL.length}\r\n\r\n0\r\n\r\n`,
  `Content-Length: 0\r\nContent-Length: ${EVIL.length}\r\n\r\n`,
  `Content-Length: 0, ${EVIL.length}\r\n\r\n`,
  `Content-Length: +${EVIL.length}\r\n\r\n`,
  `Content-Length: 0x10\r\n\r\n`,
  `Content-Length: 18446744073709551616\r\n\r\n`,
  `Content-Length : 0\r\n\r\n`,
  `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
  `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`,
  `Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
  `Transfer-Encoding: chunked\r\n\r\n-1\r\n`,
  `Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n`,
  `Transfer-Encoding: chunked\r\n\r\n0\nX: y\r\n\r\n`,
  `Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n`,
  `X: y\rContent-Length: 0\r\n\r\n`,
  `X: y\nContent-Length: 0\r\n\r\n`,
  `X: \0\r\n\r\n`,
  `Host: b\r\n\r\n`,
];

async function smuggling(me: Me): Promise<void> {
  const client = await me.connect();
  const vector = me.pick(SMUGGLING);
  const all = `POST /bad/post HTTP/1.1\r\nHost: a\r\n${vector}${EVIL}`;
  for (const piece of me.cut(all, 4)) client.send(piece);
  client.end();
  await refused(client, [400, 413, 501], JSON.stringify(vector));
}

/** Too much of something, and what it is answered with. */
const OVERSIZED: readonly (readonly [string, number])[] = [
  [`GET /${'u'.repeat(9_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  [`GET /get HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`, 431],
  [`GET /get HTTP/1.1\r\nHost: a\r\n${'X: y\r\n'.repeat(5_000)}\r\n`, 431],
  ['POST /bad/post HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000000\r\n\r\n', 413],
  ['POST /bad/post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n', 413],
];

async function oversized(me: Me): Promise<void> {
  const client = await me.connect();
  const [bytes, status] = me.pick(OVERSIZED);
  client.send(bytes);
  // an upload that goes on does not keep the answer from coming
  if (status === 413) for (let i = 0; i < 20; i++) client.send('u'.repeat(10_000));
  client.end();
  await refused(client, [status], JSON.stringify(bytes.slice(0, 60)));
}

async function slowHandler(me: Me): Promise<void> {
  const client = await me.connect();
  client.send('GET /bad/slow HTTP/1.1\r\nHost: a\r\n\r\n');
  if (me.int(0, 1) === 0) {
    await me.world.pause(me.int(0, 1_000));
    client.reset();
  } else {
    await refused(client, [500], 'a handler that overruns handlerTimeout');
  }
}

async function otherProtocols(me: Me): Promise<void> {
  const client = await me.connect();
  client.send(
    me.pick([
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'GET /get HTTP/3.0\r\nHost: a\r\n\r\n',
      'BREW /get HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      Buffer.from('16030100500100004c0303', 'hex'),
      'GET / HTTP/1.1\r\n\r\n',
    ]),
  );
  client.end();
  await refused(client, [400, 405, 501, 505], 'another protocol');
}

export const BAD_HTTP_ACTORS: readonly Actor[] = [
  { name: 'clients that say nothing', count: 4, run: silent },
  { name: 'slow heads', count: 4, run: slowHead },
  { name: 'bodies that stop', count: 4, run: slowBody },
  { name: 'slow readers', count: 4, run: slowReader },
  { name: 'resets', count: 4, run: resets },
  { name: 'FIN too early', count: 2, run: halfClosed },
  { name: 'garbage', count: 2, run: garbage },
  { name: 'smuggling', count: 3, run: smuggling },
  { name: 'too much', count: 2, run: oversized },
  { name: 'slow handlers', count: 2, run: slowHandler },
  { name: 'other protocols', count: 1, run: otherProtocols },
];
