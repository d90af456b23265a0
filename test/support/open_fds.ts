import { readdirSync, readlinkSync } from 'node:fs';

/**
 * How many descriptors lead to a path: files, folders, devices. Those of sockets and pipes come and go with tests that
 * ran before in the same process. 0 where there is no /proc.
 */
export function openPaths(): number {
  if (process.platform !== 'linux') return 0;
  return readdirSync('/proc/self/fd').filter(fd => targetOf(fd).startsWith('/')).length;
}

/** Empty if it has been closed meanwhile. */
function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
