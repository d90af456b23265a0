import { afterEach, describe, expect, test } from 'vitest';
import { netPort } from '../../src/port/net.js';
import type { Listener } from '../../src/port/port.js';
import { type FaultPlan, FaultPort, type FaultSocket, randomFaults, type Strike } from '../support/fault_port.js';
import { type MemConn, MemPort } from '../support/mem_port.js';
import { turn } from '../support/server.js';
import { portContract } from './contract.js';
import { type Peer, Recorder, type Rig } from './contract_support.js';
import { tcpRig } from './rig.js';

/** What the contract's tests, which count on a kernel's buffers, leave room for. */
const mild: FaultPlan = connection => ({
  receive: n => (n > 10 ? n - (n >> 2) : 1),
  piecePerTurn: connection % 2 === 0,
  // a quarter of a sendAll's 300,000 is left
  send: n => Math.min(n, 220_000),
  writableAfter: () => 3,
});

function memRig(): Rig {
  const mem = new MemPort();
  const connect = (_listener: Listener): Promise<Peer> => Promise.resolve(peerOf(mem.connect()));
  const turnAll = async () => {
    for (const conn of mem.conns) conn.pump();
    await turn();
  };
  const options = { port: 0, host: undefined, backlog: 5, reusePort: false, keepAlive: undefined };
  return { port: new FaultPort(mem, mild), connect, turn: turnAll, options };
}

function peerOf(conn: MemConn): Peer {
  return {
    send: bytes => conn.deliver(bytes),
    end: () => conn.fin(),
    reset: () => conn.reset(),
    stopReading: () => {
      conn.room = 100_000;
    },
    readOn: () => conn.drain(),
    get received() {
      return conn.sent;
    },
    get over() {
      if (conn.ended === 'reset') return 'reset';
      return conn.finSent || conn.ended === 'close' ? 'fin' : undefined;
    },
  };
}

portContract('faulty mem', memRig);
portContract('faulty net', () => tcpRig(new FaultPort(netPort, mild)));

const listeners: Listener[] = [];

afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
});

/** One connection with these faults. */
async function open(plan: FaultPlan) {
  const mem = new MemPort();
  const port = new FaultPort(mem, plan);
  const buffer = Buffer.alloc(64);
  const recs: Recorder[] = [];
  const listener = await port.listen(
    { port: 0, host: undefined, backlog: 1, reusePort: false, keepAlive: undefined },
    () => buffer,
    sock => {
      const rec = new Recorder(sock, () => buffer);
      recs.push(rec);
      return rec;
    },
    () => {},
  );
  listeners.push(listener);
  const conn = mem.connect();
  const rec = recs[0] as Recorder;
  return { mem, conn, rec, recs, buffer, socket: port.sockets[0] as FaultSocket };
}

async function turns(n: number): Promise<void> {
  for (let i = 0; i < n; i++) await turn();
}

/** At the n-th operation. */
function strikeAt(n: number, strike: Strike): FaultPlan {
  return () => ({ strike: operation => (operation === n ? strike : undefined) });
}

describe('what is received', () => {
  test('comes byte by byte, all in one turn, in its order and with the FIN behind it', async () => {
    const { conn, rec } = await open(() => ({ receive: () => 1 }));
    conn.deliver('abc').fin();
    expect(rec.events).toEqual(['data', 'data', 'data', 'end']);
    expect(rec.data.toString()).toBe('abc');
  });

  test('comes in pieces of which each waits for a turn', async () => {
    const { conn, rec } = await open(() => ({ receive: () => 2, piecePerTurn: true }));
    conn.deliver('abcde').fin();
    expect(rec.data.toString()).toBe('ab');
    for (let i = 0; i < 4; i++) {
      await turn();
      conn.pump();
    }
    expect(rec.events).toEqual(['data', 'data', 'data', 'end']);
    expect(rec.data.toString()).toBe('abcde');
  });

  test('is never less than a byte, nor more than there is', async () => {
    const { conn, rec } = await open(() => ({ receive: n => (n === 3 ? 0 : 100) }));
    conn.deliver('abc');
    expect(rec.pieces.map(String)).toEqual(['a', 'bc']);
  });

  test('is overwritten behind each call', async () => {
    const { conn, buffer } = await open(() => ({}));
    conn.deliver('abc');
    expect(buffer.toString('latin1', 0, 4)).toBe('ZZZ\0');
  });

  test('waits while the owner has paused, and the inner port is held back too', async () => {
    const { conn, rec } = await open(() => ({ receive: () => 1 }));
    rec.onEvent = () => rec.sock.pause();
    conn.deliver('abc');
    conn.deliver('d');
    expect(rec.data.toString()).toBe('a');
    expect(conn.waiting).toBe(1);
    rec.onEvent = () => {};
    rec.call(sock => sock.resume());
    await turn();
    conn.pump();
    expect(rec.data.toString()).toBe('abcd');
  });
});

