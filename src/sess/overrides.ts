/**
 * Transport overrides of one session, after `httpd_sess_set_recv_override`, `_send_override` and `_pending_override`:
 * functions that stand between the socket and the protocol, such as a cipher or a recorder.
 */
import type { PortSocket } from '../port/port.js';
import { Input, type ReceiveBuffer } from './input.js';

/** Nothing can be received or sent now; try later (`esp_http_server.h`). */
export const HTTPD_SOCK_ERR_TIMEOUT = -3;
/** A wrong argument (`esp_http_server.h`). */
export const HTTPD_SOCK_ERR_INVALID = -2;
/** The connection is broken (`esp_http_server.h`). */
export const HTTPD_SOCK_ERR_FAIL = -1;

/** Fills `buf` with received bytes. Returns how many, 0 or `HTTPD_SOCK_ERR_TIMEOUT` for none now, another negative number to end the session. */
export type RecvFn = (buf: Uint8Array) => number;
/** Takes bytes to send. Returns how many it took, `HTTPD_SOCK_ERR_TIMEOUT` for none now, another negative number to end the session. */
export type SendFn = (buf: Uint8Array) => number;
/** How many bytes can be read without another receive from the socket. */
export type PendingFn = () => number;

/** The most that one call of a receive override is asked for. */
const RECV_MAX = 16 * 1024;
/** What an override that never asks for its bytes may leave waiting. */
const RAW_MAX = 256 * 1024;

export class Overrides {
  recv: RecvFn | undefined;
  send: SendFn | undefined;
  pending: PendingFn | undefined;
  /** Is an override running? Then socketSend and socketRecv reach the socket itself. */
  active = false;
  /** Received and not yet asked for by the receive override. */
  readonly raw: Input;
  private readonly scratch = Buffer.allocUnsafeSlow(RECV_MAX);

  constructor(
    receive: ReceiveBuffer,
    private readonly sock: PortSocket,
    private readonly onFailure: (what: string) => void,
  ) {
    this.raw = new Input(receive);
  }

  /** Runs a chunk that lies in the receive buffer through the receive override; `deliver` gets what comes out. */
  receive(len: number, deliver: (bytes: Buffer) => void): void {
    this.raw.arrive(len);
    // what is delivered goes through the receive buffer, so the raw bytes must leave it
    this.raw.evict();
    for (;;) {
      const n = this.call(() => this.recv?.(this.scratch) ?? 0);
      if (n > 0) deliver(this.scratch.subarray(0, Math.min(n, RECV_MAX)));
      else if (n < 0 && n !== HTTPD_SOCK_ERR_TIMEOUT) return this.onFailure('receive override failed');
      if (n <= 0 || (this.raw.length === 0 && this.call(() => this.pending?.() ?? 0) <= 0)) break;
    }
    if (this.raw.length > RAW_MAX) this.onFailure('receive override left its bytes unread');
  }

  /** What the transmit queue sends through while a send override is set. */
  get sink(): Pick<PortSocket, 'send' | 'pending'> {
    const { sock } = this;
    return {
      get pending() {
        return sock.pending;
      },
      send: (buf, from, to) => {
        const n = this.call(() => this.send?.(buf.subarray(from, to)) ?? sock.send(buf, from, to));
        if (n >= 0) return Math.min(n, to - from);
        if (n !== HTTPD_SOCK_ERR_TIMEOUT) this.onFailure('send override failed');
        return 0;
      },
    };
  }

  private call(fn: () => number): number {
    this.active = true;
    try {
      return fn();
    } finally {
      this.active = false;
    }
  }
}
