import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Listener, ListenOptions, Port, PortSocket, SocketHandler } from '../../src/port/port.js';

/** The other end of a connection. */
export interface Peer {
  send(bytes: Uint8Array | string): void;
  end(): void;
  reset(): void;
  /** A peer that has stopped reading takes only what the kernel buffers. */
  stopReading(): void;
  readOn(): void;
  readonly received: Buffer;
  readonly over: 'fin' | 'reset' | undefined;
}

/** A port to test, and how to reach it. */
export interface Rig {
  readonly port: Port;
  connect(listener: Listener): Promise<Peer>;
  /** Lets the loop turn once. */
  turn(): Promise<void>;
  /** What to bind to. */
  readonly options: ListenOptions;
}

/** Waits until `fn` is true, turning the loop. */
async function until(rig: Rig, fn: () => boolean): Promise<void> {
  await vi.waitFor(
    async () => {
      await rig.turn();
      expect(fn()).toBe(true);
    },
    { timeout: 8_000, interval: 1 },
  );
}

/** What happens to a socket, in its order. */
class Recorder implements SocketHandler {
  readonly events: string[] = [];
  readonly pieces: Buffer[] = [];
  errors: (Error | undefined)[] = [];
  /** Is a call to the port under way? No callback may come then. */
  inCall = false;
  onEvent: (event: string) => void = () => {};

  constructor(
    readonly sock: PortSocket,
    private readonly receiveBuffer: () => Buffer,
  ) {}

  get data(): Buffer {
    return Buffer.concat(this.pieces);
  }

  /** Calls the port, and watches that it calls nobody back meanwhile. */
  call<T>(fn: (sock: PortSocket) => T): T {
    this.inCall = true;
    try {
      return fn(this.sock);
    } finally {
      this.inCall = false;
    }
  }

  onData(len: number): void {
    this.pieces.push(Buffer.from(this.receiveBuffer().subarray(0, len)));
    this.note(len > 0 ? 'data' : 'empty data');
  }

  onEnd(): void {
    this.note('end');
  }

  onWritable(): void {
    this.note('writable');
  }

  onClose(error: Error | undefined): void {
    this.errors.push(error);
    this.note('close');
  }

  count(event: string): number {
    return this.events.filter(other => other === event).length;
  }

  private note(event: string): void {
    this.events.push(this.inCall ? `${event} within a call` : event);
    this.onEvent(event);
  }
}

/** Bytes that differ from place to place. */
function pattern(n: number): Buffer {
  const bytes = Buffer.allocUnsafe(n);
  for (let i = 0; i < n; i++) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return bytes;
}

const MANY = 12 * 1024 * 1024;

