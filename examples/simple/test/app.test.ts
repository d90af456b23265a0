/** The steps of ESP-IDF's script for the example, and what it leaves out. */
import { describe, expect, test, vi } from 'vitest';
import { espLog, HTTP_GET, type HttpdServer, httpdEsp32Config } from '../../../src/index.js';
import { chunked, exchange, isOpen, post, request } from '../../../test/http/support.js';
import { ManualClock } from '../../../test/support/clock.js';
import type { RawClient } from '../../../test/support/raw_client.js';
import { collectLog, connectTo, ELSEWHERE, startTestServer } from '../../../test/support/server.js';
import { Program } from '../../ws_echo_server/test/child.js';
import { config, register, TAG } from '../app.js';

/** Looks again soon: what is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 5 };

/** A server with the limits of a device, and the lines of its log that are the example's. */
async function start() {
  const { logger, lines } = collectLog();
  const clock = new ManualClock();
  const { maxOpenSockets, maxUriHandlers, maxRespHeaders } = httpdEsp32Config();
  const server = await startTestServer({ maxOpenSockets, maxUriHandlers, maxRespHeaders, ...config });
  register(server, { log: espLog(TAG, logger), clock });
  const begun = lines.splice(0);
  return { server, clock, lines, begun };
}

const told = (...lines: string[]) => lines.map(line => `I ${TAG}: ${line}`);

function put(path: string, body: string): string {
  return post(path, body).replace('POST', 'PUT');
}

async function ctrl(server: HttpdServer, body: string): Promise<void> {
  expect(await exchange(server, put('/ctrl', body))).toMatchObject({ status: 200, text: '' });
}

test('register tells the log what the C example tells', async () => {
  const { server, begun } = await start();
  expect(begun).toEqual(told(`Starting server on port: '${server.port}'`, 'Registering URI handlers'));
});

describe('GET /hello', () => {
  test('is answered with two headers and the context of the URI; the log has what the request says', async () => {
    const { server, lines } = await start();
    const bytes = request(
      'GET /hello?query1=value1&query2=value2&query3=value3',
      'Test-Header-1: Test-Value-1',
      'Test-Header-2: Test-Value-2',
    );
    expect(await exchange(server, bytes)).toMatchObject({
      statusLine: 'HTTP/1.1 200 OK',
      headers: { 'custom-header-1': 'Custom-Value-1', 'custom-header-2': 'Custom-Value-2' },
      text: 'Hello World!',
    });
    const expected = told(
      'Found header => Host: localhost',
      'Found header => Test-Header-2: Test-Value-2',
      'Found header => Test-Header-1: Test-Value-1',
      'Found URL query => query1=value1&query2=value2&query3=value3',
      'Found URL query parameter => query1=value1',
      'Decoded query parameter => value1',
      'Found URL query parameter => query3=value3',
      'Decoded query parameter => value3',
      'Found URL query parameter => query2=value2',
      'Decoded query parameter => value2',
      'Request headers lost',
    );
    await vi.waitFor(() => expect(lines).toEqual(expected), SOON);
  });

  test.each([
    ['query1=http%3A%2F%2Ffoobar', 'http://foobar'],
    ['query3=abcd%2B1234%20xyz', 'abcd+1234 xyz'],
    ['query2=Esp%21%40%20%23%2471', 'Esp!@ #$71'],
    ['query1=gr%C3%BC%C3%9Fe', 'grüße'],
    // no UTF-8, and no percent-encoding
    ['query1=%FF', '%FF'],
    ['query1=100%', '100%'],
    ['query1=a%0D%0AI+(1)+forged%1B[2J', 'a\\u{d}\\u{a}I+(1)+forged\\u{1b}[2J'],
    ['query1=', ''],
  ])('decodes %s', async (query, decoded) => {
    const { server, lines } = await start();
    expect((await exchange(server, request(`GET /hello?${query}`))).text).toBe('Hello World!');
    expect(lines.slice(1, 4)).toEqual(
      told(
        `Found URL query => ${query}`,
        `Found URL query parameter => ${query}`,
        `Decoded query parameter => ${decoded}`,
      ),
    );
  });

  test.each(['http://foobar', 'abcd+1234%20xyz'])('logs a query that has no parameter: %s', async query => {
    const { server, lines } = await start();
    expect((await exchange(server, request(`GET /hello?${query}`))).text).toBe('Hello World!');
    await vi.waitFor(
      () => expect(lines.slice(1)).toEqual(told(`Found URL query => ${query}`, 'Request headers lost')),
      SOON,
    );
  });
});

