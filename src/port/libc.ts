/**
 * The system calls of the epoll port, and the few functions of libuv that let Node's own loop watch an epoll
 * descriptor. They are called through koffi, from the C library and the node binary that run anyway.
 *
 * Memory goes to the kernel as a `Buffer` and for the length of one call only: koffi takes its address when it makes
 * the call, and every call here returns before anything else runs. The one memory that outlives a call is that of the
 * libuv handle, which `watch` allocates, and frees when libuv has let go of it.
 *
 * Numbers are those of Linux on x86-64.
 */
import { createRequire } from 'node:module';
import { getSystemErrorMap } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { standIn } from './stand_in.js';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_KEEPALIVE = 9;
export const SO_LINGER = 13;
export const SO_REUSEPORT = 15;
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const IPPROTO_IPV6 = 41;
export const IPV6_V6ONLY = 26;

export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;

const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const EPOLL_CLOEXEC = 0o2000000;
const INET6_ADDRSTRLEN = 46;
const UV_POLL = 8;
const UV_READABLE = 1;

/** Address of memory outside of the JavaScript heap. */
type Pointer = bigint;

/** All return -1 where the call failed, and `errno()` then tells why; until then nothing else may be called. */
export interface Libc {
  /** errno(3): why the last call failed. */
  errno(): number;
  /** socket(2) */
  socket(domain: number, type: number, protocol: number): number;
  /** setsockopt(2) with an int */
  setOption(fd: number, level: number, option: number, value: number): number;
  /** getsockopt(2) of an int. Not -1 for failure but `undefined`. */
  getOption(fd: number, level: number, option: number): number | undefined;
  /** setsockopt(2) with SO_LINGER: how long close(2) waits, in seconds; 0 makes it send RST. See socket(7). */
  setLinger(fd: number, seconds: number): number;
  /** bind(2); `address` is a struct sockaddr */
  bind(fd: number, address: Buffer): number;
  /** listen(2) */
  listen(fd: number, backlog: number): number;
  /** accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC, without an address */
  accept(fd: number): number;
  /** getsockname(2) into `address`. @returns how long the address is, -1 if there is none */
  localAddress(fd: number, address: Buffer): number;
  /** getpeername(2) into `address`. @returns how long the address is, -1 if there is none */
  peerAddress(fd: number, address: Buffer): number;
  /** inet_pton(3). @returns 1 if `text` is an address of that family, which is then in `address` */
  parseAddress(family: number, text: string, address: Buffer): number;
  /** inet_ntop(3) */
  formatAddress(family: number, address: Buffer): string;
  /** if_nametoindex(3): the number of a network interface; 0 if there is none of that name */
  interfaceIndex(name: string): number;
  /** if_indextoname(3); empty if there is none of that number */
  interfaceName(index: number): string;
  /** recv(2) to the start of `buf`. @returns how many bytes, 0 behind FIN */
  recv(fd: number, buf: Buffer): number;
  /** send(2) of all of `buf`, with MSG_NOSIGNAL. @returns how many bytes were taken */
  send(fd: number, buf: Buffer): number;
  /** shutdown(2) with SHUT_WR */
  shutdown(fd: number): number;
  /** close(2) */
  close(fd: number): number;
  /** epoll_create1(2) with EPOLL_CLOEXEC */
  epollCreate(): number;
  /** epoll_ctl(2); `event` is a struct epoll_event */
  epollCtl(epollFd: number, operation: number, fd: number, event: Buffer): number;
  /** epoll_wait(2) that does not wait. @returns how many of the `max` structs in `events` were filled */
  epollWait(epollFd: number, events: Buffer, max: number): number;
  /**
   * Lets Node's loop call `onReadable` whenever `fd` is readable (`uv_poll_init`, `uv_poll_start`). What it throws is
   * lost, so it must not.
   *
   * @returns ends that for good, and calls `onClosed` when the loop has let go of the handle; then all is released
   * @throws Error with libuv's reason
   */
  watch(fd: number, onReadable: () => void): (onClosed: () => void) => void;
  /** How many callbacks from C are registered in this process. */
  callbacks(): number;
}

