/** Programs of the examples as child processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import { compiled } from '../../../test/support/compiled.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const HERE = 'examples/ws_echo_server';
/** How a user starts them; the compiled ones start in a third of the time. */
const TSX = ['--import', 'tsx'];
const running = new Set<ChildProcess>();

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running.clear();
});

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Program {
  stdout = '';
  stderr = '';
  /** When it has ended, and all it has printed is here. */
  readonly ended: Promise<Ended>;
  private readonly child: ChildProcess;
  private onOutput: (() => void)[] = [];

  constructor(script: string, args: readonly string[], env: Record<string, string>, { tsx = false } = {}) {
    const { PORT: _port, HOST: _host, HTTPD_LOG: _log, HTTPD_LOG_FORMAT: _format, ...inherited } = process.env;
    const file = join(HERE, script);
    const child = spawn(process.execPath, [...(tsx ? [...TSX, file] : [compiled(file)]), ...args], {
      cwd: ROOT,
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    running.add(child);
    const collect = (name: 'stdout' | 'stderr') => (text: string) => {
      this[name] += text;
      for (const look of this.onOutput) look();
    };
    child.stdout?.setEncoding('utf8').on('data', collect('stdout'));
    child.stderr?.setEncoding('utf8').on('data', collect('stderr'));
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status, signal) => {
        running.delete(child);
        resolve({ status, signal, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  /** Waits until `pattern` has been printed; fails if the program ends before. */
  async printed(pattern: RegExp): Promise<RegExpMatchArray> {
    const found = new Promise<RegExpMatchArray>(resolve => {
      const look = () => {
        const match = this.stdout.match(pattern);
        if (match === null) return;
        this.onOutput = this.onOutput.filter(each => each !== look);
        resolve(match);
      };
      this.onOutput.push(look);
      look();
    });
    const tooSoon = this.ended.then(({ status, stdout, stderr }) => {
      const last = stdout.match(pattern);
      if (last !== null) return last;
      throw new Error(`ended with status ${status} before it printed ${pattern}:\n${stdout}${stderr}`);
    });
    return Promise.race([found, tooSoon]);
  }

  /** Stops reading what it prints, as `head` does when it has enough. */
  stopReading(): void {
    this.child.stdout?.destroy();
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** The server, on a port that the system chooses, and that port. */
export async function startExample(env: Record<string, string> = {}): Promise<{ program: Program; port: number }> {
  const program = new Program('main.ts', ['0'], { HOST: '127.0.0.1', ...env });
  const [, port] = await program.printed(/Open http:\/\/localhost:(\d+)\//);
  return { program, port: Number(port) };
}

/** Runs the driver to its end. */
export function drive(...args: string[]): Promise<Ended> {
  return new Program('ws_server_example_test.ts', args, {}).ended;
}
