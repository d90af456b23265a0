/**
 * What the programs of all examples do alike: arguments and environment, errors that say what to do, Ctrl-C.
 */
import { EspError, type HttpdConfig, type HttpdServer, type TagLog } from '../src/index.js';

export interface Program {
  /** How it is started, such as 'npm start'. */
  readonly command: string;
  readonly log: TagLog;
  /** Where it listens if nobody says it. Default 8080. */
  readonly defaultPort?: number;
  /** Starts the server with this port, address and select loop. */
  start(config: Pick<HttpdConfig, 'serverPort' | 'host' | 'port'>): Promise<HttpdServer>;
}

/** Signals that belong to one press of Ctrl-C may come twice: from the terminal, and from npm. */
const SAME_PRESS_MS = 150;

class UsageError extends Error {}

function usage(command: string, defaultPort: number): string {
  return `Usage: ${command} -- [port]

  port   TCP port to listen on, 0 to 65535; 0 lets the system choose one.
         Default: the environment variable PORT, or else ${defaultPort}.

HOST=127.0.0.1 listens on that address only; by default the server listens on all.
SELECT_LOOP=net (or epoll) says which select loop to use; by default the better one that works here.
HTTPD_LOG=debug shows each step, HTTPD_LOG_FORMAT=json prints JSON lines.`;
}

function readPort(args: readonly string[], defaultPort: number): number {
  const [given = process.env.PORT ?? '', ...more] = args;
  if (more.length > 0) throw new UsageError(`One argument is the port; '${more.join(' ')}' is too much.`);
  if (given === '') return defaultPort;
  const port = /^\d{1,5}$/.test(given) ? Number(given) : Number.NaN;
  if (port >= 0 && port <= 65_535) return port;
  const source = args.length > 0 ? 'The port' : 'The port in the environment variable PORT';
  throw new UsageError(`${source} must be a number from 0 to 65535, not '${given}'.`);
}

/** What to tell a person whose server can't start. */
function explain(error: unknown, port: number, command: string): string {
  const cause = error instanceof EspError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  switch (cause?.code) {
    case 'EADDRINUSE':
      return `Port ${port} is in use: another program listens there. Stop it, or choose another port: ${command} -- ${port < 65_535 ? port + 1 : 8080}`;
    case 'EACCES':
      return `Port ${port} may not be used by this account: ports below 1024 often need more rights. Choose another one: ${command} -- 8080`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `'${process.env.HOST}' in the environment variable HOST is no address of this machine.`;
    default:
      return `The server could not start: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The first signal stops the server gracefully, a second one ends the process at once. */
function stopOnSignal(server: HttpdServer, log: TagLog): void {
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

/** Runs an example with the arguments and the environment of this process. */
export async function runProgram({ command, log, defaultPort = 8080, start }: Program): Promise<void> {
  // whoever read the log has gone, as in `npm start | head`
  process.stdout.on('error', () => process.exit(1));
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(usage(command, defaultPort));
    return;
  }
  let serverPort = 0;
  try {
    serverPort = readPort(args, defaultPort);
    const { HOST, SELECT_LOOP } = process.env;
    // the environment may ask for a select loop, as the tests do
    const port = (SELECT_LOOP as HttpdConfig['port'] | undefined) || 'auto';
    stopOnSignal(await start({ serverPort, host: HOST || undefined, port }), log);
  } catch (error) {
    const misused = error instanceof UsageError;
    console.error(misused ? `${error.message}\n\n${usage(command, defaultPort)}` : explain(error, serverPort, command));
    process.exitCode = misused ? 2 : 1;
  }
}
