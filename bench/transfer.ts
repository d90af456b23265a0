/** Large bodies over raw sockets, in memory that does not depend on their size. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const HOST = '127.0.0.1';
const PIECE = Buffer.alloc(256 * 1024);
/** Longer than any head here. */
const HEAD_MAX = 64 * 1024;
/** Nothing for so long, in ms: the server has stopped. */
const SILENCE_MAX = 20_000;

/** An answer, as it comes. */
interface Incoming {
  readonly head: string;
  /** Bytes of the body that came with the head. */
  readonly first: Buffer;
}

/** Sends a request, and waits for the head of its answer. Then the socket is paused. */
async function ask(socket: Socket, request: string): Promise<Incoming> {
  socket.write(request);
  return headOf(socket);
}

async function headOf(socket: Socket): Promise<Incoming> {
  let got = Buffer.alloc(0);
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    got = Buffer.concat([got, piece]);
    const end = got.indexOf('\r\n\r\n');
    if (end >= 0) {
      const head = got.toString('latin1', 0, end + 2);
      if (!head.startsWith('HTTP/1.1 200 ')) throw new Error(`not a 200: ${head}`);
      return { head, first: got.subarray(end + 4) };
    }
    if (got.length > HEAD_MAX) break;
  }
  throw new Error('the server has ended a connection without an answer');
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, HOST);
  socket.setTimeout(SILENCE_MAX, () => socket.destroy(new Error(`nothing has moved for ${SILENCE_MAX} ms`)));
  await once(socket, 'connect');
  return socket;
}

function contentLength(head: string): number {
  return Number(/^content-length: (\d+)\r$/im.exec(head)?.[1]);
}

/** A GET whose answer is read up to `stopAt` bytes; then the connection is left open, and nothing is read any more. */
export async function startDownload(port: number, uri: string, len: number, stopAt: number): Promise<Socket> {
  const socket = await open(port);
  const { head, first } = await ask(socket, `GET ${uri} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  if (contentLength(head) !== len) throw new Error(`not ${len} bytes: ${head}`);
  let got = check(first);
  if (got < stopAt) {
    for await (const piece of socket.iterator({ destroyOnReturn: false })) {
      got += check(piece);
      if (got >= stopAt) break;
    }
  }
  if (got < stopAt || got > len) throw new Error(`${got} bytes have come, not ${stopAt}`);
  socket.pause();
  return socket;
}

/** A GET whose answer is read to its end, every byte being 0. */
export async function download(port: number, uri: string, len: number): Promise<void> {
  (await startDownload(port, uri, len, len)).destroy();
}

/** Of a file that has nothing but holes. Returns how many bytes were right. */
function check(piece: Buffer): number {
  for (let at = 0; at < piece.length; at += PIECE.length) {
    const part = piece.subarray(at, at + PIECE.length);
    if (!part.equals(PIECE.subarray(0, part.length))) throw new Error('a byte of the file is wrong');
  }
  return piece.length;
}

/** A POST of `len` bytes. The server must say how many have come. */
export async function upload(port: number, uri: string, len: number): Promise<void> {
  const socket = await open(port);
  socket.write(`POST ${uri} HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: ${len}\r\n\r\n`);
  for (let left = len; left > 0; left -= PIECE.length) {
    if (!socket.write(PIECE.subarray(0, left))) await once(socket, 'drain');
  }
  const { head, first } = await headOf(socket);
  const text = first.toString('latin1');
  if (text.length !== contentLength(head) || Number(text) !== len) throw new Error(`not all have come: ${text}`);
  socket.destroy();
}
