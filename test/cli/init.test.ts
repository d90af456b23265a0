import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { dependencyOn, init } from '../../src/cli/init.js';
import { checkScenario } from '../../src/device/scenario.js';

const OURS = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));

let temp: string;
let made = 0;

beforeAll(() => {
  // a name with spaces: npm's are free of them, folders are not
  temp = mkdtempSync(join(tmpdir(), 'esp httpd init '));
});
afterAll(() => rmSync(temp, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

function newFolder(): string {
  made += 1;
  return join(temp, `device-${made}`);
}

async function run(...args: string[]): Promise<{ status: number; out: string; err: string }> {
  const lines = { log: '', error: '' };
  for (const name of ['log', 'error'] as const) {
    vi.spyOn(console, name).mockImplementation(text => {
      lines[name] += `${text}\n`;
    });
  }
  return { status: await init(args), out: lines.log, err: lines.error };
}

function filesOf(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function packageOf(folder: string) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

describe('esp-httpd init', () => {
  test('writes a project into a new folder, and says what to do next', async () => {
    const folder = newFolder();
    const { status, out, err } = await run(folder);
    expect(err).toBe('');
    expect(status).toBe(0);
    expect(filesOf(folder)).toEqual([
      '.gitignore',
      'README.md',
      'app.ts',
      'package.json',
      'public/index.html',
      'public/page.js',
      'public/reconnect.js',
      'public/style.css',
      'scenario.json',
      'test/reboot.test.ts',
      'tsconfig.json',
    ]);
    for (const file of filesOf(folder)) expect(readFileSync(join(folder, file), 'utf8'), file).not.toContain('{{');
    expect(out).toContain(`  cd "${relative('.', folder)}"\n  npm install\n  npm start `);
  });

  test('names the project after its folder, also one that is there and empty', async () => {
    const folder = newFolder();
    mkdirSync(folder);
    expect((await run(`${folder}/`)).status).toBe(0);
    expect(packageOf(folder).name).toBe(`device-${made}`);
    expect(readFileSync(join(folder, 'public/index.html'), 'utf8')).toContain(`<title>device-${made}</title>`);
  });

  test('asks for the packages that this one is tested with', async () => {
    const folder = newFolder();
    await run(folder);
    const { engines, dependencies, devDependencies } = packageOf(folder);
    expect(engines).toEqual(OURS.engines);
    expect(Object.keys(dependencies)).toEqual(['esp-httpd']);
    expect(Object.keys(devDependencies)).toEqual(['@types/node', 'tsx', 'typescript', 'undici']);
    expect({ ...OURS.dependencies, ...OURS.devDependencies }).toMatchObject(devDependencies);
  });

  test('has a scenario that can be played, and scripts that name our command', async () => {
    const folder = newFolder();
    await run(folder);
    const text = (file: string) => readFileSync(join(folder, file), 'utf8');
    expect(checkScenario(JSON.parse(text('scenario.json')))).not.toEqual([]);
    const told = [...text('README.md').matchAll(/`(\{ "at": .*?)`/g)].map(([, step = '']) => JSON.parse(step));
    expect(checkScenario(told)).toHaveLength(5);
    const { start, dev } = packageOf(folder).scripts;
    expect(start).toMatch(/^(exec )?esp-httpd device app\.ts /);
    expect(dev).toContain(`node_modules/esp-httpd/${OURS.bin['esp-httpd']} device app.ts `);
  });

  test('never writes into a folder that is not empty', async () => {
    const folder = newFolder();
    mkdirSync(folder);
    writeFileSync(join(folder, 'app.ts'), 'mine');
    const { status, out, err } = await run(folder);
    expect(err).toBe(`The folder '${folder}' is not empty. Choose one that is new or empty: nothing is overwritten.\n`);
    expect([status, out]).toEqual([1, '']);
    expect(filesOf(folder)).toEqual(['app.ts']);
  });

  test.each(['.git', '.env'])('a folder in which there is %s only is not empty', async name => {
    const folder = newFolder();
    mkdirSync(folder);
    writeFileSync(join(folder, name), 'mine');
    const { status, err } = await run(folder);
    expect(err).toContain(' is not empty. ');
    expect(status).toBe(1);
    expect(filesOf(folder)).toEqual([name]);
  });

  test('says in words that a file is in the way', async () => {
    const file = newFolder();
    writeFileSync(file, '');
    expect(await run(file)).toMatchObject({
      status: 1,
      err: `'${file}' is a file. Choose a folder that is new or empty.\n`,
    });
    const below = await run(join(file, 'device'));
    expect(below.err).toMatch(/^The project can't be written into '.*': ENOTDIR/);
    expect(below.status).toBe(1);
  });

  test('--help says how it is used', async () => {
    expect(await run('--help')).toMatchObject({
      status: 0,
      out: expect.stringMatching(/^Usage: npx esp-httpd init </),
    });
  });

  test.each([
    [[], 'Which folder? '],
    [[''], 'Which folder? '],
    [['a', 'b'], "One argument is the folder; 'b' is too much."],
    [['--force', 'a'], "Unknown option '--force'"],
    [['My-Device'], "'My-Device' can't be the name of a package"],
    [['my device'], "'my device' can't be the name of a package"],
    [['.device'], "'.device' can't be the name of a package"],
    [['_device'], "'_device' can't be the name of a package"],
    [['gerät'], "'gerät' can't be the name of a package"],
    [['x'.repeat(215)], `'${'x'.repeat(215)}' can't be the name of a package`],
    [['http'], "'http' is the name of another package"],
    [['node_modules'], "'node_modules' is the name of another package"],
    [['esp-httpd'], "'esp-httpd' is the name of another package"],
    [['tsx'], "'tsx' is the name of another package"],
  ])('%j is wrong usage', async (args, message) => {
    const { status, out, err } = await run(...args);
    expect(err.startsWith(message), err).toBe(true);
    expect(err.endsWith('\nHelp: npx esp-httpd init --help\n'), err).toBe(true);
    expect(err.trimEnd().split('\n')).toHaveLength(2);
    expect([status, out]).toEqual([2, '']);
  });
});

describe('the project asks for the esp-httpd that runs', () => {
  /** Where npm has installed it, and has written down that it comes from there. */
  function installedFrom(lock: string | undefined): string {
    const root = newFolder();
    const folder = join(root, 'node_modules/esp-httpd');
    mkdirSync(folder, { recursive: true });
    if (lock !== undefined) writeFileSync(join(root, 'node_modules/.package-lock.json'), lock);
    return folder;
  }

  const resolvedTo = (resolved: string | undefined) =>
    JSON.stringify({ packages: { 'node_modules/esp-httpd': { version: '1.2.3', resolved } } });

  test.each([
    ['a registry', resolvedTo('https://registry.example/esp-httpd/-/esp-httpd-1.2.3.tgz')],
    ['a registry, which npm is told not to write down', resolvedTo(undefined)],
    ['somewhere, and npm has written nothing', undefined],
    ['somewhere, and npm has written something else', '{'],
  ])('by its version, if it comes from %s', (_, lock) => {
    expect(dependencyOn(installedFrom(lock), 'esp-httpd', '1.2.3')).toBe('^1.2.3');
  });

  test('by the path of its tarball', () => {
    const folder = installedFrom(resolvedTo('file:../my files/esp-httpd-1.2.3.tgz'));
    expect(dependencyOn(folder, 'esp-httpd', '1.2.3')).toBe(`file:${join(temp, 'my files/esp-httpd-1.2.3.tgz')}`);
  });

  test('by the URL of its tarball', () => {
    const url = 'https://example.com/releases/esp-httpd-1.2.3.tgz';
    expect(dependencyOn(installedFrom(resolvedTo(url)), 'esp-httpd', '1.2.3')).toBe(url);
  });

  test('by the path of a checkout, linked or not', () => {
    expect(dependencyOn('/home/me/esp-httpd', 'esp-httpd', '1.2.3')).toBe('file:/home/me/esp-httpd');
  });
});