describe('what is sent', () => {
  test('is taken in part; onWritable follows in the next turn, or later', async () => {
    for (const late of [undefined, 1, 4]) {
      const writableAfter = late === undefined ? {} : { writableAfter: () => late };
      const { conn, rec } = await open(() => ({ send: () => 2, ...writableAfter }));
      expect(rec.call(sock => sock.send(Buffer.from('abcde'), 1, 5))).toBe(2);
      expect(rec.call(sock => sock.send(Buffer.from('x'), 0, 1))).toBe(0);
      expect(rec.events).toEqual([]);
      await turns(late ?? 1);
      expect(rec.events).toEqual(['writable']);
      expect(conn.sent.toString()).toBe('bc');
    }
  });

  test('is taken not at all (EAGAIN), as often as the plan says', async () => {
    let calls = 0;
    const { conn, rec } = await open(() => ({ send: n => (calls++ < 3 ? 0 : n) }));
    rec.onEvent = () => rec.sock.send(Buffer.from('abc'), 0, 3);
    expect(rec.call(sock => sock.send(Buffer.from('abc'), 0, 3))).toBe(0);
    await turns(5);
    expect(rec.events).toEqual(['writable', 'writable', 'writable']);
    expect(conn.sent.toString()).toBe('abc');
  });

  test('and the inner port takes less: it tells when it takes more', async () => {
    const { conn, rec } = await open(() => ({ send: () => 5 }));
    conn.room = 2;
    expect(rec.call(sock => sock.send(Buffer.from('abcdefg'), 0, 7))).toBe(2);
    await turns(3);
    expect(rec.events).toEqual([]);
    conn.drain();
    expect(rec.events).toEqual(['writable']);
  });

  test('and the inner port holds it: nothing more is taken until it lets go', async () => {
    const { conn, rec } = await open(() => ({}));
    conn.holds = true;
    expect(rec.call(sock => sock.send(Buffer.from('abc'), 0, 3))).toBe(3);
    expect(rec.sock.pending).toBe(3);
    expect(rec.call(sock => sock.send(Buffer.from('d'), 0, 1))).toBe(0);
    conn.drain();
    expect(rec.events).toEqual(['writable']);
  });
});

