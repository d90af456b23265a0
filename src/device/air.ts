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

  /** Sends so many bytes, behind all others. @returns when they have left */
  transmit(way: 'up' | 'down', bytes: number): number {
    if (way === 'up') this.bytesUp += bytes;
    else this.bytesDown += bytes;
    const rate = way === 'up' ? this.link.bandwidthUp : this.link.bandwidthDown;
    const start = Math.max(this.agenda.now, this.freeAt[way], this.downUntil);
    this.freeAt[way] = start + (bytes * 8000) / rate;
    return this.freeAt[way];
  }
}
