import { type Logger, pino } from 'pino';
import { afterEach, beforeEach } from 'vitest';
import type { HttpdConfig } from '../../src/config.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { type ServerParts, startWith } from '../../src/httpd/start.js';
import { ManualClock } from './clock.js';
import { EPOLL_HERE } from './epoll.js';
import { RawClient } from './raw_client.js';

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
export const ELSEWHERE = SELECT_LOOP === 'net' && EPOLL_HERE;

/** A server on a port that the system chooses, stopped after the test. It logs nothing unless `config.logger` is set. */
export async function startTestServer(
  config: Partial<HttpdConfig> = {},
  parts: ServerParts = {},
): Promise<HttpdServer> {
  const server = await startWith(
    { serverPort: 0, host: '127.0.0.1', logger: silent(), port: SELECT_LOOP, ...config },
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

/** One turn of the event loop: the sockets that are ready, and what the server sends at the end of it. */
export function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(() => setImmediate(resolve)));
}
