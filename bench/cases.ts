/** What is measured, against whom, and what this project demands of itself. */

/** A file in `servers/`, without its extension. */
export type ServerName = 'ours' | 'node_http' | 'ws';
/** A file in `load/`, without its extension. */
export type LoadName = 'http_get' | 'ws_echo' | 'ws_idle';

interface Named {
  readonly name: string;
  readonly title: string;
  readonly peer: Exclude<ServerName, 'ours'>;
}

/** Answers per second: more is better. */
export interface Throughput extends Named {
  readonly kind: 'throughput';
  readonly load: Exclude<LoadName, 'ws_idle'>;
  /** Connections, and messages in flight on each. */
  readonly conns: number;
  readonly depth: number;
  /** Bytes of a message's payload. */
  readonly size?: number;
  /** Ours must reach so many times the peer's; undefined: it is only reported. */
  readonly atLeast: number | undefined;
}

/** Memory per idle connection: less is better. */
export interface Memory extends Named {
  readonly kind: 'memory';
  /** Connections before the first look, and between the two looks. */
  readonly warmup: number;
  readonly conns: number;
  /** Ours may reach so many times the peer's. */
  readonly atMost: number;
}

export type Case = Throughput | Memory;

export const LABELS: Readonly<Record<ServerName, string>> = { ours: 'esp-httpd', node_http: 'node:http', ws: 'ws' };

const get = { kind: 'throughput', peer: 'node_http', load: 'http_get' } as const;
const echo = { kind: 'throughput', peer: 'ws', load: 'ws_echo' } as const;

export const CASES: readonly Case[] = [
  { ...get, name: 'get', title: 'GET, keep-alive', conns: 50, depth: 1, atLeast: 2 },
  { ...get, name: 'get-pipelined', title: 'GET, pipelined by 16', conns: 50, depth: 16, atLeast: 5 },
  { ...echo, name: 'echo', title: 'WebSocket echo, 32 B', conns: 50, depth: 1, size: 32, atLeast: 1.2 },
  { ...echo, name: 'echo-16', title: 'WebSocket echo, 32 B, 16 in flight', conns: 50, depth: 16, size: 32, atLeast: 6 },
  { ...echo, name: 'echo-64k', title: 'WebSocket echo, 64 KiB', conns: 10, depth: 1, size: 65_536, atLeast: undefined },
  { kind: 'memory', peer: 'ws', name: 'idle', title: 'idle WebSocket', warmup: 500, conns: 9_000, atMost: 0.6 },
];
