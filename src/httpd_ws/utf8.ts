/** UTF-8 (RFC 3629) that arrives in pieces, refused at the first byte that can't be right. */
import { isUtf8 } from '../is_utf8.js';

/** From here on, a call to Node's own check pays for making a view. */
const NATIVE_FROM = 64;

export class Utf8Check {
  /** Continuation bytes still to come, and the range that the next one must be in. */
  private need = 0;
  private min = 0x80;
  private max = 0xbf;

  /** Can `bytes[from, to)` follow what came before? */
  push(bytes: Buffer, from: number, to: number): boolean {
    let i = from;
    while (this.need > 0 && i < to) if (!this.step(bytes[i++] as number)) return false;
    if (to - i >= NATIVE_FROM) {
      const cut = incompleteFrom(bytes, i, to);
      if (!isUtf8(bytes.subarray(i, cut))) return false;
      i = cut;
    }
    while (i < to) {
      const byte = bytes[i++] as number;
      if ((this.need > 0 || byte >= 0x80) && !this.step(byte)) return false;
    }
    return true;
  }

  /** May the text end here? Gets ready for the next one. */
  end(): boolean {
    const complete = this.need === 0;
    this.need = 0;
    this.min = 0x80;
    this.max = 0xbf;
    return complete;
  }

  private step(byte: number): boolean {
    if (this.need > 0) {
      if (byte < this.min || byte > this.max) return false;
      this.need -= 1;
      this.min = 0x80;
      this.max = 0xbf;
      return true;
    }
    // the table of RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF
    if (byte < 0x80) return true;
    if (byte >= 0xc2 && byte <= 0xdf) this.need = 1;
    else if (byte >= 0xe0 && byte <= 0xef) this.need = 2;
    else if (byte >= 0xf0 && byte <= 0xf4) this.need = 3;
    else return false;
    if (byte === 0xe0) this.min = 0xa0;
    else if (byte === 0xed) this.max = 0x9f;
    else if (byte === 0xf0) this.min = 0x90;
    else if (byte === 0xf4) this.max = 0x8f;
    return true;
  }
}

/** Where a character begins that is not complete at `to`; `to` if there is none. */
function incompleteFrom(bytes: Buffer, from: number, to: number): number {
  for (let back = 1; back <= 3 && to - back >= from; back++) {
    const byte = bytes[to - back] as number;
    if (byte < 0x80) return to;
    if (byte >= 0xc0) {
      const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return size > back ? to - back : to;
    }
  }
  return to;
}
