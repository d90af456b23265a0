/** The steps of ESP-IDF's script for the example, and what it leaves out. */
import { describe, expect, test, vi } from 'vitest';
import { espLog, httpdEsp32Config } from '../../../src/index.js';
import { exchange, post, request } from '../../../test/http/support.js';
import type { RawClient } from '../../../test/support/raw_client.js';
import { collectLog, connectTo, ELSEWHERE, startTestServer } from '../../../test/support/server.js';
import { Program } from '../../ws_echo_server/test/child.js';
import { register, TAG } from '../app.js';

/** Looks again soon: what is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 5 };
const FREED = `I ${TAG}: /adder Free Context function called`;

/** A server with the limits of a device, and the lines of its log that are the example's. */
async function start() {
  const { logger, lines } = collectLog();
  const { maxOpenSockets, maxUriHandlers } = httpdEsp32Config();
  const server = await startTestServer({ maxOpenSockets, maxUriHandlers });
  register(server, { log: espLog(TAG, logger) });
  const begun = lines.splice(0);
  return { server, lines, begun };
}

const told = (...lines: string[]) => lines.map(line => `I ${TAG}: ${line}`);
const get = async (client: RawClient, path: string) => (await client.send(request(`GET ${path}`)).readResponse()).text;
const postTo = async (client: RawClient, body: string) => (await client.send(post('/adder', body)).readResponse()).text;
const putTo = async (client: RawClient, body: string) =>
  (await client.send(post('/adder', body).replace('POST', 'PUT')).readResponse()).text;

test('the steps of the script', async () => {
  const { server, lines, begun } = await start();
  expect(begun).toEqual(told(`Starting server on port: '${server.port}'`, 'Registering URI handlers'));
  const client = await connectTo(server);

  expect(await get(client, '/login')).toBe('1');
  expect(lines.splice(0)).toEqual(
    told('/login visitor count = 1', '/login GET allocating new session', '/login GET handler send 1'),
  );
  expect(await get(client, '/logout')).toBe('1');
  expect(lines.splice(0)).toEqual(told('Logging out'));

  expect(await putTo(client, '31')).toBe('31');
  expect(lines.splice(0)).toEqual(
    told('/adder visitor count = 2', '/adder PUT handler read 31', '/adder PUT allocating new session'),
  );
  expect(await putTo(client, '7')).toBe('7');
  expect(lines.splice(0)).toEqual(told('/adder visitor count = 3', '/adder PUT handler read 7'));

  let sum = 7;
  for (let value = 0; value <= 100; value++) {
    sum += value;
    expect(await postTo(client, String(value))).toBe(String(sum));
    expect(lines.splice(0)).toEqual(told(`/adder visitor count = ${value + 4}`, `/adder handler read ${value}`));
  }
  expect(await get(client, '/adder')).toBe('5057');
  expect(lines.splice(0)).toEqual(told('/adder visitor count = 105', '/adder GET handler send 5057'));

  client.end();
  await vi.waitFor(() => expect(lines.splice(0)).toEqual([FREED]), SOON);

  const next = await connectTo(server);
  expect(await putTo(next, '12')).toBe('12');
  expect(lines.splice(0)).toEqual(
    told('/adder visitor count = 106', '/adder PUT handler read 12', '/adder PUT allocating new session'),
  );
  next.reset();
  await vi.waitFor(() => expect(lines).toEqual([FREED]), SOON);
});

describe('the context of a session', () => {
  test('is its own', async () => {
    const { server } = await start();
    const [one, other] = [await connectTo(server), await connectTo(server)];
    expect([await postTo(one, '3'), await postTo(other, '50')]).toEqual(['3', '50']);
    expect([await postTo(one, '4'), await postTo(other, '1')]).toEqual(['7', '51']);
    expect([await get(one, '/adder'), await get(other, '/adder')]).toEqual(['7', '51']);
  });

  test('begins at 0 for a GET and a POST, with a line in the log for each', async () => {
    const { server, lines } = await start();
    expect(await get(await connectTo(server), '/adder')).toBe('0');
    expect(lines.splice(0)).toEqual(
      told('/adder visitor count = 1', '/adder GET allocating new session', '/adder GET handler send 0'),
    );
    expect(await postTo(await connectTo(server), '9')).toBe('9');
    expect(lines).toEqual(told('/adder visitor count = 2', '/adder handler read 9', '/adder allocating new session'));
  });

  test('is freed once by /logout, and the next one begins anew', async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    await putTo(client, '5');
    expect(await get(client, '/login')).toBe('5');
    expect(await get(client, '/logout')).toBe('1');
    await vi.waitFor(() => expect(lines.slice(-2)).toEqual([...told('Logging out'), FREED]), SOON);
    expect(await get(client, '/adder')).toBe('0');
    client.end();
    await vi.waitFor(() => expect(lines.filter(line => line === FREED)).toHaveLength(2), SOON);
  });

  test('is freed when the server stops', async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    await putTo(client, '5');
    const stopped = server.stop();
    await client.closed();
    client.end();
    await stopped;
    expect(lines.filter(line => line === FREED)).toHaveLength(1);
  });
});

describe('a body', () => {
  test.each([
    ['-12', '-12'],
    [' 42 and more', '42'],
    ['none', '0'],
    // ten bytes are looked at
    ['12345678901234', '1234567890'],
  ])('of %j counts as %s', async (body, sum) => {
    const { server } = await start();
    const client = await connectTo(server);
    expect(await putTo(client, body)).toBe(sum);
    expect(await get(client, '/adder')).toBe(sum);
  });

  test.each(['PUT', 'POST'])('without content is refused: %s', async method => {
    const { server } = await start();
    const { status, text } = await exchange(server, post('/adder', '').replace('POST', method));
    expect([status, text]).toEqual([400, 'Send a number']);
  });
});

test('a new server counts its visitors anew', async () => {
  const old = await start();
  await exchange(old.server, request('GET /adder'));
  await old.server.stop();
  const { server, lines } = await start();
  await exchange(server, request('GET /adder'));
  expect(lines[0]).toBe(told('/adder visitor count = 1')[0]);
});

test.skipIf(ELSEWHERE)('npm run persistent prints the log of a device, and stops at Ctrl-C', async () => {
  const program = new Program('../persistent_sockets/main.ts', ['0'], { HOST: '127.0.0.1' });
  const [, port] = await program.printed(/Starting server on port: '(\d+)'\n/);
  await program.printed(/Registering URI handlers\n/);
  const response = await fetch(`http://127.0.0.1:${port}/adder`, { method: 'POST', body: '5' });
  expect(await response.text()).toBe('5');
  await program.printed(/I \(\d+\) example: \/adder handler read 5\n/);
  program.kill('SIGINT');
  const { status, stdout, stderr } = await program.ended;
  expect(stdout).toMatch(/Free Context function called\n(?:.*\n)*.*example: Stopped\n$/);
  expect([status, stderr]).toEqual([0, '']);
});
