/**
 * The head of a response to the handshake (RFC 9112 sections 4 and 5), to the letter: a client that reads it otherwise
 * than a proxy on the way does can be made to take somebody else's bytes for a WebSocket. Pure.
 */
import { isFieldValue, isToken, valueAt } from '../httpd/headers.js';
import { latin1Slice } from '../latin1.js';

/** Bytes of all heads of a response, interim ones included. */
export const RESPONSE_HEAD_MAX = 16 * 1024;

const LF = 0x0a;
const CR = 0x0d;
/** The version's major number must be ours; the reason may be missing, with or without the blank before it. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;

export class ResponseHead {
  /** Has the empty line come? */
  complete = false;
  /** What is wrong with it; nothing is read any more. */
  failure: string | undefined;
  /** 0 until the status line is complete. */
  status = 0;
  statusText = '';
  /** Is it HTTP/1.1? In 1.0 there are no upgrades. */
  is11 = false;
  /** Header lines, `Name: value` and CRLF each. */
  section = '';
  /** Bytes of this head and of those before it. */
  private size = 0;
  /** What has come of the line that is not complete. */
  private line = '';

  /**
   * Reads `buf[from, to)`, up to the end of the head.
   *
   * @returns where it stopped
   */
  push(buf: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && !this.complete && this.failure === undefined) {
      const found = buf.indexOf(LF, at);
      const end = found < 0 || found >= to ? to : found + 1;
      // not one byte more than allowed, however the head was cut
      const taken = Math.min(end, at + RESPONSE_HEAD_MAX - this.size);
      this.line += latin1Slice(buf, at, taken);
      this.size += taken - at;
      at = taken;
      if (taken < end) this.failure = `its head is longer than ${RESPONSE_HEAD_MAX} bytes`;
      else if (end === found + 1) this.endLine();
    }
    return at;
  }

  /** An interim response (RFC 9110 section 15.2) has been read: another head follows, within the same limit. */
  again(): void {
    this.complete = false;
    this.status = 0;
    this.section = '';
  }

  private endLine(): void {
    const { line } = this;
    this.line = '';
    const { length } = line;
    if (line.charCodeAt(length - 2) !== CR) this.failure = 'a line of its head does not end in CRLF';
    else if (this.status === 0) this.statusLine(line.slice(0, -2));
    else if (length === 2) this.complete = true;
    else this.fieldLine(line);
  }

  private statusLine(line: string): void {
    const match = STATUS_LINE.exec(line);
    if (match === null) {
      this.failure = 'it is no HTTP/1.1 response';
      return;
    }
    this.is11 = match[1] === '1';
    this.status = Number(match[2]);
    this.statusText = match[3] ?? '';
  }

  private fieldLine(line: string): void {
    const colon = line.indexOf(':');
    if (colon < 1 || !isToken(line.slice(0, colon))) this.failure = 'a header has no proper name';
    else if (!isFieldValue(valueAt(line, colon + 1, line.length - 2))) this.failure = 'a header has no proper value';
    else if (line.indexOf('\r') !== line.length - 2) this.failure = 'a header has a CR in it';
    else this.section += line;
  }
}
