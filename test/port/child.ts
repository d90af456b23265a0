/** Programs of test/port that run in a process of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, vi } from 'vitest';
import { compiled } from '../support/compiled.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

export interface Program {
  readonly process: ChildProcess;
  /** What it has printed so far. */
  readonly output: string;
  /** How it ended. */
  readonly ended: Promise<{ code: number | null; signal: string | null; output: string }>;
  /** Sends a message, and gives the answer. */
  ask<T>(message: unknown): Promise<T>;
  /** Waits until it has printed this. */
  prints(pattern: RegExp): Promise<RegExpExecArray>;
}

/** Runs a program of this directory; `maxFds` is how many descriptors it may have (RLIMIT_NOFILE). Ended behind the test. */
export function run(name: string, args: string[] = [], options: { maxFds?: number; ipc?: boolean } = {}): Program {
  const node = [process.execPath, compiled(`test/port/${name}`), ...args];
  const limit = options.maxFds === undefined ? '' : `ulimit -n ${options.maxFds} && `;
  const child = spawn('sh', ['-c', `${limit}exec "$@"`, 'sh', ...node], {
    cwd: ROOT,
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe', ...(options.ipc ? (['ipc'] as const) : [])],
  });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, output }));
  return {
    process: child,
    get output() {
      return output;
    },
    ended,
    async ask(message) {
      const answer = once(child, 'message');
      child.send(message as object);
      const over = ended.then(() => Promise.reject(new Error(`the program has ended: ${output}`)));
      const [got] = await Promise.race([answer, over]);
      return got;
    },
    prints: pattern =>
      vi.waitFor(
        () => {
          const found = pattern.exec(output);
          if (found === null) throw new Error(`it has not printed ${pattern}, but: ${output}`);
          return found;
        },
        { timeout: 10_000, interval: 10 },
      ),
  };
}
