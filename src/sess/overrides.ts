/**
 * Transport overrides of one session, after `httpd_sess_set_recv_override`, `_send_override` and `_pending_override`:
 * functions that stand between the socket and the protocol, such as a cipher or a recorder.
 */
import { describeThrown } from '../err.js';
import type { PortSocket } from '../port/port.js';
import type { Clock } from './deadlines.js';
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
/** A send override that can't send now is asked again after so many ms. */
const SEND_RETRY_MS = 10;
/** So often it may give bytes without taking any from the socket, before the session's turn ends. */
const ROUNDS_MAX = 1024;
/** What receive overrides fill; its bytes are passed on before another can. */
const scratch = Buffer.allocUnsafeSlow(RECV_MAX);

export class Overrides {
  recv: RecvFn | undefined;
  send: SendFn | undefined;
  pending: PendingFn | undefined;
  /** Is an override running? Then socketSend and socketRecv reach the socket itself. */
  active = false;
  /** Received and not yet asked for by the receive override. */
  readonly raw: Input;
  /** Stops the timer that asks the send override again. */
  private stopRetry: (() => void) | undefined;

  /**
   * @param onFailure ends the session; gets what an override has thrown, if it has
   * @param onWritable lets what is queued be sent again
   */
  constructor(
    receive: ReceiveBuffer,
    private readonly sock: PortSocket,
    private readonly onFailure: (what: string, thrown?: unknown) => void,
    private readonly clock: Clock,
    private readonly onWritable: () => void,
  ) {
    this.raw = new Input(receive);
  }

  /**
   * Runs a chunk that lies in the receive buffer through the receive override.
   *
   * @param deliver gets what comes out, and tells whether the session goes on
   */
  receive(len: number, deliver: (bytes: Buffer) => boolean): void {
    this.raw.arrive(len);
    for (let rounds = 0; rounds < ROUNDS_MAX; rounds++) {
      const before = this.raw.length;
      const n = this.call(() => this.recv?.(scratch) ?? 0);
      if (n === 0 || n === HTTPD_SOCK_ERR_TIMEOUT) break;
      if (!Number.isInteger(n) || n < 0 || n > RECV_MAX)
        return this.onFailure(`receive override returned ${String(n)}`);
      if (!deliver(scratch.subarray(0, n))) return;
      if (this.raw.length === 0 && !(this.call(() => this.pending?.() ?? 0) > 0)) return;
      if (this.raw.length < before) rounds = 0;
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
      send: (buf, from, to) => this.sendAll(buf, from, to),
    };
  }

  /** Lets the send override take what it will, as `httpd_send_all()` does. */
  private sendAll(buf: Buffer, from: number, to: number): number {
    for (let at = from; at < to; ) {
      const n = this.call(() => this.send?.(buf.subarray(at, to)) ?? this.sock.send(buf, at, to));
      if (n === 0 || n === HTTPD_SOCK_ERR_TIMEOUT) {
        // the socket itself may not be blocked, and then nobody else says when to go on
        this.retryLater();
        return at - from;
      }
      if (!Number.isInteger(n) || n < 0 || n > to - at) {
        this.onFailure(`send override returned ${String(n)}`);
        return at - from;
      }
      at += n;
    }
    return to - from;
  }

  /** The session has ended. */
  stop(): void {
    this.raw.clear();
    this.stopRetry?.();
    this.stopRetry = undefined;
  }

  private retryLater(): void {
    this.stopRetry ??= this.clock.after(SEND_RETRY_MS, () => {
      this.stopRetry = undefined;
      this.onWritable();
    });
  }

  private call(fn: () => number): number {
    this.active = true;
    try {
      return fn();
    } catch (thrown) {
      this.onFailure(`an override threw ${describeThrown(thrown)}`, thrown);
      return 0;
    } finally {
      this.active = false;
    }
  }
}
