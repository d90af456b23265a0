/** `npm run soak`: every feature of the library in this process, clients of all kinds in another. See README.md. */
import { setTimeout } from 'node:timers/promises';
import { RawClient } from '../test/support/raw_client.js';
import { type Servers, startServers } from './app.js';
import { checkClients, checkEnd, checkMemory, checkRequests, checkStats } from './checks.js';
import { makeFolder, removeFolder } from './folder.js';
import { added, type Held, heldNow } from './leaks.js';
import { MemoryWatch } from './memory.js';
import type { Ports } from './messages.js';
import { type Options, parseOptions, USAGE } from './options.js';
import { Clients } from './processes.js';
import { Checks, sampleLine } from './report.js';
import { Tally } from './tally.js';

/** What has ended may be told of so many ms later. */
const SETTLE_MS = 5_000;
/** Time for what runs when the servers stop, in seconds. */
const GRACE = 2;
/** Memory is looked at so often, in ms. */
const SAMPLE_MS = 500;

/** Waits until `fn` is true, but not for ever. */
async function until(fn: () => boolean): Promise<void> {
  const end = performance.now() + SETTLE_MS;
  while (!fn() && performance.now() < end) await setTimeout(20);
}

function isBack(before: Held, now: Held): boolean {
  return now.descriptors === before.descriptors && added(before.resources, now.resources).length === 0;
}

function portsOf({ main, refusing, purging, perPeer }: Servers): Ports {
  return { main: main.port, refusing: refusing.port, purging: purging.port, perPeer: perPeer.port };
}

/** @returns whether all have stopped in time */
async function stopAll(servers: Servers): Promise<boolean> {
  const stopped = Promise.all(Object.values(servers).map(server => server.stop({ grace: GRACE }))).then(() => true);
  const late = new AbortController();
  const tooLate = setTimeout(GRACE * 1000 + SETTLE_MS, false, { signal: late.signal });
  tooLate.catch(() => {});
  const inTime = await Promise.race([stopped, tooLate]);
  late.abort();
  return inTime;
}

/** Starts servers, asks each something and stops them: what is loaded once is loaded, and what then is held is normal. */
async function warmUp(port: Options['port'], folder: string): Promise<Held> {
  const servers = await startServers(new Tally(), port, folder);
  for (const to of Object.values(portsOf(servers))) {
    const client = await RawClient.connect(to);
    await client.send('GET /get HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').readAll();
    client.destroy();
  }
  await stopAll(servers);
  // the loop lets go of what has been closed
  await setTimeout(100);
  return heldNow();
}

async function soak({ seconds, seed, port, samples }: Options, folder: string): Promise<Checks> {
  const checks = new Checks();
  const tally = new Tally();
  process.on('uncaughtException', error => tally.problem(`an uncaught exception: ${error.stack}`));
  process.on('unhandledRejection', thrown => tally.problem(`an unhandled rejection: ${String(thrown)}`));
  const before = await warmUp(port, folder);
  const servers = await startServers(tally, port, folder);
  const clients = new Clients(portsOf(servers), seed);
  try {
    const watch = new MemoryWatch();
    watch.begin(Math.min(SAMPLE_MS, seconds * 50));
    await setTimeout(seconds * 1000);
    watch.end();
    if (samples) for (const sample of watch.samples) console.log(sampleLine(sample));
    clients.tell('finish');
    const { report } = await clients.next('finished');
    const all = Object.values(servers);
    const sessions = () => all.flatMap(server => server.getClientList());
    await until(() => sessions().length === 0 && tally.running === 0);
    checkRequests(checks, tally, report);
    checkClients(checks, report);
    checks.add('sessions when clients have gone', `${sessions().length}`, sessions().length === 0);
    const stats = all.map(server => server.getStats());
    checkStats(checks, stats, tally, seconds);
    checkMemory(checks, watch, seconds);
    clients.tell('stay');
    await clients.next('staying');
    const stopped = await stopAll(servers);
    clients.tell('leave');
    const { failures } = await clients.next('left');
    if (!stopped) failures.push('a server has not stopped');
    checks.add('stop() with clients that stay', failures.join('; ') || 'each was told goodbye', failures.length === 0);
    await clients.gone();
    await until(() => tally.running === 0 && isBack(before, heldNow()));
    checkEnd(checks, tally, before, heldNow());
    return checks;
  } finally {
    clients.kill();
  }
}

/** @returns the exit status */
async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  const folder = makeFolder();
  try {
    console.log(`soak: ${options.seconds} s, --seed ${options.seed}, port ${options.port}`);
    const checks = await soak(options, folder);
    console.log(`\n${checks.table()}\n`);
    const { failed } = checks;
    if (failed.length === 0) console.log('soak: all is well');
    else console.log(`soak: FAILED: ${failed.map(({ what }) => what).join('; ')} (--seed ${options.seed})`);
    return failed.length === 0 ? 0 : 1;
  } finally {
    removeFolder(folder);
  }
}

try {
  if (process.argv.includes('--help')) console.log(USAGE);
  // what has leaked must not keep the process
  else process.exit(await main());
} catch (error) {
  console.error(`soak: FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  if (error instanceof TypeError || (error instanceof Error && error.message.startsWith('--'))) console.error(USAGE);
  process.exit(1);
}
