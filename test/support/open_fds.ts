import { readdirSync, readlinkSync } from 'node:fs';

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
