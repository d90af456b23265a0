/** This library, as built, on the port that the command line names. */
import { HTTP_GET, HTTP_POST, httpdStart, staticUriHandler, uriMatchWildcard, wsFrame } from '../../dist/index.js';
import { BODY, ready } from './control.mjs';

/** A folder that is served, in the cases that have one. */
const root = process.env.BENCH_FILES;

const server = await httpdStart({
  serverPort: 0,
  host: '127.0.0.1',
  port: process.argv[3],
  ...(root && { uriMatchFn: uriMatchWildcard }),
});

server.registerUriHandler({
  uri: '/',
  method: HTTP_GET,
  handler: req => {
    req.respSetType('text/plain');
    req.respSend(BODY);
  },
});

server.registerUriHandler({
  uri: '/echo',
  method: HTTP_POST,
  handler: async req => {
    const body = Buffer.allocUnsafe(req.contentLen);
    for (let n = 0; n < body.length; ) n += await req.recv(body.subarray(n));
    req.respSetType('application/octet-stream');
    await req.respSend(body);
  },
});

server.registerUriHandler({
  uri: '/drop',
  method: HTTP_POST,
  handler: async req => {
    const buf = Buffer.allocUnsafe(64 * 1024);
    let len = 0;
    for (let n = -1; n !== 0; len += n) n = await req.recv(buf);
    req.respSetType('text/plain');
    await req.respSend(String(len));
  },
});

if (root) server.registerUriHandler({ uri: '/files/*', method: HTTP_GET, handler: staticUriHandler({ root }) });

/** The handler is README's: the library allocates, up to this. */
const MAX_FRAME = 1024 * 1024;
const websocket = { method: HTTP_GET, isWebsocket: true, handleWsHandshake: false };
const echo = {
  ...websocket,
  handler: async req => {
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, MAX_FRAME);
    await req.wsSendFrame(pkt);
  },
};
server.registerUriHandler({ ...echo, uri: '/ws' });

// as ws.mjs has it: no context takeover and 15 window bits are the defaults
server.registerUriHandler({ ...echo, uri: '/deflate', wsPerMessageDeflate: { threshold: 0, level: 6, memLevel: 8 } });

server.registerUriHandler({
  ...websocket,
  uri: '/loop',
  handler: async req => {
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, MAX_FRAME);
    for (const fd of server.getClientList()) server.wsSendFrameAsync(fd, pkt);
  },
});

server.registerUriHandler({
  ...websocket,
  uri: '/broadcast',
  handler: async req => {
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, MAX_FRAME);
    server.wsBroadcast(pkt);
  },
});

ready(server.port);
