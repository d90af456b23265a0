/** What is to happen on a simulated device, in the order of its time, on one clock and with one timer. */
import type { Clock } from '../sess/deadlines.js';

interface Entry {
  readonly time: number;
  readonly act: () => void;
}

export class Agenda {
  /** By time; what was planned first comes first. */
  private entries: Entry[] = [];
  /** The time of the entry that is under way: what it brings about is reckoned from there, however late a timer was. */
  private under: number | undefined;
  private cancel: (() => void) | undefined;
  private waitingFor = Number.POSITIVE_INFINITY;

  /** @param onFault gets what an entry has thrown; the others go on */
  constructor(
    readonly clock: Clock,
    private readonly onFault: (thrown: unknown) => void,
  ) {}

  /** In ms, on the clock. */
  get now(): number {
    return this.under ?? this.clock.now();
  }

  /** Calls `act` at `time`, or as soon as it can. */
  at(time: number, act: () => void): void {
    const { entries } = this;
    let [place, end] = [0, entries.length];
    while (place < end) {
      const middle = (place + end) >>> 1;
      if ((entries[middle] as Entry).time > time) end = middle;
      else place = middle + 1;
    }
    entries.splice(place, 0, { time, act });
    if (place === 0 && this.under === undefined) this.arm();
  }

  /** Forgets all. */
  clear(): void {
    this.entries = [];
    this.cancel?.();
    this.cancel = undefined;
  }

  private arm(): void {
    const [first] = this.entries;
    if (first === undefined || (this.cancel !== undefined && this.waitingFor <= first.time)) return;
    this.cancel?.();
    this.waitingFor = first.time;
    this.cancel = this.clock.after(Math.max(0, first.time - this.clock.now()), () => this.run());
  }

  private run(): void {
    this.cancel = undefined;
    const now = this.clock.now();
    for (;;) {
      const [first] = this.entries;
      if (first === undefined || first.time > now) break;
      this.entries.shift();
      this.under = first.time;
      try {
        first.act();
      } catch (thrown) {
        this.onFault(thrown);
      }
    }
    this.under = undefined;
    this.arm();
  }
}
