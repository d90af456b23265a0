import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FAIL } from '../../src/httpd_ws/close.js';
import { ALL_WELL, Keepalive, PEER_DEAD, PING_DUE } from '../../src/httpd_ws/keepalive.js';
import { checkWsOptions, type WsOptions } from '../../src/httpd_ws/options.js';

const T = 1_000_000;

/** A connection that was opened at `T`. Only what is named is on. */
function opened(options: WsOptions): Keepalive {
  return new Keepalive(checkWsOptions({ wsPingInterval: 0, ...options }, '/ws'), T);
}

/** What is found when it is looked at that many ms behind `T`, if the peer was heard at `heard`. */
const at = (keepalive: Keepalive, ms: number, heard = 0, inMessage = false) =>
  keepalive.look(T + ms, T + heard, inMessage);

describe('nothing that is on', () => {
  test('is ever due', () => {
    const keepalive = opened({});
    expect(keepalive.next(T, false)).toBe(0);
    expect(at(keepalive, 1e12)).toBe(ALL_WELL);
  });
});

describe('wsPingInterval', () => {
  test('is due when nothing has been heard for so long, to the ms', () => {
    const keepalive = opened({ wsPingInterval: 10 });
    expect(keepalive.next(T, false)).toBe(T + 10_000);
    expect(at(keepalive, 9_999)).toBe(ALL_WELL);
    expect(at(keepalive, 10_000)).toBe(PING_DUE);
  });

  test('begins anew with whatever is heard', () => {
    const keepalive = opened({ wsPingInterval: 10 });
    expect(keepalive.next(T + 7_000, false)).toBe(T + 17_000);
    expect(at(keepalive, 16_999, 7_000)).toBe(ALL_WELL);
    expect(at(keepalive, 17_000, 7_000)).toBe(PING_DUE);
  });

  test('is not moved by data, but by what is heard', () => {
    const keepalive = opened({ wsPingInterval: 10 });
    keepalive.dataAt = T + 9_000;
    expect(at(keepalive, 10_000)).toBe(PING_DUE);
  });
});

describe('wsPongTimeout', () => {
  const pinged = () => {
    const keepalive = opened({ wsPingInterval: 10, wsPongTimeout: 5 });
    expect(at(keepalive, 10_000)).toBe(PING_DUE);
    keepalive.pinged(T + 10_000);
    return keepalive;
  };

  test('is over when nothing has been heard for so long behind the Ping, to the ms', () => {
    const keepalive = pinged();
    expect(keepalive.next(T, false)).toBe(T + 15_000);
    expect(at(keepalive, 14_999)).toBe(ALL_WELL);
    expect(at(keepalive, 15_000)).toBe(PEER_DEAD);
  });

  test('ends with whatever is heard, and the next Ping is due that much later', () => {
    const keepalive = pinged();
    expect(keepalive.next(T + 10_001, false)).toBe(T + 20_001);
    expect(at(keepalive, 15_000, 10_001)).toBe(ALL_WELL);
    expect(at(keepalive, 20_000, 10_001)).toBe(ALL_WELL);
    expect(at(keepalive, 20_001, 10_001)).toBe(PING_DUE);
  });

  test('ends with what is heard in the same ms', () => {
    const keepalive = pinged();
    expect(at(keepalive, 15_000, 10_000)).toBe(ALL_WELL);
    expect(at(keepalive, 20_000, 10_000)).toBe(PING_DUE);
  });

  test('begins anew while the Ping waits behind other data', () => {
    const keepalive = pinged();
    keepalive.pinged(T + 15_000);
    expect(at(keepalive, 19_999)).toBe(ALL_WELL);
    expect(at(keepalive, 20_000)).toBe(PEER_DEAD);
  });
});

