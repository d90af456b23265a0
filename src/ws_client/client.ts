/**
 * The client as applications see it, after `esp_websocket_client.h`.
 */

import { ESP_ERR_INVALID_ARG, ESP_ERR_INVALID_STATE, EspError, invalidArg } from '../err.js';
import { type CloseInfo, checkClose, parseClose, WS_CLOSE_NO_STATUS, WS_CLOSE_NORMAL } from '../httpd_ws/close.js';
import {
  HTTPD_WS_TYPE_BINARY,
  HTTPD_WS_TYPE_CLOSE,
  HTTPD_WS_TYPE_CONTINUE,
  HTTPD_WS_TYPE_TEXT,
  isWsType,
} from '../httpd_ws/frame_type.js';
import { isUtf8 } from '../is_utf8.js';
import { harmless, rejected } from '../thenable.js';
import { ClientCore, type ClientParts } from './client_core.js';
import { checkPingInterval, checkReconnectTimeout, type EspWebsocketClientConfig } from './config.js';
import type { EspEventHandler, EspWebsocketEvents } from './events.js';
import { checkHeader, checkHeaders, checkSize, type HeaderList } from './header_list.js';
import type { WsMessage } from './messages.js';
import type { Sender } from './sender.js';

/** Text, or bytes. */
export type WsPayload = string | Uint8Array;

/** Up to so much goes into a control frame (RFC 6455 section 5.5). */
const CONTROL_MAX = 125;

/**
 * A client, not started yet, after `esp_websocket_client_init()`.
 *
 * @throws EspError ESP_ERR_INVALID_ARG; ESP_ERR_NOT_SUPPORTED if `perMessageDeflate` can't be used in this Node.js
 */
export function espWebsocketClientInit(config: EspWebsocketClientConfig): EspWebsocketClient {
  return new EspWebsocketClient(config);
}

/**
 * A WebSocket client, after `esp_websocket_client_handle_t`.
 *
 * Functions that return a promise fail by rejection, with an `EspError`; nobody has to await them. Others throw.
 */
export class EspWebsocketClient implements AsyncIterable<WsMessage, undefined>, AsyncDisposable {
  private readonly core: ClientCore;

  /** @throws EspError as `espWebsocketClientInit` */
  constructor(config: EspWebsocketClientConfig, parts: ClientParts = {}) {
    this.core = new ClientCore(config, parts);
  }

  /** `userContext` of the configuration. */
  get userContext(): unknown {
    return this.core.settings.userContext;
  }

  /**
   * Connects, and goes on doing so as the configuration says, after `esp_websocket_client_start()`.
   *
   * @returns resolves when the first connection is open; rejects if the client stops before that. Need not be awaited
   * @throws (rejects) EspError ESP_ERR_INVALID_STATE if it is running or destroyed, or `signal` is aborted
   */
  start(): Promise<void> {
    const { core } = this;
    if (core.destroyed) return rejected(new EspError(ESP_ERR_INVALID_STATE, 'the client has been destroyed'));
    if (core.run !== undefined)
      return rejected(new EspError(ESP_ERR_INVALID_STATE, 'the client has been started already'));
    const { signal } = core.settings;
    if (signal?.aborted) {
      return rejected(new EspError(ESP_ERR_INVALID_STATE, 'the signal is aborted', { cause: signal.reason }));
    }
    return core.start().connected;
  }

  /**
   * Ends the connection, or the wait for one, at once and without a closing handshake, after
   * `esp_websocket_client_stop()`. A client that is not running is left as it is.
   *
   * @returns resolves behind 'finish'
   */
  stop(): Promise<void> {
    const { run } = this.core;
    if (run === undefined) return Promise.resolve();
    run.stop();
    return run.finished;
  }

  /**
   * Closes with 1000 and ends, after `esp_websocket_client_close()`.
   *
   * @param timeoutMs for the server to answer, from 1 ms; default `networkTimeoutMs`
   * @returns resolves behind 'finish'
   * @throws (rejects) EspError ESP_ERR_INVALID_ARG
   */
  close(timeoutMs?: number): Promise<void> {
    return this.closeWithCode(WS_CLOSE_NORMAL, '', timeoutMs);
  }

