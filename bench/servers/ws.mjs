/** The ws package, without compression; with bufferutil, unless WS_NO_BUFFER_UTIL is set. */
import { createRequire } from 'node:module';
import { WebSocket, WebSocketServer } from 'ws';
import { ready } from './control.mjs';

const require = createRequire(import.meta.url);
if (!process.env.WS_NO_BUFFER_UTIL && require('bufferutil').mask === require('bufferutil/fallback').mask) {
  throw new Error('the native part of bufferutil does not load here');
}

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });

function broadcast(data, isBinary) {
  for (const client of server.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
  }
}

server.on('connection', (socket, req) => {
  if (req.url === '/all') socket.on('message', broadcast);
  else socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});

server.on('listening', () => ready(server.address().port));
