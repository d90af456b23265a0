/** Results as tables that are Markdown too, and how they were measured. */
import { cpus } from 'node:os';
import { type Figure, OURS, SERVERS, type ServerName, serverOf } from './cases.js';
import { FIGURES, isLoadLimited, type Result, ratio, times, verdicts } from './figures.js';
import { IDLE_SECONDS, WARMUP } from './measure.js';
import type { Options } from './options.js';
import type { Cores } from './tools.js';

type Line = readonly string[];

/** Which figures of a case are compared, and which are told. */
const COMPARED = { throughput: ['perSecond', 'cpu'], idle: ['opened', 'rss'] } as const satisfies Record<
  string,
  Figure[]
>;
const TOLD = {
  throughput: ['perSecond', 'cpu', 'p50', 'p99', 'loadBusy'],
  idle: ['opened', 'rss', 'used', 'idleCpu'],
} as const satisfies Record<string, Figure[]>;

const NAMES = Object.keys(SERVERS) as ServerName[];

/** All that was found, ratios first. */
export function report(results: readonly Result[], options: Options, cores: Cores | undefined): string {
  const parts: [string, string][] = [
    ['What is demanded', barTable(results)],
    [`${serverOf(OURS).label}, compared`, ratioTables(results)],
    ['Under load', figureTable(results, 'throughput')],
    ['Idle, memory per connection', figureTable(results, 'idle')],
    ['How it was measured', method(options, cores)],
  ];
  return parts.flatMap(([title, text]) => (text === '' ? [] : [`## ${title}\n\n${text}`])).join('\n\n');
}

function barTable(results: readonly Result[]): string {
  const lines = results
    .flatMap(verdicts)
    .map(({ what, demanded, seen, met }) => [what, demanded, seen, met ? 'met' : 'MISSED']);
  return table(['what', 'bar', 'seen', ''], lines);
}

/** A table for each set of peers. */
function ratioTables(results: readonly Result[]): string {
  const sets = new Map<string, Result[]>();
  for (const result of results) {
    // the cases of one main peer share a table; who is missing in one of them has an empty cell
    const key = result.plan.servers[0];
    sets.set(key, [...(sets.get(key) ?? []), result]);
  }
  const tables = [...sets.values()].map(set => {
    const peers = NAMES.filter(name => name !== OURS && set.some(({ plan }) => plan.servers.includes(name)));
    const lines = set.flatMap(result =>
      COMPARED[result.plan.kind].map(figure => [
        `${result.plan.title}: ${FIGURES[figure].title}`,
        ...peers.map(peer => ratioCell(result, figure, peer)),
      ]),
    );
    return table(['ours divided by that of', ...peers.map(name => serverOf(name).label)], lines);
  });
  const note = results.some(result => result.plan.servers.some(name => isLoadLimited(result, name)));
  return [...tables, ...(note ? ['\\* the load generator was the limit of one of the two'] : [])].join('\n\n');
}

function ratioCell(result: Result, figure: Figure, peer: ServerName): string {
  const value = ratio(result, figure, OURS, peer);
  if (value === undefined || !Number.isFinite(value)) return '';
  const limited = figure === 'perSecond' && (isLoadLimited(result, peer) || isLoadLimited(result, OURS));
  return `${times(value)}${limited ? ' \\*' : ''}`;
}

function figureTable(results: readonly Result[], kind: keyof typeof TOLD): string {
  const lines = results
    .filter(({ plan }) => plan.kind === kind)
    .flatMap(({ plan, figures }) =>
      plan.servers.map((name, i) => [
        i === 0 ? plan.title : '',
        serverOf(name).label,
        ...TOLD[kind].map(figure => figureCell(figure, figures.get(name)?.[figure])),
      ]),
    );
  return table(['what', 'server', ...TOLD[kind].map(figure => FIGURES[figure].title)], lines);
}

function figureCell(figure: Figure, value: number | undefined): string {
  return value === undefined ? '' : FIGURES[figure].show(value);
}

/** Lines under a heading; nothing if there are none. */
export function table(heading: Line, lines: readonly Line[]): string {
  if (lines.length === 0) return '';
  const widths = heading.map((_, i) => Math.max(...[heading, ...lines].map(line => line[i]?.length ?? 0), 3));
  // what has figures in all lines stands to the right
  const isNumber = (i: number) => lines.every(line => /^($|[<>\d])/.test(line[i] ?? ''));
  const text = (line: Line) => `| ${widths.map((width, i) => pad(line[i] ?? '', width, isNumber(i))).join(' | ')} |`;
  const rule = widths.map((width, i) => (isNumber(i) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [text(heading), `| ${rule.join(' | ')} |`, ...lines.map(text)].join('\n');
}

function pad(text: string, width: number, right: boolean): string {
  return right ? text.padStart(width) : text.padEnd(width);
}

function method({ seconds, rounds }: Options, cores: Cores | undefined): string {
  const where =
    cores === undefined
      ? 'Server and load generator shared the cores: taskset is missing, or there is one core only.'
      : 'Server and load generator had a core each.';
  return [
    `Node.js ${process.version} on ${process.platform} ${process.arch}, ${cpus().length} cores, ${cpus()[0]?.model.trim() ?? 'unknown CPU'}. ${where}`,
    `Medians of ${rounds} round(s); in each round all servers take turns, each as a fresh process, loaded for ${WARMUP} s before`,
    `the ${seconds} s that count. A load generator in C on loopback compares every byte of every answer that counts; of a`,
    'broadcast each message that has been delivered counts. CPU is user and system time of the server process. Latencies',
    'are those of a server that is kept as busy as it can be. Memory is what the resident memory of the server process',
    `grows by, without the kernel's part; CPU when idle is that of all connections together, in ${IDLE_SECONDS} s, of one core.`,
    '[README.md](README.md) says more.',
  ].join('\n');
}
