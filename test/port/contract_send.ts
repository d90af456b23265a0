import { expect, test } from 'vitest';
import { type ContractLab, MANY, pattern, sendAll } from './contract_support.js';

/** What goes to a peer, and how a connection ends. */
export function sending(lab: ContractLab): void {
  test('what is sent is borrowed for the call only', async () => {
    const { connect, until } = await lab.setUp();
    const { peer, rec } = await connect();
    const buf = Buffer.from('..precious..');
    expect(rec.call(sock => sock.send(buf, 2, 10))).toBe(8);
    buf.fill(0);
    await until(() => peer.received.length === 8);
    expect(peer.received.toString()).toBe('precious');
  });

  test('to a peer that does not read, send takes less and less; onWritable tells when to go on', async () => {
    const { connect, until } = await lab.setUp();
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
    const { connect, until } = await lab.setUp();
    const { peer, rec } = await connect();
    peer.stopReading();
    sendAll(rec, pattern(MANY));
    peer.send('are you there?');
    await until(() => rec.data.length === 14);
    expect(rec.data.toString()).toBe('are you there?');
  });

  test('shutdown sends FIN behind what was taken, and receiving goes on', async () => {
    const { connect, until } = await lab.setUp();
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
    const { connect, until, roundTrips } = await lab.setUp();
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
    const { connect, until, roundTrips } = await lab.setUp();
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
    const { connect, until } = await lab.setUp();
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
    const { connect, until, roundTrips } = await lab.setUp();
    const { peer, rec } = await connect();
    peer.stopReading();
    sendAll(rec, pattern(MANY));
    // what is taken until the peer's kernel is full
    await roundTrips(1);
    rec.events.length = 0;
    peer.reset();
    await until(() => rec.events.includes('close'));
    await roundTrips(1);
    expect(rec.events).toEqual(['close']);
    expect(rec.sock.pending).toBe(0);
  });

  test.each(['data', 'end', 'writable'])(
    'closing inside the callback for %s is fine, and it is the last one',
    async event => {
      const { connect, until, roundTrips } = await lab.setUp(100);
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
    const { connect, until } = await lab.setUp(4_096);
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
    const { connect, until, roundTrips } = await lab.setUp();
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
}
