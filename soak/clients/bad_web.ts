/** Clients that ask for files and do not take them, and that send what is no form. */
import { type Actor, check, type Me } from './world.js';

const LARGE = 'GET /files/large.bin HTTP/1.1\r\nHost: a\r\n\r\n';
const RANGES = 'GET /files/large.bin HTTP/1.1\r\nHost: a\r\nRange: bytes=0-999999, 2000000-\r\n\r\n';

/** Reads nothing: what the server holds for it, an open file too, is let go. */
async function unread(me: Me): Promise<void> {
  const client = (await me.connect()).pause();
  client.send(me.pick([LARGE, RANGES]).repeat(5));
  await me.world.pause(me.int(500, 3_500));
  if (me.int(0, 1) === 0) client.reset();
}

/** Has seen enough after some bytes. */
async function left(me: Me): Promise<void> {
  const client = await me.connect();
  client.send(me.pick([LARGE, RANGES, LARGE + RANGES]));
  if (me.int(0, 3) > 0) await client.readUntil(me.int(1, 1_000_000));
  if (me.int(0, 1) === 0) client.reset();
  else client.end();
}

const MULTIPART = 'Content-Type: multipart/form-data; boundary=b';
const PART = '--b\r\nContent-Disposition: form-data; name="n"\r\n\r\n';

/** Content-Type and body, and the status of the answer. */
const FORMS: readonly (readonly [string, string, number])[] = [
  ['Content-Type: text/plain', 'x', 400],
  ['Content-Type: multipart/form-data', 'x', 400],
  [MULTIPART, 'no boundary anywhere', 400],
  [MULTIPART, `${PART}no end`, 400],
  [MULTIPART, '--b\r\nno header\r\n\r\nx\r\n--b--\r\n', 400],
  [MULTIPART, `--b\r\nX: ${'x'.repeat(9_000)}\r\n\r\nx\r\n--b--\r\n`, 413],
  [MULTIPART, `${PART}${'x'.repeat(100_000)}\r\n--b--\r\n`, 413],
  [MULTIPART, `${PART}x\r\n`.repeat(200), 413],
];

async function brokenForm(me: Me): Promise<void> {
  const client = await me.connect();
  const [type, body, status] = me.pick(FORMS);
  client.send(`POST /form HTTP/1.1\r\nHost: a\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n`);
  for (const piece of me.cut(body, 5)) client.send(piece);
  const answer = await client.readResponse();
  check(
    answer.status === status,
    `a broken form got ${answer.status}, not ${status}: ${JSON.stringify(body.slice(0, 60))}`,
  );
}

/** The client goes, in whatever way, before its form is complete. */
async function halfForm(me: Me): Promise<void> {
  const client = await me.connect();
  client.send(`POST /form HTTP/1.1\r\nHost: a\r\n${MULTIPART}\r\nTransfer-Encoding: chunked\r\n\r\n`);
  const body = `${PART}${'x'.repeat(me.int(0, 5_000))}`;
  client.send(`${body.length.toString(16)}\r\n${body.slice(0, me.int(0, body.length))}`);
  await me.world.pause(me.int(0, 20));
  if (me.int(0, 1) === 0) return void client.reset();
  client.end();
  await client.closed();
}

async function wrongPassword(me: Me): Promise<void> {
  const client = await me.connect();
  const credentials = me.pick(['YWRhOndyb25n', 'Og==', '!', '']);
  client.send(`GET /private HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ${credentials}\r\n\r\n`);
  const { status } = await client.readResponse();
  check(status === 401, `a wrong password got ${status}`);
}

export const BAD_WEB_ACTORS: readonly Actor[] = [
  { name: 'files that are not read', count: 3, run: unread },
  { name: 'files that are left', count: 3, run: left },
  { name: 'broken forms', count: 2, run: brokenForm },
  { name: 'half forms', count: 2, run: halfForm },
  { name: 'wrong passwords', count: 1, run: wrongPassword },
];
