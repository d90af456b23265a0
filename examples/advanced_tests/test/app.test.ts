/** The steps of ESP-IDF's script for the example, with its figures. */
import { describe, expect, test, vi } from 'vitest';
import { espLog } from '../../../src/index.js';
import { chunked, exchange, pattern, post, request } from '../../../test/http/support.js';
import { ManualClock } from '../../../test/support/clock.js';
import { collectLog, connectTo, ELSEWHERE, startTestServer } from '../../../test/support/server.js';
import { Program } from '../../ws_echo_server/test/child.js';
import { config, ECHO_MAX, register, TAG } from '../app.js';

/** Looks again soon: what is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 5 };
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz\r\nabcdefghijklmnopqrstuvwxyz';

/** A server with the example, and the lines of its log that are the example's. */
async function start() {
  const { logger, lines } = collectLog();
  const clock = new ManualClock();
  const server = await startTestServer(config, { clock });
  register(server, espLog(TAG, logger));
  const begun = lines.splice(0);
  return { server, clock, lines, begun };
}

const told = (...lines: string[]) => lines.map(line => `I ${TAG}: ${line}`);

test('the log tells the limits that the script reads, one behind the other', async () => {
  const { server, begun } = await start();
  expect(begun).toEqual(
    told(
      `Started HTTP server on port: '${server.port}'`,
      "Max URI handlers: '9'",
      "Max Open Sessions: '7'",
      "Max Header Length: '1024'",
      "Max URI Length: '512'",
      "Max Stack Size: '4096'",
      'Registering basic handlers',
      'No of handlers = 9',
      'Success',
    ),
  );
});

describe('basic tests', () => {
  test.each<[string, string, number, unknown]>([
    ['get_hello', request('GET /hello'), 200, 'Hello World!'],
    ['post_hello', post('/hello', 'Hello'), 405, expect.anything()],
    ['put_hello', request('PUT /hello', 'Content-Length: 5').concat('Hello'), 405, expect.anything()],
    ['post_echo', post('/echo', 'Hello'), 200, 'Hello'],
    ['put_echo', request('PUT /echo', 'Content-Length: 5').concat('Hello'), 200, 'Hello'],
    ['get_echo', request('GET /echo'), 405, expect.anything()],
    ['get_hello_type', request('GET /hello/type_html'), 200, 'Hello World!'],
    ['get_hello_status', request('GET /hello/status_500'), 500, 'Hello World!'],
    ['get_false_uri', request('GET /false_uri'), 404, expect.anything()],
  ])('%s', async (_name, bytes, status, text) => {
    const { server } = await start();
    const response = await exchange(server, bytes);
    expect([response.status, response.text]).toEqual([status, text]);
    if (status === 200 && bytes.startsWith('GET')) expect(response.headers['content-type']).toBe('text/html');
  });

  // blanks behind a value are not part of it (RFC 9112 section 5); the script takes them for a part
  test.each([
    ['', ''],
    ['  ', ''],
    ['Value2', 'Value2'],
    ['   Value2', 'Value2'],
    ['Value2  ', 'Value2'],
    ['  Value2  ', 'Value2'],
  ])('get_test_headers, with %j', async (header2, text) => {
    const { server, lines } = await start();
    const response = await exchange(
      server,
      request('GET /test_header', 'Header1: Value1', 'Header3: Value3', `Header2: ${header2}`),
    );
    expect([response.status, response.text]).toEqual([200, text]);
    expect(lines).toEqual(
      told(
        'Header1 content: Value1',
        'Expected value and received value matched for Header1',
        'Header3 content: Value3',
        'Expected value and received value matched for Header3',
        `Header2 content: ${text}`,
      ),
    );
  });

  test.each([
    [[], 'Header1 not found'],
    [['Header1: '], 'Header1 not found'],
    [['Header1: Value2'], 'Wrong value of Header1 received'],
    [['Header1: Value1'], 'Header3 not found'],
    [['Header1: Value1', 'Header3: x'], 'Wrong value of Header3 received'],
    [['Header1: Value1', 'Header3: Value3'], 'Header2 not found'],
  ])('/test_header refuses %j', async (headers, text) => {
    const { server } = await start();
    const response = await exchange(server, request('GET /test_header', ...headers));
    expect([response.status, response.text]).toEqual([400, text]);
  });

  test('the stack, of which there is none, is free', async () => {
    const { server, lines } = await start();
    await exchange(server, request('GET /hello'));
    expect(lines).toEqual(told("Free Stack for server task: '4096'"));
  });
});

