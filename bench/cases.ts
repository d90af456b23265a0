/** What is measured, against whom, and what this project demands of itself. */

/** What a GET is answered with. */
export const BODY = 'Hello, world! This is the answer that the load generator compares byte by byte.';

interface Server {
  readonly label: string;
  /** A file in `servers/`: run by Node.js, or compiled. */
  readonly file: `${string}.mjs` | 'c_epoll.c';
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const ourServer = (port: string): Server => ({ label: `esp-httpd, ${port}`, file: 'ours.mjs', args: [port] });

export const SERVERS = {
  node_http: { label: 'node:http', file: 'node_http.mjs' },
  fastify: { label: 'fastify', file: 'fastify.mjs' },
  send: { label: 'send', file: 'send.mjs' },
  // ws takes bufferutil by itself where it is installed
  ws: { label: 'ws', file: 'ws.mjs', env: { WS_NO_BUFFER_UTIL: '1' } },
  ws_native: { label: 'ws + bufferutil', file: 'ws.mjs', env: { WS_NO_BUFFER_UTIL: '' } },
  net: ourServer('net'),
  epoll: ourServer('epoll'),
  c: { label: 'C', file: 'c_epoll.c' },
} as const satisfies Readonly<Record<string, Server>>;

export type ServerName = keyof typeof SERVERS;

/** @returns the description of a server */
export function serverOf(name: ServerName): Server {
  return SERVERS[name];
}

/** Whose figures are demanded and compared. */
export const OURS = 'epoll' satisfies ServerName;

/** What a measurement tells, each a number. `figures.ts` has their units. */
export type Figure = 'perSecond' | 'cpu' | 'p50' | 'p99' | 'loadBusy' | 'opened' | 'rss' | 'used' | 'idleCpu';

/** What ours must reach: a multiple of a peer's figure, or without a peer the figure itself. */
export interface Bar {
  readonly figure: Figure;
  readonly against?: ServerName;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** A source in `load/`, without its extension. */
export type LoadName = 'http' | 'ws' | 'idle';

interface Common {
  readonly name: string;
  readonly title: string;
  /** In the order in which they take turns; the first is the main peer. */
  readonly servers: readonly [ServerName, ...ServerName[]];
  readonly bars: readonly Bar[];
}

/** Answers per second, and what one costs. */
export interface Throughput extends Common {
  readonly kind: 'throughput';
  readonly load: Exclude<LoadName, 'idle'>;
  /** What the load generator does, with messages or files of this length; other GETs have none. */
  readonly does: readonly [string, size?: number];
  /** Are messages sent compressed, from what the bench has prepared? */
  readonly compressed?: boolean;
  /** Connections, and messages in flight on each. */
  readonly conns: number;
  readonly depth: number;
}

/** What idle connections cost. */
export interface Idle extends Common {
  readonly kind: 'idle';
  readonly protocol: 'http' | 'ws';
  /** Connections before the first look, and between the two looks. */
  readonly warmup: number;
  readonly conns: number;
}

export type Case = Throughput | Idle;

const http = { kind: 'throughput', load: 'http', servers: ['node_http', 'fastify', 'net', 'epoll', 'c'] } as const;
const ws = { kind: 'throughput', load: 'ws', servers: ['ws', 'ws_native', 'net', 'epoll', 'c'] } as const;
const deflate = { kind: 'throughput', load: 'ws', compressed: true, servers: ['ws', 'net', 'epoll'] } as const;
const file = { kind: 'throughput', load: 'http', servers: ['send', 'net', 'epoll'] } as const;
// together what our server takes by default
const idle = { kind: 'idle', warmup: 500, conns: 9_500 } as const;
const quiet: Bar = { figure: 'idleCpu', atMost: 0.5 };

const faster = (against: ServerName, atLeast: number): Bar => ({ figure: 'perSecond', against, atLeast });

export const CASES: readonly Case[] = [
  {
    ...http,
    name: 'get',
    title: 'GET',
    does: ['get'],
    conns: 50,
    depth: 1,
    bars: [faster('node_http', 3.5), faster('fastify', 4), { figure: 'cpu', against: 'node_http', atMost: 0.3 }],
  },
  { ...http, name: 'get-browser', title: 'GET, 12 headers', does: ['browser'], conns: 50, depth: 1, bars: [] },
  {
    ...http,
    name: 'get-16',
    title: 'GET, pipelined by 16',
    does: ['get'],
    conns: 50,
    depth: 16,
    bars: [faster('node_http', 9)],
  },
  { ...http, name: 'post', title: 'POST 1 KiB, and back', does: ['post', 1024], conns: 50, depth: 1, bars: [] },
  {
    ...http,
    name: 'upload-1m',
    title: 'POST 1 MiB, dropped',
    servers: ['node_http', 'net', 'epoll'],
    does: ['drop', 1_048_576],
    conns: 4,
    depth: 1,
    bars: [],
  },
  {
    ...file,
    name: 'file-1k',
    title: 'file of 1 KiB',
    does: ['file', 1024],
    conns: 50,
    depth: 1,
    bars: [faster('send', 1.5)],
  },
  {
    ...file,
    name: 'file-64k',
    title: 'file of 64 KiB',
    does: ['file', 65_536],
    conns: 10,
    depth: 1,
    bars: [faster('send', 1.5)],
  },
  {
    ...file,
    name: 'file-1m',
    title: 'file of 1 MiB',
    does: ['file', 1_048_576],
    conns: 4,
    depth: 1,
    bars: [faster('send', 1.5)],
  },
  { ...ws, name: 'echo', title: 'echo 32 B', does: ['echo', 32], conns: 50, depth: 1, bars: [faster('ws', 2.5)] },
  {
    ...ws,
    name: 'echo-16',
    title: 'echo 32 B, 16 in flight',
    does: ['echo', 32],
    conns: 50,
    depth: 16,
    bars: [faster('ws', 12)],
  },
  { ...ws, name: 'echo-1k', title: 'echo 1 KiB', does: ['echo', 1024], conns: 50, depth: 1, bars: [] },
  {
    ...ws,
    name: 'echo-64k',
    title: 'echo 64 KiB',
    does: ['echo', 65_536],
    conns: 10,
    depth: 1,
    bars: [faster('ws', 4), faster('ws_native', 1.5)],
  },
  { ...ws, name: 'echo-1m', title: 'echo 1 MiB', does: ['echo', 1_048_576], conns: 4, depth: 1, bars: [] },
  {
    ...deflate,
    name: 'deflate-1k',
    title: 'echo 1 KiB of JSON, deflate',
    does: ['deflate', 1024],
    conns: 50,
    depth: 1,
    bars: [faster('ws', 1.5)],
  },
  {
    ...deflate,
    name: 'deflate-1k-16',
    title: 'echo 1 KiB of JSON, deflate, 16 in flight',
    does: ['deflate', 1024],
    conns: 50,
    depth: 16,
    bars: [faster('ws', 1.5)],
  },
  {
    ...ws,
    name: 'broadcast',
    title: 'loop of sends, 100 B to 1,000',
    does: ['loop', 100],
    conns: 1_000,
    depth: 1,
    bars: [],
  },
  {
    ...ws,
    name: 'broadcast-1000',
    title: 'wsBroadcast 100 B to 1,000',
    does: ['broadcast', 100],
    conns: 1_000,
    depth: 1,
    bars: [faster('ws', 4)],
  },
  {
    ...ws,
    name: 'broadcast-1000-16',
    title: 'wsBroadcast 100 B to 1,000, 16 in flight',
    does: ['broadcast', 100],
    conns: 1_000,
    depth: 16,
    bars: [faster('ws', 4)],
  },
  {
    ...idle,
    name: 'idle-http',
    title: 'idle HTTP connection',
    protocol: 'http',
    servers: ['node_http', 'fastify', 'net', 'epoll', 'c'],
    bars: [quiet],
  },
  {
    ...idle,
    name: 'idle-ws',
    title: 'idle WebSocket',
    protocol: 'ws',
    servers: ['ws', 'net', 'epoll', 'c'],
    bars: [{ figure: 'used', atMost: 1024 }, quiet],
  },
];
