/** The processes of a measurement: a server, and a load generator against it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ServerName } from './cases.js';
import { pinned } from './tools.js';

/** How long a server may take to answer on its channel, in ms. */
const PATIENCE = 30_000;

/** Bytes of a server process after garbage collection. */
export interface MemoryUse {
  readonly rss: number;
  /** heapUsed + external of `process.memoryUsage()`. */
  readonly used: number;
}

/** A server under test, in a process of its own. */
export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
    /** What it answers a GET with. */
    readonly body: string,
  ) {}

  static async start(name: ServerName, core: number | undefined): Promise<ServerProcess> {
    const file = fileURLToPath(new URL(`./servers/${name}.mjs`, import.meta.url));
    const [command, args] = pinned(core, process.execPath, ['--expose-gc', file]);
    const child = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, HTTPD_LOG: 'warn' },
    });
    const { port, body } = await answerOf<{ port: number; body: string }>(child);
    return new ServerProcess(child, port, body);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Its memory, after a garbage collection. */
  async memory(): Promise<MemoryUse> {
    this.child.send('memory');
    return answerOf<MemoryUse>(this.child);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}

async function answerOf<T>(child: ChildProcess): Promise<T> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(PATIENCE)]);
  try {
    const [message] = await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(([code]) => {
        throw new Error(`a server has ended with ${String(code)}`);
      }),
    ]);
    return message as T;
  } finally {
    stop.abort();
  }
}

/** What a load generator has counted, all answers checked. */
export interface Counted {
  readonly answers: number;
  readonly seconds: number;
  /** CPU seconds of the server's process in that time, and of the load generator's. */
  readonly serverCpu: number;
  readonly loadCpu: number;
}

/** Runs a load generator that counts. */
export async function runLoad(core: number | undefined, program: string, args: readonly string[]): Promise<Counted> {
  const load = new LoadProcess(core, program, args);
  const line = await load.line();
  await load.end();
  return JSON.parse(line) as Counted;
}

/** A load generator: prints lines, and takes lines. */
export class LoadProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly exited: Promise<unknown[]>;

  constructor(core: number | undefined, program: string, args: readonly string[]) {
    this.child = spawn(...pinned(core, program, args), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.exited = once(this.child, 'exit');
    this.exited.catch(() => {});
    if (this.child.stdout === null) throw new Error('the load generator has no output');
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** Its next line. */
  async line(): Promise<string> {
    const { done, value } = await this.lines.next();
    if (done === true) throw new Error('the load generator has ended: an answer was wrong, or did not come');
    return value;
  }

  /** Lets it go on. */
  go(): void {
    this.child.stdin?.write('\n');
  }

  /** Waits for its end. */
  async end(): Promise<void> {
    const [code] = await this.exited;
    if (code !== 0) throw new Error(`the load generator has ended with ${String(code)}`);
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }
}
