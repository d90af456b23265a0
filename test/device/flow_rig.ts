/** Flows by themselves: what goes in at which time, and what comes out. */
import { Agenda } from '../../src/device/agenda.js';
import { Air } from '../../src/device/air.js';
import { type Ending, Flow } from '../../src/device/flow.js';
import type { LinkSettings } from '../../src/device/profile.js';
import { ManualClock } from '../support/clock.js';
import { PLAIN_LINK } from './support.js';

/** Begins at 0 ms. */
export class Rig {
  readonly clock = new ManualClock(0);
  readonly faults: unknown[] = [];
  readonly agenda = new Agenda(this.clock, thrown => this.faults.push(thrown));
  readonly air: Air;

  constructor(link: Partial<LinkSettings> = {}) {
    this.air = new Air(this.agenda, { ...PLAIN_LINK, ...link });
  }

  flow(way: 'up' | 'down' = 'up', chances: readonly number[] = []): Sink {
    return new Sink(this, way, chances);
  }
}

/** A flow, and what has come out of it: `[time, bytes or ending]`. */
export class Sink {
  readonly flow: Flow;
  readonly seen: [time: number, what: number | Ending][] = [];
  readonly bytes: Buffer[] = [];
  readonly rooms: number[] = [];
  drawn = 0;
  takes = true;
  /** Is called when a segment comes, and when there is room. */
  onSegment = (): void => {};
  onRoom = (): void => {};

  constructor(rig: Rig, way: 'up' | 'down', chances: readonly number[]) {
    const random = (): number => {
      const chance = chances[this.drawn % Math.max(1, chances.length)] ?? 0;
      this.drawn += 1;
      return chance;
    };
    this.flow = new Flow(rig.agenda, rig.air, way, random, {
      onSegment: bytes => {
        this.onSegment();
        if (!this.takes) return false;
        this.seen.push([rig.agenda.now, bytes.length]);
        this.bytes.push(bytes);
        return true;
      },
      onEnding: ending => {
        if (this.takes) this.seen.push([rig.agenda.now, ending]);
        return this.takes;
      },
      onRoom: () => {
        this.rooms.push(rig.agenda.now);
        this.onRoom();
      },
    });
  }

  offer(len: number): number {
    return this.flow.offer(Buffer.alloc(len), 0, len);
  }

  /** Offers until all has been taken, as a session does. */
  sendAll(len: number): void {
    let left = len;
    this.onRoom = () => {
      if (left > 0) left -= this.offer(left);
    };
    this.onRoom();
  }

  get times(): number[] {
    return this.seen.map(([time]) => time);
  }
}
