/**
 * multipart/form-data (RFC 7578, RFC 2046 section 5.1.1): parts from bytes. Pure.
 *
 * A delimiter is CRLF, two hyphens and the boundary, wherever it stands; blanks may follow it. What can't be judged without
 * the bytes behind it waits: less than a delimiter, or a header section within its limit.
 */
import type { EspError } from '../err.js';
import { beyond, type FormLimits } from './form_options.js';
import { parsePartHead } from './form_part_head.js';
import { malformed, type RawPart, type Splitter, truncated } from './form_splitter.js';

/** boundary of RFC 2046 section 5.1.1. */
const BOUNDARY = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;

export function isBoundary(text: string | undefined): text is string {
  return text !== undefined && BOUNDARY.test(text);
}

const [HTAB, LF, CR, SP, HYPHEN] = [0x09, 0x0a, 0x0d, 0x20, 0x2d];
const CRLF = '\r\n';
const NOTHING = Buffer.alloc(0);
const COPY_BELOW = 8 * 1024;

/**
 * | state | what comes | next |
 * | --- | --- | --- |
 * | preamble | what is passed over, up to a delimiter | boundary |
 * | boundary | what stands behind a delimiter on its line | head, or over behind the closing one |
 * | head | a header section, with the line ending in front of it | content |
 * | content | of a part, with the line ending in front of it, up to a delimiter | boundary |
 * | over | the epilogue, or what follows a mistake: nothing is looked at | |
 */
type State = 'preamble' | 'boundary' | 'head' | 'content' | 'over';

export class MultipartSplitter implements Splitter {
  private readonly queue: (RawPart | EspError)[] = [];
  private readonly delimiter: Buffer;
  private state: State = 'preamble';
  /** What has come, from `at` on not yet dealt with. The first line may be a boundary, as if one had ended in front of it. */
  private data: Buffer = Buffer.from(CRLF);
  private at = 0;
  /** Have there been blanks behind the boundary? */
  private padded = false;
  /** The part whose content comes, undefined in the preamble; and how much of `data` in front of the content is none of it. */
  private part: StreamedPart | undefined;
  private skip = 0;
  private count = 0;

  constructor(
    boundary: string,
    private readonly limits: FormLimits,
  ) {
    this.delimiter = Buffer.from(`${CRLF}--${boundary}`, 'latin1');
  }

  write(bytes: Buffer): void {
    if (this.state === 'over') return;
    this.data = this.data.length === 0 ? bytes : Buffer.concat([this.data, bytes]);
    while (this.step());
    // a few bytes must not keep all that they came with
    this.data = this.at < this.data.length ? Buffer.from(this.data.subarray(this.at)) : NOTHING;
    this.at = 0;
  }

  end(): void {
    if (this.state !== 'over') this.fail(truncated());
  }

  shift(): RawPart | EspError | undefined {
    return this.queue.shift();
  }

  destroy(): void {
    this.finish();
  }

  /** @returns whether there is more to do with what has come */
  private step(): boolean {
    switch (this.state) {
      case 'preamble':
      case 'content':
        return this.content();
      case 'boundary':
        return this.boundary();
      case 'head':
        return this.head();
      case 'over':
        return false;
    }
  }

  private content(): boolean {
    const found = this.data.indexOf(this.delimiter, this.at);
    const end = found < 0 ? this.certainEnd() : found;
    if (end > this.at) {
      this.part?.push(this.data.subarray(this.at + this.skip, end));
      this.skip = 0;
    }
    this.at = end;
    if (found < 0) return false;
    this.part?.finish();
    this.at += this.delimiter.length;
    this.padded = false;
    this.state = 'boundary';
    return true;
  }

  /** Where what may become a delimiter begins; there is none in front of it. */
  private certainEnd(): number {
    const { data, delimiter } = this;
    let from = Math.max(this.at, data.length - delimiter.length + 1);
    for (;;) {
      const start = data.indexOf(CR, from);
      if (start < 0) return data.length;
      if (data.compare(delimiter, 0, data.length - start, start) === 0) return start;
      from = start + 1;
    }
  }

  private boundary(): boolean {
    const { data } = this;
    // transport padding, which relays may have added
    for (; data[this.at] === SP || data[this.at] === HTAB; this.at++) this.padded = true;
    if (data.length - this.at < 2) return false;
    const [first, second] = [data[this.at], data[this.at + 1]];
    if (first === HYPHEN && second === HYPHEN && !this.padded) return this.finish();
    if (first !== CR || second !== LF) return this.fail(malformed('a boundary is not all of its line'));
    this.count += 1;
    if (this.count > this.limits.maxParts) return this.fail(beyond(this.limits, 'maxParts', 'the number of parts'));
    this.state = 'head';
    return true;
  }

  private head(): boolean {
    const { limits, at } = this;
    // the line endings in front of it and behind it are none of its bytes
    const most = limits.maxHeaderLen + 2 * CRLF.length;
    const window = this.data.subarray(at, at + most);
    const end = window.indexOf(CRLF + CRLF);
    const cut = window.indexOf(this.delimiter);
    if (cut >= 0 && (end < 0 || cut < end)) return this.fail(malformed('the header section of a part does not end'));
    if (end < 0 && window.length < most) return false;
    if (end < 0) return this.fail(beyond(limits, 'maxHeaderLen', 'the length of a header section'));
    const head = parsePartHead(window.toString('latin1', CRLF.length, end));
    if (typeof head === 'string') return this.fail(malformed(head));
    if (Buffer.byteLength(head.name) > limits.maxFieldNameLen) {
      return this.fail(beyond(limits, 'maxFieldNameLen', 'the length of a name'));
    }
    this.part = new StreamedPart(head.name, head.filename, head.type);
    this.queue.push(this.part);
    // a part without content may have no line ending of its own in front of the delimiter
    this.at += end + CRLF.length;
    this.skip = CRLF.length;
    this.state = 'content';
    return true;
  }

  private fail(error: EspError): false {
    this.queue.push(error);
    return this.finish();
  }

  private finish(): false {
    this.state = 'over';
    this.data = NOTHING;
    this.at = 0;
    return false;
  }
}

/** A part whose content comes in pieces. */
class StreamedPart implements RawPart {
  private readonly pieces: Buffer[] = [];
  private whole = false;

  constructor(
    readonly name: string,
    readonly filename: string | undefined,
    readonly type: string,
  ) {}

  get ended(): boolean {
    return this.whole && this.pieces.length === 0;
  }

  push(piece: Buffer): void {
    // a small piece must not keep the bytes around it in memory
    if (piece.length > 0) this.pieces.push(piece.length < COPY_BELOW ? Buffer.from(piece) : piece);
  }

  finish(): void {
    this.whole = true;
  }

  take(): Buffer | undefined {
    return this.pieces.shift();
  }
}
