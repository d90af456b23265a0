/** The command line: what is understood, and what is said to what is not. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { run } from '../../src/cli/commands.js';
import { DEVICE_USAGE, readDeviceCommand } from '../../src/cli/device_options.js';
import { allowTypeScript } from '../../src/cli/load_app.js';

const out = vi.spyOn(console, 'log').mockImplementation(() => {});
const err = vi.spyOn(console, 'error').mockImplementation(() => {});
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'esp httpd '));
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  out.mockClear();
  err.mockClear();
});

/** @returns its path */
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** What a command has said, and the status that it ends with. */
async function said(...args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const status = await run(args);
  return { status, stdout: out.mock.calls.join('\n'), stderr: err.mock.calls.join('\n') };
}

describe('esp-httpd', () => {
  test.each([['--help'], ['-h'], ['help']])('%s tells the commands', async arg => {
    expect(await said(arg)).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^Usage: npx esp-httpd <command>\n/),
      stderr: '',
    });
  });

  test.each([['--version'], ['-v']])('%s tells the version', async arg => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await said(arg)).toEqual({ status: 0, stdout: version, stderr: '' });
  });

  test('no command is told with the usage, and one that there is not with where the usage is; status 2', async () => {
    expect(await said()).toMatchObject({ status: 2, stderr: expect.stringMatching(/^Which command\?\n\nUsage: /) });
    err.mockClear();
    const stderr = "There is no command 'toString'.\nHelp: npx esp-httpd --help";
    expect(await said('toString')).toEqual({ status: 2, stdout: '', stderr });
  });

  test('the package runs it', () => {
    const { bin, files } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      bin: object;
      files: string[];
    };
    expect(bin).toEqual({ 'esp-httpd': 'dist/cli/main.js' });
    expect(files).toContain('assets');
    expect(readFileSync(new URL('../../src/cli/main.ts', import.meta.url), 'utf8')).toMatch(
      /^#!\/usr\/bin\/env node\n/,
    );
  });
});

