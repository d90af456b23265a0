/**
 * A short look at all that the package does, by whatever runs this: both select loops, HTTP, WebSockets with compression,
 * TLS, the client, a device, `require`. Ends with a line that says what was tried, or with the first thing that is wrong.
 *
 * In the working directory: a certificate for localhost, its key, and the authority that has signed it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { createRequire } from 'node:module';
import { HTTP_GET, HTTP_POST, httpdSslStart, httpdStart, wsFrame } from 'esp-httpd';
import { espWebsocketClientInit } from 'esp-httpd/client';
import { deviceProfile, deviceStart } from 'esp-httpd/device';

const ca = readFileSync('ca.pem', 'utf8');
const TEXT = 'many words that are alike, '.repeat(2000);
const ROUNDS = 200;

const { bun, deno, node } = process.versions;
const isNode = bun === undefined && deno === undefined;
const tried = [];

function register(server) {
  server.registerUriHandler({ uri: '/', method: HTTP_POST, handler: async req => req.respSend(await req.text()) });
  server.registerUriHandler({
    uri: '/ws',
    method: HTTP_GET,
    isWebsocket: true,
    wsMessageMode: true,
    wsPerMessageDeflate: { threshold: 0 },
    handler: async req => {
      if (req.method === HTTP_GET) return;
      const pkt = wsFrame();
      await req.wsRecvFrame(pkt, TEXT.length);
      await req.wsSendFrame(pkt);
    },
  });
}

/** Without showing all of it where it is not. */
function sameText(text) {
  assert(text === TEXT, `${text.length} characters came back, which are not the ${TEXT.length} that were sent`);
}

/** Posts TEXT, and reads the answer. */
function post(scheme, port) {
  const { request } = scheme === 'https' ? https : http;
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method: 'POST', ca, servername: 'localhost', agent: false };
    const sent = request(options, async response => {
      let text = '';
      for await (const piece of response.setEncoding('utf8')) text += piece;
      resolve(text);
    });
    sent.on('error', reject).end(TEXT);
  });
}

/** Has TEXT, and then numbers, echoed by a WebSocket. */
async function echo(scheme, port) {
  const client = espWebsocketClientInit({
    uri: `${scheme}://localhost:${port}/ws`,
    certPem: scheme === 'wss' ? ca : undefined,
    perMessageDeflate: true,
    networkTimeoutMs: 5_000,
    disableAutoReconnect: true,
  });
  try {
    const messages = client[Symbol.asyncIterator]();
    await client.start();
    await client.sendText(TEXT);
    const { value } = await messages.next();
    sameText(value.text);
    // one by one: where each waits for a timer this takes longer than it may
    for (let i = 0; i < ROUNDS; i++) {
      await client.sendText(`${i}`);
      assert.equal((await messages.next()).value.text, `${i}`);
    }
  } finally {
    await client.destroy();
  }
}

async function main() {
  for (const port of ['net', 'epoll', 'auto']) {
    if (port === 'epoll' && !isNode) {
      await assert.rejects(httpdStart({ serverPort: 0, port }), {
        name: 'ESP_ERR_NOT_SUPPORTED',
        message: /epoll needs the libuv of Node\.js, and this is (Bun|Deno) /,
      });
      continue;
    }
    const server = await httpdStart({ serverPort: 0, host: '127.0.0.1', port });
    register(server);
    sameText(await post('http', server.port));
    await echo('ws', server.port);
    await server.stop();
    tried.push(port);
  }

  const secure = await httpdSslStart({ portSecure: 0, servercert: 'cert.pem', prvtkeyPem: 'key.pem' });
  register(secure);
  sameText(await post('https', secure.port));
  await echo('wss', secure.port);
  await secure.stop();
  tried.push('TLS');

  const device = await deviceStart({
    profile: deviceProfile('esp32'),
    config: { serverPort: 0, host: '127.0.0.1' },
    onBoot: register,
  });
  sameText(await post('http', device.port));
  await device.stop();
  tried.push('device');

  const require = createRequire(import.meta.url);
  for (const entry of ['esp-httpd', 'esp-httpd/client', 'esp-httpd/device']) {
    if (process.features.require_module) assert.equal(require(entry), await import(entry));
    else assert.throws(() => require(entry), { message: /^require of esp-httpd needs Node\.js / });
  }
  tried.push(process.features.require_module ? 'require' : 'no require, as it says');
}

await main();
const name = isNode ? `Node.js ${node}` : bun === undefined ? `Deno ${deno}` : `Bun ${bun}`;
console.log(`${name}: ${tried.join(', ')}`);
