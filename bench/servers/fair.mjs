/**
 * This library, as built, with a GET whose handler works for 0.2 ms and a WebSocket that sends back what it gets.
 *
 *   fair BODY SELECT [CERT KEY]
 *
 * SELECT is `net`, `epoll`, or `tls` with a certificate and its key as PEM text.
 */
import { HTTP_GET, httpdStart, wsFrame } from '../../dist/index.js';
import { BODY, ready } from './control.mjs';

const WORK_MS = 0.2;
const [, , , select, servercert, prvtkeyPem] = process.argv;
const host = '127.0.0.1';
const where =
  select === 'tls'
    ? { listeners: [{ port: 0, host, tls: { servercert, prvtkeyPem } }] }
    : { serverPort: 0, host, port: select };
const server = await httpdStart({ ...where, backlogConn: 511 });

server.registerUriHandler({
  uri: '/',
  method: HTTP_GET,
  handler: req => {
    const end = performance.now() + WORK_MS;
    while (performance.now() < end);
    req.respSend(BODY);
  },
});

server.registerUriHandler({
  uri: '/ws',
  method: HTTP_GET,
  isWebsocket: true,
  handleWsHandshake: false,
  handler: async req => {
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, 1024);
    await req.wsSendFrame(pkt);
  },
});

ready(server.port);
