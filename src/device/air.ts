/** What all connections of a device share: one radio, which one segment at a time goes through, and which may be down. */
import type { Agenda } from './agenda.js';
import { Gate } from './gate.js';
import type { LinkSettings } from './profile.js';

/** To the clients, or to the device. */
export type Way = 'up' | 'down';

export class Air {
  /** Payload, in bytes. */
  bytesUp = 0;
  bytesDown = 0;
  private readonly gate: Gate;
  private downSince = 0;
  /** When the transmitter is free. */
  private freeAt = { up: 0, down: 0 };
  /** When the last segment arrives: the radio keeps the order, of all connections. */
  private lastArrival = { up: 0, down: 0 };

  constructor(
    private readonly agenda: Agenda,
    public link: LinkSettings,
  ) {
    this.gate = new Gate(agenda);
  }

  get down(): boolean {
    return this.gate.shut;
  }

  /** Nothing gets through for so many ms. @returns since when, and until when, nothing does */
  lose(ms: number): { since: number; until: number } {
    const { agenda, gate } = this;
    if (!gate.shut) this.downSince = agenda.now;
    gate.shutUntil(agenda.now + ms);
    return { since: this.downSince, until: gate.opensAt };
  }

  /** Calls `act` as soon as segments get through: now, if they do. */
  whenUp(act: () => void): void {
    this.gate.pass(act);
  }

  /** Segments get through now. */
  restore(): void {
    this.gate.open();
  }

  /** The device boots: nothing is on its way any more. */
  boot(): void {
    this.freeAt = { up: 0, down: 0 };
    this.lastArrival = { up: 0, down: 0 };
  }

  /** Bytes of one connection that may be under way. */
  window(way: Way): number {
    return way === 'up' ? this.link.transmitWindow : this.link.receiveWindow;
  }

  /** When what was sent last has left. */
  leavesAt(way: Way): number {
    return this.freeAt[way];
  }

  /**
   * Sends so many bytes, behind all others.
   *
   * @param chance how late it is among what the jitter allows, 0 to 1
   * @returns when they arrive
   */
  transmit(way: Way, bytes: number, chance: number): number {
    if (way === 'up') this.bytesUp += bytes;
    else this.bytesDown += bytes;
    const { bandwidthUp, bandwidthDown, latencyMs, jitterMs } = this.link;
    const start = Math.max(this.agenda.now, this.freeAt[way], this.gate.opensAt);
    this.freeAt[way] = start + (bytes * 8000) / (way === 'up' ? bandwidthUp : bandwidthDown);
    this.lastArrival[way] = Math.max(this.lastArrival[way], this.freeAt[way] + latencyMs + chance * jitterMs);
    return this.lastArrival[way];
  }
}
