/**
 * Clients of `npm run bench:fair`.
 *
 *   fair busy PORT KIND COUNT [CA]    COUNT clients that send as much as is taken, and throw away what comes back
 *   fair quiet PORT KIND COUNT [CA]   one that asks, waits for its answer, and asks again a while later
 *
 * KIND is `http`, whose requests have heads of 1.5 KB, or `ws`, whose messages have 2 bytes. CA is PEM text: the
 * connection is encrypted, with a server that it has signed. Tells {} when it has begun; the quiet one its waits, in ms,
 * when it is asked to stop.
 */
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const HOST = '127.0.0.1';
/** Time between an answer and the next question of the quiet client, in ms. */
const PAUSE_MS = 20;
/** What busy clients write at a time. */
const BLOCK = 64 * 1024;
const [, , role, portText, kind, count, ca] = process.argv;
const port = Number(portText);

const head = `Host: ${HOST}\r\n`;
const upgrade =
  `GET /ws HTTP/1.1\r\n${head}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n` +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';
/** A binary message of two bytes, masked. */
const message = Buffer.from([0x82, 0x82, 1, 2, 3, 4, 5, 6]);
const question = {
  http: { small: Buffer.from(`GET / HTTP/1.1\r\n${head}\r\n`), large: padded(), isAnswer: isHttpAnswer },
  ws: { small: message, large: message, isAnswer: bytes => bytes.length >= message.length - 4 },
}[kind];

function padded() {
  const rest = `GET / HTTP/1.1\r\n${head}X-Padding: \r\n\r\n`;
  return Buffer.from(rest.replace('\r\n\r\n', `${'x'.repeat(1536 - rest.length)}\r\n\r\n`));
}

function isHttpAnswer(bytes) {
  const text = bytes.toString('latin1');
  const end = text.indexOf('\r\n\r\n') + 4;
  return end >= 4 && text.length >= end + Number(/^Content-Length: (\d+)/im.exec(text)?.[1]);
}

/** A connection that may be used, a WebSocket's behind its handshake. */
async function open() {
  const socket =
    ca === undefined
      ? connect({ port, host: HOST, noDelay: true })
      : connectTls({ port, host: HOST, ca, servername: 'localhost' });
  await new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once(ca === undefined ? 'connect' : 'secureConnect', resolve);
  });
  socket.setNoDelay(true);
  if (kind === 'ws') {
    socket.write(upgrade);
    await new Promise(resolve => socket.once('data', resolve));
  }
  return socket;
}

async function beBusy() {
  const block = Buffer.concat(Array.from({ length: Math.ceil(BLOCK / question.large.length) }, () => question.large));
  const sockets = await Promise.all(Array.from({ length: Number(count) }, open));
  const closed = () => {
    throw new Error('a busy client was cut off');
  };
  for (const socket of sockets) {
    socket.on('close', closed);
    socket.on('data', () => {});
    const fill = () => {
      while (socket.write(block));
    };
    socket.on('drain', fill);
    fill();
  }
}

async function ask(socket) {
  const begun = performance.now();
  let answer = Buffer.alloc(0);
  socket.write(question.small);
  await new Promise((resolve, reject) => {
    const closed = () => reject(new Error('the quiet client was cut off'));
    const take = bytes => {
      answer = Buffer.concat([answer, bytes]);
      if (!question.isAnswer(answer)) return;
      socket.off('data', take);
      socket.off('close', closed);
      resolve();
    };
    socket.on('data', take);
    socket.on('close', closed);
  });
  return performance.now() - begun;
}

async function beQuiet() {
  const socket = await open();
  // what is done once is no wait
  await ask(socket);
  const waits = [];
  let stopping = false;
  process.once('message', () => {
    stopping = true;
  });
  process.send({});
  while (!stopping) {
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
    waits.push(await ask(socket));
  }
  process.send({ waits });
  socket.destroy();
}

process.on('disconnect', () => process.exit());
if (role === 'quiet') await beQuiet();
else {
  await beBusy();
  process.send({});
}
