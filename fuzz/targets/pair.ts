/**
 * Two servers that are alike: a stream is played whole to one of them, and in pieces to the other, in the same turns of
 * the loop. They share the thread's receive buffer and its instance of llhttp, as all servers do.
 */
import type { HttpdConfig } from '../../src/config.js';
import { Llhttp } from '../../src/httpd/llhttp.js';
import type { Input } from '../../src/sess/input.js';
import { takeFaults } from './faults.js';
import { demand, difference } from './finding.js';
import { inside } from './inside.js';
import { type Ahead, type Ending, Lab, type Manner, type Played, WHOLE } from './lab.js';
import { withoutReason, withoutReasons } from './log.js';

export interface Both {
  readonly whole: Played;
  readonly cut: Played;
}

export class Pair {
  private constructor(
    private readonly first: Lab,
    private readonly second: Lab,
  ) {}

  /**
   * @param register registers handlers
   * @param debug makes the lines of the log's debug level too
   */
  static async start(config: Partial<HttpdConfig>, register: (lab: Lab) => void, debug = false): Promise<Pair> {
    const [first, second] = await Promise.all([Lab.start(config, debug), Lab.start(config, debug)]);
    register(first);
    register(second);
    return new Pair(first, second);
  }

  async stop(): Promise<void> {
    await Promise.all([this.first.stop(), this.second.stop()]);
  }

  drop(): void {
    this.first.drop();
    this.second.drop();
  }

  /**
   * @throws Finding
   */
  async play(bytes: Buffer, manner: Manner, ending: Ending, ahead?: Ahead): Promise<Both> {
    const late = takeFaults();
    demand(late.length === 0, 'the process would have ended', () => late.join('\n'));
    const parsers = Llhttp.live;
    const [whole, cut] = await Promise.allSettled([
      this.first.play(bytes, WHOLE, ending, ahead),
      this.second.play(bytes, manner, ending, ahead),
    ]);
    const faults = takeFaults();
    demand(faults.length === 0, 'the process would have ended', () => faults.join('\n'));
    if (whole.status === 'rejected') throw whole.reason;
    if (cut.status === 'rejected') throw cut.reason;
    demand(Llhttp.live === parsers, 'a parser of llhttp is not freed');
    const waiting = inside<Input[]>(this.first.core.receive, 'holders').filter(({ from, to }) => to > from);
    demand(waiting.length === 0, 'received bytes are left behind');
    return { whole: whole.value, cut: cut.value };
  }
}

/**
 * However the bytes are cut, the handlers are called with the same, and the peer and the log are told the same.
 *
 * @param sent what the peer gets
 */
export function compare({ whole, cut }: Both, sent: (played: Played) => readonly string[]): void {
  same(whole.calls, cut.calls, 'handlers are called with something else');
  same(sent(whole).map(withoutReason), sent(cut).map(withoutReason), 'the peer gets something else');
  same(withoutReasons(whole.log), withoutReasons(cut.log), 'the log says something else');
}

function same(a: readonly string[], b: readonly string[], what: string): void {
  const equal = a.length === b.length && a.every((text, i) => text === b[i]);
  demand(equal, `cut in another way, ${what}`, () => difference(a, b));
}
