/**
 * Is this a machine for the epoll port? The one place that says so: elsewhere its tests are skipped. Where it is and the
 * port does not work they fail, as when koffi was not installed.
 */
export const EPOLL_HERE = process.platform === 'linux' && process.arch === 'x64';
