/** One measurement: a fresh server, a load, a result. */
import {
  BODY,
  type Case,
  type Figure,
  type Idle,
  type LoadName,
  type ServerName,
  serverOf,
  type Throughput,
} from './cases.js';
import { CompressedMessages, type SeenAnswers } from './compressed.js';
import type { Files } from './files.js';
import { LoadProcess, ServerProcess } from './processes.js';
import type { Cores, Programs } from './tools.js';

const HOST = '127.0.0.1';
/** How long a server is loaded before it counts, and watched when it is idle, in seconds. */
export const WARMUP = 1;
export const IDLE_SECONDS = 3;

export interface Bench {
  readonly programs: Programs;
  readonly files: Files;
  readonly cores: Cores | undefined;
  readonly seconds: number;
}

/** The figures of one server in one case; those that the case has. */
export type Measured = Readonly<Partial<Record<Figure, number>>>;

/** @throws Error with a message for a person, if anything was not as it must be */
export async function measure(bench: Bench, plan: Case, name: ServerName): Promise<Measured> {
  const { programs, files, cores } = bench;
  // matching wildcards costs something: only cases with files ask for it
  const env = servesFiles(plan) ? { BENCH_FILES: files.folder } : {};
  const server = await ServerProcess.start(programs, cores?.server, name, env);
  const [program, args] = plan.kind === 'idle' ? idleLoad(plan) : speedLoad(bench, plan);
  const load = new LoadProcess(cores?.load, programs.path(`load/${program}`), [
    ...[HOST, server.port, server.pid, ...args].map(String),
  ]);
  try {
    return plan.kind === 'idle' ? await idleFigures(plan, server, load) : await speedFigures(plan, name, load);
  } finally {
    load.stop();
    await server.stop();
  }
}

/** A load generator and its arguments. */
type Load = [LoadName, (string | number)[]];

function servesFiles(plan: Case): boolean {
  return plan.kind === 'throughput' && plan.does[0] === 'file';
}

function speedLoad({ files, seconds }: Bench, plan: Throughput): Load {
  const { load, does, compressed, conns, depth } = plan;
  const [what, size = 0] = does;
  const message = servesFiles(plan) ? files.ofSize(size) : size || BODY;
  return [load, [conns, depth, WARMUP, seconds, what, ...(compressed ? [] : [message])]];
}

function idleLoad({ warmup, conns, protocol }: Idle): Load {
  return ['idle', [warmup, conns, IDLE_SECONDS, protocol, ...(protocol === 'http' ? [BODY] : [])]];
}

/** What a load generator has counted, all answers checked. CPU is in seconds, latencies in µs. */
interface Counted {
  readonly answers: number;
  readonly seconds: number;
  readonly serverCpu: number;
  readonly loadCpu: number;
  readonly p50: number;
  readonly p99: number;
}

async function speedFigures(plan: Throughput, name: ServerName, load: LoadProcess): Promise<Measured> {
  const messages = plan.compressed ? new CompressedMessages(plan.does[1] ?? 0) : undefined;
  if (messages !== undefined) load.give(messages.input);
  const { answers, seconds, serverCpu, loadCpu, p50, p99 } = await load.line<Counted>();
  messages?.check(await load.line<SeenAnswers>());
  await load.end();
  if (answers === 0) throw new Error(`${serverOf(name).label} has answered nothing`);
  return {
    perSecond: answers / seconds,
    cpu: (serverCpu / answers) * 1e6,
    p50,
    p99,
    loadBusy: loadCpu / seconds,
  };
}

async function idleFigures({ conns }: Idle, server: ServerProcess, load: LoadProcess): Promise<Measured> {
  await load.line();
  const usedBefore = await server.collect();
  const rssBefore = server.rss();
  load.go();
  await load.line();
  const opened = server.rss();
  const used = await server.collect();
  const rss = server.rss();
  load.go();
  const { serverCpu, seconds } = await load.line<Pick<Counted, 'serverCpu' | 'seconds'>>();
  await load.end();
  return {
    opened: (opened - rssBefore) / conns,
    rss: (rss - rssBefore) / conns,
    ...(used !== undefined && usedBefore !== undefined && { used: (used - usedBefore) / conns }),
    idleCpu: (serverCpu / seconds) * 100,
  };
}
