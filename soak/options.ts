/** The command line of the soak. */
import { parseArgs } from 'node:util';

export interface Options {
  /** How long clients go on, in seconds. */
  readonly seconds: number;
  /** What clients choose at random follows from it. */
  readonly seed: number;
  /** The select loop. */
  readonly port: 'auto' | 'epoll' | 'net';
  /** Is each look at the memory printed? */
  readonly samples: boolean;
}

export const USAGE = `usage: npm run soak -- [--seconds N] [--seed N] [--port epoll|net] [--samples]

  --seconds N   how long clients go on (default 60)
  --seed N      what they choose at random follows from it (default: the time)
  --port NAME   the select loop (default: epoll where it works)
  --samples     print each look at the memory`;

/** @throws Error with a message for a person */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      port: { type: 'string', default: 'auto' },
      samples: { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.seconds);
  const seed = Number(values.seed);
  const { port, samples } = values;
  if (!(seconds >= 1 && seconds <= 86_400)) throw new Error('--seconds must be a number from 1 to 86400');
  if (!Number.isSafeInteger(seed) || seed < 0) throw new Error('--seed must be an integer from 0');
  if (port !== 'auto' && port !== 'epoll' && port !== 'net') throw new Error("--port must be 'epoll' or 'net'");
  return { seconds, seed, port, samples };
}
