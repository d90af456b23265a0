/** Which select loop a server runs on. */
import cluster from 'node:cluster';
import { epollPort } from './epoll.js';
import { loadLibc } from './libc.js';
import { netPort } from './net.js';
import type { Port } from './port.js';

export interface Choice {
  readonly port: Port;
  /** Why it is not the fastest; undefined if it is, or was asked for. */
  readonly fallback: string | undefined;
}

/**
 * @param wanted 'auto' takes epoll where it works, else net
 * @param reusePort may others listen on the same port?
 * @throws Error that says why, if 'epoll' does not work here
 */
export function choosePort(wanted: 'auto' | 'epoll' | 'net', reusePort: boolean): Choice {
  if (wanted === 'net') return { port: netPort, fallback: undefined };
  if (wanted === 'auto' && cluster.isWorker && !reusePort) {
    return { port: netPort, fallback: 'workers of a cluster share their ports through node:net' };
  }
  try {
    loadLibc();
    return { port: epollPort, fallback: undefined };
  } catch (error) {
    if (wanted === 'epoll') throw error;
    return { port: netPort, fallback: (error as Error).message };
  }
}
