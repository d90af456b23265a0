/** node:http, as Node.js ships it. */
import { createServer } from 'node:http';
import { BODY, ready } from './control.mjs';

function echo(req, res) {
  const pieces = [];
  req.on('data', piece => pieces.push(piece));
  req.on('end', () => {
    res.setHeader('Content-Type', 'application/octet-stream');
    res.end(Buffer.concat(pieces));
  });
}

function drop(req, res) {
  let len = 0;
  req.on('data', piece => {
    len += piece.length;
  });
  req.on('end', () => {
    res.setHeader('Content-Type', 'text/plain');
    res.end(String(len));
  });
}

const server = createServer((req, res) => {
  if (req.url === '/drop') return drop(req, res);
  if (req.method === 'POST') return echo(req, res);
  res.setHeader('Content-Type', 'text/plain');
  res.end(BODY);
});

// by default 5 s: the idle connections would be gone before they are looked at
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => ready(server.address().port));