describe('/echo', () => {
  test('tells what it reads', async () => {
    const { server, lines } = await start();
    const response = await exchange(server, post('/echo', 'Hello', 'Custom: SomeValue'));
    expect(response.headers.custom).toBe('SomeValue');
    expect(lines).toEqual(
      told('/echo handler read content length 5', '/echo handler recv length 5', '/echo handler read Hello'),
    );
  });

  test('packet_size_limit_test: sends 50 KiB back', async () => {
    const { server, lines } = await start();
    const body = pattern(50 * 1024);
    const head = request('POST /echo', `Content-Length: ${body.length}`);
    const response = await exchange(server, Buffer.concat([Buffer.from(head), body]));
    expect(response.body.equals(body)).toBe(true);
    expect(lines.some(line => line.includes('handler read ') && !line.includes('content length'))).toBe(false);
  });

  test('code_500_server_error_test: has no memory for a gigabyte', async () => {
    const { server, lines } = await start();
    const response = await exchange(server, `${request('POST /echo', `Content-Length: ${2 ** 30}`)}ABCD`);
    expect(response.status).toBe(500);
    expect(lines.at(-1)).toBe(`E ${TAG}: Failed to allocate memory of ${2 ** 30 + 1} bytes!`);
  });

  test.each([
    [ECHO_MAX, 200],
    [ECHO_MAX + 1, 500],
  ])('has memory for %i bytes in chunks: %i', async (length, status) => {
    const { server } = await start();
    const head = Buffer.from(request('POST /echo', 'Transfer-Encoding: chunked'));
    const response = await exchange(server, Buffer.concat([head, chunked(pattern(length), 10_000)]));
    expect(response.status).toBe(status);
    if (status === 200) expect(response.body.equals(pattern(length))).toBe(true);
  });
});

describe('error codes', () => {
  test.each<[string, string, number]>([
    // the script has 400 for these two: 'Presently server sends back 400 Bad Request'
    ['code_501_method_not_impl', request('ABC /hello'), 501],
    ['code_400_bad_request', request('XYZ /hello'), 501],
    ['code_505_version_not_supported', request('GET /hello HTTP/2.0'), 505],
    ['code_404_not_found', request('GET /dummy'), 404],
    ['code_405_method_not_allowed', request('POST /hello'), 405],
    // the path alone is counted here, and the whole line there
    ['code_414_uri_too_long: 512 bytes', request(`GET /${'x'.repeat(511)}`), 404],
    ['code_414_uri_too_long: 513 bytes', request(`GET /${'x'.repeat(512)}`), 414],
    // an Upgrade that nobody knows is ignored (RFC 9110 section 7.8); the script has 400
    ['test_upgrade_not_supported', request('OPTIONS *', 'Upgrade: TLS/1.0', 'Connection: Upgrade'), 204],
    ['code_431_hdr_too_long', request('POST /echo', `Custom: ${'x'.repeat(1024)}`), 431],
  ])('%s', async (_name, bytes, status) => {
    const { server } = await start();
    expect((await exchange(server, bytes)).status).toBe(status);
  });

  test.each([
    ['recv_timeout_test', 'GE'],
    ['code_408_req_timeout', `${request('POST /echo', 'Content-Length: 10')}ABCD`],
  ])('%s', async (_name, bytes) => {
    const { server, clock } = await start();
    const client = await connectTo(server);
    client.send(bytes);
    await vi.waitFor(() => {
      clock.advance(1_000);
      expect(client.received.toString()).toContain('HTTP/1.1 408 ');
    }, SOON);
  });
});

