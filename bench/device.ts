/** `npm run bench:device`: is a simulated device as slow, and as small, as its profile says? Seen by clients in another process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import * as http from 'node:http';
import * as https from 'node:https';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { generate } from 'selfsigned';
import type { DeviceProfile } from '../src/device/index.js';
import { median } from './figures.js';
import { table } from './report.js';
import { buildOurs } from './tools.js';

const CHIPS = ['esp32', 'esp32-s3', 'esp32-c3'] as const;
const HOST = '127.0.0.1';
/** More than a connection sends in that time, in bytes. */
const BODY = 16_000_000;
/** How long a rate is measured, and how long before the link is full, in ms. */
const RATE_MS = 4_000;
const RAMP_MS = 500;
/** So many connections fill the link. */
const MANY = 5;
const ROUND_TRIPS = 400;
/** What one way is made longer by, in ms. */
const LONGER_MS = 10;
/** For so long requests come before, in ms. */
const WARM_UP_MS = 4_000;
/** What a figure may differ from its profile by. */
const BAR = 0.05;

interface Line {
  readonly what: string;
  readonly unit: string;
  readonly configured: number;
  readonly seen: number;
}

/** A device in a process of its own. */
class DeviceProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(chip: string, select: string, tls: readonly string[] = []): Promise<DeviceProcess> {
    const script = fileURLToPath(new URL('./servers/device.mjs', import.meta.url));
    const child = spawn(process.execPath, [script, '', chip, select, ...tls], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, HTTPD_LOG: 'silent' },
    });
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new DeviceProcess(child, port);
  }

  async ask<T>(ask: string, argument?: unknown): Promise<T> {
    const answer = once(this.child, 'message');
    this.child.send({ ask, argument });
    return (await answer)[0] as T;
  }

  async stop(): Promise<void> {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await gone;
  }
}

/** A client with one connection that is kept. */
class Client {
  private readonly agent: http.Agent;

  constructor(
    private readonly port: number,
    private readonly ca?: string,
  ) {
    const options = { keepAlive: true, maxSockets: 1 };
    this.agent = ca === undefined ? new http.Agent(options) : new https.Agent(options);
  }

  /** @returns how many ms it took until the answer was there */
  async ask(path: string): Promise<number> {
    const begun = performance.now();
    const { port, agent, ca } = this;
    const options = { host: HOST, port, path, agent, ca, servername: 'localhost' };
    const request = ca === undefined ? http.get(options) : https.get(options);
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    for await (const _ of answer);
    return performance.now() - begun;
  }

  close(): void {
    this.agent.destroy();
  }
}

/** The time of a round trip of small requests. This process does not sleep meanwhile: to wake up takes its time too. */
async function roundTrip(port: number): Promise<number> {
  const socket = connect(port, HOST).setNoDelay();
  await once(socket, 'connect');
  const times: number[] = [];
  let awake = true;
  const stayAwake = (): void => {
    if (awake) setImmediate(stayAwake);
  };
  stayAwake();
  // the first one has connected besides
  for (let i = 0; i <= ROUND_TRIPS; i++) {
    const begun = performance.now();
    socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    await once(socket, 'data');
    if (i > 0) times.push(performance.now() - begun);
  }
  awake = false;
  socket.destroy();
  return median(times);
}

/** Bits per second of what goes on while the time is measured. @param count bytes so far */
async function rateOf(count: () => number | Promise<number>): Promise<number> {
  await pause(RAMP_MS);
  const [from, begun] = [await count(), performance.now()];
  await pause(RATE_MS);
  const bytes = (await count()) - from;
  return (bytes * 8000) / (performance.now() - begun);
}

/** Connections that read, or write, as fast as they can. */
async function openMany(port: number, head: string): Promise<Socket[]> {
  // those of the measurement before are gone by then
  await pause(RAMP_MS);
  const sockets = Array.from({ length: MANY }, () => connect(port, HOST));
  await Promise.all(sockets.map(socket => once(socket, 'connect')));
  for (const socket of sockets) socket.write(`${head}\r\nHost: ${HOST}\r\n\r\n`);
  return sockets;
}

/** Bits per second from the device to all of some connections. */
async function rateUp(port: number): Promise<number> {
  let received = 0;
  const sockets = await openMany(port, 'GET /large HTTP/1.1');
  for (const socket of sockets) {
    socket.on('data', piece => {
      received += piece.length;
    });
  }
  const rate = await rateOf(() => received);
  for (const socket of sockets) socket.destroy();
  return rate;
}

/** The same to the device, as its handlers see it. */
async function rateDown(device: DeviceProcess): Promise<number> {
  const sockets = await openMany(device.port, `POST /drop HTTP/1.1\r\nContent-Length: ${BODY}`);
  const piece = Buffer.alloc(64 * 1024);
  for (const socket of sockets) {
    const more = (): void => {
      while (socket.writable && socket.write(piece));
    };
    socket.on('drain', more).on('error', () => {});
    more();
  }
  const rate = await rateOf(async () => (await device.ask<{ got: number }>('got')).got);
  for (const socket of sockets) socket.destroy();
  return rate;
}

