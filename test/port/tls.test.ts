import { once } from 'node:events';
import * as net from 'node:net';
import type * as tls from 'node:tls';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Listener } from '../../src/port/port.js';
import { type TlsSettings, tlsPort } from '../../src/port/tls.js';
import { certificates } from '../support/certificates.js';
import { ManualClock } from '../support/clock.js';
import { RawClient, secure } from '../support/raw_client.js';
import { turn } from '../support/server.js';
import { portContract } from './contract.js';
import { MANY, type Peer, pattern, type Recorder, type Rig, sendAll } from './contract_support.js';
import { tcpContract } from './contract_tcp.js';
import { keep, listenOn, tcpRig } from './rig.js';

// the clients of the contract speak TLS
vi.hoisted(() => vi.stubEnv('OVER_TLS', '1'));
vi.unstubAllEnvs();

/** Nothing in these tests takes that long, unless it fails. */
const PATIENCE = { timeout: 8_000, interval: 2 };
const HANDSHAKE_MS = 1_000;

const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const fn of undo.splice(0).reverse()) await fn();
});

/** Settings on a clock that stands still, and what becomes of handshakes. */
function settingsOf(options: tls.TlsOptions = {}, more: Partial<TlsSettings> = {}) {
  const clock = new ManualClock();
  const later = new ManualClock();
  const seen = { begun: [] as string[], released: 0, failed: [] as string[] };
  const { cert, key } = certificates().server;
  const settings: TlsSettings = {
    options: { cert, key, handshakeTimeout: 0x7fff_ffff, ...options },
    handshakeMs: HANDSHAKE_MS,
    maxHandshakes: 10,
    after: (ms, callback) => clock.after(ms, callback),
    later: (ms, callback) => later.after(ms, callback),
    peerOf: address => address,
    whenServed: fn => fn(),
    isPeerFull: () => false,
    begin: address => {
      seen.begun.push(address);
      return () => {
        seen.released += 1;
      };
    },
    onFailure: ({ message }, address) => seen.failed.push(`${address}: ${message}`),
    ...more,
  };
  return { settings, clock, later, seen };
}

/** A client that is told of an end that has come with its handshake too. */
async function connectPeer({ port }: Listener): Promise<Peer> {
  const client = keep(await RawClient.connect(port));
  const peer: Peer & { over: 'fin' | 'reset' | undefined } = {
    send: bytes => client.send(bytes),
    end: () => client.end(),
    reset: () => client.reset(),
    stopReading: () => client.pause(),
    readOn: () => client.resume(),
    get received() {
      return client.received;
    },
    over: undefined,
  };
  client.closed().then(
    how => {
      peer.over = how;
    },
    () => {},
  );
  return peer;
}

portContract('tls', (): Rig => ({ ...tcpRig(tlsPort(settingsOf().settings)), connect: connectPeer }));
tcpContract(tlsPort(settingsOf().settings));

async function start(options?: tls.TlsOptions, more?: Partial<TlsSettings>) {
  const { settings, ...rest } = settingsOf(options, more);
  const made = await listenOn(tlsPort(settings), {});
  undo.push(() => made.listener.close());
  return { ...rest, ...made, settings };
}

/** A client that has said nothing yet. */
async function connect(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  undo.push(() => socket.destroy());
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket.resume();
}

/** A client in or behind its handshake. */
async function handshake(port: number, options?: tls.ConnectionOptions): Promise<tls.TLSSocket> {
  const socket = secure(await connect(port), options);
  undo.push(() => socket.destroy());
  socket.on('error', () => {});
  return socket;
}

/** An encrypted connection, and the server's end of it. */
async function encrypted(options?: tls.ConnectionOptions, port?: (port: number) => Promise<number>) {
  const { listener, accepted } = await start();
  const client = await handshake((await port?.(listener.port)) ?? listener.port, options);
  await vi.waitFor(() => expect(accepted).toHaveLength(1), PATIENCE);
  const rec = accepted[0] as Recorder;
  undo.push(() => rec.sock.close());
  // what belongs to the handshake has left too
  for (let i = 0; i < 5; i++) await turn();
  return { client, rec };
}

