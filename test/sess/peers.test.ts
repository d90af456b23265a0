import { describe, expect, test } from 'vitest';
import { PeerTable, peerOf } from '../../src/sess/peers.js';

/** For JSON: what is in maps is shown. */
const mapsToo = (_key: string, value: unknown): unknown => (value instanceof Map ? [...value] : value);

describe('a peer', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
    ['2001:db8:1:2::6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['2001::3:4:5:6', '2001:0:0:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['', ''],
  ])('at %s is %s', (address, peer) => {
    expect(peerOf(address)).toBe(peer);
  });

  test('has as many sessions as it may have until one ends', () => {
    const peers = new PeerTable(2);
    peers.add(4, 'a');
    expect(peers.isFull('a')).toBe(false);
    peers.add(5, 'a');
    peers.add(6, 'b');
    expect([peers.isFull('a'), peers.isFull('b'), peers.isFull('c')]).toEqual([true, false, false]);
    peers.remove(4);
    peers.remove(4);
    peers.remove(99);
    expect(peers.isFull('a')).toBe(false);
    peers.add(7, 'a');
    expect(peers.isFull('a')).toBe(true);
  });

  test('without an address, on a Unix socket, may have any number', () => {
    const peers = new PeerTable(1);
    for (const fd of [4, 5, 6]) peers.add(fd, '');
    expect(peers.isFull('')).toBe(false);
  });

  test('that has left leaves nothing behind', () => {
    const peers = new PeerTable(1);
    const before = JSON.stringify(peers, mapsToo);
    for (let fd = 4; fd < 100; fd++) peers.add(fd, `192.0.2.${fd}`);
    expect(JSON.stringify(peers, mapsToo)).not.toBe(before);
    for (let fd = 4; fd < 100; fd++) peers.remove(fd);
    expect(JSON.stringify(peers, mapsToo)).toBe(before);
  });
});