/** How long nothing is answered. */
async function silence(port: number, during: () => Promise<unknown>): Promise<number> {
  const client = new Client(port);
  await client.ask('/');
  const alone = await client.ask('/');
  await during();
  const ms = (await client.ask('/')) - alone;
  client.close();
  return ms;
}

/** How long after a reboot the first request is answered. */
async function boot(device: DeviceProcess): Promise<number> {
  const begun = performance.now();
  await device.ask('reboot');
  for (;;) {
    const client = new Client(device.port);
    try {
      await client.ask('/');
      return performance.now() - begun;
    } catch {
      // nobody listens yet
      await pause(2);
    } finally {
      client.close();
    }
  }
}

/** Opens a WebSocket that never reads. */
async function deafWebSocket(port: number): Promise<void> {
  const request = http.get({
    host: HOST,
    port,
    path: '/ws',
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
    },
  });
  const [, socket] = (await once(request, 'upgrade')) as [unknown, Socket];
  socket.pause();
  socket.on('error', () => {});
}

/** Lets the code of server and link be compiled. */
async function warmUp(port: number): Promise<void> {
  const client = new Client(port);
  const until = performance.now() + WARM_UP_MS;
  while (performance.now() < until) await client.ask('/');
  client.close();
}

async function plainLines(select: string, chip: string): Promise<Line[]> {
  const device = await DeviceProcess.start(chip, select);
  try {
    const { port } = device;
    const { link, bootSeconds } = await device.ask<DeviceProfile>('profile');
    const lines: Line[] = [];
    const add = (what: string, unit: string, configured: number, seen: number): void => {
      lines.push({ what, unit, configured, seen });
    };
    await warmUp(port);
    const trip = await roundTrip(port);
    const { latencyMs, jitterMs } = link;
    await device.ask('setLink', { latencyMs: latencyMs + LONGER_MS });
    add('one way made longer', 'ms', LONGER_MS, ((await roundTrip(port)) - trip) / 2);
    await device.ask('setLink', { latencyMs: 0, jitterMs: 0 });
    // each way has the latency, and half of the jitter in the middle; what a trip takes without is no part of them
    add('round trip', 'ms', 2 * latencyMs + jitterMs, trip - (await roundTrip(port)));
    await device.ask('setLink', { latencyMs, jitterMs });
    add(`up, ${MANY} connections`, 'Mbit/s', link.bandwidthUp / 1e6, (await rateUp(port)) / 1e6);
    add(`down, ${MANY} connections`, 'Mbit/s', link.bandwidthDown / 1e6, (await rateDown(device)) / 1e6);
    add('Wi-Fi down', 'ms', 1_000, await silence(port, () => device.ask('wifiDown', 1)));
    add('stall', 'ms', 1_000, await silence(port, () => device.ask('stall', 1)));
    add('boot', 'ms', bootSeconds * 1000 + 4 * link.latencyMs + link.jitterMs, await boot(device));
    return lines;
  } finally {
    await device.stop();
  }
}

async function heapLine(chip: string): Promise<Line> {
  const device = await DeviceProcess.start(chip, 'heap');
  try {
    await deafWebSocket(device.port);
    const { before, sent } = await device.ask<{ before: number; sent: number }>('fill');
    return { what: 'heap', unit: 'KB', configured: before / 1000, seen: sent / 1000 };
  } finally {
    await device.stop();
  }
}

async function tlsLine(chip: string): Promise<Line> {
  const subject = [{ name: 'commonName', value: 'localhost' }];
  const { cert, private: key } = await generate(subject, {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  });
  const device = await DeviceProcess.start(chip, 'net', [cert, key]);
  try {
    const { link } = await device.ask<DeviceProfile>('profile');
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const client = new Client(device.port, cert);
      const first = await client.ask('/');
      // what a request takes besides
      times.push(first - (await client.ask('/')));
      client.close();
    }
    const configured = link.tlsHandshakeMs + 2 * link.latencyMs;
    return { what: 'TLS handshake', unit: 'ms', configured, seen: median(times) };
  } finally {
    await device.stop();
  }
}

function cells(chip: string, select: string, { what, unit, configured, seen }: Line): string[] {
  const off = seen / configured - 1;
  const verdict = Math.abs(off) <= BAR ? 'met' : 'MISSED';
  const percent = `${off < 0 ? '-' : '+'}${Math.abs(off * 100).toFixed(1)} %`;
  return [chip, select, what, unit, configured.toFixed(1), seen.toFixed(1), percent, verdict];
}

async function main(): Promise<void> {
  buildOurs();
  const rows: string[][] = [];
  for (const chip of CHIPS) {
    for (const select of ['net', 'epoll']) {
      console.error(`${chip}: ${select} …`);
      for (const line of await plainLines(select, chip)) rows.push(cells(chip, select, line));
    }
    console.error(`${chip}: TLS …`);
    rows.push(cells(chip, 'TLS', await tlsLine(chip)));
    rows.push(cells(chip, 'any', await heapLine(chip)));
  }
  console.log(`\n${table(['profile', 'loop', 'what', 'unit', 'configured', 'seen', 'off by', 'within 5 %'], rows)}`);
}

try {
  await main();
} catch (error) {
  console.error(`bench:device: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
