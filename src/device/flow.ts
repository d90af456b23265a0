/**
 * One direction of a connection over a simulated link: segments that wait for the transmitter, travel, and are
 * acknowledged. Like TCP it loses nothing and keeps the order; like a TCP window it takes no more than may be under way.
 */
import type { Agenda } from './agenda.js';
import type { Air } from './air.js';
import type { Random } from './random.js';

/** What comes behind the last byte. */
export type Ending = 'fin' | 'released' | Error;

/** Where a flow leads. */
export interface FlowEnd {
  /**
   * A segment has arrived. It may be kept.
   *
   * @returns whether it was taken; else `Flow.goOn` is called later, and it comes again
   */
  onSegment(bytes: Buffer): boolean;
  /** All bytes have been taken, and this comes behind them. */
  onEnding(ending: Ending): void;
  /** There is room again, after `offer` has taken less than it was given. */
  onRoom(): void;
}

export class Flow {
  /** Bytes that were taken and are not acknowledged. */
  private underWay = 0;
  /** Has `offer` taken less than it was given? */
  private wanted = false;
  /** No segment arrives before the one in front of it. */
  private lastArrival = 0;
  /** What has not arrived yet, in its order. */
  private readonly travelling: (Buffer | Ending)[] = [];
  /** What has arrived and is not taken. */
  private readonly arrived: (Buffer | Ending)[] = [];
  private delivering = false;
  private over = false;

  constructor(
    private readonly agenda: Agenda,
    private readonly air: Air,
    private readonly way: 'up' | 'down',
    private readonly random: Random,
    private readonly end: FlowEnd,
  ) {}

  /** Has everything that was taken arrived and been taken on? */
  get empty(): boolean {
    return this.underWay === 0;
  }

  /** Takes as many bytes as the window has room for, by copying them. @returns how many */
  offer(buf: Buffer, from: number, to: number): number {
    const { segmentSize } = this.air.link;
    const room = Math.max(0, this.air.window(this.way) - this.underWay);
    const taken = Math.min(to - from, room);
    for (let at = from; at < from + taken; at += segmentSize) {
      this.launch(Buffer.from(buf.subarray(at, Math.min(at + segmentSize, from + taken))));
    }
    if (taken < to - from) this.wanted = true;
    return taken;
  }

  /** Behind all bytes. */
  finish(ending: Ending): void {
    this.send(this.travel(0), ending);
  }

  /** What has arrived can be taken now. */
  goOn(): void {
    if (this.delivering) return;
    this.delivering = true;
    try {
      while (!this.over && this.deliverOne(this.arrived[0]));
    } finally {
      this.delivering = false;
    }
  }

  /** Nothing arrives any more. */
  cut(): void {
    this.over = true;
    this.travelling.length = this.arrived.length = 0;
  }

  private launch(bytes: Buffer): void {
    this.underWay += bytes.length;
    this.send(this.travel(bytes.length), bytes);
  }

  /** @returns when a segment of so many bytes that leaves now arrives */
  private travel(bytes: number): number {
    const { stallChance, stallMs } = this.air.link;
    // always as many numbers, so that a change of the link does not shift what comes
    const [late, stalled] = [this.random(), this.random()];
    const arrival = this.air.transmit(this.way, bytes, late);
    this.lastArrival = Math.max(this.lastArrival, arrival + (stalled < stallChance ? stallMs : 0));
    return this.lastArrival;
  }

  private send(time: number, what: Buffer | Ending): void {
    this.travelling.push(what);
    this.agenda.at(time, this.arrive);
  }

  /** The next one has arrived, whichever this was planned for. */
  private readonly arrive = (): void => {
    if (this.over) return;
    // it was sent again and again, and gets through when it can
    if (this.air.down) return this.agenda.at(this.air.downUntil, this.arrive);
    const what = this.travelling.shift();
    if (what !== undefined) this.arrived.push(what);
    this.goOn();
  };

  /** @returns whether to go on */
  private deliverOne(what: Buffer | Ending | undefined): boolean {
    if (what === undefined) return false;
    if (!Buffer.isBuffer(what)) {
      this.arrived.shift();
      this.end.onEnding(what);
      return true;
    }
    if (!this.end.onSegment(what)) return false;
    this.arrived.shift();
    this.agenda.at(this.agenda.now + this.air.link.latencyMs, () => this.acknowledge(what.length));
    return true;
  }

  private acknowledge(bytes: number): void {
    this.underWay -= bytes;
    if (this.over || !this.wanted) return;
    // a sender is woken for a whole segment, or when nothing else would wake it
    const room = this.air.window(this.way) - this.underWay;
    if (room < this.air.link.segmentSize && this.underWay > 0) return;
    this.wanted = false;
    this.end.onRoom();
  }
}
