/**
 * The chunked coding (RFC 9112 section 7.1), byte by byte and to the letter: what a sloppy reader makes of a chunk's
 * size, extensions or trailers is how requests are smuggled. Pure.
 */
import { isTokenCode, isValueCode } from './headers.js';

/** What the next byte belongs to. */
const SIZE_FIRST = 0;
const SIZE = 1;
/** Blanks behind the size or an extension: a `;` must follow. */
const EXT_BLANKS = 2;
/** Behind a `;`. */
const EXT_NAME_FIRST = 3;
const EXT_NAME = 4;
/** Blanks behind a name: a `=` or `;` must follow. */
const EXT_NAME_BLANKS = 5;
/** Behind a `=`. */
const EXT_VALUE_FIRST = 6;
const EXT_TOKEN = 7;
const EXT_QUOTED = 8;
const EXT_QUOTED_PAIR = 9;
const EXT_QUOTED_END = 10;
const SIZE_LF = 11;
const DATA = 12;
const DATA_CR = 13;
const DATA_LF = 14;
const TRAILER_FIRST = 15;
const TRAILER_NAME = 16;
const TRAILER_VALUE = 17;
const TRAILER_LF = 18;
const LAST_LF = 19;
const DONE = 20;

const HTAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const QUOTE = 0x22;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** Fields that tell where a message ends or whom it is for: never in trailers (RFC 9110 section 6.5.1). */
const NO_TRAILERS: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'host']);
const NO_TRAILER_MAX = 'transfer-encoding'.length;

export class ChunkedDecoder {
  /** Bytes of the current chunk that are still to come. */
  left = 0;
  private state = DONE;
  private trailer = '';

  /** @param lenient is a bare LF taken for a line ending? */
  constructor(private readonly lenient: boolean) {}

  /** A body begins. */
  begin(): void {
    this.state = SIZE_FIRST;
    this.left = 0;
  }

  /** Is the next byte one of content? `left` says how many are. */
  get inData(): boolean {
    return this.state === DATA;
  }

  get done(): boolean {
    return this.state === DONE;
  }

  /** `n` bytes of content have been taken. */
  take(n: number): void {
    this.left -= n;
    if (this.left === 0) this.state = DATA_CR;
  }

  /**
   * Reads what is around the content.
   *
   * @returns where it stopped: at a byte of content, behind the last byte of the body, or at `to`; -1 if it is broken
   */
  framing(buf: Uint8Array, from: number, to: number): number {
    for (let at = from; at < to; at++) {
      if (this.state === DATA || this.state === DONE) return at;
      const state = this.next(buf[at] as number);
      if (state < 0) return -1;
      this.state = state;
    }
    return to;
  }

  private next(code: number): number {
    switch (this.state) {
      case SIZE_FIRST:
      case SIZE:
        return this.size(code);
      case EXT_BLANKS:
        return isBlank(code) ? EXT_BLANKS : code === SEMICOLON ? EXT_NAME_FIRST : -1;
      case EXT_NAME_FIRST:
        return isBlank(code) ? EXT_NAME_FIRST : isTokenCode(code) ? EXT_NAME : -1;
      case EXT_NAME:
        if (isTokenCode(code)) return EXT_NAME;
        if (isBlank(code)) return EXT_NAME_BLANKS;
        return code === EQUALS ? EXT_VALUE_FIRST : this.extensionEnd(code);
      case EXT_NAME_BLANKS:
        if (isBlank(code)) return EXT_NAME_BLANKS;
        return code === EQUALS ? EXT_VALUE_FIRST : code === SEMICOLON ? EXT_NAME_FIRST : -1;
      case EXT_VALUE_FIRST:
        if (isBlank(code)) return EXT_VALUE_FIRST;
        return code === QUOTE ? EXT_QUOTED : isTokenCode(code) ? EXT_TOKEN : -1;
      case EXT_TOKEN:
        if (isTokenCode(code)) return EXT_TOKEN;
        return isBlank(code) ? EXT_BLANKS : this.extensionEnd(code);
      case EXT_QUOTED:
        if (code === QUOTE) return EXT_QUOTED_END;
        return code === BACKSLASH ? EXT_QUOTED_PAIR : isValueCode(code) ? EXT_QUOTED : -1;
      case EXT_QUOTED_PAIR:
        return isValueCode(code) ? EXT_QUOTED : -1;
      case EXT_QUOTED_END:
        return isBlank(code) ? EXT_BLANKS : this.extensionEnd(code);
      case SIZE_LF:
        return code === LF ? this.sizeEnd() : -1;
      case DATA_CR:
        return this.lineEnd(code, DATA_LF, SIZE_FIRST);
      case DATA_LF:
        return code === LF ? SIZE_FIRST : -1;
      default:
        return this.nextOfTrailers(code);
    }
  }

  private nextOfTrailers(code: number): number {
    switch (this.state) {
      case TRAILER_FIRST:
        this.trailer = '';
        if (code === CR || code === LF) return this.lineEnd(code, LAST_LF, DONE);
        return this.trailerName(code);
      case TRAILER_NAME:
        if (code === COLON) return NO_TRAILERS.has(this.trailer) ? -1 : TRAILER_VALUE;
        return this.trailerName(code);
      case TRAILER_VALUE:
        return isValueCode(code) ? TRAILER_VALUE : this.lineEnd(code, TRAILER_LF, TRAILER_FIRST);
      case TRAILER_LF:
        return code === LF ? TRAILER_FIRST : -1;
      default:
        return code === LF ? DONE : -1;
    }
  }

  private size(code: number): number {
    const digit = hexDigit(code);
    if (digit >= 0) {
      this.left = this.left * 16 + digit;
      return Number.isSafeInteger(this.left) ? SIZE : -1;
    }
    if (this.state === SIZE_FIRST) return -1;
    return isBlank(code) ? EXT_BLANKS : this.extensionEnd(code);
  }

  private extensionEnd(code: number): number {
    if (code === SEMICOLON) return EXT_NAME_FIRST;
    if (code === CR) return SIZE_LF;
    return code === LF && this.lenient ? this.sizeEnd() : -1;
  }

  private sizeEnd(): number {
    return this.left > 0 ? DATA : TRAILER_FIRST;
  }

  private lineEnd(code: number, lf: number, next: number): number {
    if (code === CR) return lf;
    return code === LF && this.lenient ? next : -1;
  }

  private trailerName(code: number): number {
    if (!isTokenCode(code)) return -1;
    if (this.trailer.length <= NO_TRAILER_MAX) this.trailer += String.fromCharCode(code).toLowerCase();
    return TRAILER_NAME;
  }
}

function isBlank(code: number): boolean {
  return code === SP || code === HTAB;
}

/** @returns -1 for what is none */
function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
