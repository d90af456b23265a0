/** `npm run bench`: this server side by side with node:http and ws. See README.md. */
import { type Case, LABELS, type ServerName } from './cases.js';
import { type Bench, measureSpeed, measureWeight } from './measure.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { method, type Row, speedRows, table, weightRows } from './report.js';
import { buildOurs, chooseCores, compilePrograms } from './tools.js';

/** Measures peer and ours in turn. */
async function interleave<T>(
  plan: Case,
  rounds: number,
  measure: (name: ServerName) => Promise<T>,
): Promise<{ theirs: T[]; ours: T[] }> {
  const theirs: T[] = [];
  const ours: T[] = [];
  for (let round = 1; round <= rounds; round++) {
    console.error(`${plan.title}: round ${round} of ${rounds}, ${LABELS[plan.peer]} and ${LABELS.ours} …`);
    theirs.push(await measure(plan.peer));
    ours.push(await measure('ours'));
  }
  return { theirs, ours };
}

async function run(bench: Bench, plan: Case, rounds: number): Promise<Row[]> {
  if (plan.kind === 'memory') {
    const { theirs, ours } = await interleave(plan, rounds, name => measureWeight(bench, plan, name));
    return weightRows(plan, theirs, ours);
  }
  const { theirs, ours } = await interleave(plan, rounds, name => measureSpeed(bench, plan, name));
  return speedRows(plan, theirs, ours);
}

async function main(options: Options): Promise<void> {
  const programs = compilePrograms();
  try {
    buildOurs();
    const cores = chooseCores();
    const rows: Row[] = [];
    for (const plan of options.cases) {
      rows.push(...(await run({ programs, cores, seconds: options.seconds }, plan, options.rounds)));
    }
    console.log(`\n${table(rows)}\n\n${method(options, cores)}`);
  } finally {
    programs.remove();
  }
}

try {
  if (process.argv.includes('--help')) console.log(USAGE);
  else await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof TypeError || (error instanceof Error && error.message.startsWith('--'))) console.error(USAGE);
  process.exitCode = 1;
}
