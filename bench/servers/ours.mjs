/** This library, as built. */
import { HTTP_GET, httpdStart, wsFrame } from '../../dist/index.js';
import { BODY, ready } from './control.mjs';

const server = await httpdStart({ serverPort: 0, host: '127.0.0.1' });

server.registerUriHandler({
  uri: '/',
  method: HTTP_GET,
  handler: req => {
    req.respSetType('text/plain');
    req.respSend(BODY);
  },
});

/** The handler is README's: the library allocates, up to this. */
const MAX_FRAME = 1024 * 1024;
server.registerUriHandler({
  uri: '/ws',
  method: HTTP_GET,
  isWebsocket: true,
  handleWsHandshake: false,
  handler: async req => {
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, MAX_FRAME);
    await req.wsSendFrame(pkt);
  },
});

ready(server.port);
