/** A simulated device, for `npm run bench:device`: `device.mjs <body> <chip> <select loop, or heap> [<certificate> <key>]`. */
import { deviceProfile, deviceStart } from '../../dist/device/index.js';
import { HTTP_GET, HTTP_POST, HTTPD_WS_TYPE_BINARY, wsFrame } from '../../dist/index.js';

const [, , , chip, mode, cert, key] = process.argv;
/** More than goes up in the time that is measured, in bytes. */
const large = Buffer.alloc(32_000_000);
/** What has come down, in bytes. */
let got = 0;

function register(server) {
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('hello') });
  server.registerUriHandler({ uri: '/large', method: HTTP_GET, handler: req => req.respSend(large) });
  server.registerUriHandler({
    uri: '/drop',
    method: HTTP_POST,
    handler: async req => {
      for await (const piece of req) got += piece.length;
      await req.respSend('all');
    },
  });
  server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => undefined });
}

const tls = cert === undefined ? undefined : { servercert: cert, prvtkeyPem: key };
const device = await deviceStart({
  // where the heap is measured, no session's own limit is to come first
  profile: deviceProfile(chip, { config: mode === 'heap' ? { maxTxPending: 2 ** 24 } : {} }),
  config: { listeners: [{ port: 0, host: '127.0.0.1', tls }], port: mode === 'heap' ? 'auto' : mode },
  onBoot: register,
});

/** Queues frames for a client that does not read, until there is no memory. */
function fill(fd) {
  const payload = Buffer.alloc(1_000);
  const before = device.heap.free;
  for (let sent = 0; ; sent += payload.length) {
    try {
      void device.server.wsSendFrameAsync(fd, wsFrame({ type: HTTPD_WS_TYPE_BINARY, payload }));
    } catch (error) {
      return { before, sent, error: error.name };
    }
  }
}

process.on('message', ({ ask, argument }) => {
  if (ask === 'got') process.send({ got });
  else if (ask === 'profile') process.send(device.profile);
  else if (ask === 'fill') process.send(fill(device.server.getClientList().at(-1)));
  else if (ask === 'reboot') {
    void device.reboot();
    process.send({});
  } else {
    device[ask](argument);
    process.send({});
  }
});
process.send({ port: device.port });
