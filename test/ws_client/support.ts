/** What the tests of the client share: clients that are destroyed behind each test, and servers that break every rule. */
import { once } from 'node:events';
import * as net from 'node:net';
import { afterEach, expect, vi } from 'vitest';
import { EspError } from '../../src/err.js';
import { EspWebsocketClient } from '../../src/ws_client/client.js';
import type { ClientParts } from '../../src/ws_client/client_core.js';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import type { EspWebsocketError } from '../../src/ws_client/errors.js';
import { WEBSOCKET_EVENT_ANY, type WsDataEvent, type WsEndEvent } from '../../src/ws_client/events.js';
import { ManualClock } from '../support/clock.js';
import { silent } from '../support/server.js';
import {
  acceptFor,
  buildFrame,
  type FrameSpec,
  frameSize,
  parseFrame,
  type ServerFrame,
} from '../support/ws_frames.js';

/** Nothing in these tests takes that long, unless it fails. */
export const PATIENCE = { timeout: 8_000, interval: 5 };

const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Is called behind the test, the last one first. */
export function afterwards(cleanUp: () => unknown): void {
  cleanUps.push(cleanUp);
}

export function until(check: () => void): Promise<void> {
  return vi.waitFor(check, PATIENCE);
}

/** A few turns of the event loop. */
export async function turns(n = 5): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise(resolve => setImmediate(resolve));
}

export interface TestClient {
  readonly client: EspWebsocketClient;
  readonly clock: ManualClock;
  /** The names of the events, in their order; headers left out. */
  readonly events: string[];
  readonly data: WsDataEvent[];
  readonly errors: EspWebsocketError[];
  readonly ends: WsEndEvent[];
}

/** A client, not started, on a clock that stands still; the random part of a wait is none. */
export function makeClient(config: EspWebsocketClientConfig, parts: ClientParts = {}): TestClient {
  const clock = new ManualClock();
  const client = new EspWebsocketClient({ logger: silent(), ...config }, { clock, random: () => 0, ...parts });
  const events: string[] = [];
  const data: WsDataEvent[] = [];
  const errors: EspWebsocketError[] = [];
  const ends: WsEndEvent[] = [];
  for (const name of ['begin', 'beforeConnect', 'connected', 'disconnected', 'closed', 'finish'] as const) {
    client.on(name, () => events.push(name));
  }
  client.on('data', event => data.push(event));
  client.on('error', error => {
    events.push('error');
    errors.push(error);
  });
  client.on('closed', end => ends.push(end));
  client.on('disconnected', end => ends.push(end));
  afterwards(() => client.destroy());
  return { client, clock, events, data, errors, ends };
}

/** All that a client tells through `registerEvents`. */
export function allEvents(client: EspWebsocketClient): number[] {
  const ids: number[] = [];
  client.registerEvents(WEBSOCKET_EVENT_ANY, id => ids.push(id));
  return ids;
}

/** One connection as the server sees it. */
export class Peer {
  private bytes = Buffer.alloc(0);
  private ended = false;
  private wake: (() => void)[] = [];

  constructor(readonly socket: net.Socket) {
    socket.on('data', chunk => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.notify();
    });
    socket.on('error', () => {});
    for (const name of ['end', 'close']) {
      socket.on(name, () => {
        this.ended = true;
        this.notify();
      });
    }
  }

  /** What has come and has not been read. */
  get received(): Buffer {
    return this.bytes;
  }

  send(...frames: (FrameSpec | Uint8Array | string)[]): this {
    const bytes = frames.map(frame => {
      if (typeof frame === 'string') return Buffer.from(frame, 'latin1');
      return frame instanceof Uint8Array ? frame : buildFrame({ mask: false, ...frame });
    });
    this.socket.write(Buffer.concat(bytes));
    return this;
  }

  /** Reads the request. */
  async request(): Promise<string> {
    const head = await this.read(bytes => {
      const at = bytes.indexOf('\r\n\r\n');
      return at < 0 ? -1 : at + 4;
    });
    return head.toString('latin1');
  }

  /** Reads the request and answers it with 101. */
  async accept(fields: readonly string[] = [], behind: readonly FrameSpec[] = []): Promise<string> {
    const request = await this.request();
    this.send(switching(request, fields), ...behind);
    return request;
  }

  async frame(): Promise<ServerFrame> {
    return parseFrame(await this.read(frameSize));
  }

  /** Waits for the client's FIN, or a reset. */
  async gone(): Promise<void> {
    while (!this.ended) await this.change();
  }

  private async read(count: (bytes: Buffer) => number): Promise<Buffer> {
    for (;;) {
      const n = count(this.bytes);
      if (n >= 0) {
        const taken = this.bytes.subarray(0, n);
        this.bytes = this.bytes.subarray(n);
        return taken;
      }
      if (this.ended) throw new Error(`the client left; unread: ${JSON.stringify(this.bytes.toString('latin1'))}`);
      await this.change();
    }
  }

  private change(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`in vain; unread: ${this.bytes.length} bytes`)),
        PATIENCE.timeout,
      );
      this.wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private notify(): void {
    for (const wake of this.wake.splice(0)) wake();
  }
}

/** Value of a field of a request. */
export function field(request: string, name: string): string | undefined {
  return new RegExp(`^${name}: (.*)\r$`, 'im').exec(request)?.[1];
}

/** The right answer to a request. */
export function switching(request: string, fields: readonly string[] = []): string {
  const accept = acceptFor(field(request, 'Sec-WebSocket-Key') ?? '');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  return [...lines, `Sec-WebSocket-Accept: ${accept}`, ...fields, '', ''].join('\r\n');
}

export interface RawServer {
  readonly port: number;
  readonly uri: string;
  /** The next connection. */
  next(): Promise<Peer>;
  readonly server: net.Server;
}

/** A server whose connections the test plays. */
export async function rawServer(): Promise<RawServer> {
  const peers: Peer[] = [];
  const waiting: ((peer: Peer) => void)[] = [];
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    afterwards(() => socket.destroy());
    const peer = new Peer(socket);
    const wake = waiting.shift();
    if (wake === undefined) peers.push(peer);
    else wake(peer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterwards(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  const next = (): Promise<Peer> => {
    const peer = peers.shift();
    return peer === undefined ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve(peer);
  };
  return { port, uri: `ws://127.0.0.1:${port}/ws`, next, server };
}

/** A client that is connected to a server that the test plays. */
export async function connectedPair(
  config: EspWebsocketClientConfig = {},
  fields: readonly string[] = [],
  parts: ClientParts = {},
): Promise<TestClient & { peer: Peer; server: RawServer; request: string }> {
  const server = await rawServer();
  const made = makeClient({ uri: server.uri, ...config }, parts);
  const started = made.client.start();
  const peer = await server.next();
  const request = await peer.accept(fields);
  await started;
  return { ...made, peer, server, request };
}

/** The name of the EspError that a promise is rejected with; `'none'` if it is not. */
export async function errorOf(fn: () => unknown): Promise<string> {
  try {
    await fn();
  } catch (error) {
    expect(error).toBeInstanceOf(EspError);
    return (error as EspError).name;
  }
  return 'none';
}
