/** What is to happen on a simulated device, in the order of its time, on one clock and with one timer. */
import type { Clock } from '../sess/deadlines.js';

interface Entry {
  readonly time: number;
  /** What was planned first comes first. */
  readonly order: number;
  readonly act: () => void;
}

/** After so many entries other events of the loop have their turn. */
const AT_A_TIME = 1_000;

export class Agenda {
  /** A binary heap: each entry comes before those at twice its place, and one and two more. */
  private entries: Entry[] = [];
  private planned = 0;
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
    this.planned += 1;
    const entry = { time, order: this.planned, act };
    let place = entries.length;
    entries.push(entry);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isBefore(entry, entries[parent] as Entry)) break;
      entries[place] = entries[parent] as Entry;
      place = parent;
    }
    entries[place] = entry;
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
    try {
      for (let i = 0; i < AT_A_TIME; i++) {
        const first = this.takeDue(now);
        if (first === undefined) break;
        this.under = first.time;
        try {
          first.act();
        } catch (thrown) {
          this.onFault(thrown);
        }
      }
    } finally {
      this.under = undefined;
      this.arm();
    }
  }

  private takeDue(now: number): Entry | undefined {
    const { entries } = this;
    const [first] = entries;
    if (first === undefined || first.time > now) return undefined;
    const last = entries.pop() as Entry;
    if (entries.length > 0) this.sink(last);
    return first;
  }

  /** Finds the place of an entry, from the top. */
  private sink(entry: Entry): void {
    const { entries } = this;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= entries.length) break;
      if (child + 1 < entries.length && isBefore(entries[child + 1] as Entry, entries[child] as Entry)) child += 1;
      if (!isBefore(entries[child] as Entry, entry)) break;
      entries[place] = entries[child] as Entry;
      place = child;
    }
    entries[place] = entry;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
