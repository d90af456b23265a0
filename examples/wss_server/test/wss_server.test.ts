/** The wss_server example: what its clients see and what it logs, after the steps of ESP-IDF's test script. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { espLog } from '../../../src/index.js';
import { certificates } from '../../../test/support/certificates.js';
import { ManualClock } from '../../../test/support/clock.js';
import { collectLog, ELSEWHERE, serverTls, startTestServer, turn } from '../../../test/support/server.js';
import { Program } from '../../ws_echo_server/test/child.js';
import { HELLO_EVERY_MS, MESSAGE_MAX, PING_INTERVAL, PONG_TIMEOUT, register, TAG, URI } from '../app.js';

/** What is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 2 };

/** The example over TLS, its lines in the log, and a clock to turn by hand. */
async function start() {
  const clock = new ManualClock();
  const { logger, lines } = collectLog();
  const server = await startTestServer({ listeners: [{ port: 0, host: '127.0.0.1', tls: serverTls() }] }, { clock });
  register(server, { logOf: tag => espLog(tag, logger), every: (ms, callback) => clock.every(ms, callback) });
  expect(lines.splice(0)).toEqual([
    `I ${TAG}: Starting server`,
    'I esp_https_server: Starting server',
    `I esp_https_server: Server listening on port ${server.port}`,
    'I esp_https_server: IPv4 address: 127.0.0.1',
    `I ${TAG}: Registering URI handlers`,
  ]);
  const logged = (text: string) => vi.waitFor(() => expect(lines).toContain(`I ${TAG}: ${text}`), SOON);
  return { server, clock, lines, logged };
}

/** A client of the `ws` package, and what it receives, such as 'text Hello client'. */
async function connect(port: number, options: { autoPong?: boolean } = {}) {
  const socket = new WebSocket(`wss://localhost:${port}${URI}`, { ca: certificates().ca.cert, ...options });
  const got: string[] = [];
  socket.on('message', (data, isBinary) => got.push(`${isBinary ? 'binary' : 'text'} ${data}`));
  socket.on('ping', data => got.push(`ping ${data}`));
  socket.on('pong', data => got.push(`pong ${data}`));
  socket.on('close', code => got.push(`close ${code}`));
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  return { socket, got, came: (text: string) => vi.waitFor(() => expect(got).toContain(text), SOON) };
}

/** Time passes, second by second, and what is sent arrives. */
async function pass(clock: ManualClock, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    clock.advance(1_000);
    for (let n = 0; n < 10; n++) await turn();
  }
}

const fdIn = (lines: readonly string[]) => Number(/New client connected (\d+)$/m.exec(lines.join('\n'))?.[1]);

