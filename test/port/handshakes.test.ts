import { EventEmitter } from 'node:events';
import type * as net from 'node:net';
import { describe, expect, test } from 'vitest';
import { type HandshakeSettings, Handshakes } from '../../src/port/handshakes.js';
import { ManualClock } from '../support/clock.js';

/** A socket as far as handshakes look at one. */
class FakeSocket extends EventEmitter {
  bytesRead = 0;
  destroyed = false;

  constructor(
    readonly name: string,
    readonly remoteAddress: string | undefined,
  ) {
    super();
  }

  destroy(): void {
    this.destroyed = true;
  }
}

interface Options extends Partial<HandshakeSettings> {
  readonly waits?: boolean;
}

function start({ waits = false, ...settings }: Options = {}) {
  const clock = new ManualClock();
  const failed: string[] = [];
  const state = { released: 0 };
  const handshakes = new Handshakes(
    {
      handshakeMs: 1_000,
      maxHandshakes: 4,
      after: (ms, callback) => clock.after(ms, callback),
      peerOf: address => address.split('.')[0] as string,
      whenServed: fn => fn(),
      isPeerFull: () => false,
      begin: () => () => {
        state.released += 1;
      },
      onFailure: ({ message }, address) => failed.push(`${address}: ${message}`),
      ...settings,
    },
    waits,
  );
  const sockets: FakeSocket[] = [];
  /** One of a peer begins; `a1!` has sent something by the time of the next. */
  const begin = (name: string): boolean => {
    const socket = new FakeSocket(name, `${name[0]}.${name.slice(1)}`);
    sockets.push(socket);
    const may = handshakes.begin(socket as unknown as net.Socket);
    if (name.endsWith('!')) socket.bytesRead = 1;
    return may;
  };
  const find = (name: string) => sockets.find(socket => socket.name === name) as unknown as net.Socket;
  const gone = () => sockets.filter(({ destroyed }) => destroyed).map(({ name }) => name);
  return { handshakes, clock, failed, state, begin, find, gone };
}

describe('when all places are taken, who makes way', () => {
  test.each([
    ['is the oldest that has sent nothing', 'a1! b2 c3! d4 e5', ['b2']],
    ['and then the oldest, if all have sent something', 'a1! b2! c3! d4! e5', ['a1!']],
    ['is of the peer that has the most, whatever others have sent', 'a1 b2! c3! c4! e5', ['c3!']],
    ['and of those first one that has sent nothing', 'a1 b2! b3! b4 e5', ['b4']],
    ['is the peer itself, which comes again and again', 'a1 b2 b3 b4 b5 b6 b7 b8', ['b2', 'b3', 'b4', 'b5']],
    ['changes when the numbers do', 'a1 a2 b3 b4 c5 d6 e7', ['a1', 'b3', 'a2']],
  ])('%s', (_who, names, expected) => {
    const { begin, gone, failed, state } = start();
    for (const name of names.split(' ')) expect(begin(name)).toBe(true);
    expect(gone().sort()).toEqual([...expected].sort());
    expect(failed).toEqual(Array(expected.length).fill(expect.stringContaining('made way for another: 4 may be')));
    expect(state.released).toBe(expected.length);
  });

  test('those that have ended count no more', () => {
    const { handshakes, begin, find, gone } = start();
    for (const name of ['a1', 'a2', 'a3', 'b4']) begin(name);
    for (const name of ['a1', 'a2']) handshakes.end(find(name));
    for (const name of ['c5', 'b6', 'd7']) begin(name);
    expect(gone()).toEqual(['b4']);
    for (const name of ['a3', 'c5', 'b6', 'd7']) handshakes.end(find(name));
    for (const name of ['a1', 'b2', 'c3', 'd4']) begin(name);
    expect(gone()).toEqual(['b4']);
  });

  test('and who is told of it may end all: then the new one may not begin either', () => {
    const { handshakes, clock, begin, gone, state } = start({ onFailure: () => handshakes.endAll() });
    for (const name of ['a1', 'b2', 'c3', 'd4']) expect(begin(name)).toBe(true);
    expect(begin('e5')).toBe(false);
    expect(gone()).toEqual(['a1', 'b2', 'c3', 'd4', 'e5']);
    expect([state.released, clock.running]).toEqual([5, 0]);
  });
});