/** The header of a record, and of a ClientHello that does not come. */
const BEGINNING = Buffer.from('16030102000100', 'hex');

type Server = Awaited<ReturnType<typeof start>>;

/** What a client does whose handshake fails by itself, and what is told of it. */
const FAILURES: [how: string, act: (server: Server) => Promise<unknown>, why: RegExp][] = [
  [
    'that is plain HTTP',
    async ({ listener }) => (await connect(listener.port)).write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
    /^127\.0\.0\.1: http request$/,
  ],
  [
    'that is garbage',
    async ({ listener }) => (await connect(listener.port)).write(Buffer.from('00ff00ff00ff00ff', 'hex')),
    /wrong version|record|unknown/i,
  ],
  [
    'that offers TLS 1.1',
    ({ listener }) =>
      handshake(listener.port, { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    /unsupported protocol/,
  ],
  ['that shows no certificate', ({ listener }) => handshake(listener.port), /peer did not return a certificate/],
  [
    'whose certificate nobody has signed',
    ({ listener }) => handshake(listener.port, certificates().stranger),
    /certificate/,
  ],
  [
    'that is given up by the client',
    async ({ listener }) => (await connect(listener.port)).destroy(),
    /the client left|hang up|ECONNRESET|disconnected/,
  ],
];

describe('a handshake', () => {
  const strict = () => ({ requestCert: true, rejectUnauthorized: true, ca: certificates().ca.cert });

  test.each(FAILURES)('%s fails: it is told once, and nothing stays behind', async (_how, act, why) => {
    const server = await start(strict());
    await act(server);
    await vi.waitFor(() => expect(server.seen.failed).toHaveLength(1), PATIENCE);
    await turn();
    expect(server.seen).toEqual({ begun: ['127.0.0.1'], released: 1, failed: [expect.stringMatching(why)] });
    expect(server.seen.failed[0]).toMatch(/^127\.0\.0\.1: /);
    expect([server.clock.running, server.accepted, server.errors]).toEqual([0, [], []]);
    // and it was the client's fault
    const { client: pair } = certificates();
    await once(await handshake(server.listener.port, pair), 'secureConnect');
    await vi.waitFor(() => expect(server.accepted).toHaveLength(1), PATIENCE);
    expect(server.seen.failed).toHaveLength(1);
    expect([server.seen.released, server.clock.running]).toEqual([2, 0]);
  });

  test.each([
    ['is silent', Buffer.alloc(0)],
    ['stops in the middle', BEGINNING],
  ])('whose client %s is cut off when its time is over, and not before', async (_how, bytes) => {
    const { listener, clock, seen } = await start();
    const client = await connect(listener.port);
    client.write(bytes);
    await vi.waitFor(() => expect(seen.begun).toHaveLength(1), PATIENCE);
    clock.advance(HANDSHAKE_MS - 1);
    await turn();
    expect([client.closed, seen.failed]).toEqual([false, []]);
    clock.advance(1);
    await vi.waitFor(() => expect(client.closed).toBe(true), PATIENCE);
    expect(seen).toMatchObject({ released: 1, failed: [expect.stringContaining(`longer than ${HANDSHAKE_MS} ms`)] });
    expect(clock.running).toBe(0);
  });

  test('gets no time by coming byte by byte', async () => {
    const { listener, clock, seen } = await start();
    const client = await connect(listener.port);
    for (let i = 0; !client.closed; i++) {
      expect(i).toBeLessThan(20);
      client.write(BEGINNING.subarray(i % BEGINNING.length).subarray(0, 1));
      await vi.waitFor(() => expect(seen.begun).toHaveLength(1), PATIENCE);
      clock.advance(100);
      for (let k = 0; k < 5; k++) await turn();
    }
    expect(seen.released).toBe(1);
    expect(seen.failed).toEqual([expect.stringContaining('tlsHandshakeTimeoutMs')]);
  });

  test('makes way when there are more than maxHandshakes, the oldest first', async () => {
    const { listener, seen } = await start({}, { maxHandshakes: 2 });
    const clients: net.Socket[] = [];
    for (let i = 1; i <= 4; i++) {
      clients.push(await connect(listener.port));
      await vi.waitFor(() => expect(seen.begun).toHaveLength(i), PATIENCE);
    }
    await vi.waitFor(() => expect(clients.map(({ closed }) => closed)).toEqual([true, true, false, false]), PATIENCE);
    expect(seen).toMatchObject({ released: 2, failed: Array(2).fill(expect.stringContaining('made way')) });
  });

  test('that may not begin is closed, and is no failure', async () => {
    const { listener, clock, seen, accepted } = await start({}, { begin: () => undefined });
    const client = await handshake(listener.port);
    await vi.waitFor(() => expect(client.closed).toBe(true), PATIENCE);
    expect([seen.failed, accepted, clock.running]).toEqual([[], [], 0]);
  });

  test('ends with its listener, and is no failure; what is open lives on', async () => {
    const { listener, clock, seen, accepted } = await start();
    const open = await handshake(listener.port);
    await vi.waitFor(() => expect(accepted).toHaveLength(1), PATIENCE);
    const clients = [await connect(listener.port), await connect(listener.port)];
    await vi.waitFor(() => expect(seen.begun).toHaveLength(3), PATIENCE);
    await listener.close();
    await vi.waitFor(() => expect(clients.map(({ closed }) => closed)).toEqual([true, true]), PATIENCE);
    expect(seen).toMatchObject({ released: 3, failed: [] });
    expect(clock.running).toBe(0);
    open.write('still here');
    await vi.waitFor(() => expect(accepted[0]?.data.toString()).toBe('still here'), PATIENCE);
    accepted[0]?.sock.close();
  });
});

describe('what is sent', () => {
  test('is right for a slow reader, though the memory is used anew after each send', async () => {
    const { client, rec } = await encrypted();
    const bytes = pattern(MANY);
    client.pause();
    const scratch = Buffer.alloc(100_000);
    let sent = 0;
    const more = () => {
      for (;;) {
        const len = bytes.copy(scratch, 0, sent, sent + scratch.length);
        const n = rec.call(sock => sock.send(scratch, 0, len));
        scratch.fill(0xee);
        sent += n;
        if (n < len || len === 0) return;
      }
    };
    rec.onEvent = more;
    more();
    for (let i = 0; i < 50; i++) await turn();
    expect(rec.sock.pending).toBeGreaterThan(0);
    expect(sent).toBeLessThan(MANY);
    const pieces: Buffer[] = [];
    client.on('data', (piece: Buffer) => pieces.push(piece)).resume();
    await vi.waitFor(() => expect(client.bytesRead).toBe(MANY), PATIENCE);
    expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    expect(rec.sock.pending).toBe(0);
  });

  test('and taken by the kernel at once is not pending, and brings no onWritable: no peer has shown life by it', async () => {
    const { client, rec } = await encrypted();
    client.pause();
    for (const len of [1, 1_000, 16_384, 64 * 1024]) {
      expect(rec.call(sock => sock.send(pattern(len), 0, len))).toBe(len);
      expect(rec.sock.pending).toBe(0);
      for (let i = 0; i < 5; i++) await turn();
    }
    expect(rec.events).toEqual([]);
  });

  test('in the same turn as something else has to wait, and onWritable tells when to go on', async () => {
    const { client, rec } = await encrypted();
    const send = (text: string) => rec.call(sock => sock.send(Buffer.from(text), 0, text.length));
    expect([send('one'), send('two'), send('two')]).toEqual([3, 0, 0]);
    await vi.waitFor(() => expect(rec.events).toEqual(['writable']), PATIENCE);
    expect(send('two')).toBe(3);
    await vi.waitFor(() => expect(client.bytesRead).toBe(6), PATIENCE);
    expect(rec.events).toEqual(['writable']);
  });

  /** Passes bytes on, and keeps those of the server. */
  async function spy(port: number, wire: Buffer[]): Promise<number> {
    const proxy = net.createServer({ allowHalfOpen: true }, near => {
      const far = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      for (const socket of [near, far]) socket.on('error', () => {});
      undo.push(() => [near, far].map(socket => socket.destroy()));
      far.on('data', (piece: Buffer) => wire.push(piece));
      near.pipe(far).pipe(near);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    undo.push(() => proxy.close());
    return (proxy.address() as net.AddressInfo).port;
  }

  /** The types of records (RFC 5246 section 6.2.1). */
  function recordTypes(wire: Buffer): number[] {
    const types: number[] = [];
    for (let at = 0; at + 5 <= wire.length; at += 5 + wire.readUInt16BE(at + 3)) types.push(wire[at] as number);
    return types;
  }

  const DATA = 23;
  const ALERT = 21;

  test('is followed by close_notify and FIN, though the socket is closed right behind it', async () => {
    const wire: Buffer[] = [];
    // of TLS 1.3 a record does not show what it is
    const { client, rec } = await encrypted({ maxVersion: 'TLSv1.2' }, port => spy(port, wire));
    const ended = once(client.resume(), 'end');
    rec.call(sock => {
      expect(sock.send(Buffer.from('bye'), 0, 3)).toBe(3);
      sock.shutdown();
      sock.close();
    });
    await ended;
    expect(client.bytesRead).toBe(3);
    expect(recordTypes(Buffer.concat(wire)).slice(-2)).toEqual([DATA, ALERT]);
    expect(rec.events).toEqual([]);
  });

  test('and not taken is lost when the socket is closed, and nobody is called any more', async () => {
    const { client, rec } = await encrypted();
    client.pause();
    sendAll(rec, pattern(MANY));
    for (let i = 0; i < 50; i++) await turn();
    const { events } = rec;
    const before = events.length;
    rec.call(sock => sock.close());
    client.resume();
    await vi.waitFor(() => expect(client.closed).toBe(true), PATIENCE);
    expect(client.bytesRead).toBeLessThan(MANY);
    expect(events).toHaveLength(before);
  });
});

describe('a peer', () => {
  test('that resets as its handshake ends leaves no socket that can not send', async () => {
    const { listener, accepted, onAccept } = await start();
    // the next thing to be written is a ticket, of which no code here knows
    onAccept.push(() => tcp.resetAndDestroy());
    const tcp = await connect(listener.port);
    secure(tcp, { minVersion: 'TLSv1.3' }).on('error', () => {});
    await vi.waitFor(() => expect(accepted).toHaveLength(1), PATIENCE);
    const rec = accepted[0] as Recorder;
    await vi.waitFor(() => expect(rec.events).toEqual(['close']), PATIENCE);
    expect(rec.errors).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
  });

  test('that makes TLS answer and does not read is cut off, within a second', async () => {
    const { listener, accepted, later } = await start();
    const client = await handshake(listener.port);
    await vi.waitFor(() => expect(accepted).toHaveLength(1), PATIENCE);
    const rec = accepted[0] as Recorder;
    const { _handle: handle } = (rec.sock as unknown as { secured: { _handle: object } }).secured;
    const queue = (size: number) =>
      Object.defineProperty(handle, 'writeQueueSize', { value: size, configurable: true });
    // a send that waits is no more than this
    queue(128 * 1024);
    later.advance(1_000);
    await turn();
    expect([rec.events, client.closed]).toEqual([[], false]);
    queue(128 * 1024 + 1);
    later.advance(1_000);
    await vi.waitFor(() => expect(client.closed).toBe(true), PATIENCE);
    expect(rec.errors).toEqual([new Error('the peer asks for answers and does not read them')]);
    await turn();
    expect(later.running).toBe(0);
  });
});

test('reusePort is refused, and says which port has it', async () => {
  await expect(listenOn(tlsPort(settingsOf().settings), { reusePort: true })).rejects.toThrow(/reusePort.*epoll/);
});
