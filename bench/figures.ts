/** What was measured, and what it says: medians, ratios, bars. */
import { type Bar, type Case, type Figure, OURS, type ServerName, serverOf } from './cases.js';
import type { Measured } from './measure.js';

/** How a figure is called and written. */
export const FIGURES: Readonly<Record<Figure, { readonly title: string; readonly show: (n: number) => string }>> = {
  perSecond: { title: 'answers/s', show: n => thousands(n) },
  cpu: { title: 'CPU per answer', show: micros },
  p50: { title: 'p50', show: micros },
  p99: { title: 'p99', show: micros },
  loadBusy: { title: 'load generator busy', show: n => `${Math.round(n * 100)} %` },
  opened: { title: 'RSS, no GC', show: n => `${thousands(n)} B` },
  rss: { title: 'RSS, after GC', show: n => `${thousands(n)} B` },
  used: { title: 'heapUsed + external', show: n => `${thousands(n)} B` },
  idleCpu: { title: 'CPU when idle', show: n => `${n.toFixed(3)} %` },
};

/** The medians of one case. */
export interface Result {
  readonly plan: Case;
  readonly figures: ReadonlyMap<ServerName, Measured>;
}

/** @returns of each figure the median over the rounds */
export function medians(rounds: readonly Measured[]): Measured {
  const names = Object.keys(rounds[0] ?? {}) as Figure[];
  return Object.fromEntries(names.map(name => [name, median(rounds.map(round => round[name] ?? Number.NaN))]));
}

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** One server's figure divided by another's; undefined if one of them has none. */
export function ratio({ figures }: Result, figure: Figure, of: ServerName, to: ServerName): number | undefined {
  const [a, b] = [figures.get(of)?.[figure], figures.get(to)?.[figure]];
  return a === undefined || b === undefined ? undefined : a / b;
}

/** Could the server have done more, had the load generator had more time? */
export function isLoadLimited({ figures }: Result, server: ServerName): boolean {
  return (figures.get(server)?.loadBusy ?? 0) > 0.95;
}

/** What was demanded, and what was seen. */
export interface Verdict {
  readonly what: string;
  readonly demanded: string;
  readonly seen: string;
  readonly met: boolean;
}

export function verdicts(result: Result): Verdict[] {
  return result.plan.bars.map(bar => {
    const seen = seenFor(result, bar) ?? Number.NaN;
    const show = bar.against === undefined ? FIGURES[bar.figure].show : times;
    const against = bar.against === undefined ? '' : ` / ${serverOf(bar.against).label}`;
    const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = bar;
    return {
      what: `${result.plan.title}: ${FIGURES[bar.figure].title}${against}`,
      demanded: bar.atLeast === undefined ? `<= ${show(atMost)}` : `>= ${show(atLeast)}`,
      seen: show(seen),
      met: seen >= atLeast && seen <= atMost,
    };
  });
}

function seenFor(result: Result, { figure, against }: Bar): number | undefined {
  return against === undefined ? result.figures.get(OURS)?.[figure] : ratio(result, figure, OURS, against);
}

/** A ratio, with three digits. */
export function times(n: number): string {
  return n.toFixed(n >= 100 ? 0 : n >= 10 ? 1 : 2);
}

function micros(n: number): string {
  return `${n >= 100 ? thousands(n) : n.toFixed(n >= 10 ? 1 : 2)} µs`;
}

function thousands(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}
