/** The client, against servers that listen to it or don't, and the program around it. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import {
  espLog,
  HTTP_GET,
  HTTPD_WS_TYPE_BINARY,
  HTTPD_WS_TYPE_TEXT,
  type HttpdUri,
  wsFrame,
} from '../../../src/index.js';
import type { EspWebsocketClientConfig } from '../../../src/ws_client/index.js';
import { certificates } from '../../../test/support/certificates.js';
import { collectLog, ELSEWHERE, serverTls, startTestServer } from '../../../test/support/server.js';
import { echo } from '../../../test/ws/ws_server.js';
import { Program } from '../../ws_echo_server/test/child.js';
import { closedPort } from '../../ws_echo_server/test/peers.js';
import { helloClient, hint, MESSAGE_MAX, sayHello, TAG } from '../hello_client.js';
import { MESSAGE, readOptions, URI } from '../options.js';

const MAIN = '../websocket_client/main.ts';
/** Any file. */
const LICENSE = relative('', fileURLToPath(new URL('../../../LICENSE', import.meta.url)));
/** What is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 5 };

/** A server, and its port. */
async function serve(uri: Partial<HttpdUri> = {}, encrypted = false) {
  const listener = { port: 0, host: '127.0.0.1', ...(encrypted ? { tls: serverTls() } : {}) };
  const server = await startTestServer({ listeners: [listener] });
  server.registerUriHandler({ uri: '/ws', method: HTTP_GET, isWebsocket: true, handler: echo, ...uri });
  return server;
}

/** Runs the client to its end. @returns what it has logged, and what it has thrown */
async function run(config: EspWebsocketClientConfig, more: { message?: string; count?: number } = {}) {
  const { logger, lines } = collectLog('info');
  const options = { message: MESSAGE, ...more, config: { ...config, logger }, log: espLog(TAG, logger) };
  const error = await sayHello(helloClient(options), options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { lines, error };
}

const story = (message: string) => [
  `I ${TAG}: ev=LWS_CALLBACK_CLIENT_ESTABLISHED`,
  `I ${TAG}: send message: ${message}`,
];
const received = (message: string) => [`I ${TAG}: ev=LWS_CALLBACK_RECEIVE`, `I ${TAG}: Received message: ${message}`];
const closed = (how: string) => `I ${TAG}: ev=LWS_CALLBACK_CLIENT_CLOSED: ${how}`;

describe.skipIf(ELSEWHERE)('the client', () => {
  test('connects, says hello, prints what comes, and leaves after so many messages', async () => {
    const ends: unknown[] = [];
    const server = await serve({ wsCloseCb: ({ code, wasClean }) => ends.push([code, wasClean]) });
    const { lines, error } = await run({ uri: `ws://127.0.0.1:${server.port}/ws` }, { count: 1 });
    expect(error).toBeUndefined();
    expect(lines).toEqual([...story(MESSAGE), ...received(MESSAGE), closed('1000')]);
    await vi.waitFor(() => expect(ends).toEqual([[1000, true]]), SOON);
  });

  test('misses nothing: a greeting right behind the handshake is printed, bytes are counted', async () => {
    const server = await serve({
      handleWsHandshake: false,
      supportedSubprotocol: 'echo-protocol',
      handler: async req => {
        await echo(req);
        req.handle.wsClose(req.toSockfd(), 3000, 'bye\u001b[2J');
      },
      wsPostHandshakeCb: async req => {
        await req.wsSendFrame(wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload: 'Welcome' }));
        await req.wsSendFrame(wsFrame({ type: HTTPD_WS_TYPE_BINARY, payload: Buffer.alloc(7) }));
      },
    });
    const uri = `ws://127.0.0.1:${server.port}/ws`;
    const { lines, error } = await run({ uri, subprotocol: 'echo-protocol' }, { message: 'hi' });
    expect(error).toBeUndefined();
    expect(lines).toEqual([
      `I ${TAG}: ev=LWS_CALLBACK_CLIENT_ESTABLISHED`,
      `I ${TAG}: subprotocol: echo-protocol`,
      `I ${TAG}: send message: hi`,
      ...received('Welcome'),
      ...received('7 bytes'),
      ...received('hi'),
      closed('3000 bye\\u{1b}[2J'),
    ]);
  });

  test('prints no more than it was asked for, when more has come', async () => {
    const server = await serve({
      wsPostHandshakeCb: async req => {
        for (const payload of ['1', '2', '3']) await req.wsSendFrame(wsFrame({ type: HTTPD_WS_TYPE_TEXT, payload }));
      },
    });
    const { lines, error } = await run({ uri: `ws://127.0.0.1:${server.port}/ws` }, { count: 2 });
    expect(error).toBeUndefined();
    expect(lines).toEqual([...story(MESSAGE), ...received('1'), ...received('2'), closed('1000')]);
  });

  test('lets no message forge a line, drive the terminal, or be too long', async () => {
    const server = await serve({ wsMaxFrameLen: 2 * MESSAGE_MAX });
    const uri = `ws://127.0.0.1:${server.port}/ws`;
    const odd = await run({ uri }, { message: 'a\nI (1) b\u001b[2J\u202e', count: 1 });
    expect(odd.lines).toContain(`I ${TAG}: Received message: a\\u{a}I (1) b\\u{1b}[2J\\u{202e}`);
    const long = await run({ uri }, { message: 'x'.repeat(MESSAGE_MAX + 1) });
    expect(String(long.error)).toContain('maxFrameLen');
    expect(long.lines.at(-1)).toBe(`E ${TAG}: ev=CLIENT_CONNECTION_ERROR`);
    for (const line of long.lines) expect(line.length).toBeLessThan(400);
  });

  test('over TLS trusts the authority that it is given, and no other', async () => {
    const server = await serve({}, true);
    const uri = `wss://localhost:${server.port}/ws`;
    const good = await run({ uri, certPem: certificates().ca.cert }, { count: 1 });
    expect(good.lines).toEqual([...story(MESSAGE), ...received(MESSAGE), closed('1000')]);
    const { lines, error } = await run({ uri });
    expect(lines.slice(-1)).toEqual([`E ${TAG}: ev=CLIENT_CONNECTION_ERROR`]);
    expect(hint(error)).toContain('--ca');
    const misnamed = await run({ uri, certPem: certificates().ca.cert, certCommonName: 'other.test' });
    expect(misnamed.lines[0]).toContain('other.test');
    expect(hint(misnamed.error)).toBeUndefined();
  });

  test('says what to do about a server that is not there, or is something else', async () => {
    const server = await serve();
    const absent = await run({ uri: `ws://127.0.0.1:${await closedPort()}/ws` });
    expect(absent.lines).toEqual([
      expect.stringMatching(/^E websocket_client: no connection: .*ECONNREFUSED/),
      `E ${TAG}: ev=CLIENT_CONNECTION_ERROR`,
    ]);
    expect(hint(absent.error)).toMatch(/^Does a server run there\?/);
    const { error } = await run({ uri: `ws://127.0.0.1:${server.port}/nope` });
    expect(hint(error)).toMatch(/is the path right\?$/);
    expect(hint(new Error('anything else'))).toBeUndefined();
  });
});

