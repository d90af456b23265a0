/** The ws package; with bufferutil, unless WS_NO_BUFFER_UTIL is set. */
import { createRequire } from 'node:module';
import { WebSocket, WebSocketServer } from 'ws';
import { ready } from './control.mjs';

const require = createRequire(import.meta.url);
if (!process.env.WS_NO_BUFFER_UTIL && require('bufferutil').mask === require('bufferutil/fallback').mask) {
  throw new Error('the native part of bufferutil does not load here');
}

// only who asks for it gets it, as ours on /deflate
const perMessageDeflate = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  threshold: 0,
  zlibDeflateOptions: { level: 6, memLevel: 8 },
};
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate });

function broadcast(data, isBinary) {
  for (const client of server.clients) {
    if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
  }
}

server.on('connection', (socket, req) => {
  if (req.url === '/loop' || req.url === '/broadcast') socket.on('message', broadcast);
  else socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});

server.on('listening', () => ready(server.address().port));
