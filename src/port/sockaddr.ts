/** Addresses as the kernel reads and writes them: `struct sockaddr_in` (ip(7)) and `sockaddr_in6` (ipv6(7)). */
import { isIPv4, isIPv6 } from 'node:net';
import { AF_INET, AF_INET6, type Libc } from './libc.js';

const IPV4_SIZE = 16;
const IPV6_SIZE = 28;
/** Room for any address. */
export const ADDRESS_SIZE = IPV6_SIZE;

/** Offsets in both: family and port; then in each its own. */
const FAMILY = 0;
const PORT = 2;
const IPV4_ADDRESS = 4;
const IPV6_ADDRESS = 8;
const IPV6_SCOPE = 24;
/** `::ffff:0:0/96`: an IPv4 peer of a dual-stack socket (RFC 4291 section 2.5.5.2). */
const MAPPED = Buffer.from('00000000000000000000ffff', 'hex');

/** `fe80::/10`: addresses of one link (RFC 4291 section 2.5.6). */
const LINK_LOCAL = 0xfe80;
const LINK_LOCAL_MASK = 0xffc0;

export interface Address {
  /**
   * Without brackets; that of an IPv4 peer of a dual-stack socket is its IPv4 address. One that is of a link only has its
   * zone, as in `fe80::1%eth0`: it says nothing without.
   */
  readonly address: string;
  readonly port: number;
}

/**
 * @param address numeric; IPv6 may have a zone, an interface by its name or number: `fe80::1%eth0`, `fe80::1%2`
 * @throws Error if it is no address, or the zone no interface
 */
export function encodeAddress(libc: Libc, address: string, port: number): Buffer {
  const ipv4 = isIPv4(address);
  if (!ipv4 && !isIPv6(address)) throw new Error(`'${address}' is no IP address`);
  const [plain = '', zone] = address.split('%');
  const family = ipv4 ? AF_INET : AF_INET6;
  const out = Buffer.alloc(ipv4 ? IPV4_SIZE : IPV6_SIZE);
  out.writeUInt16LE(family, FAMILY);
  out.writeUInt16BE(port, PORT);
  if (libc.parseAddress(family, plain, out.subarray(ipv4 ? IPV4_ADDRESS : IPV6_ADDRESS)) !== 1) {
    throw new Error(`'${address}' is no IP address`);
  }
  if (zone !== undefined) out.writeUInt32LE(scopeOf(libc, zone), IPV6_SCOPE);
  return out;
}

/** Reads the address in the first `length` bytes; one that is empty if there is none. */
export function decodeAddress(libc: Libc, from: Buffer, length: number): Address {
  if (length < IPV4_SIZE) return { address: '', port: 0 };
  const port = from.readUInt16BE(PORT);
  if (from.readUInt16LE(FAMILY) === AF_INET) {
    return { address: libc.formatAddress(AF_INET, from.subarray(IPV4_ADDRESS)), port };
  }
  const mapped = from.compare(MAPPED, 0, MAPPED.length, IPV6_ADDRESS, IPV6_ADDRESS + MAPPED.length) === 0;
  if (mapped) return { address: libc.formatAddress(AF_INET, from.subarray(IPV6_ADDRESS + MAPPED.length)), port };
  const plain = libc.formatAddress(AF_INET6, from.subarray(IPV6_ADDRESS));
  const zoned = (from.readUInt16BE(IPV6_ADDRESS) & LINK_LOCAL_MASK) === LINK_LOCAL;
  const scope = zoned ? from.readUInt32LE(IPV6_SCOPE) : 0;
  return { address: scope === 0 ? plain : `${plain}%${libc.interfaceName(scope) || scope}`, port };
}

/** The name goes first: an interface may be called '7'. */
function scopeOf(libc: Libc, zone: string): number {
  const scope = libc.interfaceIndex(zone) || (/^\d{1,10}$/.test(zone) ? Number(zone) : -1);
  if (scope < 0 || scope > 0xffff_ffff) throw new Error(`there is no network interface '${zone}'`);
  return scope;
}
