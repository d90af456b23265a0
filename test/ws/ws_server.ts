/** What the tests of the WebSocket side share. */
import { afterEach, expect, vi } from 'vitest';
import WebSocket from 'ws';
import type { HttpdConfig } from '../../src/config.js';
import { EspError } from '../../src/err.js';
import { HTTP_GET } from '../../src/httpd/methods.js';
import type { HttpdReq } from '../../src/httpd/req.js';
import type { HttpdUri } from '../../src/httpd/route.js';
import type { HttpdServer } from '../../src/httpd/server.js';
import { type HttpdWsFrame, wsFrame } from '../../src/httpd_ws/frame_type.js';
import { certificates } from '../support/certificates.js';
import { ManualClock } from '../support/clock.js';
import { OVER_TLS } from '../support/raw_client.js';
import { connectTo, startTestServer } from '../support/server.js';
import { CLOSE, type HandshakeSpec, type ServerFrame, WsRawClient } from '../support/ws_frames.js';

/** Nothing in these tests takes that long, unless it fails. */
export const PATIENCE = { timeout: 8_000, interval: 5 };

/** A frame as a handler received it. */
export interface Seen {
  readonly type: number;
  readonly final: boolean;
  readonly fragmented: boolean;
  readonly payload: Buffer;
}

export interface WsServer {
  readonly server: HttpdServer;
  readonly clock: ManualClock;
  /** Connects and shakes hands on `/ws`; `first` is sent in the same write as the handshake. */
  open(spec?: HandshakeSpec, first?: Uint8Array): Promise<WsRawClient>;
}

/** A server with `uri` as the WebSocket `/ws`, on a clock that stands still. By default it echoes, and pings nobody. */
export async function startWs(uri: Partial<HttpdUri> = {}, config: Partial<HttpdConfig> = {}): Promise<WsServer> {
  const clock = new ManualClock();
  const server = await startTestServer(config, { clock });
  server.registerUriHandler({
    uri: '/ws',
    method: HTTP_GET,
    isWebsocket: true,
    handler: echo,
    wsPingInterval: 0,
    ...uri,
  });
  return { server, clock, open: (spec, first) => openWs(server, spec, first) };
}

/** A WebSocket client, destroyed after the test. */
export async function openWs(server: HttpdServer, spec?: HandshakeSpec, first?: Uint8Array): Promise<WsRawClient> {
  return WsRawClient.upgrade(await connectTo(server), spec, first);
}

/** A client of the package `ws`, on its way to `/ws`. */
export function foreignClient(port: number, protocols: string[] = []): WebSocket {
  return OVER_TLS
    ? new WebSocket(`wss://127.0.0.1:${port}/ws`, protocols, { ca: certificates().ca.cert })
    : new WebSocket(`ws://127.0.0.1:${port}/ws`, protocols);
}

/** Receives the whole frame that the handler was called for. */
export async function recvAll(req: HttpdReq): Promise<HttpdWsFrame & { payload: Uint8Array }> {
  const pkt = wsFrame();
  await req.wsRecvFrame(pkt, 0);
  const payload = new Uint8Array(pkt.len);
  pkt.payload = payload;
  await req.wsRecvFrame(pkt, Math.max(1, pkt.len));
  return { ...pkt, payload };
}

/** Sends back each frame as it came. */
export async function echo(req: HttpdReq): Promise<void> {
  if (req.method === HTTP_GET) return;
  await req.wsSendFrame(await recvAll(req));
}

/** A handler that keeps what it receives, and the frames. */
export function collector(): { handler: (req: HttpdReq) => Promise<void>; seen: Seen[] } {
  const seen: Seen[] = [];
  const handler = async (req: HttpdReq): Promise<void> => {
    if (req.method === HTTP_GET) return;
    const { type, final, fragmented, payload } = await recvAll(req);
    seen.push({ type, final, fragmented, payload: Buffer.from(payload) });
  };
  return { handler, seen };
}

/** A handler for frames only. */
export function onFrame(fn: (req: HttpdReq) => unknown): (req: HttpdReq) => Promise<number | undefined> {
  return async req => {
    if (req.method === HTTP_GET) return undefined;
    return (await fn(req)) as number | undefined;
  };
}

/** The name of the EspError that `fn` throws, or that its promise is rejected with; `'none'` if it does not fail. */
export async function errorOf(fn: () => unknown): Promise<string> {
  try {
    await fn();
  } catch (error) {
    expect(error).toBeInstanceOf(EspError);
    return (error as EspError).name;
  }
  return 'none';
}

/** The next frame must be a Close with this code; then the server must end the connection in an orderly way. */
export async function expectClosed(client: WsRawClient, code: number | undefined): Promise<ServerFrame> {
  const frame = await client.readFrame();
  expect({ opcode: frame.opcode, code: frame.code }).toEqual({ opcode: CLOSE, code });
  expect(await client.closed()).toBe('fin');
  expect(client.raw.received).toHaveLength(0);
  return frame;
}

export interface Deferred<T = void> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

const unsettled: (() => void)[] = [];

// a handler that waits for ever would keep the server from stopping when a test fails
afterEach(() => {
  for (const settle of unsettled.splice(0)) settle();
});

export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>(done => {
    resolve = done;
  });
  unsettled.push(() => resolve(undefined as T));
  return { promise, resolve };
}

/** Moves the clock until no session waits for anything, so that `clock.running` tells of what comes next. */
export function quiet(clock: ManualClock): void {
  clock.advance(10_000);
  expect(clock.running).toBe(0);
}

/** Waits until `check` does not throw. */
export function until(check: () => void): Promise<void> {
  return vi.waitFor(check, PATIENCE);
}

/** `n` bytes that differ from their neighbours. */
export function pattern(n: number): Buffer {
  const bytes = Buffer.allocUnsafe(n);
  for (let i = 0; i < n; i++) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return bytes;
}
