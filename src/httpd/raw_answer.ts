/**
 * A response that the application writes itself, byte by byte, with `req.send` or `socketSend`: where it ends, which is
 * where the next request of its connection may be answered (RFC 9112 section 6.3). Pure.
 */
import { ChunkedDecoder } from './chunked.js';
import { findHeader, listHas } from './headers.js';

/** A longer head is not looked at: the response then ends with the connection. */
const HEAD_MAX = 64 * 1024;
const HEAD_END = /\r?\n\r?\n/;
const STATUS_LINE = /^HTTP\/1\.[01] (\d{3})(?: .*)?\r?\n/;
const CHUNKED = /(?:^|[\t ,])chunked$/i;
const CONTENT_LENGTH = /^\d{1,15}$/;

/** What the next byte belongs to. */
type Part = 'head' | 'content' | 'chunks' | 'rest' | 'nothing';

export class RawAnswer {
  /** Is the connection to be closed behind it? */
  closes = false;
  private part: Part = 'head';
  private head = '';
  private left = 0;
  private chunks: ChunkedDecoder | undefined;

  /** @param toHead is the request a HEAD, whose response has no content? */
  constructor(private readonly toHead: boolean) {}

  /** Has a byte of it been sent? Interim responses are none of it. */
  get begun(): boolean {
    return this.part !== 'head' || this.head !== '';
  }

  /** Is there nothing more to send? One that only the end of the connection ends never is. */
  get complete(): boolean {
    return this.part === 'nothing';
  }

  /** Does the end of the connection end it? */
  get endsWithConnection(): boolean {
    return this.part === 'rest';
  }

  /** @returns how many of these bytes belong to it: what stands behind its end does not */
  push(bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && this.part !== 'rest' && this.part !== 'nothing') at = this.take(bytes, at);
    return this.part === 'rest' ? bytes.length : at;
  }

  /** @returns where it stopped */
  private take(bytes: Buffer, from: number): number {
    if (this.part === 'head') return this.takeHead(bytes, from);
    if (this.chunks !== undefined) return this.takeChunks(bytes, from, this.chunks);
    const n = Math.min(this.left, bytes.length - from);
    this.left -= n;
    if (this.left === 0) this.part = 'nothing';
    return from + n;
  }

  private takeHead(bytes: Buffer, from: number): number {
    const before = this.head.length;
    // what stands behind it may be long, and is not looked at
    const to = Math.min(bytes.length, from + HEAD_MAX - before);
    this.head += bytes.toString('latin1', from, to);
    const end = HEAD_END.exec(this.head);
    if (end === null) {
      if (this.head.length === HEAD_MAX) this.begin('rest');
      return to;
    }
    const len = end.index + end[0].length;
    const head = this.head.slice(0, len);
    this.head = '';
    this.read(head);
    return from + len - before;
  }

  /** The head is complete. */
  private read(head: string): void {
    const [line, code] = STATUS_LINE.exec(head) ?? [];
    if (line === undefined) return this.begin('rest');
    const status = Number(code);
    if (status < 200 && status !== 101) return;
    const fields = head.slice(line.length);
    const length = findHeader(fields, 'content-length');
    this.closes = listHas(findHeader(fields, 'connection'), 'close');
    if (status === 101) return this.begin('rest');
    if (status === 204 || status === 304) return this.begin('nothing');
    const coding = findHeader(fields, 'transfer-encoding');
    if (this.toHead) {
      // who does not know that it was a HEAD sends content too, at once or later: nothing may come behind that
      if (coding !== undefined || length !== '0') this.closes = true;
      return this.begin('nothing');
    }
    // any other that is the last one ends with the connection, whatever the length says
    if (coding !== undefined && !CHUNKED.test(coding)) return this.begin('rest');
    if (coding !== undefined) {
      this.chunks = new ChunkedDecoder(true);
      this.chunks.begin();
      return this.begin('chunks');
    }
    if (length === undefined || !CONTENT_LENGTH.test(length)) return this.begin('rest');
    this.left = Number(length);
    this.begin(this.left === 0 ? 'nothing' : 'content');
  }

  private begin(part: Part): void {
    this.part = part;
    this.head = '';
  }

  private takeChunks(bytes: Buffer, from: number, chunks: ChunkedDecoder): number {
    if (chunks.inData) {
      const n = Math.min(chunks.left, bytes.length - from);
      chunks.take(n);
      return from + n;
    }
    const at = chunks.framing(bytes, from, bytes.length);
    if (at < 0) this.part = 'rest';
    else if (chunks.done) this.part = 'nothing';
    return at < 0 ? bytes.length : at;
  }
}
