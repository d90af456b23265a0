import { expect, test } from 'vitest';
import type { PortSocket } from '../../src/port/port.js';
import { type ContractLab, type Peer, type Recorder, until } from './contract_support.js';

type Ending = (peer: Peer, rec: Recorder, until: (fn: () => boolean) => Promise<void>) => unknown;

const ENDINGS: [string, Ending][] = [
  ['close', (_peer, rec) => rec.call(sock => sock.close())],
  ['reset', (_peer, rec) => rec.call(sock => sock.reset())],
  ["the peer's reset", (peer, rec, until) => [peer.reset(), until(() => rec.events.includes('close'))][1]],
  ['close while paused', (_peer, rec) => rec.call(sock => [sock.pause(), sock.close()])],
];

/** Everything that can be called, each thing twice. */
function callAll(sock: PortSocket): void {
  for (let i = 0; i < 2; i++) {
    sock.pause();
    sock.resume();
    sock.shutdown();
    expect(sock.send(Buffer.from('y'), 0, 1)).toBe(0);
    sock.close();
    sock.reset();
  }
}

/** The end was told once. A port may release the socket by itself when both sides have ended, and say so behind it. */
function endedOnce(rec: Recorder): void {
  const ends = rec.events.filter(event => event !== 'data');
  expect([['end'], ['end', 'close']]).toContainEqual(ends);
  expect(rec.errors.every(error => error === undefined)).toBe(true);
}

/** What has ended stays ended, and harms nobody. */
export function ended(lab: ContractLab): void {
  test.each(ENDINGS)('every call is harmless behind %s, also to a socket that came after it', async (_name, end) => {
    const { connect, until, roundTrips } = await lab.setUp();
    const { peer, rec } = await connect();
    await end(peer, rec, until);
    // behind the end of the first this one may have its descriptor's number
    const next = await connect();
    const events = [...rec.events];
    rec.call(callAll);
    expect(rec.sock.pending).toBe(0);
    expect(typeof rec.sock.remoteAddress).toBe('string');
    expect(typeof rec.sock.localPort).toBe('number');
    next.peer.send('fine');
    await until(() => next.rec.data.length === 4);
    expect(next.rec.call(sock => sock.send(Buffer.from('yes'), 0, 3))).toBe(3);
    await until(() => next.peer.received.length === 3);
    expect(next.peer.over).toBeUndefined();
    await roundTrips(1);
    expect(rec.events).toEqual(events);
    expect(next.rec.events).not.toContain('close');
  });

  test('when both sides have sent FIN, pause and resume bring nothing back, and close releases', async () => {
    const { connect, until, roundTrips } = await lab.setUp();
    const { peer, rec } = await connect();
    rec.call(sock => sock.shutdown());
    await until(() => peer.over === 'fin');
    peer.end();
    await until(() => rec.events.includes('end'));
    for (let i = 0; i < 2; i++) {
      rec.call(sock => sock.pause());
      await roundTrips(1);
      rec.call(sock => sock.resume());
      await roundTrips(1);
    }
    endedOnce(rec);
    rec.call(sock => sock.close());
    await roundTrips(1);
    endedOnce(rec);
  });

  test('both sides send FIN while the socket is paused: resumed, it delivers what waits and the end', async () => {
    const { connect, until, roundTrips } = await lab.setUp();
    const { peer, rec } = await connect();
    rec.call(sock => [sock.pause(), sock.shutdown()]);
    await until(() => peer.over === 'fin');
    peer.send('last words');
    peer.end();
    await roundTrips();
    expect(rec.events).toEqual([]);
    rec.call(sock => sock.resume());
    await until(() => rec.events.includes('end'));
    expect(rec.data.toString()).toBe('last words');
    await roundTrips(1);
    endedOnce(rec);
  });

  test('a reset that comes while the socket is paused is told once, at the latest when it is resumed', async () => {
    const { connect, until, roundTrips } = await lab.setUp();
    const { peer, rec } = await connect();
    rec.call(sock => sock.pause());
    peer.reset();
    await roundTrips(1);
    rec.call(sock => sock.resume());
    await until(() => rec.events.includes('close'));
    await roundTrips(1);
    expect(rec.events).toEqual(['close']);
    expect(rec.errors[0]).toBeInstanceOf(Error);
  });

  test('a socket that is paused and resumed behind the FIN is not told of it again', async () => {
    const { connect, until, roundTrips } = await lab.setUp();
    const { peer, rec } = await connect();
    peer.end();
    await until(() => rec.events.includes('end'));
    rec.call(sock => [sock.pause(), sock.resume(), sock.pause()]);
    await roundTrips(1);
    rec.call(sock => sock.resume());
    await roundTrips(1);
    expect(rec.events).toEqual(['end']);
    expect(rec.call(sock => sock.send(Buffer.from('late'), 0, 4))).toBe(4);
    await until(() => peer.received.length === 4);
  });

  test('closing a listener twice is harmless', async () => {
    const { rig, listener, connect } = await lab.setUp();
    const { peer, rec } = await connect();
    await listener.close();
    await listener.close();
    peer.send('x');
    await until(rig, () => rec.data.length === 1);
  });
}
