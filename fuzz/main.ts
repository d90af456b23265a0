/** Fuzzes the HTTP path and the WebSocket path: see README.md. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { readCorpus, writeCorpus, writeCrash } from './corpus.js';
import { branchCount } from './coverage.js';
import { Fuzzer } from './fuzzer.js';
import { type Options, readOptions, TARGETS, type TargetName, USAGE } from './options.js';
import { Random } from './random.js';
import { watchProcess } from './targets/faults.js';
import { FormTarget } from './targets/form.js';
import { HttpTarget } from './targets/http.js';
import { watchLlhttp } from './targets/llhttp_probe.js';
import { RawAnswerTarget } from './targets/raw_answer.js';
import type { Target } from './targets/target.js';
import { WsTarget } from './targets/ws.js';

/** A line about the progress so often, in ms. */
const REPORT_EVERY = 10_000;
/** Findings of different kinds after which there is enough to do. */
const CRASHES_MAX = 10;

const START: Readonly<Record<TargetName, () => Promise<Target>>> = {
  http: () => HttpTarget.start(),
  ws: () => WsTarget.start(),
  form: () => Promise.resolve(new FormTarget()),
  raw: () => Promise.resolve(new RawAnswerTarget()),
};

/** @returns how many findings there were */
async function fuzz(name: TargetName, ms: number, { seed, save }: Options): Promise<number> {
  const fuzzer = await Fuzzer.make(START[name], new Random(seed));
  const { seeds } = fuzzer.target;
  const began = performance.now();
  await fuzzer.begin([...seeds, ...readCorpus(name)]);
  const first = fuzzer.progress;
  const line = () => {
    const { runs, branches, marks, entries } = fuzzer.progress;
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `${name}: ${seconds.toFixed(0)} s, ${runs} runs (${(runs / seconds).toFixed(0)}/s), ` +
        `${branches} of ${branchCount()} branches (+${branches - first.branches}), ${marks} marks (+${marks - first.marks}), ` +
        `${entries} inputs (+${entries - first.entries}), ${fuzzer.crashes.length} findings`,
    );
  };
  let report = began;
  for (let now = began; now - began < ms && fuzzer.crashes.length < CRASHES_MAX; now = performance.now()) {
    if (now - report >= REPORT_EVERY) {
      report = now;
      line();
    }
    for (let i = 0; i < 50; i++) await fuzzer.step();
  }
  line();
  for (const crash of fuzzer.crashes) {
    const { input, error } = await fuzzer.minimise(crash);
    const path = writeCrash(name, input);
    console.log(`\nFOUND ${error.message}\n  again: npm run fuzz -- --replay ${path}`);
  }
  if (save) {
    const cover = fuzzer.cover(seeds);
    writeCorpus(name, cover);
    console.log(`${name}: kept ${cover.length} inputs in fuzz/corpus/${name}`);
  }
  return fuzzer.crashes.length;
}

/** @returns how many of the files break a rule */
async function replay(files: readonly string[]): Promise<number> {
  let failed = 0;
  for (const file of files) {
    const input = readFileSync(file);
    const name = TARGETS.find(known => basename(file).startsWith(known) || file.includes(`/${known}/`));
    if (name === undefined)
      throw new Error(`${file}: its name must begin with ${TARGETS.join(' or ')}, or its folder be so called`);
    const target = await START[name]();
    try {
      await target.replay(input);
      console.log(`${file}: passed`);
    } catch (thrown) {
      failed += 1;
      console.log(`${file}: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
    }
  }
  return failed;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  watchProcess();
  watchLlhttp();
  if (options.replay.length > 0) return replay(options.replay);
  if (branchCount() === 0) throw new Error("src/ is not instrumented: use 'npm run fuzz'");
  console.log(`seed ${options.seed}`);
  let found = 0;
  for (const name of options.targets) {
    found += await fuzz(name, (options.seconds * 1000) / options.targets.length, options);
  }
  return found;
}

main().then(
  found => process.exit(found === 0 ? 0 : 1),
  (thrown: unknown) => {
    console.error(thrown instanceof Error ? thrown.message : thrown);
    console.error(USAGE);
    process.exit(2);
  },
);
