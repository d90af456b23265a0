/** The link of a device: stands between any select loop and the server, and costs nothing where there is no device. */
import type { Listener, ListenOptions, PortOf, PortSocket, SocketHandler } from '../port/port.js';
import type { Clock } from '../sess/deadlines.js';
import { Agenda } from './agenda.js';
import { Air } from './air.js';
import type { DeviceHeap } from './heap.js';
import { LinkSocket } from './link_socket.js';
import type { DeviceProfile, LinkSettings } from './profile.js';
import { seedOf } from './random.js';
import { ServerTask } from './task.js';

/**
 * A connection that the server has closed, and of which nothing leaves in so many ms, is reset: lwIP waits as long in
 * FIN_WAIT_2 (`CONFIG_LWIP_TCP_FIN_WAIT_TIMEOUT`).
 */
const FIN_WAIT_MS = 20_000;
/** The select loop receives into this much. */
const RECEIVE = 16 * 1_024;

export class Link {
  readonly agenda: Agenda;
  readonly air: Air;
  readonly task: ServerTask;
  private readonly sockets = new Set<LinkSocket>();
  /** Connections so far: each has random numbers of its own. */
  private connections = 0;
  private onEmpty: (() => void) | undefined;
  /** Is a look at closing connections planned, and what they had to send at the last one? */
  private watching = false;
  /** Will the device notice that the Wi-Fi is lost, or has it? */
  private noticing = false;

  /**
   * @param heap what connections draw from now
   * @param onFault is told what went wrong inside
   * @param onRefused is told that a connection got no memory
   */
  constructor(
    clock: Clock,
    private readonly seed: number,
    private readonly profile: DeviceProfile,
    private readonly heap: () => DeviceHeap,
    onFault: (thrown: unknown) => void,
    private readonly onRefused: () => void,
  ) {
    this.agenda = new Agenda(clock, onFault);
    this.air = new Air(this.agenda, profile.link);
    this.task = new ServerTask(this.agenda);
  }

  set(changes: Partial<LinkSettings>): void {
    this.air.link = { ...this.air.link, ...changes };
  }

  /** Stands between this select loop and the server. */
  readonly wrap = <L extends Listener>(port: PortOf<L>): PortOf<L> => ({
    name: `${port.name} behind a link`,
    listen: (options, receiveBuffer, accept, onError) => this.listen(port, options, receiveBuffer, accept, onError),
    whenServed: fn => port.whenServed(fn),
  });

  /** Nothing gets through for so many ms; a loss that the device notices ends its connections. */
  lose(ms: number): void {
    const { agenda, air } = this;
    const { since, until } = air.lose(ms);
    const noticed = since + air.link.beaconTimeoutMs;
    if (until <= noticed || this.noticing) return;
    this.noticing = true;
    agenda.at(Math.max(agenda.now, noticed), () => {
      // those that connect just now try again until they get through
      const known = [...this.sockets].filter(socket => socket.known);
      drop(known, 'freeze', 'the Wi-Fi was lost');
      // the peers learn of it when they can be reached
      air.whenUp(() => {
        this.noticing = false;
        for (const socket of known) socket.reset();
      });
    });
  }

  /** The Wi-Fi is back, and the task free. */
  restore(): void {
    this.air.restore();
    this.task.free();
  }

  /**
   * The device boots.
   *
   * @param how do the peers learn at once that their connections are gone, or when they are reset?
   * @returns the connections
   */
  boot(how: 'fail' | 'freeze', why: string): readonly LinkSocket[] {
    const all = [...this.sockets];
    this.task.boot();
    this.air.boot();
    drop(all, how, why);
    return all;
  }

  /** Resolves when all connections are gone, in `ms` at most. */
  async drain(ms: number): Promise<void> {
    if (this.sockets.size > 0) {
      await new Promise<void>(resolve => {
        this.onEmpty = resolve;
        this.agenda.at(this.agenda.now + ms, resolve);
      });
    }
    drop([...this.sockets], 'fail', 'the device is off');
  }

  /** Gives up connections that the server has closed, and whose peers take nothing. */
  private readonly watchClosing = (): void => {
    if (this.watching) return;
    this.watching = true;
    const before = new Map([...this.sockets].map(socket => [socket, socket.leaving]));
    this.agenda.at(this.agenda.now + FIN_WAIT_MS, () => {
      this.watching = false;
      const closing = [...this.sockets].filter(({ leaving }) => leaving !== undefined);
      for (const socket of closing) if (!this.air.down && before.get(socket) === socket.leaving) socket.reset();
      if (closing.length > 0) this.watchClosing();
    });
  };

  private listen<L extends Listener>(
    port: PortOf<L>,
    options: ListenOptions,
    receiveBuffer: () => Buffer,
    accept: (socket: PortSocket) => SocketHandler | undefined,
    onError: (error: Error) => void,
  ): Promise<L> {
    const received = Buffer.alloc(RECEIVE);
    const take = (inner: PortSocket): SocketHandler | undefined => {
      const heap = this.heap();
      const { session, tlsSession } = this.profile.heap;
      const encrypted = inner.tls !== undefined;
      const bytes = encrypted ? session + tlsSession : session;
      if (!heap.take(bytes)) {
        inner.reset();
        this.onRefused();
        return undefined;
      }
      const onReleased = (socket: LinkSocket): void => {
        this.sockets.delete(socket);
        heap.give(bytes);
        if (this.sockets.size === 0) this.onEmpty?.();
      };
      const { agenda, air, task } = this;
      const seed = seedOf(this.seed, this.connections);
      this.connections += 1;
      const host = { agenda, air, task, receiveBuffer, received, onError, onClosing: this.watchClosing, onReleased };
      const socket = new LinkSocket(inner, host, seed);
      this.sockets.add(socket);
      this.connect(encrypted, () => socket.open(accept));
      return socket;
    };
    return port.listen(options, () => received, take, onError);
  }

  /** The handshakes of TCP and TLS, which the kernel and node:tls have made in no time. */
  private connect(encrypted: boolean, open: () => void): void {
    const { agenda, air, task } = this;
    const handshake = (): void => {
      if (!encrypted) return open();
      task.occupy(air.link.tlsHandshakeMs);
      task.runNext(open);
    };
    agenda.at(agenda.now + 2 * air.link.latencyMs, () => air.whenUp(() => task.run(handshake)));
  }
}

/** The device knows these connections no more. */
function drop(sockets: readonly LinkSocket[], how: 'fail' | 'freeze', why: string): void {
  const error = Object.assign(new Error(why), { code: 'ECONNABORTED' });
  for (const socket of sockets) socket[how](error);
}
