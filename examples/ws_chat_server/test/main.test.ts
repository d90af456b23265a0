/** The program, started the way a user starts it. */
import { once } from 'node:events';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { ELSEWHERE } from '../../../test/support/server.js';
import { Program } from '../../ws_echo_server/test/child.js';

const MAIN = '../ws_chat_server/main.ts';

async function start(): Promise<{ program: Program; port: number }> {
  const program = new Program(MAIN, ['0'], { HOST: '127.0.0.1' });
  const [, port] = await program.printed(/Open http:\/\/localhost:(\d+)\//);
  return { program, port: Number(port) };
}

async function enter(port: number, name: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat?name=${name}`, 'lws-minimal');
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

describe('npm run chat', () => {
  test('serves the page and the room, logs who comes and goes, and stops at Ctrl-C', async () => {
    const { program, port } = await start();
    const page = await fetch(`http://127.0.0.1:${port}/?name=Ada`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'sha256-[\w+/]+='; /);
    expect(await page.text()).toContain('<h1>Chat room</h1>');
    expect((await fetch(`http://127.0.0.1:${port}/`, { method: 'HEAD' })).status).toBe(200);

    const [ada, bob] = [await enter(port, 'Ada'), await enter(port, 'Bob')];
    await program.printed(/Bob has joined, 2 here\n/);
    expect(ada.protocol).toBe('lws-minimal');
    bob.close(4000, 'for\nged');
    await program.printed(/Bob has left \(Close 4000\), 1 here\n/);

    const closed = once(ada, 'close');
    program.kill('SIGINT');
    expect((await closed)[0]).toBe(1001);
    const { status, stdout, stderr } = await program.ended;
    expect(stdout).toContain('ws_chat_server: Stopping webserver (SIGINT)');
    expect(stdout).toMatch(/ws_chat_server: Stopped\n$/);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});

describe.skipIf(ELSEWHERE)('npm run chat with what can not be', () => {
  test.each([
    [['--help'], 0, 'stdout', /^Usage: npm run chat -- \[port\]/],
    [['99999'], 2, 'stderr', /^The port must be a number from 0 to 65535, not '99999'\.\n\nUsage/],
    [['1', '2'], 2, 'stderr', /^One argument is the port; '2' is too much\./],
  ] as const)('%j ends with status %i and some help', async (args, status, stream, text) => {
    const ended = await new Program(MAIN, args, {}).ended;
    expect(ended[stream]).toMatch(text);
    expect(ended.status).toBe(status);
  });

  test('tells in words that the port is in use', async () => {
    const { port } = await start();
    const { status, stderr } = await new Program(MAIN, [], { HOST: '127.0.0.1', PORT: String(port) }).ended;
    expect(stderr).toContain(`Port ${port} is in use: another program listens there.`);
    expect(status).toBe(1);
  });
});
