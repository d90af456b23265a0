import { describe, expect, test, vi } from 'vitest';
import { epollPort } from '../../src/port/epoll.js';
import { loadLibc } from '../../src/port/libc.js';
import { EPOLL_HERE } from '../support/epoll.js';
import { ContractLab, MANY, type Peer, pattern, type Recorder, sendAll } from './contract_support.js';
import { turns, waitsIn } from './epoll_support.js';
import { tcpRig } from './rig.js';

type Until = (fn: () => boolean) => Promise<void>;
type Scene = (peer: Peer, rec: Recorder, until: Until) => unknown;

/** What a connection comes to, and what its owner has been told by then. */
const SCENES: [string, string[], Scene][] = [
  ['an idle connection', [], () => {}],
  [
    'a peer that has ended, and gets its answer later',
    ['end'],
    (peer, rec, until) => {
      peer.end();
      return until(() => rec.events.includes('end'));
    },
  ],
  [
    'paused, and data waits',
    [],
    (peer, rec) => {
      rec.sock.pause();
      peer.send(pattern(100_000));
    },
  ],
  [
    'paused, and data and the end wait',
    [],
    (peer, rec) => {
      rec.sock.pause();
      peer.send('data');
      peer.end();
    },
  ],
  [
    'paused, and the peer resets',
    ['close'],
    (peer, rec, until) => {
      rec.sock.pause();
      peer.reset();
      return until(() => rec.events.includes('close'));
    },
  ],
  [
    'paused, data waits, and the peer resets',
    ['close'],
    async (peer, rec, until) => {
      rec.sock.pause();
      peer.send('data');
      await turns(5);
      peer.reset();
      return until(() => rec.events.includes('close'));
    },
  ],
  [
    'the peer ends, then we',
    ['end'],
    async (peer, rec, until) => {
      peer.end();
      await until(() => rec.events.includes('end'));
      rec.sock.shutdown();
    },
  ],
  [
    'we end, then the peer',
    ['end'],
    async (peer, rec, until) => {
      rec.sock.shutdown();
      await until(() => peer.over === 'fin');
      peer.end();
      await until(() => rec.events.includes('end'));
    },
  ],
  [
    'both end, and we pause and resume again and again',
    ['end'],
    async (peer, rec, until) => {
      rec.sock.shutdown();
      peer.end();
      await until(() => rec.events.includes('end') && peer.over === 'fin');
      for (let i = 0; i < 3; i++) {
        rec.sock.pause();
        await turns(3);
        rec.sock.resume();
        await turns(3);
      }
    },
  ],
  [
    'both end while paused',
    [],
    async (peer, rec, until) => {
      rec.sock.pause();
      rec.sock.shutdown();
      await until(() => peer.over === 'fin');
      peer.end();
    },
  ],
  [
    'both end while paused, and it is resumed',
    ['end'],
    async (peer, rec, until) => {
      rec.sock.pause();
      rec.sock.shutdown();
      await until(() => peer.over === 'fin');
      peer.end();
      await turns(10);
      rec.sock.resume();
      await until(() => rec.events.includes('end'));
    },
  ],
  [
    'the peer does not read, and send has taken less',
    [],
    (peer, rec) => {
      peer.stopReading();
      expect(sendAll(rec, pattern(MANY)).short).toBe(1);
    },
  ],
  [
    'the peer does not read, and has ended',
    ['end'],
    async (peer, rec, until) => {
      peer.stopReading();
      sendAll(rec, pattern(MANY));
      peer.end();
      await until(() => rec.events.includes('end'));
    },
  ],
  [
    'paused, the peer does not read, and resets',
    ['close'],
    async (peer, rec, until) => {
      peer.stopReading();
      sendAll(rec, pattern(MANY));
      rec.sock.pause();
      peer.reset();
      await until(() => rec.events.includes('close'));
    },
  ],
  [
    'all has been sent, after a time without room',
    ['writable'],
    async (peer, rec, until) => {
      peer.stopReading();
      const state = sendAll(rec, pattern(MANY));
      peer.readOn();
      await until(() => state.sent === MANY && peer.received.length === MANY);
      rec.events.splice(1);
    },
  ],
];

describe.skipIf(!EPOLL_HERE)('the epoll port costs no CPU', () => {
  const lab = new ContractLab(() => tcpRig(epollPort));

  test.each(SCENES)('%s', async (_name, events, scene) => {
    const { connect, until, errors } = await lab.setUp();
    const { peer, rec } = await connect();
    await scene(peer, rec, until);
    // what is under way in the kernel still arrives
    await turns(20);
    expect(await waitsIn(50)).toBeLessThanOrEqual(3);
    expect(rec.events).toEqual(events);
    expect(errors).toEqual([]);
  });

  test('what would cost CPU is seen by this count', async () => {
    const { connect } = await lab.setUp();
    const { peer } = await connect();
    const wait = vi.spyOn(loadLibc(), 'epollWait').mockReturnValue(0);
    peer.send('nobody takes it');
    await turns(20);
    wait.mockClear();
    await turns(50);
    expect(wait.mock.calls.length).toBeGreaterThan(20);
    wait.mockRestore();
  });

  test('a listener alone, and one that is closed', async () => {
    const { listener } = await lab.setUp();
    expect(await waitsIn(50)).toBe(0);
    await listener.close();
    expect(await waitsIn(50)).toBe(0);
  });
});
