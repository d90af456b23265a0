import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startTestServer } from '../../../test/support/server.js';
import { frame, RawPeer, show, TEXT } from '../driver_client.js';
import { MAX_FRAME_LEN, registerEchoHandlers } from '../echo_server.js';

async function start(): Promise<{ port: number; raw: (path: string, behind?: Buffer) => Promise<RawPeer> }> {
  const server = await startTestServer();
  registerEchoHandlers(server);
  const target = { host: '127.0.0.1', port: server.port, timeoutMs: 5000 };
  // the server's end closes them
  const raw = (path: string, behind?: Buffer) => RawPeer.open(target, path, { behind }, () => {}).opened();
  return { port: server.port, raw };
}

async function frames(peer: RawPeer, count: number): Promise<string[]> {
  const came: string[] = [];
  while (came.length < count) came.push(show(await peer.next()));
  return came;
}

/** The header of a masked binary frame whose payload is still to come. */
function announce(len: number): Buffer {
  const head = Buffer.alloc(14);
  head[0] = 0x82;
  head[1] = 0xff;
  head.writeBigUInt64BE(BigInt(len), 2);
  return head;
}

test.each([
  ['one byte more than the example takes', MAX_FRAME_LEN + 1],
  ['as much as a number holds', Number.MAX_SAFE_INTEGER],
])('a frame that announces %s is refused with 1009 before its payload comes', async (_what, len) => {
  const { raw } = await start();
  const peer = await raw('/ws');
  await peer.send(announce(len));
  expect(show(await peer.next())).toBe('CLOSE 1009');
  await peer.ended;
});

test('the longest frame that the example takes is echoed', async () => {
  const { port } = await start();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
  await once(socket, 'open');
  const sent = Buffer.alloc(MAX_FRAME_LEN, 'esp-httpd');
  socket.send(sent);
  const [came] = (await once(socket, 'message')) as [Buffer];
  expect(came.equals(sent)).toBe(true);
  socket.terminate();
});

test('what the work queue sends does not go between the fragments of an echo', async () => {
  const { raw } = await start();
  const peer = await raw('/ws');
  await peer.send(Buffer.concat([frame(TEXT, 'Trigger async'), frame(TEXT, 'one', { fin: false })]));
  expect(await frames(peer, 1)).toEqual(['TEXT "one" (more follows)']);
  await peer.send(frame(0, 'two'));
  expect(await frames(peer, 2)).toEqual(['CONTINUE "two"', 'TEXT "Async data"']);
});

test.each([
  ['Trigger async now', 'TEXT "Async data"'],
  ['Pingpong', 'PING'],
  ['trigger async', 'TEXT "trigger async"'],
  [' Ping', 'TEXT " Ping"'],
  ['', 'TEXT'],
])('the text %j is answered with %s', async (text, answer) => {
  const { raw } = await start();
  const peer = await raw('/ws');
  await peer.send(frame(TEXT, text));
  expect(show(await peer.next())).toBe(answer);
});

test('a command is a whole text message: binary, and the first fragment of a text, are echoed', async () => {
  const { raw } = await start();
  const peer = await raw('/ws');
  await peer.send(Buffer.concat([frame(2, 'Ping'), frame(TEXT, 'Ping', { fin: false }), frame(0, '!')]));
  expect(await frames(peer, 3)).toEqual(['BIN "Ping"', 'TEXT "Ping" (more follows)', 'CONTINUE "!"']);
});

test.each([
  [0, ['BIN']],
  [1, ['BIN "x"']],
  [64, ['BIN of 64 bytes']],
  [65, ['BIN of 64 bytes (more follows)', 'CONTINUE "x"']],
  [128, ['BIN of 64 bytes (more follows)', 'CONTINUE of 64 bytes']],
])('/ws_partial echoes %i bytes as %j', async (size, expected) => {
  const { raw } = await start();
  const peer = await raw('/ws_partial');
  await peer.send(frame(2, 'x'.repeat(size)));
  expect(await frames(peer, expected.length)).toEqual(expected);
});

test('/ws_partial echoes a fragmented message as one fragmented message', async () => {
  const { raw } = await start();
  const peer = await raw('/ws_partial', Buffer.concat([frame(TEXT, 'a'.repeat(65), { fin: false }), frame(0, 'b')]));
  expect(await frames(peer, 3)).toEqual([
    'TEXT of 64 bytes (more follows)',
    'CONTINUE "a" (more follows)',
    'CONTINUE "b"',
  ]);
});

test('/ws_partial streams a frame that is longer than what it would hold', async () => {
  const { port } = await start();
  // by default `ws` takes 16,384 fragments
  const socket = new WebSocket(`ws://127.0.0.1:${port}/ws_partial`, { maxFragments: 0 });
  await once(socket, 'open');
  const sent = Buffer.alloc(MAX_FRAME_LEN + 1000, 'esp-httpd');
  socket.send(sent);
  const [came] = (await once(socket, 'message')) as [Buffer];
  expect(came.equals(sent)).toBe(true);
  socket.terminate();
});

test('the page comes as UTF-8 HTML under a policy that allows its own script and style only', async () => {
  const { port } = await start();
  const response = await fetch(`http://127.0.0.1:${port}/`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  const policy = response.headers.get('content-security-policy') ?? '';
  expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[^']{44}'; style-src 'sha256-[^']{44}'; /);
  expect(policy).not.toContain('unsafe');
  expect(policy).toContain("frame-ancestors 'none'");
  const html = await response.text();
  expect(html).toMatch(/^<!DOCTYPE html>/);
  // nothing comes from anywhere else
  expect(html).not.toMatch(/(?:src|href)="(?!data:|#)/);
  const head = await fetch(`http://127.0.0.1:${port}/`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
});

test('README.md shows the handler as it is', () => {
  const read = (name: string) => readFileSync(new URL(`../${name}`, import.meta.url), 'utf8');
  const [handler = 'no handler'] = read('echo_server.ts').match(/^async function echoHandler.*?^}$/ms) ?? [];
  expect(read('README.md')).toContain(handler);
});
