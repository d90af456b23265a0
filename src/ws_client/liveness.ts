/**
 * Is the server still there? It has to answer Pings, to take what is sent, and to end frames that it has begun.
 */
import type { ConnectionHost } from './connection_host.js';
import { Deadline } from './deadline.js';
import { type EspWebsocketError, lateError, pongError } from './errors.js';
import type { Tx } from './tx.js';

/** The connection that is watched. */
export interface Watched {
  /** Does it not read? */
  readonly held: boolean;
  /** Has a frame begun that is not complete? */
  readonly incomplete: boolean;
  /** What it has to send. */
  readonly tx: Tx;
  sendPing(): void;
  end(error: EspWebsocketError): void;
}

export class Liveness {
  /** Has anything come since the deadline for the rest of a frame was set? */
  private heard = false;
  /** Bytes that the system had taken when the deadline for more was set. */
  private taken = 0;
  private readonly ping: Deadline;
  private readonly pong: Deadline;
  private readonly progress: Deadline;
  private readonly rest: Deadline;

  constructor(
    private readonly host: ConnectionHost,
    private readonly watched: Watched,
  ) {
    const { contexts, client } = host;
    const deadline = (missed: () => void): Deadline =>
      new Deadline(client.clock, () => contexts.run(missed, this, undefined));
    this.ping = deadline(this.onPingDue);
    this.pong = deadline(this.onPongDue);
    this.progress = deadline(this.onNoProgress);
    this.rest = deadline(this.onRestDue);
  }

  /** Pings so often from now on. @param ms 0 is never */
  setPing(ms: number): void {
    if (ms > 0) this.ping.set(ms);
    else this.ping.clear();
  }

  /** Something has come. */
  received(): void {
    this.heard = true;
    if (this.pong.running) this.pong.clear();
  }

  /** What has come has been looked at. */
  looked(): void {
    if (!this.watched.incomplete || this.rest.running) return;
    this.heard = false;
    this.rest.set(this.host.client.settings.networkMs);
  }

  /** Something has been written, or taken. */
  written(): void {
    const { tx } = this.watched;
    if (!tx.blocked) {
      this.progress.clear();
    } else if (!this.progress.running || tx.taken > this.taken) {
      this.taken = tx.taken;
      this.progress.set(this.host.client.settings.networkMs);
    }
  }

  /** A closing handshake has begun, which has a deadline of its own. */
  closing(): void {
    for (const deadline of [this.ping, this.pong, this.rest]) deadline.clear();
  }

  end(): void {
    this.closing();
    this.progress.clear();
  }

  private onPingDue(): void {
    const { host, watched } = this;
    // one that waits behind other data says nothing; `progress` looks after that
    if (!watched.tx.blocked) {
      watched.sendPing();
      if (host.client.settings.pongMs > 0 && !this.pong.running) this.pong.set(host.client.settings.pongMs);
    }
    this.setPing(host.client.pingMs);
  }

  private onPongDue(): void {
    const { pongMs } = this.host.client.settings;
    // while reading is stopped nothing can be heard
    if (this.watched.held) return this.pong.set(pongMs);
    this.watched.end(pongError(`nothing came for ${pongMs / 1000} s behind a Ping (pingpongTimeoutSec)`));
  }

  private onNoProgress(): void {
    this.giveUp('nothing of what was sent has been taken');
  }

  private onRestDue(): void {
    if (!this.watched.incomplete) return;
    if (!this.heard) return this.giveUp('no more of a frame');
    this.heard = false;
    this.rest.set(this.host.client.settings.networkMs);
  }

  private giveUp(what: string): void {
    this.watched.end(lateError(what, this.host.client.settings.networkMs));
  }
}
