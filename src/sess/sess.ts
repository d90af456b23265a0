/**
 * One session: a socket, what was received and waits, what is to be sent, its deadlines and contexts, and the protocol
 * that looks at its bytes. It ends in one place, `end()`, for one reason.
 */
import { clientGone, ESP_ERR_HTTPD_RESP_SEND, EspError } from '../err.js';
import type { HttpdListener, PortSocket, SocketHandler } from '../port/port.js';
import { Deferred } from '../thenable.js';
import type { Timed } from './deadlines.js';
import { checkHeap } from './heap.js';
import { Input } from './input.js';
import { Overrides } from './overrides.js';
import type { FreeCtxFn, Protocol, SessHost } from './protocol.js';
import { type TxOwner, TxQueue } from './tx.js';

/** So many received bytes may wait for a running handler before reading stops. */
const HOLD_MAX = 64 * 1024;
/** So many bytes are discarded after the last one was sent, before the connection is reset. */
const LINGER_BYTES = 64 * 1024 * 1024;
/** To look at the head of a request, and at its body, which came in one segment. */
const DUE = 2;
/** Shared by all sends that need not wait. */
const RESOLVED = Promise.resolve();

const OPEN = 0;
/** What is queued still goes out, nothing more is looked at. */
const FINISHING = 1;
/** The session is over and FIN has been sent; what still comes is discarded, so that no reset destroys our last answer. */
const LINGERING = 2;
/** The socket has been released. */
const ENDED = 3;

export class Sess implements SocketHandler, TxOwner, Timed {
  protocol!: Protocol;
  readonly input: Input;
  readonly tx: TxQueue;
  /** Neighbours in the order of last use; the table keeps them. */
  lruPrev: Sess | undefined;
  lruNext: Sess | undefined;
  ctx: unknown;
  freeCtx: FreeCtxFn | undefined;
  ignoreCtxChanges = false;
  transport: { readonly ctx: unknown; readonly freeFn: FreeCtxFn | undefined } | undefined;
  overrides: Overrides | undefined;
  /** Has the peer sent FIN? */
  peerEnded = false;
  /** Is it in the table of sessions? The table says so. */
  listed = false;
  /** When the peer has shown life, by what it sent or took, in ms, rounded up to a sweep. */
  heardAt: number;
  private state = OPEN;
  /** When the protocol's patience ends, on the clock of `deadlines`; 0 is never. */
  private rxDeadline = 0;
  private txDeadline = 0;
  /** Was more queued than a reader that keeps up would leave, and `onDrain` has not been called since? */
  private drains = false;
  /** Steps that it may take whatever others have done in this turn, since something has come. */
  private due = 0;
  private paused = false;
  private pumping = false;
  private lingered = 0;
  private finishReason = '';
  private room: Deferred | undefined;

  constructor(
    /** The number by which applications know this session. Never used again. */
    readonly fd: number,
    readonly sock: PortSocket,
    /** What the connection has come by. */
    readonly listener: HttpdListener,
    private readonly host: SessHost,
  ) {
    this.input = new Input(host.receive);
    this.tx = new TxQueue(sock, host.outbox, this);
    this.heardAt = host.deadlines.nextSweep;
  }

  /** The time, in ms, on the clock of the deadlines. */
  get now(): number {
    return this.host.deadlines.clock.now();
  }

  /** When the deadlines are looked at next, while any is set: what happens now is taken to happen then. Costs no call. */
  get nextSweep(): number {
    return this.host.deadlines.nextSweep;
  }

  get open(): boolean {
    return this.state === OPEN;
  }

  /** Has all ended but the socket, which may linger? */
  get over(): boolean {
    return this.state >= LINGERING;
  }

  get ended(): boolean {
    return this.state === ENDED;
  }

  /** May it be purged to make room for another? */
  get purgeable(): boolean {
    return !this.protocol.busy && this.state === OPEN && this.tx.pending === 0;
  }

  /** Has reading stopped, since too much waits for a handler? */
  get heldBack(): boolean {
    return this.paused;
  }

