/** The command line of the bench. */
import { parseArgs } from 'node:util';
import { CASES, type Case } from './cases.js';

export interface Options {
  /** How long each server is measured in each round. */
  readonly seconds: number;
  /** How often each server is measured. */
  readonly rounds: number;
  /** What to measure. */
  readonly cases: readonly Case[];
  /** Are the results kept in `results.md` and `results.svg`? */
  readonly write: boolean;
}

export const USAGE = `usage: npm run bench -- [--seconds N] [--rounds N] [--only NAME[,NAME…]] [--write]

  --seconds N   measure each server for N seconds in each round (default 1.5)
  --rounds N    rounds, of which the median is reported (default 3)
  --only NAME   one of: ${CASES.map(({ name }) => name).join(', ')}; prints only
  --write       write results.md and results.svg even so`;

/** @throws Error with a message for a person */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: 'string', default: '1.5' },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', multiple: true, default: [] },
      write: { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.seconds);
  const rounds = Number(values.rounds);
  if (!(seconds >= 0.1 && seconds <= 600)) throw new Error('--seconds must be a number from 0.1 to 600');
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= 100)) throw new Error('--rounds must be from 1 to 100');
  const names = values.only.flatMap(list => list.split(','));
  const unknown = names.filter(name => !CASES.some(known => known.name === name));
  if (unknown.length > 0) throw new Error(`--only: there is no case '${unknown.join("', '")}'`);
  const cases = CASES.filter(({ name }) => names.length === 0 || names.includes(name));
  return { seconds, rounds, cases, write: values.write || cases.length === CASES.length };
}