  /**
   * Closes with a code and ends, after `esp_websocket_client_close_with_code()`.
   *
   * @param code 1000 to 1014 without 1004, 1005 and 1006, or 3000 to 4999
   * @param reason up to 123 bytes of UTF-8
   */
  closeWithCode(code: number, reason = '', timeoutMs: number = this.core.settings.networkMs): Promise<void> {
    try {
      checkClose(code, reason);
      if (!(timeoutMs >= 1 && timeoutMs <= 2 ** 31 - 1)) invalidArg('timeoutMs must be a number from 1 to 2147483647');
    } catch (error) {
      return rejected(error);
    }
    return this.leave({ code, reason }, timeoutMs);
  }

  /** Stops, and can't be started any more, after `esp_websocket_client_destroy()`. Listeners are removed behind 'finish'. */
  async destroy(): Promise<void> {
    const { core } = this;
    core.destroyed = true;
    await this.stop();
    core.release();
  }

  /** Destroys the client when it stops, after `esp_websocket_client_destroy_on_exit()`. */
  destroyOnExit(): void {
    this.core.destroyOnExit = true;
  }

  /** Closes and destroys. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await this.destroy();
  }

  /** Is there an open connection, after `esp_websocket_client_is_connected()`? */
  isConnected(): boolean {
    return this.core.connection?.isOpen ?? false;
  }

  /**
   * Sends a text message, after `esp_websocket_client_send_text()`.
   *
   * All functions that send give bytes to the system at the end of the loop's turn, those of one turn together. They
   * resolve when the server keeps up, so who awaits them is no faster than it; they reject if the connection ends before.
   *
   * @param data bytes must be UTF-8
   * @throws (rejects) EspError ESP_ERR_INVALID_ARG; ESP_ERR_INVALID_STATE if there is no open connection;
   * ESP_ERR_NO_MEM if `maxTxPending` is reached; ESP_FAIL if the connection has ended
   */
  sendText(data: WsPayload): Promise<void> {
    return this.send(HTTPD_WS_TYPE_TEXT, data, (sender, payload) => {
      if (typeof payload !== 'string' && !isUtf8(payload))
        return wrong('a text message must be UTF-8: use sendBin for other bytes');
      return sender.message(HTTPD_WS_TYPE_TEXT, payload);
    });
  }

  /** Sends a binary message, after `esp_websocket_client_send_bin()`. */
  sendBin(data: WsPayload): Promise<void> {
    return this.send(HTTPD_WS_TYPE_BINARY, data, (sender, payload) => sender.message(HTTPD_WS_TYPE_BINARY, payload));
  }

  /** Begins a text message in fragments, after `esp_websocket_client_send_text_partial()`. Other messages wait for its end. */
  sendTextPartial(data: WsPayload): Promise<void> {
    return this.send(HTTPD_WS_TYPE_TEXT, data, (sender, payload) =>
      sender.fragment(false, HTTPD_WS_TYPE_TEXT, payload),
    );
  }

  /** Begins a binary message in fragments, after `esp_websocket_client_send_bin_partial()`. */
  sendBinPartial(data: WsPayload): Promise<void> {
    return this.send(HTTPD_WS_TYPE_BINARY, data, (sender, payload) =>
      sender.fragment(false, HTTPD_WS_TYPE_BINARY, payload),
    );
  }

  /** Sends a fragment that is neither first nor last, after `esp_websocket_client_send_cont_msg()`. */
  sendContMsg(data: WsPayload): Promise<void> {
    return this.send(HTTPD_WS_TYPE_CONTINUE, data, (sender, payload) =>
      sender.fragment(false, HTTPD_WS_TYPE_CONTINUE, payload),
    );
  }

  /** Ends a message in fragments with one that is empty, after `esp_websocket_client_send_fin()`. */
  sendFin(): Promise<void> {
    return this.send(HTTPD_WS_TYPE_CONTINUE, '', (sender, payload) =>
      sender.fragment(true, HTTPD_WS_TYPE_CONTINUE, payload),
    );
  }

