/**
 * Starts the chat server: `npm run chat`, `npm run chat -- 8081`, or `PORT=8081 npm run chat`.
 */
import { EspError, espLog, type HttpdConfig, type HttpdServer, httpdStart } from '../../src/index.js';
import { TAG } from './chat_room.js';
import { CHAT_CONFIG, registerChatHandlers } from './chat_server.js';

const USAGE = `Usage: npm run chat -- [port]

  port   TCP port to listen on, 0 to 65535; 0 lets the system choose one.
         Default: the environment variable PORT, or else 8080.

HOST=127.0.0.1 listens on that address only; by default the server listens on all.
SELECT_LOOP=net (or epoll) says which select loop to use; by default the better one that works here.
HTTPD_LOG=debug shows each step, HTTPD_LOG_FORMAT=json prints JSON lines.`;

/** Signals that belong to one press of Ctrl-C may come twice: from the terminal, and from npm. */
const SAME_PRESS_MS = 150;

const log = espLog(TAG);

class UsageError extends Error {}

function readPort(args: readonly string[]): number {
  const [given = process.env.PORT ?? '', ...more] = args;
  if (more.length > 0) throw new UsageError(`One argument is the port; '${more.join(' ')}' is too much.`);
  if (given === '') return 8080;
  const port = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  if (port >= 0 && port <= 65_535) return port;
  throw new UsageError(`The port must be a number from 0 to 65535, not '${given}'.`);
}

/** What to tell a person whose server can't start. */
function explain(error: unknown, port: number): string {
  const cause = error instanceof EspError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  switch (cause?.code) {
    case 'EADDRINUSE':
      return `Port ${port} is in use: another program listens there. Stop it, or choose another port: npm run chat -- ${port < 65_535 ? port + 1 : 8080}`;
    case 'EACCES':
      return `Port ${port} may not be used by this account: ports below 1024 often need more rights. Choose another one: npm run chat -- 8080`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `'${process.env.HOST}' in the environment variable HOST is no address of this machine.`;
    default:
      return `The server could not start: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function start(serverPort: number): Promise<HttpdServer> {
  const { HOST, SELECT_LOOP } = process.env;
  const port = (SELECT_LOOP as HttpdConfig['port'] | undefined) || 'auto';
  log.info(`Starting server on port: '${serverPort}'`);
  const server = await httpdStart({ ...CHAT_CONFIG, serverPort, host: HOST || undefined, port });
  registerChatHandlers(server);
  log.info(`Open http://localhost:${server.port}/ in two windows; Ctrl-C stops the server`);
  return server;
}

/** The first signal stops the server gracefully, a second one ends the process at once. */
function stopOnSignal(server: HttpdServer): void {
  let firstAt: number | undefined;
  const onSignal = (signal: NodeJS.Signals, number: number): void => {
    const now = performance.now();
    if (firstAt !== undefined) {
      if (now - firstAt >= SAME_PRESS_MS) process.exit(128 + number);
      return;
    }
    firstAt = now;
    log.info(`Stopping webserver (${signal}); the same again ends it at once`);
    server.stop().then(
      () => log.info('Stopped'),
      error => {
        log.error(`Failed to stop http server: ${error}`);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) {
    console.log(USAGE);
    return;
  }
  let port = 0;
  try {
    port = readPort(args);
    stopOnSignal(await start(port));
  } catch (error) {
    const misused = error instanceof UsageError;
    console.error(misused ? `${error.message}\n\n${USAGE}` : explain(error, port));
    process.exitCode = misused ? 2 : 1;
  }
}

// whoever read the log has gone, as in `npm run chat | head`
process.stdout.on('error', () => process.exit(1));
await main(process.argv.slice(2));