/** What of koffi is used. The package is optional, so compiling must not need its types. */
interface Koffi {
  load(path: null): { func(prototype: string): unknown };
  proto(result: string, parameters: string[]): unknown;
  pointer(type: unknown): unknown;
  register(callback: () => void, type: unknown): Pointer;
  unregister(callback: Pointer): void;
  alloc(type: string, length: number): Pointer;
  free(pointer: Pointer): void;
  errno(): number;
  stats(): { callbacks: number };
}

/** Why the epoll port can't run here; undefined if nothing is known against it before koffi is loaded. */
function unsuitable(): string | undefined {
  const runtime = standIn();
  if (runtime !== undefined) return `epoll needs the libuv of Node.js, and this is ${runtime}`;
  if (process.platform !== 'linux') return `epoll is Linux only, and this is ${process.platform}`;
  if (process.arch !== 'x64') return `the epoll port knows x64 only, and this is ${process.arch}`;
  if (!isMainThread) return "libuv's default loop belongs to the main thread, and this is a worker thread";
  return undefined;
}

let loaded: Libc | undefined;

/**
 * The calls, loaded once.
 *
 * @throws Error that says why they are not to be had here
 */
export function loadLibc(): Libc {
  if (loaded !== undefined) return loaded;
  const reason = unsuitable();
  if (reason !== undefined) throw new Error(reason);
  let koffi: Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as Koffi;
  } catch (cause) {
    // the first line: what follows is the list of who required it
    const [why] = String(cause instanceof Error ? cause.message : cause).split('\n');
    throw new Error(`the optional package koffi can't be loaded: ${why}`, { cause });
  }
  try {
    loaded = bindCalls(koffi);
  } catch (cause) {
    throw new Error(`koffi can't find a function: ${(cause as Error).message}`, { cause });
  }
  return loaded;
}

function bindCalls(koffi: Koffi): Libc {
  const lib = koffi.load(null);
  const call = <A extends unknown[]>(prototype: string) => lib.func(prototype) as (...args: A) => number;
  type Fd = number;
  const setsockopt = call<[Fd, number, number, Buffer, number]>('int setsockopt(int, int, int, void *, uint32_t)');
  const getsockopt = call<[Fd, number, number, Buffer, Buffer]>('int getsockopt(int, int, int, void *, void *)');
  const bind = call<[Fd, Buffer, number]>('int bind(int, void *, uint32_t)');
  const accept4 = call<[Fd, null, null, number]>('int accept4(int, void *, void *, int)');
  const getsockname = call<[Fd, Buffer, Buffer]>('int getsockname(int, void *, void *)');
  const getpeername = call<[Fd, Buffer, Buffer]>('int getpeername(int, void *, void *)');
  const inetNtop = lib.func('const char *inet_ntop(int, void *, void *, uint32_t)') as (
    ...args: [number, Buffer, Buffer, number]
  ) => string;
  const ifIndexToName = lib.func('const char *if_indextoname(uint32_t, void *)') as (
    index: number,
    name: Buffer,
  ) => string | null;
  const recv = call<[Fd, Buffer, number, number]>('int64_t recv(int, void *, size_t, int)');
  const send = call<[Fd, Buffer, number, number]>('int64_t send(int, void *, size_t, int)');
  const shutdown = call<[Fd, number]>('int shutdown(int, int)');
  const epollCreate1 = call<[number]>('int epoll_create1(int)');
  const epollWait = call<[Fd, Buffer, number, number]>('int epoll_wait(int, void *, int, int)');
  const int = Buffer.alloc(4);
  const length = Buffer.alloc(4);
  const linger = Buffer.alloc(8);
  const text = Buffer.alloc(INET6_ADDRSTRLEN);
  const nameOf = (get: (fd: Fd, address: Buffer, length: Buffer) => number, fd: Fd, address: Buffer): number => {
    length.writeUInt32LE(address.length);
    return get(fd, address, length) === 0 ? length.readUInt32LE() : -1;
  };
  return {
    errno: () => koffi.errno(),
    socket: call('int socket(int, int, int)'),
    setOption(fd, level, option, value) {
      int.writeInt32LE(value);
      return setsockopt(fd, level, option, int, int.length);
    },
    getOption(fd, level, option) {
      length.writeUInt32LE(int.length);
      return getsockopt(fd, level, option, int, length) === 0 ? int.readInt32LE() : undefined;
    },
    setLinger(fd, seconds) {
      linger.writeInt32LE(1, 0);
      linger.writeInt32LE(seconds, 4);
      return setsockopt(fd, SOL_SOCKET, SO_LINGER, linger, linger.length);
    },
    bind: (fd, address) => bind(fd, address, address.length),
    listen: call('int listen(int, int)'),
    accept: fd => accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC),
    localAddress: (fd, address) => nameOf(getsockname, fd, address),
    peerAddress: (fd, address) => nameOf(getpeername, fd, address),
    parseAddress: call('int inet_pton(int, const char *, void *)'),
    formatAddress: (family, address) => inetNtop(family, address, text, text.length),
    interfaceIndex: call('uint32_t if_nametoindex(const char *)'),
    interfaceName: index => ifIndexToName(index, text) ?? '',
    recv: (fd, buf) => recv(fd, buf, buf.length, 0),
    send: (fd, buf) => send(fd, buf, buf.length, MSG_NOSIGNAL),
    shutdown: fd => shutdown(fd, SHUT_WR),
    close: call('int close(int)'),
    epollCreate: () => epollCreate1(EPOLL_CLOEXEC),
    epollCtl: call('int epoll_ctl(int, int, int, void *)'),
    epollWait: (epollFd, events, max) => epollWait(epollFd, events, max, 0),
    watch: bindWatch(koffi, lib),
    callbacks: () => koffi.stats().callbacks,
  };
}

