/**
 * One direction of a connection over a simulated link: segments that wait for the transmitter, travel, and are
 * acknowledged. Like TCP it loses nothing and keeps the order; like a TCP window it takes no more than may be under way.
 */
import type { Agenda } from './agenda.js';
import type { Air, Way } from './air.js';
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
  /** All bytes have been taken, and this comes behind them. @returns as `onSegment` */
  onEnding(ending: Ending): boolean;
  /** There is room again, after `offer` has taken less than it was given. */
  onRoom(): void;
}

export class Flow {
  private underWay = 0;
  /** When the last segment has left: until then bytes can join it, as Nagle's algorithm has it. */
  private lastLeaves = 0;
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
    private readonly way: Way,
    private readonly random: Random,
    private readonly end: FlowEnd,
  ) {}

  /** Bytes that were taken and are not acknowledged. */
  get length(): number {
    return this.underWay;
  }

  /** Takes as many bytes as the window has room for, by copying them. @returns how many */
  offer(buf: Buffer, from: number, to: number): number {
    const { segmentSize } = this.air.link;
    const room = Math.max(0, this.air.window(this.way) - this.underWay);
    const taken = Math.min(to - from, room);
    const end = from + taken;
    let at = from + this.join(buf, from, end);
    for (; at < end; at += segmentSize) this.launch(Buffer.from(buf.subarray(at, Math.min(at + segmentSize, end))));
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
    this.lastLeaves = this.air.leavesAt(this.way);
  }

  /** Puts bytes into the segment that waits for the transmitter, if there is one with room. @returns how many */
  private join(buf: Buffer, from: number, to: number): number {
    const { travelling, agenda, air } = this;
    const last = travelling.at(-1);
    if (!Buffer.isBuffer(last) || agenda.now >= this.lastLeaves) return 0;
    const joined = Math.min(to - from, air.link.segmentSize - last.length);
    if (joined <= 0) return 0;
    travelling[travelling.length - 1] = Buffer.concat([last, buf.subarray(from, from + joined)]);
    this.underWay += joined;
    air.transmit(this.way, joined, 0);
    return joined;
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
    if (this.air.down) return this.air.whenUp(this.arrive);
    const what = this.travelling.shift();
    if (what !== undefined) this.arrived.push(what);
    this.goOn();
  };

  /** @returns whether to go on */
  private deliverOne(what: Buffer | Ending | undefined): boolean {
    if (what === undefined) return false;
    if (!(Buffer.isBuffer(what) ? this.end.onSegment(what) : this.end.onEnding(what))) return false;
    this.arrived.shift();
    if (!Buffer.isBuffer(what)) return true;
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
