/** The ws package, without compression. */
import { WebSocketServer } from 'ws';
import { ready } from './control.mjs';

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/ws', perMessageDeflate: false });

server.on('connection', socket => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});

server.on('listening', () => ready(server.address().port));
