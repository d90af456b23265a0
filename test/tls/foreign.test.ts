import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Agent, WebSocket as UndiciWebSocket, fetch as undiciFetch } from 'undici';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { HTTP_GET, HTTP_POST } from '../../src/httpd/methods.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { wsFrame } from '../../src/httpd_ws/frame_type.js';
import { certificates } from '../support/certificates.js';
import { afterwards, get, startSsl } from './support.js';

/** Long enough to be sent in many records, and more than a socket takes at once. */
const LONG = 3_000_000;

/** A server that echoes what is posted, and the frames of a WebSocket, and sends something long. */
async function start(): Promise<HttpdServer> {
  const server = await startSsl();
  server.registerUriHandler({
    uri: '/echo',
    method: HTTP_POST,
    handler: async req => {
      const pieces: Uint8Array[] = [];
      for await (const piece of req) pieces.push(Uint8Array.from(piece));
      await req.respSend(Buffer.concat(pieces));
    },
  });
  server.registerUriHandler({ uri: '/long', method: HTTP_GET, handler: req => req.respSend('x'.repeat(LONG)) });
  server.registerUriHandler({
    uri: '/ws',
    method: HTTP_GET,
    isWebsocket: true,
    handler: async req => {
      if (req.method === HTTP_GET) return;
      const pkt = wsFrame();
      await req.wsRecvFrame(pkt, LONG);
      await req.wsSendFrame(pkt);
    },
  });
  return server;
}

const url = (server: HttpdServer, path: string, scheme = 'https') => `${scheme}://localhost:${server.port}${path}`;
const ca = () => certificates().ca.cert;

describe('undici', () => {
  function agent(): Agent {
    const made = new Agent({ connections: 1, connect: { ca: ca(), host: '127.0.0.1' } });
    afterwards(() => made.destroy());
    return made;
  }

  test('fetch: a GET, and a long body up and down, on one connection', async () => {
    const server = await start();
    const dispatcher = agent();
    expect(await (await undiciFetch(url(server, '/'), { dispatcher })).text()).toBe('hello');
    const body = Buffer.alloc(LONG, 'abcdefg');
    const answer = await undiciFetch(url(server, '/echo'), { dispatcher, method: 'POST', body });
    expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true);
    expect((await (await undiciFetch(url(server, '/long'), { dispatcher })).text()).length).toBe(LONG);
    expect(server.getStats().sessions.opened).toBe(1);
  });

  test('fetch does not take a certificate for another name', async () => {
    const server = await start();
    const elsewhere = `https://127.0.0.2:${server.port}/`;
    await expect(undiciFetch(elsewhere, { dispatcher: agent() })).rejects.toThrow('fetch failed');
  });

  test('WebSocket', async () => {
    const server = await start();
    const socket = new UndiciWebSocket(url(server, '/ws', 'wss'), { dispatcher: agent() });
    await once(socket as never, 'open');
    socket.send('hello');
    const [event] = (await once(socket as never, 'message')) as [{ data: unknown }];
    expect(event.data).toBe('hello');
    socket.close(1000);
    const [closed] = (await once(socket as never, 'close')) as [{ code: number; wasClean: boolean }];
    expect([closed.code, closed.wasClean]).toEqual([1000, true]);
  });
});

test('ws over wss: frames of any length, pings, a clean end', async () => {
  const server = await start();
  const socket = new WebSocket(url(server, '/ws', 'wss'), { ca: ca(), host: '127.0.0.1' });
  afterwards(() => socket.terminate());
  await once(socket, 'open');
  for (const length of [0, 1, 125, 126, 65_535, 65_536, 1_000_000]) {
    const sent = Buffer.alloc(length, 'w');
    socket.send(sent);
    const [data] = (await once(socket, 'message')) as [Buffer];
    expect(data.equals(sent)).toBe(true);
  }
  socket.ping('are you there');
  expect(String((await once(socket, 'pong'))[0])).toBe('are you there');
  socket.close(4000, 'bye');
  expect((await once(socket, 'close'))[0]).toBe(4000);
});

test('node:https with keep-alive: many requests on few connections', async () => {
  const server = await start();
  const agent = new https.Agent({ keepAlive: true, maxSockets: 3 });
  afterwards(() => agent.destroy());
  const answers = await Promise.all(Array.from({ length: 60 }, () => get(server, { agent })));
  expect(new Set(answers.map(({ text }) => text))).toEqual(new Set(['hello']));
  expect(server.getStats().sessions.opened).toBe(3);
});

const noCurl = spawnSync('curl', ['--version']).status !== 0;

/** Debian: `apt install curl`. */
describe.skipIf(noCurl)('curl (skipped where it is not installed)', () => {
  async function curl(server: HttpdServer, path: string, ...args: string[]): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-curl-'));
    afterwards(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'ca.pem');
    writeFileSync(file, ca());
    const common = ['--silent', '--show-error', '--noproxy', '*', '--max-time', '15', '--cacert', file];
    const to = ['--resolve', `localhost:${server.port}:127.0.0.1`, url(server, path)];
    return (await promisify(execFile)('curl', [...common, ...args, ...to], { maxBuffer: 2 * LONG })).stdout;
  }

  test.each([[[]], [['--tlsv1.3']], [['--tls-max', '1.2']], [['--http1.0']]])('GET with %j', async args => {
    expect(await curl(await start(), '/', ...args)).toBe('hello');
  });

  test('a long body up and down', async () => {
    const server = await start();
    expect(await curl(server, '/echo', '--data-binary', 'x'.repeat(100_000))).toBe('x'.repeat(100_000));
    expect((await curl(server, '/long')).length).toBe(LONG);
  });

  test('without the authority it does not trust the server', async () => {
    const server = await start();
    const args = ['--silent', '--noproxy', '*', '--max-time', '15', url(server, '/')];
    await expect(promisify(execFile)('curl', args)).rejects.toMatchObject({ code: 60 });
  });
});
