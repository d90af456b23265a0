import { constants } from 'node:os';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { epollPort } from '../../src/port/epoll.js';
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, loadLibc } from '../../src/port/libc.js';
import type { Listener } from '../../src/port/port.js';
import { tireLoop } from '../support/after_poll.js';
import { EPOLL_HERE } from '../support/epoll.js';
import { heldAtRest } from '../support/held.js';
import { RawClient } from '../support/raw_client.js';
import { ContractLab, MANY, pattern, type Recorder, sendAll, until } from './contract_support.js';
import { fdOf, holdEvents, inOneTurn, turns } from './epoll_support.js';
import { keep, listenOn, OPTIONS, tcpRig } from './rig.js';

const RIG = tcpRig(epollPort);
const { EMFILE } = constants.errno;
const BROKEN = EPOLLERR | EPOLLHUP;

describe.skipIf(!EPOLL_HERE)('one turn of the epoll loop', () => {
  const lab = new ContractLab(() => RIG);

  // also when a test has failed before its events came
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Listens, and accepts some connections. `newcomer` is called for those that come later, within `accept`. */
  async function setUp(connections: number) {
    const { listener, accepted, errors, onAccept } = await listenOn(epollPort, {});
    lab.later(() => listener.close());
    const pairs: { client: RawClient; rec: Recorder; fd: number }[] = [];
    for (let i = 0; i < connections; i++) {
      const client = keep(await RawClient.connect(listener.port));
      await until(RIG, () => accepted.length > i);
      const rec = accepted[i] as Recorder;
      pairs.push({ client, rec, fd: fdOf(rec.sock) });
    }
    lab.later(() => {
      for (const { sock } of accepted) sock.close();
    });
    const [first, second] = pairs as [(typeof pairs)[0], (typeof pairs)[0]];
    return { listener, accepted, errors, onAccept, first, second, pairs };
  }

  test.each([
    ['has broken', BROKEN, (client: RawClient) => client.reset()],
    ['has data', EPOLLIN, (client: RawClient) => client.send('for the dead')],
  ])(
    'the event of a socket that %s, and was closed before its event is looked at, does not reach who has its number now',
    async (_name, mask, happen) => {
      const { listener, accepted, onAccept, first, second } = await setUp(2);
      const libc = loadLibc();
      first.rec.onEvent = () => second.rec.sock.close();
      onAccept.push(({ sock }) => sock.pause());
      const turn = inOneTurn([
        [first.fd, EPOLLIN],
        [fdOf(listener), EPOLLIN],
        [second.fd, mask],
      ]);
      const recv = vi.spyOn(libc, 'recv');
      const getOption = vi.spyOn(libc, 'getOption');
      happen(second.client);
      first.client.send('1');
      const third = keep(await RawClient.connect(listener.port));
      await until(RIG, () => turn.done && accepted.length === 3);
      const newcomer = accepted[2] as Recorder;
      // otherwise this test shows nothing
      expect(fdOf(newcomer.sock)).toBe(second.fd);
      expect(recv.mock.calls.map(([fd]) => fd)).toEqual([first.fd]);
      expect(getOption).not.toHaveBeenCalled();
      expect(second.rec.events).toEqual([]);
      // what happens to it is still noticed
      third.reset();
      await until(RIG, () => newcomer.events.length > 0);
      expect(newcomer.events).toEqual(['close']);
    },
  );

  test('a handler that closes its own socket and others ready in this turn: none is called any more', async () => {
    const { listener, accepted, errors, first, second } = await setUp(2);
    first.rec.onEvent = () => {
      first.rec.sock.close();
      second.rec.sock.reset();
      void listener.close();
    };
    const turn = inOneTurn([
      [first.fd, EPOLLIN],
      [second.fd, EPOLLIN],
      [fdOf(listener), EPOLLIN],
    ]);
    first.client.send('1');
    second.client.send('2');
    // it is reset before it is accepted
    await RawClient.connect(listener.port).then(keep, () => {});
    await until(RIG, () => turn.done);
    await turns(5);
    expect(first.rec.events).toEqual(['data']);
    expect(second.rec.events).toEqual([]);
    expect(accepted).toHaveLength(2);
    expect(errors).toEqual([]);
    // that was the end of the loop, within its own turn; another one works
    await heldAtRest();
    const next = await listenOn(epollPort, OPTIONS);
    lab.later(() => next.listener.close());
    keep(await RawClient.connect(next.listener.port));
    await until(RIG, () => next.accepted.length === 1);
    next.accepted[0]?.sock.close();
  });

  test('one that throws does not keep the others from being served in this turn', async () => {
    const { errors, first, second } = await setUp(2);
    first.rec.onEvent = event => {
      if (event === 'data') throw new Error('on purpose');
    };
    const turn = inOneTurn([
      [first.fd, EPOLLIN],
      [second.fd, EPOLLIN],
    ]);
    let served = false;
    second.rec.onEvent = () => {
      served = turn.done;
    };
    first.client.send('1');
    second.client.send('2');
    await until(RIG, () => turn.done);
    expect(served).toBe(true);
    expect(first.rec.events).toEqual(['data', 'close']);
    expect(errors).toHaveLength(1);
  });

  test('a socket that is paused by another one, or by its own onWritable, in this turn reads no more', async () => {
    const { first, second } = await setUp(2);
    first.client.pause();
    const state = sendAll(first.rec, pattern(MANY));
    first.rec.onEvent = () => {
      first.rec.sock.pause();
      second.rec.sock.pause();
    };
    const turn = inOneTurn([
      [first.fd, EPOLLOUT],
      [second.fd, EPOLLIN],
    ]);
    first.client.send('waits');
    second.client.send('waits too');
    first.client.resume();
    await until(RIG, () => first.client.received.length === state.sent && turn.done);
    await turns(10);
    expect(first.rec.events).toEqual(['writable']);
    expect(second.rec.events).toEqual([]);
    first.rec.onEvent = () => {};
    first.rec.sock.resume();
    second.rec.sock.resume();
    await until(RIG, () => first.rec.data.length === 5 && second.rec.data.length === 9);
  });

  test('a listener that is closed within accept accepts no more', async () => {
    const { listener, accepted, onAccept } = await setUp(0);
    onAccept.push(() => void listener.close());
    const go = holdEvents();
    for (let i = 0; i < 3; i++) keep(await RawClient.connect(listener.port));
    go();
    await until(RIG, () => accepted.length > 0);
    await turns(5);
    expect(accepted).toHaveLength(1);
  });

  test('a peer that has left before it is accepted: it has no address, and onClose follows', async () => {
    const { listener, accepted, onAccept, errors } = await setUp(0);
    const seen: unknown[] = [];
    onAccept.push(({ sock }) => seen.push(sock.remoteAddress, sock.remotePort, sock.localPort));
    const go = holdEvents();
    const client = await RawClient.connect(listener.port);
    client.reset();
    await turns(5);
    go();
    await until(RIG, () => accepted[0]?.events.length === 1);
    expect(seen).toEqual(['', 0, listener.port]);
    expect(accepted[0]?.events).toEqual(['close']);
    expect(errors).toEqual([]);
  });

  describe('that takes too long', () => {
    interface Scene {
      readonly pairs: { client: RawClient; rec: Recorder; fd: number }[];
      readonly log: (number | string)[];
      readonly listener: Listener;
    }

    /** Sockets of which each is ready again when it has been served; by their numbers, those that were, in their order; `behindFour` of them. */
    async function busySockets(count: number, behindFour: (scene: Scene) => void = () => {}) {
      const { pairs, listener } = await setUp(count);
      const log: (number | string)[] = [];
      lab.later(tireLoop());
      for (const [i, { client, rec }] of pairs.entries()) {
        rec.onEvent = () => {
          if (log.push(i) === 4) behindFour({ pairs, log, listener });
          if (log.length < 100) client.send('more');
        };
      }
      const turn = inOneTurn(pairs.map(({ fd }) => [fd, EPOLLIN]));
      for (const { client } of pairs) client.send('first');
      await until(RIG, () => turn.done);
      return { pairs, log };
    }

    test('those that were ready and not served are served first in the next, in their order', async () => {
      const { log } = await busySockets(10);
      await until(RIG, () => log.length >= 30);
      expect(log.slice(0, 10)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      // and so on: nobody is served twice before everybody has been once more
      expect(new Set(log.slice(10, 20)).size).toBe(10);
      expect(new Set(log.slice(20, 30)).size).toBe(10);
    });

    test('those that have been closed since, or paused, are passed over', async () => {
      const { log } = await busySockets(8, ({ pairs }) => {
        pairs[6]?.rec.sock.close();
        pairs[7]?.rec.sock.pause();
      });
      await until(RIG, () => log.length >= 30);
      expect(log.slice(0, 6)).toEqual([0, 1, 2, 3, 4, 5]);
      expect(log).not.toContain(6);
      expect(log).not.toContain(7);
    });

    test('whenServed comes when all of them have been served, and those who have become ready since', async () => {
      const { log } = await busySockets(10, scene => epollPort.whenServed(() => scene.log.push('served')));
      await until(RIG, () => log.includes('served'));
      const between = log.slice(4, log.indexOf('served'));
      expect(between.slice(0, 6)).toEqual([4, 5, 6, 7, 8, 9]);
      expect(new Set(between).size).toBe(10);
      expect(between.length).toBeLessThan(25);
    });

    test('whenServed comes at once where nobody is left, and without a loop', async () => {
      const called = vi.fn();
      epollPort.whenServed(called);
      expect(called).toHaveBeenCalledTimes(1);
      const { first } = await setUp(1);
      first.client.send('1');
      await until(RIG, () => first.rec.data.length === 1);
      epollPort.whenServed(called);
      expect(called).toHaveBeenCalledTimes(2);
    });

    test('whenServed comes too when the loop ends meanwhile', async () => {
      const called = vi.fn();
      await busySockets(10, ({ pairs, listener }) => {
        epollPort.whenServed(called);
        for (const { rec } of pairs) rec.sock.close();
        void listener.close();
      });
      await until(RIG, () => called.mock.calls.length === 1);
    });
  });

  test('there is room for as many ready sockets as there are', async () => {
    const { listener, accepted } = await setUp(0);
    const clients: RawClient[] = [];
    for (let i = 0; i < 1_100; i++) clients.push(keep(await RawClient.connect(listener.port)));
    await until(RIG, () => accepted.length === 1_100);
    const go = holdEvents();
    for (const client of clients) client.send('x');
    go();
    const seen = vi.spyOn(loadLibc(), 'epollWait');
    await until(RIG, () => accepted.every(({ data }) => data.length === 1));
    expect(Math.max(...seen.mock.calls.map(([, , max]) => max))).toBeGreaterThan(1_100);
  });

  test('no more than 64 connections are accepted in one turn, and none is forgotten', async () => {
    const { listener, accepted } = await setUp(0);
    const go = holdEvents();
    await Promise.all(Array.from({ length: 100 }, async () => keep(await RawClient.connect(listener.port))));
    go();
    const accept = vi.spyOn(loadLibc(), 'accept');
    const perTurn: number[] = [];
    const wait = loadLibc().epollWait;
    vi.spyOn(loadLibc(), 'epollWait').mockImplementation((...args) => {
      perTurn.push(accept.mock.calls.length);
      return wait(...args);
    });
    await until(RIG, () => accepted.length === 100);
    expect(perTurn[1]).toBe(64);
  });

  test('a broken loop is told to everybody, and the process goes on', async () => {
    const { errors, first, second } = await setUp(2);
    const libc = loadLibc();
    vi.spyOn(libc, 'epollWait').mockReturnValueOnce(-1);
    vi.spyOn(libc, 'errno').mockReturnValueOnce(9);
    first.client.send('1');
    await until(RIG, () => first.rec.events.includes('close') && second.rec.events.includes('close'));
    expect(new Set(errors.map(({ message }) => message))).toEqual(new Set(['epoll_wait EBADF: bad file descriptor']));
  });

  test('an epoll_wait that a signal has interrupted is done again', async () => {
    const { errors, first } = await setUp(1);
    const libc = loadLibc();
    vi.spyOn(libc, 'epollWait').mockReturnValueOnce(-1);
    vi.spyOn(libc, 'errno').mockReturnValueOnce(4);
    first.client.send('1');
    await until(RIG, () => first.rec.data.length === 1);
    expect(errors).toEqual([]);
  });

  test.each([
    ['EINTR', 4],
    ['ECONNABORTED', 103],
    ['EPROTO', 71],
  ])('%s of accept concerns one connection: the next one is accepted', async (_name, errno) => {
    const { listener, accepted, errors } = await setUp(0);
    const libc = loadLibc();
    vi.spyOn(libc, 'accept').mockReturnValueOnce(-1);
    vi.spyOn(libc, 'errno').mockReturnValueOnce(errno);
    keep(await RawClient.connect(listener.port));
    await until(RIG, () => accepted.length === 1);
    expect(errors).toEqual([]);
  });

  test('a descriptor that comes free is used at once, and not when accepting is tried again', async () => {
    const { listener, accepted, errors, first } = await setUp(1);
    const libc = loadLibc();
    const start = setTimeout;
    // the time to try again never comes
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((fn: () => void, ms: number) =>
      start(fn, ms === 500 ? 1_000_000 : ms).unref()) as unknown as typeof setTimeout);
    const accept = vi.spyOn(libc, 'accept').mockReturnValue(-1);
    const errno = vi.spyOn(libc, 'errno').mockReturnValue(EMFILE);
    keep(await RawClient.connect(listener.port));
    await until(RIG, () => errors.length === 1);
    accept.mockRestore();
    errno.mockRestore();
    await turns(5);
    expect(accepted).toHaveLength(1);
    first.rec.sock.close();
    await until(RIG, () => accepted.length === 2);
    expect(errors).toMatchObject([{ code: 'EMFILE', syscall: 'accept' }]);
  });

  test('where descriptors come free of something else, accepting is tried again half a second later, once', async () => {
    const { listener, accepted, errors } = await setUp(0);
    const libc = loadLibc();
    const start = setTimeout;
    const again: (() => void)[] = [];
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((fn: () => void, ms: number) => {
      if (ms === 500) again.push(fn);
      return start(ms === 500 ? () => {} : fn, ms).unref();
    }) as unknown as typeof setTimeout);
    const accept = vi.spyOn(libc, 'accept').mockReturnValue(-1);
    const errno = vi.spyOn(libc, 'errno').mockReturnValue(EMFILE);
    keep(await RawClient.connect(listener.port));
    await until(RIG, () => again.length === 1);
    again.pop()?.();
    // still none: another half second
    await until(RIG, () => again.length === 1);
    expect(accepted).toEqual([]);
    accept.mockRestore();
    errno.mockRestore();
    again.pop()?.();
    await until(RIG, () => accepted.length === 1);
    await turns(5);
    expect(again).toEqual([]);
    // told once, until it was possible again
    expect(errors).toHaveLength(1);
  });

  test.each([
    ['EINTR', 4],
    ['ENOBUFS', 105],
    ['ENOMEM', 12],
  ])('%s of send only delays it', async (_name, errno) => {
    const { first } = await setUp(1);
    const libc = loadLibc();
    vi.spyOn(libc, 'send').mockReturnValueOnce(-1);
    vi.spyOn(libc, 'errno').mockReturnValueOnce(errno);
    expect(first.rec.call(sock => sock.send(Buffer.from('x'), 0, 1))).toBe(0);
    await until(RIG, () => first.rec.events.length > 0);
    expect(first.rec.events).toEqual(['writable']);
    expect(first.rec.call(sock => sock.send(Buffer.from('x'), 0, 1))).toBe(1);
    await until(RIG, () => first.client.received.length === 1);
  });
});
