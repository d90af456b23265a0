/**
 * Connects, says hello, prints what comes: `npm run ws-client -- ws://localhost:8080/ws hello`.
 */
import type { EspWebsocketClient } from '../../src/ws_client/index.js';
import { type HelloOptions, helloClient, hint, sayHello } from './hello_client.js';
import { readOptions, USAGE } from './options.js';

/** Ctrl-C reaches this process twice, from the terminal and from npm. */
const SAME_PRESS_MS = 150;

/** The first signal says goodbye, a second one ends the process at once. */
function closeOnSignal(client: EspWebsocketClient): void {
  let firstAt: number | undefined;
  const onSignal = (_signal: NodeJS.Signals, number: number): void => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      void client.close();
    } else if (now - firstAt >= SAME_PRESS_MS) {
      process.exit(128 + number);
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

async function run(options: HelloOptions, client: EspWebsocketClient): Promise<void> {
  closeOnSignal(client);
  try {
    await sayHello(client, options);
  } catch (error) {
    const help = hint(error);
    if (help !== undefined) console.error(help);
    process.exitCode = 1;
  }
}

// whoever read what is printed has gone
process.stdout.on('error', () => process.exit(1));
const args = process.argv.slice(2);
if (args.includes('--help') || args.includes('-h')) {
  console.log(USAGE);
} else {
  let ready: readonly [HelloOptions, EspWebsocketClient] | undefined;
  try {
    const options = readOptions(args);
    ready = [options, helloClient(options)];
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  if (ready !== undefined) await run(...ready);
}
