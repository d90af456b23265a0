/** `npm run bench`: this server side by side with its peers. See README.md. */
import { writeFileSync } from 'node:fs';
import { type Case, type ServerName, serverOf } from './cases.js';
import { chart } from './chart.js';
import { medians, type Result } from './figures.js';
import { makeFiles } from './files.js';
import { type Bench, type Measured, measure } from './measure.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { report } from './report.js';
import { buildOurs, chooseCores, compilePrograms } from './tools.js';

/** Measures the servers of a case in turn. */
async function run(bench: Bench, plan: Case, rounds: number): Promise<Result> {
  const seen = new Map<ServerName, Measured[]>(plan.servers.map(name => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [name, figures] of seen) {
      console.error(`${plan.title}, round ${round} of ${rounds}: ${serverOf(name).label} …`);
      figures.push(await measure(bench, plan, name));
    }
  }
  return { plan, figures: new Map([...seen].map(([name, figures]) => [name, medians(figures)])) };
}

async function main(options: Options): Promise<void> {
  const programs = compilePrograms();
  const files = makeFiles();
  try {
    buildOurs();
    const cores = chooseCores();
    const results: Result[] = [];
    for (const plan of options.cases) {
      results.push(await run({ programs, files, cores, seconds: options.seconds }, plan, options.rounds));
    }
    const text = report(results, options, cores);
    console.log(`\n${text}`);
    if (options.write) keep(text, chart(results));
  } finally {
    programs.remove();
    files.remove();
  }
}

function keep(text: string, svg: string): void {
  const beside = (name: string) => new URL(name, import.meta.url);
  const picture = '![Answers per second and memory, as multiples of the main peer](results.svg)';
  writeFileSync(beside('results.md'), `# Results of the bench\n\n${picture}\n\n${text}\n`);
  writeFileSync(beside('results.svg'), svg);
  console.error('written: results.md, results.svg');
}

try {
  if (process.argv.includes('--help')) console.log(USAGE);
  else await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  if (error instanceof TypeError || (error instanceof Error && error.message.startsWith('--'))) console.error(USAGE);
  process.exitCode = 1;
}
