/** The send package under node:http, as its README has it. */
import { createServer } from 'node:http';
import send from 'send';
import { ready } from './control.mjs';

const root = process.env.BENCH_FILES;

const server = createServer((req, res) => {
  send(req, req.url.slice('/files'.length), { root }).pipe(res);
});

server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => ready(server.address().port));
