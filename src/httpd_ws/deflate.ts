/**
 * permessage-deflate (RFC 7692 section 7.2): payloads of messages compressed and inflated. Knows no socket or frame.
 *
 * Without context takeover no connection keeps anything: compressors and inflaters are shared by all.
 */
import type { DeflateParams } from './extension.js';
import type { WsDeflateSettings, WsSettings } from './options.js';
import { Z_BLOCK, Z_SYNC_FLUSH, ZlibStream } from './zlib_stream.js';

/** What a flush ends with, and a message does not carry (RFC 7692 section 7.2.1). */
const TAIL_LEN = 4;
/** That, and a byte in front of which zlib stops if the message ends at a boundary of blocks, as it must. */
const TAIL = Buffer.from([0, 0, 0xff, 0xff, 0]);
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
    const parts: Buffer[] = [];
    let from = 0;
    let n = SCRATCH;
    while (n === SCRATCH) {
      n = stream.run(Z_SYNC_FLUSH, payload, from, payload.length, out, 0, SCRATCH);
      from = payload.length - stream.inputLeft;
      if (n === SCRATCH) parts.push(Buffer.from(out));
    }
    const last = out.subarray(0, n);
    const all = parts.length === 0 ? last : Buffer.concat([...parts, last]);
    const len = all.length - TAIL_LEN;
    // the peer has to see what the window knows
    return len < payload.length || this.keepsContext ? all.subarray(0, len) : undefined;
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
  /** Is the end of the message being inflated? */
  inTail = false;
  /** Does zlib work? When it fails, code of the application may run before it returns. */
  running = false;
  private stream: ZlibStream | undefined;
  /** What `give` has brought and is not used up. */
  private input: Buffer = TAIL;
  private from = 0;
  private to = 0;

  /** Is `input` our own? */
  private kept = false;

  constructor(
    private readonly windowBits: number,
    readonly keepsContext: boolean,
  ) {}

  /** The next piece of a message. Borrowed until it is used up or kept. */
  give(bytes: Buffer, from: number, to: number): void {
    this.input = bytes;
    this.from = from;
    this.to = to;
    this.kept = false;
  }

  /** All pieces have come. */
  giveTail(): void {
    this.give(TAIL, 0, TAIL.length);
    this.inTail = true;
    this.kept = true;
  }

  /** May another message be inflated? Not behind one that is broken, whether `next` has come to that or not. */
  get reusable(): boolean {
    return !this.failed && !this.running && this.stream?.failed !== true;
  }

  /**
   * Goes on inflating.
   *
   * @returns up to `max` bytes, borrowed until the next call. All `max` bytes come before a failure is told, if they are
   *   there: else it would depend on where the input was cut
   */
  next(max: number): Buffer {
    const out = scratchBuffer();
    const end = Math.min(max, SCRATCH);
    this.stream ??= new ZlibStream('inflate', { windowBits: this.windowBits });
    const { stream } = this;
    this.inputUsed = false;
    this.running = true;
    const n = this.inTail ? this.inflateTail(stream, out, end) : this.inflatePiece(stream, out, end);
    this.running = false;
    return out.subarray(0, n);
  }

  /** What is left of the piece is no longer borrowed. */
  keepInput(): void {
    if (this.kept) return;
    this.give(Buffer.from(this.input.subarray(this.from, this.to)), 0, this.to - this.from);
    this.kept = true;
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

  /**
   * zlib reads on when its output is full, up to what would give another byte. If it fails there, it does not tell what
   * it has written. So the last byte is asked for by itself, with so little input that zlib can't fail before that byte
   * is written.
   */
  private inflatePiece(stream: ZlibStream, out: Buffer, end: number): number {
    const last = end - 1;
    let at = 0;
    while (!stream.failed) {
      at += this.run(stream, Z_SYNC_FLUSH, this.to, out, at, last);
      if (stream.failed) break;
      if (at === last) {
        const n = this.run(stream, Z_SYNC_FLUSH, Math.min(this.from + 1, this.to), out, last, end);
        // a failure is one behind that byte, for the next call
        if (n === 1 || stream.failed) return end;
      }
      this.inputUsed = this.from === this.to;
      if (this.inputUsed) return at;
      // behind a block marked as the last one (BFINAL) there are others (RFC 7692 section 7.2.3.4)
      stream.reset();
    }
    this.failed = true;
    return 0;
  }

  private inflateTail(stream: ZlibStream, out: Buffer, end: number): number {
    const n = this.run(stream, Z_BLOCK, this.to, out, 0, end);
    this.inputUsed = n < end;
    // if it has used nothing, the message has ended with a block marked as the last one
    this.failed = stream.failed || (this.inputUsed && this.from !== TAIL_LEN && this.from > 0);
    return n;
  }

  /** Inflates the input up to `to` into `out[at, end)`. */
  private run(stream: ZlibStream, flush: number, to: number, out: Buffer, at: number, end: number): number {
    const n = stream.run(flush, this.input, this.from, to, out, at, end);
    this.from = to - stream.inputLeft;
    return n;
  }
}

