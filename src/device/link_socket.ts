/**
 * One connection of a device: stands between the select loop's socket and the session, as the owner of the one and the
 * socket of the other.
 */
import { asError, type PortSocket, type SocketHandler, type TlsInfo } from '../port/port.js';
import type { Agenda } from './agenda.js';
import type { Air } from './air.js';
import { type Ending, Flow } from './flow.js';
import { type Random, randomFrom, seedOf } from './random.js';
import type { ServerTask } from './task.js';

/** What is under way when the server closes a connection may take so many ms, as lwIP waits in FIN_WAIT_2 (TCP_FIN_WAIT_TIMEOUT). */
const FIN_WAIT_MS = 20_000;

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
  /** The connection is gone, on both sides. */
  readonly onReleased: (socket: LinkSocket) => void;
}

export class LinkSocket implements PortSocket, SocketHandler {
  private readonly toPeer: Flow;
  private readonly toServer: Flow;
  /** Who is told what happens; undefined before the server has accepted, and when it has let go. */
  private owner: SocketHandler | undefined;
  /** Bytes that have come and wait for the window. */
  private waiting: Buffer | undefined;
  /** What comes behind them. */
  private endings: Ending[] = [];
  /** How much of the segment that has reached the peer its kernel has taken, and of the other one the server. */
  private sent = 0;
  private delivered = 0;
  private accepted = false;
  private paused = false;
  /** Has the server let go, while bytes are under way to the peer? */
  private closing = false;
  /** Has the peer gone? */
  private peerGone = false;
  private released = false;

  constructor(
    private readonly inner: PortSocket,
    private readonly host: LinkHost,
    seed: number,
  ) {
    const flow = (way: 'up' | 'down', random: Random, onSegment: (bytes: Buffer) => boolean): Flow =>
      new Flow(host.agenda, host.air, way, random, {
        onSegment,
        onEnding: ending => (way === 'up' ? this.finishInner() : this.endServer(ending)),
        onRoom: () => (way === 'up' ? this.tell(owner => owner.onWritable()) : this.moveOn()),
      });
    this.toPeer = flow('up', randomFrom(seedOf(seed, 0)), bytes => this.sendInner(bytes));
    this.toServer = flow('down', randomFrom(seedOf(seed, 1)), bytes => this.deliver(bytes));
  }

  get remoteAddress(): string {
    return this.inner.remoteAddress;
  }

  get remotePort(): number {
    return this.inner.remotePort;
  }

  get localAddress(): string {
    return this.inner.localAddress;
  }

  get localPort(): number {
    return this.inner.localPort;
  }

  get tls(): TlsInfo | undefined {
    return this.inner.tls;
  }

  /** What is under way has been taken by the device's kernel. */
  get pending(): number {
    return 0;
  }

  /** The server accepts it: the peer's first bytes may come. */
  open(accept: (socket: PortSocket) => SocketHandler | undefined): void {
    if (this.released) return;
    this.accepted = true;
    try {
      this.owner = accept(this);
    } catch (thrown) {
      this.host.onError(asError(thrown));
      return this.reset();
    }
    this.toServer.goOn();
  }

  send(buf: Buffer, from: number, to: number): number {
    if (this.closing || this.released) return 0;
    const { task } = this.host;
    if (!task.busy) return this.toPeer.offer(buf, from, to);
    task.run(() => this.tell(owner => owner.onWritable()));
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
    this.toPeer.finish('fin');
  }

  close(): void {
    if (this.closing || this.released) return;
    this.owner = undefined;
    this.closing = true;
    // what the kernel has taken still leaves, and the FIN behind it
    this.toServer.cut();
    if (this.peerGone) return this.release('close');
    this.toPeer.finish('released');
    const { agenda } = this.host;
    agenda.at(agenda.now + FIN_WAIT_MS, () => this.release('reset'));
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
    this.endBehind('fin');
  }

  onWritable(): void {
    this.toPeer.goOn();
  }

  onClose(error: Error | undefined): void {
    this.peerGone = true;
    this.toPeer.cut();
    if (this.closing) this.release('close');
    else this.endBehind(error ?? 'released');
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

  private endBehind(ending: Ending): void {
    this.endings.push(ending);
    this.moveOn();
  }

  /** A segment has reached the device. @returns whether the server has taken it */
  private deliver(bytes: Buffer): boolean {
    const { host, owner } = this;
    if (!this.accepted || this.paused) return false;
    if (owner === undefined) return true;
    if (host.task.busy) {
      host.task.run(() => this.toServer.goOn());
      return false;
    }
    // the server's buffer may be shorter than a segment
    this.guard(() => {
      const len = bytes.copy(host.receiveBuffer(), 0, this.delivered);
      this.delivered += len;
      owner.onData(len);
    });
    if (this.delivered < bytes.length && this.owner === owner) return this.deliver(bytes);
    this.delivered = 0;
    return true;
  }

  private endServer(ending: Ending): void {
    const { owner } = this;
    this.host.task.run(() => {
      if (ending === 'fin') return this.tell(handler => handler.onEnd());
      // it was not accepted yet, or has been let go already
      this.release('close');
      this.tellClose(owner, ending === 'released' ? undefined : ending);
    });
  }

  /** A segment has reached the peer. @returns whether its kernel has taken it */
  private sendInner(bytes: Buffer): boolean {
    if (this.peerGone) return true;
    if (this.inner.pending > 0) return false;
    this.sent += this.inner.send(bytes, this.sent, bytes.length);
    if (this.sent < bytes.length) return false;
    this.sent = 0;
    return true;
  }

  private finishInner(): void {
    if (this.closing) this.release('close');
    else if (!this.peerGone) this.inner.shutdown();
  }

  private tell(callback: (owner: SocketHandler) => void): void {
    const { owner } = this;
    if (owner !== undefined) this.guard(() => callback(owner));
  }

  /** What the server throws ends this connection only. */
  private guard(callback: () => void): void {
    try {
      callback();
    } catch (thrown) {
      // it may have closed the connection and then thrown
      const { owner } = this;
      const error = asError(thrown);
      this.host.onError(error);
      this.release('reset');
      this.tellClose(owner, error);
    }
  }

  private tellClose(owner: SocketHandler | undefined, error: Error | undefined): void {
    this.guard(() => owner?.onClose(error));
  }

  private release(how: 'close' | 'reset'): void {
    this.owner = undefined;
    this.toServer.cut();
    this.toPeer.cut();
    if (this.released) return;
    this.released = true;
    if (!this.peerGone) this.inner[how]();
    this.host.onReleased(this);
  }
}
