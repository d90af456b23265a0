import { expect, test } from 'vitest';
import type { SocketHandler } from '../../src/port/port.js';
import { type ContractLab, MANY, type Peer, pattern, Recorder, sendAll, until } from './contract_support.js';

interface Cause {
  prepare?(peer: Peer, rec: Recorder): unknown;
  act(peer: Peer): void;
}

/** What makes the port call a callback. */
const CAUSES: Record<'data' | 'end' | 'writable', Cause> = {
  data: { act: peer => peer.send('x') },
  end: { act: peer => peer.end() },
  writable: {
    prepare: (peer, rec) => [peer.stopReading(), sendAll(rec, pattern(MANY))],
    act: peer => peer.readOn(),
  },
};

/** What a callback throws ends its own connection and nothing else. */
export function faults(lab: ContractLab): void {
  test.each(['data', 'end', 'writable'] as const)(
    'in the callback for %s: RST, onClose, onError once; others go on',
    async event => {
      const { connect, errors, until, roundTrips } = await lab.setUp();
      const other = await connect();
      const { peer, rec } = await connect();
      const thrown = new Error('on purpose');
      CAUSES[event].prepare?.(peer, rec);
      rec.onEvent = happened => {
        if (happened === event) throw thrown;
      };
      CAUSES[event].act(peer);
      await until(() => rec.events.includes('close') && peer.over !== undefined);
      // a client of node:net is told of a reset behind unread data as of an end
      if (event !== 'writable') expect(peer.over).toBe('reset');
      expect(peer.received.length).toBeLessThan(MANY);
      await roundTrips(1);
      expect(rec.events).toEqual([event, 'close']);
      expect(rec.errors).toEqual([thrown]);
      expect(errors).toEqual([thrown]);
      expect(rec.call(sock => sock.send(Buffer.from('y'), 0, 1))).toBe(0);
      other.peer.send('fine');
      await until(() => other.rec.data.length === 4);
      expect(other.peer.over).toBeUndefined();
    },
  );

  test('in onClose: onError once; others go on', async () => {
    const { connect, errors, until, roundTrips } = await lab.setUp();
    const other = await connect();
    const { peer, rec } = await connect();
    const thrown = new Error('on purpose');
    rec.onEvent = () => {
      throw thrown;
    };
    peer.reset();
    await until(() => errors.length > 0);
    await roundTrips(1);
    expect(rec.events).toEqual(['close']);
    expect(errors).toEqual([thrown]);
    other.peer.send('fine');
    await until(() => other.rec.data.length === 4);
  });

  test('in onData and then in onClose: onError is told of both', async () => {
    const { connect, errors, until, roundTrips } = await lab.setUp();
    const { peer, rec } = await connect();
    rec.onEvent = event => {
      throw new Error(event);
    };
    peer.send('x');
    await until(() => rec.events.includes('close'));
    await roundTrips(1);
    expect(rec.events).toEqual(['data', 'close']);
    expect(errors.map(({ message }) => message)).toEqual(['data', 'close']);
  });

  test('what is thrown need not be an Error', async () => {
    const { connect, errors, until } = await lab.setUp();
    const { peer, rec } = await connect();
    rec.onEvent = event => {
      const thrown: unknown = 'no reason';
      if (event === 'data') throw thrown;
    };
    peer.send('x');
    await until(() => rec.events.includes('close'));
    expect(errors).toEqual([new Error('no reason')]);
    expect(rec.errors).toEqual(errors);
  });

  test('a handler that has closed its socket and then throws gets no onClose', async () => {
    const { connect, errors, until, roundTrips } = await lab.setUp();
    const { peer, rec } = await connect();
    rec.onEvent = () => {
      rec.sock.close();
      throw new Error('on purpose');
    };
    peer.send('x');
    await until(() => errors.length > 0);
    await roundTrips(1);
    expect(rec.events).toEqual(['data']);
    expect(errors).toEqual([new Error('on purpose')]);
  });

  test('in accept: RST, onError once; the next connection is accepted', async () => {
    const rig = lab.makeRig();
    const buffer = Buffer.alloc(10);
    const errors: Error[] = [];
    const thrown = new Error('on purpose');
    let calls = 0;
    let rec: Recorder | undefined;
    const listener = await rig.port.listen(
      rig.options,
      () => buffer,
      (sock): SocketHandler => {
        calls += 1;
        if (calls === 1) throw thrown;
        rec = new Recorder(sock, () => buffer);
        return rec;
      },
      error => errors.push(error),
    );
    lab.later(() => listener.close());
    // a reset may come before the client knows that it is connected
    const first = await rig.connect(listener).catch(() => ({ over: 'reset' }));
    await until(rig, () => first.over !== undefined);
    expect(first.over).toBe('reset');
    expect(errors).toEqual([thrown]);
    const second = await rig.connect(listener);
    lab.later(() => rec?.sock.close());
    second.send('hello');
    await until(rig, () => rec?.data.length === 5);
    expect(errors).toEqual([thrown]);
  });
}
