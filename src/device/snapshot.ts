/** What can be seen of a device at one time. */
import type { SessInfo } from '../httpd/inspect.js';
import type { LinkSettings } from './profile.js';

/** A session of a device. */
export interface DeviceSession {
  readonly fd: number;
  /** Address and port. */
  readonly peer: string;
  readonly protocol: 'HTTP' | 'WebSocket';
  readonly encrypted: boolean;
  /** In seconds. */
  readonly age: number;
  /** Its place in the order in which sessions are purged, from 1. */
  readonly lruRank: number;
  /** Bytes queued for it. */
  readonly queued: number;
}

/** See `Device.snapshot`. */
export interface DeviceSnapshot {
  /** Since the start, in seconds. */
  readonly time: number;
  readonly state: 'running' | 'booting' | 'stopped';
  /** How often it has booted. */
  readonly boots: number;
  /** Since the last boot, in seconds; 0 while it boots. */
  readonly uptime: number;
  readonly wifi: 'up' | 'down';
  /** Is the server task busy? */
  readonly busy: boolean;
  /** In bytes. */
  readonly heap: { readonly size: number; readonly free: number; readonly minimumFree: number };
  readonly works: { readonly waiting: number; readonly max: number };
  /** The one that is purged first comes first. */
  readonly sessions: readonly DeviceSession[];
  readonly link: LinkSettings;
  /** Payload so far, in bytes. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/**
 * The rows of the sessions.
 *
 * @param age of a session, in seconds
 */
export function sessionRows(sessions: readonly SessInfo[], age: (fd: number) => number): DeviceSession[] {
  return sessions.map(({ fd, peer, isWebsocket, encrypted, queued }, i) => ({
    fd,
    peer,
    protocol: isWebsocket ? 'WebSocket' : 'HTTP',
    encrypted,
    age: age(fd),
    lruRank: i + 1,
    queued,
  }));
}
