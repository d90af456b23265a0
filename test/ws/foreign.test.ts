/** The `ws` package as a client. */
import { describe, expect, test } from 'vitest';
import WebSocket, { type RawData } from 'ws';
import { HTTPD_401_UNAUTHORIZED } from '../../src/httpd/http_err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { TEXT } from '../support/ws_frames.js';
import { echo, pattern, startWs, until } from './ws_server.js';

/** A client of ours: its socket, and the messages that it has received. */
async function openClient(port: number, options: WebSocket.ClientOptions = {}) {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/ws`, options);
  const messages: { data: Buffer; isBinary: boolean }[] = [];
  ws.on('message', (data: RawData, isBinary) => messages.push({ data: data as Buffer, isBinary }));
  await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
  return { ws, messages };
}

describe('the ws client', () => {
  test('gets text and binary messages of all sizes back', async () => {
    const { server } = await startWs();
    const { ws, messages } = await openClient(server.port);
    const sizes = [0, 1, 125, 126, 127, 16_384, 16_385, 65_535, 65_536, 1_000_000];
    for (const size of sizes) ws.send(pattern(size));
    for (const size of sizes) ws.send('é'.repeat(size / 2));
    await until(() => expect(messages).toHaveLength(sizes.length * 2));
    for (const [i, size] of sizes.entries()) {
      expect(messages[i]?.isBinary).toBe(true);
      expect(Buffer.compare(messages[i]?.data ?? Buffer.alloc(0), pattern(size))).toBe(0);
      const text = messages[i + sizes.length];
      expect([text?.isBinary, text?.data.toString() === 'é'.repeat(size / 2)]).toEqual([false, true]);
    }
    ws.terminate();
  });

  test('gets the fragments of a message joined, as the server sends them back', async () => {
    const { server } = await startWs();
    const { ws, messages } = await openClient(server.port);
    ws.send('one ', { fin: false });
    ws.send('two ', { fin: false });
    ws.send('three');
    await until(() => expect(messages).toHaveLength(1));
    expect(messages[0]?.data.toString()).toBe('one two three');
    ws.terminate();
  });

  test('works with compression offered, which the server does not take', async () => {
    const { server } = await startWs();
    const { ws, messages } = await openClient(server.port, { perMessageDeflate: true });
    expect(ws.extensions).toBe('');
    ws.send('x'.repeat(5_000));
    await until(() => expect(messages).toHaveLength(1));
    ws.terminate();
  });

  test('sees the status of a refusal, and its body', async () => {
    const { server } = await startWs({
      wsPreHandshakeCb: req => req.respSendErr(HTTPD_401_UNAUTHORIZED, 'token, please'),
    });
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}/ws`);
    const [status, body] = await new Promise<[number | undefined, string]>((resolve, reject) => {
      ws.once('error', reject);
      ws.once('unexpected-response', (_req, res) => {
        let text = '';
        res.on('data', chunk => {
          text += chunk;
        });
        res.on('end', () => resolve([res.statusCode, text]));
      });
    });
    expect([status, body]).toEqual([401, 'token, please']);
  });

  test('gets the greeting that leaves with the 101, and headers that were added to it', async () => {
    const { server } = await startWs({
      handler: req => {
        if (req.method !== HTTP_GET) return echo(req);
        req.respSetHdr('X-Greeting', 'yes');
        return req.wsSendFrame(wsFrame({ type: TEXT, payload: 'hello' }));
      },
    });
    const ws = new WebSocket(`ws://127.0.0.1:${server.port}/ws`);
    const headers = new Promise(resolve => ws.once('upgrade', res => resolve(res.headers['x-greeting'])));
    const first = new Promise<string>(resolve => ws.once('message', (data: Buffer) => resolve(data.toString())));
    expect([await headers, await first]).toEqual(['yes', 'hello']);
    ws.terminate();
  });

  test('is told 1009 when its message is longer than the handler takes', async () => {
    const { server } = await startWs({
      handler: async req => {
        if (req.method !== HTTP_GET) await req.wsRecvFrame(wsFrame(), 128);
      },
    });
    const { ws } = await openClient(server.port);
    const closed = new Promise<number>(resolve => ws.once('close', resolve));
    ws.send('x'.repeat(129));
    expect(await closed).toBe(1009);
  });

  test('50 of them at once get their own answers', async () => {
    const { server } = await startWs();
    const clients = await Promise.all(Array.from({ length: 50 }, () => openClient(server.port)));
    for (const [i, { ws }] of clients.entries()) for (let n = 0; n < 20; n++) ws.send(`${i}:${n}`);
    await until(() => expect(clients.every(({ messages }) => messages.length === 20)).toBe(true));
    for (const [i, { ws, messages }] of clients.entries()) {
      expect(messages.map(({ data }) => data.toString())).toEqual(Array.from({ length: 20 }, (_, n) => `${i}:${n}`));
      ws.terminate();
    }
  });
});
