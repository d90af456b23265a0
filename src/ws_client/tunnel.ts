/**
 * A socket to somebody behind an HTTP proxy.
 */
import type { Duplex } from 'node:stream';
import { connectRequest, ProxyAnswer, ProxyRefusal, type ProxyTarget } from './proxy.js';
import type { Target } from './target.js';

/**
 * Asks for a tunnel on a socket to a proxy, which may still be connecting. If there is to be none, the socket is
 * destroyed with a `ProxyRefusal`.
 *
 * @param socket reads by events; nobody else listens to its bytes yet
 * @param connected the event that tells that the proxy can be spoken to
 * @param opened is called when the tunnel is open. What the other side has sent by then waits in the socket
 */
export function openTunnel(
  socket: Duplex,
  connected: 'connect' | 'secureConnect',
  proxy: ProxyTarget,
  target: Pick<Target, 'host' | 'port'>,
  opened: () => void,
): void {
  const answer = new ProxyAnswer(proxy);
  const refuse = (error: Error): void => {
    leave();
    socket.destroy(error);
  };
  const onData = (chunk: Buffer): void => {
    try {
      const rest = answer.push(chunk);
      if (rest === undefined) return;
      leave();
      socket.pause();
      if (rest.length > 0) socket.unshift(rest);
      opened();
    } catch (error) {
      refuse(error as Error);
    }
  };
  const onEnd = (): void => refuse(new ProxyRefusal('the proxy ended the connection without an answer', undefined));
  const leave = (): void => {
    socket.off('data', onData);
    socket.off('end', onEnd);
  };
  socket.on('data', onData);
  socket.on('end', onEnd);
  socket.once(connected, () => socket.write(connectRequest(target, proxy)));
}
