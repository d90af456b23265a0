/**
 * A response that the application writes itself, and where the server sees its end.
 *
 * The input's first byte says how it is cut (`manner.ts`), the lowest bit of its second one whether it answers a HEAD. Where
 * a strict client (`answers.ts`) sees the end of a response, there the server must see it too, however it is cut.
 */
import { RawAnswer } from '../../src/httpd/raw_answer.js';
import { pieces } from '../../test/support/feed.js';
import { markText } from '../coverage.js';
import { mutateHttp } from '../mutate/http.js';
import type { Random } from '../random.js';
import { RAW_ANSWER_SEEDS } from '../seeds_raw.js';
import { type Answer, readAnswers } from './answers.js';
import { demand, Finding, shown } from './finding.js';
import { controls } from './manner.js';
import { PureTarget } from './pure.js';

/** What the server knows of a response when all bytes have been sent. */
interface Known {
  readonly begun: boolean;
  readonly complete: boolean;
  readonly closes: boolean;
}

const BARE_LF = /(?:^|[^\r])\n/;

export class RawAnswerTarget extends PureTarget {
  readonly name = 'raw';
  readonly seeds = RAW_ANSWER_SEEDS;

  run(input: Buffer): Promise<void> {
    if (input.length >= this.controls) {
      const toHead = ((input[1] as number) & 1) !== 0;
      check(input.subarray(this.controls), controls(input[0] as number, 0).cut.sizes, toHead);
    }
    return Promise.resolve();
  }

  mutate(bytes: Buffer, other: Buffer, random: Random): Buffer {
    return mutateHttp(bytes, other, random);
  }
}

function check(bytes: Buffer, sizes: readonly number[], toHead: boolean): void {
  const byBytes = new RawAnswer(toHead);
  let end = -1;
  for (let at = 0; at < bytes.length && end < 0; at++) {
    byBytes.push(bytes.subarray(at, at + 1));
    if (byBytes.complete) end = at + 1;
  }
  const right = known(byBytes);
  markText(JSON.stringify(right));
  for (const chunks of [[bytes], pieces(bytes, sizes)]) {
    const answer = new RawAnswer(toHead);
    let sent = 0;
    let taken = 0;
    for (const chunk of chunks) {
      taken += answer.push(chunk);
      sent += chunk.length;
      demand(
        taken === (end < 0 ? sent : Math.min(sent, end)),
        'bytes behind the end of a response are taken for its own, or some of its own for others',
        () => `${taken} of ${end} and ${sent}: ${shown(bytes)}`,
      );
      demand(
        answer.complete === (end >= 0 && sent >= end),
        'cut in another way, a response ends somewhere else',
        () => `${end} and ${sent}: ${shown(bytes)}`,
      );
    }
    const seen = known(answer);
    demand(
      JSON.stringify(seen) === JSON.stringify(right),
      'cut in another way, something else is known of a response',
      () => `${JSON.stringify(right)} and ${JSON.stringify(seen)}: ${shown(bytes)}`,
    );
  }
  compare(bytes.toString('latin1'), end, right, toHead);
}

function known({ begun, complete, closes }: RawAnswer): Known {
  return { begun, complete, closes };
}

/** A strict client may take a response for malformed; what it takes for a response ends where the server says. */
function compare(text: string, end: number, { closes }: Known, toHead: boolean): void {
  const first = firstFinal(end < 0 ? text : text.slice(0, end), toHead);
  if (first === undefined) return;
  const { answer, rest } = first;
  if (end >= 0) {
    // lines that end in a bare LF are taken of an application, and of nobody else
    if (answer === undefined && BARE_LF.test(text)) return;
    demand(answer !== undefined && rest === '', 'a response is taken for complete too soon', () => shown(text));
  } else {
    const ends = answer !== undefined && !answer.untilClose && answer.status !== 101;
    demand(!ends, 'the end of a response is not seen', () => shown(text));
  }
  if (answer !== undefined) {
    // behind a HEAD its content may still be sent, by who does not look at the method
    const right = toHead ? closes || !answer.closes : closes === answer.closes;
    demand(right, 'whether a response closes its connection is not seen', () => shown(text));
  }
}

/** @returns undefined if a strict client does not take it */
function firstFinal(text: string, toHead: boolean): { answer: Answer | undefined; rest: string } | undefined {
  try {
    const { answers, rest } = readAnswers(text, () => toHead);
    return { answer: answers.find(({ status }) => status >= 200 || status === 101), rest };
  } catch (thrown) {
    if (thrown instanceof Finding) return undefined;
    throw thrown;
  }
}
