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

  /** Connections that are not gone on both sides. */
  get size(): number {
    return this.sockets.size;
  }

  set(changes: Partial<LinkSettings>): void {
    this.air.link = { ...this.air.link, ...changes };
  }

  /** Stands between this select loop and the server. */
  readonly wrap = <L extends Listener>(port: PortOf<L>): PortOf<L> => ({
    name: `${port.name} behind a link`,
    listen: (options, receiveBuffer, accept, onError) => this.listen(port, options, receiveBuffer, accept, onError),
  });

  /** Nothing gets through for so many ms; a loss that the device notices ends its connections. */
  lose(ms: number): void {
    const { agenda, air } = this;
    air.downUntil = Math.max(air.downUntil, agenda.now + ms);
    if (ms <= air.link.beaconTimeoutMs) return;
    agenda.at(agenda.now + air.link.beaconTimeoutMs, () => {
      const lost = this.dropAll('freeze', 'the Wi-Fi was lost');
      // the peers learn of it when they can be reached
      this.whenUp(() => {
        for (const socket of lost) socket.reset();
      });
    });
  }

  /** The Wi-Fi is back, and the task free. */
  restore(): void {
    this.air.downUntil = Number.NEGATIVE_INFINITY;
    this.task.restore();
  }

  /** Resolves when all connections are gone, in `ms` at most. */
  async drain(ms: number): Promise<void> {
    if (this.sockets.size > 0) {
      await new Promise<void>(resolve => {
        this.onEmpty = resolve;
        this.agenda.at(this.agenda.now + ms, resolve);
      });
    }
    this.dropAll('fail', 'the device is off');
  }

  /** Calls `act` as soon as segments get through: now, if they do. */
  private whenUp(act: () => void): void {
    if (this.air.down) this.agenda.at(this.air.downUntil, () => this.whenUp(act));
    else act();
  }

  /** Ends all connections: with RST, or without a word to the peers. @returns them */
  dropAll(how: 'fail' | 'freeze', why: string): LinkSocket[] {
    const all = [...this.sockets];
    const error = Object.assign(new Error(why), { code: 'ECONNABORTED' });
    for (const socket of all) socket[how](error);
    return all;
  }

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
      const bytes = inner.tls === undefined ? session : session + tlsSession;
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
      const socket = new LinkSocket(inner, { agenda, air, task, receiveBuffer, received, onError, onReleased }, seed);
      this.sockets.add(socket);
      this.connect(inner, () => socket.open(accept));
      return socket;
    };
    return port.listen(options, () => received, take, onError);
  }

  /** The handshakes of TCP and TLS, which the kernel and node:tls have made in no time. */
  private connect(inner: PortSocket, open: () => void): void {
    const { agenda, air, task } = this;
    const handshake = (): void => {
      if (inner.tls === undefined) open();
      else agenda.at(task.occupy(air.link.tlsHandshakeMs), () => task.run(open));
    };
    agenda.at(agenda.now + 2 * air.link.latencyMs, () => this.whenUp(() => task.run(handshake)));
  }
}
