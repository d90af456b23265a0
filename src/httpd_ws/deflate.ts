/**
 * permessage-deflate (RFC 7692 section 7.2): payloads of messages compressed and inflated. Knows no socket or frame.
 *
 * Without context takeover no connection keeps anything: compressors and inflaters are shared by all.
 */
import type { DeflateParams } from './extension.js';
import type { WsDeflateSettings, WsSettings } from './options.js';
import { ZlibStream } from './zlib_stream.js';

/** What a flush ends with, and a message does not carry (RFC 7692 section 7.2.1). */
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
/**
 * The same, then an empty last block and a byte more: at a boundary of blocks, where a message has to end, zlib stops in
 * front of that byte; a message that was cut off takes all of it for its own.
 */
const TAIL_AND_END = Buffer.from([0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff, 0]);
/** What is compressed at most. zlib holds up the loop while it works, for some 20 ms here. */
export const DEFLATE_MAX = 1024 * 1024;
/** Inflated at a time. */
const SCRATCH = 64 * 1024;
/** Inflaters that nobody needs, and are kept. */
const POOL_MAX = 64;
/** With a window of 2^8 zlib writes streams that zlib can't read; with 2^9 it looks back 250 bytes at most. */
const WINDOW_BITS_MIN = 9;

/** Is filled and used up within one call. */
let scratch: Buffer | undefined;

/** Where output goes that nobody keeps. */
function scratchBuffer(): Buffer {
  scratch ??= Buffer.allocUnsafeSlow(SCRATCH);
  return scratch;
}

/** Compresses messages, one connection's or many's. */
export class Deflater {
  private stream: ZlibStream | undefined;

  /** @param keepsContext are later messages compressed with the knowledge of earlier ones? */
  constructor(
    private readonly settings: WsDeflateSettings,
    private readonly windowBits: number,
    readonly keepsContext: boolean,
  ) {}

  /** Is a message of this length to be compressed? */
  wants(len: number): boolean {
    return len > 0 && len >= this.settings.threshold && len <= DEFLATE_MAX;
  }

  /**
   * @returns the compressed payload, borrowed until the next call; undefined if it would not be shorter
   */
  deflate(payload: Uint8Array): Buffer | undefined {
    const { level, memLevel } = this.settings;
    const windowBits = Math.max(this.windowBits, WINDOW_BITS_MIN);
    this.stream ??= new ZlibStream('deflate', { level, memLevel, windowBits });
    const { stream } = this;
    if (!this.keepsContext) stream.reset();
    const out = scratchBuffer();
    let n = stream.run(payload, 0, payload.length, out, 0, SCRATCH);
    let result = out;
    if (n === SCRATCH) {
      const parts = [];
      for (
        ;
        n === SCRATCH;
        n = stream.run(payload, payload.length - stream.inputLeft, payload.length, out, 0, SCRATCH)
      ) {
        parts.push(Buffer.from(out));
      }
      parts.push(out.subarray(0, n));
      result = Buffer.concat(parts);
      n = result.length;
    }
    const len = n - TAIL.length;
    // the peer has to see what the window knows
    return len < payload.length || this.keepsContext ? result.subarray(0, len) : undefined;
  }

  close(): void {
    this.stream?.close();
    this.stream = undefined;
  }
}

/** Inflates messages, each of them in pieces as they arrive. */
export class Inflater {
  /** The message can't be inflated. */
  failed = false;
  /** Is all that `give` has brought inflated? */
  inputUsed = true;
  private stream: ZlibStream | undefined;
  /** What `give` has brought and is not used up. */
  private input: Buffer = TAIL;
  private from = 0;
  private to = 0;
  private inTail = false;

  /** @param keepsContext then the end of a message can't be checked */
  constructor(
    private readonly windowBits: number,
    readonly keepsContext: boolean,
  ) {}

