/** The processes of a measurement: a server, and a load generator against it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BODY, type ServerName, serverOf } from './cases.js';
import { type Programs, pinned } from './tools.js';

/** How long a server may take to answer on its channel, in ms. */
const PATIENCE = 30_000;

type Env = Readonly<Record<string, string | undefined>>;

/** A server under test, in a process of its own. */
export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static start(programs: Programs, core: number | undefined, name: ServerName, more: Env = {}): Promise<ServerProcess> {
    const { file, args = [], env } = serverOf(name);
    if (file !== 'c_epoll.c') return ServerProcess.startNode(core, file, args, { ...env, ...more });
    return ServerProcess.spawn(pinned(core, programs.path('servers/c_epoll'), [BODY]), {});
  }

  /** Starts one of `servers/` that is run by Node.js. */
  static startNode(
    core: number | undefined,
    file: `${string}.mjs`,
    args: readonly string[],
    env: Env,
  ): Promise<ServerProcess> {
    const node = ['--expose-gc', fileURLToPath(new URL(`./servers/${file}`, import.meta.url)), BODY, ...args];
    return ServerProcess.spawn(pinned(core, process.execPath, node), env);
  }

  private static async spawn(command: [string, string[]], env: Env): Promise<ServerProcess> {
    const child = spawn(...command, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, HTTPD_LOG: 'warn', ...env },
    });
    const { port } = await answerOf<{ port: number }>(child);
    return new ServerProcess(child, port);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Makes it collect its garbage. Returns the bytes that it uses then: heapUsed + external, if it is Node.js. */
  async collect(): Promise<number | undefined> {
    this.child.send('collect');
    return (await answerOf<{ used?: number }>(this.child)).used;
  }

  /** Bytes of its memory that are resident, counted page by page: what `status` says can be 100 pages behind. */
  rss(): number {
    const [, kilobytes] = /^Rss: +(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/smaps_rollup`, 'latin1')) ?? [];
    if (kilobytes === undefined) throw new Error('the system does not tell the memory of a process');
    return Number(kilobytes) * 1024;
  }

  /** What `/proc/<pid>/status` says of its memory, in bytes: `VmRSS`, or `VmHWM`, the highest that this has been. */
  status(field: 'VmRSS' | 'VmHWM'): number {
    const text = readFileSync(`/proc/${this.pid}/status`, 'latin1');
    const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text) ?? [];
    if (kilobytes === undefined) throw new Error('the system does not tell the memory of a process');
    return Number(kilobytes) * 1024;
  }

  /** `VmHWM` begins anew (proc_pid_clear_refs(5)). */
  forgetPeak(): void {
    writeFileSync(`/proc/${this.pid}/clear_refs`, '5');
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

/** A load generator: prints lines of JSON, and takes input. */
export class LoadProcess {
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly exited: Promise<unknown[]>;

  constructor(core: number | undefined, program: string, args: readonly string[]) {
    this.child = spawn(...pinned(core, program, args), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.exited = once(this.child, 'exit');
    this.exited.catch(() => {});
    // one that has ended reads nothing, and has said why
    this.child.stdin?.on('error', () => {});
    if (this.child.stdout === null) throw new Error('the load generator has no output');
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** What its next line says. */
  async line<T = unknown>(): Promise<T> {
    const { done, value } = await this.lines.next();
    if (done === true) throw new Error('the load generator has ended: an answer was wrong, or did not come');
    return JSON.parse(value) as T;
  }

  /** Lets it go on. */
  go(): void {
    this.give('\n');
  }

  /** What it reads. */
  give(input: Buffer | string): void {
    this.child.stdin?.write(input);
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
