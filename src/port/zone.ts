/**
 * Zones of IPv6 addresses (RFC 4007 section 11): the interface behind the '%' of `fe80::1%eth0`, by its name or by its
 * number.
 */
import { networkInterfaces } from 'node:os';

/**
 * The address with its zone as node:net takes it: on POSIX systems by name only. A number that no interface here has
 * stays, and the system refuses it where the zone matters.
 */
export function namedZone(address: string): string {
  const at = address.indexOf('%');
  const zone = address.slice(at + 1);
  if (at < 0 || !/^\d+$/.test(zone) || process.platform === 'win32') return address;
  for (const [name, list = []] of Object.entries(networkInterfaces())) {
    // only addresses of the link have a scope; that of others is 0
    const found = list.some(one => one.family === 'IPv6' && one.scopeid > 0 && one.scopeid === Number(zone));
    if (found) return `${address.slice(0, at)}%${name}`;
  }
  return address;
}
