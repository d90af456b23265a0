/**
 * The package on every Node.js that it is for, and on what stands in for it.
 *
 * `npm run smoke:nodes`: a short look from the packed tarball, and what a Node.js that is too old is told.
 * `npm run test:nodes`: all tests on each Node.js; what follows `--` is for vitest.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { generate, type SelfsignedOptions } from 'selfsigned';
import { installRelease, packRelease } from '../test/support/pack.js';
import { fetched, NODES, type Runtime, STAND_INS, TOO_OLD } from './runtimes.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
/** For one run of a program that looks or tells. */
const LOOK_MS = 60_000;

/** @returns what it has printed, and the status that it ended with */
async function run(program: string, args: readonly string[], cwd: string): Promise<{ code: number; output: string }> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, { cwd, timeout: LOOK_MS });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, signal, stdout = '', stderr = '' } = error as Ended;
    return { code: code ?? -1, output: `${stdout}${stderr}${signal ? `ended by ${signal}\n` : ''}` };
  }
}

interface Ended {
  readonly code?: number;
  readonly signal?: string;
  readonly stdout?: string;
  readonly stderr?: string;
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** A certificate and its key, signed by an authority or by itself. */
async function pair(commonName: string, extensions: SelfsignedOptions['extensions'], ca?: Pair): Promise<Pair> {
  const made = await generate([{ name: 'commonName', value: commonName }], { extensions, ca, algorithm: 'sha256' });
  return { cert: made.cert, key: made.private };
}

/** A project in which the packed tarball is installed, with the smoke test beside it. */
async function makeProject(temp: string): Promise<string> {
  const project = join(temp, 'project');
  await installRelease(await packRelease(temp), project);
  const ca = await pair('An authority', [{ name: 'basicConstraints', cA: true }]);
  const altNames = [{ type: 2 as const, value: 'localhost' }];
  const server = await pair('localhost', [{ name: 'subjectAltName', altNames }], ca);
  copyFileSync(join(ROOT, 'nodes/smoke.mjs'), join(project, 'smoke.mjs'));
  const files = {
    'package.json': '{ "private": true }',
    'ca.pem': ca.cert,
    'cert.pem': server.cert,
    'key.pem': server.key,
    'import.mjs': "import 'esp-httpd';",
    'require.cjs': "require('esp-httpd');",
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
  return project;
}

const COMMAND = ['node_modules/esp-httpd/dist/cli/main.js', '--version'];

/** @returns whether all went well */
async function smokeOn(runtime: Runtime, project: string): Promise<boolean> {
  const program = await fetched(runtime);
  const smoke = await run(program, [...runtime.args, 'smoke.mjs'], project);
  const command = await run(program, [...runtime.args, ...COMMAND], project);
  process.stdout.write(smoke.output);
  if (command.code !== 0) process.stdout.write(command.output);
  return smoke.code === 0 && command.code === 0;
}

/** @returns whether it is told that it is too old, however it comes */
async function refuses(runtime: Runtime, project: string): Promise<boolean> {
  const program = await fetched(runtime);
  let all = true;
  for (const args of [['import.mjs'], ['require.cjs'], COMMAND]) {
    const { code, output } = await run(program, args, project);
    const told = code === 1 && /^(Error: )?esp-httpd needs Node\.js \S+ or newer, and this is \S+: /m.test(output);
    console.log(`${runtime.spec}: ${args[0]} ${told ? 'is refused, and why' : `says:\n${output}`}`);
    all &&= told;
  }
  return all;
}

async function smoke(): Promise<boolean> {
  const temp = mkdtempSync(join(tmpdir(), 'esp-httpd-nodes-'));
  try {
    const project = await makeProject(temp);
    const failed: string[] = [];
    for (const runtime of [...NODES, ...STAND_INS]) {
      if (!(await smokeOn(runtime, project))) failed.push(runtime.spec);
    }
    if (!(await refuses(TOO_OLD, project))) failed.push(TOO_OLD.spec);
    if (failed.length > 0) console.error(`failed on ${failed.join(', ')}`);
    return failed.length === 0;
  } finally {
    rmSync(temp, { recursive: true, force: true });
  }
}

/** Runs all tests; those that start programs by the name `node` start the same one. */
async function suite(args: readonly string[]): Promise<boolean> {
  const failed: string[] = [];
  for (const runtime of NODES) {
    const program = await fetched(runtime);
    console.log(`\n${runtime.spec}`);
    const env = { ...process.env, PATH: `${dirname(program)}${delimiter}${process.env.PATH ?? ''}` };
    const child = spawn(program, [VITEST, 'run', ...args], { cwd: ROOT, env, stdio: 'inherit' });
    const [status] = (await once(child, 'close')) as [number | null];
    if (status !== 0) failed.push(runtime.spec);
  }
  if (failed.length > 0) console.error(`failed on ${failed.join(', ')}`);
  return failed.length === 0;
}

async function main([what, ...args]: readonly string[]): Promise<number> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.error(`the programs are for Linux on x64, and this is ${process.platform} on ${process.arch}`);
    return 2;
  }
  if (what === 'smoke') return (await smoke()) ? 0 : 1;
  if (what === 'suite') return (await suite(args)) ? 0 : 1;
  console.error('Usage: tsx nodes/main.ts smoke | suite [arguments of vitest]');
  return 2;
}

process.exitCode = await main(process.argv.slice(2));
