/** Results as a table, and how they were measured. */
import { cpus } from 'node:os';
import { type Case, LABELS } from './cases.js';
import { type Speed, WARMUP, type Weight } from './measure.js';
import type { Options } from './options.js';
import type { Cores } from './tools.js';

/** One line of the table: medians, and whether the bar is met. */
export interface Row {
  readonly what: string;
  readonly peer: string;
  readonly theirs: string;
  readonly ours: string;
  readonly ratio: string;
  readonly bar: string;
}

const HEADINGS: Row = { what: 'what', peer: 'peer', theirs: 'peer', ours: 'esp-httpd', ratio: 'ratio', bar: 'bar' };

/** The middle value; of an even number, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function row(plan: Case, what: string, theirs: number, ours: number, show: (n: number) => string, bar: string): Row {
  const ratio = (ours / theirs).toFixed(2);
  return { what, peer: LABELS[plan.peer], theirs: show(theirs), ours: show(ours), ratio, bar };
}

function verdict(ratio: number, atLeast: number | undefined, atMost: number | undefined): string {
  if (atLeast !== undefined) return `>= ${atLeast.toFixed(1)} ${ratio >= atLeast ? 'met' : 'MISSED'}`;
  if (atMost !== undefined) return `<= ${atMost.toFixed(1)} ${ratio <= atMost ? 'met' : 'MISSED'}`;
  return '';
}

const thousands = (n: number) => Math.round(n).toLocaleString('en-US');

export function speedRows(plan: Extract<Case, { kind: 'throughput' }>, theirs: Speed[], ours: Speed[]): Row[] {
  const middle = (speeds: Speed[], field: keyof Speed) => median(speeds.map(speed => speed[field]));
  const bar = verdict(middle(ours, 'perSecond') / middle(theirs, 'perSecond'), plan.atLeast, undefined);
  const limited = middle(ours, 'loadBusy') > 0.95 ? ' (the load generator was the limit)' : '';
  return [
    row(
      plan,
      plan.title,
      middle(theirs, 'perSecond'),
      middle(ours, 'perSecond'),
      n => `${thousands(n)}/s`,
      bar + limited,
    ),
    row(plan, '  CPU per answer', middle(theirs, 'cpu'), middle(ours, 'cpu'), n => `${n.toFixed(2)} µs`, ''),
  ];
}

export function weightRows(plan: Extract<Case, { kind: 'memory' }>, theirs: Weight[], ours: Weight[]): Row[] {
  const rows = { rss: 'memory (RSS)', used: 'memory (heapUsed + external)' } as const;
  return (['rss', 'used'] as const).map(field => {
    const [a, b] = [median(theirs.map(w => w[field])), median(ours.map(w => w[field]))];
    const show = (n: number) => `${thousands(n)} B`;
    return row(plan, `${plan.title}, ${rows[field]}`, a, b, show, verdict(b / a, undefined, plan.atMost));
  });
}

/** The rows as a table that is Markdown too. */
export function table(rows: readonly Row[]): string {
  const fields = Object.keys(HEADINGS) as (keyof Row)[];
  const widths = fields.map(field => Math.max(...[HEADINGS, ...rows].map(line => line[field].length)));
  const text = (line: Row) => `| ${fields.map((field, i) => line[field].padEnd(widths[i] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`;
  return [text(HEADINGS), rule, ...rows.map(text)].join('\n');
}

/** How it was measured. */
export function method({ seconds, rounds }: Options, cores: Cores | undefined): string {
  const where =
    cores === undefined
      ? 'Server and load generator shared the cores: taskset is missing, or there is one core only.'
      : `The server was bound to core ${cores.server}, the load generator to core ${cores.load}.`;
  return [
    `Node.js ${process.version} on ${process.platform} ${process.arch}, ${cpus()[0]?.model.trim() ?? 'unknown CPU'}. ${where}`,
    `Medians of ${rounds} round(s), peer and esp-httpd in turn; each time a fresh server process, loaded for ${WARMUP} s`,
    `before the ${seconds} s that count. A load generator in C on loopback compares every byte of every answer that counts.`,
    'CPU is user and system time of the server process (/proc/<pid>/stat). Memory is the difference per connection after',
    'a forced garbage collection, when idle WebSockets are opened behind others; all must answer a ping at the end.',
  ].join('\n');
}
