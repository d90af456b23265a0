import { describe, expect, test } from 'vitest';
import { ELSEWHERE } from '../../../test/support/server.js';
import { drive, startExample } from './child.js';
import { closedPort, lines, listen, otherServer } from './peers.js';

describe('the driver', () => {
  test('passes every step against the example, and says so', async () => {
    const { port } = await startExample();
    const { status, stdout, stderr } = await drive('--port', String(port));
    expect(lines(stdout, 'FAIL')).toEqual([]);
    const passed = lines(stdout, 'PASS');
    expect(passed.length).toBeGreaterThanOrEqual(30);
    expect(stdout).toContain(`\n${passed.length} of ${passed.length} steps passed\n`);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    for (const uri of ['/ws', '/ws_partial', '/auth', '/chat']) {
      expect(passed.filter(line => line.startsWith(`PASS  ${uri}: `)).length, uri).toBeGreaterThanOrEqual(2);
    }
  });

  test('--uri runs the steps of that URI only; --board leaves out what ESP-IDF does not have', async () => {
    const { port } = await startExample();
    const partial = await drive('--port', String(port), '--host', 'localhost', '--uri', '/ws_partial');
    expect(partial.status).toBe(0);
    expect(lines(partial.stdout, 'PASS')).toEqual([
      'PASS  /ws_partial: TEXT is echoed',
      'PASS  /ws_partial: BIN is echoed',
      'PASS  /ws_partial: PING is answered with PONG and the same payload',
      'PASS  /ws_partial: 200 bytes come back as one message',
      'PASS  /ws_partial: 200 bytes travel in fragments',
    ]);
    const board = await drive('--port', String(port), '--board');
    expect(board.status).toBe(0);
    expect(board.stdout).toContain('PASS  /ws: TEXT is echoed');
    expect(board.stdout).not.toContain('/chat');
    expect(lines(board.stdout, 'FAIL')).toEqual([]);
  });
});

describe.skipIf(ELSEWHERE)('the driver without the example', () => {
  test('tells in words that nothing listens, and ends with status 1', async () => {
    const port = await closedPort();
    const { status, stdout, stderr } = await drive('--port', String(port));
    expect(stderr).toContain(`Nothing listens on 127.0.0.1 port ${port}. Start the server first (npm start)`);
    expect(stderr).not.toContain('at ');
    expect(stdout).toBe('');
    expect(status).toBe(1);
  });

  test('tells in words that there is no such host', async () => {
    const { status, stderr } = await drive('--host', 'no-such-host.invalid');
    expect(stderr).toMatch(/There is no host named 'no-such-host\.invalid'|no-such-host\.invalid port 8080/);
    expect(status).toBe(1);
  });

  test('shows what was expected and what came when the echo is wrong, and ends with status 1', async () => {
    const port = await otherServer(text => `${text.slice(1)}\u001b[31m`);
    const { status, stdout } = await drive('--port', String(port), '--uri', '/ws', '--timeout', '1');
    expect(stdout).toContain(
      'FAIL  /ws: TEXT is echoed\n      expected: TEXT "Espressif"\n      came:     TEXT "spressif\\u001b[31m"\n',
    );
    expect(stdout).toContain('PASS  /ws: BIN is echoed\n');
    expect(stdout).toContain('PASS  /ws: PING is answered with PONG and the same payload\n');
    expect(stdout).toMatch(/\n\d+ of 15 steps passed, \d+ FAILED\n/);
    expect(status).toBe(1);
  });

  test('waits no longer than the limit of each step for a server that is silent', async () => {
    const port = await listen(socket => socket.on('error', () => {}).resume());
    const { status, stdout } = await drive('--port', String(port), '--uri', '/silent', '--timeout', '0.2');
    expect(lines(stdout, 'FAIL')).toHaveLength(3);
    expect(stdout).toContain('      came:     nothing more within 0.2 s\n');
    expect(status).toBe(1);
  });

  test('fails each step in words when what listens is no WebSocket server', async () => {
    const port = await listen(socket => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 418 Teapot\r\nContent-Length: 0\r\n\r\n');
    });
    const { status, stdout } = await drive('--port', String(port), '--uri', '/any');
    expect(lines(stdout, '      came:     HTTP 418 in place of a WebSocket')).toHaveLength(3);
    expect(status).toBe(1);
  });

  test.each([
    [['--prot', '80'], "Unknown option '--prot'"],
    [['--port', '0'], "--port must be a number from 1 to 65535, not '0'."],
    [['--port', '8e3'], "--port must be a number from 1 to 65535, not '8e3'."],
    [['--uri', 'ws'], "--uri must begin with a slash and have no spaces, not 'ws'."],
    [['--timeout', '-1'], '--timeout'],
    [['here'], 'here'],
  ])('refuses the arguments %j with status 2 and its usage', async (args, message) => {
    const { status, stdout, stderr } = await drive(...args);
    expect(stderr).toContain(message);
    expect(stderr).toContain('Usage: npm run ws-test');
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  test('--help prints the usage', async () => {
    const { status, stdout } = await drive('--help');
    expect(stdout).toContain('Usage: npm run ws-test');
    expect(status).toBe(0);
  });
});
