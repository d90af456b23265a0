/**
 * One connection of a device: stands between the select loop's socket and the session, as the owner of the one and the
 * socket of the other.
 */
import { asError, type PortSocket, SocketAround, type SocketHandler } from '../port/port.js';
import type { Agenda } from './agenda.js';
import type { Air } from './air.js';
import { type Ending, Flow } from './flow.js';
import { randomFrom, seedOf } from './random.js';
import type { ServerTask } from './task.js';

/** What a connection needs of its device. */
export interface LinkHost {
  readonly agenda: Agenda;
  readonly air: Air;
  readonly task: ServerTask;
  /** The buffer that the server receives into. */
  readonly receiveBuffer: () => Buffer;
  /** What the select loop has received. */
  readonly received: Buffer;
  /** Is told what a callback of the server has thrown. */
  readonly onError: (error: Error) => void;
  /** The server has let go; bytes are under way to the peer. */
  readonly onClosing: () => void;
  /** The connection is gone, on both sides. */
  readonly onReleased: (socket: LinkSocket) => void;
}

/**
 * The life of a connection, seen from the device:
 *
 *            open          close
 *   waiting ------> open ---------> closing ------> released
 *      \_____________|________________|____ freeze -> frozen -> released
 *                                            and from each: released
 */
type State =
  /** The server has not accepted it yet. */
  | 'waiting'
  | 'open'
  /** The server has let go; what it has sent still leaves. */
  | 'closing'
  /** The device knows it no more, and the peer does not know that. */
  | 'frozen'
  | 'released';

export class LinkSocket extends SocketAround implements PortSocket, SocketHandler {
  private readonly toPeer: Flow;
  private readonly toServer: Flow;
  private state: State = 'waiting';
  /** Who is told what happens, while it is open. */
  private owner: SocketHandler | undefined;
  /** Bytes that have come and wait for the window. */
  private waiting: Buffer | undefined;
  /** What comes behind them. */
  private endings: Ending[] = [];
  /** How much of the segment that has reached the peer its kernel has taken, and of the other one the server. */
  private sent = 0;
  private delivered = 0;
  private paused = false;
  private finSent = false;
  /** Is its owner told that it can send when the task is free? */
  private wakes = false;
  private peerGone = false;

  constructor(
    inner: PortSocket,
    private readonly host: LinkHost,
    seed: number,
  ) {
    super(inner);
    const { agenda, air } = host;
    this.toPeer = new Flow(agenda, air, 'up', randomFrom(seedOf(seed, 0)), {
      onSegment: bytes => this.sendInner(bytes),
      onEnding: () => this.finishInner(),
      onRoom: () => this.tell(owner => owner.onWritable()),
    });
    this.toServer = new Flow(agenda, air, 'down', randomFrom(seedOf(seed, 1)), {
      onSegment: bytes => this.deliver(bytes),
      onEnding: ending => this.endServer(ending),
      onRoom: () => this.moveOn(),
    });
  }

  /** What is under way has been taken by the device's kernel. */
  get pending(): number {
    return 0;
  }

  /** Does the device know it as a connection? */
  get known(): boolean {
    return this.state === 'open' || this.state === 'closing';
  }

  /** Bytes that are yet to leave, of a connection that the server has let go; undefined if it has not. */
  get leaving(): number | undefined {
    return this.state === 'closing' ? this.toPeer.length : undefined;
  }

  /** The server accepts it: the peer's first bytes may come. */
  open(accept: (socket: PortSocket) => SocketHandler | undefined): void {
    if (this.state !== 'waiting') return;
    this.state = 'open';
    try {
      const owner = accept(this);
      if (this.isOpen) this.owner = owner;
    } catch (thrown) {
      this.host.onError(asError(thrown));
      return this.reset();
    }
    this.toServer.goOn();
  }

  send(buf: Buffer, from: number, to: number): number {
    if (this.state !== 'open' || this.finSent) return 0;
    const { task } = this.host;
    if (!task.busy) return this.toPeer.offer(buf, from, to);
    if (!this.wakes) {
      this.wakes = true;
      task.run(() => {
        this.wakes = false;
        this.tell(owner => owner.onWritable());
      });
    }
    return 0;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    // never from within the call
    this.host.agenda.at(this.host.agenda.now, () => this.toServer.goOn());
  }

  shutdown(): void {
    if (this.state !== 'open' || this.finSent) return;
    this.finSent = true;
    this.toPeer.finish('fin');
  }

  close(): void {
    if (this.state !== 'open') return;
    this.owner = undefined;
    if (this.peerGone) return this.release('close');
    this.state = 'closing';
    // what the kernel has taken still leaves, and the FIN behind it
    this.toServer.cut();
    this.toPeer.finish('released');
    this.host.onClosing();
  }