/** Where a connection's inflater comes from; it is in use from the first byte of a compressed message to its end. */
export class Inflaters {
  private own: Inflater | undefined;

  /** @param windowBits of a connection's own inflater, which keeps its context; undefined: those that all share */
  constructor(private readonly windowBits?: number) {}

  get keepsContext(): boolean {
    return this.windowBits !== undefined;
  }

  take(): Inflater {
    if (this.windowBits === undefined) return free.pop() ?? new Inflater(15, false);
    this.own ??= new Inflater(this.windowBits, true);
    return this.own;
  }

  /** The message has ended, in whatever way. */
  give(inflater: Inflater): void {
    if (!inflater.reusable || (inflater !== this.own && free.length >= POOL_MAX)) {
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
export interface WsCodec {
  /** Longer messages are cut into frames of this length. */
  readonly fragmentLen: number;
  /** Both undefined without permessage-deflate. */
  readonly deflater: Deflater | undefined;
  readonly inflaters: Inflaters | undefined;
}

/** The connection of a codec has ended; what others share stays. */
export function closeCodec({ deflater, inflaters }: WsCodec): void {
  if (deflater?.keepsContext) deflater.close();
  inflaters?.close();
}

/** The codecs of one URI handler. Connections that keep no context share theirs. */
export class WsCodecs {
  private readonly codecs = new Map<string, WsCodec>();
  private readonly deflaters = new Map<number, Deflater>();

  constructor(private readonly settings: WsSettings) {}

  /** @param params undefined without permessage-deflate */
  for(params: DeflateParams | undefined): WsCodec {
    const { fragmentLen, deflate } = this.settings;
    const key = JSON.stringify(params);
    let codec = this.codecs.get(key);
    if (codec !== undefined) return codec;
    if (deflate === undefined || params === undefined) {
      codec = { fragmentLen, deflater: undefined, inflaters: undefined };
    } else {
      const own = params.clientNoContextTakeover ? undefined : params.clientMaxWindowBits;
      codec = { fragmentLen, deflater: this.deflaterFor(deflate, params), inflaters: new Inflaters(own) };
    }
    const keeps = codec.deflater?.keepsContext || codec.inflaters?.keepsContext;
    if (!keeps) this.codecs.set(key, codec);
    return codec;
  }

  private deflaterFor(settings: WsDeflateSettings, params: DeflateParams): Deflater {
    const { serverMaxWindowBits: bits } = params;
    if (!params.serverNoContextTakeover) return new Deflater(settings, bits, true);
    const deflater = this.deflaters.get(bits) ?? new Deflater(settings, bits, false);
    this.deflaters.set(bits, deflater);
    return deflater;
  }
}
