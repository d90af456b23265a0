import { describe, expect, test } from 'vitest';
import type { Listener } from '../../src/port/port.js';
import { type MemConn, MemPort } from '../support/mem_port.js';
import { portContract } from './contract.js';
import type { Peer, Rig } from './contract_support.js';

function memRig(): Rig {
  const port = new MemPort();
  const connect = (_listener: Listener): Promise<Peer> => Promise.resolve(peerOf(port.connect()));
  const turn = async () => {
    for (const conn of port.conns) conn.pump();
    await new Promise(resolve => setImmediate(resolve));
  };
  return {
    port,
    connect,
    turn,
    options: { port: 0, host: undefined, backlog: 5, reusePort: false, keepAlive: undefined },
  };
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

portContract('mem', memRig);

describe('the in-memory port', () => {
  async function open() {
    const port = new MemPort();
    const buffer = Buffer.alloc(16);
    const seen: string[] = [];
    const listener = await port.listen(
      { port: 0, host: undefined, backlog: 1, reusePort: false, keepAlive: undefined },
      () => buffer,
      () => ({
        onData: len => seen.push(buffer.toString('latin1', 0, len)),
        onEnd: () => seen.push('end'),
        onWritable: () => seen.push('writable'),
        onClose: error => seen.push(`close ${error?.message}`),
      }),
      error => seen.push(`error ${error.message}`),
    );
    return { port, buffer, seen, conn: port.connect(), listener };
  }

  test('finds out who keeps a borrowed chunk: it overwrites the buffer behind each call', async () => {
    const { conn, buffer, seen } = await open();
    conn.deliver('abc', 'de');
    expect(seen).toEqual(['abc', 'de']);
    expect(buffer.every(byte => byte === 0xa5)).toBe(true);
  });

  test('plays a kernel that holds what it took', async () => {
    const { conn, seen } = await open();
    conn.holds = true;
    expect(conn.socket.send(Buffer.from('abc'), 0, 3)).toBe(3);
    expect(conn.socket.pending).toBe(3);
    expect(conn.socket.send(Buffer.from('d'), 0, 1)).toBe(0);
    expect(seen).toEqual([]);
    conn.drain();
    expect(conn.socket.pending).toBe(0);
    expect(seen).toEqual(['writable']);
  });

  test('takes as many bytes as there is room for', async () => {
    const { conn, seen } = await open();
    conn.room = 2;
    expect(conn.socket.send(Buffer.from('abc'), 0, 3)).toBe(2);
    conn.drain(1);
    expect(seen).toEqual(['writable']);
    expect(conn.socket.send(Buffer.from('abc'), 2, 3)).toBe(1);
    expect(conn.socket.send(Buffer.from('x'), 0, 1)).toBe(0);
    expect(conn.sent.toString()).toBe('abc');
  });

  test('notes what makes no sense', async () => {
    const { conn } = await open();
    conn.socket.shutdown();
    conn.socket.send(Buffer.from('x'), 0, 1);
    conn.socket.close();
    conn.socket.reset();
    expect(conn.misuse).toEqual(['send after shutdown', 'reset on a socket that has ended']);
  });

  test('lists what is open', async () => {
    const { port, conn } = await open();
    const other = port.connect();
    expect(port.open).toEqual([conn, other]);
    conn.socket.reset();
    other.reset();
    expect(port.open).toEqual([]);
  });
});
