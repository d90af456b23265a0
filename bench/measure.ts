/** One measurement: a fresh server, a load, a result. */
import { LABELS, type Memory, type ServerName, type Throughput } from './cases.js';
import { LoadProcess, runLoad, ServerProcess } from './processes.js';
import type { Cores, Programs } from './tools.js';

const HOST = '127.0.0.1';
/** How long a server is loaded before it counts, in seconds. */
export const WARMUP = 1.5;

export interface Bench {
  readonly programs: Programs;
  readonly cores: Cores | undefined;
  readonly seconds: number;
}

/** Throughput of one server in one round. */
export interface Speed {
  readonly perSecond: number;
  /** CPU of the server per answer, in µs. */
  readonly cpu: number;
  /** Part of its core that the load generator used. At 1 it was the limit. */
  readonly loadBusy: number;
}

export async function measureSpeed(
  bench: Bench,
  { load, size, ...plan }: Throughput,
  name: ServerName,
): Promise<Speed> {
  const { programs, cores, seconds } = bench;
  const server = await ServerProcess.start(name, cores?.server);
  try {
    const { port, pid, body } = server;
    const what = load === 'http_get' ? ['/', body] : ['/ws', size];
    const args = [HOST, port, pid, plan.conns, plan.depth, WARMUP, seconds, ...what].map(String);
    const counted = await runLoad(cores?.load, programs.path(load), args);
    if (counted.answers === 0) throw new Error(`${LABELS[name]} has answered nothing`);
    return {
      perSecond: counted.answers / counted.seconds,
      cpu: (counted.serverCpu / counted.answers) * 1e6,
      loadBusy: counted.loadCpu / counted.seconds,
    };
  } finally {
    await server.stop();
  }
}

/** Bytes per idle connection of one server in one round. */
export interface Weight {
  readonly rss: number;
  readonly used: number;
}

export async function measureWeight(bench: Bench, plan: Memory, name: ServerName): Promise<Weight> {
  const { programs, cores } = bench;
  const server = await ServerProcess.start(name, cores?.server);
  const load = new LoadProcess(cores?.load, programs.path('ws_idle'), [
    ...[HOST, server.port, '/ws', plan.warmup, plan.conns].map(String),
  ]);
  try {
    await load.line();
    const before = await server.memory();
    load.go();
    await load.line();
    const after = await server.memory();
    load.go();
    await load.line();
    await load.end();
    return { rss: (after.rss - before.rss) / plan.conns, used: (after.used - before.used) / plan.conns };
  } finally {
    load.stop();
    await server.stop();
  }
}
