import { afterEach, describe, expect, test, vi } from 'vitest';
import { netPort } from '../../src/port/net.js';
import type { Listener, ListenOptions } from '../../src/port/port.js';
import { RawClient } from '../support/raw_client.js';
import { turn } from '../support/server.js';
import { portContract } from './contract.js';
import type { Peer } from './contract_support.js';

const OPTIONS: ListenOptions = { port: 0, host: '127.0.0.1', backlog: 511, keepAlive: undefined };
const clients: RawClient[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});

async function connectPeer(listener: Listener): Promise<Peer> {
  const client = await RawClient.connect(listener.port);
  clients.push(client);
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

portContract('net', () => ({ port: netPort, connect: connectPeer, turn, options: OPTIONS }));

describe('the net port', () => {
  test('a name that can not be bound is refused with its error', async () => {
    const listening = netPort.listen(
      { ...OPTIONS, host: '192.0.2.1' },
      () => Buffer.alloc(1),
      () => undefined,
      () => {},
    );
    await expect(listening).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
  });

  test('without a host it takes IPv4 and, where there is any, IPv6', async () => {
    let accepted = 0;
    const listener = await netPort.listen(
      { ...OPTIONS, host: undefined },
      () => Buffer.alloc(1),
      sock => {
        accepted += 1;
        sock.close();
        return undefined;
      },
      () => {},
    );
    clients.push(await RawClient.connect(listener.port));
    const v6 = await RawClient.connect(listener.port, { host: '::1' }).catch((error: NodeJS.ErrnoException) => error);
    if (v6 instanceof RawClient) clients.push(v6);
    else expect(['EADDRNOTAVAIL', 'ECONNREFUSED', 'EAFNOSUPPORT']).toContain(v6.code);
    const expected = v6 instanceof RawClient ? 2 : 1;
    await vi.waitFor(() => expect(accepted).toBe(expected));
    await listener.close();
  });
});
