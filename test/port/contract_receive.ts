import { expect, test } from 'vitest';
import { type ContractLab, pattern, Recorder, until } from './contract_support.js';

/** What comes from a peer: data, FIN, reset, and how it is held back. */
export function receiving(lab: ContractLab): void {
  test('what a peer sends lies at the start of the receive buffer', async () => {
    const { connect, until } = await lab.setUp();
    const { peer, rec } = await connect();
    peer.send('hello');
    await until(() => rec.data.length === 5);
    peer.send(' again');
    await until(() => rec.data.length === 11);
    expect(rec.data.toString()).toBe('hello again');
    expect(new Set(rec.events)).toEqual(new Set(['data']));
  });

  test('more than the receive buffer holds comes in several pieces, none longer than it', async () => {
    const { connect, until } = await lab.setUp(1_000);
    const { peer, rec } = await connect();
    const bytes = pattern(70_123);
    peer.send(bytes);
    await until(() => rec.data.length === bytes.length);
    expect(rec.data.equals(bytes)).toBe(true);
    expect(rec.pieces.every(piece => piece.length > 0 && piece.length <= 1_000)).toBe(true);
  });

  test('the receive buffer is shared: the next data, of any socket, takes the place of the last', async () => {
    const { connect, until } = await lab.setUp();
    const first = await connect();
    const second = await connect();
    first.peer.send('aaaa');
    await until(() => first.rec.data.length === 4);
    second.peer.send('bb');
    await until(() => second.rec.data.length === 2);
    expect([first.rec.data.toString(), second.rec.data.toString()]).toEqual(['aaaa', 'bb']);
  });

  test('the receive buffer is asked for at each read, since it may move', async () => {
    const rig = lab.makeRig();
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
    lab.later(() => listener.close());
    const peer = await rig.connect(listener);
    lab.later(() => rec?.sock.close());
    for (const text of ['one', 'two', 'three']) {
      const before = rec?.data.length ?? 0;
      peer.send(text);
      await until(rig, () => rec?.data.length === before + text.length);
      buffer = Buffer.alloc(100);
    }
    expect(rec?.data.toString()).toBe('onetwothree');
  });

  test('the socket knows its peer', async () => {
    const { connect } = await lab.setUp();
    const { sock } = await connect();
    expect(sock.remoteAddress).toMatch(/^[0-9a-f.:]+$/);
    expect(sock.remotePort).toBeGreaterThan(0);
  });

  test("the peer's FIN comes once, behind all its data, and sending goes on", async () => {
    const { connect, until } = await lab.setUp();
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
    const { connect, until } = await lab.setUp();
    const { peer, rec } = await connect();
    peer.end();
    await until(() => rec.events.includes('end'));
    expect(rec.events).toEqual(['end']);
  });

  test('a reset comes as onClose with its error, and nothing after it', async () => {
    const { connect, until, roundTrips } = await lab.setUp();
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
    const { connect, until, roundTrips } = await lab.setUp();
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
    const { connect, until, roundTrips } = await lab.setUp();
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
    const { connect, until } = await lab.setUp();
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
}
