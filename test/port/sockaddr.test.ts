import { existsSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import { AF_INET, AF_INET6, loadLibc } from '../../src/port/libc.js';
import { ADDRESS_SIZE, decodeAddress, encodeAddress } from '../../src/port/sockaddr.js';
import { EPOLL_HERE } from '../support/epoll.js';

/** Where `struct sockaddr_in6` has the scope (ipv6(7)). */
const SCOPE_AT = 24;

/** Names and numbers of the interfaces, as the kernel gives them. */
const ZONES = Object.keys(networkInterfaces()).flatMap(name => {
  const file = `/sys/class/net/${name}/ifindex`;
  return existsSync(file) ? [[name, Number(readFileSync(file, 'latin1'))] as const] : [];
});

describe.skipIf(!EPOLL_HERE)('struct sockaddr', () => {
  const encode = (address: string, port = 80) => encodeAddress(loadLibc(), address, port);
  const decode = (bytes: Buffer, length = bytes.length) => decodeAddress(loadLibc(), bytes, length);

  test('IPv4 lies in 16 bytes: family in the order of the machine, port and address in that of the network', () => {
    const bytes = encode('192.0.2.33', 0x1234);
    expect(bytes.readUInt16LE()).toBe(AF_INET);
    expect(bytes.toString('hex')).toBe('02001234c00002210000000000000000');
  });

  test('IPv6 lies in 28 bytes, behind its flow label', () => {
    const bytes = encode('2001:db8::7', 0x1234);
    expect(bytes.readUInt16LE()).toBe(AF_INET6);
    expect(bytes.toString('hex')).toBe(`0a001234${'00000000'}20010db8000000000000000000000007${'00000000'}`);
  });

  test.each([
    ['0.0.0.0', 0],
    ['127.0.0.1', 1],
    ['255.255.255.255', 65_535],
    ['::', 0],
    ['::1', 8080],
    ['2001:db8::1', 65_535],
    ['fe80::1:2:3:4', 443],
    // the longest one
    ['1111:2222:3333:4444:5555:6666:7777:8888', 1],
  ])('%s, port %d, comes back as it was', (address, port) => {
    expect(decode(encode(address, port))).toEqual({ address, port });
  });

  test.each([
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['0:0:0:0:0:0:0:0', '::'],
    // IPv4 in IPv6 is IPv4 (RFC 4291 section 2.5.5.2) …
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:7f00:1', '127.0.0.1'],
    // … and nothing else is
    ['::fffe:192.0.2.1', '::fffe:c000:201'],
    ['1::ffff:192.0.2.1', '1::ffff:c000:201'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ])('%s comes back as %s', (given, address) => {
    expect(decode(encode(given, 7))).toEqual({ address, port: 7 });
  });

  test('a zone is the number of its interface, whichever of its addresses the system names first', () => {
    for (const [name, scope] of ZONES) {
      expect(scope).toBeGreaterThan(0);
      expect(encode(`fe80::1%${name}`).readUInt32LE(SCOPE_AT), name).toBe(scope);
      expect(encode(`::1%${name}`).readUInt32LE(SCOPE_AT), name).toBe(scope);
    }
    expect(encode('fe80::1%3').readUInt32LE(SCOPE_AT)).toBe(3);
    expect(encode('fe80::1').readUInt32LE(SCOPE_AT)).toBe(0);
  });

  test('an address of a link comes back with its zone by name, or by number where it has no name; others without', () => {
    for (const [name, scope] of ZONES) {
      expect(decode(encode(`fe80::1%${scope}`))).toEqual({ address: `fe80::1%${name}`, port: 80 });
      expect(decode(encode(`febf::1%${name}`))).toEqual({ address: `febf::1%${name}`, port: 80 });
      for (const plain of ['::1', 'fec0::1', 'fd00::1']) {
        expect(decode(encode(`${plain}%${name}`))).toEqual({ address: plain, port: 80 });
      }
    }
    expect(decode(encode('fe80::1%4294967295')).address).toBe('fe80::1%4294967295');
  });

  test.each(['::1%no-such', 'fe80::1%1.5', 'fe80::1%-1', 'fe80::1%4294967296'])(
    '%s: there is no such interface',
    text => {
      expect(() => encode(text)).toThrow(`there is no network interface '${text.split('%')[1]}'`);
    },
  );

  test.each([
    '',
    'localhost',
    '127.0.0',
    '127.0.0.256',
    '1.2.3.4.5',
    ':::1',
    '[::1]',
    '12345::',
    '::1%',
    '127.0.0.1%lo',
  ])("'%s' is no address", text => {
    expect(() => encode(text)).toThrow(`'${text}' is no IP address`);
  });

  test('where there is none it is empty', () => {
    const none = { address: '', port: 0 };
    expect(decode(Buffer.alloc(ADDRESS_SIZE), -1)).toEqual(none);
    expect(decode(Buffer.alloc(ADDRESS_SIZE), 0)).toEqual(none);
    expect(decode(Buffer.alloc(ADDRESS_SIZE), 2)).toEqual(none);
  });
});
