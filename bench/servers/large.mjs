/** This library, with files to send, and uploads that are read and dropped. The n-th file is `/file/<n>`. */
import { HTTP_GET, HTTP_POST, httpdStart } from '../../dist/index.js';
import { ready } from './control.mjs';

const [, , , port, maxReqBodyLen, ...files] = process.argv;
const server = await httpdStart({ serverPort: 0, host: '127.0.0.1', port, maxReqBodyLen: Number(maxReqBodyLen) });

for (const [n, file] of files.entries()) {
  server.registerUriHandler({ uri: `/file/${n}`, method: HTTP_GET, handler: req => req.respSendFile(file) });
}

server.registerUriHandler({
  uri: '/drop',
  method: HTTP_POST,
  handler: async req => {
    const buf = Buffer.allocUnsafe(64 * 1024);
    let len = 0;
    for (let n = -1; n !== 0; len += n) n = await req.recv(buf);
    await req.respSend(String(len));
  },
});

ready(server.port);
