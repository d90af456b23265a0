import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { espLog } from '../../../src/index.js';
import { chunked, exchange, post, request } from '../../../test/http/support.js';
import { EPOLL_HERE } from '../../../test/support/epoll.js';
import { collectLog, connectTo, SELECT_LOOP, startTestServer } from '../../../test/support/server.js';
import { Program } from '../../ws_echo_server/test/child.js';
import { BODY_MAX, PIECE_MAX, POST_CONFIG, RESPONSE_JSON, registerPostHandlers, TAG } from '../post_server.js';

/** Looks again soon: what is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 5 };

const ANSWER = {
  statusLine: 'HTTP/1.1 200 OK',
  headers: { 'content-type': 'application/json', 'content-length': '58', connection: 'close' },
  text: '{"status": "success", "message": "Received your request."}',
};

/** A server, and the lines of its log that are the example's. */
async function start() {
  const { logger, lines } = collectLog();
  const server = await startTestServer(POST_CONFIG);
  registerPostHandlers(server, { log: espLog(TAG, logger) });
  return { server, lines };
}

/** The lines that are printed for a request whose body comes in these pieces. */
const story = (path: string, ...pieces: string[]) =>
  [
    'LWS_CALLBACK_HTTP',
    `path:${path}`,
    ...pieces.flatMap(piece => ['LWS_CALLBACK_HTTP_BODY', `recv body=${piece}`]),
    'LWS_CALLBACK_HTTP_BODY_COMPLETION',
    `response=${RESPONSE_JSON}`,
  ].map(line => `I http_server_post: ${line}`);

describe('a request', () => {
  test.each<[string, string | Buffer, string[]]>([
    ['a POST', post('/test', 'hello'), story('/test', 'hello')],
    ['a POST of a form, with a query', post('/a/b?c=d', 'x=1&y=2'), story('/a/b', 'x=1&y=2')],
    ['a POST without content', post('/', ''), story('/')],
    [
      'a POST in chunks',
      Buffer.concat([Buffer.from(request('POST /c', 'Transfer-Encoding: chunked')), chunked(Buffer.from('abcd'), 4)]),
      story('/c', 'abcd'),
    ],
    ['a GET', request('GET /status'), story('/status')],
    ['a GET with a body', `${request('GET /odd', 'Content-Length: 2')}hi`, story('/odd', 'hi')],
  ])('%s is logged as the C example logs it, and answered with its JSON', async (_what, bytes, expected) => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    expect(await client.send(bytes).readResponse()).toMatchObject(ANSWER);
    expect(await client.closed()).toBe('fin');
    await vi.waitFor(() => expect(lines).toEqual(expected), SOON);
  });

  test('a HEAD gets the same headers and no content', async () => {
    const { server } = await start();
    const client = await connectTo(server);
    const { statusLine, headers } = await client.send(request('HEAD /')).readResponse({ toHead: true });
    expect({ statusLine, headers }).toMatchObject({ statusLine: ANSWER.statusLine, headers: ANSWER.headers });
    expect((await client.readAll()).length).toBe(0);
  });

  test('with another method gets 405', async () => {
    const { server, lines } = await start();
    const { status, headers } = await exchange(server, request('DELETE /'));
    expect([status, headers.allow]).toEqual([405, 'GET, HEAD, POST']);
    expect(lines).toEqual([]);
  });
});

