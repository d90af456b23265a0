/** The steps of ESP-IDF's script for the example, and what it leaves out. */
import { describe, expect, test, vi } from 'vitest';
import { espLog, type HttpdUri, httpdEsp32Config } from '../../../src/index.js';
import { exchange, isOpen, request } from '../../../test/http/support.js';
import { ManualClock } from '../../../test/support/clock.js';
import { collectLog, connectTo, ELSEWHERE, startTestServer, turn } from '../../../test/support/server.js';
import { Program } from '../../ws_echo_server/test/child.js';
import { config, MAX_ASYNC_REQUESTS, register, TAG } from '../app.js';

/** Looks again soon: what is waited for comes at once. */
const SOON = { timeout: 8_000, interval: 5 };

/** A server with the limits of a device, the lines of its log that are the example's, and the clock of its workers. */
async function start() {
  const { logger, lines } = collectLog();
  const clock = new ManualClock();
  const server = await startTestServer({ maxUriHandlers: httpdEsp32Config().maxUriHandlers, ...config });
  register(server, { log: espLog(TAG, logger), clock });
  const begun = lines.splice(0);
  return { server, clock, lines, begun };
}

const told = (...lines: string[]) => lines.map(line => `I ${TAG}: ${line}`);
/** What the log has of a long request. */
const story = (uri: string, host: string, ...query: string[]) =>
  told(
    'uri: /long',
    `invoking ${uri}`,
    `Request URI: ${uri}`,
    `Found header => Host: ${host}`,
    ...query.map(text => `Found query string => ${text}`),
  );

/** Lets so many seconds pass, for this many workers. */
async function pass(clock: ManualClock, seconds: number, workers = 1): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    for (let turns = 0; clock.running < workers && turns < 1_000; turns++) await turn();
    clock.advance(1_000);
  }
}

test('register starts two workers, and tells the log what the C example tells', async () => {
  const { server, begun } = await start();
  expect(begun).toEqual(
    told(
      'starting async req task worker',
      'starting async req task worker',
      `Starting server on port: '${server.port}'`,
      'Registering URI handlers',
    ),
  );
});

describe('GET /long', () => {
  test('of two clients at once is served to both, and each worker sees its own request', async () => {
    const { server, clock, lines } = await start();
    const clients = [await connectTo(server), await connectTo(server)];
    for (const [i, client] of clients.entries()) {
      client.send(`GET /long?param=async${i + 1} HTTP/1.1\r\nHost: testhost${i + 1}\r\n\r\n`);
      await client.readUntil(`<div>req: ${i + 1}</div>\n`);
    }
    expect(lines).toEqual([
      ...story('/long?param=async1', 'testhost1', 'param=async1'),
      ...story('/long?param=async2', 'testhost2', 'param=async2'),
    ]);
    await pass(clock, 60, 2);
    for (const client of clients) await client.readUntil('<div>59</div>\n\r\n0\r\n\r\n');
  });

  test('leaves a session for quick ones', async () => {
    const { server, lines } = await start();
    const busy = [];
    for (let i = 0; i < MAX_ASYNC_REQUESTS; i++) {
      const client = await connectTo(server);
      await client.send(request('GET /long')).readUntil('</div>');
      busy.push(client);
    }
    lines.length = 0;
    for (let i = 0; i < 3; i++) {
      const { status, text } = await exchange(server, request('GET /quick'));
      expect([status, text]).toEqual([200, expect.stringMatching(/^random: \d{1,10}\n$/)]);
    }
    expect(lines).toEqual(told('uri: /quick', 'uri: /quick', 'uri: /quick'));
    for (const client of busy) expect(client.over).toBe(false);
  });

  test('finds no worker if all are busy', async () => {
    const { server, clock, lines } = await start();
    for (let i = 0; i < MAX_ASYNC_REQUESTS; i++) {
      await (await connectTo(server)).send(request('GET /long')).readUntil('</div>');
    }
    lines.length = 0;
    const client = await connectTo(server);
    expect(await client.send(request('GET /long')).readResponse()).toMatchObject({
      statusLine: 'HTTP/1.1 503 Busy',
      text: '<div> no workers available. server busy.</div>',
    });
    expect(lines).toEqual([...told('uri: /long'), `E ${TAG}: No workers are available`]);
    await pass(clock, 60, 2);
    // the connection stays, and there are workers again
    await client.send(request('GET /long')).readUntil('<div>req: 3</div>');
  });

  test('may come again on the same connection', async () => {
    const { server, clock, lines } = await start();
    const client = await connectTo(server);
    for (const count of [1, 2]) {
      lines.length = 0;
      client.send(request(`GET /long?test=sequential${count}`));
      await pass(clock, 60);
      const { status, text } = await client.readResponse();
      const ticks = Array.from({ length: 60 }, (_, i) => `<div>${i}</div>\n`).join('');
      expect([status, text]).toEqual([200, `<div>req: ${count}</div>\n${ticks}`]);
      const uri = `/long?test=sequential${count}`;
      expect(lines).toEqual(story(uri, 'localhost', `test=sequential${count}`));
    }
  });

  test.each(['reset', 'end'] as const)('whose client leaves (%s) gives its worker back', async how => {
    const { server, clock, lines } = await start();
    const client = await connectTo(server);
    await client.send(request('GET /long?test=force_close')).readUntil('</div>');
    await pass(clock, 3);
    client[how]();
    if (how === 'end') client.destroy();
    await vi.waitFor(async () => {
      await pass(clock, 1, 0);
      expect(lines.at(-1)).toMatch(/^E example: Failed to send string chunk: /);
    }, SOON);
    for (let i = 0; i < MAX_ASYNC_REQUESTS; i++) {
      await (await connectTo(server)).send(request('GET /long')).readUntil(`<div>req: ${i + 2}</div>`);
    }
  });

  test('is cut when the server stops, and the worker ends too', async () => {
    const { server, clock, lines } = await start();
    await (await connectTo(server)).send(request('GET /long')).readUntil('</div>');
    await server.stop({ grace: 0 });
    await pass(clock, 1);
    await vi.waitFor(() => expect(lines.at(-1)).toMatch(/^E example: Failed to send string chunk: /), SOON);
    expect(clock.running).toBe(0);
  });
});