  /** Is more queued than a reader that keeps up would leave? */
  get txFull(): boolean {
    return this.tx.queued > this.host.txHighWater || this.tx.pending > this.host.txHighWater;
  }

  /** `onDeadline` is called in `ms`; 0 means never. */
  setDeadline(ms: number): void {
    this.setDeadlineAt(ms === 0 ? 0 : this.now + ms);
  }

  /** `onDeadline` is called at that time; 0 means never. */
  setDeadlineAt(time: number): void {
    if (this.state !== OPEN) return;
    this.rxDeadline = time;
    if (time !== 0) this.host.deadlines.arm();
  }

  /** May it take another step, such as to look at a request or a frame? If not, it goes on when others have had their turn. */
  mayGoOn(cost = 1): boolean {
    const due = this.due > 0;
    if (due) this.due -= 1;
    return this.host.budget.spend(this, cost, due);
  }

  /** Goes on with what waits: a handler has ended, or there is room to send again. */
  pump(): void {
    if (this.pumping || this.state !== OPEN) return;
    const { input } = this;
    const { budget } = this.host;
    this.pumping = true;
    try {
      let again = this.protocol.unfinished;
      while (this.open && (again || input.length > 0) && !this.txFull && !this.protocol.blocked) {
        if (budget.waits(this) || !(input.open() || again)) break;
        const { protocol } = this;
        again = false;
        protocol.run(input);
        // what it left needs what comes behind; but after an upgrade it is for the new protocol
        if (input.to === input.from || protocol.blocked || this.protocol !== protocol || budget.waits(this)) continue;
        if (!input.refill()) break;
      }
      // no more bytes will come: the protocol has none left, or too few to go on
      const starved = input.length === 0 || this.protocol.endsWithPeer || !(this.protocol.blocked || this.txFull);
      if (this.peerEnded && this.open && starved && !(this.protocol.unfinished || budget.waits(this)))
        this.protocol.onPeerEnd();
    } catch (thrown) {
      this.fault(thrown);
    } finally {
      this.pumping = false;
    }
    this.holdBack(this.open && input.length >= HOLD_MAX);
  }

  /** @throws EspError ESP_ERR_HTTPD_RESP_SEND if nothing can be sent any more */
  checkOpen(): void {
    if (!this.open)
      throw clientGone(ESP_ERR_HTTPD_RESP_SEND, `session ${this.fd} is closing; nothing can be sent any more`);
  }

  /**
   * Is there room for another send? If not, and `txOverflow` is 'close', the session ends as soon as the code that sends
   * has returned.
   *
   * @param held bytes that wait elsewhere to be sent
   */
  hasRoom(held = 0): boolean {
    const { maxTxPending, txOverflow, heap } = this.host;
    const { tx } = this;
    if (heap !== undefined && heap.free <= 0) return false;
    if (tx.pending + held < maxTxPending) return true;
    // the reader may be fast, and much be sent in one turn
    tx.flushInCall();
    if (!this.open) return false;
    if (tx.pending + held < maxTxPending) return true;
    if (txOverflow === 'close') this.endSoon(`more than ${maxTxPending} bytes to send (maxTxPending)`);
    return false;
  }

  /**
   * The same, for one that is told.
   *
   * @param droppable may the message be left out without harm to those that follow?
   * @returns false if the message is to be dropped
   * @throws EspError ESP_ERR_HTTPD_RESP_SEND
   */
  admit(droppable: boolean, held = 0): boolean {
    this.checkOpen();
    if (this.hasRoom(held)) return true;
    if (this.ended) this.checkOpen();
    if (this.host.heap !== undefined) checkHeap(this.host.heap, 'a send');
    const { maxTxPending, txOverflow } = this.host;
    if (txOverflow === 'drop' && droppable) return false;
    // a part of a message that can't be dropped: what follows would make no sense
    if (txOverflow === 'drop') this.endSoon('a part of a message had no room (maxTxPending)');
    throw new EspError(
      ESP_ERR_HTTPD_RESP_SEND,
      `session ${this.fd} has ${maxTxPending} bytes to send already (config.maxTxPending); await each send`,
    );
  }