describe('wsInactivityTimeout', () => {
  test('is over when there was no data for so long, to the ms, whatever else is heard', () => {
    const keepalive = opened({ wsInactivityTimeout: 10 });
    expect(keepalive.next(T, false)).toBe(T + 10_000);
    expect(at(keepalive, 9_999, 9_999)).toBe(ALL_WELL);
    expect(at(keepalive, 10_000, 10_000)).toBe(FAIL.INACTIVE);
    expect(FAIL.INACTIVE.close).toBe(1008);
  });

  test('begins anew with data', () => {
    const keepalive = opened({ wsInactivityTimeout: 10 });
    keepalive.dataAt = T + 8_000;
    expect(keepalive.next(T, false)).toBe(T + 18_000);
    expect([at(keepalive, 17_999), at(keepalive, 18_000)]).toEqual([ALL_WELL, FAIL.INACTIVE]);
  });
});

describe('a message that is not complete', () => {
  test.each<[WsOptions, number]>([
    [{}, 60_000],
    [{ wsInactivityTimeout: 10 }, 10_000],
    [{ wsInactivityTimeout: 100 }, 100_000],
  ])('with %j must be continued within %i ms', (options, ms) => {
    const keepalive = opened(options);
    keepalive.messageAt = T + 500;
    keepalive.dataAt = T + ms;
    expect(keepalive.next(T + ms, true)).toBe(T + 500 + ms);
    expect(at(keepalive, 500 + ms - 1, 500 + ms - 1, true)).toBe(ALL_WELL);
    expect(at(keepalive, 500 + ms, 500 + ms, true)).toBe(FAIL.STALLED);
    expect(FAIL.STALLED.close).toBe(1008);
    // without one it is no matter
    expect(at(keepalive, 500 + ms, 500 + ms, false)).toBe(ALL_WELL);
  });

  test('is not kept alive by what is sent', () => {
    const keepalive = opened({});
    keepalive.messageAt = T;
    keepalive.dataAt = T + 59_000;
    expect(at(keepalive, 60_000, 60_000, true)).toBe(FAIL.STALLED);
  });
});

describe('wsRequestTimeout', () => {
  test('is the age of a connection, whatever is heard or sent on it', () => {
    const keepalive = opened({ wsRequestTimeout: 100 });
    keepalive.dataAt = keepalive.messageAt = T + 99_999;
    expect(keepalive.next(T + 99_999, true)).toBe(T + 100_000);
    expect(at(keepalive, 99_999, 99_999)).toBe(ALL_WELL);
    expect(at(keepalive, 100_000, 100_000)).toBe(FAIL.TOO_OLD);
    expect(FAIL.TOO_OLD.close).toBe(1008);
  });
});

test('when several are due, the connection ends rather than that the peer is pinged', () => {
  const keepalive = opened({ wsPingInterval: 10, wsInactivityTimeout: 10, wsRequestTimeout: 10 });
  keepalive.messageAt = T;
  expect(at(keepalive, 10_000, 0, true)).toBe(FAIL.TOO_OLD);
  expect(at(opened({ wsPingInterval: 10, wsInactivityTimeout: 10 }), 10_000)).toBe(FAIL.INACTIVE);
});

test('nothing is due before `next` says so, and something is when it does', () => {
  const seconds = fc.integer({ min: 0, max: 20 });
  const options = fc.record({
    wsPingInterval: seconds,
    wsPongTimeout: fc.integer({ min: 1, max: 20 }),
    wsInactivityTimeout: seconds,
    wsRequestTimeout: seconds,
  });
  const ms = fc.nat(20_000);
  fc.assert(
    fc.property(options, ms, ms, ms, ms, fc.boolean(), (given, heard, data, message, ping, inMessage) => {
      const keepalive = opened(given);
      keepalive.dataAt = T + data;
      keepalive.messageAt = T + message;
      if (given.wsPingInterval > 0) keepalive.pinged(T + ping);
      const next = keepalive.next(T + heard, inMessage);
      if (next === 0) {
        expect(at(keepalive, 1e12, heard, inMessage)).toBe(ALL_WELL);
        return;
      }
      expect(keepalive.look(next - 1, T + heard, inMessage)).toBe(ALL_WELL);
      expect(keepalive.look(next, T + heard, inMessage)).not.toBe(ALL_WELL);
    }),
  );
});