describe('POST /echo', () => {
  /** All that can be printed, blanks of every kind included, as the script sends it. */
  const printable = `${String.fromCharCode(...Array.from({ length: 95 }, (_, i) => i + 32))}\t\n\r\v\f`;

  test('sends 10 KiB back, and logs them in pieces of at most 100 bytes', async () => {
    const { server, lines } = await start();
    const data = printable.repeat(103).slice(0, 10 * 1024);
    const { status, headers, text } = await exchange(server, post('/echo', data));
    expect([status, headers['transfer-encoding'], text]).toEqual([200, 'chunked', data]);
    const marks = lines.filter(line => line.endsWith('RECEIVED DATA =========='));
    expect(marks.length).toBeGreaterThanOrEqual(103);
    const shown = lines.filter(line => !line.includes('========')).map(line => line.slice(told('')[0]?.length));
    const back = shown.join('').replace(/\\u\{(\w+)\}/g, (_, code) => String.fromCharCode(Number.parseInt(code, 16)));
    expect(back).toBe(data);
  });

  test('takes a body in chunks, and one that is empty', async () => {
    const { server } = await start();
    const head = request('POST /echo', 'Transfer-Encoding: chunked');
    const pieces = Buffer.concat([Buffer.from(head), chunked(Buffer.from('in chunks'), 4)]);
    expect(await exchange(server, pieces)).toMatchObject({ status: 200, text: 'in chunks' });
    expect(await exchange(server, post('/echo', ''))).toMatchObject({ status: 200, text: '' });
  });

  test('logs a character that the pieces cut whole', async () => {
    const { server, lines } = await start();
    await exchange(server, `${request('POST /echo', 'Content-Length: 102')}${'x'.repeat(99)}\xc3\xbc.`);
    expect(lines.filter(line => !line.includes('===='))).toEqual(told('x'.repeat(99), 'ü.'));
  });

  test('whose client leaves harms no other', async () => {
    const { server } = await start();
    const client = await connectTo(server);
    client.send(post('/echo', 'half of it').slice(0, -5));
    await client.readUntil('half');
    client.reset();
    expect((await exchange(server, post('/echo', 'next'))).text).toBe('next');
  });
});

describe('PUT /ctrl', () => {
  /** GET /hello, on a connection that is to stay. */
  async function hello(client: RawClient) {
    return client.send(request('GET /hello')).readResponse();
  }

  test("with '0' takes /hello and /echo away: who asks for them keeps, or loses, the connection", async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    expect(await client.send(put('/ctrl', '0')).readResponse()).toMatchObject({ status: 200, text: '' });
    expect(lines).toEqual(told('Unregistering /hello and /echo URIs'));
    expect(await hello(client)).toMatchObject({ status: 404, text: '/hello URI is not available' });
    const { status, headers, text } = await client.send(post('/echo', 'Some content')).readResponse();
    expect([status, text]).toEqual([404, '/echo URI is not available']);
    // a client that is told so would connect anew, and the script's would
    expect(headers.connection).toBeUndefined();
    expect(await client.closed()).toBe('fin');
    const other = await connectTo(server);
    expect(await other.send(request('GET /other')).readResponse()).toMatchObject({
      status: 404,
      text: 'Some 404 error message',
    });
    expect(await other.closed()).toBe('fin');
  });

  test("with anything else brings them back, and the chip's own page for a 404", async () => {
    const { server, lines } = await start();
    await ctrl(server, '0');
    await ctrl(server, '1');
    expect(lines.at(-1)).toBe(told('Registering /hello and /echo URIs')[0]);
    const client = await connectTo(server);
    expect(await hello(client)).toMatchObject({ status: 200, text: 'Hello World!' });
    expect(await client.send(post('/echo', 'abc')).readResponse()).toMatchObject({ status: 200, text: 'abc' });
    expect(await client.send(request('GET /invalid')).readResponse()).toMatchObject({
      status: 404,
      headers: { connection: 'close' },
      text: 'Nothing matches the given URI',
    });
    expect(await client.closed()).toBe('fin');
  });

  test('may be told the same twice', async () => {
    const { server } = await start();
    for (const body of ['1', '0', '0', '1', '1']) await ctrl(server, body);
    expect((await exchange(server, request('GET /hello'))).status).toBe(200);
  });

  test('without a body changes nothing', async () => {
    const { server, lines } = await start();
    expect(await exchange(server, put('/ctrl', ''))).toMatchObject({ status: 400, text: 'Send 0 or 1' });
    expect(lines).toEqual([]);
  });

  test('is about one server', async () => {
    const [one, other] = [await start(), await start()];
    await ctrl(one.server, '0');
    expect((await exchange(one.server, request('GET /hello'))).status).toBe(404);
    expect((await exchange(other.server, request('GET /hello'))).status).toBe(200);
  });
});

