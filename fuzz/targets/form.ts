/**
 * Forms: bodies of multipart/form-data, and of urlencoded pairs, without a server around them.
 *
 * The input's first byte says how the body is cut (`manner.ts`), its second one which form and which limits it is, and
 * which of the parts are read. What comes of it must be what `form_reference.ts` makes of the whole body, however it is cut.
 */
import { EspError } from '../../src/err.js';
import { statusOf } from '../../src/httpd/http_err.js';
import { formParts } from '../../src/web/form.js';
import { checkFormOptions, type FormOptions } from '../../src/web/form_options.js';
import { pieces } from '../../test/support/feed.js';
import { fakeReq } from '../../test/web/form_support.js';
import { markText } from '../coverage.js';
import { mutateForm } from '../mutate/form.js';
import type { Random } from '../random.js';
import { FORM_SEEDS } from '../seeds_form.js';
import { demand, difference } from './finding.js';
import { type FormSeen, type PartSeen, readMultipart, readPairs } from './form_reference.js';
import { controls } from './manner.js';
import { PureTarget } from './pure.js';

/** Limits that short inputs reach, some that hardly any reaches, and the least. */
const LIMITS: readonly FormOptions[] = [
  { maxParts: 3, maxFieldLen: 20, maxFileLen: 40, maxFieldNameLen: 10, maxHeaderLen: 90 },
  {},
  { maxParts: 1, maxFieldLen: 0, maxFileLen: 0, maxFieldNameLen: 1, maxHeaderLen: 1 },
  { maxParts: 100, maxFieldLen: 5, maxFileLen: 1_000 },
];
/** One byte, one with a hyphen at either end, and one that begins as the closing delimiter does. */
const BOUNDARIES = ['x', '-x-', '--'] as const;

/** What is read of a part. */
type Reading = 'all' | 'nothing' | 'some';
const READINGS = ['all', 'nothing', 'some'] as const satisfies readonly Reading[];

export class FormTarget extends PureTarget {
  readonly name = 'form';
  readonly seeds = FORM_SEEDS;

  async run(input: Buffer): Promise<void> {
    if (input.length < this.controls) return;
    const kind = input[1] as number;
    const { sizes } = controls(input[0] as number, 0).cut;
    const body = input.subarray(this.controls);
    const options = LIMITS[kind & 3] as FormOptions;
    const boundary = BOUNDARIES[(kind >> 2) & 3];
    const type =
      boundary === undefined ? 'application/x-www-form-urlencoded' : `multipart/form-data; boundary="${boundary}"`;
    const reading = READINGS[(kind >> 4) % READINGS.length] as Reading;
    const limits = checkFormOptions(options);
    const right = boundary === undefined ? readPairs(body, limits) : readMultipart(body, boundary, limits);
    markText(right.outcome);
    let message: string | undefined;
    for (const chunks of [[body], pieces(body, sizes), pieces(body, [1])]) {
      const seen = await read(type, chunks, options, reading);
      same(right, seen, reading);
      message ??= seen.message;
      demand(message === seen.message, 'a form fails with another message', () => `${message} and ${seen.message}`);
    }
  }

  mutate(bytes: Buffer, other: Buffer, random: Random): Buffer {
    return mutateForm(bytes, other, random);
  }
}

/** Reads a form as a handler does. */
async function read(
  type: string,
  chunks: readonly Buffer[],
  options: FormOptions,
  reading: Reading,
): Promise<FormSeen & { readonly message: string }> {
  const parts: PartSeen[] = [];
  try {
    for await (const part of formParts(fakeReq(type, chunks).req, options)) {
      const { name, filename, type: media } = part;
      const seen = { name, filename, type: media, content: undefined };
      parts.push(seen);
      if (reading === 'nothing') continue;
      const content: Buffer[] = [];
      for await (const piece of part) {
        content.push(piece);
        if (reading === 'some') break;
      }
      if (reading === 'all') parts[parts.length - 1] = { ...seen, content: Buffer.concat(content).toString('latin1') };
    }
  } catch (thrown) {
    if (!(thrown instanceof EspError)) throw thrown;
    return { parts, outcome: `${thrown.name} ${statusOf(thrown)}`, message: thrown.message };
  }
  return { parts, outcome: 'ok', message: '' };
}

function same(right: FormSeen, seen: FormSeen, reading: Reading): void {
  const told = ({ name, filename, type, content }: PartSeen) =>
    JSON.stringify([name, filename ?? null, type, reading === 'all' ? (content ?? null) : null]);
  const [expected, got] = [right.parts.map(told), seen.parts.map(told)];
  const equal = expected.length === got.length && expected.every((part, i) => part === got[i]);
  demand(equal, 'a form has other parts', () => difference(expected, got));
  demand(right.outcome === seen.outcome, 'a form ends in another way', () => `${right.outcome} and ${seen.outcome}`);
}
