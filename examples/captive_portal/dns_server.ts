/**
 * A UDP socket that answers every question with an address of this machine, after ESP-IDF's component dns_server.
 */
import { createSocket, type RemoteInfo } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import type { TagLog } from '../../src/index.js';
import { answerDns } from './dns.js';
import { bytesOf, isOneAddress, ownAddressFor } from './own_address.js';

export const DNS_TAG = 'example_dns_redirect_server';
/** So many answers may wait for the network; further ones are not sent, and their askers ask again. */
const SENDS_MAX = 64;

export interface DnsServer {
  /** The port, when it is bound; 0 if it can't be, and that is logged. */
  readonly bound: Promise<number>;
  /** Ends it; a second time does nothing. */
  close(): void;
}

/**
 * Starts it. It never throws: what goes wrong is logged, and the portal goes on without it.
 *
 * @param options.host the address to listen on, and to answer with. `0.0.0.0` listens on all, and each asker gets the one in
 *   its own network
 * @param options.port 0 lets the system choose
 */
export function startDnsServer({ host, port, log }: { host: string; port: number; log: TagLog }): DnsServer {
  const socket = createSocket('udp4');
  log.info('Socket created');
  const addressFor = ownAddressFor(networkInterfaces());
  let open = true;

  function close(): void {
    if (!open) return;
    open = false;
    log.info('Shutting down socket');
    socket.close();
  }

  function onMessage(packet: Uint8Array, from: RemoteInfo): void {
    const reply = answerDns(packet, isOneAddress(host) ? bytesOf(host) : addressFor(from.address));
    log.info(`Received ${packet.length} bytes from ${from.address} | DNS reply with len: ${reply?.length ?? 0}`);
    if (reply === undefined) return log.error('Failed to prepare a DNS reply');
    // a sender on port 0 wants no answer (RFC 768)
    if (from.port === 0 || socket.getSendQueueCount() >= SENDS_MAX) return;
    socket.send(reply, from.port, from.address, error => {
      if (error !== null) log.error(`Error occurred during sending: ${error.message}`);
    });
  }

  const bound = new Promise<number>(resolve => {
    socket.on('error', (error: NodeJS.ErrnoException) => {
      log.error(`Socket unable to bind: ${error.code ?? error.message}`);
      close();
      resolve(0);
    });
    socket.on('close', () => resolve(0));
    socket.on('listening', () => {
      const { port: chosen } = socket.address();
      log.info(`Socket bound, port ${chosen}`);
      resolve(chosen);
    });
  });
  socket.on('message', onMessage);
  socket.bind({ port, address: host });
  return { bound, close };
}