describe('strikes', () => {
  test.each([1, 2, 3])('operation %i of three receives does not come: the connection breaks instead', async n => {
    const { conn, rec, socket } = await open(strikeAt(n, 'reset'));
    conn.deliver('a', 'b', 'c', 'd');
    expect(rec.events).toEqual([...Array(n - 1).fill('data'), 'close']);
    expect(rec.errors).toEqual([expect.objectContaining({ code: 'ECONNRESET' })]);
    expect([conn.ended, socket.over, socket.operations]).toEqual(['reset', true, n]);
    rec.call(sock => sock.close());
    await turns(2);
    expect(rec.count('close')).toBe(1);
  });

  test('at a send: it takes nothing, and onClose comes in the next turn', async () => {
    const { conn, rec } = await open(strikeAt(2, 'reset'));
    conn.deliver('a');
    expect(rec.call(sock => sock.send(Buffer.from('abc'), 0, 3))).toBe(0);
    conn.deliver('b');
    expect(rec.events).toEqual(['data']);
    await turn();
    expect(rec.events).toEqual(['data', 'close']);
    expect(conn.sent).toHaveLength(0);
  });

  test.each(['close', 'reset'] as const)(
    'at a send, and the owner calls %s before it is told: it is not told',
    async how => {
      const { rec } = await open(strikeAt(1, 'reset'));
      rec.call(sock => [sock.send(Buffer.from('a'), 0, 1), sock[how]()]);
      await turns(2);
      expect(rec.events).toEqual([]);
    },
  );

  test('at a shutdown', async () => {
    const { conn, rec } = await open(strikeAt(1, 'reset'));
    rec.call(sock => sock.shutdown());
    await turn();
    expect(rec.events).toEqual(['close']);
    expect(conn.finSent).toBe(false);
  });

  test('at onWritable', async () => {
    const { rec } = await open(() => ({ send: () => 1, strike: n => (n === 2 ? 'reset' : undefined) }));
    rec.call(sock => sock.send(Buffer.from('ab'), 0, 2));
    await turns(2);
    expect(rec.events).toEqual(['close']);
  });

  test('at a send within a callback that then throws: onClose comes once, for what was thrown', async () => {
    const { conn, rec } = await open(strikeAt(2, 'reset'));
    const thrown = new Error('on purpose');
    rec.onEvent = event => {
      if (event !== 'data') return;
      rec.sock.send(Buffer.from('a'), 0, 1);
      throw thrown;
    };
    conn.deliver('x');
    await turns(2);
    expect(rec.events).toEqual(['data', 'close']);
    expect(rec.errors).toEqual([thrown]);
  });

  test('a FIN instead of a receive: what would have come is lost, and sending goes on', async () => {
    const { conn, rec } = await open(() => ({ receive: () => 1, strike: n => (n === 3 ? 'fin' : undefined) }));
    conn.deliver('abc').deliver('d').fin();
    await turns(2);
    expect(rec.events).toEqual(['data', 'data', 'end']);
    expect(rec.call(sock => sock.send(Buffer.from('yes'), 0, 3))).toBe(3);
    expect(conn.sent.toString()).toBe('yes');
  });

  test('a FIN at a send comes behind it, and nothing behind that', async () => {
    const { conn, rec } = await open(strikeAt(1, 'fin'));
    expect(rec.call(sock => sock.send(Buffer.from('yes'), 0, 3))).toBe(3);
    conn.deliver('more');
    await turn();
    expect(rec.events).toEqual(['end']);
    expect(conn.sent.toString()).toBe('yes');
  });
});

describe('random faults', () => {
  /** What happens with this seed to one connection after another, of which each echoes. */
  async function story(seed: number): Promise<string[][]> {
    const { mem, recs, conn } = await open(randomFaults(seed));
    const conns = [conn, mem.connect(), mem.connect()];
    const text = 'what is sent here comes back'.repeat(4);
    for (const [i, rec] of recs.entries()) {
      let waiting = Buffer.alloc(0);
      rec.onEvent = event => {
        if (event === 'data') waiting = Buffer.concat([waiting, rec.pieces.at(-1) as Buffer]);
        waiting = waiting.subarray(rec.sock.send(waiting, 0, waiting.length));
      };
      const at = conns[i] as MemConn;
      at.deliver(text);
      while (at.sent.length < text.length) {
        await turn();
        at.pump();
      }
      expect(at.sent.toString()).toBe(text);
      expect(at.misuse).toEqual([]);
    }
    return recs.map(rec => [...rec.events, rec.pieces.map(piece => piece.length).join(' ')]);
  }

  test('are the same for the same seed, and others for another; nothing is lost', async () => {
    const stories: string[] = [];
    for (let seed = 0; seed < 20; seed++) {
      const told = await story(seed);
      expect(await story(seed)).toEqual(told);
      stories.push(...told.map(String));
    }
    expect(new Set(stories).size).toBeGreaterThan(30);
  });
});
