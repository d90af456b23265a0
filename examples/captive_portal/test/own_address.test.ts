import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { ELSEWHERE } from '../../../test/support/server.js';
import { isOneAddress, ownAddressFor } from '../own_address.js';

const at = (address: string, netmask: string): NetworkInterfaceInfo =>
  ({
    address,
    netmask,
    family: address.includes(':') ? 'IPv6' : 'IPv4',
    mac: '00:00:00:00:00:00',
    internal: address.startsWith('127.'),
    cidr: null,
    ...(address.includes(':') ? { scopeid: 0 } : {}),
  }) as NetworkInterfaceInfo;

const LO = [at('127.0.0.1', '255.0.0.0'), at('::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')];
const HOME = [at('fe80::1', 'ffff:ffff:ffff:ffff::'), at('192.168.4.1', '255.255.255.0')];
const OFFICE = [at('10.20.0.9', '255.255.240.0')];

describe.skipIf(ELSEWHERE)('ownAddressFor', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.9.9.9', '127.0.0.1'],
    ['192.168.4.77', '192.168.4.1'],
    ['10.20.15.1', '10.20.0.9'],
    ['10.20.16.1', '192.168.4.1'],
    ['192.168.5.1', '192.168.4.1'],
  ])('a client at %s gets %s', (client, expected) => {
    const addressFor = ownAddressFor({ lo: LO, wlan0: HOME, eth0: OFFICE, gone: undefined });
    expect([...addressFor(client)].join('.')).toBe(expected);
  });

  test.each([
    ['no network but loopback', { lo: LO }],
    ['no network', {}],
  ])('with %s there is 127.0.0.1', (_what, interfaces) => {
    expect([...ownAddressFor(interfaces)('192.168.4.77')]).toEqual([127, 0, 0, 1]);
  });
});

test.each([
  ['127.0.0.1', true],
  ['192.168.4.1', true],
  ['0.0.0.0', false],
  ['::1', false],
  ['localhost', false],
])('%s is one IPv4 address: %s', (host, expected) => {
  expect(isOneAddress(host)).toBe(expected);
});
