/**
 * What a connection needs from its client, and tells it.
 */
import type { Contexts } from '../async_context.js';
import type { CloseInfo } from '../httpd_ws/close.js';
import type { Clock } from '../sess/deadlines.js';
import type { ClientSettings } from './config.js';
import type { EspWebsocketError, WsResponse } from './errors.js';
import type { WsConnectedEvent } from './events.js';
import type { HandshakeOffer } from './handshake.js';
import type { Hop } from './redirect.js';
import type { Dial, SocketTarget } from './socket.js';

/** How a connection, or the attempt to make one, has ended. */
export interface Ending {
  /** Undefined if nothing went wrong. */
  readonly error: EspWebsocketError | undefined;
  /** What the server's Close frame says; code 1006 if none came. */
  readonly close: CloseInfo;
  /** Have Close frames gone both ways? */
  readonly wasClean: boolean;
  /** Has it been open? */
  readonly wasOpen: boolean;
  /** Where to go on, if the server has said so, and it is to be followed. */
  readonly next?: Hop | undefined;
}

/** One connection of an attempt. */
export interface Journey {
  readonly hop: Hop;
  readonly target: SocketTarget;
  readonly offer: HandshakeOffer;
  /** What is left of `networkTimeoutMs`. */
  readonly withinMs: number;
}

/** What a connection needs from its client. */
export interface ConnectionClient {
  readonly settings: ClientSettings;
  readonly clock: Clock;
  readonly dial: Dial;
  readonly maskingKey: () => number;
  /** How often to ping, in ms. */
  readonly pingMs: number;
  /** Does anybody iterate over messages? */
  readonly iterated: boolean;
}

/** Who is told what becomes of a connection. */
export interface ConnectionHost {
  readonly client: ConnectionClient;
  readonly contexts: Contexts;
  /** The response to the handshake, whether it is a refusal or not. */
  onResponse(response: WsResponse): void;
  onOpen(info: WsConnectedEvent): void;
  onData(opCode: number, data: Buffer, payloadLen: number, payloadOffset: number, fin: boolean): void;
  onEnded(ending: Ending): void;
}
