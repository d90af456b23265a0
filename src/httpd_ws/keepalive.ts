/**
 * When a quiet WebSocket is pinged, and when it has been quiet, or open, for too long. Pure: knows times in ms, and no
 * clock.
 */
import { FAIL, type Failure } from './close.js';
import type { WsSettings } from './options.js';

/** Nothing is due. */
export const ALL_WELL = 0;
/** The peer has been quiet: send a Ping. */
export const PING_DUE = 1;
/** The peer has not answered a Ping. */
export const PEER_DEAD = 2;

export class Keepalive {
  /** When a data frame has come or gone. */
  dataAt: number;
  /** When the last frame of a message has come that is not complete. */
  messageAt = 0;
  /** When the peer was pinged; 0 is never. */
  private pingedAt = 0;
  /** Pings that no Pong has answered. */
  private unanswered = 0;
  private readonly openedAt: number;

  constructor(
    private readonly settings: WsSettings,
    now: number,
  ) {
    this.dataAt = this.openedAt = now;
  }

  /**
   * When to look again; 0 is never.
   *
   * @param heardAt when the peer has shown life, by what it sent or took
   * @param inMessage has a message begun and not ended?
   */
  next(heardAt: number, inMessage: boolean): number {
    const { pingMs, pongMs, inactivityMs, messageMs, lifeMs } = this.settings;
    let time = Number.POSITIVE_INFINITY;
    if (pingMs > 0) time = this.pingedAt > heardAt ? this.pingedAt + pongMs : heardAt + pingMs;
    if (inactivityMs > 0) time = Math.min(time, this.dataAt + inactivityMs);
    if (inMessage) time = Math.min(time, this.messageAt + messageMs);
    if (lifeMs > 0) time = Math.min(time, this.openedAt + lifeMs);
    return time === Number.POSITIVE_INFINITY ? 0 : time;
  }

  /** What is due now: ALL_WELL, PING_DUE, PEER_DEAD, or why the connection is to be closed. */
  look(now: number, heardAt: number, inMessage: boolean): number | Failure {
    const { pingMs, pongMs, inactivityMs, messageMs, lifeMs } = this.settings;
    if (lifeMs > 0 && now >= this.openedAt + lifeMs) return FAIL.TOO_OLD;
    if (inMessage && now >= this.messageAt + messageMs) return FAIL.STALLED;
    if (inactivityMs > 0 && now >= this.dataAt + inactivityMs) return FAIL.INACTIVE;
    if (pingMs === 0) return ALL_WELL;
    if (this.pingedAt > heardAt) return now >= this.pingedAt + pongMs ? PEER_DEAD : ALL_WELL;
    return now >= heardAt + pingMs ? PING_DUE : ALL_WELL;
  }

  /** A data frame has come from the peer, or it is not the peer's turn to send one. */
  data(time: number): void {
    this.dataAt = this.messageAt = time;
  }

  /** A Ping has been sent. */
  pinged(now: number): void {
    this.pingedAt = now;
    this.unanswered += 1;
  }

  /** The one that was sent still waits behind other data. */
  pingWaits(now: number): void {
    this.pingedAt = now;
  }

  /** A Pong has come that a Ping may have asked for. @returns whether one has */
  ponged(): boolean {
    if (this.unanswered === 0) return false;
    this.unanswered -= 1;
    return true;
  }
}