/** The part that calls back: libuv's `uv_poll_t`. */
function bindWatch(koffi: Koffi, lib: ReturnType<Koffi['load']>): Libc['watch'] {
  const onPoll = koffi.pointer(koffi.proto('void', ['void *', 'int', 'int']));
  const onClose = koffi.pointer(koffi.proto('void', ['void *']));
  const defaultLoop = lib.func('void *uv_default_loop()') as () => Pointer;
  const handleSize = lib.func('size_t uv_handle_size(int)') as (type: number) => number;
  const pollInit = lib.func('int uv_poll_init(void *, void *, int)') as (
    loop: Pointer,
    handle: Pointer,
    fd: number,
  ) => number;
  const pollStart = lib.func('int uv_poll_start(void *, int, void *)') as (
    handle: Pointer,
    events: number,
    callback: Pointer,
  ) => number;
  const close = lib.func('void uv_close(void *, void *)') as (handle: Pointer, callback: Pointer) => void;
  return (fd, onReadable) => {
    const handle = koffi.alloc('char', handleSize(UV_POLL));
    const notMade = pollInit(defaultLoop(), handle, fd);
    if (notMade < 0) {
      koffi.free(handle);
      throw systemError('uv_poll_init', -notMade);
    }
    const poll = koffi.register(() => {
      // koffi does not run microtasks behind a callback; nor does the loop since Node.js 26.4, but behind an immediate: so
      // one goes before those that the callback asks for
      setImmediate(nothing);
      onReadable();
    }, onPoll);
    const stop = (onClosed: () => void): void => {
      const closed = koffi.register(() => {
        // not from within the callback that goes away, nor while libuv still looks at the handle
        setImmediate(() => {
          koffi.unregister(poll);
          koffi.unregister(closed);
          koffi.free(handle);
          onClosed();
        });
      }, onClose);
      close(handle, closed);
    };
    const notStarted = pollStart(handle, UV_READABLE, poll);
    if (notStarted < 0) {
      stop(() => {});
      throw systemError('uv_poll_start', -notStarted);
    }
    return stop;
  };
}

function nothing(): void {}

/** An error of a system call, as Node.js makes them: `code`, `errno`, `syscall`. */
export function systemError(syscall: string, errno: number, where = ''): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`errno ${errno}`, 'unknown error'];
  const message = `${syscall} ${code}: ${text}${where === '' ? '' : ` ${where}`}`;
  return Object.assign(new Error(message), { code, errno: -errno, syscall });
}