/** The rules of src/port/port.ts, for any port. */
export function portContract(name: string, makeRig: () => Rig): void {
  describe(`the port contract: ${name}`, () => {
    const undo: (() => unknown)[] = [];
    afterEach(async () => {
      for (const fn of undo.splice(0).reverse()) await fn();
    });

    /** Listens, connects, and waits until the connection is accepted. */
    async function setUp(bufferSize = 64 * 1024) {
      const rig = makeRig();
      const buffer = Buffer.alloc(bufferSize);
      const accepted: Recorder[] = [];
      const listener = await rig.port.listen(
        rig.options,
        () => buffer,
        sock => {
          const recorder = new Recorder(sock, () => buffer);
          accepted.push(recorder);
          return recorder;
        },
        () => {},
      );
      undo.push(() => listener.close());
      const connect = async (): Promise<{ peer: Peer; sock: PortSocket; rec: Recorder }> => {
        const n = accepted.length;
        const peer = await rig.connect(listener);
        await until(rig, () => accepted.length > n);
        const rec = accepted[n] as Recorder;
        undo.push(() => rec.sock.close());
        return { peer, rec, sock: rec.sock };
      };
      /** Goes to the server and back on another connection, so that what was sent before has had its chance. */
      const roundTrips = async (n = 3): Promise<void> => {
        const { peer, rec } = await connect();
        for (let i = 1; i <= n; i++) {
          peer.send('x');
          await until(rig, () => rec.data.length === i);
        }
      };
      return { rig, listener, accepted, connect, roundTrips, until: (fn: () => boolean) => until(rig, fn) };
    }

    /** Sends all of `bytes`, going on at each onWritable. */
    function sendAll(rec: Recorder, bytes: Buffer): { sent: number; short: number } {
      const state = { sent: 0, short: 0 };
      const more = () => {
        while (state.sent < bytes.length) {
          const want = Math.min(bytes.length, state.sent + 300_000);
          const n = rec.call(sock => sock.send(bytes, state.sent, want));
          expect(n).toBeGreaterThanOrEqual(0);
          expect(n).toBeLessThanOrEqual(want - state.sent);
          state.sent += n;
          if (state.sent < want || rec.sock.pending > 0) {
            state.short += 1;
            return;
          }
        }
      };
      rec.onEvent = event => {
        if (event === 'writable') more();
      };
      more();
      return state;
    }

    test('what a peer sends lies at the start of the receive buffer', async () => {
      const { connect, until } = await setUp();
      const { peer, rec } = await connect();
      peer.send('hello');
      await until(() => rec.data.length === 5);
      peer.send(' again');
      await until(() => rec.data.length === 11);
      expect(rec.data.toString()).toBe('hello again');
      expect(new Set(rec.events)).toEqual(new Set(['data']));
    });

    test('more than the receive buffer holds comes in several pieces, none longer than it', async () => {
      const { connect, until } = await setUp(1_000);
      const { peer, rec } = await connect();
      const bytes = pattern(70_123);
      peer.send(bytes);
      await until(() => rec.data.length === bytes.length);
      expect(rec.data.equals(bytes)).toBe(true);
      expect(rec.pieces.every(piece => piece.length > 0 && piece.length <= 1_000)).toBe(true);
    });

    test('the receive buffer is shared: the next data, of any socket, takes the place of the last', async () => {
      const { connect, until } = await setUp();
      const first = await connect();
      const second = await connect();
      first.peer.send('aaaa');
      await until(() => first.rec.data.length === 4);
      second.peer.send('bb');
      await until(() => second.rec.data.length === 2);
      expect([first.rec.data.toString(), second.rec.data.toString()]).toEqual(['aaaa', 'bb']);
    });

    test('the receive buffer is asked for at each read, since it may move', async () => {
      const rig = makeRig();
      let buffer = Buffer.alloc(100);
      let rec: Recorder | undefined;
      const listener = await rig.port.listen(
        rig.options,
        () => buffer,
        sock => {
          rec = new Recorder(sock, () => buffer);
          return rec;
        },
        () => {},
      );
      undo.push(() => listener.close());
      const peer = await rig.connect(listener);
      undo.push(() => rec?.sock.close());
      for (const text of ['one', 'two', 'three']) {
        const before = rec?.data.length ?? 0;
        peer.send(text);
        await until(rig, () => rec?.data.length === before + text.length);
        buffer = Buffer.alloc(100);
      }
      expect(rec?.data.toString()).toBe('onetwothree');
    });

    test('the socket knows its peer', async () => {
      const { connect } = await setUp();
      const { sock } = await connect();
      expect(sock.remoteAddress).toMatch(/^[0-9a-f.:]+$/);
      expect(sock.remotePort).toBeGreaterThan(0);
    });

    test("the peer's FIN comes once, behind all its data, and sending goes on", async () => {
      const { connect, until } = await setUp();
      const { peer, rec } = await connect();
      const bytes = pattern(100_000);
      peer.send(bytes);
      peer.end();
      await until(() => rec.events.includes('end'));
      expect(rec.data.equals(bytes)).toBe(true);
      expect(rec.events.at(-1)).toBe('end');
      expect(rec.call(sock => sock.send(Buffer.from('late answer'), 0, 11))).toBe(11);
      await until(() => peer.received.length === 11);
      expect(peer.received.toString()).toBe('late answer');
      expect(rec.count('end')).toBe(1);
    });

    test('a FIN right behind the connection comes too', async () => {
      const { connect, until } = await setUp();
      const { peer, rec } = await connect();
      peer.end();
      await until(() => rec.events.includes('end'));
      expect(rec.events).toEqual(['end']);
    });

    test('a reset comes as onClose with its error, and nothing after it', async () => {
      const { connect, until, roundTrips } = await setUp();
      const { peer, rec } = await connect();
      peer.send('x');
      await until(() => rec.data.length === 1);
      peer.reset();
      await until(() => rec.events.includes('close'));
      expect(rec.errors[0]).toBeInstanceOf(Error);
      await roundTrips(1);
      expect(rec.events).toEqual(['data', 'close']);
      expect(() => {
        rec.sock.pause();
        rec.sock.resume();
        rec.sock.shutdown();
        rec.sock.close();
        rec.sock.reset();
      }).not.toThrow();
      expect(rec.sock.send(Buffer.from('y'), 0, 1)).toBe(0);
    });

    test('a paused socket delivers no data and no end; resumed, it delivers both in their order', async () => {
      const { connect, until, roundTrips } = await setUp();
      const { peer, rec } = await connect();
      rec.call(sock => sock.pause());
      peer.send('waits');
      peer.end();
      await roundTrips();
      expect(rec.events).toEqual([]);
      rec.call(sock => sock.resume());
      await until(() => rec.events.includes('end'));
      expect(rec.data.toString()).toBe('waits');
    });

    test('a socket that is paused inside onData reads no more; what it has read already may still come', async () => {
      const { connect, until, roundTrips } = await setUp();
      const { peer, rec } = await connect();
      rec.onEvent = event => {
        if (event === 'data') rec.sock.pause();
      };
      const bytes = pattern(3_000_000);
      peer.send(bytes);
      await until(() => rec.data.length > 0);
      await roundTrips(1);
      const got = rec.data.length;
      expect(got).toBeLessThanOrEqual(128 * 1024);
      await roundTrips();
      expect(rec.data.length).toBe(got);
      rec.onEvent = () => {};
      rec.call(sock => sock.resume());
      await until(() => rec.data.length === bytes.length);
      expect(rec.data.equals(bytes)).toBe(true);
    });

    test('pausing again and again loses and repeats nothing', async () => {
      const { connect, until } = await setUp();
      const { peer, rec } = await connect();
      const bytes = pattern(900_000);
      rec.onEvent = event => {
        if (event !== 'data') return;
        rec.sock.pause();
        setImmediate(() => rec.sock.resume());
      };
      peer.send(bytes);
      await until(() => rec.data.length >= bytes.length);
      expect(rec.data.equals(bytes)).toBe(true);
    });

    test('what is sent is borrowed for the call only', async () => {
      const { connect, until } = await setUp();
      const { peer, rec } = await connect();
      const buf = Buffer.from('..precious..');
      expect(rec.call(sock => sock.send(buf, 2, 10))).toBe(8);
      buf.fill(0);
      await until(() => peer.received.length === 8);
      expect(peer.received.toString()).toBe('precious');
    });

    test('to a peer that does not read, send takes less and less; onWritable tells when to go on', async () => {
      const { connect, until } = await setUp();
      const { peer, rec } = await connect();
      peer.stopReading();
      const bytes = pattern(MANY);
      const state = sendAll(rec, bytes);
      expect(state.sent).toBeLessThan(bytes.length);
      expect(state.short).toBe(1);
      // until onWritable it takes no more
      const early = rec.call(sock => sock.send(bytes, state.sent, state.sent + 10));
      expect(early).toBe(0);
      peer.readOn();
      await until(() => peer.received.length === bytes.length);
      expect(peer.received.equals(bytes)).toBe(true);
      expect(rec.count('writable')).toBeGreaterThan(0);
      await until(() => rec.sock.pending === 0);
      expect(new Set(rec.events)).toEqual(new Set(['writable']));
    });

    test('what waits does not keep data of the peer from coming', async () => {
      const { connect, until } = await setUp();
      const { peer, rec } = await connect();
      peer.stopReading();
      sendAll(rec, pattern(MANY));
      peer.send('are you there?');
      await until(() => rec.data.length === 14);
      expect(rec.data.toString()).toBe('are you there?');
    });

    test('shutdown sends FIN behind what was taken, and receiving goes on', async () => {
      const { connect, until } = await setUp();
      const { peer, rec } = await connect();
      const bytes = pattern(50_000);
      let sent = 0;
      rec.onEvent = event => {
        if (event === 'writable') more();
      };
      const more = () => {
        sent += rec.call(sock => sock.send(bytes, sent, bytes.length));
        if (sent === bytes.length) rec.call(sock => sock.shutdown());
      };
      more();
      await until(() => peer.over !== undefined);
      expect(peer.over).toBe('fin');
      expect(peer.received.equals(bytes)).toBe(true);
      peer.send('still here');
      await until(() => rec.data.length === 10);
      expect(rec.data.toString()).toBe('still here');
    });

    test('close ends the connection, and no callback comes any more', async () => {
      const { connect, until, roundTrips } = await setUp();
      const { peer, rec } = await connect();
      rec.call(sock => sock.close());
      peer.send('into the void');
      peer.end();
      await until(() => peer.over !== undefined);
      await roundTrips(1);
      expect(rec.events).toEqual([]);
      expect(rec.sock.send(Buffer.from('y'), 0, 1)).toBe(0);
    });

    test('reset ends the connection with RST', async () => {
      const { connect, until, roundTrips } = await setUp();
      const { peer, rec } = await connect();
      peer.send('x');
      await until(() => rec.data.length === 1);
      rec.call(sock => sock.reset());
      await until(() => peer.over !== undefined);
      expect(peer.over).toBe('reset');
      await roundTrips(1);
      expect(rec.events).toEqual(['data']);
    });

    test('reset drops what waits: a peer that reads on gets no more of it', async () => {
      const { connect, until } = await setUp();
      const { peer, rec } = await connect();
      peer.stopReading();
      sendAll(rec, pattern(MANY));
      rec.call(sock => sock.reset());
      peer.readOn();
      // a client of node:net is told of a reset behind unread data as of an end
      await until(() => peer.over !== undefined);
      expect(peer.received.length).toBeLessThan(MANY);
      expect(rec.events).toEqual([]);
    });

    test('a peer that resets while bytes wait: onClose, and no onWritable', async () => {
      const { connect, until, roundTrips } = await setUp();
      const { peer, rec } = await connect();
      peer.stopReading();
      sendAll(rec, pattern(MANY));
      peer.reset();
      await until(() => rec.events.includes('close'));
      await roundTrips(1);
      expect(rec.events).toEqual(['close']);
      expect(rec.sock.pending).toBe(0);
    });

    test.each(['data', 'end', 'writable'])(
      'closing inside the callback for %s is fine, and it is the last one',
      async event => {
        const { connect, until, roundTrips } = await setUp(100);
        const { peer, rec } = await connect();
        let closed = false;
        if (event === 'writable') {
          peer.stopReading();
          sendAll(rec, pattern(MANY));
        }
        rec.onEvent = happened => {
          if (happened !== event) return;
          rec.sock.close();
          closed = true;
        };
        if (event === 'writable') peer.readOn();
        else peer.send(pattern(5_000));
        if (event === 'end') peer.end();
        await until(() => closed);
        await roundTrips(1);
        expect(rec.events.indexOf(event)).toBe(rec.events.length - 1);
      },
    );

    test('sending inside onData is fine: an echo loses and repeats nothing', async () => {
      const { connect, until } = await setUp(4_096);
      const { peer, rec } = await connect();
      const bytes = pattern(20_000);
      let waiting = Buffer.alloc(0);
      const flush = () => {
        const n = rec.sock.send(waiting, 0, waiting.length);
        waiting = waiting.subarray(n);
      };
      rec.onEvent = event => {
        if (event === 'data') waiting = Buffer.concat([waiting, rec.pieces.at(-1) ?? Buffer.alloc(0)]);
        flush();
      };
      for (let at = 0; at < bytes.length; at += 1_000) peer.send(bytes.subarray(at, at + 1_000));
      await until(() => peer.received.length === bytes.length);
      expect(peer.received.equals(bytes)).toBe(true);
    });

    test('a handler that closes another socket silences that one', async () => {
      const { connect, until, roundTrips } = await setUp();
      const first = await connect();
      const second = await connect();
      first.rec.onEvent = () => second.rec.sock.close();
      second.rec.onEvent = () => first.rec.sock.close();
      first.peer.send('1');
      second.peer.send('2');
      await until(() => first.rec.events.length + second.rec.events.length > 0);
      await roundTrips(1);
      expect(first.rec.events.length + second.rec.events.length).toBe(1);
    });

    test.each(['close', 'reset'] as const)('accept may %s the socket at once and give no owner', async how => {
      const rig = makeRig();
      const listener = await rig.port.listen(
        rig.options,
        () => Buffer.alloc(10),
        sock => {
          sock[how]();
          return undefined;
        },
        () => {},
      );
      undo.push(() => listener.close());
      // a reset may come before the client knows that it is connected
      const peer = await rig.connect(listener).catch(() => ({ over: 'reset' }));
      await until(rig, () => peer.over !== undefined);
      if (how === 'reset') expect(peer.over).toBe('reset');
    });

    test('accept may send before it gives an owner', async () => {
      const rig = makeRig();
      const buffer = Buffer.alloc(10);
      let rec: Recorder | undefined;
      const listener = await rig.port.listen(
        rig.options,
        () => buffer,
        sock => {
          rec = new Recorder(sock, () => buffer);
          return rec;
        },
        () => {},
      );
      undo.push(() => listener.close());
      const peer = await rig.connect(listener);
      await until(rig, () => rec !== undefined);
      undo.push(() => rec?.sock.close());
      expect(rec?.sock.send(Buffer.from('welcome'), 0, 7)).toBe(7);
      await until(rig, () => peer.received.length === 7);
      expect(peer.received.toString()).toBe('welcome');
    });

    test('a port that is taken is refused with EADDRINUSE', async () => {
      const { rig, listener } = await setUp();
      const again = rig.port.listen(
        { ...rig.options, port: listener.port },
        () => Buffer.alloc(1),
        () => undefined,
        () => {},
      );
      await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
    });

    test('a closed listener lets its sockets live on, and its port can be bound again', async () => {
      const { rig, listener, connect, until } = await setUp();
      const { peer, rec } = await connect();
      const { port } = listener;
      await listener.close();
      const again = await rig.port.listen(
        { ...rig.options, port },
        () => Buffer.alloc(1),
        () => undefined,
        () => {},
      );
      undo.push(() => again.close());
      expect(again.port).toBe(port);
      peer.send('still here');
      await until(() => rec.data.length === 10);
      expect(rec.sock.send(Buffer.from('me too'), 0, 6)).toBe(6);
      await until(() => peer.received.length === 6);
    });
  });
}
