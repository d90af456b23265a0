/** Servers that are not played: the `ws` package, and ours. */
import { describe, expect, test, vi } from 'vitest';
import { type PerMessageDeflateOptions, WebSocketServer } from 'ws';
import type { HttpdConfig } from '../../src/config.js';
import { HTTPD_401_UNAUTHORIZED } from '../../src/httpd/http_err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import type { WsDeflateOptions } from '../../src/httpd_ws/options.js';
import { ZlibStream } from '../../src/httpd_ws/zlib_stream.js';
import type { EspWebsocketClient } from '../../src/ws_client/client.js';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import type { WsConnectedEvent } from '../../src/ws_client/events.js';
import { startTestServer } from '../support/server.js';
import { afterwards, makeClient, until } from './support.js';

async function wsServer(perMessageDeflate: boolean | PerMessageDeflateOptions): Promise<string> {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate, handleProtocols: () => 'echo' });
  wss.on('connection', ws => {
    ws.on('error', () => {});
    ws.on('message', (data, binary) => ws.send(data, { binary }));
  });
  await new Promise(resolve => wss.on('listening', resolve));
  afterwards(() => {
    for (const ws of wss.clients) ws.terminate();
    wss.close();
  });
  return `ws://127.0.0.1:${(wss.address() as { port: number }).port}/`;
}

async function ourServer(uri: Partial<HttpdUri> = {}, config: Partial<HttpdConfig> = {}): Promise<string> {
  const server = await startTestServer(config);
  const handler = async (req: HttpdReq): Promise<void> => {
    if (req.method === HTTP_GET) return;
    const pkt = wsFrame();
    await req.wsRecvFrame(pkt, 4 * 1024 * 1024);
    await req.wsSendFrame(pkt);
  };
  server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler, ...uri });
  return `ws://127.0.0.1:${server.port}/ws`;
}

const SIZES = [0, 1, 125, 126, 127, 1_023, 1_024, 16_384, 16_385, 65_535, 65_536, 100_000];

/** `n` bytes of text that repeat late. */
function textOf(n: number): string {
  let text = '';
  for (let i = 0; text.length < n; i++) text += `${i} `;
  return text.slice(0, n);
}

/** Sends messages of all sizes and expects them back. */
async function exchange(client: EspWebsocketClient): Promise<void> {
  const messages = client[Symbol.asyncIterator]();
  const sent = (async () => {
    for (const size of SIZES) {
      await client.sendText(textOf(size));
      await client.sendBin(Buffer.from(textOf(size)).reverse());
    }
    await client.sendFragments(SIZES.map(size => textOf(Math.min(size, 20_000))));
  })();
  for (const size of SIZES) {
    const one = (await messages.next()).value;
    const two = (await messages.next()).value;
    expect([one?.isText, one?.text === textOf(size), two?.isText]).toEqual([true, true, false]);
    expect(two?.data.equals(Buffer.from(textOf(size)).reverse())).toBe(true);
  }
  const joined = (await messages.next()).value?.text;
  expect(joined === SIZES.map(size => textOf(Math.min(size, 20_000))).join('')).toBe(true);
  await sent;
}

async function connect(
  uri: string,
  config: EspWebsocketClientConfig = {},
): Promise<{ client: EspWebsocketClient; info: WsConnectedEvent }> {
  const { client } = makeClient({ uri, ...config });
  const connected = new Promise<WsConnectedEvent>(resolve => client.once('connected', resolve));
  await client.start();
  return { client, info: await connected };
}

