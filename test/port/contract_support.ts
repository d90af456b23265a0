import { afterEach, expect, vi } from 'vitest';
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
export async function until(rig: Rig, fn: () => boolean): Promise<void> {
  await vi.waitFor(
    async () => {
      await rig.turn();
      expect(fn()).toBe(true);
    },
    { timeout: 8_000, interval: 1 },
  );
}

/** What happens to a socket, in its order. */
export class Recorder implements SocketHandler {
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
export function pattern(n: number): Buffer {
  const bytes = Buffer.allocUnsafe(n);
  for (let i = 0; i < n; i++) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return bytes;
}

export const MANY = 12 * 1024 * 1024;

/** Sets up what a test of the contract needs, and cleans up behind it. */
export class ContractLab {
  private undo: (() => unknown)[] = [];

  constructor(readonly makeRig: () => Rig) {
    afterEach(async () => {
      for (const fn of this.undo.splice(0).reverse()) await fn();
    });
  }

  /** `fn` is called after the test. */
  later(fn: () => unknown): void {
    this.undo.push(fn);
  }

  /** Listens, connects, and waits until the connection is accepted. */
  async setUp(bufferSize = 64 * 1024) {
    const rig = this.makeRig();
    const buffer = Buffer.alloc(bufferSize);
    const accepted: Recorder[] = [];
    /** What the port has told `onError`. */
    const errors: Error[] = [];
    const listener = await rig.port.listen(
      rig.options,
      () => buffer,
      sock => {
        const recorder = new Recorder(sock, () => buffer);
        accepted.push(recorder);
        return recorder;
      },
      error => errors.push(error),
    );
    this.later(() => listener.close());
    const connect = async (): Promise<{ peer: Peer; sock: PortSocket; rec: Recorder }> => {
      const n = accepted.length;
      const peer = await rig.connect(listener);
      await until(rig, () => accepted.length > n);
      const rec = accepted[n] as Recorder;
      this.later(() => rec.sock.close());
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
    return { rig, listener, accepted, errors, connect, roundTrips, until: (fn: () => boolean) => until(rig, fn) };
  }
}

/** Sends all of `bytes`, going on at each onWritable. */
export function sendAll(rec: Recorder, bytes: Buffer): { sent: number; short: number } {
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