describe.skipIf(ELSEWHERE)('wss_server', () => {
  test('echoes text, as ESP-IDF’s script expects, and says so in the same words', async () => {
    const { server, lines, logged } = await start();
    const { socket, got, came } = await connect(server.port);
    socket.send('Espressif');
    await came('text Espressif');
    const fd = fdIn(lines);
    expect(lines).toEqual([
      `I ${TAG}: New client connected ${fd}`,
      `I ${TAG}: Handshake done, the new connection was opened`,
      `I ${TAG}: frame len is 9`,
      `I ${TAG}: Received packet with message: Espressif`,
      `I ${TAG}: ws_handler: httpd_handle_t=0x${server.port.toString(16)}, sockfd=${fd}, client_info:2`,
    ]);
    socket.ping('Espressif');
    await came('pong Espressif');
    await logged('Got a WS PING frame, Replying PONG');
    expect(got).toEqual(['text Espressif', 'pong Espressif']);
    socket.close(1000);
    await logged(`Client disconnected ${fd}`);
    expect(lines.join('\n')).not.toContain('not alive');
  });

  test('takes a client that just leaves for one that has left', async () => {
    const { server, lines, logged } = await start();
    const { socket } = await connect(server.port);
    const fd = fdIn(lines);
    socket.terminate();
    await logged(`Client disconnected ${fd}`);
    expect(lines.join('\n')).not.toContain('not alive');
  });

  test('pings a quiet client, which lives as long as it answers', async () => {
    const { server, clock, lines } = await start();
    const { socket, got } = await connect(server.port);
    for (let seconds = 0; seconds < 40; seconds++) await pass(clock, 1);
    expect(got.filter(each => each === 'ping ').length).toBeGreaterThanOrEqual(4);
    expect(lines.filter(line => line === `D ${TAG}: Received PONG message`).length).toBeGreaterThanOrEqual(4);
    expect(got.filter(each => each === 'text Hello client')).toHaveLength(4);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    expect(lines.join('\n')).not.toContain('not alive');
  });

  test('closes a client that does not answer for 10 seconds, whatever it is told meanwhile', async () => {
    const { server, clock, lines, logged } = await start();
    await pass(clock, 3);
    const { got, came } = await connect(server.port, { autoPong: false });
    const fd = fdIn(lines);
    await pass(clock, PING_INTERVAL - 1);
    expect(got).toEqual([]);
    await pass(clock, PONG_TIMEOUT);
    expect(got).toEqual(['ping ', 'text Hello client']);
    await pass(clock, 3);
    await came('close 1006');
    await logged(`Client disconnected ${fd}`);
    expect(lines.slice(-2)).toEqual([
      `E ${TAG}: Client not alive, closing fd ${fd}`,
      `I ${TAG}: Client disconnected ${fd}`,
    ]);
    expect(lines.at(-3)).toBe(`E wss_keep_alive: Client (fd=${fd}) not alive!`);
  });

  test('tells all its clients something every 10 seconds, and nobody else', async () => {
    const [one, two] = [await start(), await start()];
    const clients = await Promise.all([1, 2, 3].map(() => connect(one.server.port)));
    const other = await connect(two.server.port);
    await pass(one.clock, HELLO_EVERY_MS / 1000);
    for (const { came } of clients) await came('text Hello client');
    const sent = one.lines.filter(line => line.includes('sending async message'));
    expect(sent.sort()).toEqual(
      one.server
        .getClientList()
        .sort()
        .map(fd => `I ${TAG}: Active client (fd=${fd}) -> sending async message`),
    );
    expect(sent).toHaveLength(3);
    // its own server has told it nothing, and goes on when another stops
    expect(other.got).toEqual([]);
    await one.server.stop({ grace: 0 });
    expect(one.clock.running).toBe(0);
    await pass(two.clock, HELLO_EVERY_MS / 1000);
    await other.came('text Hello client');
  });

  test('echoes bytes too, and answers a Close with its code', async () => {
    const { server } = await start();
    const { socket, came } = await connect(server.port);
    socket.send(Buffer.from('bytes'));
    await came('binary bytes');
    socket.close(3000, 'enough');
    await came('close 3000');
  });

  test(`takes messages of up to ${MESSAGE_MAX} bytes, in fragments too`, async () => {
    const { server } = await start();
    const [inOne, inTwo] = [await connect(server.port), await connect(server.port)];
    const text = 'x'.repeat(MESSAGE_MAX - 1);
    inTwo.socket.send(text, { fin: false });
    inTwo.socket.send('y', { fin: true });
    await inTwo.came(`text ${text}y`);
    inTwo.socket.send(text, { fin: false });
    inTwo.socket.send('yz', { fin: true });
    inOne.socket.send(`${text}yz`);
    for (const { came, got } of [inOne, inTwo]) {
      await came('close 1009');
      expect(got.length).toBeLessThanOrEqual(2);
    }
  });

  test('a message can not forge a line of the log, nor fill it', async () => {
    const { server, lines } = await start();
    const { socket, came } = await connect(server.port);
    const text = `a\nI (1) ${TAG}: Client not alive\u001b[2J${'x'.repeat(1000)}`;
    socket.send(text);
    await came(`text ${text}`);
    const line = lines.find(each => each.includes('message:')) as string;
    expect(line).toContain(`message: a\\u{a}I (1) ${TAG}: Client not alive\\u{1b}[2Jxxx`);
    expect(line).not.toContain('\n');
    expect(line.length).toBeLessThan(500);
  });
});

test.skipIf(ELSEWHERE)('npm run wss shows what is in its README, and stops at Ctrl-C', async () => {
  const program = new Program('../wss_server/main.ts', ['0'], { HOST: '127.0.0.1' });
  // as ESP-IDF's script reads it
  const [, port] = await program.printed(/Server listening on port (\d+)\n/);
  await program.printed(/IPv4 address: 127\.0\.0\.1\n/);
  const [, uri, ca = ''] = await program.printed(/npm run ws-client -- (\S+) --ca (\S+)\n/);
  expect(uri).toBe(`wss://localhost:${port}/ws`);
  const socket = new WebSocket(uri as string, { ca: readFileSync(new URL(`../../../${ca}`, import.meta.url)) });
  onTestFinished(() => socket.terminate());
  const message = once(socket, 'message');
  socket.on('open', () => socket.send('Espressif'));
  expect(String((await message)[0])).toBe('Espressif');
  await program.printed(/performing session handshake\n.*New client connected \d+\n/);
  const closed = once(socket, 'close');
  program.kill('SIGINT');
  expect((await closed)[0]).toBe(1001);
  const { status, stdout, stderr } = await program.ended;
  expect(stdout).toMatch(/Client disconnected \d+\n.*releasing SSL context\n.*wss_echo_server: Stopped\n$/);
  expect([status, stderr]).toEqual([0, '']);
});
