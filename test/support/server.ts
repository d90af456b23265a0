import { type Logger, pino } from 'pino';
import { afterEach, beforeEach } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { type ServerParts, startWith } from '../../src/httpd/start.js';
import type { HttpdTlsConfig } from '../../src/tls/tls_config.js';
import { certificates } from './certificates.js';
import { ManualClock } from './clock.js';
import { EPOLL_HERE } from './epoll.js';
import { OVER_TLS, RawClient } from './raw_client.js';

const started: { server: HttpdServer; parts: ServerParts }[] = [];
const clients: RawClient[] = [];

beforeEach(test => {
  if (SELECT_LOOP === 'epoll') test.skip(!EPOLL_HERE, 'the epoll port is for Linux on x86-64');
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(
    started.splice(0).map(({ server, parts }) => {
      const stopped = server.stop({ grace: 0 });
      // a clock that stands still would let the sessions live on
      return Promise.race([stopped, keepMoving(parts, stopped)]);
    }),
  );
});

/** Moves a manual clock until `stopped` settles. */
async function keepMoving({ clock }: ServerParts, stopped: Promise<void>): Promise<void> {
  let done = false;
  stopped.then(
    () => {
      done = true;
    },
    () => {
      done = true;
    },
  );
  while (!done && clock instanceof ManualClock) {
    clock.advance(10);
    await new Promise(resolve => setImmediate(resolve));
  }
  return stopped;
}

/** The select loop that is under test; the test's project says which. */
export const SELECT_LOOP = (process.env.SELECT_LOOP ?? 'auto') as HttpdConfig['port'];

/** Do the same tests run on another select loop too? Then what takes long, and is the same on all, is left to that one. */
export const ELSEWHERE = OVER_TLS || (SELECT_LOOP === 'net' && EPOLL_HERE);

/** What a server of these tests shows its clients. */
export function serverTls(): HttpdTlsConfig {
  const { cert, key } = certificates().server;
  return { servercert: cert, prvtkeyPem: key };
}

/** The same configuration, of a server with one encrypted listener. */
function encrypted({ serverPort = 0, host, ...rest }: Partial<HttpdConfig>): Partial<HttpdConfig> {
  return { ...rest, listeners: [{ port: serverPort, host, tls: serverTls() }] };
}

/** A server on a port that the system chooses, stopped after the test. It logs nothing unless `config.logger` is set. */
export async function startTestServer(
  config: Partial<HttpdConfig> = {},
  parts: ServerParts = {},
): Promise<HttpdServer> {
  const { listeners } = config;
  const common = { logger: silent(), port: SELECT_LOOP };
  const address = { serverPort: 0, host: '127.0.0.1' };
  // a test that brings its own port, or listeners, is about those
  const encrypt = OVER_TLS && parts.port === undefined && listeners === undefined;
  const server = await startWith(
    encrypt
      ? { ...common, ...encrypted({ ...address, ...config }) }
      : { ...common, ...(!listeners && address), ...config },
    parts,
  );
  started.push({ server, parts });
  return server;
}

/** A client of that server, destroyed after the test. */
export async function connectTo(server: HttpdServer): Promise<RawClient> {
  const client = await RawClient.connect(server.port);
  clients.push(client);
  return client;
}

/** A logger that writes nothing. */
export function silent(): Logger {
  return pino({ level: 'silent' });
}

/** A logger whose lines can be looked at, and the lines, such as `D httpd: web server started`. */
export interface CollectedLog {
  readonly logger: Logger;
  readonly lines: string[];
}

const LETTERS: Record<number, string> = { 10: 'V', 20: 'D', 30: 'I', 40: 'W', 50: 'E', 60: 'E' };

export function collectLog(level = 'debug'): CollectedLog {
  const lines: string[] = [];
  const stream = {
    write(line: string): void {
      const entry = JSON.parse(line) as { level: number; tag?: string; msg?: string };
      lines.push(`${LETTERS[entry.level] ?? '?'} ${entry.tag ?? ''}: ${entry.msg ?? ''}`);
    },
  };
  return { logger: pino({ level, base: null }, stream), lines };
}

/** node:tls takes several turns for what a socket does in one. */
export const TURNS = OVER_TLS ? 6 : 1;

/** One turn of the event loop: the sockets that are ready, and what the server sends at the end of it. */
export async function turn(): Promise<void> {
  for (let i = 0; i < 2 * TURNS; i++) await new Promise(resolve => setImmediate(resolve));
}
