/** What a server's sessions do now, for who shows them. */
import type { HttpdCore } from './core.js';

/** A session. */
export interface SessInfo {
  readonly fd: number;
  /** Address and port of the peer. */
  readonly peer: string;
  readonly isWebsocket: boolean;
  readonly encrypted: boolean;
  /** Bytes queued for it. */
  readonly queued: number;
}

/** All sessions, in the order in which they would be purged. */
export function inspectSessions(core: HttpdCore): SessInfo[] {
  return core.sessions.purgeOrder().map(({ fd, sock, protocol, listener }) => ({
    fd,
    peer: hostPort(sock.remoteAddress, sock.remotePort),
    isWebsocket: protocol.isWebsocket,
    encrypted: listener.encrypted,
    queued: core.server.sessGetTxPending(fd),
  }));
}

function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
