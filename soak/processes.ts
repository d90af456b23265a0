/** The clients' process, as that of the server sees it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FromClients, Ports, ToClients } from './messages.js';

/** How long clients may take to come to an end, in ms. */
const PATIENCE_MS = 20_000;

export class Clients {
  private readonly child: ChildProcess;

  constructor(ports: Ports, seed: number) {
    const program = fileURLToPath(new URL('./clients/main.ts', import.meta.url));
    this.child = fork(program, [JSON.stringify(ports), String(seed)], { stdio: 'inherit' });
  }

  tell(kind: ToClients['kind']): void {
    this.child.send({ kind } satisfies ToClients);
  }

  /** What they tell next. @throws Error if they end, or say nothing for too long */
  async next<Kind extends FromClients['kind']>(kind: Kind): Promise<Extract<FromClients, { kind: Kind }>> {
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(PATIENCE_MS)]);
    try {
      const [message] = await Promise.race([
        once(this.child, 'message', { signal }),
        once(this.child, 'exit', { signal }).then(([code]) => {
          throw new Error(`the clients' process has ended with ${String(code)}`);
        }),
      ]);
      if (message.kind !== kind) throw new Error(`the clients said '${message.kind}', not '${kind}'`);
      return message;
    } finally {
      stop.abort();
    }
  }

  async gone(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) await once(this.child, 'exit');
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
