/** A server on which one example of the page is run, and what a check can do with it. */
import { format } from 'node:util';
import { expect } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import { HTTP_ANY } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { espLog } from '../../src/log.js';
import { ManualClock } from '../support/clock.js';
import type { RawClient, RawResponse } from '../support/raw_client.js';
import { collectLog, connectTo, startTestServer } from '../support/server.js';
import {
  CLOSE,
  closeBody,
  type HandshakeSpec,
  handshakeRequest,
  PING,
  PONG,
  TEXT,
  type WsRawClient,
} from '../support/ws_frames.js';
import { expectClosed, openWs } from '../ws/ws_server.js';
import type { Examples, HandlerScope } from './compile.js';

export interface Rig {
  /** The server of the example: the one that it has started, or else the one that it was given. */
  readonly server: HttpdServer;
  readonly clock: ManualClock;
  /** What the example has printed or logged. */
  readonly lines: readonly string[];
  /** What the example has thrown as a handler. A check takes away what it expects. */
  readonly failures: unknown[];
  /** Runs the example, where that is left to the check. */
  run(): Promise<void>;
  /** Opens a WebSocket, by default `/ws`. */
  open(spec?: HandshakeSpec): Promise<WsRawClient>;
  /** The same, with the fd that it has got. */
  openFd(): Promise<{ client: WsRawClient; fd: number }>;
  /** The answer to a handshake that may be refused. */
  handshake(spec?: HandshakeSpec): Promise<RawResponse>;
  connect(): Promise<RawClient>;
  /** The answer to a request, by default for `/at`, where handlers of examples are. */
  request(spec?: { path?: string; headers?: string; body?: string }): Promise<RawResponse>;
}

/** How an example is run, and what must then be so. */
export interface Check {
  readonly place: 'outside' | 'by hand' | 'frame' | 'request';
  readonly config: Partial<HttpdConfig>;
  readonly uri: Partial<HttpdUri>;
  readonly check: (rig: Rig) => Promise<void>;
}

type Run = Check['check'];

/** The example stands for itself, and is run before the check. */
export const outside = (check: Run): Check => ({ place: 'outside', config: {}, uri: {}, check });
/** The same, but the check says when. */
export const byHand = (check: Run): Check => ({ place: 'by hand', config: {}, uri: {}, check });
/** The example is the handler of `/ws`, called for frames. */
export const onFrame = (check: Run, uri: Partial<HttpdUri> = {}, config: Partial<HttpdConfig> = {}): Check => ({
  place: 'frame',
  config,
  uri,
  check,
});
/** The example is the handler of `/at`, for any method. */
export const onRequest = (check: Run): Check => ({ place: 'request', config: {}, uri: {}, check });

export function inHandler({ place }: Check): boolean {
  return place === 'frame' || place === 'request';
}

/** Runs an example with its check. */
export async function runExample(name: string, { place, config, uri, check }: Check, examples: Examples) {
  const clock = new ManualClock();
  const log = collectLog();
  const lines = log.lines;
  const failures: unknown[] = [];
  const given = await startTestServer(config, { clock });
  let server = given;
  const scope = {
    server: given,
    console: { log: (...args: unknown[]) => void lines.push(format(...args)) },
    httpdStart: async (wanted?: Partial<HttpdConfig>) => {
      server = await startTestServer({ ...wanted, serverPort: 0 }, { clock });
      return server;
    },
    espLog: (tag: string) => espLog(tag, log.logger),
  };
  const example = examples.run[name];
  if (example === undefined) throw new Error(`no example for ${name}`);
  const run = async () => {
    await example(scope as HandlerScope);
  };
  const handler = async (req: HttpdReq) => {
    try {
      return await example({ ...scope, req, fd: req.toSockfd() });
    } catch (thrown) {
      failures.push(thrown);
      throw thrown;
    }
  };

  if (place === 'outside') await run();
  else if (place === 'by hand') given.registerUriHandler(examples.ws);
  else if (place === 'frame') given.registerUriHandler({ ...examples.ws, handler, ...uri });
  else given.registerUriHandler({ uri: '/at', method: HTTP_ANY, handler });

  const connect = () => connectTo(server);
  const open = (spec?: HandshakeSpec) => openWs(server, spec);
  await check({
    get server() {
      return server;
    },
    clock,
    lines,
    failures,
    run,
    open,
    async openFd() {
      const before = new Set(server.getClientList());
      const client = await open();
      const fd = server.getClientList().find(one => !before.has(one));
      return { client, fd: fd ?? -1 };
    },
    async handshake(spec) {
      const raw = await connect();
      return raw.send(handshakeRequest(spec)).readResponse();
    },
    connect,
    async request({ path = '/at', headers = '', body } = {}) {
      const raw = await connect();
      const head = body === undefined ? `GET ${path}` : `POST ${path}`;
      const length = body === undefined ? '' : `Content-Length: ${body.length}\r\n`;
      return raw.send(`${head} HTTP/1.1\r\nHost: localhost\r\n${headers}${length}\r\n${body ?? ''}`).readResponse();
    },
  });
  expect(failures).toEqual([]);
}

/** Sends a text, and expects a text. */
export async function say(client: WsRawClient, payload: string, answer: string | RegExp): Promise<void> {
  client.send({ opcode: TEXT, payload });
  await hear(client, answer);
}

export async function hear(client: WsRawClient, answer: string | RegExp): Promise<void> {
  const frame = await client.readFrame();
  expect(frame).toMatchObject({ opcode: TEXT, fin: true });
  expect(frame.text).toEqual(typeof answer === 'string' ? answer : expect.stringMatching(answer));
}

/** The server has nothing more to say than the answer to this Ping. */
export async function quiet(client: WsRawClient): Promise<void> {
  client.send({ opcode: PING, payload: 'quiet?' });
  expect(await client.readFrame()).toMatchObject({ opcode: PONG, text: 'quiet?' });
}

/** In seconds; less than `wsPingInterval` is by default. */
const STEP = 25;

/** Moves the clock in steps, in each of which the client is heard of. */
export async function keptAlive(client: WsRawClient, clock: ManualClock, seconds: number): Promise<void> {
  for (let gone = 0; gone < seconds; gone += STEP) {
    await quiet(client);
    clock.advance(Math.min(STEP, seconds - gone) * 1000);
  }
}

/** The client closes the WebSocket, and the connection behind it. */
export async function leave(client: WsRawClient, code: number, reason = ''): Promise<void> {
  client.send({ opcode: CLOSE, payload: closeBody(code, reason) });
  await expectClosed(client, code);
  client.raw.end();
}

/** The server closes first, and the client answers. @returns the reason */
export async function sentAway(client: WsRawClient, code: number): Promise<string> {
  const close = await client.readFrame();
  expect(close).toMatchObject({ opcode: CLOSE, code });
  client.send({ opcode: CLOSE, payload: closeBody(code) });
  expect(await client.closed()).toBe('fin');
  return close.payload.toString('utf8', 2);
}
