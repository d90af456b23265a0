/**
 * What a client tells its listeners, after `esp_websocket_event_id_t`.
 */
import { invalidArg } from '../err.js';
import { watch } from '../thenable.js';
import type { EspWebsocketError, EspWebsocketErrorCodes, WsResponse } from './errors.js';

/** Payload of 'connected'. */
export interface WsConnectedEvent {
  /** The subprotocol that the server has chosen. */
  readonly subprotocol: string | undefined;
  /** Has permessage-deflate been agreed on? */
  readonly compressed: boolean;
  /** The response to the handshake. */
  readonly response: WsResponse;
  /** Where the connection leads, without credentials: where the configuration, or the last redirection, has said. */
  readonly uri: string;
}

/** Payload of 'data', after `esp_websocket_event_data_t`. */
export interface WsDataEvent {
  /** One of `WS_TRANSPORT_OPCODES_…`; CONT for a frame that continues a message. */
  readonly opCode: number;
  /** This piece of the payload. It is the listener's to keep. */
  readonly data: Buffer;
  /** Length of this piece. */
  readonly dataLen: number;
  /** Length of the whole payload: of the frame, or of the message if it was compressed or joined. */
  readonly payloadLen: number;
  /** Where in the payload this piece begins. */
  readonly payloadOffset: number;
  /** FIN of the frame. A message ends where that is true and `payloadOffset + dataLen` is `payloadLen`. */
  readonly fin: boolean;
}

/** Payload of 'closed' and 'disconnected'. */
export interface WsEndEvent {
  /** Code of the server's Close frame: 1005 if that had none, 1006 if none came (RFC 6455 section 7.1.5). */
  readonly code: number;
  /** The reason in it; as the server wrote it. */
  readonly reason: string;
  /** Was the connection open before? */
  readonly wasConnected: boolean;
  /** Was it this client that asked for the end? */
  readonly byClient: boolean;
  /** Will it connect again? */
  readonly willReconnect: boolean;
  readonly errorHandle: EspWebsocketErrorCodes;
}

/** Events and what their listeners get. */
export interface EspWebsocketEvents {
  /** A connection or an attempt at one has failed (`WEBSOCKET_EVENT_ERROR`). Need not be listened to. */
  error: [error: EspWebsocketError];
  /** A field of the response to the handshake (`WEBSOCKET_EVENT_HEADER_RECEIVED`), before 'connected' or 'error'. Also of redirections. */
  headerReceived: [header: readonly [name: string, value: string]];
  /** The connection is open (`WEBSOCKET_EVENT_CONNECTED`). */
  connected: [info: WsConnectedEvent];
  /** A connection was lost, or could not be made (`WEBSOCKET_EVENT_DISCONNECTED`). */
  disconnected: [end: WsEndEvent];
  /** A frame has come, a message, or a piece of one (`WEBSOCKET_EVENT_DATA`). */
  data: [data: WsDataEvent];
  /** Close frames have gone both ways (`WEBSOCKET_EVENT_CLOSED`). */
  closed: [end: WsEndEvent];
  /** The client is about to connect (`WEBSOCKET_EVENT_BEFORE_CONNECT`). */
  beforeConnect: [];
  /** The client has started (`WEBSOCKET_EVENT_BEGIN`). */
  begin: [];
  /** The client has stopped, and can be started again (`WEBSOCKET_EVENT_FINISH`). */
  finish: [];
}

export const WEBSOCKET_EVENT_ANY = -1;
export const WEBSOCKET_EVENT_ERROR = 0;
export const WEBSOCKET_EVENT_HEADER_RECEIVED = 1;
export const WEBSOCKET_EVENT_CONNECTED = 2;
export const WEBSOCKET_EVENT_DISCONNECTED = 3;
export const WEBSOCKET_EVENT_DATA = 4;
export const WEBSOCKET_EVENT_CLOSED = 5;
export const WEBSOCKET_EVENT_BEFORE_CONNECT = 6;
export const WEBSOCKET_EVENT_BEGIN = 7;
export const WEBSOCKET_EVENT_FINISH = 8;

