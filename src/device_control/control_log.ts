/** The newest lines of the log, for who looks in later. */
import { tapLog } from '../log.js';

/** So many lines are kept. */
export const LINES_MAX = 500;
/** Of a longer line only the beginning is. */
const LINE_MAX = 2_000;

/** Lines, and the number of the first of them: lines are counted from 0. */
export interface LogPart {
  readonly from: number;
  readonly lines: readonly string[];
}

export class ControlLog {
  private lines: string[] = [];
  private added = 0;
  private readonly end: () => void;

  /** Keeps what is printed from now on, by the server and with `espLog`; lines of a logger of one's own it does not see. */
  constructor() {
    this.end = tapLog(line => this.add(line));
  }

  /** Lines so far. */
  get count(): number {
    return this.added;
  }

  /** Adds a line, as ESP-IDF's log has it, without its line ending. */
  add(line: string): void {
    this.lines.push(line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)}…` : line);
    this.added += 1;
    // not one by one: that would move all others each time
    if (this.lines.length >= 2 * LINES_MAX) this.lines = this.lines.slice(-LINES_MAX);
  }

  /** The lines from number `from` on, as far as they are kept. */
  since(from: number): LogPart {
    const wanted = Math.max(0, Math.min(this.added - from, LINES_MAX, this.lines.length));
    return { from: this.added - wanted, lines: wanted === 0 ? [] : this.lines.slice(-wanted) };
  }

  /** Keeps no more lines. */
  close(): void {
    this.end();
  }
}