describe('a body', () => {
  test('is logged piece by piece as it comes, before the rest is there', async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    client.send(post('/up', 'one,two').slice(0, -4));
    await vi.waitFor(() => expect(lines).toEqual(story('/up', 'one').slice(0, 4)), SOON);
    client.send(',two');
    expect(await client.readResponse()).toMatchObject(ANSWER);
    await vi.waitFor(() => expect(lines).toEqual(story('/up', 'one', ',two')), SOON);
  });

  test('whose characters are cut by the pieces is logged whole', async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    const text = Buffer.from('grüße 👋');
    const cut = text.indexOf('ü') + 1;
    client.send(request('POST /', `Content-Length: ${text.length}`)).send(text.subarray(0, cut));
    await vi.waitFor(() => expect(lines).toHaveLength(4), SOON);
    client.send(text.subarray(cut));
    await client.readResponse();
    await vi.waitFor(() => expect(lines).toEqual(story('/', 'gr', 'üße 👋')), SOON);
  });

  test('drives no terminal, stays on its line, and is not logged at any length', async () => {
    const { server, lines } = await start();
    const text = Buffer.from('a\r\nI (1) http_server_post: forged\x1b[2J\u202e\u009b');
    await exchange(server, Buffer.concat([Buffer.from(request('POST /', `Content-Length: ${text.length}`)), text]));
    expect(lines.slice(0, -2).join('\n')).toContain(
      'body=a\\u{d}\\u{a}I (1) http_server_post: forged\\u{1b}[2J\\u{202e}\\u{9b}',
    );
    lines.length = 0;
    await exchange(server, post('/', 'x'.repeat(PIECE_MAX)));
    for (const line of lines) expect(line.length).toBeLessThan(400);
    expect(lines.join('\n')).toMatch(/recv body=x{256}… \(\d+ characters\)/);
  });

  test(`of ${BODY_MAX} bytes is taken, in pieces of at most ${PIECE_MAX}`, async () => {
    const { server, lines } = await start();
    expect(await exchange(server, post('/', 'x'.repeat(BODY_MAX)))).toMatchObject(ANSWER);
    const told = lines
      .filter(line => line.includes('recv body='))
      .map(line => Number(/\((\d+) c/.exec(line)?.[1] ?? 0));
    for (const length of told) expect(length).toBeLessThanOrEqual(PIECE_MAX);
    expect(told.length).toBeGreaterThanOrEqual(BODY_MAX / PIECE_MAX);
  });

  test.each<[string, string | Buffer]>([
    ['announced', request('POST /', `Content-Length: ${BODY_MAX + 1}`)],
    [
      'in chunks',
      Buffer.concat([
        Buffer.from(request('POST /', 'Transfer-Encoding: chunked')),
        chunked(Buffer.alloc(BODY_MAX + 1, 'x'), 5_000),
      ]),
    ],
  ])('that is longer, %s, gets 413', async (_how, bytes) => {
    const { server, lines } = await start();
    expect((await exchange(server, bytes)).status).toBe(413);
    expect(lines.join()).not.toContain('COMPLETION');
  });

  test('whose client leaves gets no answer, and the next is served', async () => {
    const { server, lines } = await start();
    const client = await connectTo(server);
    client.send(post('/', 'half of it').slice(0, -5));
    await vi.waitFor(() => expect(lines.at(-1)).toContain('recv body=half '), SOON);
    client.reset();
    expect(await exchange(server, request('GET /'))).toMatchObject(ANSWER);
    expect(lines.filter(line => line.includes('COMPLETION'))).toHaveLength(1);
  });
});

const noCurl = spawnSync('curl', ['--version']).status !== 0;

/** Debian: `apt install curl`. */
test.skipIf(noCurl)('curl --data gets the answer (skipped where curl is not installed)', async () => {
  const { server, lines } = await start();
  const url = `http://127.0.0.1:${server.port}/test`;
  const args = ['--silent', '--show-error', '--noproxy', '*', '--max-time', '15', '--data', 'a=1', url];
  expect((await promisify(execFile)('curl', args)).stdout).toBe(RESPONSE_JSON);
  await vi.waitFor(() => expect(lines).toEqual(story('/test', 'a=1')), SOON);
});

test.skipIf(SELECT_LOOP === 'net' && EPOLL_HERE)(
  'npm run post-server prints the story, and stops at Ctrl-C',
  async () => {
    const program = new Program('../http_server_post/main.ts', ['0'], { HOST: '127.0.0.1' });
    const [, port] = await program.printed(/http:\/\/localhost:(\d+)\/test/);
    const response = await fetch(`http://127.0.0.1:${port}/test`, { method: 'POST', body: 'hello' });
    expect(await response.text()).toBe(RESPONSE_JSON);
    await program.printed(/response=/);
    program.kill('SIGINT');
    const { status, stdout, stderr } = await program.ended;
    const lines = stdout.replace(/ \(\d+\)/g, '').split('\n');
    expect(lines.filter(line => / (LWS|path|recv|response)/.test(line))).toEqual(story('/test', 'hello'));
    expect(stdout).toMatch(/http_server_post: Stopped\n$/);
    expect([status, stderr]).toEqual([0, '']);
  },
);
