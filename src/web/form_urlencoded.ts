/**
 * application/x-www-form-urlencoded (URL standard, section 5.1): pairs from bytes. Pure.
 */
import type { EspError } from '../err.js';
import { beyond, type FormLimits } from './form_options.js';
import { GrowingBuffer, type RawPart, type Splitter } from './form_splitter.js';

const AMPERSAND = 0x26;

export class UrlencodedSplitter implements Splitter {
  private readonly queue: (RawPart | EspError)[] = [];
  /** A pair whose end has not come. */
  private readonly open = new GrowingBuffer();
  /** No pair within the limits is longer: each byte may be written as three, and there is a `=`. */
  private readonly maxPairLen: number;
  private count = 0;
  private failed = false;

  constructor(private readonly limits: FormLimits) {
    this.maxPairLen = 3 * (limits.maxFieldNameLen + limits.maxFieldLen) + 1;
  }

  write(bytes: Buffer): void {
    for (let from = 0; from < bytes.length && !this.failed; ) {
      const mark = bytes.indexOf(AMPERSAND, from);
      const to = mark < 0 ? bytes.length : mark;
      if (this.open.length + to - from > this.maxPairLen) return this.tooLong();
      this.open.append(bytes.subarray(from, to));
      if (mark >= 0) this.endPair();
      from = to + 1;
    }
  }

  end(): void {
    if (!this.failed) this.endPair();
  }

  shift(): RawPart | EspError | undefined {
    return this.queue.shift();
  }

  destroy(): void {
    this.failed = true;
    this.open.take();
  }

  private endPair(): void {
    // a body of ampersands only must not cost more than a look at them
    if (this.open.length === 0) return;
    // an ampersand in front, since a question mark there would be taken for that of a URL
    const [pair] = new URLSearchParams(`&${this.open.take().toString('utf8')}`);
    if (pair === undefined) return;
    const { limits } = this;
    const [name, value] = [pair[0], Buffer.from(pair[1])];
    this.count += 1;
    if (this.count > limits.maxParts) this.fail(beyond(limits, 'maxParts', 'the number of fields'));
    else if (Buffer.byteLength(name) > limits.maxFieldNameLen)
      this.fail(beyond(limits, 'maxFieldNameLen', 'the length of a name'));
    else if (value.length > limits.maxFieldLen) this.tooLong();
    else this.queue.push(new Pair(name, value));
  }

  private tooLong(): void {
    this.fail(beyond(this.limits, 'maxFieldLen', 'the length of a field'));
  }

  private fail(error: EspError): void {
    this.failed = true;
    this.queue.push(error);
  }
}

/** A part that is there as a whole. */
class Pair implements RawPart {
  readonly filename = undefined;
  readonly type = 'text/plain';

  constructor(
    readonly name: string,
    private value: Buffer | undefined,
  ) {}

  get ended(): boolean {
    return this.value === undefined;
  }

  take(): Buffer | undefined {
    const { value } = this;
    this.value = undefined;
    return value?.length === 0 ? undefined : value;
  }
}
