/** Ports and connections of the example's tests, closed after each of them. */
import { once } from 'node:events';
import * as net from 'node:net';
import { afterEach } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';

export const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A TCP server on a port that the system chooses. */
export async function listen(onConnection: (socket: net.Socket) => void): Promise<number> {
  const server = net.createServer(onConnection).listen(0, '127.0.0.1');
  closers.push(() => server.close());
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

/** A port on which nothing listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A WebSocket that answers each text with `answer(text)`, and pings as the standard asks. */
export async function otherServer(answer: (text: string) => string): Promise<number> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  closers.push(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  server.on('connection', socket => {
    socket.on('error', () => {});
    socket.on('message', (data, isBinary) => socket.send(isBinary ? data : answer(data.toString())));
  });
  await once(server, 'listening');
  return (server.address() as net.AddressInfo).port;
}

export async function openWs(port: number, path: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
  closers.push(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

/** The lines of `text` that begin with `start`. */
export function lines(text: string, start: string): string[] {
  return text.split('\n').filter(line => line.startsWith(start));
}
