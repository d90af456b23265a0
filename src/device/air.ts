/** What all connections of a device share: one radio, which one segment at a time goes through, and which may be down. */
import type { Agenda } from './agenda.js';
import type { LinkSettings } from './profile.js';

export class Air {
  /** Until then nothing gets through, on the agenda's clock. */
  downUntil = Number.NEGATIVE_INFINITY;
  /** Payload, in bytes. */
  bytesUp = 0;
  bytesDown = 0;
  /** When the transmitter is free. */
  private readonly freeAt = { up: 0, down: 0 };
  /** When the last segment arrives: the radio keeps the order, of all connections. */
  private readonly lastArrival = { up: 0, down: 0 };

  constructor(
    private readonly agenda: Agenda,
    public link: LinkSettings,
  ) {}

  get down(): boolean {
    return this.agenda.now < this.downUntil;
  }

  /** Bytes of one connection that may be under way. */
  window(way: 'up' | 'down'): number {
    return way === 'up' ? this.link.transmitWindow : this.link.receiveWindow;
  }

  /**
   * Sends so many bytes, behind all others.
   *
   * @param chance how late it is among what the jitter allows, 0 to 1
   * @returns when they arrive
   */
  transmit(way: 'up' | 'down', bytes: number, chance: number): number {
    if (way === 'up') this.bytesUp += bytes;
    else this.bytesDown += bytes;
    const { bandwidthUp, bandwidthDown, latencyMs, jitterMs } = this.link;
    const start = Math.max(this.agenda.now, this.freeAt[way], this.downUntil);
    this.freeAt[way] = start + (bytes * 8000) / (way === 'up' ? bandwidthUp : bandwidthDown);
    this.lastArrival[way] = Math.max(this.lastArrival[way], this.freeAt[way] + latencyMs + chance * jitterMs);
    return this.lastArrival[way];
  }
}
