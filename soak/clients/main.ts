/** The process of the clients: `main.ts PORTS SEED`, with a channel to the server's process. */
import type { FromClients, Ports, ToClients } from '../messages.js';
import { BAD_HTTP_ACTORS } from './bad_http.js';
import { BAD_WEB_ACTORS } from './bad_web.js';
import { BAD_WS_ACTORS } from './bad_ws.js';
import { CROWD_ACTORS, stay } from './crowd.js';
import { FAIR_ACTORS } from './fair.js';
import { HTTP_ACTORS } from './http.js';
import { Me, World } from './world.js';
import { WS_ACTORS } from './ws.js';

const [, , ports = '', seed = ''] = process.argv;
const world = new World(JSON.parse(ports) as Ports, Number(seed));
const actors = [
  ...HTTP_ACTORS,
  ...WS_ACTORS,
  ...BAD_HTTP_ACTORS,
  ...BAD_WEB_ACTORS,
  ...BAD_WS_ACTORS,
  ...CROWD_ACTORS,
  ...FAIR_ACTORS,
];

function tell(message: FromClients): void {
  process.send?.(message);
}

async function staying(): Promise<{ me: Me; goodbye: Promise<unknown> }> {
  const me = new Me(world, 0);
  try {
    return { me, ...(await stay(me)) };
  } catch (thrown) {
    return { me, goodbye: Promise.reject(thrown) };
  } finally {
    tell({ kind: 'staying' });
  }
}

let stayed: ReturnType<typeof staying> | undefined;

async function leave(): Promise<void> {
  const failures: string[] = [];
  const { me, goodbye } = (await stayed) ?? {};
  await goodbye?.catch((thrown: unknown) => failures.push(`clients that stayed: ${String(thrown)}`));
  me?.leave();
  tell({ kind: 'left', failures });
  process.disconnect();
}

process.on('message', ({ kind }: ToClients) => {
  if (kind === 'finish') world.finish();
  else if (kind === 'stay') stayed = staying();
  else void leave();
});
process.on('unhandledRejection', thrown => world.fail('an unhandled rejection', thrown));
process.on('disconnect', () => process.exit());

await world.play(actors);
tell({ kind: 'finished', report: world.report });