describe('where one may wait for something else than its client', () => {
  test('a client that goes on sending is cut off at 128 KiB', () => {
    const { begin, find, clock, gone, failed, state } = start({ waits: true });
    begin('a1');
    begin('b2');
    (find('a1') as { bytesRead: number }).bytesRead = 128 * 1024;
    (find('b2') as { bytesRead: number }).bytesRead = 128 * 1024 + 1;
    clock.advance(20);
    expect(gone()).toEqual(['b2']);
    expect(failed).toEqual(['b.2: it has sent more than 131072 bytes']);
    (find('a1') as { bytesRead: number }).bytesRead += 1;
    clock.advance(20);
    expect(gone()).toEqual(['a1', 'b2']);
    expect([state.released, clock.running]).toEqual([2, 0]);
  });

  test('nobody looks when none is under way', () => {
    const { handshakes, begin, find, clock } = start({ waits: true });
    expect(clock.running).toBe(0);
    begin('a1');
    handshakes.end(find('a1'));
    expect(clock.running).toBe(0);
  });
});

test('an IPv4 peer of a listener for both versions is known by its IPv4 address', () => {
  const begun: string[] = [];
  const { handshakes } = start({
    begin: address => {
      begun.push(address);
      return undefined;
    },
  });
  handshakes.begin(new FakeSocket('a', '::ffff:192.0.2.1') as unknown as net.Socket);
  handshakes.begin(new FakeSocket('b', undefined) as unknown as net.Socket);
  expect(begun).toEqual(['192.0.2.1', '']);
});

/** A turn and a half: what waits for another look has been decided on. */
const twoTurns = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise(resolve => setImmediate(resolve));
};

describe('a connection for which there seems to be no room', () => {
  /** As `begin`, but by way of `admit`. */
  function come(handshakes: Handshakes, name: string, begun: string[]): FakeSocket {
    const socket = new FakeSocket(name, `${name[0]}.${name.slice(1)}`);
    handshakes.admit(socket as unknown as net.Socket, () => begun.push(name));
    return socket;
  }

  test('takes the place of one that is found to have left, and nobody else makes way', async () => {
    const { handshakes, begin, gone, find } = start({ maxHandshakes: 2 });
    begin('a1');
    begin('b2');
    const begun: string[] = [];
    come(handshakes, 'c3', begun);
    expect(begun).toEqual([]);
    find('b2').emit('close');
    await twoTurns();
    expect(begun).toEqual(['c3']);
    expect(gone()).toEqual(['b2']);
  });

  test('makes another make way when all are still there', async () => {
    const { handshakes, begin, gone } = start({ maxHandshakes: 2 });
    begin('a1');
    begin('b2');
    const begun: string[] = [];
    come(handshakes, 'c3', begun);
    await twoTurns();
    expect([begun, gone()]).toEqual([['c3'], ['a1']]);
  });

  test('is refused for its address only when that is still full', async () => {
    let full = true;
    const settings = { isPeerFull: () => full, begin: () => (full ? undefined : () => {}) };
    const { handshakes } = start(settings);
    const begun: string[] = [];
    come(handshakes, 'a1', begun);
    full = false;
    await twoTurns();
    expect(begun).toEqual(['a1']);
    full = true;
    const refused = come(handshakes, 'a2', begun);
    await twoTurns();
    expect([begun, refused.destroyed]).toEqual([['a1'], true]);
  });

  test('keeps its place in front of those that come later', async () => {
    let full = true;
    const { handshakes } = start({ isPeerFull: address => full && address.startsWith('a') });
    const begun: string[] = [];
    come(handshakes, 'a1', begun);
    come(handshakes, 'b2', begun);
    full = false;
    await twoTurns();
    expect(begun).toEqual(['a1', 'b2']);
  });

  test('does not begin if it has left meanwhile, or the listener has closed', async () => {
    const { handshakes, begin } = start({ maxHandshakes: 1 });
    begin('a1');
    const begun: string[] = [];
    come(handshakes, 'b2', begun).destroy();
    await twoTurns();
    const waiting = come(handshakes, 'c3', begun);
    handshakes.endAll();
    await twoTurns();
    expect([begun, waiting.destroyed]).toEqual([[], true]);
  });

  test('waits with 1,024 at most: one more is decided on at once', () => {
    const { handshakes } = start({ isPeerFull: () => true });
    const begun: string[] = [];
    for (let i = 0; i < 1_024; i++) come(handshakes, `a${i}`, begun);
    expect(begun).toEqual([]);
    come(handshakes, 'z', begun);
    expect(begun).toEqual(['z']);
  });
});
