import { expect, test } from 'vitest';
import { ESP_OK } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { RawClient } from '../support/raw_client.js';
import { startTestServer } from '../support/server.js';
import { openWs } from '../ws/ws_server.js';

test.each([
  ['127.0.0.1', '127.0.0.1'],
  ['::1', '::1'],
  ['::', '127.0.0.1'],
])('sessGetPeer on %s tells who is there, in openFn and later', async (host, address) => {
  const seen: unknown[] = [];
  const server = await startTestServer({
    host,
    openFn: (handle, fd) => {
      seen.push(handle.sessGetPeer(fd));
      return ESP_OK;
    },
  });
  server.registerUriHandler({
    uri: '/peer',
    method: HTTP_GET,
    handler: req => req.respSend(JSON.stringify(server.sessGetPeer(req.toSockfd()))),
  });
  const client = await RawClient.connect(server.port, { host: address });
  client.send('GET /peer HTTP/1.1\r\nHost: a\r\n\r\n');
  const peer = { address, port: client.localPort };
  expect(JSON.parse((await client.readResponse()).text)).toEqual(peer);
  expect(seen).toEqual([peer]);
  client.destroy();
});

test('sessGetPeer of a session that has ended throws ESP_ERR_NOT_FOUND', async () => {
  const server = await startTestServer();
  expect(() => server.sessGetPeer(4)).toThrow(expect.objectContaining({ name: 'ESP_ERR_NOT_FOUND' }));
});

test('wsGetSubprotocol tells what the handshake has agreed on', async () => {
  const server = await startTestServer();
  const early: string[] = [];
  server.registerUriHandler({
    uri: '/ws',
    method: HTTP_GET,
    isWebsocket: true,
    supportedSubprotocol: ['v2.chat', 'chat'],
    handler: req => {
      try {
        server.wsGetSubprotocol(req.toSockfd());
      } catch (error) {
        early.push((error as Error).name);
      }
    },
  });
  await openWs(server, { headers: { 'Sec-WebSocket-Protocol': 'chat, v1.chat, v2.chat' } });
  await openWs(server);
  const chosen = server.getClientList().map(fd => server.wsGetSubprotocol(fd));
  expect(chosen).toEqual(['v2.chat', undefined]);
  // in the handshake there is no WebSocket yet
  expect(early).toEqual(['ESP_ERR_INVALID_STATE', 'ESP_ERR_INVALID_STATE']);
});
