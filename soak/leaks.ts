/** What this process holds: descriptors, timers and other resources of libuv, parsers, WebAssembly memory. */
import { readdirSync } from 'node:fs';
import { Llhttp, receiveBuffer } from '../src/httpd/llhttp.js';

export interface Held {
  /** Open descriptors; undefined where the system does not tell. */
  readonly descriptors: number | undefined;
  /** Timers, sockets and so on that keep the process alive, by their names. */
  readonly resources: readonly string[];
  readonly parsers: number;
  /** Bytes of WebAssembly memory, in which llhttp allocates: it only grows, and does if parsers are not freed. */
  readonly wasm: number;
}

export function heldNow(): Held {
  return {
    descriptors: descriptors(),
    resources: process.getActiveResourcesInfo().sort(),
    parsers: Llhttp.live,
    wasm: receiveBuffer().buffer.byteLength,
  };
}

function descriptors(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}

/** What of `after` is not in `before`. */
export function added(before: readonly string[], after: readonly string[]): string[] {
  const left = [...before];
  return after.filter(name => {
    const at = left.indexOf(name);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