describe('esp-httpd device', () => {
  test('without options: an ESP32 of seed 0 on 127.0.0.1:8080, without a control server', () => {
    expect(readDeviceCommand(['app.ts'])).toEqual({
      module: 'app.ts',
      profile: 'esp32',
      seed: 0,
      scenario: undefined,
      port: 8080,
      host: '127.0.0.1',
      tls: undefined,
      selectLoop: 'auto',
      control: undefined,
    });
  });

  test('understands all options, each of which its usage names', () => {
    const args =
      '--profile esp32-c3 --seed 4294967295 --scenario s.json --port 0 --host ::1 --tls-cert c.pem --tls-key k.pem --select-loop net --control 9000 --control-host 0.0.0.0 app.mjs';
    expect(readDeviceCommand(args.split(' '))).toEqual({
      module: 'app.mjs',
      profile: 'esp32-c3',
      seed: 4_294_967_295,
      scenario: 's.json',
      port: 0,
      host: '::1',
      tls: { cert: 'c.pem', key: 'k.pem' },
      selectLoop: 'net',
      control: { port: 9000, host: '0.0.0.0' },
    });
    for (const option of args.match(/--[\w-]+/g) ?? []) expect(DEVICE_USAGE).toContain(`\n  ${option} <`);
    expect(readDeviceCommand(['a.ts', '--control', '0'])?.control).toEqual({ port: 0, host: '127.0.0.1' });
  });

  test.each([['--help'], ['-h'], ['app.ts', '--help']])('%s: its usage', async (...args) => {
    expect(await said('device', ...args)).toEqual({ status: 0, stdout: DEVICE_USAGE, stderr: '' });
  });

  test.each([
    [[], 'Which application? Give the file that exports register(server).'],
    [['a.ts', 'b.ts', 'c.ts'], "One argument is the module; 'b.ts c.ts' is too much."],
    [['a.ts', '--profile', 'esp8266'], "--profile must be one of esp32, esp32-s3, esp32-c3, not 'esp8266'."],
    [['a.ts', '--seed', '4294967296'], "--seed must be a number from 0 to 4294967295, not '4294967296'."],
    [['a.ts', '--seed', '1e3'], "--seed must be a number from 0 to 4294967295, not '1e3'."],
    [['a.ts', '--port', '65536'], "--port must be a number from 0 to 65535, not '65536'."],
    [['a.ts', '--port='], "--port must be a number from 0 to 65535, not ''."],
    [['a.ts', '--control', 'yes'], "--control must be a number from 0 to 65535, not 'yes'."],
    [['a.ts', '--control-host', '::1'], '--control-host is for --control, which says the port.'],
    [['a.ts', '--host', ''], '--host must be an address or a host name.'],
    [['a.ts', '--tls-cert', 'c.pem'], '--tls-cert and --tls-key go together: a certificate and its private key.'],
    [['a.ts', '--select-loop', 'uring'], "--select-loop must be one of auto, epoll, net, not 'uring'."],
    [['a.ts', '--nonsense'], "Unknown option '--nonsense'."],
    [['a.ts', '--seed'], "Option '--seed <value>' argument missing."],
  ])('%j is refused with status 2, and with where the usage is', async (args, sentence) => {
    const { status, stdout, stderr } = await said('device', ...args);
    expect([status, stdout, stderr]).toEqual([2, '', `${sentence}\nHelp: npx esp-httpd device --help`]);
  });

  const APP = 'export function register() {}';
  test.each<[string, () => string[], string]>([
    [
      'a file that is not there',
      () => ['nowhere.ts'],
      "There is no file 'nowhere.ts'. Give the module that exports register(server).",
    ],
    ['a folder', () => [folder], `There is no file '${'{folder}'}'. Give the module`],
    [
      'a module without register',
      () => [file('empty.mjs', 'export const x = 1;')],
      'it must export function register(server)',
    ],
    [
      'a register that is no function',
      () => [file('no_function.mjs', 'export const register = 1;')],
      'it must export function register(server)',
    ],
    [
      'a config that is none',
      () => [file('config.mjs', `${APP} export const config = 5;`)],
      'must be an object of HttpdConfig, or a function that returns one.',
    ],
    [
      'a module that throws',
      () => [file('throws.mjs', "throw new Error('what it says');")],
      "can't be loaded:\nError: what it says",
    ],
    [
      'a module that is CommonJS',
      () => [
        file('app.cjs', "throw Object.assign(new Error('no exports'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });"),
      ],
      `can't be loaded as CommonJS; put "type": "module" into its package.json, or let its name end in .mjs or .mts:`,
    ],
    [
      'a config that fails',
      () => [file('fails.mjs', `${APP} export const config = () => { throw new Error('cfg'); };`), '--port', '0'],
      "fails.mjs' failed:",
    ],
    [
      'a config that gives nothing',
      () => [file('nothing.mjs', `${APP} export const config = () => null;`), '--port', '0'],
      "nothing.mjs' must return an object of HttpdConfig, and at once.",
    ],
    [
      'a config that comes late',
      () => [file('late.mjs', `${APP} export const config = async () => ({});`), '--port', '0'],
      "late.mjs' must return an object of HttpdConfig, and at once.",
    ],
    [
      'a config that a server refuses',
      () => [file('refused.mjs', `${APP} export const config = { maxOpenSockets: 0 };`), '--port', '0'],
      'The device could not start: ESP_ERR_INVALID_ARG: config.maxOpenSockets must be',
    ],
    [
      'a register that throws',
      () => [
        file('register.mjs', "export function register() { throw new Error('too little flash'); }"),
        '--port',
        '0',
      ],
      "register.mjs' failed:\nError: too little flash",
    ],
    [
      'a host that is none',
      () => [file('app.mjs', APP), '--port', '0', '--host', '192.0.2.1'],
      "'192.0.2.1' is no address of this machine. Choose another one with --host.",
    ],
    [
      'a control host that is none',
      () => [file('app.mjs', APP), '--port', '0', '--control', '0', '--control-host', '192.0.2.1'],
      "'192.0.2.1' is no address of this machine. Choose another one with --control-host.",
    ],
    [
      'a certificate that is not there',
      () => [file('app.mjs', APP), '--port', '0', '--tls-cert', 'no.pem', '--tls-key', 'no.pem'],
      'no.pem',
    ],
    [
      'a scenario that is not there',
      () => [file('app.mjs', APP), '--scenario', 'no.json'],
      "The scenario 'no.json' can't be read: ENOENT",
    ],
    [
      'a scenario that is not JSON',
      () => [file('app.mjs', APP), '--scenario', file('a.json', '[')],
      "a.json' is wrong: it is not JSON: ",
    ],
    [
      'a scenario that is none',
      () => [file('app.mjs', APP), '--scenario', file('b.json', '[{"at":1,"explode":1}]')],
      "b.json' is wrong: step 0 has no field 'explode'; it has at, wifiDown, ",
    ],
  ])('%s is told with status 1', async (_, args, sentence) => {
    const { status, stderr } = await said('device', ...args());
    expect(stderr).toContain(sentence.replace('{folder}', folder));
    expect(stderr).not.toContain('Usage');
    expect(status).toBe(1);
  });

  test.skipIf((process.features as { typescript?: unknown }).typescript)(
    'without tsx it says how to get it',
    async () => {
      await expect(allowTypeScript([join(folder, 'app.ts')])).rejects.toThrow(
        /^Node\.js v\d+\.\d+\.\d+ can't load TypeScript by itself\. Install what can: npm install --save-dev tsx$/,
      );
    },
  );
});
