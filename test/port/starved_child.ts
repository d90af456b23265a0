/** A server on epoll in a process that may have few descriptors; tells what it does when it has none left. */
import { pino } from 'pino';
import { HTTP_GET } from '../../src/httpd/methods.js';
import { startWith } from '../../src/httpd/start.js';
import { loadLibc } from '../../src/port/libc.js';

/** What the parent gets for each message, behind so many `turns` of the loop as it asks for. */
export interface Report {
  readonly port: number;
  readonly sessions: number;
  readonly lines: string[];
  /** Returns of epoll_wait(2) so far. */
  readonly waits: number;
}

const libc = loadLibc();
const { epollWait } = libc;
let waits = 0;
libc.epollWait = (...args) => {
  waits += 1;
  return epollWait(...args);
};

const lines: string[] = [];
const stream = { write: (line: string) => lines.push((JSON.parse(line) as { msg: string }).msg) };
const server = await startWith(
  { serverPort: 0, host: '127.0.0.1', port: 'epoll', logger: pino({ level: 'info', base: null }, stream) },
  {},
);
server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('ok') });
process.on('message', async (message: { turns?: number }) => {
  for (let i = 0; i < (message.turns ?? 0); i++) await new Promise(resolve => setImmediate(resolve));
  const report: Report = { port: server.port, sessions: server.getClientList().length, lines, waits };
  process.send?.(report);
});
process.on('disconnect', () => process.exit());
console.log('ready');
