import { describe, expect, test } from 'vitest';
import { netPort } from '../../src/port/net.js';
import { portContract } from './contract.js';
import { tcpContract } from './contract_tcp.js';
import { listenOn, tcpRig } from './rig.js';

portContract('net', () => tcpRig(netPort));
tcpContract(netPort);

describe('the net port', () => {
  test('reusePort is refused, and says which port has it', async () => {
    await expect(listenOn(netPort, { reusePort: true })).rejects.toThrow(/reusePort.*epoll/);
  });
});
