import type { Logger } from 'pino';
import { demand, shown } from './finding.js';

/** What a server has written to its log. */
export class FuzzLog {
  /** Warnings and errors, such as `W parse_block: …`, without numbers of sessions. */
  readonly lines: string[] = [];
  readonly logger: Logger;
  private unescaped: string | undefined;

  /** @param debug take the lines of the debug level too, so that they are made; they are not kept */
  constructor(debug: boolean) {
    // an error goes in front of its line
    const keep = (letter: string) => (error: unknown, line?: string) => {
      const text = line ?? String(error);
      this.check(text);
      this.lines.push(`${letter} ${text.replace(/\bfd = \d+/g, 'fd')}`);
    };
    const drop = (text: string) => this.check(text);
    // the few methods of pino that the library calls; pino itself would make JSON of each line
    const logger = {
      child: () => logger,
      isLevelEnabled: (level: string) => debug || level === 'warn' || level === 'error',
      trace: drop,
      debug: drop,
      info: drop,
      warn: keep('W'),
      error: keep('E'),
    };
    this.logger = logger as unknown as Logger;
  }

  /** Begins anew. */
  clear(): void {
    this.lines.length = 0;
    this.unescaped = undefined;
  }

  /** @throws Finding for a line that tells of a fault of ours, or with a peer's bytes as they came */
  checkAll(): void {
    const { unescaped } = this;
    demand(unescaped === undefined, 'a byte reached the log unescaped', () => shown(unescaped ?? ''));
    const fault = this.lines.find(line => FAULT.test(line));
    demand(fault === undefined, 'the log tells of a fault of ours', () => fault ?? '');
  }

  private check(text: string): void {
    if (!/^[\x20-\x7e]*$/.test(text)) this.unescaped ??= text;
  }
}

/**
 * The same lines without what is found wrong with a peer's bytes: of two things that are wrong, either may be named. The
 * status, or the close code, stays.
 */
export function withoutReasons(lines: readonly string[]): string[] {
  return lines.map(line => line.replace(/(parse_block: \d+ [^:]*|code = \d+): .*/, '$1'));
}

/** The same of what a peer gets: error pages without their reason, and without their length, which it is a part of. */
export function withoutReason(text: string): string {
  return text.replace(/<p>The reason: .*<\/p>\n/g, '').replace(PAGE_LENGTH, '$1');
}

const PAGE_LENGTH = /^(HTTP\/1\.1 [45]\d\d .*\r\nContent-Type: text\/html\r\nContent-Length: )\d+/gm;

/** What kind of line it is: without numbers, and without the parts that a peer has written. */
export function kindOf(line: string): string {
  return line.replace(/'.*'/, '').replace(/\d+/g, '0');
}

/** Lines that no peer can cause; handlers of the targets fail with ASKED_FOR only. */
const FAULT =
  /fault in fd|internal error|session creation failed|_server: |a work failed|(?:listener|_fn|function) failed/;
