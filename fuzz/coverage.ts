/**
 * What an execution has reached: how often it came through each branch of src/ (counted by what `instrument/` puts in),
 * and marks, which are anything else that tells one execution from another: a state of llhttp, a line of the log.
 *
 * A feature is a mark, or a branch together with the order of magnitude of its count, as AFL has it.
 */

const BRANCHES = 1 << 16;
const MARKS = 1 << 16;

/** Counts are told apart as 1, 2, 3, 4–7, 8–15, 16–31, 32–127 and more: a bit for each. */
const BUCKET = new Uint8Array(256).map((_, n) =>
  n < 4 ? (n === 0 ? 0 : 1 << (n - 1)) : n < 8 ? 8 : n < 16 ? 16 : n < 32 ? 32 : n < 128 ? 64 : 128,
);

const counts = new Uint8Array(BRANCHES + MARKS);
const words = new Uint32Array(counts.buffer);
/** Counters that have been given out. */
let branches = 0;
let marked: number[] = [];

/** Counters for a module of `n` branches. */
export function counters(n: number): Uint8Array {
  if (branches + n > BRANCHES) throw new Error(`more than ${BRANCHES} branches: raise BRANCHES in fuzz/coverage.ts`);
  branches += n;
  return counts.subarray(branches - n, branches);
}

/** How many branches are counted; 0 where src/ has not been instrumented. */
export function branchCount(): number {
  return branches;
}

/** Marks the execution with a number. */
export function mark(n: number): void {
  const at = BRANCHES + (Math.imul(n ^ (n >>> 15), 0x2c1b3c6d) >>> 16);
  if (counts[at] === 0) marked.push(at);
  counts[at] = 1;
}

/** Marks the execution with a text. */
export function markText(text: string): void {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  mark(hash);
}

/** An execution begins. */
export function reset(): void {
  counts.fill(0, 0, branches);
  for (const at of marked) counts[at] = 0;
  marked = [];
}

/** A branch or mark in the upper bits, the bucket of its count in the lower 8. */
export type Feature = number;

/** The features of the execution since `reset`. */
export function features(): Feature[] {
  const found: Feature[] = [];
  for (let word = 0; word * 4 < branches; word++) {
    if (words[word] === 0) continue;
    for (let at = word * 4; at < word * 4 + 4; at++) {
      const count = counts[at] as number;
      if (count !== 0) found.push((at << 8) | (BUCKET[count] as number));
    }
  }
  for (const at of marked) found.push((at << 8) | (BUCKET[counts[at] as number] as number));
  return found;
}

/** Everything that any execution has reached. */
export class Reached {
  private readonly buckets = new Uint8Array(BRANCHES + MARKS);
  /** Branches reached. */
  branches = 0;
  /** Marks seen. */
  marks = 0;

  /** Which of these features are new? */
  unknown(found: readonly Feature[]): Feature[] {
    return found.filter(feature => ((this.buckets[feature >>> 8] as number) & feature & 0xff) === 0);
  }

  add(found: readonly Feature[]): void {
    for (const feature of found) {
      const at = feature >>> 8;
      if (this.buckets[at] === 0 && at < BRANCHES) this.branches += 1;
      else if (this.buckets[at] === 0) this.marks += 1;
      this.buckets[at] = (this.buckets[at] as number) | (feature & 0xff);
    }
  }
}
