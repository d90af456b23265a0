import { describe, expect, test } from 'vitest';
import { ended } from './contract_ended.js';
import { faults } from './contract_faults.js';
import { receiving } from './contract_receive.js';
import { sending } from './contract_send.js';
import { ContractLab, Recorder, type Rig, until } from './contract_support.js';

/** The rules of src/port/port.ts, for any port. */
export function portContract(name: string, makeRig: () => Rig): void {
  describe(`the port contract: ${name}`, () => {
    const lab = new ContractLab(makeRig);
    describe('receiving', () => receiving(lab));
    describe('sending', () => sending(lab));
    describe('listening', () => listening(lab));
    describe('after the end', () => ended(lab));
    describe('callbacks that throw', () => faults(lab));
  });
}

function listening(lab: ContractLab): void {
  test.each(['close', 'reset'] as const)('accept may %s the socket at once and give no owner', async how => {
    const rig = lab.makeRig();
    const listener = await rig.port.listen(
      rig.options,
      () => Buffer.alloc(10),
      sock => {
        sock[how]();
        return undefined;
      },
      () => {},
    );
    lab.later(() => listener.close());
    // a reset may come before the client knows that it is connected
    const peer = await rig.connect(listener).catch(() => ({ over: 'reset' }));
    await until(rig, () => peer.over !== undefined);
    if (how === 'reset') expect(peer.over).toBe('reset');
  });

  test('accept may send before it gives an owner', async () => {
    const rig = lab.makeRig();
    const buffer = Buffer.alloc(10);
    let rec: Recorder | undefined;
    const listener = await rig.port.listen(
      rig.options,
      () => buffer,
      sock => {
        rec = new Recorder(sock, () => buffer);
        return rec;
      },
      () => {},
    );
    lab.later(() => listener.close());
    const peer = await rig.connect(listener);
    await until(rig, () => rec !== undefined);
    lab.later(() => rec?.sock.close());
    expect(rec?.sock.send(Buffer.from('welcome'), 0, 7)).toBe(7);
    await until(rig, () => peer.received.length === 7);
    expect(peer.received.toString()).toBe('welcome');
  });

  test('a port that is taken is refused with EADDRINUSE', async () => {
    const { rig, listener } = await lab.setUp();
    const again = rig.port.listen(
      { ...rig.options, port: listener.port },
      () => Buffer.alloc(1),
      () => undefined,
      () => {},
    );
    await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('a closed listener lets its sockets live on, and its port can be bound again', async () => {
    const { rig, listener, connect, until } = await lab.setUp();
    const { peer, rec } = await connect();
    const { port } = listener;
    await listener.close();
    const again = await rig.port.listen(
      { ...rig.options, port },
      () => Buffer.alloc(1),
      () => undefined,
      () => {},
    );
    lab.later(() => again.close());
    expect(again.port).toBe(port);
    peer.send('still here');
    await until(() => rec.data.length === 10);
    expect(rec.sock.send(Buffer.from('me too'), 0, 6)).toBe(6);
    await until(() => peer.received.length === 6);
  });
}
