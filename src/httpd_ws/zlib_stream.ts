/**
 * Raw DEFLATE (RFC 1951), synchronous and with bounded output, on the zlib of Node.js.
 *
 * `node:zlib` offers two ways: streams, whose every message waits for a thread and comes back by events, and
 * `deflateRawSync`, which makes a new compressor for each message. Both cost several times what zlib itself does for a
 * message of some kilobytes. So this file, and no other, calls the handle inside of a stream, as `deflateRawSync` does;
 * a test pins its form.
 */
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib';
import { ESP_ERR_NOT_SUPPORTED, EspError } from '../err.js';

/** Up to the end of the input; or, when inflating, up to the next boundary of blocks. */
export const { Z_SYNC_FLUSH, Z_BLOCK } = constants;
/** Of the stream's own output buffer, which is not used: the least that there may be. */
const CHUNK = 64;
/** Stands where node:zlib writes how much room is left, which it does after a success only. */
const UNTOUCHED = 0xffff_ffff;

/** What is used of a zlib stream's inside. */
interface ZlibInside {
  readonly _handle: {
    onerror: ((message: string) => void) | undefined;
    reset(): void;
    /** Consumes input and fills output, and notes what is left of both. */
    writeSync(
      flush: number,
      input: Uint8Array,
      inputAt: number,
      inputLen: number,
      output: Uint8Array,
      outputAt: number,
      outputLen: number,
    ): void;
  };
  /** Room left in the output, and bytes left of the input, behind each call. */
  readonly _writeState: Uint32Array;
  close(): void;
}

export type ZlibOptions = { readonly windowBits: number; readonly level?: number; readonly memLevel?: number };

export class ZlibStream {
  /** Can the input not be inflated? Then the stream is of no use any more. */
  failed = false;
  /** Bytes left of the input of the last call. */
  inputLeft = 0;
  private readonly stream: ZlibInside;

  /** @throws EspError ESP_ERR_NOT_SUPPORTED if zlib has another inside in this version of Node.js */
  constructor(kind: 'deflate' | 'inflate', options: ZlibOptions) {
    const all = { ...options, chunkSize: CHUNK };
    const made: unknown = kind === 'deflate' ? createDeflateRaw(all) : createInflateRaw(all);
    const stream = made as Partial<ZlibInside>;
    if (typeof stream._handle?.writeSync !== 'function' || !(stream._writeState instanceof Uint32Array)) {
      throw new EspError(
        ESP_ERR_NOT_SUPPORTED,
        `Node.js ${process.version} has a zlib that compression of WebSocket messages can't use; leave the option out`,
      );
    }
    this.stream = made as ZlibInside;
    // it would be called through MakeCallback, which runs microtasks, and may abort, within a turn of the epoll port
    this.stream._handle.onerror = undefined;
  }

  /**
   * Works on `input[from, to)`; what is left of it is in `inputLeft`. If the output is filled, there may be more, even
   * without any input left.
   *
   * @param flush Z_SYNC_FLUSH or Z_BLOCK
   * @returns how many bytes were written to `output[at, end)`
   */
  run(flush: number, input: Uint8Array, from: number, to: number, output: Uint8Array, at: number, end: number): number {
    const { _handle, _writeState } = this.stream;
    _writeState[0] = UNTOUCHED;
    _handle.writeSync(flush, input, from, to - from, output, at, end - at);
    if (_writeState[0] === UNTOUCHED) {
      this.failed = true;
      this.inputLeft = to - from;
      return 0;
    }
    this.inputLeft = _writeState[1] as number;
    return end - at - (_writeState[0] as number);
  }

  /** Forgets what came before. */
  reset(): void {
    this.stream._handle.reset();
  }

  /** Gives its memory back. */
  close(): void {
    this.stream.close();
  }
}

let checked = false;

/**
 * Can this version of Node.js do it?
 *
 * @throws EspError ESP_ERR_NOT_SUPPORTED
 */
export function checkZlib(): void {
  if (checked) return;
  new ZlibStream('inflate', { windowBits: 9 }).close();
  checked = true;
}
