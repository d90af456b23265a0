/** A new project from the packed tarball, the way a user has it; the registry is ours, and nothing goes beyond 127.0.0.1. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { packRelease } from '../support/pack.js';
import { type Registry, startRegistry } from './registry_fixture.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NAME = 'my-device';
/** npm and compilers, on a machine that does much else. */
const SLOW_MS = 120_000;

let temp: string;
let project: string;
let registry: Registry;
let env: Record<string, string>;
const running = new Set<ChildProcess>();

/** @returns what it has printed */
async function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(command, args, { cwd, env })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

beforeAll(async () => {
  temp = mkdtempSync(join(tmpdir(), 'esp-httpd-project-'));
  const place = join(temp, 'work place');
  mkdirSync(place);
  // without koffi, which need not be there
  registry = await startRegistry(['koffi']);
  env = {
    // nothing that npm or vitest have put there
    PATH: process.env.PATH ?? '',
    HOME: temp,
    TMPDIR: temp,
    npm_config_registry: registry.url,
    npm_config_cache: join(temp, 'cache'),
    npm_config_globalconfig: join(temp, 'npmrc'),
    npm_config_audit: 'false',
    npm_config_fund: 'false',
    npm_config_update_notifier: 'false',
  };
  const tarball = await packRelease(place, env);
  await run(place, 'npx', '--yes', `./${basename(tarball)}`, 'init', NAME);
  project = join(place, NAME);
  await run(project, 'npm', 'install');
}, SLOW_MS);

afterAll(async () => {
  for (const { pid } of running) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  await registry?.stop();
  rmSync(temp, { recursive: true, force: true, maxRetries: 3 });
});

/** `npm run <script>`, in a process group of its own, as a terminal has it. */
function npmRun(script: string, ...args: string[]) {
  const child = spawn('npm', ['run', script, '--', ...args], { cwd: project, env, detached: true });
  running.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text;
    });
  }
  const ended = once(child, 'close').then(([status]) => {
    running.delete(child);
    return status as number | null;
  });
  return {
    ended,
    output: () => output,
    async printed(pattern: RegExp): Promise<string> {
      for (;;) {
        const found = pattern.exec(output)?.[1];
        if (found !== undefined) return found;
        const more = await Promise.race([once(child.stdout, 'data'), ended]);
        if (!Array.isArray(more)) throw new Error(`ended with status ${more}:\n${output}`);
      }
    },
    /** Ctrl-C goes to the whole group. */
    interrupt: () => process.kill(-(child.pid as number), 'SIGINT'),
    /** SIGTERM goes to npm only, as from who has started it. */
    terminate: () => child.kill('SIGTERM'),
  };
}

describe('npx esp-httpd init, npm install', () => {
  test('the project has what it says, and asks for the tarball again', () => {
    const { name, dependencies } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(name).toBe(NAME);
    expect(dependencies).toEqual({
      'esp-httpd': expect.stringMatching(new RegExp(`^file:/.*/work place/esp-httpd-${version}\\.tgz$`)),
    });
    expect(existsSync(join(project, '.gitignore'))).toBe(true);
    expect(existsSync(join(project, 'node_modules/koffi'))).toBe(false);
  });

  test(
    'npm start stops at SIGTERM, and leaves nothing that runs',
    async () => {
      const program = npmRun('start', '--port', '0', '--control', '0');
      await program.printed(/device: (control page): /);
      program.terminate();
      await program.ended;
      expect(program.output()).toMatch(/device: Stopped\n/);
    },
    SLOW_MS,
  );

  test(
    'npm start: GET, the page, its WebSocket and the control page are there, until Ctrl-C',
    async () => {
      const program = npmRun('start', '--port', '0', '--control', '0');
      const url = await program.printed(/device: app\.ts: (http:\/\/127\.0\.0\.1:\d+)\/\n/);
      const control = await program.printed(/device: control page: (http:\/\/127\.0\.0\.1:\d+)\/\n/);

      const answer = await fetch(`${url}/api/hello`);
      expect(answer.headers.get('content-type')).toBe('application/json');
      expect(await answer.json()).toEqual({ name: NAME, uptime: expect.any(Number) });
      const page = await (await fetch(url)).text();
      expect(page).toContain(`<h1>${NAME}</h1>`);
      const [, script = ''] = /src="(.*?)"/.exec(page) ?? [];
      expect((await fetch(new URL(script, url))).headers.get('content-type')).toMatch(/^text\/javascript/);
      expect((await fetch(control)).status).toBe(200);

      const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { origin: url });
      const [status] = await once(socket, 'message');
      expect(JSON.parse(String(status))).toEqual({ name: NAME, uptime: expect.any(Number) });
      socket.send('hello');
      for await (const [message] of messagesOf(socket)) if (message === 'hello') break;

      const closed = once(socket, 'close');
      program.interrupt();
      expect((await closed)[0]).toBe(1001);
      await program.ended;
      expect(program.output()).toContain('device: Stopped\n');
    },
    SLOW_MS,
  );

  test(
    'npm run dev boots anew whenever app.ts is saved, in place or by an editor that renames, until SIGTERM',
    async () => {
      const program = npmRun('dev', '--port', '0', '--control', '0');
      const times = (text: string) => program.output().split(text).length - 1;
      const [boots, changes] = [() => times('Returned from app_main()'), () => times('[tsx] change in ')];
      await program.printed(/device: (control page): /);
      const app = join(project, 'app.ts');
      const whole = readFileSync(app, 'utf8');
      const inPlace = (text: string) => writeFileSync(app, text);
      const byRename = (text: string) => {
        writeFileSync(`${app}~`, text);
        renameSync(`${app}~`, app);
      };
      // a watcher of the file that was there first sees the first rename only
      for (const [i, save] of [byRename, byRename, inPlace].entries()) {
        const [booted, seen] = [boots(), changes()];
        // what has booted may not be watched yet
        const saved = () => {
          if (changes() === seen) save(`${whole}// ${i}\n`);
          return changes();
        };
        await expect.poll(saved, { timeout: 20_000, interval: 1_000 }).toBeGreaterThan(seen);
        await expect.poll(boots, { timeout: 20_000 }).toBeGreaterThan(booted);
      }
      inPlace(whole);
      program.terminate();
      await program.ended;
      expect(program.output()).toMatch(/device: Stopped\n/);
    },
    SLOW_MS,
  );

  test(
    'npm test passes: the page connects again when the device has booted again',
    async () => {
      const output = await run(project, 'npm', 'test');
      // as TAP; or, since Node.js 23, for people
      expect(output).toMatch(/^(ok \d+ -|✔) the page connects again when the device has booted again\b/m);
      expect(output).toMatch(/^[#ℹ] fail 0$/m);
    },
    SLOW_MS,
  );

  test(
    'npm run typecheck finds nothing',
    async () => {
      await run(project, 'npm', 'run', 'typecheck');
    },
    SLOW_MS,
  );
});

/** Each second the device says how long it is up, so an answer need not be the next message. */
async function* messagesOf(socket: WebSocket): AsyncGenerator<[string]> {
  for (;;) {
    const [data] = await once(socket, 'message');
    yield [String(data)];
  }
}
