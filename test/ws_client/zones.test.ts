/** Addresses with a zone (RFC 4007 section 11), over sockets: what the system makes of them, and what servers hear. */
import { once } from 'node:events';
import * as net from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, test } from 'vitest';
import type { EspWebsocketClientConfig } from '../../src/ws_client/config.js';
import type { SocketHandler } from '../../src/ws_client/socket.js';
import { MemorySocket } from './memory_socket.js';
import { afterwards, field, makeClient, Peer, until } from './support.js';

const all = Object.entries(networkInterfaces()).flatMap(([name, list = []]) =>
  list.flatMap(one => (one.family === 'IPv6' ? [{ ...one, name }] : [])),
);
/** The loopback, whose address needs no zone. Its number is 1 on Linux. */
const loopback = all.find(({ address }) => address === '::1');
/** An address that is of one link only, if there is an interface beside the loopback. */
const onLink = all.find(({ scopeid }) => scopeid > 0);

/** What a server on `address` hears of a client with this configuration; its port is put in place of PORT. */
async function heard(address: string, config: EspWebsocketClientConfig): Promise<string | undefined> {
  const server = net.createServer();
  server.listen(0, address);
  await once(server, 'listening');
  afterwards(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  const uri = config.uri?.replace('PORT', String(port));
  const { client } = makeClient({ ...config, ...(uri === undefined ? { port } : { uri }), disableAutoReconnect: true });
  const connection = once(server, 'connection');
  void client.start();
  const [socket] = (await connection) as [net.Socket];
  afterwards(() => socket.destroy());
  const host = field(await new Peer(socket).accept(), 'Host');
  await until(() => expect(client.isConnected()).toBe(true));
  return host?.replace(String(port), 'PORT');
}

describe.skipIf(loopback === undefined)('the loopback', () => {
  const name = loopback?.name ?? '';
  test.each<EspWebsocketClientConfig>([
    { host: `::1%${name}` },
    { host: '::1%1' },
    { uri: `ws://[::1%25${name}]:PORT/` },
    { uri: `ws://[::1%${name}]:PORT/` },
    { uri: 'ws://[::1%251]:PORT/' },
  ])('%j', async config => {
    expect(await heard('::1', config)).toBe('[::1]:PORT');
  });
});

// where there is no such interface the name, or the number, has nothing to stand for
describe.skipIf(onLink === undefined)('an address of a link', () => {
  const { address, name, scopeid } = onLink ?? { address: '', name: '', scopeid: 0 };
  test.each<EspWebsocketClientConfig>([
    { host: `${address}%${name}` },
    { host: `${address}%${scopeid}` },
    { uri: `ws://[${address}%25${name}]:PORT/` },
    { uri: `ws://[${address}%25${scopeid}]:PORT/` },
    { uri: `ws://[${address}%${scopeid}]:PORT/` },
  ])('%j', async config => {
    expect(await heard(`${address}%${name}`, config)).toBe(`[${address}]:PORT`);
  });
});

test("a zone is none of a certificate's name", () => {
  const targets: unknown[] = [];
  const dial = (target: { host: string; tls: { name: string } | undefined }) => {
    targets.push([target.host, target.tls?.name]);
    return { write: () => true, hold: () => {}, end: () => {}, destroy: () => {} };
  };
  const { client } = makeClient({ uri: 'wss://[fe80::1%25eth0]/' }, { dial });
  void client.start();
  return until(() => expect(targets).toEqual([['fe80::1%eth0', 'fe80::1']]));
});

test.each([
  ['/x', 'fe80::1%eth0'],
  // it can't name a zone, which it has not heard of
  ['ws://[fe80::1]:81/x', 'fe80::1%eth0'],
  ['ws://[fe80::2]/x', 'fe80::2'],
])('a redirection from fe80::1%%eth0 to %s leads to %s', async (location, host) => {
  const dialed: { host: string; socket: MemorySocket }[] = [];
  const dial = (target: { host: string }, handler: SocketHandler) => {
    const socket = new MemorySocket(handler);
    dialed.push({ host: target.host, socket });
    return socket;
  };
  const { client } = makeClient({ host: 'fe80::1%eth0', maxRedirects: 1 }, { dial });
  void client.start();
  await until(() => expect(dialed).toHaveLength(1));
  const socket = dialed[0]?.socket;
  socket?.handler.onConnect();
  socket?.deliver(Buffer.from(`HTTP/1.1 307 Go\r\nLocation: ${location}\r\n\r\n`));
  expect(dialed.map(one => one.host)).toEqual(['fe80::1%eth0', host]);
});