const DEFLATES: readonly (boolean | WsDeflateOptions)[] = [
  false,
  true,
  { threshold: 0, serverNoContextTakeover: true },
  { threshold: 0, clientNoContextTakeover: true },
  { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
  { threshold: 0, clientMaxWindowBits: 8, serverNoContextTakeover: true, clientNoContextTakeover: true },
];

describe.each(DEFLATES.map(deflate => [JSON.stringify(deflate), deflate] as const))(
  'with perMessageDeflate %s',
  (_name, deflate) => {
    test('messages of all sizes go to ws and back', async () => {
      const uri = await wsServer({ threshold: 0 });
      const { client, info } = await connect(uri, { perMessageDeflate: deflate, subprotocol: 'echo' });
      expect([info.compressed, info.subprotocol]).toEqual([deflate !== false, 'echo']);
      await exchange(client);
      await client.close();
    });

    test.each([false, true])('and to our server (wsMessageMode %s)', async wsMessageMode => {
      const wsPerMessageDeflate = { threshold: 0, serverNoContextTakeover: false, clientNoContextTakeover: false };
      const uri = await ourServer({ wsMessageMode, wsPerMessageDeflate });
      const { client, info } = await connect(uri, { perMessageDeflate: deflate, messageMode: wsMessageMode });
      expect(info.compressed).toBe(deflate !== false);
      await exchange(client);
      await client.close();
    });
  },
);

test.each([{}, { clientNoContextTakeover: true }, { serverNoContextTakeover: true }])(
  'a connection that has ended keeps no compressor (%j)',
  async options => {
    const closed = vi.spyOn(ZlibStream.prototype, 'close');
    afterwards(() => closed.mockRestore());
    const { client } = await connect(await wsServer(true), { perMessageDeflate: { threshold: 0, ...options } });
    await client.sendText('x'.repeat(100));
    await client.stop();
    expect(closed).toHaveBeenCalledTimes(1);
  },
);

test('a server that declines compression gets none', async () => {
  const { client, info } = await connect(await wsServer(false), { perMessageDeflate: true });
  expect(info.compressed).toBe(false);
  await client.sendText('x'.repeat(10_000));
  expect((await client[Symbol.asyncIterator]().next()).value?.data).toHaveLength(10_000);
});

test('a bomb ends with Close 1009 and no more memory than maxMessageLen', async () => {
  const uri = await ourServer({
    wsPerMessageDeflate: { threshold: 0 },
    wsMaxMessageLen: 64 * 1024 * 1024,
    handler: async req => {
      if (req.method !== HTTP_GET) await req.wsSendFrame(wsFrame({ type: 2, payload: new Uint8Array(1024 * 1024) }));
    },
  });
  const { client, errors } = makeClient({
    uri,
    perMessageDeflate: true,
    maxMessageLen: 100_000,
    disableAutoReconnect: true,
  });
  await client.start();
  await client.sendText('go');
  await until(() => expect(errors[0]?.message).toBe('a message is longer than maxMessageLen: closed with 1009'));
});

test('what our server refuses has its status and page', async () => {
  const uri = await ourServer({ wsPreHandshakeCb: req => req.respSendErr(HTTPD_401_UNAUTHORIZED, 'token, please') });
  const { client, errors } = makeClient({ uri, disableAutoReconnect: true });
  await client.start().catch(() => {});
  expect([errors[0]?.response?.status, errors[0]?.response?.body.toString()]).toEqual([401, 'token, please']);
});

test('await using closes in order', async () => {
  const uri = await wsServer(false);
  const events: string[] = [];
  {
    const made = makeClient({ uri });
    await using client = made.client;
    client.on('closed', ({ code, byClient }) => events.push(`${code} ${byClient}`));
    await client.start();
  }
  expect(events).toEqual(['1000 true']);
});

test('thousands of messages in a turn come back in their order', async () => {
  const { client } = await connect(await wsServer(false));
  const messages = client[Symbol.asyncIterator]();
  for (let i = 0; i < 1_000; i++) void client.sendText(`${i}`);
  for (let i = 0; i < 1_000; i++) expect((await messages.next()).value?.text).toBe(`${i}`);
});

test.each([
  ['localhost', '127.0.0.1'],
  ['[::1]', '::1'],
])('%s is found, with TCP keep-alive', async (name, host) => {
  const server = await startTestServer({ host });
  server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: () => {} });
  const { client, errors } = makeClient({ uri: `ws://${name}:${server.port}/ws`, keepAliveEnable: true });
  await client.start();
  expect([client.isConnected(), errors]).toEqual([true, []]);
  await client.close();
});
