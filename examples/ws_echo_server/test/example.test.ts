import { once } from 'node:events';
import * as net from 'node:net';
import { describe, expect, test } from 'vitest';
import { ELSEWHERE } from '../../../test/support/server.js';
import { Program, startExample } from './child.js';
import { closers, lines, listen, openWs } from './peers.js';

describe('npm start', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('%s stops it: Close 1001 to its clients, status 0', async signal => {
    const { program, port } = await startExample();
    const socket = await openWs(port, '/ws');
    const closed = once(socket, 'close');
    program.kill(signal);
    expect((await closed)[0]).toBe(1001);
    const { status, stdout, stderr } = await program.ended;
    expect(stdout).toContain(`ws_echo_server: Stopping webserver (${signal})`);
    expect(stdout).toMatch(/ws_echo_server: Stopped\n$/);
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test('a second SIGINT ends it at once, with a client that does not answer the Close', async () => {
    const { program, port } = await startExample();
    const mute = net.connect(port, '127.0.0.1');
    closers.push(() => mute.destroy());
    mute.on('error', () => {});
    mute.write(
      'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
    await once(mute, 'data');
    program.kill('SIGINT');
    await program.printed(/Stopping webserver/);
    const again = setInterval(() => program.kill('SIGINT'), 100);
    closers.push(() => clearInterval(again));
    const { status, stdout } = await program.ended;
    expect(status).toBe(130);
    expect(stdout).not.toContain('Stopped\n');
  });

  test('logs in ESP-IDF form, and tells the port that the system chose', async () => {
    const { program, port } = await startExample();
    const socket = await openWs(port, '/ws');
    socket.send('Espressif');
    await program.printed(/Packet type: 1\n/);
    const text = program.stdout.replace(/\(\d+\)/g, '(<n>)').replaceAll(String(port), '<port>');
    expect(text).toBe(
      "I (<n>) ws_echo_server: Starting server on port: '0'\n" +
        'I (<n>) ws_echo_server: Registering URI handlers\n' +
        'I (<n>) ws_echo_server: Open http://localhost:<port>/ to try it; Ctrl-C stops the server\n' +
        'I (<n>) ws_echo_server: frame len is 9\n' +
        'I (<n>) ws_echo_server: Got packet with message: Espressif\n' +
        'I (<n>) ws_echo_server: Packet type: 1\n',
    );
  });

  test('a message can not forge a line of the log, nor drive the terminal, nor fill it', async () => {
    const { program, port } = await startExample();
    const socket = await openWs(port, '/ws');
    socket.send('a\nI (1) httpd: forged\u001b[2J\u0085\u2028');
    socket.send(Buffer.alloc(100_000, 'é'));
    await program.printed(/Packet type: 2\n/);
    expect(program.stdout).toContain('message: a\\u{a}I (1) httpd: forged\\u{1b}[2J\\u{85}\\u{2028}\n');
    expect(program.stdout).toContain(`message: ${'é'.repeat(64)}… (100000 bytes)\n`);
    expect(lines(program.stdout, 'I (1) httpd')).toEqual([]);
  });

  test('HTTPD_LOG_FORMAT=json prints JSON lines, and only those', async () => {
    const { program, port } = await startExample({ HTTPD_LOG_FORMAT: 'json' });
    (await openWs(port, '/ws')).send('Espressif');
    await program.printed(/Packet type: 1"/);
    program.kill('SIGTERM');
    const { stdout, status } = await program.ended;
    const entries = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as { level: number; tag: string; msg: string; time: number });
    expect(entries[0]).toMatchObject({ level: 30, tag: 'ws_echo_server', msg: "Starting server on port: '0'" });
    expect(entries.map(entry => entry.msg)).toContain('Got packet with message: Espressif');
    expect(status).toBe(0);
  });

  test('ends without a stack trace when nobody reads its log any more', async () => {
    const { program, port } = await startExample();
    program.stopReading();
    (await openWs(port, '/ws')).send('Espressif');
    const { status, stderr } = await program.ended;
    expect(stderr).toBe('');
    expect(status).toBe(1);
  });

  test('takes the port from PORT', async () => {
    // as npm start does
    const program = new Program('main.ts', [], { HOST: '127.0.0.1', PORT: '0' }, { tsx: true });
    await program.printed(/Open http:\/\/localhost:[1-9]\d*\//);
  });
});

describe.skipIf(ELSEWHERE)('npm start with what can not be', () => {
  test.each([
    [['abc'], {}, "The port must be a number from 0 to 65535, not 'abc'."],
    [['65536'], {}, "The port must be a number from 0 to 65535, not '65536'."],
    [['-1'], {}, "The port must be a number from 0 to 65535, not '-1'."],
    [['80', '81'], {}, "One argument is the port; '81' is too much."],
    [[], { PORT: '80 80' }, "The port in the environment variable PORT must be a number from 0 to 65535, not '80 80'."],
  ])('refuses %j with %j: status 2 and its usage', async (args, env, message) => {
    const { status, stdout, stderr } = await new Program('main.ts', args, env as Record<string, string>).ended;
    expect(stderr).toContain(message);
    expect(stderr).toContain('Usage: npm start');
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  test('tells in words that the port is in use, and ends with status 1', async () => {
    const port = await listen(() => {});
    const { status, stderr } = await new Program('main.ts', [String(port)], { HOST: '127.0.0.1' }).ended;
    expect(stderr).toBe(
      `Port ${port} is in use: another program listens there. Stop it, or choose another port: npm start -- ${port + 1}\n`,
    );
    expect(status).toBe(1);
  });

  test('tells in words that HOST is no address of this machine', async () => {
    const { status, stderr } = await new Program('main.ts', ['0'], { HOST: '192.0.2.1' }).ended;
    expect(stderr).toBe("'192.0.2.1' in the environment variable HOST is no address of this machine.\n");
    expect(status).toBe(1);
  });
});