  /**
   * Sends what comes out of `parts` as one message in fragments, and waits for the server between them.
   *
   * @param opCode TEXT or BINARY; by default TEXT if the first part is a string
   * @throws (rejects) what `parts` throws, too; then the connection is closed with 1011, since a message can't be taken
   * back
   */
  sendFragments(parts: Iterable<WsPayload> | AsyncIterable<WsPayload>, opCode?: number): Promise<void> {
    return harmless(this.sendParts(parts, opCode));
  }

  /**
   * Sends a frame, after `esp_websocket_client_send_with_opcode()`: a message (TEXT, BINARY), the last fragment of one
   * (CONT), a PING or PONG. CLOSE, with a code and a reason as payload or none, closes as `close()` does.
   *
   * @param opCode one of `WS_TRANSPORT_OPCODES_…`
   */
  sendWithOpcode(opCode: number, data: WsPayload = ''): Promise<void> {
    if (!isWsType(opCode)) return wrong(`opCode ${String(opCode)} is not one of WS_TRANSPORT_OPCODES_…`);
    if (opCode === HTTPD_WS_TYPE_TEXT) return this.sendText(data);
    if (opCode === HTTPD_WS_TYPE_BINARY) return this.sendBin(data);
    return this.send(opCode, data, (sender, payload) => {
      if (opCode === HTTPD_WS_TYPE_CONTINUE) return sender.fragment(true, opCode, payload);
      if (opCode !== HTTPD_WS_TYPE_CLOSE) return sender.control(opCode, payload);
      const info = parseClose(Buffer.from(payload as Uint8Array));
      return 'why' in info ? wrong(`the frame would be ${info.why}`) : this.leave(info, this.core.settings.networkMs);
    });
  }

  /** Bytes that the server, or the system, has not taken yet. */
  getTxPending(): number {
    return this.core.connection?.sender?.pending ?? 0;
  }

