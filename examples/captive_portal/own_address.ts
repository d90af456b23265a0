/**
 * The address of this machine that a client can reach it at.
 */
import { isIPv4 } from 'node:net';
import type { NetworkInterfaceInfo } from 'node:os';

export const LOOPBACK = '127.0.0.1';
const ANY = '0.0.0.0';

type Network = { readonly address: Uint8Array; readonly netmask: Uint8Array };

/** The four bytes of an IPv4 address such as '192.168.4.1'. */
export function bytesOf(address: string): Uint8Array {
  return Uint8Array.from(address.split('.'), Number);
}

/** Does a server that is bound to `host` listen on one IPv4 address only? */
export function isOneAddress(host: string): boolean {
  return isIPv4(host) && host !== ANY;
}

/**
 * Tells each client the address of ours that is in its network; one in none of our networks gets the first address that
 * is not loopback's, or loopback's if we have no other.
 *
 * @param interfaces as `os.networkInterfaces()` gives them
 */
export function ownAddressFor(
  interfaces: Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>,
): (client: string) => Uint8Array {
  const all = Object.values(interfaces).flatMap(infos => infos ?? []);
  const ours = all.filter(({ family }) => family === 'IPv4');
  const networks = ours.map(({ address, netmask }) => ({ address: bytesOf(address), netmask: bytesOf(netmask) }));
  const outside = bytesOf(ours.find(({ internal }) => !internal)?.address ?? LOOPBACK);
  return client => networks.find(network => contains(network, bytesOf(client)))?.address ?? outside;
}

function contains({ address, netmask }: Network, other: Uint8Array): boolean {
  return netmask.every((mask, i) => ((address[i] ?? 0) & mask) === ((other[i] ?? 0) & mask));
}
