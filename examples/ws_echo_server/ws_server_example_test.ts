/**
 * Drives the echo example, ours or the one on a board, and tells step by step what it makes of it.
 *
 *     npm run ws-test -- --host 192.168.4.2 --port 80 --board
 *
 * Exit status: 0 all steps passed, 1 a step failed or nothing listens, 2 wrong usage.
 */
import * as net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Target } from './driver_client.js';
import { Bench, type Step, stepsFor } from './driver_steps.js';

const USAGE = `Usage: npm run ws-test -- [options]

  --host HOST      where the server runs; default 127.0.0.1
  --port PORT      its port; default 8080
  --uri URI        only the steps of this URI: /ws, /ws_partial, /auth, /chat;
                   of any other URI the echo of TEXT, BIN and PING
  --board          only what ESP-IDF's own example on a board passes too
  --timeout SEC    how long each step may take; default 5
  --help           this text

Exit status: 0 all steps passed, 1 a step failed or nothing listens, 2 wrong usage.`;

class UsageError extends Error {}

interface Options extends Target {
  readonly uri: string | undefined;
  readonly board: boolean;
}

/** @returns undefined if help is asked for */
function readOptions(args: readonly string[]): Options | undefined {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = { host: text, port: text, uri: text, timeout: text, board: flag, help: { ...flag, short: 'h' } };
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values'];
  try {
    ({ values } = parseArgs({ args: [...args], options, strict: true, allowPositionals: false }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values.help) return undefined;
  const { host = '127.0.0.1', port = '8080', uri, timeout = '5', board = false } = values;
  if (host === '') throw new UsageError('--host must be an address or a name.');
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    throw new UsageError(`--port must be a number from 1 to 65535, not '${port}'.`);
  }
  if (uri !== undefined && !/^\/[\x21-\x7e]*$/.test(uri)) {
    throw new UsageError(`--uri must begin with a slash and have no spaces, not '${uri}'.`);
  }
  const seconds = timeout.trim() === '' ? Number.NaN : Number(timeout);
  if (!(seconds > 0 && seconds <= 3600)) {
    throw new UsageError(`--timeout must be a number of seconds above 0, up to 3600, not '${timeout}'.`);
  }
  return { host, port: Number(port), uri, board, timeoutMs: seconds * 1000 };
}

/** Does anything listen there? @returns what to say if not */
function findTrouble({ host, port, timeoutMs }: Target): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = net.connect({ host, port, timeout: timeoutMs });
    const done = (trouble?: string): void => {
      socket.destroy();
      resolve(trouble);
    };
    socket.on('connect', () => done());
    socket.on('timeout', () => done(`${host} port ${port} does not answer within ${timeoutMs / 1000} s.`));
    socket.on('error', (error: NodeJS.ErrnoException) => done(explain(error, host, port)));
  });
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return `Nothing listens on ${host} port ${port}. Start the server first (npm start), or name another one with --host and --port.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `There is no host named '${host}'.`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `There is no way to ${host} from here.`;
    default:
      return `Can't connect to ${host} port ${port}: ${error.message}`;
  }
}

/** @returns whether it passed */
async function perform(step: Step, target: Target): Promise<boolean> {
  const bench = new Bench(target);
  const timeUp = new AbortController();
  const slow = sleep(target.timeoutMs, `nothing more within ${target.timeoutMs / 1000} s`, { signal: timeUp.signal });
  slow.catch(() => {});
  const work = step.run(bench).catch((error: Error) => error.message);
  const came = await Promise.race([work, slow]);
  timeUp.abort();
  bench.close();
  const passed = came === step.expected;
  console.log(`${passed ? 'PASS' : 'FAIL'}  ${step.uri}: ${step.name}`);
  if (passed) {
    console.log(`      expected and came: ${came}`);
  } else {
    console.log(`      expected: ${step.expected}`);
    console.log(`      came:     ${came}`);
  }
  return passed;
}

/** @returns the exit status */
async function drive(options: Options): Promise<number> {
  const { host, port, uri, board } = options;
  const trouble = await findTrouble(options);
  if (trouble !== undefined) {
    console.error(trouble);
    return 1;
  }
  const steps = stepsFor(uri).filter(step => step.board || !board);
  if (steps.length === 0) throw new UsageError(`ESP-IDF's own example has no ${uri}: leave --board out.`);
  console.log(`Driving the WebSocket echo server on ${host} port ${port}: ${steps.length} steps\n`);
  let passed = 0;
  for (const step of steps) {
    if (await perform(step, options)) passed += 1;
  }
  console.log(
    `\n${passed} of ${steps.length} steps passed${passed === steps.length ? '' : `, ${steps.length - passed} FAILED`}`,
  );
  return passed === steps.length ? 0 : 1;
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const options = readOptions(args);
    if (options !== undefined) return await drive(options);
    console.log(USAGE);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${USAGE}`);
    return 2;
  }
}

// whoever read the report has gone
process.stdout.on('error', () => process.exit(1));
process.exitCode = await main(process.argv.slice(2));