  reset(): void {
    this.release('reset');
  }

  /** The device has lost its memory: the server is told that the connection is gone, and the peer by RST. */
  fail(error: Error): void {
    const { owner } = this;
    this.release('reset');
    this.tellClose(owner, error);
  }

  /** The same, but the peer learns nothing: no byte comes or goes any more, until `reset`. */
  freeze(error: Error): void {
    const { owner } = this;
    this.owner = undefined;
    this.state = 'frozen';
    this.toServer.cut();
    this.toPeer.cut();
    this.inner.pause();
    this.tellClose(owner, error);
  }

  onData(len: number): void {
    const bytes = Buffer.from(this.host.received.subarray(0, len));
    this.waiting = this.waiting === undefined ? bytes : Buffer.concat([this.waiting, bytes]);
    this.moveOn();
  }

  onEnd(): void {
    this.endings.push('fin');
    this.moveOn();
  }

  onWritable(): void {
    this.toPeer.goOn();
  }

  onClose(error: Error | undefined): void {
    this.peerGone = true;
    this.toPeer.cut();
    if (this.state === 'closing') return this.release('close');
    this.endings.push(error ?? 'released');
    this.moveOn();
  }

  private get isOpen(): boolean {
    return this.state === 'open';
  }

  /** Lets what has come into the window; while some of it waits, no more is read. */
  private moveOn(): void {
    const { waiting } = this;
    if (waiting !== undefined) {
      const taken = this.toServer.offer(waiting, 0, waiting.length);
      this.waiting = taken < waiting.length ? waiting.subarray(taken) : undefined;
    }
    if (this.waiting === undefined) {
      for (const ending of this.endings.splice(0)) this.toServer.finish(ending);
    }
    if (this.peerGone) return;
    if (this.waiting === undefined) this.inner.resume();
    else this.inner.pause();
  }

  /** Can the server take something now? If not, it is given again when it can. */
  private canTake(): boolean {
    const { task } = this.host;
    if (this.state !== 'open' || this.paused) return false;
    if (!task.busy) return true;
    task.run(() => this.toServer.goOn());
    return false;
  }

  /** A segment has reached the device. @returns whether the server has taken it */
  private deliver(bytes: Buffer): boolean {
    if (!this.canTake()) return false;
    const { host, owner } = this;
    // the server's buffer may be shorter than a segment
    this.tell(handler => {
      const len = bytes.copy(host.receiveBuffer(), 0, this.delivered);
      this.delivered += len;
      handler.onData(len);
    });
    if (this.delivered < bytes.length && this.owner === owner) return this.deliver(bytes);
    this.delivered = 0;
    return true;
  }

  /** What the peer has done at last has reached the device. @returns whether the server knows it now */
  private endServer(ending: Ending): boolean {
    if (ending === 'fin') {
      if (!this.canTake()) return false;
      this.tell(owner => owner.onEnd());
      return true;
    }
    // before it was accepted it concerns nobody
    if (this.state === 'open' && !this.canTake() && !this.paused) return false;
    const { owner } = this;
    this.release('close');
    this.tellClose(owner, ending === 'released' ? undefined : ending);
    return true;
  }

  /** A segment has reached the peer. @returns whether its kernel has taken it */
  private sendInner(bytes: Buffer): boolean {
    if (this.inner.pending > 0) return false;
    this.sent += this.inner.send(bytes, this.sent, bytes.length);
    if (this.sent < bytes.length) return false;
    this.sent = 0;
    return true;
  }

  private finishInner(): boolean {
    if (this.state === 'closing') this.release('close');
    else this.inner.shutdown();
    return true;
  }

  /** What the server throws ends this connection only. */
  private tell(callback: (owner: SocketHandler) => void): void {
    const { owner } = this;
    if (owner === undefined) return;
    try {
      callback(owner);
    } catch (thrown) {
      const error = asError(thrown);
      // it may have closed the connection and then thrown
      const told = this.owner;
      this.host.onError(error);
      this.release('reset');
      this.tellClose(told, error);
    }
  }

  private tellClose(owner: SocketHandler | undefined, error: Error | undefined): void {
    try {
      owner?.onClose(error);
    } catch (thrown) {
      this.host.onError(asError(thrown));
    }
  }

  private release(how: 'close' | 'reset'): void {
    if (this.state === 'released') return;
    this.owner = undefined;
    this.state = 'released';
    this.toServer.cut();
    this.toPeer.cut();
    if (!this.peerGone) this.inner[how]();
    this.host.onReleased(this);
  }
}