test.each(['GET', 'POST', 'DELETE', 'PROPFIND'])('%s /any is answered', async method => {
  const { server } = await start();
  expect(await exchange(server, request(`${method} /any`))).toMatchObject({ status: 200, text: 'Hello World!' });
});

describe('GET /sse', () => {
  test('tells the time since the start every second, until the client leaves', async () => {
    const { server, clock } = await start();
    clock.advance(7_600);
    const client = await connectTo(server);
    client.send(request('GET /sse'));
    const head = (await client.readUntil('Time since boot: 7 seconds\n\n')).toString();
    expect(head).toMatch(/^HTTP\/1.1 200 OK\r\nContent-Type: text\/event-stream\r\n/);
    for (const seconds of [8, 9]) {
      clock.advance(1_000);
      await client.readUntil(`data: Time since boot: ${seconds} seconds\n\n`);
    }
    client.destroy();
    await vi.waitFor(() => expect(clock.running).toBe(0), SOON);
  });

  test('runs no timer for a HEAD, nor when the server has stopped', async () => {
    const { server, clock } = await start();
    const client = await connectTo(server);
    await client.send(request('HEAD /sse')).readResponse({ toHead: true });
    expect(clock.running).toBe(0);
    await client.send(request('GET /sse')).readUntil('0 seconds');
    expect(clock.running).toBe(1);
    const stopped = server.stop();
    await client.closed();
    client.end();
    await stopped;
    expect(clock.running).toBe(0);
  });
});

describe('GET /basic_auth', () => {
  const authorization = (pair: string) => `Authorization: Basic ${Buffer.from(pair).toString('base64')}`;

  test('lets its one user in', async () => {
    const { server, lines } = await start();
    expect(await exchange(server, request('GET /basic_auth', authorization('ESP32:ESP32Webserver')))).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json' },
      text: '{"authenticated": true,"user": "ESP32"}',
    });
    expect(lines).toEqual(told('Authenticated!'));
  });

  test.each([
    ['nobody', [], ['No auth header received', 'Not authenticated']],
    ['a wrong password', [authorization('ESP32:wrong')], ['Not authenticated']],
  ])('sends %s away', async (_who, headers, errors) => {
    const { server, lines } = await start();
    expect(await exchange(server, request('GET /basic_auth', ...headers))).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="Hello", charset="UTF-8"' },
    });
    expect(lines).toEqual(errors.map(line => `E ${TAG}: ${line}`));
  });
});

test('twenty clients at once on a device with seven sockets: who has been idle longest makes room', async () => {
  const { server } = await start();
  const clients = [];
  for (let i = 0; i < 20; i++) {
    const client = await connectTo(server);
    expect(await isOpen(client, '/any')).toBe(true);
    clients.push(client);
  }
  expect(await clients[0]?.closed()).toBe('fin');
  expect(server.getClientList()).toHaveLength(7);
});

test('a new server begins anew, whatever has become of the old one', async () => {
  const old = await start();
  await ctrl(old.server, '0');
  await old.server.stop();
  const { server, lines } = await start();
  expect((await exchange(server, request('GET /hello'))).status).toBe(200);
  expect(() => server.registerUriHandler({ uri: '/hello', method: HTTP_GET, handler: () => 0 })).toThrow();
  expect(lines.join()).not.toContain('Unregistering');
});

test.skipIf(ELSEWHERE)('npm run simple prints the log of a device, and stops at Ctrl-C', async () => {
  const program = new Program('../simple/main.ts', ['0'], { HOST: '127.0.0.1' });
  const [, port] = await program.printed(/Starting server on port: '(\d+)'\n/);
  await program.printed(/Registering URI handlers\n/);
  const response = await fetch(`http://127.0.0.1:${port}/hello?query1=1`);
  expect(await response.text()).toBe('Hello World!');
  await program.printed(/I \(\d+\) example: Found header => Host: 127\.0\.0\.1:\d+\n/);
  await program.printed(/I \(\d+\) example: Request headers lost\n/);
  program.kill('SIGINT');
  const { status, stdout, stderr } = await program.ended;
  expect(stdout).toMatch(/example: Stopped\n$/);
  expect([status, stderr]).toEqual([0, '']);
});
