/** The processes of a measurement: a server, and a load generator against it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BODY, type ServerName, serverOf } from './cases.js';
import { type Programs, pinned } from './tools.js';

/** How long a server may take to answer on its channel, in ms. */
const PATIENCE = 30_000;

/** A server under test, in a process of its own. */
export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(programs: Programs, core: number | undefined, name: ServerName): Promise<ServerProcess> {
    const { file, args = [], env } = serverOf(name);
    const node = ['--expose-gc', fileURLToPath(new URL(`./servers/${file}`, import.meta.url)), BODY, ...args];
    const command =
      file === 'c_epoll.c'
        ? pinned(core, programs.path('servers/c_epoll'), [BODY])
        : pinned(core, process.execPath, node);
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
