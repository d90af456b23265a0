/**
 * The loop: takes an input that has reached something, changes it, plays it, and keeps it if it has reached something
 * that none did before.
 */
import { type Feature, features, Reached, reset } from './coverage.js';
import type { Random } from './random.js';
import { Finding } from './targets/finding.js';
import type { Target } from './targets/target.js';

interface Entry {
  readonly input: Buffer;
  readonly found: readonly Feature[];
}

/** A broken invariant, and the shortest input that was found to break it. */
export interface Crash {
  readonly input: Buffer;
  readonly error: Error;
}

/** What a fuzzer has done so far. */
export interface Progress {
  readonly runs: number;
  readonly branches: number;
  readonly marks: number;
  /** Inputs that have reached something new, those of the start among them. */
  readonly entries: number;
}

/** At most so many changes at a time. */
const STACK_MAX = 5;
/** So many runs may be spent on making one input shorter. */
const TRIM_MAX = 80;

export class Fuzzer {
  readonly crashes: Crash[] = [];
  private readonly reached = new Reached();
  private readonly entries: Entry[] = [];
  /** The shortest entry that has each feature. */
  private readonly best = new Map<Feature, Entry>();
  private favoured: Entry[] = [];
  private stale = false;
  private runs = 0;

  private constructor(
    public target: Target,
    private readonly start: () => Promise<Target>,
    private readonly random: Random,
  ) {}

  /** @param start makes the target; again after each finding, since that may have left anything behind */
  static async make(start: () => Promise<Target>, random: Random): Promise<Fuzzer> {
    return new Fuzzer(await start(), start, random);
  }

  get progress(): Progress {
    const { branches, marks } = this.reached;
    return { runs: this.runs, branches, marks, entries: this.entries.length };
  }

  /** Takes inputs to begin with. */
  async begin(inputs: readonly Buffer[]): Promise<void> {
    for (const input of inputs) await this.consider(input, false);
  }

  /** Changes one input, and plays what comes of it. */
  async step(): Promise<void> {
    await this.consider(this.next(), true);
  }

  /**
   * Few inputs that together reach everything: always the one next that adds the most.
   *
   * @param given are there already
   */
  cover(given: readonly Buffer[] = []): Buffer[] {
    const isGiven = ({ input }: Entry) => given.some(other => other.equals(input));
    const covered = new Set(this.entries.filter(isGiven).flatMap(({ found }) => found.map(roughly)));
    const left = this.entries
      .filter(entry => !isGiven(entry))
      .map(({ input, found }) => ({ input, adds: found.map(roughly) }));
    const byGain = (a: (typeof left)[number], b: (typeof left)[number]) =>
      a.adds.length - b.adds.length || b.input.length - a.input.length;
    left.sort(byGain);
    const chosen: Buffer[] = [];
    for (let top = left.pop(); top !== undefined; top = left.pop()) {
      const { input } = top;
      const adds = top.adds.filter(feature => !covered.has(feature));
      if (adds.length === top.adds.length && adds.length > 0) {
        for (const feature of adds) covered.add(feature);
        chosen.push(input);
      } else if (adds.length > 0) {
        // it adds less than when it was put in its place
        const less = { input, adds };
        const at = left.findIndex(other => byGain(other, less) > 0);
        left.splice(at < 0 ? left.length : at, 0, less);
      }
    }
    return chosen;
  }

  /** Makes a crash's input shorter, as long as the same rule is broken. */
  async minimise({ input, error }: Crash): Promise<Crash> {
    const same = async (bytes: Buffer) => ruleOf(await this.fails(bytes)) === ruleOf(error);
    const short = await this.trim(input, same, TRIM_MAX * 5);
    return { input: short, error: (await this.fails(short)) ?? error };
  }

  private async consider(input: Buffer, trims: boolean): Promise<void> {
    const found = await this.play(input);
    if (found === undefined || this.reached.unknown(found).length === 0) return;
    // what a pool or a cache did once is of no interest
    const stable = new Set(await this.play(input));
    const fresh = this.reached.unknown(found.filter(feature => stable.has(feature)));
    if (fresh.length === 0) return this.reached.add(found);
    const keeps = async (bytes: Buffer) => {
      const now = new Set(await this.play(bytes));
      return fresh.every(feature => now.has(feature));
    };
    const kept = trims ? await this.trim(input, keeps, TRIM_MAX) : input;
    this.reached.add(found);
    this.add({ input: kept, found: (await this.play(kept)) ?? found });
  }

  private add(entry: Entry): void {
    this.entries.push(entry);
    for (const feature of entry.found) {
      const best = this.best.get(feature);
      if (best === undefined || best.input.length > entry.input.length) this.best.set(feature, entry);
    }
    this.stale = true;
  }

  /** @returns undefined if it is a crash */
  private async play(input: Buffer): Promise<Feature[] | undefined> {
    reset();
    const error = await this.fails(input);
    if (error === undefined) return features();
    if (!this.crashes.some(crash => ruleOf(crash.error) === ruleOf(error))) this.crashes.push({ input, error });
    return undefined;
  }

  private async fails(input: Buffer): Promise<Error | undefined> {
    this.runs += 1;
    try {
      await this.target.run(input);
      return undefined;
    } catch (thrown) {
      this.target.drop();
      this.target = await this.start();
      return thrown instanceof Error ? thrown : new Error(String(thrown));
    }
  }

  private next(): Buffer {
    const { random, target } = this;
    const { input } = this.choose();
    const other = this.choose().input.subarray(target.controls);
    const control = Buffer.from(input.subarray(0, target.controls));
    if (random.oneIn(3)) control[random.below(control.length)] = random.byte();
    let bytes = input.subarray(target.controls);
    const times = random.oneIn(8) ? 0 : 1 + random.below(STACK_MAX);
    for (let i = 0; i < times; i++) bytes = target.mutate(bytes, other, random).subarray(0, target.maxLen);
    return Buffer.concat([control, bytes]);
  }

  private choose(): Entry {
    const { entries, random } = this;
    if (this.stale) {
      this.favoured = [...new Set(this.best.values())];
      this.stale = false;
    }
    if (random.oneIn(2)) return random.pick(this.favoured);
    const recent = Math.max(1, entries.length >> 3);
    return random.oneIn(2) ? random.pick(entries) : (entries[entries.length - 1 - random.below(recent)] as Entry);
  }

  /** Leaves out parts, ever smaller ones, as long as `keeps` holds. */
  private async trim(input: Buffer, keeps: (input: Buffer) => Promise<boolean>, max: number): Promise<Buffer> {
    const { controls } = this.target;
    let short = input;
    let left = max;
    for (let size = (short.length - controls) >> 1; size > 0 && left > 0; size >>= 1) {
      for (let at = controls; at < short.length && left > 0; ) {
        const tried = Buffer.concat([short.subarray(0, at), short.subarray(at + size)]);
        left -= 1;
        if (await keeps(tried)) short = tried;
        else at += size;
      }
    }
    return short;
  }
}

/** A branch or mark, reached once or more often. */
function roughly(feature: Feature): number {
  return (feature >>> 8) * 2 + ((feature & 0xff) > 1 ? 1 : 0);
}

/** Findings are told apart by the rule that is broken, other errors by where they were thrown. */
function ruleOf(error: Error | undefined): string | undefined {
  return error instanceof Finding ? error.rule : error?.stack;
}
