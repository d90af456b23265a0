import * as net from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { netPort } from '../../src/port/net.js';
import { tlsPort } from '../../src/port/tls.js';
import { certificates } from '../support/certificates.js';
import { secure } from '../support/raw_client.js';
import { MANY, pattern, sendAll } from './contract_support.js';
import { listenOn } from './rig.js';

// What is sent within `accept`, when nobody is told of the socket yet.

const PATIENCE = { timeout: 8_000, interval: 2 };
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const fn of undo.splice(0).reverse()) await fn();
});

const tls = () =>
  tlsPort({
    options: certificates().server,
    handshakeMs: 1_000,
    maxHandshakes: 10,
    after: () => () => {},
    later: () => () => {},
    peerOf: address => address,
    whenServed: fn => fn(),
    isPeerFull: () => false,
    begin: () => () => {},
    onFailure: () => {},
  });

describe.each([
  ['net', () => netPort, false],
  ['tls', tls, true],
])('within accept: %s', (_name, port, encrypted) => {
  async function start() {
    const made = await listenOn(port(), {});
    undo.push(() => made.listener.close());
    const connect = (): net.Socket => {
      const tcp = net.connect(made.listener.port, '127.0.0.1');
      const client = encrypted ? secure(tcp) : tcp;
      for (const socket of [tcp, client]) socket.on('error', () => {});
      undo.push(() => client.destroy());
      return client.resume();
    };
    return { ...made, connect };
  }

  test('more than a socket takes at once is sent, and onWritable tells when to go on', async () => {
    const { onAccept, accepted, connect } = await start();
    const bytes = pattern(MANY);
    onAccept.push(rec => sendAll(rec, bytes));
    const client = connect();
    await vi.waitFor(() => expect(client.bytesRead).toBeGreaterThanOrEqual(bytes.length), PATIENCE);
    const [rec] = accepted;
    undo.push(() => rec?.sock.close());
    expect(rec?.events).toContain('writable');
    expect(rec?.events.filter(event => event !== 'writable')).toEqual([]);
  });

  test('nothing is taken behind close() and reset()', async () => {
    const { onAccept, accepted, connect } = await start();
    const taken: number[] = [];
    const ends = ['close', 'reset'] as const;
    onAccept.push(({ sock }) => {
      sock[ends[accepted.length - 1] ?? 'close']();
      taken.push(sock.send(Buffer.from('hello'), 0, 5));
    });
    for (const n of [1, 2]) {
      connect();
      await vi.waitFor(() => expect(taken).toHaveLength(n), PATIENCE);
    }
    expect(taken).toEqual([0, 0]);
  });
});