describe.skipIf(ELSEWHERE)('the arguments', () => {
  test.each<[string, unknown]>([
    ['', { config: { uri: URI, allowSelfSigned: false }, message: MESSAGE, count: undefined }],
    ['wss://x/y hi', { config: { uri: 'wss://x/y', allowSelfSigned: false }, message: 'hi', count: undefined }],
    ['--count 3', { config: { uri: URI, allowSelfSigned: false }, message: MESSAGE, count: 3 }],
    [
      '--subprotocol chat ws://x --allow-self-signed',
      { config: { uri: 'ws://x', allowSelfSigned: true, subprotocol: 'chat' }, message: MESSAGE, count: undefined },
    ],
    [`--ca ${LICENSE}`, { config: { uri: URI, certPem: readFileSync(LICENSE) }, message: MESSAGE }],
  ])('%s', (line, expected) => {
    expect(readOptions(line.split(' ').filter(word => word !== ''))).toMatchObject(expected as object);
  });

  test.each([
    ['ws://x two words', "'words' is too much: put the message in quotes."],
    ['--count 0', "--count must be a number from 1, not '0'."],
    ['--count 1e3', "--count must be a number from 1, not '1e3'."],
    ['--ca /nowhere/ca.pem', '--ca: ENOENT'],
    ['--colour', 'Unknown option'],
  ])('%s is refused', (line, why) => {
    expect(() => readOptions(line.split(' '))).toThrow(why);
  });
});

describe.skipIf(ELSEWHERE)('npm run ws-client', () => {
  test('prints the story, and at Ctrl-C says goodbye', async () => {
    const ends: unknown[] = [];
    const server = await serve({ wsCloseCb: ({ code, wasClean }) => ends.push([code, wasClean]) });
    const program = new Program(MAIN, [`ws://127.0.0.1:${server.port}/ws`, 'hello'], {});
    await program.printed(/Received message: hello\n/);
    program.kill('SIGINT');
    const { status, stdout, stderr } = await program.ended;
    const lines = stdout.replace(/ \(\d+\)/g, '').split('\n');
    expect(lines).toEqual([...story('hello'), ...received('hello'), closed('1000'), '']);
    expect([status, stderr]).toEqual([0, '']);
    await vi.waitFor(() => expect(ends).toEqual([[1000, true]]), SOON);
  });

  test('ends with status 1 and a hint if there is no server, with 2 and its usage if an argument is wrong', async () => {
    const [refused, wrong] = await Promise.all([
      new Program(MAIN, [`ws://127.0.0.1:${await closedPort()}`], {}).ended,
      new Program(MAIN, ['http://localhost'], {}).ended,
    ]);
    expect(refused).toMatchObject({ status: 1, stderr: 'Does a server run there? Is it ws:// or wss://?\n' });
    expect(wrong.stderr).toMatch(/^uri must begin with ws:\/\/ or wss:\/\/\n\nUsage: npm run ws-client -- /);
    expect([wrong.status, wrong.stdout]).toEqual([2, '']);
  });
});
