/** The command line. */
import { parseArgs } from 'node:util';

export interface Options {
  /** How long to fuzz, for all targets together. */
  readonly seconds: number;
  readonly targets: readonly TargetName[];
  readonly seed: number;
  /** Files to play instead. */
  readonly replay: readonly string[];
  /** Keep the inputs that have reached something new, and those only that together reach everything? */
  readonly save: boolean;
}

export const TARGETS = ['http', 'ws', 'form', 'raw'] as const;
export type TargetName = (typeof TARGETS)[number];

export const USAGE = `npm run fuzz -- [--seconds 60] [--target http|ws|form|raw|all] [--seed n] [--save]
npm run fuzz -- --replay fuzz/crashes/http-0123456789ab [--replay …]`;

/** @throws Error with a message for a person */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '60' },
      target: { type: 'string', default: 'all' },
      seed: { type: 'string' },
      replay: { type: 'string', multiple: true, default: [] },
      save: { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new Error('--seconds takes a number above 0');
  const seed = values.seed === undefined ? Date.now() % 2 ** 32 : Number(values.seed);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) throw new Error('--seed takes an integer below 2^32');
  const targets = TARGETS.filter(name => values.target === 'all' || values.target === name);
  if (targets.length === 0) throw new Error(`--target takes ${TARGETS.join(', ')} or all`);
  return { seconds, targets, seed, replay: values.replay, save: values.save };
}
