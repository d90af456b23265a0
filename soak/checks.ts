/** What must hold at the end. */
import type { HttpdStats } from '../src/index.js';
import { added, type Held } from './leaks.js';
import type { MemoryWatch, Sample } from './memory.js';
import type { Report } from './messages.js';
import { type Checks, mib, percent } from './report.js';
import type { Tally } from './tally.js';

/** Growth of memory that is allowed. */
const GROWTH_MAX = 0.05;
/** How long a quiet client may wait, in ms: as long as all that clients of a soak do to each other may cost. */
const QUIET_WAIT_MAX = 2_000;
/** A run that is shorter says nothing about memory, nor meets every timeout. */
const SECONDS_MIN = 30;

export function checkMemory(checks: Checks, watch: MemoryWatch, seconds: number): void {
  for (const [name, of] of [
    ['memory: heap and external', ({ heap, external }: Sample) => heap + external],
    ['memory: resident', ({ rss }: Sample) => rss],
  ] as const) {
    const { samples, mean, growth, error } = watch.trend(of);
    const found = `${mib(mean)}, ${percent(growth)} (± ${(error * 100).toFixed(1)}) over ${samples} samples`;
    // what a line through noise says is noise
    const grows = growth > GROWTH_MAX && growth > 3 * error;
    if (seconds >= SECONDS_MIN) checks.add(name, found, !grows);
    else checks.add(name, `${found}; too short a run to tell`, true);
  }
}

export function checkRequests(checks: Checks, tally: Tally, report: Report): void {
  const kinds = new Set([...Object.keys(report.answered), ...tally.served.keys()]);
  let total = 0;
  const wrong: string[] = [];
  for (const kind of kinds) {
    const answered = report.answered[kind] ?? 0;
    const served = tally.served.get(kind) ?? 0;
    total += answered;
    if (answered !== served) wrong.push(`${kind}: ${served} served, ${answered} answered`);
  }
  checks.add('each request answered once', wrong.join('; ') || `${total} of ${kinds.size} kinds`, wrong.length === 0);
}

export function checkEnd(checks: Checks, tally: Tally, before: Held, after: Held): void {
  const { left, running, problems } = tally;
  checks.add(
    'sessions',
    left.join(', ') || `${tally.sessions}, of which ${tally.webSockets} WebSockets; all ended once`,
    left.length === 0,
  );
  checks.same('contexts', tally.contextsMade, tally.contextsFreed);
  checks.add('handlers and promises', running === 0 ? 'all settled' : `${running} have not settled`, running === 0);
  const { descriptors } = after;
  checks.add('descriptors', `${before.descriptors} before, ${descriptors} after`, before.descriptors === descriptors);
  const resources = added(before.resources, after.resources);
  checks.add('timers and handles', counted(resources) || 'none left', resources.length === 0);
  checks.add('parsers', `${after.parsers} left`, after.parsers === 0);
  checks.add(
    'WebAssembly memory',
    `${mib(before.wasm)} before, ${mib(after.wasm)} after`,
    after.wasm <= before.wasm * 1.1,
  );
  checks.add(
    'faults, and lines of the log that should not be',
    problems.join('\n        ') || 'none',
    problems.length === 0,
  );
}

export function checkClients(checks: Checks, { conversations, failures, quiet }: Report): void {
  const total = Object.values(conversations).reduce((a, b) => a + b, 0);
  const found = `${total} conversations of ${Object.keys(conversations).length} kinds`;
  checks.add('what clients saw', failures.join('\n        ') || found, failures.length === 0);
  const { answers, worstMs } = quiet;
  checks.add(
    'quiet clients beside busy ones',
    `${answers} answers, at most ${worstMs.toFixed(0)} ms`,
    answers > 0 && worstMs < QUIET_WAIT_MAX,
  );
}

/** What the servers have counted themselves, asked when all clients have gone. */
export function checkStats(checks: Checks, all: readonly HttpdStats[], tally: Tally, seconds: number): void {
  const sum = (of: (stats: HttpdStats) => number) => all.reduce((total, stats) => total + of(stats), 0);
  const opened = sum(({ sessions }) => sessions.opened);
  checks.add(
    'getStats(): sessions',
    `${opened} opened, openFn called ${tally.sessions} times`,
    opened === tally.sessions,
  );
  const left = sum(({ sessions, queues }) => {
    const { idle, head, handling, purging, websocket, closing } = sessions.now;
    return idle + head + handling + purging + websocket + closing + queues.work + queues.tx + queues.wsMessages;
  });
  checks.add(
    'getStats(): sessions and queues at rest',
    left === 0 ? 'empty' : JSON.stringify(all.map(({ sessions, queues }) => [sessions.now, queues])),
    left === 0,
  );
  const met = [
    ...(['head', 'body', 'idle', 'handler', 'send', 'websocket'] as const).map(
      kind => [`timeout of ${kind}`, sum(({ timeouts }) => timeouts[kind])] as const,
    ),
    ['purge', sum(({ sessions }) => sessions.purged)] as const,
    ['refusal: maxOpenSockets', sum(({ sessions }) => sessions.refused.maxOpenSockets)] as const,
    ['refusal: maxSessPerIp', sum(({ sessions }) => sessions.refused.maxSessPerIp)] as const,
  ];
  const missed = met.filter(([, count]) => count === 0).map(([what]) => what);
  const found = met.map(([what, count]) => `${what} ${count}`).join(', ');
  checks.add('each limit was met', found, missed.length === 0 || seconds < SECONDS_MIN);
}

/** `Timeout, Timeout` as `2 Timeout`. */
function counted(names: readonly string[]): string {
  return [...new Set(names)].map(name => `${names.filter(other => other === name).length} ${name}`).join(', ');
}
