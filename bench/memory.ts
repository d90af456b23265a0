/** `npm run bench:memory`: what the server's memory grows by while 1 GiB goes down, up, or to who has stopped reading. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ServerProcess } from './processes.js';
import { table } from './report.js';
import { buildOurs } from './tools.js';
import { download, startDownload, upload } from './transfer.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** What each transfer must stay under. */
const BAR = 30 * 1000 * 1000;
/** What goes down and up before the first look, so that code is compiled and buffers are there. */
const WARMUP = 8 * MIB;
/** How often the memory is looked at, in ms; the kernel notes the highest besides. */
const LOOK_MS = 20;
/** How long a reader that has stopped is watched, in ms. */
const STOPPED_MS = 3_000;

interface Transfer {
  readonly title: string;
  run(port: number): Promise<void>;
}

const TRANSFERS: readonly Transfer[] = [
  { title: 'download of 1 GiB', run: port => download(port, '/file/1', GIB) },
  { title: 'upload of 1 GiB', run: port => upload(port, '/drop', GIB) },
  { title: 'reader that stops after 1 MiB of 1 GiB', run: stopReading },
];

async function stopReading(port: number): Promise<void> {
  const socket = await startDownload(port, '/file/1', GIB, MIB);
  await setTimeout(STOPPED_MS);
  socket.destroy();
}

/** What the resident memory was at most, in bytes: seen, and noted by the kernel. */
interface Peak {
  readonly seen: number;
  readonly noted: number;
}

async function peakWhile(server: ServerProcess, work: Promise<void>): Promise<Peak> {
  let seen = 0;
  const look = () => {
    seen = Math.max(seen, server.status('VmRSS'));
  };
  const timer = setInterval(look, LOOK_MS);
  try {
    await work;
    look();
  } finally {
    clearInterval(timer);
  }
  return { seen, noted: server.status('VmHWM') };
}

/** A line of the table. */
async function measure(select: string, files: readonly string[], { title, run }: Transfer): Promise<string[]> {
  const server = await ServerProcess.startNode(undefined, 'large.mjs', [select, String(GIB), ...files], {
    HTTPD_LOG: 'error',
  });
  try {
    await download(server.port, '/file/0', WARMUP);
    await upload(server.port, '/drop', WARMUP);
    // what the warm-up has left is not to hide what comes
    await server.collect();
    server.forgetPeak();
    const before = server.status('VmRSS');
    const begun = performance.now();
    const { seen, noted } = await peakWhile(server, run(server.port));
    const seconds = (performance.now() - begun) / 1000;
    const added = Math.max(seen, noted) - before;
    const cells = [megabytes(before), megabytes(seen - before), megabytes(noted - before), `${seconds.toFixed(1)} s`];
    return [title, `esp-httpd, ${select}`, ...cells, added < BAR ? 'met' : 'MISSED'];
  } finally {
    await server.stop();
  }
}

/** A file that is one hole: it takes no room on the disk. */
function makeSparse(path: string, len: number): string {
  writeFileSync(path, '');
  truncateSync(path, len);
  return path;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

async function main(): Promise<void> {
  if (process.platform !== 'linux') throw new Error('what a process uses is read from /proc: this needs Linux');
  buildOurs();
  const folder = mkdtempSync(join(tmpdir(), 'esp-httpd-memory-'));
  try {
    const files = [WARMUP, GIB].map(len => makeSparse(join(folder, `${len}.bin`), len));
    const lines: string[][] = [];
    for (const transfer of TRANSFERS) {
      for (const select of ['net', 'epoll']) {
        console.error(`${transfer.title}: ${select} …`);
        lines.push(await measure(select, files, transfer));
      }
    }
    const heading = ['what', 'server', 'before', 'added, seen', 'added, VmHWM', 'took', `< ${megabytes(BAR)}`];
    console.log(`\n${table(heading, lines)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  console.error(`bench:memory: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
