/** `npm run bench:fair [-- net|epoll|tls] [http|ws] [4|20|200]`: how long a quiet client waits beside clients that send as much as is taken. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { generate } from 'selfsigned';
import { ServerProcess } from './processes.js';
import { table } from './report.js';
import { buildOurs, type Cores, chooseCores, pinned } from './tools.js';

const SELECTS = ['net', 'epoll', 'tls'] as const;
const KINDS = ['http', 'ws'] as const;
const CROWDS = [4, 20, 200] as const;
/** What the quiet client's worst wait must stay under, in ms. */
const BAR = 500;
/** How long it is watched, behind some time for the crowd to begin. */
const SECONDS = 5;
const BEGIN_MS = 1_000;
/** How long a client may take to begin, or to tell what it has seen. */
const PATIENCE_MS = 20_000;

interface Place {
  readonly select: (typeof SELECTS)[number];
  readonly kind: (typeof KINDS)[number];
  readonly busy: number;
}

/** A client in a process of its own. */
class Client {
  private readonly child: ChildProcess;

  constructor(cores: Cores | undefined, args: readonly string[]) {
    const program = fileURLToPath(new URL('./load/fair.mjs', import.meta.url));
    this.child = spawn(...pinned(cores?.load, process.execPath, [program, ...args]), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
  }

  async answer<T>(): Promise<T> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const ended = once(this.child, 'exit', { signal }).then(() => {
      throw new Error('a client has ended');
    });
    const [message] = (await Promise.race([once(this.child, 'message', { signal }), ended])) as [T];
    return message;
  }

  stop(): Promise<{ waits: number[] }> {
    this.child.send('stop');
    return this.answer();
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** @returns how long the quiet client has waited for each answer, in ms */
async function measure(cores: Cores | undefined, { select, kind, busy }: Place, pair: readonly string[]) {
  const encrypted = select === 'tls';
  const [cert = '', key = ''] = encrypted ? pair : [];
  const server = await ServerProcess.startNode(cores?.server, 'fair.mjs', [select, cert, key], {});
  const clients: Client[] = [];
  const start = async (role: string): Promise<Client> => {
    const client = new Client(cores, [role, String(server.port), kind, String(busy), ...(encrypted ? [cert] : [])]);
    clients.push(client);
    await client.answer();
    return client;
  };
  try {
    await start('busy');
    await setTimeout(BEGIN_MS);
    const quiet = await start('quiet');
    await setTimeout(SECONDS * 1000);
    const { waits } = await quiet.stop();
    return waits.sort((a, b) => a - b);
  } finally {
    for (const client of clients) client.kill();
    await server.stop();
  }
}

/** An answer that does not come at all is a wait of more than the patience. */
async function line(cores: Cores | undefined, place: Place, pair: readonly string[]): Promise<string[]> {
  const { select, kind, busy } = place;
  console.error(`${select}, ${kind}, ${busy} busy …`);
  const cells = [select, kind === 'http' ? 'GET' : 'WebSocket', String(busy)];
  try {
    const waits = await measure(cores, place, pair);
    const [half, worst] = [waits[waits.length >> 1] ?? Number.NaN, waits.at(-1) ?? Number.NaN];
    return [...cells, String(waits.length), half.toFixed(1), worst.toFixed(1), worst < BAR ? 'met' : 'MISSED'];
  } catch (error) {
    console.error(error);
    return [...cells, '0', 'never', 'never', 'MISSED'];
  }
}

async function main(): Promise<void> {
  buildOurs();
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }] }],
  });
  const cores = chooseCores();
  const wanted = process.argv.slice(2);
  const lines: string[][] = [];
  for (const select of SELECTS) {
    for (const kind of KINDS) {
      for (const busy of CROWDS) {
        const names = [select, kind, String(busy)];
        if (wanted.every(name => names.includes(name))) {
          lines.push(await line(cores, { select, kind, busy }, [cert, key]));
        }
      }
    }
  }
  console.log(
    `\n${table(['loop', 'what', 'busy clients', 'answers', 'p50, ms', 'worst, ms', `worst < ${BAR} ms`], lines)}`,
  );
}

try {
  await main();
} catch (error) {
  console.error(`bench:fair: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