  /** What a sender waits for, after it has written to `tx`: nothing while the reader keeps up. */
  sent(): Promise<void> {
    if (!this.txFull) return RESOLVED;
    // sending now keeps memory low when one handler sends much in one turn
    this.tx.flushInCall();
    return this.txFull && this.open ? this.whenRoom() : RESOLVED;
  }

  /** Queues bytes that many sessions get, for one that does not wait. They must never change. */
  sendToMany(bytes: Buffer): void {
    this.tx.share(bytes);
    if (this.txFull) this.drains = true;
  }

  /** Ends the session behind the code that runs now, which may be sending to many. */
  private endSoon(reason: string): void {
    this.state = FINISHING;
    this.finishReason = reason;
    this.rxDeadline = this.txDeadline = 0;
    queueMicrotask(() => this.host.contexts.run(this.reset, this, reason));
  }

  /** Ends the session now, with RST. */
  reset(reason: string): void {
    this.end(reason, 'reset');
  }

  /** Resolves when the reader has caught up; rejects when the session ends first. */
  private whenRoom(): Promise<void> {
    this.drains = true;
    this.room ??= new Deferred();
    return this.room.promise;
  }

  /**
   * Sends what is queued, then FIN; discards what still comes until the peer ends too, within bounds.
   *
   * @param within ms for all that is queued; 0: as long as sends make progress
   */
  finish(reason: string, within = 0): void {
    if (this.state !== OPEN) return;
    this.setDeadline(within);
    this.state = FINISHING;
    this.finishReason = reason;
    this.input.clear();
    this.holdBack(false);
    if (this.tx.pending === 0) this.linger();
    else this.armTx();
  }

  /** Ends the session now. What is queued is lost. */
  end(reason: string, how: 'close' | 'reset' = 'close'): void {
    if (this.state === ENDED) return;
    const lingered = this.over;
    this.state = ENDED;
    this.rxDeadline = this.txDeadline = 0;
    this.input.clear();
    const unsent = this.tx.pending;
    this.tx.clear();
    try {
      // its callbacks may still ask the socket
      if (!lingered) this.conclude(reason, unsent);
    } finally {
      this.sock[how]();
      this.host.onReleased(this);
    }
  }

  /** The session is over: settles what waits for it, and tells the application. */
  private conclude(reason: string, unsent: number): void {
    this.overrides?.stop();
    try {
      this.protocol.onEnded(reason, unsent);
    } catch (thrown) {
      this.host.onFault(this, thrown);
    }
    this.room?.reject(clientGone(ESP_ERR_HTTPD_RESP_SEND, `session ${this.fd} ended during a send: ${reason}`));
    this.host.onOver(this, reason);
  }

  onData(len: number): void {
    this.host.contexts.run(this.received, this, len);
  }

  onEnd(): void {
    this.host.contexts.run(this.onPeerEnd, this, undefined);
  }

  onWritable(): void {
    if (this.over) return;
    // it has taken what was sent before
    this.heardAt = this.host.deadlines.nextSweep;
    try {
      this.tx.onWritable();
    } catch (thrown) {
      this.fault(thrown);
    }
  }

  onClose(error: Error | undefined): void {
    const reason = error === undefined ? 'closed by the peer' : `connection lost: ${error.message}`;
    this.host.contexts.run(this.end, this, reason);
  }

  private received(len: number): void {
    this.due = DUE;
    this.host.stats.received += len;
    this.host.onActive(this);
    this.heardAt = this.host.deadlines.nextSweep;
    if (this.state !== OPEN) {
      this.lingered += len;
      if (this.lingered > LINGER_BYTES) this.end(this.finishReason, 'reset');
    } else if (this.overrides?.recv !== undefined) {
      this.receiveOverridden(this.overrides, len);
    } else {
      this.input.arrive(len);
      this.pump();
    }
  }

