/** docs/device.md: its programs run, and its figures are those of the code. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { httpdEsp32Config } from '../src/config.js';
import { CHIPS, type DeviceChip } from '../src/device/chips.js';
import type { Device } from '../src/device/index.js';
import { codeIn } from './support/declared.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const page = read('docs/device.md');

/** The cells of the rows of the table whose heading begins with these cells. */
function table(...heading: string[]): string[][] {
  const lines = page.split('\n');
  const from = lines.findIndex(line => line.startsWith(`| ${heading.join(' | ')} |`));
  expect(from, heading.join(' | ')).toBeGreaterThan(0);
  const behind = lines.slice(from + 2);
  const rows = behind.slice(
    0,
    behind.findIndex(line => !line.startsWith('|')),
  );
  return rows.map(row =>
    row
      .slice(1, -1)
      .split('|')
      .map(cell => cell.trim()),
  );
}

/** What stands between backticks in the first cells. */
const named = (rows: string[][]): string[] => rows.flatMap(([cell]) => codeIn(cell));

/** The fields that an interface declares. */
function fieldsOf(file: string, name: string): string[] {
  const declared = new RegExp(`export interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(read(file))?.[1] ?? '';
  return [...declared.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(match => match[1] as string);
}

describe('the figures of docs/device.md', () => {
  const CHIP_NAMES = Object.keys(CHIPS) as DeviceChip[];
  const rows = table('figure', 'unit', ...CHIP_NAMES, 'certainty', 'source, reason');
  /** What is a matter of the machine, not of the device. */
  const NO_FIGURES = ['reusePort', 'port', 'txOverflow'];

  const show = (value: unknown): string =>
    typeof value === 'number' ? value.toLocaleString('en-US', { maximumFractionDigits: 6 }) : String(value);

  /** The figures of a chip, by their names in the table. */
  function figuresOf(chip: DeviceChip): Map<string, string> {
    const { link, heap, config, bootSeconds } = CHIPS[chip];
    const limits = Object.entries(config).filter(
      ([name, value]) => value !== undefined && typeof value !== 'function' && !NO_FIGURES.includes(name),
    );
    const groups = { link, heap, config: Object.fromEntries(limits) };
    const all = Object.entries(groups).flatMap(([group, fields]) =>
      Object.entries(fields).map(([name, value]) => [`${group}.${name}`, show(value)] as const),
    );
    return new Map([...all, ['bootSeconds', show(bootSeconds)]]);
  }

  test.each(CHIP_NAMES.map((chip, i) => ({ chip, column: i + 2 })))('are those of $chip', ({ chip, column }) => {
    const documented = new Map(rows.map(row => [named([row])[0] as string, row[column] as string]));
    expect(documented.size).toBe(rows.length);
    const byName = ([a]: [string, string], [b]: [string, string]): number => (a < b ? -1 : 1);
    expect([...documented].sort(byName)).toEqual([...figuresOf(chip)].sort(byName));
  });

  test('have every limit of httpdEsp32Config, and its value where that is another', () => {
    const device = httpdEsp32Config();
    const names = Object.entries(device)
      .filter(([name, value]) => ['number', 'boolean'].includes(typeof value) && !NO_FIGURES.includes(name))
      .map(([name]) => name);
    const config = rows.filter(([figure]) => figure?.startsWith('`config.'));
    expect(named(config).sort()).toEqual(names.map(name => `config.${name}`).sort());
    for (const row of config) {
      const name = (named([row])[0] as string).slice('config.'.length) as keyof typeof device;
      const value = show(device[name]);
      const told = /([\w,]+) in `httpdEsp32Config\(\)`/.exec(row.at(-1) as string)?.[1];
      expect(told ?? row[2], name).toBe(value);
      expect(told === undefined, name).toBe(row[2] === value);
    }
  });

  test.each(rows)('%s: says where it comes from', (...row) => {
    const [certainty, source] = row.slice(-2) as [string, string];
    expect(certainty).toMatch(/^(documented|assumption|measured by \w+)$/);
    expect(source).not.toBe('');
    // something that can be looked up
    if (certainty !== 'assumption') expect(source).toMatch(/`[^`]+`|\]\(https:|^the same/);
  });

  test('an ESP32 has room for four encrypted connections', () => {
    const { size, session, tlsSession } = CHIPS.esp32.heap;
    expect(Math.floor(size / (session + tlsSession))).toBe(4);
  });
});

describe('the tables of docs/device.md', () => {
  test('the options are those of deviceStart', () => {
    expect(named(table('option', 'default', 'meaning'))).toEqual(fieldsOf('src/device/device.ts', 'DeviceOptions'));
  });

  test('what can be seen is what a snapshot has', () => {
    const rows = table('field', 'what it is');
    expect(named(rows)).toEqual(fieldsOf('src/device/snapshot.ts', 'DeviceSnapshot'));
    const sessions = rows.find(([field]) => field === '`sessions`')?.[1] ?? '';
    expect(/\{ (.*?) \}/.exec(sessions)?.[1]?.split(', ')).toEqual(fieldsOf('src/device/snapshot.ts', 'DeviceSession'));
  });
});

describe('the programs of docs/device.md', () => {
  const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1] as string);
  const isTest = (block: string): boolean => block.includes("'node:test'");

  /** Runs a program of the page. @returns what it exports */
  async function run<T>(source: string): Promise<T> {
    const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-device-'));
    try {
      const file = join(folder, 'program.mts');
      const url = (path: string): string => `'${pathToFileURL(join(ROOT, path)).href}'`;
      const program = source
        .replaceAll("'esp-httpd'", url('src/index.ts'))
        .replaceAll("'esp-httpd/device'", url('src/device/index.ts'))
        .replace('serverPort: 8080', "serverPort: 0, host: '127.0.0.1'")
        // nobody waits longer than needed
        .replaceAll('bootSeconds: 0.3', 'bootSeconds: 0.03');
      expect(program).toContain('serverPort: 0');
      writeFileSync(file, program);
      return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as T;
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test('what is not a test is one program, which does what it says', async () => {
    const printed = vi.spyOn(console, 'log').mockImplementation(() => {});
    try {
      const source = blocks.filter(block => !isTest(block)).join('\n');
      const module = await run<{ device: Device }>(`${source}\nexport { device };\n`);
      await using device = module.device;
      const { boots, state, link, heap } = device.snapshot();
      expect({ boots, state, latencyMs: link.latencyMs }).toEqual({ boots: 3, state: 'running', latencyMs: 150 });
      expect(heap).toEqual({ size: 235_520, free: 235_520, minimumFree: 235_520 - 9_600 });
      const lines = printed.mock.calls.map(([line]) => String(line));
      expect(lines).toEqual([
        expect.stringMatching(/^\{"at":[\d.]+,"setLink":\{"latencyMs":150,"bandwidthUp":500000\}\}$/),
        expect.stringMatching(/^\{"at":[\d.]+,"stall":0.2\}$/),
        expect.stringMatching(/^\{"at":[\d.]+,"wifiDown":3\}$/),
        expect.stringMatching(/^\{"at":[\d.]+,"reboot":\{"bootSeconds":0.03\}\}$/),
        'reboot',
        `handlers can be reached at port ${device.port}`,
        expect.stringMatching(/^\{"at":[\d.]+,"brownOut":\{"bootSeconds":0.03\}\}$/),
        'brownOut',
        `handlers can be reached at port ${device.port}`,
        '5',
        '235520 of 235520 bytes, at least 225920',
      ]);
    } finally {
      printed.mockRestore();
    }
  });

  test("README's runs too", async () => {
    const section = read('README.md').split('## The device without the device')[1] ?? '';
    const program = /```ts\n([\s\S]*?)```/.exec(section)?.[1] ?? '';
    const module = await run<{ device: Device }>(`${program}\nexport { device };\n`);
    await using device = module.device;
    expect(await (await fetch(`http://127.0.0.1:${device.port}/`)).text()).toBe('hello');
  });

  test('the test is one that passes', async () => {
    const [block = ''] = blocks.filter(isTest);
    const tests: (() => Promise<void>)[] = [];
    vi.stubGlobal('documentedTest', (_name: string, fn: () => Promise<void>) => tests.push(fn));
    try {
      await run(block.replace("import { test } from 'node:test';", 'const test = globalThis.documentedTest;'));
      expect(tests).toHaveLength(1);
      for (const fn of tests) await fn();
    } finally {
      vi.unstubAllGlobals();
    }
  });
});
