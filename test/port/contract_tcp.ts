import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import type { ListenOptions, Port } from '../../src/port/port.js';
import { RawClient } from '../support/raw_client.js';
import { type Recorder, until } from './contract_support.js';
import { keep, listenOn, tcpRig } from './rig.js';

const addressesOf = (name: string) => networkInterfaces()[name] ?? [];
const addresses = Object.keys(networkInterfaces()).flatMap(addressesOf);
/** Has this machine `::1`? */
export const IPV6_HERE = addresses.some(({ address }) => address === '::1');

/** An address of one link, if this machine has any: its interface's name and number. */
const ON_LINK = Object.entries(networkInterfaces()).flatMap(([name, list = []]) =>
  list.flatMap(one => (one.family === 'IPv6' && one.scopeid > 0 ? [{ ...one, name }] : [])),
)[0];

/** What ports over TCP have in common: addresses and names, and what only a kernel does. */
export function tcpContract(port: Port): void {
  const rig = tcpRig(port);
  const undo: (() => unknown)[] = [];

  afterEach(async () => {
    for (const fn of undo.splice(0).reverse()) await fn();
  });

  const listen = async (options: Partial<ListenOptions> = {}) => {
    const made = await listenOn(port, options);
    undo.push(() => made.listener.close());
    const connect = async (host = '127.0.0.1'): Promise<{ client: RawClient; rec: Recorder }> => {
      const n = made.accepted.length;
      const client = keep(await RawClient.connect(made.listener.port, { host }));
      await until(rig, () => made.accepted.length > n);
      const rec = made.accepted[n] as Recorder;
      undo.push(() => rec.sock.close());
      return { client, rec };
    };
    return { ...made, connect };
  };

  describe(`addresses: ${port.name}`, () => {
    const hosts: [string | undefined, string, boolean][] = [
      ['127.0.0.1', '127.0.0.1', true],
      [undefined, '127.0.0.1', true],
      ['::1', '::1', IPV6_HERE],
      [undefined, '::1', IPV6_HERE],
      ['::ffff:127.0.0.1', '127.0.0.1', IPV6_HERE],
    ];

    test.each(hosts.filter(([, , here]) => here))(
      'a listener on %s and a client of %s: both ends are known by plain addresses',
      async (host, address) => {
        const { listener, connect } = await listen({ host });
        const { client, rec } = await connect(address);
        expect(rec.sock.remoteAddress).toBe(address);
        expect(rec.sock.remotePort).toBe(client.localPort);
        expect(rec.sock.localAddress).toBe(address);
        expect(rec.sock.localPort).toBe(listener.port);
      },
    );

    test.skipIf(!IPV6_HERE || addressesOf('lo').length === 0).each(['::1%lo', '::1%1'])(
      'a listener on %s: the zone of an address that needs none does not matter',
      async host => {
        const { connect } = await listen({ host });
        const { rec } = await connect('::1');
        expect([rec.sock.remoteAddress, rec.sock.localAddress]).toEqual(['::1', '::1']);
      },
    );

    // needs an interface with IPv6 beside the loopback
    test.skipIf(ON_LINK === undefined).each(['name', 'scopeid'] as const)(
      'a listener on an address of a link, with the %s of its zone: both ends have the zone by name',
      async zone => {
        const { address, name } = ON_LINK as NonNullable<typeof ON_LINK>;
        const { connect } = await listen({ host: `${address}%${ON_LINK?.[zone]}` });
        const { rec } = await connect(`${address}%${name}`);
        expect([rec.sock.remoteAddress, rec.sock.localAddress]).toEqual(Array(2).fill(`${address}%${name}`));
      },
    );

    test.skipIf(!IPV6_HERE)("a listener on '::1' does not take IPv4", async () => {
      const { listener } = await listen({ host: '::1' });
      await expect(RawClient.connect(listener.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    });

    test("'localhost' is looked up", async () => {
      const { connect } = await listen({ host: 'localhost' });
      const { client, rec } = await connect('localhost');
      client.send('hello');
      await until(rig, () => rec.data.length === 5);
      expect(['127.0.0.1', '::1']).toContain(rec.sock.localAddress);
    });

    test.each([
      ['192.0.2.1', 'EADDRNOTAVAIL'],
      // an empty label: no resolver is asked
      ['a..b', 'ENOTFOUND'],
    ])("'%s' can not be bound: %s", async (host, code) => {
      const error: unknown = await listen({ host }).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(Error);
      expect(error).toMatchObject({ code, errno: expect.any(Number), syscall: expect.any(String) });
      expect((error as Error).message).toContain(host);
    });

    test('a backlog of 1 is accepted', async () => {
      const { connect } = await listen({ backlog: 1 });
      await connect();
    });
  });

  describe(`a connection that is broken: ${port.name}`, () => {
    /** The peer's reset has come, and nobody has looked yet. */
    async function broken() {
      const { connect, errors } = await listen();
      const { client, rec } = await connect();
      client.reset();
      return { rec, errors };
    }

    test('a send that finds it out throws nothing; onClose follows, and from the loop', async () => {
      const { rec, errors } = await broken();
      for (let i = 0; i < 3; i++) {
        expect(rec.call(sock => sock.send(Buffer.from('anyone?'), 0, 7))).toBeLessThanOrEqual(7);
      }
      await until(rig, () => rec.events.includes('close'));
      await rig.turn();
      expect(rec.events).toEqual(['close']);
      expect(rec.errors[0]).toBeInstanceOf(Error);
      expect(errors).toEqual([]);
    });

    test('that onClose may throw: onError is told, and the process goes on', async () => {
      const { rec, errors } = await broken();
      const thrown = new Error('on purpose');
      rec.onEvent = event => {
        if (event === 'close') throw thrown;
      };
      rec.call(sock => sock.send(Buffer.from('anyone?'), 0, 7));
      await until(rig, () => rec.events.includes('close'));
      await rig.turn();
      expect(errors).toEqual([thrown]);
    });

    test('closing behind such a send is fine, and brings no callback', async () => {
      const { rec, errors } = await broken();
      rec.call(sock => {
        sock.send(Buffer.from('anyone?'), 0, 7);
        sock.close();
      });
      for (let i = 0; i < 5; i++) await rig.turn();
      expect([rec.events, errors]).toEqual([[], []]);
    });
  });
}