/** Their numbers (`esp_websocket_event_id_t` of ESP-IDF 6). */
const IDS: Readonly<Record<keyof EspWebsocketEvents, number>> = {
  error: WEBSOCKET_EVENT_ERROR,
  headerReceived: WEBSOCKET_EVENT_HEADER_RECEIVED,
  connected: WEBSOCKET_EVENT_CONNECTED,
  disconnected: WEBSOCKET_EVENT_DISCONNECTED,
  data: WEBSOCKET_EVENT_DATA,
  closed: WEBSOCKET_EVENT_CLOSED,
  beforeConnect: WEBSOCKET_EVENT_BEFORE_CONNECT,
  begin: WEBSOCKET_EVENT_BEGIN,
  finish: WEBSOCKET_EVENT_FINISH,
};

/** A handler as `registerEvents` takes it. `data` is the event's payload, if it has one. */
export type EspEventHandler = (eventId: number, data: unknown) => unknown;

interface Entry {
  /** What was given to `on`, `once` or `registerEvents`. */
  readonly listener: unknown;
  readonly call: (payload: unknown) => unknown;
  readonly once: boolean;
}

type Name = keyof EspWebsocketEvents;

/** Listeners, which can't harm the client: one that throws, or whose promise rejects, is logged. */
export class ClientEvents {
  private readonly lists: Record<Name, readonly Entry[]>;

  constructor(private readonly onFailure: (thrown: unknown) => void) {
    this.lists = {
      error: [],
      headerReceived: [],
      connected: [],
      disconnected: [],
      data: [],
      closed: [],
      beforeConnect: [],
      begin: [],
      finish: [],
    };
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  add(name: Name, listener: unknown, once: boolean): void {
    checkName(name);
    if (typeof listener !== 'function') invalidArg(`the listener for '${name}' must be a function`);
    this.append(name, { listener, call: listener as (payload: unknown) => unknown, once });
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  remove(name: Name, listener: unknown): void {
    checkName(name);
    const list = this.lists[name];
    const at = list.findLastIndex(entry => entry.listener === listener);
    if (at >= 0) this.lists[name] = list.toSpliced(at, 1);
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  register(id: number, handler: EspEventHandler): void {
    if (typeof handler !== 'function') invalidArg('the handler must be a function');
    for (const name of namesOf(id)) {
      this.append(name, { listener: handler, call: payload => handler(IDS[name], payload), once: false });
    }
  }

  /** @throws EspError ESP_ERR_INVALID_ARG */
  unregister(id: number, handler: EspEventHandler): void {
    for (const name of namesOf(id)) this.remove(name, handler);
  }

  has(name: Name): boolean {
    return this.lists[name].length > 0;
  }

  emit<N extends Name>(name: N, ...[payload]: EspWebsocketEvents[N]): void {
    // lists are replaced and never changed, so that this one stays as it is while listeners come and go
    for (const entry of this.lists[name]) {
      if (entry.once) this.lists[name] = this.lists[name].filter(other => other !== entry);
      try {
        watch(entry.call(payload), this.onFailure);
      } catch (thrown) {
        this.onFailure(thrown);
      }
    }
  }

  clear(): void {
    for (const name of Object.keys(this.lists) as Name[]) this.lists[name] = [];
  }

  private append(name: Name, entry: Entry): void {
    this.lists[name] = [...this.lists[name], entry];
  }
}

function checkName(name: unknown): void {
  if (!Object.hasOwn(IDS, name as string)) invalidArg(`there is no event '${String(name)}'; see EspWebsocketEvents`);
}

function namesOf(id: number): Name[] {
  const names = (Object.keys(IDS) as Name[]).filter(name => id === WEBSOCKET_EVENT_ANY || IDS[name] === id);
  if (names.length === 0) invalidArg(`${String(id)} is no event: see WEBSOCKET_EVENT_…`);
  return names;
}
