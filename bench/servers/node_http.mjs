/** node:http, as Node.js ships it. */
import { createServer } from 'node:http';
import { BODY, ready } from './control.mjs';

const server = createServer((_req, res) => {
  res.setHeader('Content-Type', 'text/plain');
  res.end(BODY);
});

server.listen(0, '127.0.0.1', () => ready(server.address().port));
