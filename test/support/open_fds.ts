import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * How many descriptors lead to this path, or to any: files, folders, devices. Those of sockets and pipes come and go with
 * tests that ran before in the same process; and files of theirs may be on their way to be closed, so that there may be
 * fewer afterwards. 0 where there is no /proc.
 */
export function openPaths(path = ''): number {
  if (process.platform !== 'linux') return 0;
  const leads = (to: string): boolean => (path === '' ? to.startsWith('/') : to === path);
  return readdirSync('/proc/self/fd').filter(fd => leads(targetOf(fd))).length;
}

/** Empty if it has been closed meanwhile. */
function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}

/**
 * How many descriptors of this process are connections that were accepted on this port, or its listener. 0 where there is
 * no /proc.
 */
export function openSockets(port: number): number {
  if (process.platform !== 'linux') return 0;
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const sockets = new Set<string>();
  for (const table of ['tcp', 'tcp6']) {
    for (const line of linesOf(`/proc/self/net/${table}`)) {
      // sl, local address, remote address, state, queues, timer, retransmits, uid, timeout, inode (proc_pid_net(5))
      const [, local = '', , , , , , , , inode] = line.trim().split(/\s+/);
      if (local.endsWith(`:${hexPort}`)) sockets.add(`socket:[${inode}]`);
    }
  }
  return readdirSync('/proc/self/fd').filter(fd => sockets.has(targetOf(fd))).length;
}

/** Empty where there is no such file, as without IPv6. */
function linesOf(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}