describe('arbitrary_termination_test', () => {
  test.each<[string, number, { header?: string; body?: string }]>([
    ['POST /echo HTTP/1.1\r\nHost: h\r\nCustom: SomeValue\r\n\r\n', 200, { header: 'SomeValue' }],
    ['POST /echo HTTP/1.1\nHost: h\r\nCustom: SomeValue\r\n\r\n', 200, { header: 'SomeValue' }],
    ['POST /echo HTTP/1.1\r\nHost: h\nCustom: SomeValue\r\n\r\n', 200, { header: 'SomeValue' }],
    ['POST /echo HTTP/1.1\r\nHost: h\r\nCustom: SomeValue\n\r\n', 200, { header: 'SomeValue' }],
    ['POST /echo HTTP/1.1\r\nHost: h\r\nCustom: SomeValue\r\n\n', 200, { header: 'SomeValue' }],
    ['POST /echo HTTP/1.1\nHost: h\nCustom: SomeValue\n\n', 200, { header: 'SomeValue' }],
    ['POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\n\r\nABCDE', 200, { body: 'ABCDE' }],
    ['POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\nABCDE', 200, { body: 'ABCDE' }],
    ['POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\n\nABCDE', 200, { body: 'ABCDE' }],
    ['POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\n\n\rABCD', 200, { body: '\rABCD' }],
    ['POST /echo HTTP/1.1\r\nHost: h\r\r\nCustom: SomeValue\r\r\n\r\r\n', 400, {}],
    ['POST /echo HTTP/1.1\r\r\nHost: h\r\n\r\n', 400, {}],
    ['POST /echo HTTP/1.1\r\n\rHost: h\r\n\r\n', 400, {}],
    ['POST /echo HTTP/1.1\r\nHost: h\rCustom: SomeValue\r\n', 400, {}],
    ['POST /echo HTTP/1.1\r\nHost: h\r\nCustom: Some\rValue\r\n', 400, {}],
    ['POST /echo HTTP/1.1\r\nHost: h\r\nCustom- SomeValue\r\n\r\n', 400, {}],
  ])('%j is %i', async (bytes, status, { header, body = '' }) => {
    const { server } = await start();
    const response = await exchange(server, bytes);
    expect(response.status).toBe(status);
    expect(response.headers.custom).toBe(header);
    if (status === 200) expect(response.text).toBe(body);
  });
});

describe('sessions and contexts', () => {
  test('parallel_sessions_adder: pipelined numbers of seven sessions', async () => {
    const { server, lines } = await start();
    const clients = await Promise.all(Array.from({ length: config.maxOpenSockets }, () => connectTo(server)));
    for (const [i, client] of clients.entries()) client.send(post('/adder', String(i)).repeat(3));
    for (const [i, client] of clients.entries()) {
      for (const n of [1, 2, 3]) expect((await client.readResponse()).text).toBe(String(i * n));
    }
    expect(lines.filter(line => line === told('/adder allocating new session')[0])).toHaveLength(7);
    for (const client of clients) client.end();
    const freed = told('Custom Free Context function called')[0];
    await vi.waitFor(() => expect(lines.filter(line => line === freed)).toHaveLength(7), SOON);
  });

  test('spillover_session: the eighth is rejected', async () => {
    const { server } = await start();
    for (let i = 0; i < config.maxOpenSockets; i++) {
      const client = await connectTo(server);
      expect((await client.send(request('GET /hello')).readResponse()).text).toBe('Hello World!');
    }
    const eighth = await connectTo(server);
    expect((await eighth.readResponse()).status).toBe(503);
  });

  test('leftover_data_test: what a handler leaves of a body is no request', async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    expect((await client.send(post('/leftover_data', ALPHABET)).readResponse()).text).toBe('abcdefghij');
    expect(lines.splice(0)).toEqual(told('leftover data handler read abcdefghij'));
    expect((await client.send(request('GET /hello')).readResponse()).text).toBe('Hello World!');
    const other = await connectTo(server);
    expect((await other.send(post('/false_uri', ALPHABET)).readResponse()).status).toBe(404);
    expect((await exchange(server, request('GET /hello'))).text).toBe('Hello World!');
  });

  test.each(['/adder', '/leftover_data'])('%s without a body fails', async path => {
    const { server } = await start();
    expect((await exchange(server, post(path, ''))).status).toBe(500);
  });

  test('async_response_test: a second answer comes from the work queue', async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    client.send(request('GET /async_data'));
    expect((await client.readResponse()).text).toBe('Hello World!');
    expect((await client.readResponse()).text).toBe('Hello Double World!');
    const [fd] = server.getClientList();
    expect(lines).toEqual(told(`Queuing work fd : ${fd}`, `Executing queued work fd : ${fd}`));
    expect((await client.send(request('GET /hello')).readResponse()).text).toBe('Hello World!');
  });
});

test.skipIf(ELSEWHERE)('npm run advanced tells its limits, and stops at SIGTERM', async () => {
  const program = new Program('../advanced_tests/main.ts', ['0'], { HOST: '127.0.0.1' });
  const [, port] = await program.printed(/I \(\d+\) TESTS: Started HTTP server on port: '(\d+)'\n/);
  await program.printed(/TESTS: Success\n/);
  expect(await (await fetch(`http://127.0.0.1:${port}/hello`)).text()).toBe('Hello World!');
  program.kill('SIGTERM');
  const { status, stdout, stderr } = await program.ended;
  expect(stdout).toMatch(/TESTS: Stopped\n$/);
  expect([status, stderr]).toEqual([0, '']);
});
