import { afterEach } from 'vitest';
import type { Listener, ListenOptions, Port } from '../../src/port/port.js';
import { RawClient } from '../support/raw_client.js';
import { turn } from '../support/server.js';
import { type Peer, Recorder, type Rig } from './contract_support.js';

export const OPTIONS: ListenOptions = {
  port: 0,
  host: '127.0.0.1',
  backlog: 511,
  reusePort: false,
  keepAlive: undefined,
};

const clients: RawClient[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});

/** A client that is destroyed after the test. */
export function keep(client: RawClient): RawClient {
  clients.push(client);
  return client;
}

/** How to reach a port over TCP. */
export function tcpRig(port: Port): Rig {
  return { port, connect: connectPeer, turn, options: OPTIONS };
}

/** Listens, and keeps what is accepted and what `onError` is told. `onAccept` are called within `accept`. */
export async function listenOn(port: Port, options: Partial<ListenOptions>) {
  const buffer = Buffer.alloc(64 * 1024);
  const accepted: Recorder[] = [];
  const errors: Error[] = [];
  const onAccept: ((rec: Recorder) => void)[] = [];
  const listener = await port.listen(
    { ...OPTIONS, ...options },
    () => buffer,
    sock => {
      const recorder = new Recorder(sock, () => buffer);
      accepted.push(recorder);
      for (const fn of onAccept) fn(recorder);
      return recorder;
    },
    error => errors.push(error),
  );
  return { listener, accepted, errors, onAccept };
}

async function connectPeer(listener: Listener): Promise<Peer> {
  const client = keep(await RawClient.connect(listener.port));
  let over: 'fin' | 'reset' | undefined;
  client.socket.on('end', () => {
    over ??= 'fin';
  });
  client.socket.on('close', () => {
    over ??= 'reset';
  });
  return {
    send: bytes => client.send(bytes),
    end: () => client.end(),
    reset: () => client.reset(),
    stopReading: () => client.pause(),
    readOn: () => client.resume(),
    get received() {
      return client.received;
    },
    get over() {
      return over;
    },
  };
}
