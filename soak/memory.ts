/** The memory of this process over the run. */
import { getHeapCodeStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** One look at the memory, behind a collection of garbage; in bytes. */
export interface Sample {
  /** Seconds since the start. */
  readonly at: number;
  readonly rss: number;
  /** What V8 uses, without the code that it compiles whenever it sees fit. */
  readonly heap: number;
  /** What that refers to outside of the heap, such as the memory of Buffers. */
  readonly external: number;
}

/** How memory has gone on. */
export interface Trend {
  readonly samples: number;
  /** Bytes in the middle of the time. */
  readonly mean: number;
  /** Growth by the line that fits best, as a part of `mean`. */
  readonly growth: number;
  /** The standard error of that. */
  readonly error: number;
}

/**
 * The samples are put in so many groups, of which the lowest one counts: what clients have under way just then comes and
 * goes, and what leaks stays.
 */
const GROUPS = 10;

/** `--expose-gc`, also where a program is started without it. */
function findGc(): () => void {
  if (globalThis.gc !== undefined) return () => void globalThis.gc?.();
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

export class MemoryWatch {
  readonly samples: Sample[] = [];
  private readonly gc = findGc();
  private readonly start = performance.now();
  private timer: NodeJS.Timeout | undefined;

  /** Looks every `ms`. */
  begin(ms: number): void {
    this.timer = setInterval(() => this.look(), ms);
  }

  end(): void {
    clearInterval(this.timer);
  }

  /** Of the samples behind the first third. */
  trend(of: (sample: Sample) => number): Trend {
    const late = this.samples.slice(Math.ceil(this.samples.length / 3));
    const lowest: Sample[] = [];
    for (let group = 0; group < GROUPS; group++) {
      const from = Math.floor((group * late.length) / GROUPS);
      const to = Math.floor(((group + 1) * late.length) / GROUPS);
      const [least] = late.slice(from, to).sort((a, b) => of(a) - of(b));
      if (least !== undefined) lowest.push(least);
    }
    const line = lineThrough(
      lowest.map(({ at }) => at),
      lowest.map(of),
    );
    return { samples: late.length, ...line };
  }

  private look(): void {
    // the first collection lets go, the second releases what was let go
    this.gc();
    this.gc();
    const at = (performance.now() - this.start) / 1000;
    const { rss, heapUsed, external } = process.memoryUsage();
    const { code_and_metadata_size: code, bytecode_and_metadata_size: bytecode } = getHeapCodeStatistics();
    this.samples.push({ at, rss, heap: heapUsed - code - bytecode, external });
  }
}

/** The line that fits best. */
export function lineThrough(xs: readonly number[], ys: readonly number[]): Omit<Trend, 'samples'> {
  const n = xs.length;
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const meanX = sum(xs) / n;
  const mean = sum(ys) / n;
  const xx = sum(xs.map(x => (x - meanX) ** 2));
  const slope = sum(xs.map((x, i) => (x - meanX) * ((ys[i] as number) - mean))) / xx;
  const rest = sum(xs.map((x, i) => ((ys[i] as number) - mean - slope * (x - meanX)) ** 2));
  const range = (xs[n - 1] ?? 0) - (xs[0] ?? 0);
  const error = Math.sqrt(rest / Math.max(1, n - 2) / xx);
  return { mean, growth: (slope * range) / mean, error: (error * range) / mean };
}
