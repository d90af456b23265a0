/** `npm run bench:slow`: how long other clients wait while a thousand slow ones hold connections. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { BODY, SERVERS } from './cases.js';
import { type Files, makeFiles } from './files.js';
import { ServerProcess } from './processes.js';
import { table } from './report.js';
import { buildOurs, type Cores, chooseCores, pinned } from './tools.js';

const HOST = '127.0.0.1';
/** What the 99th percentile must stay under, in ms. */
const BAR = 50;
const CONNECTIONS = 1_000;
/** How long an attack may last, in seconds; one whose connections are all closed ends before. */
const SECONDS = 15;
/** How long the server is watched without one. */
const QUIET_SECONDS = 3;
/** Time between two requests of either kind that the other client sends, in ms. */
const PERIOD = 5;
/** Descriptors that either side needs for its connections, and for what else it has open. */
const FILES_NEEDED = CONNECTIONS + 200;

interface Attack {
  readonly title: string;
  /** Arguments of slowhttptest; undefined without an attack. */
  readonly args?: readonly string[];
  readonly uri: string;
}

/** Each connects 500 times a second and sends, or reads, something every 2 seconds. */
const ATTACKS: readonly Attack[] = [
  { title: 'nobody', uri: '/' },
  { title: '-H, slow heads', args: ['-H', '-i', '2'], uri: '/' },
  { title: '-B, slow bodies', args: ['-B', '-i', '2', '-s', '100000'], uri: '/drop' },
  {
    title: '-X, slow readers',
    args: ['-X', '-n', '2', '-w', '512', '-y', '1024', '-z', '32'],
    uri: '/files/1048576.bin',
  },
];

/** What the other client has seen; latencies in ms. */
interface Seen {
  readonly kept: readonly number[];
  readonly fresh: readonly number[];
  readonly wrong: number;
}

/** What slowhttptest has told: its most connections at a time, how many were closed by the server, and why it ended. */
interface Told {
  readonly connected: number;
  readonly seconds: number;
  readonly end: string;
}

const NOBODY: Told = { connected: 0, seconds: QUIET_SECONDS, end: '' };

async function measure(
  cores: Cores | undefined,
  files: Files,
  select: 'net' | 'epoll',
  attack: Attack,
): Promise<string[]> {
  const server = await ServerProcess.startNode(cores?.server, 'ours.mjs', [select], {
    BENCH_FILES: files.folder,
    HTTPD_LOG: 'error',
  });
  const other = await startOther(cores, server.port);
  try {
    const told = await run(cores, attack, `http://${HOST}:${server.port}${attack.uri}`);
    other.send('stop');
    const [seen] = (await nextMessage(other)) as [Seen];
    return line(attack, SERVERS[select].label, told, seen);
  } finally {
    other.kill('SIGKILL');
    await server.stop();
  }
}

/** The client that others are: in a process of its own, on the core of the attacker. */
async function startOther(cores: Cores | undefined, port: number): Promise<ChildProcess> {
  const program = fileURLToPath(new URL('./load/steady.mjs', import.meta.url));
  const command = pinned(cores?.load, process.execPath, [program, String(port), BODY, String(PERIOD)]);
  const child = spawn(...command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await nextMessage(child);
  return child;
}

async function nextMessage(child: ChildProcess): Promise<unknown[]> {
  const stop = new AbortController();
  const { signal } = stop;
  try {
    return await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(() => {
        throw new Error('the other client has ended');
      }),
    ]);
  } finally {
    stop.abort();
  }
}

/** Runs an attack to its end. */
async function run(cores: Cores | undefined, { args }: Attack, url: string): Promise<Told> {
  if (args === undefined) {
    await new Promise(resolve => setTimeout(resolve, QUIET_SECONDS * 1000));
    return NOBODY;
  }
  const all = ['-c', CONNECTIONS, '-r', 500, '-l', SECONDS, '-v', 1, '-u', url].map(String);
  const child = spawn(...pinned(cores?.load, 'slowhttptest', [...args, ...all]), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('latin1').on('data', piece => {
    text += piece;
  });
  const begun = performance.now();
  await once(child, 'close');
  const seconds = (performance.now() - begun) / 1000;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it prints in colours
  const plain = text.replace(/\x1b\[[\d;]*m/g, '');
  const connected = [...plain.matchAll(/^connected: +(\d+)/gm)].map(([, n]) => Number(n));
  const [, end = 'no reason told'] = /^Exit status: *(.+)$/m.exec(plain) ?? [];
  return { connected: Math.max(0, ...connected), seconds, end: end.trim() };
}

function line({ title }: Attack, label: string, { connected, seconds, end }: Told, seen: Seen): string[] {
  const kinds = [seen.kept, seen.fresh].map(latencies => [...latencies].sort((a, b) => a - b));
  const met = seen.wrong === 0 && kinds.every(sorted => percentile(sorted, 0.99) < BAR);
  const figures = kinds.map(sorted => [0.5, 0.99, 1].map(part => percentile(sorted, part).toFixed(1)).join(' / '));
  const answers = seen.kept.length + seen.fresh.length;
  return [
    title,
    label,
    String(connected),
    `${seconds.toFixed(0)} s`,
    end,
    String(answers),
    String(seen.wrong),
    ...figures,
    met ? 'met' : 'MISSED',
  ];
}

/** Of sorted values, the one that `part` of them do not exceed. */
function percentile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN;
}

/** @throws Error with a message for a person */
function checkMachine(): void {
  if (spawnSync('slowhttptest', ['-h']).error !== undefined) {
    throw new Error("there is no 'slowhttptest' (Debian: apt-get install slowhttptest)");
  }
  // Node.js has raised its limit to the highest that there is, and what it starts has the same
  const limit = spawnSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).stdout.trim();
  if (Number(limit) < FILES_NEEDED) throw new Error(`${FILES_NEEDED} open files are needed; the limit is ${limit}`);
}

async function main(): Promise<void> {
  checkMachine();
  buildOurs();
  const cores = chooseCores();
  const files = makeFiles();
  try {
    const lines: string[][] = [];
    for (const attack of ATTACKS) {
      for (const select of ['net', 'epoll'] as const) {
        console.error(`${attack.title}: ${select} …`);
        lines.push(await measure(cores, files, select, attack));
      }
    }
    const triple = 'p50 / p99 / max, ms';
    console.log(
      `\n${table(['attack', 'server', 'slow clients', 'took', 'ended by', 'answers', 'wrong', `kept: ${triple}`, `new: ${triple}`, `p99 < ${BAR} ms`], lines)}`,
    );
  } finally {
    files.remove();
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench:slow: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
