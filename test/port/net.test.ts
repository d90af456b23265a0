import { describe, expect, test, vi } from 'vitest';
import { netPort } from '../../src/port/net.js';
import { RawClient } from '../support/raw_client.js';
import { portContract } from './contract.js';
import { keep, OPTIONS, tcpRig } from './rig.js';

portContract('net', () => tcpRig(netPort));

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
    keep(await RawClient.connect(listener.port));
    const v6 = await RawClient.connect(listener.port, { host: '::1' }).catch((error: NodeJS.ErrnoException) => error);
    if (v6 instanceof RawClient) keep(v6);
    else expect(['EADDRNOTAVAIL', 'ECONNREFUSED', 'EAFNOSUPPORT']).toContain(v6.code);
    const expected = v6 instanceof RawClient ? 2 : 1;
    await vi.waitFor(() => expect(accepted).toBe(expected));
    await listener.close();
  });
});