test('a request that there is no memory for takes no worker away', async () => {
  const handlers = new Map<string, (req: never) => unknown>();
  const server = { port: 0, registerUriHandler: ({ uri, handler }: HttpdUri) => handlers.set(uri, handler) };
  const { logger, lines } = collectLog();
  register(server as never, { log: espLog(TAG, logger), clock: new ManualClock() });
  const asyncHandlerBegin = (): never => {
    throw new Error('ESP_ERR_NO_MEM');
  };
  for (let i = 0; i < 2 * MAX_ASYNC_REQUESTS; i++) {
    await expect(handlers.get('/long')?.({ asyncHandlerBegin } as never)).rejects.toThrow('ESP_ERR_NO_MEM');
  }
  expect(lines).not.toContain(`E ${TAG}: No workers are available`);
});

test('GET / has links to both', async () => {
  const { server, lines } = await start();
  expect(await exchange(server, request('GET /'))).toMatchObject({
    status: 200,
    headers: { 'content-type': 'text/html' },
    text: '<div><a href="/long">long</a></div><div><a href="/quick">quick</a></div>',
  });
  expect(lines).toEqual(told('uri: /'));
});

test('an idle client makes room for the next one', async () => {
  const { server } = await start();
  const idle = await connectTo(server);
  for (let i = 0; i < 3; i++) expect(await isOpen(await connectTo(server), '/quick')).toBe(true);
  expect(await idle.closed()).toBe('fin');
});

test('a new server counts its requests anew', async () => {
  for (let i = 0; i < 2; i++) {
    const { server } = await start();
    await (await connectTo(server)).send(request('GET /long')).readUntil('<div>req: 1</div>');
    await server.stop({ grace: 0 });
  }
});

test.skipIf(ELSEWHERE)('npm run async prints the log of a device, and stops at Ctrl-C', async () => {
  const program = new Program('../async_handlers/main.ts', ['0'], { HOST: '127.0.0.1' });
  await program.printed(/(?:I \(\d+\) example: starting async req task worker\n){2}/);
  const [, port] = await program.printed(/Starting server on port: '(\d+)'\n/);
  const response = await fetch(`http://127.0.0.1:${port}/quick`);
  expect(await response.text()).toMatch(/^random: \d+\n$/);
  await program.printed(/I \(\d+\) example: uri: \/quick\n/);
  program.kill('SIGINT');
  const { status, stdout, stderr } = await program.ended;
  expect(stdout).toMatch(/example: Stopped\n$/);
  expect([status, stderr]).toEqual([0, '']);
});