  /** It had to wait for this turn. */
  goOn(): void {
    this.host.contexts.run(this.pump, this, undefined);
  }

  private onPeerEnd(): void {
    this.peerEnded = true;
    if (this.state === LINGERING) this.end(this.finishReason);
    else if (this.state === OPEN && !this.pumping) this.pump();
  }

  onTxProgress(sent: number, blocked: boolean, inCall: boolean): void {
    if (this.over) return;
    this.host.stats.sent += sent;
    if (sent > 0) this.host.onActive(this);
    if (!blocked) this.txDeadline = 0;
    else if (sent > 0 || this.txDeadline === 0) this.armTx();
    if (this.state === FINISHING) {
      if (this.tx.pending === 0) this.host.contexts.run(this.linger, this, undefined);
      return;
    }
    if (this.drains && this.tx.pending * 2 <= this.host.txHighWater) {
      this.room?.resolve();
      this.room = undefined;
      if (!inCall) {
        this.drains = false;
        this.host.contexts.run(this.host.onDrain, this.host, this);
      }
    }
    if (!inCall && (this.input.length > 0 || this.protocol.unfinished) && !this.pumping && !this.txFull) {
      this.goOn();
    }
  }

  /** Runs what a promise goes on with: what it throws ends the session, and not the process. */
  guard(code: () => void): void {
    try {
      code();
    } catch (thrown) {
      this.fault(thrown);
    }
  }

  sweep(now: number): boolean {
    const { contexts } = this.host;
    if (this.txDeadline !== 0 && now >= this.txDeadline) contexts.run(this.onTxDeadline, this, undefined);
    else if (this.rxDeadline !== 0 && now >= this.rxDeadline) contexts.run(this.onRxDeadline, this, undefined);
    return this.rxDeadline !== 0 || this.txDeadline !== 0;
  }

  private onTxDeadline(): void {
    this.host.stats.sendTimeouts += 1;
    this.end('the peer did not read what it was sent', 'reset');
  }

  private onRxDeadline(): void {
    this.rxDeadline = 0;
    if (this.state === OPEN) this.guard(() => this.protocol.onDeadline());
    else this.end(this.finishReason, this.state === FINISHING ? 'reset' : 'close');
  }

  /** The session's overrides, made when first asked for. */
  override(): Overrides {
    this.overrides ??= new Overrides(
      this.host.receive,
      this.sock,
      (what, thrown) => {
        if (thrown !== undefined) this.host.onFault(this, thrown);
        this.end(what);
      },
      this.host.deadlines.clock,
      () => this.onWritable(),
    );
    return this.overrides;
  }

  private receiveOverridden(overrides: Overrides, len: number): void {
    this.guard(() =>
      overrides.receive(len, bytes => {
        this.input.arrive(bytes.copy(this.host.receive.claim()));
        this.pump();
        return this.open;
      }),
    );
  }

  onTxFault(thrown: unknown): void {
    this.fault(thrown);
  }

  /** Something threw where nothing may: ends the session, and nothing else. */
  fault(thrown: unknown): void {
    this.host.onFault(this, thrown);
    this.end('internal error', 'reset');
  }

  /** All is sent. */
  private linger(): void {
    this.txDeadline = 0;
    if (this.host.lingerMs === 0) return this.end(this.finishReason, 'reset');
    this.sock.shutdown();
    if (this.peerEnded) return this.end(this.finishReason);
    this.state = LINGERING;
    this.rxDeadline = this.now + this.host.lingerMs;
    this.host.deadlines.arm();
    this.conclude(this.finishReason, 0);
  }

  private armTx(): void {
    this.txDeadline = this.now + this.host.sendWaitMs;
    this.host.deadlines.arm();
  }

  private holdBack(hold: boolean): void {
    if (hold === this.paused || this.state === ENDED) return;
    this.paused = hold;
    if (!hold) return this.sock.resume();
    this.sock.pause();
    this.protocol.onHeldBack?.();
  }
}