  /** The next piece of a message. Borrowed until it is used up or kept. */
  give(bytes: Buffer, from: number, to: number): void {
    this.input = bytes;
    this.from = from;
    this.to = to;
  }

  /** All pieces have come. */
  giveTail(): void {
    const tail = this.keepsContext ? TAIL : TAIL_AND_END;
    this.give(tail, 0, tail.length);
    this.inTail = true;
  }

  /**
   * Goes on inflating.
   *
   * @returns up to `max` bytes, borrowed until the next call
   */
  next(max: number): Buffer {
    const out = scratchBuffer();
    const end = Math.min(max, SCRATCH);
    let at = 0;
    this.stream ??= new ZlibStream('inflate', { windowBits: this.windowBits });
    const { stream } = this;
    for (;;) {
      at += stream.run(this.input, this.from, this.to, out, at, end);
      const used = this.to - stream.inputLeft - this.from;
      this.from += used;
      if (stream.error !== undefined) {
        this.failed = true;
        break;
      }
      if (at === end) break;
      if (this.inTail && !this.keepsContext) {
        // or it has ended already, with a last block of its own
        this.failed = stream.inputLeft !== 1 && used > 0;
        break;
      }
      if (this.from === this.to) break;
      // a block marked as the last one (BFINAL), with others behind it (RFC 7692 section 7.2.3.4)
      stream.reset();
    }
    this.inputUsed = at < end;
    return out.subarray(0, at);
  }

  /** What is left of the piece is no longer borrowed. */
  keepInput(): void {
    if (this.inTail) return;
    this.give(Buffer.from(this.input.subarray(this.from, this.to)), 0, this.to - this.from);
  }

  /** The message is complete. */
  end(): void {
    this.give(TAIL, 0, 0);
    this.inTail = false;
    if (!this.keepsContext) this.stream?.reset();
  }

  close(): void {
    this.stream?.close();
    this.stream = undefined;
  }
}

/** Where a connection's inflater comes from; it is in use from the first byte of a compressed message to its end. */
export class Inflaters {
  private own: Inflater | undefined;

  /** @param windowBits of a connection's own inflater, which keeps its context; undefined: those that all share */
  constructor(private readonly windowBits?: number) {}

  take(): Inflater {
    if (this.windowBits === undefined) return free.pop() ?? new Inflater(15, false);
    this.own ??= new Inflater(this.windowBits, true);
    return this.own;
  }

  /** The message has ended, in whatever way. */
  give(inflater: Inflater): void {
    if (inflater.failed || (inflater !== this.own && free.length >= POOL_MAX)) {
      inflater.close();
      return;
    }
    inflater.end();
    if (inflater !== this.own) free.push(inflater);
  }

  /** The connection has ended. */
  close(): void {
    this.own?.close();
  }
}

/** Inflaters that no message needs now, and that keep no context. */
const free: Inflater[] = [];

/** How messages look on a connection, or on many that have agreed on the same. */
export class WsCodec {
  /** Longer messages are cut into frames of this length. */
  readonly fragmentLen: number;
  /** Both undefined without permessage-deflate. */
  readonly deflater: Deflater | undefined;
  readonly inflaters: Inflaters | undefined;
  /** May other connections with the same parameters use it too? */
  readonly shareable: boolean;

  /** @param params undefined without permessage-deflate */
  constructor({ fragmentLen, deflate }: WsSettings, params: DeflateParams | undefined) {
    this.fragmentLen = fragmentLen;
    this.shareable = params === undefined || (params.serverNoContextTakeover && params.clientNoContextTakeover);
    if (deflate === undefined || params === undefined) return;
    this.deflater = new Deflater(deflate, params.serverMaxWindowBits, !params.serverNoContextTakeover);
    this.inflaters = new Inflaters(params.clientNoContextTakeover ? undefined : params.clientMaxWindowBits);
  }

  /** The connection has ended. */
  close(): void {
    if (this.shareable) return;
    this.deflater?.close();
    this.inflaters?.close();
  }
}
