/**
 * How many sessions each peer has. An IPv6 peer is its network of 64 bits, in which a client has all addresses it wants.
 */

/** Of the eight groups of an IPv6 address, so many tell the network. */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

export class PeerTable {
  private readonly counts = new Map<string, number>();
  private readonly peers = new Map<number, string>();

  /** @param max sessions that a peer may have */
  constructor(private readonly max: number) {}

  /** Has the peer at this address as many sessions as it may have? Who has none, as on a Unix socket, may have any number. */
  isFull(address: string): boolean {
    return address !== '' && (this.counts.get(peerOf(address)) ?? 0) >= this.max;
  }

  add(fd: number, address: string): void {
    const peer = peerOf(address);
    this.peers.set(fd, peer);
    this.counts.set(peer, (this.counts.get(peer) ?? 0) + 1);
  }

  /** The session has ended, if it was one of these. */
  remove(fd: number): void {
    const peer = this.peers.get(fd);
    if (peer === undefined) return;
    this.peers.delete(fd);
    const left = (this.counts.get(peer) ?? 0) - 1;
    if (left > 0) this.counts.set(peer, left);
    else this.counts.delete(peer);
  }
}

/** An IPv4 peer as a socket for both versions may show it (RFC 4291 section 2.5.5.2). */
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** Who has this address: IPv4 as it is, of IPv6 the network. */
export function peerOf(address: string): string {
  if (!address.includes(':')) return address;
  const [, ipv4] = MAPPED.exec(address) ?? [];
  if (ipv4 !== undefined) return ipv4;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const behind = tail === '' ? 0 : tail.split(':').length;
    while (groups.length + behind < GROUPS) groups.push('0');
  }
  return groups.slice(0, NETWORK_GROUPS).join(':');
}
