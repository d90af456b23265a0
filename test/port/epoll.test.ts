import { describe, expect, test } from 'vitest';
import { epollPort } from '../../src/port/epoll.js';
import {
  IPPROTO_TCP,
  loadLibc,
  SO_KEEPALIVE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
} from '../../src/port/libc.js';
import { EPOLL_HERE } from '../support/epoll.js';
import { backTo, heldAtRest } from '../support/held.js';
import { RawClient } from '../support/raw_client.js';
import { portContract } from './contract.js';
import { ContractLab, until } from './contract_support.js';
import { tcpContract } from './contract_tcp.js';
import { fdOf, flagsOf } from './epoll_support.js';
import { keep, listenOn, OPTIONS, tcpRig } from './rig.js';

const RIG = tcpRig(epollPort);

describe.skipIf(!EPOLL_HERE)('the epoll port', () => {
  portContract('epoll', () => RIG);
  tcpContract(epollPort);

  describe('its sockets', () => {
    const lab = new ContractLab(() => RIG);

    test.each([
      ['off', undefined, [0]],
      ['on', { idle: 7, interval: 3, count: 4 }, [1, 7, 3, 4]],
    ] as const)('TCP_NODELAY is on; TCP keep-alive is %s', async (_name, keepAlive, expected) => {
      const { listener, accepted } = await listenOn(epollPort, { keepAlive });
      lab.later(() => listener.close());
      keep(await RawClient.connect(listener.port));
      await until(RIG, () => accepted.length === 1);
      const sock = accepted[0]?.sock;
      lab.later(() => sock?.close());
      const fd = sock === undefined ? -1 : fdOf(sock);
      const libc = loadLibc();
      expect(libc.getOption(fd, IPPROTO_TCP, TCP_NODELAY)).toBe(1);
      const values = [
        libc.getOption(fd, SOL_SOCKET, SO_KEEPALIVE),
        libc.getOption(fd, IPPROTO_TCP, TCP_KEEPIDLE),
        libc.getOption(fd, IPPROTO_TCP, TCP_KEEPINTVL),
        libc.getOption(fd, IPPROTO_TCP, TCP_KEEPCNT),
      ];
      expect(values.slice(0, expected.length)).toEqual(expected);
    });

    test('neither they nor the listener block, and none is inherited by a child process', async () => {
      const { listener, connect } = await lab.setUp();
      const { sock } = await connect();
      const both = SOCK_CLOEXEC | SOCK_NONBLOCK;
      expect(flagsOf(fdOf(listener)) & both).toBe(both);
      expect(flagsOf(fdOf(sock)) & both).toBe(both);
    });

    test('backlog is what listen(2) gets', async () => {
      const libc = loadLibc();
      const { listen } = libc;
      const backlogs: number[] = [];
      libc.listen = (fd, backlog) => {
        backlogs.push(backlog);
        return listen(fd, backlog);
      };
      lab.later(() => {
        libc.listen = listen;
      });
      const { listener } = await listenOn(epollPort, { backlog: 7 });
      lab.later(() => listener.close());
      expect(backlogs).toEqual([7]);
    });
  });

  describe('reusePort', () => {
    const lab = new ContractLab(() => RIG);
    const listen = async (options: { port?: number; reusePort: boolean }) => {
      const made = await listenOn(epollPort, options);
      lab.later(() => made.listener.close());
      lab.later(() => {
        for (const { sock } of made.accepted) sock.close();
      });
      return made;
    };

    test('two listeners share a port, and both get connections', async () => {
      const first = await listen({ reusePort: true });
      const second = await listen({ reusePort: true, port: first.listener.port });
      expect(second.listener.port).toBe(first.listener.port);
      let connected = 0;
      // the system picks by a hash of both addresses: 200 connections to one of two is as good as impossible
      while (connected < 200 && (first.accepted.length === 0 || second.accepted.length === 0)) {
        keep(await RawClient.connect(first.listener.port));
        connected += 1;
        await until(RIG, () => first.accepted.length + second.accepted.length === connected);
      }
      expect(first.accepted.length).toBeGreaterThan(0);
      expect(second.accepted.length).toBeGreaterThan(0);
    });

    test('when one of them closes, the other gets all', async () => {
      const first = await listen({ reusePort: true });
      const second = await listen({ reusePort: true, port: first.listener.port });
      await first.listener.close();
      for (let i = 1; i <= 5; i++) {
        keep(await RawClient.connect(second.listener.port));
        await until(RIG, () => second.accepted.length === i);
      }
      expect(first.accepted).toEqual([]);
    });

    test.each([
      [true, false],
      [false, true],
      [false, false],
    ])('%s for the first and %s for the second: EADDRINUSE', async (a, b) => {
      const { listener } = await listen({ reusePort: a });
      await expect(listenOn(epollPort, { port: listener.port, reusePort: b })).rejects.toMatchObject({
        code: 'EADDRINUSE',
        syscall: 'bind',
      });
    });
  });

  describe('what can not be bound', () => {
    test.each([
      ['192.0.2.1', { code: 'EADDRNOTAVAIL', errno: -99, syscall: 'bind' }, /^bind EADDRNOTAVAIL: .+ 192\.0\.2\.1:0$/],
      [
        '2001:db8::1',
        { code: 'EADDRNOTAVAIL', errno: -99, syscall: 'bind' },
        /^bind EADDRNOTAVAIL: .+ \[2001:db8::1\]:0$/,
      ],
      // an empty label: no resolver is asked
      ['a..b', { code: 'ENOTFOUND', syscall: 'getaddrinfo' }, /a\.\.b/],
      ['fe80::1%no-such', {}, /'no-such'/],
    ])(
      "'%s' is refused in words that name call, error and address, and leaves nothing open",
      async (host, error, words) => {
        const before = await heldAtRest();
        const listening = listenOn(epollPort, { host });
        await expect(listening).rejects.toMatchObject(error);
        await expect(listening).rejects.toThrow(words);
        await backTo(before);
      },
    );

    test('a port that is taken: the words name it', async () => {
      const { listener } = await listenOn(epollPort, {});
      const again = listenOn(epollPort, { port: listener.port });
      await expect(again).rejects.toThrow(
        new RegExp(`^bind EADDRINUSE: address already in use 127\\.0\\.0\\.1:${listener.port}$`),
      );
      await listener.close();
    });
  });

  test('the loop lives as long as the last socket or listener, and then nothing of it is left', async () => {
    const before = await heldAtRest();
    for (const last of ['listener', 'socket'] as const) {
      const { listener, accepted } = await listenOn(epollPort, OPTIONS);
      const client = keep(await RawClient.connect(listener.port));
      await until(RIG, () => accepted.length === 1);
      expect(loadLibc().callbacks()).toBe(1);
      const [first] = accepted;
      if (last === 'listener') first?.sock.close();
      else await listener.close();
      await RIG.turn();
      expect(loadLibc().callbacks()).toBe(1);
      if (last === 'listener') await listener.close();
      else first?.sock.close();
      client.destroy();
      await backTo(before);
    }
  });
});