  getPingIntervalSec(): number {
    return this.core.pingMs / 1000;
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  setPingIntervalSec(seconds: number): void {
    this.core.pingMs = checkPingInterval(seconds);
    this.core.connection?.setPing(this.core.pingMs);
  }

  /** The first wait before the client connects again, in ms; -1 if it does not. */
  getReconnectTimeout(): number {
    return this.core.settings.autoReconnect ? this.core.reconnectMs : -1;
  }

  /** Sets it for waits that begin later. @throws EspError ESP_ERR_INVALID_ARG */
  setReconnectTimeout(ms: number): void {
    this.core.reconnectMs = checkReconnectTimeout(ms);
    this.core.backoff.reset();
  }

  /**
   * Sets where to connect to, after `esp_websocket_client_set_uri()`. What it does not say, be it the port or the
   * credentials, is as in the configuration.
   *
   * @throws EspError ESP_ERR_INVALID_ARG; ESP_ERR_INVALID_STATE unless the client is stopped
   */
  setUri(uri: string): void {
    if (this.core.run !== undefined) throw new EspError(ESP_ERR_INVALID_STATE, 'stop the client before its uri is set');
    this.core.setUri(uri);
  }

  /** Sets the further headers of handshakes to come. @throws EspError ESP_ERR_INVALID_ARG */
  setHeaders(headers: HeaderList): void {
    this.core.headers = checkHeaders(headers);
  }

  /** Adds a header to handshakes to come. @throws EspError ESP_ERR_INVALID_ARG */
  appendHeader(name: string, value: string): void {
    const headers = [...this.core.headers, checkHeader(name, value)];
    checkSize(headers);
    this.core.headers = headers;
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  on<Name extends keyof EspWebsocketEvents>(
    name: Name,
    listener: (...args: EspWebsocketEvents[Name]) => unknown,
  ): this {
    this.core.events.add(name, listener, false);
    return this;
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  once<Name extends keyof EspWebsocketEvents>(
    name: Name,
    listener: (...args: EspWebsocketEvents[Name]) => unknown,
  ): this {
    this.core.events.add(name, listener, true);
    return this;
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  off<Name extends keyof EspWebsocketEvents>(
    name: Name,
    listener: (...args: EspWebsocketEvents[Name]) => unknown,
  ): this {
    this.core.events.remove(name, listener);
    return this;
  }

  /**
   * Calls `handler` with the event's number and its payload, after `esp_websocket_register_events()`.
   *
   * @param eventId one of `WEBSOCKET_EVENT_…`; `WEBSOCKET_EVENT_ANY` for all
   * @throws EspError ESP_ERR_INVALID_ARG
   */
  registerEvents(eventId: number, handler: EspEventHandler): void {
    this.core.events.register(eventId, handler);
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  unregisterEvents(eventId: number, handler: EspEventHandler): void {
    this.core.events.unregister(eventId, handler);
  }

  /**
   * Whole messages, from now on and from one connection to the next, until the client stops. It ends with the error if
   * a connection failed and the client does not connect again. Before the start it waits for that. Messages that are not taken wait, up to `maxRxPending`;
   * then reading stops.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<WsMessage, undefined> {
    return this.core.messages();
  }

  private async sendParts(parts: Iterable<WsPayload> | AsyncIterable<WsPayload>, opCode?: number): Promise<void> {
    const iterable =
      typeof parts === 'object' && parts !== null && (Symbol.iterator in parts || Symbol.asyncIterator in parts);
    if (!iterable || ArrayBuffer.isView(parts)) invalidArg('sendFragments takes an iterable of strings or Uint8Arrays');
    if (opCode !== undefined && opCode !== HTTPD_WS_TYPE_TEXT && opCode !== HTTPD_WS_TYPE_BINARY) {
      invalidArg('opCode must be WS_TRANSPORT_OPCODES_TEXT or WS_TRANSPORT_OPCODES_BINARY');
    }
    const { connection } = this.core;
    const sender = this.sender();
    let begun = false;
    try {
      for await (const part of parts) {
        if (!isPayload(part)) invalidArg('each part must be a string or a Uint8Array');
        const type = opCode ?? (typeof part === 'string' ? HTTPD_WS_TYPE_TEXT : HTTPD_WS_TYPE_BINARY);
        if (!begun && sender.inFragments) {
          throw new EspError(ESP_ERR_INVALID_STATE, 'another message in fragments has not been ended');
        }
        const sent = sender.fragment(false, begun ? HTTPD_WS_TYPE_CONTINUE : type, part);
        begun ||= sender.inFragments;
        await sent;
      }
      if (begun) await sender.fragment(true, HTTPD_WS_TYPE_CONTINUE, '');
      else await sender.message(opCode ?? HTTPD_WS_TYPE_TEXT, '');
    } catch (error) {
      if (begun) connection?.abandon('a message in fragments was not completed: closed with 1011');
      throw error;
    }
  }

  private leave({ code, reason }: CloseInfo, timeoutMs: number): Promise<void> {
    const { run } = this.core;
    if (run === undefined) return Promise.resolve();
    run.close(code === WS_CLOSE_NO_STATUS ? undefined : code, reason, timeoutMs);
    return run.finished;
  }

  private send(
    opCode: number,
    data: WsPayload,
    how: (sender: Sender, data: WsPayload) => Promise<void>,
  ): Promise<void> {
    if (!isPayload(data)) return wrong('data must be a string or a Uint8Array');
    if (opCode >= HTTPD_WS_TYPE_CLOSE && Buffer.byteLength(data) > CONTROL_MAX) {
      return wrong(`a control frame has room for ${CONTROL_MAX} bytes (RFC 6455 section 5.5)`);
    }
    try {
      return how(this.sender(), data);
    } catch (error) {
      return rejected(error);
    }
  }

  private sender(): Sender {
    const { connection } = this.core;
    if (connection?.sender === undefined)
      throw new EspError(ESP_ERR_INVALID_STATE, 'there is no connection: wait for connected');
    return connection.sender;
  }
}

function isPayload(data: unknown): data is WsPayload {
  return typeof data === 'string' || data instanceof Uint8Array;
}

function wrong(message: string): Promise<never> {
  return rejected(new EspError(ESP_ERR_INVALID_ARG, message));
}
